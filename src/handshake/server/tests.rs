use http::Request;

use super::*;
use crate::handshake::{Origins, PRODUCT};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Returns the headers of the smallest request that is accepted.
fn valid() -> Vec<(&'static str, String)> {
    [
        ("host", "example.com"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

fn build(lines: &[(&'static str, String)]) -> Request<()> {
    let mut request = Request::new(());
    for (name, value) in lines {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request.headers_mut().append(*name, value);
    }
    request
}

fn with(name: &'static str, values: &[&str]) -> Request<()> {
    let mut lines = valid();
    lines.retain(|(other, _)| *other != name);
    lines.extend(values.iter().map(|value| (name, (*value).to_owned())));
    build(&lines)
}

fn judge(request: &Request<()>) -> Result<(Response<()>, Negotiated), HandshakeError> {
    accept(request, &Policy::new(), &Config::new())
}

fn refused(request: &Request<()>, status: u16) -> HandshakeError {
    let error = judge(request).unwrap_err();
    assert_eq!(error.status(), status, "{error}");
    error
}

#[test]
fn the_sample_request_gets_the_sample_response() {
    let (response, negotiated) = judge(&build(&valid())).unwrap();
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["upgrade"], "websocket");
    assert_eq!(response.headers()["connection"], "Upgrade");
    assert_eq!(
        response.headers()["sec-websocket-accept"],
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    assert_eq!(response.headers()["server"], PRODUCT);
    assert_eq!(response.headers().len(), 4);
    assert_eq!(negotiated.subprotocol(), None);
    assert!(negotiated.extensions().is_empty());
}

#[test]
fn another_method_is_405_and_names_get() {
    for method in [
        Method::POST,
        Method::HEAD,
        Method::CONNECT,
        Method::from_bytes(b"get").unwrap(),
    ] {
        let mut request = build(&valid());
        *request.method_mut() = method;
        let error = refused(&request, 405);
        assert!(matches!(error, HandshakeError::Method(_)));
        assert_eq!(refuse(&error).headers()["allow"], "GET");
    }
}

#[test]
fn another_version_is_505() {
    for version in [Version::HTTP_10, Version::HTTP_09, Version::HTTP_2] {
        let mut request = build(&valid());
        *request.version_mut() = version;
        assert!(matches!(
            refused(&request, 505),
            HandshakeError::HttpVersion
        ));
    }
}

#[test]
fn a_length_of_zero_is_no_body() {
    for value in ["0", "00"] {
        assert!(judge(&with("content-length", &[value])).is_ok(), "{value}");
    }
}

#[test]
fn a_body_is_refused() {
    for (name, value) in [
        ("content-length", "5"),
        ("content-length", "0, 0"),
        ("content-length", "+0"),
        ("content-length", "-0"),
        ("content-length", "0x0"),
        ("content-length", ""),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("transfer-encoding", ""),
    ] {
        let error = refused(&with(name, &[value]), 400);
        assert!(matches!(error, HandshakeError::BodyNotAllowed { .. }));
    }
    let error = refused(&with("content-length", &["0", "0"]), 400);
    assert!(matches!(error, HandshakeError::DuplicateHeader { .. }));
}

#[test]
fn a_missing_host_is_refused() {
    let error = refused(&with("host", &[]), 400);
    assert!(matches!(
        error,
        HandshakeError::MissingHeader { header: "Host" }
    ));
}

#[test]
fn a_second_host_header_is_refused() {
    let error = refused(&with("host", &["example.com", "example.com"]), 400);
    assert!(matches!(
        error,
        HandshakeError::DuplicateHeader { header: "Host" }
    ));
}

#[test]
fn a_malformed_host_is_refused() {
    for host in [
        "", " ", "a b", "a,b", "u:p@h", "::1", "[::1", "h:x", "http://h", "h/", "\u{e9}",
    ] {
        let error = refused(&with("host", &[host]), 400);
        assert!(
            matches!(error, HandshakeError::InvalidHeader { header: "Host", .. }),
            "{host}"
        );
    }
    let error = refused(&with("host", &["user:secret@h"]), 400);
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[test]
fn a_host_with_brackets_or_a_port_is_accepted() {
    for host in [
        "[::1]",
        "[::1]:8080",
        "localhost:8080",
        "127.0.0.1",
        "EXAMPLE.com",
        "example.com.",
        "[fe80::1%25eth0]:8080",
        "[fe80::1%eth0]",
    ] {
        assert!(judge(&with("host", &[host])).is_ok(), "{host}");
    }
}

#[test]
fn a_target_in_absolute_form_must_match_host() {
    for uri in [
        "http://example.com/x",
        "HTTP://EXAMPLE.com:80/",
        "https://example.com:443",
    ] {
        let mut request = build(&valid());
        *request.uri_mut() = uri.parse().unwrap();
        assert!(judge(&request).is_ok(), "{uri}");
    }
    for uri in ["http://[fe80::1%25eth0]:8080/", "http://[fe80::1]:8080/"] {
        let mut request = with("host", &["[fe80::1%25eth0]:8080"]);
        *request.uri_mut() = uri.parse().unwrap();
        assert!(judge(&request).is_ok(), "{uri}");
    }
    for uri in [
        "http://evil.com/",
        "http://example.com:8080/",
        "http://u:secret@example.com/",
    ] {
        let mut request = build(&valid());
        *request.uri_mut() = uri.parse().unwrap();
        let error = refused(&request, 400);
        assert!(matches!(error, HandshakeError::HostMismatch(_)), "{uri}");
        assert!(!error.to_string().contains("secret"));
    }
}

#[test]
fn a_target_without_a_path_is_refused() {
    for uri in ["*", "example.com:80"] {
        let mut request = build(&valid());
        *request.uri_mut() = uri.parse().unwrap();
        assert!(matches!(
            refused(&request, 400),
            HandshakeError::InvalidTarget(_)
        ));
    }
}

#[test]
fn only_listed_hosts_are_served() {
    let policy = Policy::new()
        .hosts([
            "Example.com",
            "h:8080",
            "[::1]",
            "dot.example.",
            "[fe80::1]",
        ])
        .unwrap();
    for host in [
        "example.COM",
        "example.com:99",
        "EXAMPLE.com.",
        "example.com.:99",
        "h:8080",
        "H.:8080",
        "[::1]:9",
        "[0:0::1]",
        "dot.example",
        "dot.Example.:1",
        "[fe80::1%25eth0]:80",
    ] {
        assert!(
            accept(&with("host", &[host]), &policy, &Config::new()).is_ok(),
            "{host}"
        );
    }
    for host in [
        "evil.com",
        "h",
        "h:80",
        "sub.example.com",
        "example.com..",
        ".example.com",
    ] {
        let error = accept(&with("host", &[host]), &policy, &Config::new()).unwrap_err();
        assert!(matches!(error, HandshakeError::HostNotAllowed(_)), "{host}");
        assert_eq!(error.status(), StatusCode::MISDIRECTED_REQUEST);
    }
    let nobody: [&str; 0] = [];
    assert!(
        accept(
            &build(&valid()),
            &Policy::new().hosts(nobody).unwrap(),
            &Config::new()
        )
        .is_err()
    );
    assert!(Policy::new().hosts(["http://h"]).is_err());
}

#[test]
fn upgrade_and_connection_are_lists_in_any_case_on_any_number_of_lines() {
    for values in [
        &["h2c, websocket"][..],
        &["WebSocket"],
        &["WEBSOCKET"],
        &["h2c", "websocket"],
    ] {
        assert!(judge(&with("upgrade", values)).is_ok(), "{values:?}");
    }
    for values in [
        &["keep-alive, Upgrade"][..],
        &["UPGRADE"],
        &["keep-alive", "upgrade"],
        &[",upgrade,"],
    ] {
        assert!(judge(&with("connection", values)).is_ok(), "{values:?}");
    }
}

#[test]
fn a_request_that_asks_for_no_upgrade_is_426() {
    let cases = [
        ("connection", "keep-alive"),
        ("connection", "notupgrade"),
        ("connection", ""),
        ("upgrade", "h2c"),
        ("upgrade", "notwebsocket"),
        ("upgrade", "websocket2"),
        ("upgrade", "websocket/13"),
        ("upgrade", ""),
    ];
    let mut requests: Vec<_> = cases
        .iter()
        .map(|(name, value)| with(name, &[value]))
        .collect();
    requests.extend([with("connection", &[]), with("upgrade", &[])]);
    for request in requests {
        let error = refused(&request, 426);
        assert!(matches!(error, HandshakeError::NotUpgrade { .. }));
        let response = refuse(&error);
        assert_eq!(response.headers()["upgrade"], "websocket");
        assert_eq!(response.headers()["connection"], "close, Upgrade");
    }
}

#[test]
fn a_connection_or_upgrade_that_is_no_list_is_400() {
    for (name, value) in [("connection", "upgrade; x"), ("upgrade", "websocket\"")] {
        let error = refused(&with(name, &[value]), 400);
        assert!(matches!(error, HandshakeError::InvalidHeader { .. }));
    }
}

#[test]
fn another_or_no_websocket_version_is_426_and_names_13() {
    for values in [&["8"][..], &["013"], &["13, 8"], &[""], &[]] {
        let error = refused(&with("sec-websocket-version", values), 426);
        assert!(matches!(error, HandshakeError::UnsupportedVersion { .. }));
        assert_eq!(refuse(&error).headers()["sec-websocket-version"], "13");
    }
}

#[test]
fn a_duplicate_version_key_or_origin_is_400() {
    for (name, value) in [
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
        ("origin", "http://example.com"),
    ] {
        let error = refused(&with(name, &[value, value]), 400);
        assert!(
            matches!(error, HandshakeError::DuplicateHeader { .. }),
            "{name}"
        );
    }
}

#[test]
fn a_missing_key_is_refused() {
    let error = refused(&with("sec-websocket-key", &[]), 400);
    assert!(matches!(
        error,
        HandshakeError::MissingHeader {
            header: "Sec-WebSocket-Key"
        }
    ));
}

#[test]
fn a_key_that_is_not_the_base64_of_16_bytes_is_refused() {
    let long = "A".repeat(4000);
    let keys = [
        "",
        "x",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZ===",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZXM=",
        "dGhlIHNhbXBsZSBub25jZXMh",
        "dGhl IHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZQ-=",
        long.as_str(),
    ];
    for key in keys {
        let error = refused(&with("sec-websocket-key", &[key]), 400);
        assert!(
            matches!(error, HandshakeError::InvalidHeader { .. }),
            "{key}"
        );
    }
}

#[test]
fn a_key_with_spare_bits_is_accepted_and_answered_as_it_was_sent() {
    // The first is the example of RFC 6455 §4.1.
    for key in [
        "AQIDBAUGBwgJCgsMDQ4PEC==",
        "dGhlIHNhbXBsZSBub25jZR==",
        "AAAAAAAAAAAAAAAAAAAAAP==",
    ] {
        let (response, _) = judge(&with("sec-websocket-key", &[key])).unwrap();
        let accept = response.headers()["sec-websocket-accept"].as_bytes();
        assert_eq!(accept, accept_key(key.as_bytes()));
    }
}

#[test]
fn a_foreign_origin_is_403_and_the_text_says_which_rule() {
    assert!(judge(&with("origin", &["https://example.com"])).is_ok());
    for origin in ["http://evil.com", "null", ""] {
        let error = refused(&with("origin", &[origin]), 403);
        assert!(matches!(error, HandshakeError::OriginNotAllowed(_)));
        assert!(refuse(&error).body().contains("list of origins"), "{error}");
    }
    let policy = Policy::new().origins(Origins::any());
    assert!(
        accept(
            &with("origin", &["http://evil.com"]),
            &policy,
            &Config::new()
        )
        .is_ok()
    );
}

#[test]
fn the_servers_preference_selects_the_subprotocol() {
    let policy = Policy::new().subprotocols(["b", "a"]).unwrap();
    let (response, negotiated) = accept(
        &with("sec-websocket-protocol", &["c, a", "b"]),
        &policy,
        &Config::new(),
    )
    .unwrap();
    assert_eq!(negotiated.subprotocol(), Some("b"));
    assert_eq!(response.headers()["sec-websocket-protocol"], "b");
}

#[test]
fn without_a_common_subprotocol_there_is_none() {
    let policy = Policy::new().subprotocols(["a"]).unwrap();
    for request in [with("sec-websocket-protocol", &["A, b"]), build(&valid())] {
        let (response, negotiated) = accept(&request, &policy, &Config::new()).unwrap();
        assert_eq!(negotiated.subprotocol(), None);
        assert!(!response.headers().contains_key("sec-websocket-protocol"));
    }
    assert!(judge(&with("sec-websocket-protocol", &["a"])).is_ok());
}

#[test]
fn an_empty_list_is_no_offer() {
    for name in ["sec-websocket-protocol", "sec-websocket-extensions"] {
        for values in [&[""][..], &[" "], &[","], &["", " , "]] {
            let policy = Policy::new().subprotocols(["a"]).unwrap();
            let request = with(name, values);
            let (response, negotiated) = accept(&request, &policy, &Config::new()).unwrap();
            assert_eq!(negotiated.subprotocol(), None);
            assert!(!response.headers().contains_key(name), "{values:?}");
        }
    }
}

#[test]
fn a_malformed_subprotocol_list_is_refused() {
    for value in ["a b", "a, a", "a;b"] {
        refused(&with("sec-websocket-protocol", &[value]), 400);
    }
    for names in [vec!["a b"], vec![""], vec!["a", "a"], vec!["a,b"]] {
        let error = Policy::new().subprotocols(names).unwrap_err();
        assert!(matches!(error, HandshakeError::InvalidSetting { .. }));
    }
}

#[test]
fn offered_extensions_are_declined_where_none_is_accepted() {
    let name = "sec-websocket-extensions";
    let request = with(name, &["permessage-deflate; a=\"b\", x", "y;z"]);
    let (response, _) = judge(&request).unwrap();
    assert!(!response.headers().contains_key(name));
    for value in ["permessage-deflate; a=\"b", "a b"] {
        refused(&with(name, &[value]), 400);
    }
}

#[test]
fn headers_of_the_policy_are_added_and_cannot_replace_ours() {
    let policy = Policy::new().header("Server", "x").unwrap();
    let policy = policy
        .header("Set-Cookie", "a=1")
        .unwrap()
        .header("Set-Cookie", "b=2")
        .unwrap();
    let (response, _) = accept(&build(&valid()), &policy, &Config::new()).unwrap();
    assert_eq!(response.headers()["server"], "x");
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
    for name in ["Upgrade", "sec-websocket-accept", "content-length"] {
        let error = Policy::new().header(name, "x").unwrap_err();
        assert!(matches!(error, HandshakeError::ReservedHeader(_)));
    }
}

#[test]
fn a_refusal_closes_and_has_one_escaped_line() {
    let error = HandshakeError::InvalidHeader {
        header: headers::HOST,
        value: Excerpt::new(b"\x1b[31m\r\nX: y"),
    };
    let response = refuse(&error);
    assert_eq!(response.status(), 400);
    assert_eq!(response.headers()["connection"], "close");
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; charset=utf-8"
    );
    assert_eq!(
        response.headers()["content-length"],
        response.body().len().to_string().as_str()
    );
    assert_eq!(
        response.body(),
        "Host is invalid: \"\\x1b[31m\\r\\nX: y\"\n"
    );
    assert!(!response.headers().contains_key("upgrade"));
}

#[test]
fn an_error_of_this_side_is_500_and_says_nothing() {
    let response = refuse(&HandshakeError::NoRandomness);
    assert_eq!(response.status(), 500);
    assert_eq!(response.body(), "the opening handshake failed\n");
}

#[test]
fn a_server_that_is_unavailable_answers_503_and_when_to_retry() {
    let error = HandshakeError::Unavailable {
        reason: "it is stopping",
    };
    assert!(!error.is_peer_fault());
    let response = refuse(&error);
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(response.headers()["connection"], "close");
    assert_eq!(
        response.body(),
        "the server is unavailable: it is stopping\n"
    );
}

#[test]
fn a_request_without_upgrade_is_told_how_to_reach_the_endpoint() {
    let error = refused(&with("connection", &["keep-alive"]), 426);
    assert_eq!(error.to_string(), "the head has no `Connection: Upgrade`");
    assert_eq!(
        refuse(&error).body(),
        "This is a WebSocket endpoint. The request has no `Connection: Upgrade`; \
         behind a proxy, forward Upgrade and Connection.\n"
    );
    let error = refused(&with("upgrade", &[]), 426);
    assert!(
        refuse(&error)
            .body()
            .contains("has no `Upgrade: websocket`;")
    );
}

#[test]
fn server_names_this_crate_in_every_response_and_can_be_replaced_or_removed() {
    let error = HandshakeError::NulInHead;
    assert_eq!(refuse(&error).headers()["server"], PRODUCT);
    for (values, expected) in [
        (&[][..], Some(PRODUCT)),
        (&["me/1"], Some("me/1")),
        (&["me/1", "me/2"], Some("me/2")),
        (&[""], None),
    ] {
        let mut policy = Policy::new();
        for value in values {
            policy = policy.header("Server", *value).unwrap();
        }
        let (response, _) = accept(&build(&valid()), &policy, &Config::new()).unwrap();
        let refusal = policy.refuse(&error);
        for fields in [response.headers(), refusal.headers()] {
            let servers: Vec<_> = fields.get_all("server").iter().collect();
            assert_eq!(servers, expected.as_slice(), "{values:?}");
        }
    }
}

#[test]
fn a_policy_can_require_an_origin() {
    for origins in [
        Origins::same_host(),
        Origins::any(),
        Origins::predicate(|_| true),
    ] {
        let policy = Policy::new().origins(origins.required());
        let error = accept(&build(&valid()), &policy, &Config::new()).unwrap_err();
        assert!(matches!(error, HandshakeError::OriginRequired));
        assert_eq!(
            (error.status().as_u16(), error.is_peer_fault()),
            (403, false)
        );
        let request = with("origin", &["http://example.com"]);
        assert!(accept(&request, &policy, &Config::new()).is_ok());
    }
}

#[test]
fn a_function_selects_the_subprotocol() {
    let policy = Policy::new()
        .subprotocols(["a"])
        .unwrap()
        .select_subprotocol(|offered| offered.iter().copied().max());
    let select = |offers: &[&str]| {
        let request = with("sec-websocket-protocol", offers);
        accept(&request, &policy, &Config::new())
            .map(|(_, negotiated)| negotiated.subprotocol().map(str::to_owned))
    };
    assert_eq!(select(&["a, c", "b"]).unwrap().as_deref(), Some("c"));
    assert_eq!(select(&[]).unwrap(), None);
    let wrong = Policy::new().select_subprotocol(|_| Some("x"));
    let request = with("sec-websocket-protocol", &["a"]);
    let error = accept(&request, &wrong, &Config::new()).unwrap_err();
    assert_eq!(error.status(), 500);
    assert_eq!(
        error.to_string(),
        "invalid selected subprotocol \"x\": the client did not offer it"
    );
}

#[test]
fn a_policy_can_require_a_subprotocol() {
    let listed = Policy::new().subprotocols(["v2", "v1"]).unwrap();
    let selected = Policy::new().select_subprotocol(|offered| offered.first().copied());
    for (policy, text) in [
        (listed.require_subprotocol(), "v2, v1"),
        (selected.require_subprotocol(), "requires a subprotocol"),
    ] {
        let request = with("sec-websocket-protocol", &["v1"]);
        let (_, negotiated) = accept(&request, &policy, &Config::new()).unwrap();
        assert_eq!(negotiated.subprotocol(), Some("v1"));
        for offers in [&[][..], &[""]] {
            let request = with("sec-websocket-protocol", offers);
            let error = accept(&request, &policy, &Config::new()).unwrap_err();
            assert_eq!(
                (error.status().as_u16(), error.is_peer_fault()),
                (400, false)
            );
            let response = policy.refuse(&error);
            assert!(response.body().contains(text), "{}", response.body());
        }
    }
}

#[test]
fn the_parts_of_a_request_are_accepted() {
    let (mut parts, ()) = build(&valid()).into_parts();
    assert!(accept(&parts, &Policy::new(), &Config::new()).is_ok());
    let secret = HeaderValue::from_static("secret");
    parts.headers.insert("authorization", secret);
    let head = RequestHead::from(&parts);
    assert!(accept(head, &Policy::new(), &Config::new()).is_ok());
    assert!(!format!("{head:?}").contains("secret"));
    // The type of the body does not matter.
    let request = build(&valid()).map(|()| vec![1]);
    assert!(accept(&request, &Policy::new(), &Config::new()).is_ok());
}

#[test]
fn offers_can_be_read_without_a_decision() {
    let request = with("sec-websocket-protocol", &["b, a", ",c"]);
    assert_eq!(
        offered_subprotocols(request.headers()).unwrap(),
        ["b", "a", "c"]
    );
    let request = with("sec-websocket-extensions", &["x; a=1, x", "y"]);
    let offered = offered_extensions(request.headers()).unwrap();
    let names: Vec<_> = offered.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x", "x", "y"]);
    assert!(offered_subprotocols(&HeaderMap::new()).unwrap().is_empty());
    assert!(offered_extensions(&HeaderMap::new()).unwrap().is_empty());
}

#[test]
fn unauthorized_asks_for_basic_authentication() {
    let response = unauthorized("chat");
    assert_eq!(response.status(), 401);
    assert_eq!(
        response.headers()["www-authenticate"],
        "Basic realm=\"chat\", charset=\"UTF-8\""
    );
    assert_eq!(response.headers()["connection"], "close");
    let len = response.body().len().to_string();
    assert_eq!(response.headers()["content-length"], len.as_str());
}
