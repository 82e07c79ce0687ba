//! Both ends of a session with extensions.

use bytes::BytesMut;
use wsimd::{
    Config, Event, Message, Offer, Policy, ProtocolError, Role,
    extension::{Deflate, Extensions},
    handshake::{Target, client, server},
    protocol::{Receiver, Sender},
};

use super::frames::{BINARY, FIN, frame, key};

/// The reserved bits in the first byte of a frame.
pub(crate) const RSV1: u8 = 0x40;
pub(crate) const RSV2: u8 = 0x20;
pub(crate) const RSV3: u8 = 0x10;

/// The end of a flush, which is not sent.
pub(crate) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The extensions that a client and a server with these configurations negotiate.
pub(crate) fn agree(client: &Config, server: &Config) -> (Extensions, Extensions) {
    let target = Target::parse("ws://a").unwrap();
    let request = client::request(&target, &Offer::new(), client).unwrap();
    let (response, at_server) = server::accept(&request, &Policy::new(), server).unwrap();
    let at_client = client::verify(&request, client, &response).unwrap();
    (at_client.into_extensions(), at_server.into_extensions())
}

/// The configuration with this extension, and with one frame for each message.
pub(crate) fn config(deflate: Deflate) -> Config {
    let config = Config::new().masking_keys(key).extension(deflate);
    config.outgoing_frame_size(None)
}

/// Settings that limit both windows, with or without context takeover on both sides.
pub(crate) fn deflate(bits: u8, takeover: bool) -> Deflate {
    Deflate::new()
        .threshold(0)
        .server_max_window_bits(bits)
        .client_max_window_bits(bits)
        .server_no_context_takeover(!takeover)
        .client_no_context_takeover(!takeover)
}

/// The receiving half of a session.
pub(crate) struct Inbound(pub(crate) Receiver, BytesMut);

impl Inbound {
    /// A server that has negotiated with a client of the same configuration.
    pub(crate) fn new(config: &Config) -> Self {
        let mut receiver = Receiver::new(Role::Server, config);
        receiver.set_decoders(agree(config, config).1.split().1);
        Self(receiver, BytesMut::new())
    }

    /// Receives bytes and returns the next event.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<Option<Event>, ProtocolError> {
        self.1.extend_from_slice(bytes);
        self.0.receive(&mut self.1)
    }

    /// Receives a frame.
    pub(crate) fn frame(
        &mut self,
        first: u8,
        payload: &[u8],
    ) -> Result<Option<Event>, ProtocolError> {
        self.bytes(&frame(Role::Client, first, payload))
    }

    /// Receives a compressed message of one frame.
    pub(crate) fn message(&mut self, payload: &[u8]) -> Result<Vec<u8>, ProtocolError> {
        match self.frame(FIN | RSV1 | BINARY, payload)? {
            Some(Event::Message(message)) => Ok(message.as_bytes().to_vec()),
            other => panic!("no message: {other:?}"),
        }
    }
}

/// The sending half of a session.
pub(crate) struct Outbound(pub(crate) Sender);

/// A frame that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl Outbound {
    /// A server that has negotiated with a client of the same configuration.
    pub(crate) fn new(config: &Config) -> Self {
        let mut sender = Sender::new(Role::Server, config);
        sender.set_encoders(agree(config, config).1.split().0);
        Self(sender)
    }

    pub(crate) fn frames(&mut self, message: impl Into<Message>) -> Vec<Sent> {
        let mut wire = BytesMut::new();
        self.0.send(message.into(), &mut wire).unwrap();
        frames(&wire)
    }

    /// Sends a message as one compressed frame and returns its payload.
    pub(crate) fn message(&mut self, message: &[u8]) -> Vec<u8> {
        let mut frames = self.frames(message.to_vec());
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0].first, FIN | RSV1 | BINARY);
        frames.remove(0).payload
    }
}

/// Parses the frames of a server.
pub(crate) fn frames(mut wire: &[u8]) -> Vec<Sent> {
    let mut frames = Vec::new();
    while let [first, len, rest @ ..] = wire {
        let (len, rest) = match len {
            127 => (
                usize::try_from(u64::from_be_bytes(rest[..8].try_into().unwrap())).unwrap(),
                &rest[8..],
            ),
            126 => (
                u16::from_be_bytes(rest[..2].try_into().unwrap()).into(),
                &rest[2..],
            ),
            len => (usize::from(*len), rest),
        };
        let (payload, rest) = rest.split_at(len);
        frames.push(Sent {
            first: *first,
            payload: payload.to_vec(),
        });
        wire = rest;
    }
    assert!(wire.is_empty());
    frames
}

/// Text that compresses well and still varies.
pub(crate) fn text(len: usize) -> String {
    let mut text = String::new();
    for number in 0.. {
        if text.len() >= len {
            break;
        }
        text.push_str(&format!(
            "{{\"price\": {}, \"é\": [1,2,{number}]}} ",
            number * 37 % 1009
        ));
    }
    let boundaries = text.char_indices().map(|(start, _)| start);
    let end = boundaries.take_while(|start| *start <= len).last();
    text.truncate(end.unwrap_or(0));
    text
}

/// Bytes that do not compress.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut random = super::tasks::Random::new(seed);
    (0..len)
        .map(|_| u8::try_from(random.below(256)).unwrap())
        .collect()
}
