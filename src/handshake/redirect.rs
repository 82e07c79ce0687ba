//! Redirects of the opening handshake (RFC 9110 §15.4, RFC 6455 §4.1).

use http::{Response, StatusCode, header::LOCATION};

use super::{Excerpt, HandshakeError, Target, UriError};

/// Returns the `Location` of a redirect. Returns `None` for another response, and for several or no locations.
fn location<B>(response: &Response<B>) -> Option<&[u8]> {
    let is_redirect = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let mut locations = response.headers().get_all(LOCATION).iter();
    let first = locations.next().filter(|_| is_redirect)?;
    locations.next().is_none().then(|| first.as_bytes())
}

/// Returns the target of a redirect from `from`, or `None` if the response is none.
///
/// `http` and `https` stand for `ws` and `wss`. A fragment is dropped.
///
/// # Errors
///
/// [`HandshakeError::Redirect`] for a target that is no valid URI, that has user info (RFC 9110 §4.2.4), or that leaves
/// TLS.
pub(crate) fn target<B>(
    from: &Target,
    response: &Response<B>,
) -> Result<Option<Target>, HandshakeError> {
    let Some(location) = location(response) else {
        return Ok(None);
    };
    let target = str::from_utf8(location)
        .map_err(|_| UriError::InvalidPath)
        .and_then(|location| resolve(from, location))
        .map_err(|_| refused(location, "it is no valid URI of a WebSocket"))?;
    if target.credentials().is_some() {
        return Err(refused(location, "it has user info"));
    }
    if from.is_secure() && !target.is_secure() {
        return Err(refused(location, "it leaves TLS"));
    }
    Ok(Some(target.with_credentials_of(from)))
}

/// Returns the error for a redirect that is not followed.
pub(crate) fn refuse<B>(response: &Response<B>, reason: &'static str) -> HandshakeError {
    refused(location(response).unwrap_or_default(), reason)
}

fn refused(location: &[u8], reason: &'static str) -> HandshakeError {
    let to = Excerpt::without_user_info(location);
    HandshakeError::Redirect { to, reason }
}

/// Resolves a reference (RFC 3986 §5.2).
fn resolve(from: &Target, reference: &str) -> Result<Target, UriError> {
    let (reference, _) = reference.split_once('#').unwrap_or((reference, ""));
    let scheme = if from.is_secure() { "wss" } else { "ws" };
    let end = reference.find(['/', '?', ':']).unwrap_or(reference.len());
    if let Some((other, [b':', ..])) = reference
        .split_at_checked(end)
        .map(|(scheme, rest)| (scheme, rest.as_bytes()))
    {
        let rest = reference.strip_prefix(other).unwrap_or_default();
        return Target::parse(&format!("{}{rest}", web_socket_scheme(other)?));
    }
    if reference.starts_with("//") {
        return Target::parse(&format!("{scheme}:{reference}"));
    }
    let (path, query) = reference.split_once('?').unwrap_or((reference, ""));
    let mark = if reference.contains('?') { "?" } else { "" };
    let base = from.path_and_query();
    let (base_path, _) = base.split_once('?').unwrap_or((base, ""));
    let path = match path {
        "" if mark.is_empty() => base.to_owned(),
        "" => base_path.to_owned(),
        path if path.starts_with('/') => without_dots(path),
        path => {
            let (folder, _) = base_path.rsplit_once('/').unwrap_or_default();
            without_dots(&format!("{folder}/{path}"))
        }
    };
    let authority = from.authority();
    Target::parse(&format!("{scheme}://{authority}{path}{mark}{query}"))
}

fn web_socket_scheme(scheme: &str) -> Result<&'static str, UriError> {
    match scheme.to_ascii_lowercase().as_str() {
        "ws" | "http" => Ok("ws"),
        "wss" | "https" => Ok("wss"),
        _ => Err(UriError::Scheme),
    }
}

/// Removes the segments `.` and `..` of a path that begins with `/` (RFC 3986 §5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    let mut is_folder = false;
    for segment in path.split('/').skip(1) {
        is_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    if is_folder {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn redirect(from: &str, location: &str) -> Result<String, HandshakeError> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::FOUND;
        let location = HeaderValue::from_bytes(location.as_bytes()).unwrap();
        response.headers_mut().insert(LOCATION, location);
        let from = Target::parse(from).unwrap();
        target(&from, &response).map(|target| target.unwrap().to_string())
    }

    #[test]
    fn references_are_resolved_by_rfc_3986() {
        let from = "ws://h:81/a/b/c?q";
        for (location, expected) in [
            ("wss://other/x", "wss://other/x"),
            ("HTTPS://other", "wss://other/"),
            ("http://h/", "ws://h/"),
            ("//other:9/x?y", "ws://other:9/x?y"),
            ("/x", "ws://h:81/x"),
            ("/x?a:b/c", "ws://h:81/x?a:b/c"),
            ("x", "ws://h:81/a/b/x"),
            ("x/y?z", "ws://h:81/a/b/x/y?z"),
            ("./x", "ws://h:81/a/b/x"),
            ("../x", "ws://h:81/a/x"),
            ("../../../x", "ws://h:81/x"),
            ("..", "ws://h:81/a/"),
            (".", "ws://h:81/a/b/"),
            ("?z", "ws://h:81/a/b/c?z"),
            ("?", "ws://h:81/a/b/c?"),
            ("", "ws://h:81/a/b/c?q"),
            ("/x#fragment", "ws://h:81/x"),
            ("#fragment", "ws://h:81/a/b/c?q"),
        ] {
            assert_eq!(redirect(from, location).unwrap(), expected, "{location}");
        }
        assert_eq!(
            redirect("ws://[fe80::1%25lo]/", "/x").unwrap(),
            "ws://[fe80::1%25lo]/x"
        );
    }

    #[test]
    fn a_redirect_that_is_unsafe_or_invalid_is_refused() {
        for (from, location, reason) in [
            ("wss://h/", "ws://h/", "it leaves TLS"),
            ("wss://h/", "http://h/", "it leaves TLS"),
            ("ws://h/", "ws://user:secret@h/", "it has user info"),
            ("ws://h/", "ftp://h/", "it is no valid URI of a WebSocket"),
            ("ws://h/", "http:/x", "it is no valid URI of a WebSocket"),
            ("ws://h/", "//", "it is no valid URI of a WebSocket"),
            ("ws://h/", "/a b", "it is no valid URI of a WebSocket"),
            ("ws://h/", "/\u{e9}", "it is no valid URI of a WebSocket"),
        ] {
            let error = redirect(from, location).unwrap_err().to_string();
            assert!(error.ends_with(reason), "{location}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        let from = Target::parse("ws://user:secret@h/").unwrap();
        for (location, is_kept) in [
            ("/x", true),
            ("ws://h:80/x", true),
            ("http://H/x", true),
            ("wss://h/x", false),
            ("ws://h:81/x", false),
            ("ws://other/x", false),
        ] {
            let location_header = HeaderValue::from_static(location);
            response.headers_mut().insert(LOCATION, location_header);
            let target = target(&from, &response).unwrap().unwrap();
            assert_eq!(target.credentials().is_some(), is_kept, "{location}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_reference_leads_to_its_own_host_or_stays(reference in "[ -~]{0,24}|[.:/?#@\\[\\]a%]{0,12}") {
            let from = Target::parse("wss://h:81/a/b?q").unwrap();
            if let Ok(to) = resolve(&from, &reference) {
                let names_host = reference.contains("//");
                assert!(names_host || to.has_origin_of(&from), "{reference} -> {to}");
                assert!(to.path_and_query().starts_with('/'));
                assert!(!to.path_and_query().split('?').next().unwrap().contains("/../") || names_host);
            }
        }
    }

    #[test]
    fn another_response_is_no_redirect() {
        let from = Target::parse("ws://h/").unwrap();
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::FOUND;
        assert!(target(&from, &response).unwrap().is_none());
        let location = HeaderValue::from_static("/x");
        response.headers_mut().insert(LOCATION, location.clone());
        for status in [200, 201, 300, 304, 305, 306, 404] {
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            assert!(target(&from, &response).unwrap().is_none(), "{status}");
        }
        *response.status_mut() = StatusCode::FOUND;
        response.headers_mut().append(LOCATION, location);
        assert!(target(&from, &response).unwrap().is_none());
    }
}
