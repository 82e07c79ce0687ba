use super::*;
use crate::handshake::{head, server};

const NONCE: [u8; 16] = *b"the sample nonce";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn make(uri: &str, offer: &Offer) -> Request<()> {
    request_with_nonce(&Target::parse(uri).unwrap(), offer, &Config::new(), NONCE).unwrap()
}

fn sent(subprotocols: &[&str]) -> Request<()> {
    let offer = Offer::new()
        .subprotocols(subprotocols.iter().copied())
        .unwrap();
    make("ws://h", &offer)
}

/// Returns the valid response with other values of one header.
fn with(name: &'static str, values: &[&'static str]) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let fields = response.headers_mut();
    fields.insert("upgrade", HeaderValue::from_static("websocket"));
    fields.insert("connection", HeaderValue::from_static("Upgrade"));
    fields.insert("sec-websocket-accept", HeaderValue::from_static(ACCEPT));
    fields.remove(name);
    for value in values {
        fields.append(name, HeaderValue::from_static(value));
    }
    response
}

/// Verifies a response to a request without extensions.
fn judged(sent: &Request<()>, response: &Response<()>) -> Result<Negotiated, HandshakeError> {
    verify(sent, &Config::new(), response)
}

fn refused(name: &'static str, values: &[&'static str]) -> HandshakeError {
    let error = judged(&sent(&[]), &with(name, values)).unwrap_err();
    assert!(error.is_peer_fault());
    error
}

#[test]
fn the_request_has_the_headers_of_section_4_1_in_order() {
    let offer = Offer::new()
        .origin("http://o")
        .unwrap()
        .subprotocols(["a", "b"])
        .unwrap();
    let offer = offer.header("X-Extra", "1").unwrap();
    let mut output = bytes::BytesMut::new();
    head::write_request(
        &make("wss://user@Example.com:8443/chat?x=1", &offer),
        &mut output,
    );
    let expected = format!(
        "GET /chat?x=1 HTTP/1.1\r\n\
         Host: example.com:8443\r\n\
         authorization: Basic dXNlcjo=\r\n\
         Origin: http://o\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: a, b\r\n\
         user-agent: {PRODUCT}\r\n\
         x-extra: 1\r\n\r\n"
    );
    assert_eq!(output, expected.as_str());
}

#[test]
fn optional_headers_are_absent_by_default() {
    let request = make("ws://h", &Offer::new());
    for name in [
        "authorization",
        "origin",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
    ] {
        assert!(!request.headers().contains_key(name), "{name}");
    }
    assert_eq!(request.uri(), "/");
}

#[test]
fn an_ipv6_host_has_brackets() {
    assert_eq!(
        make("ws://[::1]:9000", &Offer::new()).headers()["host"],
        "[::1]:9000"
    );
}

#[test]
fn each_request_has_a_fresh_key_of_16_bytes() {
    let target = Target::parse("ws://h").unwrap();
    let keys = [(); 2].map(|()| {
        let request = request(&target, &Offer::new(), &Config::new()).unwrap();
        request.headers()["sec-websocket-key"].clone()
    });
    assert_ne!(keys[0], keys[1]);
    assert_eq!(STANDARD.decode(&keys[0]).unwrap().len(), 16);
}

#[test]
fn host_authorization_and_user_agent_can_be_replaced() {
    let mut offer = Offer::new();
    for (name, value) in [
        ("Host", "x"),
        ("Host", "y"),
        ("Authorization", "Bearer t"),
        ("User-Agent", "z"),
    ] {
        offer = offer.header(name, value).unwrap();
    }
    let request = make("ws://user:pw@h", &offer);
    for (name, value) in [
        ("host", "y"),
        ("authorization", "Bearer t"),
        ("user-agent", "z"),
    ] {
        let values: Vec<_> = request.headers().get_all(name).iter().collect();
        assert_eq!(values, [value]);
    }
    let silent = Offer::new().header("User-Agent", "").unwrap();
    assert!(!make("ws://h", &silent).headers().contains_key("user-agent"));
}

#[test]
fn reserved_and_malformed_settings_are_refused() {
    for name in [
        "Upgrade",
        "Sec-WebSocket-Extensions",
        "Origin",
        "Transfer-Encoding",
    ] {
        let error = Offer::new().header(name, "x").unwrap_err();
        assert!(matches!(error, HandshakeError::ReservedHeader(_)), "{name}");
    }
    assert!(Offer::new().header("X", "a\r\nb").is_err());
    assert!(Offer::new().origin("a\nb").is_err());
    assert!(Offer::new().subprotocols(["a", "a"]).is_err());
    assert!(!Offer::new().subprotocols([""]).unwrap_err().is_peer_fault());
}

#[test]
fn credentials_stay_out_of_debug() {
    let offer = Offer::new().header("Cookie", "secret").unwrap();
    let request = make("ws://user:secret@h", &offer);
    assert_eq!(request.headers()["authorization"], "Basic dXNlcjpzZWNyZXQ=");
    let debug = format!("{offer:?} {request:?}");
    assert!(
        !debug.contains("secret") && !debug.contains("dXNlc"),
        "{debug}"
    );
}

#[test]
fn the_sample_response_is_accepted() {
    let negotiated = judged(&sent(&[]), &with("x", &[])).unwrap();
    assert_eq!(negotiated.subprotocol(), None);
    assert!(judged(&sent(&[]), &with("upgrade", &["WebSocket"])).is_ok());
    assert!(judged(&sent(&[]), &with("connection", &["keep-alive", "UPGRADE"])).is_ok());
}

#[test]
fn both_sides_of_this_crate_agree() {
    let offer = Offer::new().subprotocols(["a", "b"]).unwrap();
    let target = Target::parse("ws://user:pw@[::1]:80/?q").unwrap();
    let config = Config::new();
    let request = request(&target, &offer, &config).unwrap();
    let mut wire = bytes::BytesMut::new();
    head::write_request(&request, &mut wire);
    let (received, _) = head::parse_request(&wire, &config).unwrap().unwrap();
    let policy = server::Policy::default().subprotocols(["b"]).unwrap();
    let (response, accepted) = server::accept(&received, &policy, &config).unwrap();
    wire.clear();
    head::write_response(&response, &mut wire);
    let (response, _) = head::parse_response(&wire, &config).unwrap().unwrap();
    let negotiated = judged(&request, &response).unwrap();
    assert_eq!(negotiated.subprotocol(), accepted.subprotocol());
    assert_eq!(negotiated.subprotocol(), Some("b"));
}

#[test]
fn another_status_is_a_refusal_with_its_headers() {
    let mut response = with("location", &["/x"]);
    *response.status_mut() = StatusCode::FOUND;
    match judged(&sent(&[]), &response).unwrap_err() {
        HandshakeError::Refused(refused) => {
            assert_eq!(refused.status(), 302);
            assert_eq!(refused.headers()["location"], "/x");
            assert!(refused.body().is_empty());
        }
        error => panic!("{error}"),
    }
}

#[test]
fn another_http_version_is_refused() {
    let mut response = with("x", &[]);
    *response.version_mut() = Version::HTTP_10;
    let error = judged(&sent(&[]), &response).unwrap_err();
    assert!(matches!(error, HandshakeError::HttpVersion));
}

#[test]
fn interim_responses_are_1xx_but_not_101() {
    let is_interim = |code| is_interim(StatusCode::from_u16(code).unwrap());
    assert!(is_interim(100) && is_interim(103) && is_interim(199));
    assert!(!is_interim(101) && !is_interim(200) && !is_interim(400));
}

#[test]
fn headers_about_a_body_are_ignored_on_101() {
    for (name, values) in [
        ("content-length", &["0"][..]),
        ("content-length", &["5"]),
        ("content-length", &["x", "5"]),
        ("transfer-encoding", &["chunked"]),
    ] {
        assert!(
            judged(&sent(&[]), &with(name, values)).is_ok(),
            "{values:?}"
        );
    }
}

#[test]
fn an_empty_list_in_a_response_is_absent() {
    for name in ["sec-websocket-protocol", "sec-websocket-extensions"] {
        for sent in [sent(&[]), sent(&["a"])] {
            let negotiated = judged(&sent, &with(name, &[" "])).unwrap();
            assert_eq!(negotiated.subprotocol(), None);
            assert!(negotiated.extensions().is_empty());
        }
    }
}

#[test]
fn upgrade_must_be_websocket_alone() {
    for values in [
        &[][..],
        &[""],
        &["h2c"],
        &["websocket, h2c"],
        &["notwebsocket"],
    ] {
        let error = refused("upgrade", values);
        assert!(
            matches!(error, HandshakeError::NotUpgrade { header: "Upgrade" }),
            "{values:?}"
        );
    }
    let error = refused("upgrade", &["websocket", "websocket"]);
    assert!(matches!(
        error,
        HandshakeError::DuplicateHeader { header: "Upgrade" }
    ));
}

#[test]
fn connection_must_contain_upgrade() {
    for values in [&[][..], &[""], &["close"], &["notupgrade"]] {
        let error = refused("connection", values);
        assert!(matches!(
            error,
            HandshakeError::NotUpgrade {
                header: "Connection"
            }
        ));
    }
}

#[test]
fn accept_must_answer_the_key_once() {
    let error = refused("sec-websocket-accept", &[]);
    assert!(matches!(error, HandshakeError::MissingHeader { .. }));
    let error = refused("sec-websocket-accept", &[ACCEPT, ACCEPT]);
    assert!(matches!(error, HandshakeError::DuplicateHeader { .. }));
    for other in [
        "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "",
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo",
    ] {
        let error = refused("sec-websocket-accept", &[other]);
        assert!(matches!(error, HandshakeError::AcceptMismatch { .. }));
        let text = error.to_string();
        assert!(
            text.contains(ACCEPT) && text.contains(&format!("\"{other}\"")),
            "{text}"
        );
    }
}

#[test]
fn an_extension_that_was_not_offered_is_refused_by_name() {
    let error = refused("sec-websocket-extensions", &["permessage-deflate"]);
    assert!(matches!(error, HandshakeError::ExtensionNotOffered(_)));
    assert!(error.to_string().contains("permessage-deflate"));
}

#[test]
fn an_absent_subprotocol_is_legal() {
    assert_eq!(
        judged(&sent(&["a"]), &with("x", &[]))
            .unwrap()
            .subprotocol(),
        None
    );
}

#[test]
fn the_subprotocol_must_be_one_that_was_offered() {
    let accepted = judged(&sent(&["a", "b"]), &with("sec-websocket-protocol", &["b"])).unwrap();
    assert_eq!(accepted.subprotocol(), Some("b"));
    for other in ["c", "A", "a, b", ","] {
        let response = with("sec-websocket-protocol", &[other]);
        let error = judged(&sent(&["a", "b"]), &response).unwrap_err();
        assert!(
            matches!(error, HandshakeError::SubprotocolNotOffered(_)),
            "{other}"
        );
    }
    let error = refused("sec-websocket-protocol", &["a"]);
    assert!(matches!(error, HandshakeError::SubprotocolNotOffered(_)));
    let response = with("sec-websocket-protocol", &["a", "b"]);
    let error = judged(&sent(&["a", "b"]), &response).unwrap_err();
    assert!(matches!(error, HandshakeError::DuplicateHeader { .. }));
}

#[test]
fn basic_auth_replaces_the_credentials_of_the_uri_and_is_not_printed() {
    let offer = Offer::new().basic_auth("us er", "p:w\u{e9}").unwrap();
    let request = make("ws://other:pw@h", &offer);
    let read = crate::handshake::Credentials::from_headers(request.headers()).unwrap();
    assert!(read.matches("us er", "p:w\u{e9}"));
    assert_eq!(request.headers().get_all("authorization").iter().count(), 1);
    assert!(!format!("{offer:?}{request:?}").contains("dXMgZXI"));
    for (user, password) in [("a:b", "sesame"), ("a", "sesame\n"), ("a\0", "sesame")] {
        let error = Offer::new().basic_auth(user, password).unwrap_err();
        assert!(matches!(error, HandshakeError::InvalidSetting { .. }));
        assert!(!format!("{error} {error:?}").contains("sesame"));
    }
}

#[test]
fn a_reserved_header_names_its_setting() {
    let text = |name: &str| Offer::new().header(name, "x").unwrap_err().to_string();
    assert!(text("Origin").ends_with(": use Offer::origin"));
    assert!(text("Sec-WebSocket-Protocol").contains("Offer::subprotocols"));
    assert!(text("sec-websocket-extensions").ends_with(": use Config::extension"));
    assert!(text("Upgrade").ends_with("itself"));
}
