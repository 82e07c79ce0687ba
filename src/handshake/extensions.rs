//! Negotiation of extensions (RFC 6455 §9.1): offer, acceptance and confirmation.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::{Excerpt, HandshakeError, headers};
use crate::extension::{Extension, Extensions, Params, is_token, parse};

/// The extensions of one side, the preferred one first.
pub(super) type List = [Arc<dyn Extension>];

/// Returns the header value of a client's offers, or `None` if there are none. Names must be unique,
/// because otherwise the response could not be matched to an offer.
pub(super) fn offer(list: &List) -> Result<Option<HeaderValue>, HandshakeError> {
    let (mut names, mut offers) = (Vec::new(), Vec::new());
    for extension in list.iter().filter(|extension| offers_any(extension)) {
        let name = extension.name();
        if names.contains(&name) {
            let rule = "a client can offer one extension of each name";
            return Err(headers::invalid_setting("extension", name.as_bytes(), rule));
        }
        names.push(name);
        for params in extension.offers() {
            offers.push(element(name, &params)?);
        }
    }
    if offers.is_empty() {
        return Ok(None);
    }
    headers::value("extension", &offers.join(", ")).map(Some)
}

/// Answers a client's offers, in the client's order. Accepts, for each name, the first offer that an
/// extension accepts and whose reserved bits are free. Declines all others.
pub(super) fn accept(fields: &HeaderMap, list: &List) -> Result<Extensions, HandshakeError> {
    let mut negotiated = Extensions::default();
    let mut names = Vec::new();
    for (name, offer) in read(fields)? {
        if names.contains(&name) {
            continue;
        }
        for extension in list.iter().filter(|extension| extension.name() == name) {
            if !is_free(&negotiated, &**extension) {
                continue;
            }
            if let Ok((response, coders)) = extension.accept(&offer) {
                let element = element(&name, &response)?;
                negotiated.push(&element, extension.rsv(), coders);
                names.push(name);
                break;
            }
        }
    }
    Ok(negotiated)
}

/// Checks a server's response to the offers.
pub(super) fn confirm(fields: &HeaderMap, list: &List) -> Result<Extensions, HandshakeError> {
    let mut negotiated = Extensions::default();
    let mut names = Vec::new();
    for (name, response) in read(fields)? {
        if names.contains(&name) {
            return Err(HandshakeError::DuplicateExtension(excerpt(&name)));
        }
        let mut offered = list.iter().filter(|extension| offers_any(extension));
        let Some(extension) = offered.find(|extension| extension.name() == name) else {
            return Err(HandshakeError::ExtensionNotOffered(excerpt(&name)));
        };
        let confirmed = extension.confirm(&response);
        let coders = confirmed.map_err(|error| HandshakeError::Extension {
            name: excerpt(&name),
            error: Box::new(error),
        })?;
        if !is_free(&negotiated, &**extension) {
            return Err(HandshakeError::ReservedBitsTaken(excerpt(&name)));
        }
        negotiated.push(&element(&name, &response)?, extension.rsv(), coders);
        names.push(name);
    }
    Ok(negotiated)
}

/// Returns whether clients can offer the extension.
fn offers_any(extension: &Arc<dyn Extension>) -> bool {
    !extension.offers().is_empty()
}

/// Returns whether the reserved bits of an extension are free.
fn is_free(negotiated: &Extensions, extension: &dyn Extension) -> bool {
    negotiated.rsv().intersection(extension.rsv()).is_none()
}

/// Parses all elements of the header. Returns none if the header is absent or empty.
pub(super) fn read(fields: &HeaderMap) -> Result<Vec<(String, Params)>, HandshakeError> {
    let malformed = |element| headers::invalid(headers::EXTENSIONS, element);
    let elements = headers::list(fields, headers::EXTENSIONS);
    elements
        .map(|element| parse(element).ok_or_else(|| malformed(element)))
        .collect()
}

/// Returns one element of the header.
fn element(name: &str, params: &Params) -> Result<String, HandshakeError> {
    let element = format!("{name}{params}");
    if !is_token(name.as_bytes()) || !params.is_valid() {
        let rule = "its name and its parameters have to be tokens";
        return Err(headers::invalid_setting(
            "extension",
            element.as_bytes(),
            rule,
        ));
    }
    Ok(element)
}

fn excerpt(name: &str) -> Excerpt {
    Excerpt::new(name.as_bytes())
}
