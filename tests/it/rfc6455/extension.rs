//! RFC 6455 §9: extensions from outside of this crate, alone and together with permessage-deflate.

use bytes::BytesMut;
use wsimd::{
    ClientBuilder, CloseCode, Config, Event, Message, Offer, ProtocolError, Role, ServerBuilder,
    extension::{
        Coders, DataFrame, Decode, Decoded, Deflate, Encode, Extension, MessagePiece,
        NegotiationError, Params,
    },
    frame::Rsv,
    handshake::HandshakeError,
    protocol::Receiver,
};

use crate::support::{
    deflate::{Inbound, Outbound, RSV1, RSV2, agree, frames},
    frames::{BINARY, CONTINUATION, FIN, PING, TEXT, frame, key},
    inflater::Inflater,
    opening::{URI, handshake_error, header, meet, refused, request_and, switching},
    runner::{Vector, check_both},
    script::Script,
    zlib::Zlib,
};

/// An extension that adds a number to every byte, and marks its messages.
#[derive(Clone, Copy, Debug)]
struct Add {
    name: &'static str,
    rsv: Rsv,
    number: u8,
    offered: bool,
    /// Whether the message that arrives is marked.
    marked: bool,
}

const ADD: Add = Add {
    name: "x-add",
    rsv: Rsv::RSV2,
    number: 1,
    offered: true,
    marked: false,
};

impl Extension for Add {
    fn name(&self) -> &str {
        self.name
    }

    fn rsv(&self) -> Rsv {
        self.rsv
    }

    fn offers(&self) -> Vec<Params> {
        let offer = Params::new().value("number", self.number);
        if self.offered {
            vec![offer]
        } else {
            Vec::new()
        }
    }

    fn accept(&self, offer: &Params) -> Result<(Params, Coders), NegotiationError> {
        Ok((offer.clone(), self.confirm(offer)?))
    }

    fn confirm(&self, response: &Params) -> Result<Coders, NegotiationError> {
        if *response != Params::new().value("number", self.number) {
            return Err(NegotiationError::Other("another number"));
        }
        Ok(Coders::new(*self, *self))
    }
}

impl Encode for Add {
    fn encode(&mut self, _: MessagePiece, payload: &[u8], output: &mut Vec<u8>) -> Option<Rsv> {
        output.extend(payload.iter().map(|byte| byte.wrapping_add(self.number)));
        Some(self.rsv)
    }
}

impl Decode for Add {
    fn begin(&mut self, frame: DataFrame) -> Result<bool, ProtocolError> {
        if frame.begins_message() {
            self.marked = frame.rsv == self.rsv;
        }
        Ok(self.marked)
    }

    fn decode(&mut self, bytes: &[u8], output: &mut Decoded<'_>) -> Result<(), ProtocolError> {
        for byte in bytes {
            output.extend(&[byte.wrapping_sub(self.number)])?;
        }
        Ok(())
    }
}

fn adding() -> Config {
    Config::new().masking_keys(key).extension(ADD)
}

fn deflate() -> Deflate {
    Deflate::new().threshold(0)
}

fn added(text: &str) -> Vec<u8> {
    text.bytes().map(|byte| byte.wrapping_add(1)).collect()
}

#[test]
fn an_extension_sees_every_data_frame_and_no_other() {
    let mut outbound = Outbound::new(&adding().outgoing_frame_size(3));
    let fragments = outbound.frames("abcde");
    let expected = [(RSV2 | TEXT, &b"bcd"[..]), (FIN | CONTINUATION, b"ef")];
    let fragments = fragments.iter().map(|it| (it.first, &it.payload[..]));
    assert_eq!(fragments.collect::<Vec<_>>(), expected);
    let mut wire = BytesMut::new();
    outbound
        .0
        .send(Event::Ping("abc".into()), &mut wire)
        .unwrap();
    assert_eq!(frames(&wire)[0].payload, b"abc");
}

#[test]
fn what_an_extension_decodes_is_the_same_in_every_chunking() {
    check_both(|role, peer| {
        let input = [
            frame(peer, RSV2 | TEXT, &added("κόσ")),
            frame(peer, FIN | PING, b"p"),
            frame(peer, CONTINUATION, b""),
            frame(peer, FIN | CONTINUATION, &added("με")),
            frame(peer, FIN | BINARY, b"plain"),
            frame(peer, FIN | RSV2 | TEXT, b"a\0b"),
        ];
        Vector::new(role, input.concat())
            .config(adding())
            .event(Event::Ping("p".into()))
            .event("κόσμε")
            .event(b"plain".to_vec())
            .error(ProtocolError::InvalidUtf8)
    });
    check_both(|role, peer| {
        Vector::new(role, frame(peer, FIN | RSV1 | TEXT, b"a"))
            .config(adding())
            .error(ProtocolError::ReservedBits(0b100))
    });
}

#[tokio::test]
async fn extensions_apply_in_the_order_of_the_response_and_in_the_opposite_one() {
    let both = [
        (
            Config::new().extension(ADD).extension(deflate()),
            "x-add; number=1, permessage-deflate",
        ),
        (
            Config::new().extension(deflate()).extension(ADD),
            "permessage-deflate, x-add; number=1",
        ),
    ];
    for (order, (config, expected)) in both.into_iter().enumerate() {
        let client = ClientBuilder::new().config(config.clone());
        // The order of the client applies, and not that of the server.
        let server = Config::new().extension(deflate()).extension(ADD);
        let server = ServerBuilder::new().config(server);
        let ((mut client, response), (mut server, _)) = meet(&client, &server, URI).await;
        let agreed = response.headers()["sec-websocket-extensions"]
            .to_str()
            .unwrap();
        assert!(agreed.starts_with(&expected[..10]), "{agreed}");
        for text in ["", "a", "κόσμε κόσμε κόσμε"] {
            client.send(text).await.unwrap();
            assert_eq!(server.recv().await.unwrap(), Some(text.into()));
            server.send(text.as_bytes()).await.unwrap();
            assert_eq!(client.recv().await.unwrap(), Some(text.as_bytes().into()));
        }
        let mut payload = Outbound::new(&config).frames("κόσμε κόσμε").remove(0);
        assert_eq!(payload.first, FIN | RSV1 | RSV2 | TEXT);
        let subtract = |bytes: &mut Vec<u8>| {
            for byte in bytes {
                *byte = byte.wrapping_sub(1);
            }
        };
        if order == 1 {
            subtract(&mut payload.payload);
        }
        let mut inflated = Inflater::default().message(&payload.payload);
        if order == 0 {
            subtract(&mut inflated);
        }
        assert_eq!(inflated, "κόσμε κόσμε".as_bytes());
    }
}

#[test]
fn combined_extensions_decode_alike_in_every_chunking() {
    for config in [
        adding().extension(deflate()),
        Config::new().extension(deflate()).extension(ADD),
    ] {
        let config = config.outgoing_frame_size(10).masking_keys(key);
        check_both(|role, peer| {
            let (client, server) = agree(&config, &config);
            let extensions = if peer == Role::Client { client } else { server };
            let mut sender = wsimd::protocol::Sender::new(peer, &config);
            sender.set_encoders(extensions.split().0);
            let mut wire = BytesMut::new();
            for text in ["κόσμε κόσμε", "", "κόσμε"] {
                sender.send(text, &mut wire).unwrap();
            }
            Vector::new(role, wire.to_vec())
                .config(config.clone())
                .event("κόσμε κόσμε")
                .event("")
                .event("κόσμε")
        });
    }
}

/// The answer of a server with this configuration to the offers, or the error of a refusal.
async fn answered(config: Config, offers: &str) -> Result<Option<String>, HandshakeError> {
    let request = request_and(&format!("Sec-WebSocket-Extensions: {offers}"));
    let server = ServerBuilder::new().config(config);
    let (opened, seen) =
        crate::support::opening::accept(&server, Script::whole(request.as_bytes())).await;
    opened.map_err(handshake_error)?;
    let response = String::from_utf8(seen.written()).unwrap();
    Ok(header(&response, "sec-websocket-extensions").map(str::to_owned))
}

#[tokio::test]
async fn a_server_accepts_the_first_offer_of_each_name_that_it_can() {
    let both = || Config::new().extension(deflate()).extension(ADD);
    let cases = [
        ("x-add; number=2", None),
        (
            "x-add; number=2, x-add; number=1, x-add; number=1",
            Some("x-add; number=1"),
        ),
        ("x-add;number=\"1\"", Some("x-add; number=1")),
        ("X-Add; number=1", None),
        ("unknown; a=b; c", None),
        (
            "permessage-deflate; unknown, permessage-deflate",
            Some("permessage-deflate"),
        ),
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; server_max_window_bits=08", None),
        ("permessage-deflate; server_no_context_takeover=1", None),
        (
            "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
            None,
        ),
        (
            "permessage-deflate; server_max_window_bits=9, \
             permessage-deflate; server_max_window_bits=10",
            Some("permessage-deflate; server_max_window_bits=9"),
        ),
        (
            "x-add; number=1, permessage-deflate",
            Some("x-add; number=1, permessage-deflate"),
        ),
    ];
    for (offers, expected) in cases {
        let answer = answered(both(), offers).await.unwrap();
        assert_eq!(answer.as_deref(), expected, "{offers}");
    }
    let answer = answered(Config::new(), "permessage-deflate").await.unwrap();
    assert_eq!(answer, None);
}

#[tokio::test]
async fn a_server_declines_the_second_of_two_that_own_the_same_bit() {
    let other = Add {
        name: "x-other",
        rsv: Rsv::RSV1,
        ..ADD
    };
    let config = || Config::new().extension(deflate()).extension(other);
    let answer = answered(config(), "permessage-deflate, x-other; number=1")
        .await
        .unwrap();
    assert_eq!(answer.as_deref(), Some("permessage-deflate"));
    let answer = answered(config(), "x-other; number=1, permessage-deflate")
        .await
        .unwrap();
    assert_eq!(answer.as_deref(), Some("x-other; number=1"));
}

#[tokio::test]
async fn an_empty_list_offers_nothing() {
    for offers in ["", ",", " , "] {
        assert_eq!(answered(adding(), offers).await.unwrap(), None, "{offers}");
    }
}

#[tokio::test]
async fn a_server_refuses_a_header_that_is_malformed() {
    for offers in [
        "a b",
        "permessage-deflate;",
        "x-add; number=\"1",
        "x-add; =1",
    ] {
        let error = answered(adding(), offers).await.unwrap_err();
        assert!(
            matches!(error, HandshakeError::InvalidHeader { .. }),
            "{offers}: {error:?}"
        );
    }
}

/// The reason why a client with these extensions refuses the response.
async fn refusal(config: Config, response: &str) -> HandshakeError {
    let client = ClientBuilder::new().config(config);
    let line = format!("Sec-WebSocket-Extensions: {response}\r\n");
    let error = refused(&client, |request| {
        Script::whole(switching(request, &line).as_bytes())
    });
    handshake_error(error.await)
}

#[tokio::test]
async fn a_client_refuses_what_it_has_not_offered() {
    let never = Add {
        offered: false,
        ..ADD
    };
    for (config, response) in [
        (Config::new(), "permessage-deflate"),
        (adding(), "permessage-deflate"),
        (adding(), "x-add; number=1, unknown"),
        (Config::new().extension(never), "x-add; number=1"),
        (
            Config::new().extension(never).extension(deflate()),
            "x-add; number=1",
        ),
    ] {
        let error = refusal(config, response).await;
        assert!(
            matches!(error, HandshakeError::ExtensionNotOffered(_)),
            "{response}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_client_refuses_parameters_that_do_not_follow_from_its_offer() {
    for (config, response) in [
        (adding(), "x-add; number=2"),
        (adding(), "x-add"),
        (
            Config::new().extension(deflate()),
            "permessage-deflate; unknown",
        ),
        (
            Config::new().extension(deflate()),
            "permessage-deflate; client_max_window_bits",
        ),
        (
            Config::new().extension(deflate().client_max_window_bits(None)),
            "permessage-deflate; client_max_window_bits=10",
        ),
        (
            Config::new().extension(deflate().server_max_window_bits(10)),
            "permessage-deflate; server_max_window_bits=11",
        ),
    ] {
        let error = refusal(config, response).await;
        assert!(
            matches!(error, HandshakeError::Extension { .. }),
            "{response}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_client_refuses_duplicates_and_two_that_own_the_same_bit() {
    let error = refusal(adding(), "x-add; number=1, x-add; number=1").await;
    assert!(
        matches!(error, HandshakeError::DuplicateExtension(_)),
        "{error:?}"
    );
    let other = Add {
        name: "x-other",
        ..ADD
    };
    let error = refusal(
        adding().extension(other),
        "x-add; number=1, x-other; number=1",
    )
    .await;
    assert!(
        matches!(error, HandshakeError::ReservedBitsTaken(_)),
        "{error:?}"
    );
    for malformed in ["x-add; number=", "x-add number"] {
        let error = refusal(adding(), malformed).await;
        assert!(
            matches!(error, HandshakeError::InvalidHeader { .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_response_without_extensions_makes_a_connection_without() {
    let client = ClientBuilder::new().config(adding());
    let server = ServerBuilder::new();
    let ((mut client, response), (mut server, request)) = meet(&client, &server, URI).await;
    assert!(request.headers().contains_key("sec-websocket-extensions"));
    assert!(!response.headers().contains_key("sec-websocket-extensions"));
    client.send("plain").await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some("plain".into()));
}

#[test]
fn names_and_parameters_that_are_no_tokens_are_not_sent() {
    let config = Config::new().extension(Add {
        name: "x add",
        ..ADD
    });
    let target = wsimd::handshake::Target::parse("ws://a").unwrap();
    let error = wsimd::handshake::client::request(&target, &Offer::new(), &config).unwrap_err();
    assert!(
        matches!(error, HandshakeError::InvalidSetting { .. }),
        "{error:?}"
    );
}

/// An extension that decodes one byte to many, and ignores errors of its output.
#[derive(Clone, Copy, Debug)]
struct Careless {
    times: usize,
}

const CARELESS: Careless = Careless { times: 1000 };

impl Extension for Careless {
    fn name(&self) -> &str {
        "x-careless"
    }

    fn rsv(&self) -> Rsv {
        Rsv::RSV3
    }

    fn offers(&self) -> Vec<Params> {
        vec![Params::new()]
    }

    fn accept(&self, offer: &Params) -> Result<(Params, Coders), NegotiationError> {
        Ok((offer.clone(), self.confirm(offer)?))
    }

    fn confirm(&self, _: &Params) -> Result<Coders, NegotiationError> {
        Ok(Coders::new(ADD, *self))
    }
}

impl Decode for Careless {
    fn begin(&mut self, _: DataFrame) -> Result<bool, ProtocolError> {
        Ok(true)
    }

    fn decode(&mut self, bytes: &[u8], output: &mut Decoded<'_>) -> Result<(), ProtocolError> {
        for byte in bytes {
            let _ = output.extend(&[*byte].repeat(self.times));
        }
        Ok(())
    }

    fn end(&mut self, output: &mut Decoded<'_>) -> Result<(), ProtocolError> {
        let _ = output.extend(b"");
        Ok(())
    }
}

#[test]
fn an_extension_that_ignores_errors_does_not_get_past_the_limit() {
    let config = Config::new().extension(CARELESS).max_message_size(2500);
    let mut inbound = Inbound::new(&config);
    let two = inbound.frame(FIN | BINARY, b"ab").unwrap();
    let expected = [[b'a'; 1000], [b'b'; 1000]].concat();
    assert_eq!(two, Some(Event::Message(Message::from(expected))));
    let error = inbound.frame(FIN | BINARY, b"abc").unwrap_err();
    assert_eq!(
        error,
        ProtocolError::MessageTooBig {
            size: 2501,
            limit: 2500
        }
    );
    assert_eq!(error.close_code(), CloseCode::MESSAGE_TOO_BIG);
    let error = Inbound::new(&config)
        .frame(FIN | TEXT, b"a\xffa")
        .unwrap_err();
    assert_eq!(error, ProtocolError::InvalidUtf8);
    let mut receiver: Receiver = Inbound::new(&config).0;
    let many = frame(Role::Client, BINARY, &[0; 3000]);
    let error = receiver
        .receive(&mut BytesMut::from(&many[..]))
        .unwrap_err();
    assert_eq!(
        error,
        ProtocolError::MessageTooBig {
            size: 2501,
            limit: 2500
        }
    );
}

#[test]
fn an_extension_that_ignores_the_errors_of_another_does_not_hide_them() {
    let limited = deflate().max_ratio(1, 10);
    let config = Config::new()
        .extension(limited)
        .extension(Careless { times: 1 });
    let error = Inbound::new(&config)
        .message(&Zlib::new(6, 15).message(&[b'a'; 10_000]))
        .unwrap_err();
    assert_eq!(error.close_code(), CloseCode::POLICY_VIOLATION);
}

/// An extension that sets a bit that it does not own.
#[derive(Debug)]
struct Greedy;

impl Encode for Greedy {
    fn encode(&mut self, _: MessagePiece, payload: &[u8], output: &mut Vec<u8>) -> Option<Rsv> {
        output.extend(payload);
        Some(Rsv::RSV2.union(Rsv::RSV3))
    }
}

#[derive(Debug)]
struct Greed;

impl Extension for Greed {
    fn name(&self) -> &str {
        "x-greedy"
    }

    fn rsv(&self) -> Rsv {
        Rsv::RSV2
    }

    fn offers(&self) -> Vec<Params> {
        vec![Params::new()]
    }

    fn accept(&self, offer: &Params) -> Result<(Params, Coders), NegotiationError> {
        Ok((offer.clone(), self.confirm(offer)?))
    }

    fn confirm(&self, _: &Params) -> Result<Coders, NegotiationError> {
        Ok(Coders::new(Greedy, ADD))
    }
}

#[test]
fn an_extension_sets_no_bit_that_it_does_not_own() {
    let sent = Outbound::new(&Config::new().extension(Greed)).frames(b"a".to_vec());
    assert_eq!(sent[0].first, FIN | RSV2 | BINARY);
}

#[test]
fn a_client_offers_each_name_once() {
    let config = Config::new().extension(deflate()).extension(deflate());
    let target = wsimd::handshake::Target::parse("ws://a").unwrap();
    let error = wsimd::handshake::client::request(&target, &Offer::new(), &config).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid extension \"permessage-deflate\": a client can offer one extension of each name"
    );
}

#[test]
fn an_extension_behind_deflate_that_ignores_errors_does_not_get_past_the_limit() {
    let config = Config::new().extension(CARELESS).extension(deflate());
    let mut inbound = Inbound::new(&config.max_message_size(2500));
    let two = inbound.frame(FIN | RSV1 | BINARY, &[0, 2, 0, 0xfd, 0xff, b'a', b'b', 0]);
    assert!(matches!(two, Ok(Some(Event::Message(message))) if message.len() == 2000));
    let three = [0, 3, 0, 0xfc, 0xff, b'a', b'b', b'c', 0];
    let error = inbound.frame(FIN | RSV1 | BINARY, &three).unwrap_err();
    assert_eq!(
        error,
        ProtocolError::MessageTooBig {
            size: 2501,
            limit: 2500
        }
    );
}
