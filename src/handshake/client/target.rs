//! [`IntoTarget`]: the values that name a server.

use http::{
    HeaderName, Method, Request, Uri,
    header::{
        CONNECTION, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
        UPGRADE,
    },
};

use super::Offer;
use crate::handshake::{HandshakeError, Target, headers};

/// A value that names the server of a connection: a URI, as a `&str`, a `String` or an [`http::Uri`], a [`Target`], or an
/// [`http::Request`] with headers.
///
/// A request must have the method `GET` and an absolute URI. Its `Origin` and `Sec-WebSocket-Protocol` replace those of
/// the [`Offer`], and its other headers are sent as well. The headers that the handshake sets itself (`Upgrade`,
/// `Connection`, `Sec-WebSocket-Key` and `Sec-WebSocket-Version`) are ignored. `http::Uri` drops a fragment.
pub trait IntoTarget {
    /// Returns the address of the server, and the headers of this connection.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Uri`] for an invalid URI. For a request, also the errors of [`Offer`] and
    /// [`HandshakeError::InvalidSetting`] for its method.
    fn into_target(self) -> Result<(Target, Offer), HandshakeError>;
}

impl IntoTarget for &str {
    fn into_target(self) -> Result<(Target, Offer), HandshakeError> {
        Ok((Target::parse(self)?, Offer::new()))
    }
}

impl IntoTarget for String {
    fn into_target(self) -> Result<(Target, Offer), HandshakeError> {
        self.as_str().into_target()
    }
}

impl IntoTarget for &String {
    fn into_target(self) -> Result<(Target, Offer), HandshakeError> {
        self.as_str().into_target()
    }
}

impl IntoTarget for Uri {
    fn into_target(self) -> Result<(Target, Offer), HandshakeError> {
        self.to_string().into_target()
    }
}

impl IntoTarget for &Uri {
    fn into_target(self) -> Result<(Target, Offer), HandshakeError> {
        self.to_string().into_target()
    }
}

impl IntoTarget for Target {
    fn into_target(self) -> Result<(Target, Offer), HandshakeError> {
        Ok((self, Offer::new()))
    }
}

impl IntoTarget for &Target {
    fn into_target(self) -> Result<(Target, Offer), HandshakeError> {
        self.clone().into_target()
    }
}

impl IntoTarget for Request<()> {
    fn into_target(self) -> Result<(Target, Offer), HandshakeError> {
        let offer = offer_of(&self)?;
        let (target, _) = self.uri().into_target()?;
        Ok((target, offer))
    }
}

impl IntoTarget for &Request<()> {
    fn into_target(self) -> Result<(Target, Offer), HandshakeError> {
        self.clone().into_target()
    }
}

/// Returns the offer of a request, which may have been completed for the handshake of another library.
fn offer_of(request: &Request<()>) -> Result<Offer, HandshakeError> {
    const RULE: &str = "a connection is opened with GET";
    const OWN: [HeaderName; 6] = [
        CONNECTION,
        ORIGIN,
        SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION,
        UPGRADE,
    ];
    if request.method() != Method::GET {
        let method = request.method().as_str().as_bytes();
        return Err(headers::invalid_setting("method", method, RULE));
    }
    let subprotocols = headers::subprotocols(request.headers())?;
    let mut offer = Offer::new().subprotocols(subprotocols)?;
    offer.origin = request.headers().get(ORIGIN).cloned();
    for (name, value) in request.headers() {
        if !OWN.contains(name) {
            offer = offer.header(name, value)?;
        }
    }
    Ok(offer)
}
