//! Responses to requests that a server does not upgrade.

use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE,
    WWW_AUTHENTICATE,
};
use http::{HeaderValue, Response, StatusCode};

use super::Policy;
use crate::handshake::{HandshakeError, VERSION, basic, upgrade_element};

impl Policy {
    /// Creates the response that refuses a request, as [`refuse`] does, with the `Server` header of this
    /// policy.
    pub fn refuse(&self, error: &HandshakeError) -> Response<String> {
        let status = error.status();
        let mut response = text(status, refusal_text(error));
        let fields = response.headers_mut();
        match status {
            StatusCode::METHOD_NOT_ALLOWED => {
                fields.insert(ALLOW, HeaderValue::from_static("GET"));
            }
            StatusCode::UPGRADE_REQUIRED => {
                // "A sender of Upgrade MUST also send an 'Upgrade' connection option" (RFC 9110 §7.8).
                fields.insert(CONNECTION, HeaderValue::from_static("close, Upgrade"));
                fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
                fields.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                fields.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        self.add_server(fields);
        response
    }
}

/// Creates the response that refuses a request, with one line of text as its body.
///
/// The response closes the connection. The text escapes the data of the peer. A 405 contains `Allow`, a 426
/// contains `Upgrade` and `Sec-WebSocket-Version` (RFC 6455 §4.4), and a 503 contains `Retry-After` with one
/// second. An error that does not concern a request leads to a 500 without further details.
///
/// `Server` names this crate. [`Policy::refuse`] uses the `Server` header of a policy.
pub fn refuse(error: &HandshakeError) -> Response<String> {
    Policy::default().refuse(error)
}

/// Creates a 401 response, which asks for a user name and a password (RFC 7617 §2).
///
/// `WWW-Authenticate` contains the realm, in which printable ASCII is allowed. Other characters become `?`.
/// The response has a line of text, and closes the connection.
/// [`Credentials`](crate::handshake::Credentials) are those that the client then sends.
pub fn unauthorized(realm: &str) -> Response<String> {
    let body = "this endpoint requires a user name and a password\n".to_owned();
    let mut response = text(StatusCode::UNAUTHORIZED, body);
    let fields = response.headers_mut();
    fields.insert(WWW_AUTHENTICATE, basic::challenge(realm));
    response
}

/// Creates a response that has a text and closes the connection.
fn text(status: StatusCode, body: String) -> Response<String> {
    let len = HeaderValue::from(body.len());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(CONNECTION, HeaderValue::from_static("close"));
    fields.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    fields.insert(CONTENT_LENGTH, len);
    response
}

/// Returns the body of a refusal. It explains the commonest case, a request of a browser or a proxy that asks
/// for no upgrade.
fn refusal_text(error: &HandshakeError) -> String {
    match error {
        HandshakeError::NotUpgrade { header } => {
            let wanted = upgrade_element(header);
            format!(
                "This is a WebSocket endpoint. The request has no `{header}: {wanted}`; \
                 behind a proxy, forward Upgrade and Connection.\n"
            )
        }
        _ if error.status() == StatusCode::INTERNAL_SERVER_ERROR => {
            "the opening handshake failed\n".to_owned()
        }
        _ => format!("{error}\n"),
    }
}
