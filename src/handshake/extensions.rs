//! Agreeing on extensions (RFC 6455 §9.1): what is offered, accepted and confirmed.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::{Excerpt, HandshakeError, headers};
use crate::extension::{Extension, Extensions, Params, is_token, parse};

/// What a side is willing to use, the preferred first.
pub(super) type List = [Arc<dyn Extension>];

/// Writes a client's offers; `None` when there are none. Of two extensions of one name nobody could say
/// which the server has answered.
pub(super) fn offer(list: &List) -> Result<Option<HeaderValue>, HandshakeError> {
    let (mut names, mut offers) = (Vec::new(), Vec::new());
    for extension in list.iter().filter(|extension| offers_any(extension)) {
        let name = extension.name();
        if names.contains(&name) {
            return Err(headers::unusable("second extension", name.as_bytes()));
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

/// Answers a client's offers, in its order: of each name the first that an extension accepts, unless
/// its reserved bits are taken. Others are declined.
pub(super) fn accept(fields: &HeaderMap, list: &List) -> Result<Extensions, HandshakeError> {
    let mut agreed = Extensions::default();
    let mut names = Vec::new();
    for (name, offer) in read(fields)? {
        if names.contains(&name) {
            continue;
        }
        for extension in list.iter().filter(|extension| extension.name() == name) {
            if !is_free(&agreed, &**extension) {
                continue;
            }
            if let Ok((response, coders)) = extension.accept(&offer) {
                let element = element(&name, &response)?;
                agreed.push(&element, extension.rsv(), coders);
                names.push(name);
                break;
            }
        }
    }
    Ok(agreed)
}

/// Judges a server's response.
pub(super) fn confirm(fields: &HeaderMap, list: &List) -> Result<Extensions, HandshakeError> {
    let mut agreed = Extensions::default();
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
        if !is_free(&agreed, &**extension) {
            return Err(HandshakeError::ReservedBitsTaken(excerpt(&name)));
        }
        agreed.push(&element(&name, &response)?, extension.rsv(), coders);
        names.push(name);
    }
    Ok(agreed)
}

/// Whether it is for clients.
fn offers_any(extension: &Arc<dyn Extension>) -> bool {
    !extension.offers().is_empty()
}

/// Whether the reserved bits of an extension are not yet another's.
fn is_free(agreed: &Extensions, extension: &dyn Extension) -> bool {
    agreed.rsv().intersection(extension.rsv()).is_none()
}

/// Reads all elements of the header; none when it is absent.
fn read(fields: &HeaderMap) -> Result<Vec<(String, Params)>, HandshakeError> {
    let malformed = |element| headers::invalid(headers::EXTENSIONS, element);
    let elements = headers::list(fields, headers::EXTENSIONS);
    let read = elements
        .map(|element| parse(element).ok_or_else(|| malformed(element)))
        .collect::<Result<Vec<_>, _>>()?;
    if read.is_empty() && fields.contains_key(headers::EXTENSIONS) {
        return Err(malformed(b""));
    }
    Ok(read)
}

/// Writes one element of the header.
fn element(name: &str, params: &Params) -> Result<String, HandshakeError> {
    let element = format!("{name}{params}");
    if !is_token(name.as_bytes()) || !params.is_valid() {
        return Err(headers::unusable("extension", element.as_bytes()));
    }
    Ok(element)
}

fn excerpt(name: &str) -> Excerpt {
    Excerpt::new(name.as_bytes())
}
