//! A connection that has sent half of a large message, and a peer that decodes the rest.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::sleep,
};
use wsimd::{
    Config, Parts, Role, WebSocket,
    extension::{Deflate, Extensions},
    protocol::Endpoint,
};

use super::{
    deflate::{RSV1, TAIL, agree, deflate, noise},
    frames::{BINARY, CONTINUATION, FIN, KEY, TEXT, frame, key},
    poll_once, soon,
    zlib::{Unzlib, Zlib},
};

pub(crate) const SIZE: usize = 100;
pub(crate) const HIGH_WATER: usize = 10;
/// The bit of an opcode that marks a control frame.
const CONTROL: u8 = 0x8;
/// The number of bytes that the stream takes before its peer reads.
pub(crate) const TAKEN: usize = 64;

pub(crate) fn config() -> Config {
    Config::new()
        .masking_keys(key)
        .outgoing_frame_size(SIZE)
        .write_high_water(HIGH_WATER)
}

/// A message that leaves in several frames, whether it is compressed or not. Compression saves a little.
pub(crate) fn payload() -> Vec<u8> {
    compressible(1050)
}

/// A message of two hundred frames or so.
pub(crate) fn long() -> Vec<u8> {
    compressible(20_000)
}

fn compressible(len: usize) -> Vec<u8> {
    noise(len, 1).iter().map(|byte| byte & 0x3f).collect()
}

/// A message of one frame that follows [`payload`]. It becomes shorter by a reference into itself, and
/// with context takeover by a reference into `payload`.
pub(crate) fn next() -> Vec<u8> {
    payload()[960..1000].repeat(2)
}

/// A coding of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Plain,
    /// Compressed with context takeover.
    Takeover,
    /// Compressed without context takeover.
    NoTakeover,
    /// Compressed in several pieces, each of which is a large part of the work of a poll.
    Pieces,
}

/// The side that sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) role: Role,
    pub(crate) coding: Coding,
}

/// Returns both roles with every coding. A test that fails shows its case.
pub(crate) fn cases() -> impl Iterator<Item = Case> {
    let codings = [
        Coding::Plain,
        Coding::Takeover,
        Coding::NoTakeover,
        Coding::Pieces,
    ];
    let roles = [Role::Client, Role::Server];
    let cases = roles.into_iter().flat_map(move |role| {
        let cases = codings.into_iter();
        cases.map(move |coding| Case { role, coding })
    });
    cases.inspect(|case| eprintln!("{case:?}"))
}

impl Case {
    pub(crate) fn endpoint(self, config: &Config) -> Endpoint {
        let mut endpoint = Endpoint::new(self.role, config);
        endpoint.set_extensions(self.extensions());
        endpoint
    }

    /// Creates a connection over a stream that takes [`TAKEN`] bytes, and the end of its peer.
    pub(crate) fn connect(self, config: &Config) -> (WebSocket<DuplexStream>, Far) {
        let (near, io) = duplex(TAKEN);
        let parts = Parts::new(near, self.role, config).extensions(self.extensions());
        let far = Far {
            io,
            decoder: self.decoder(),
            pause: Duration::ZERO,
        };
        (WebSocket::from_parts(parts), far)
    }

    /// Creates a connection that has sent half of the first frame of [`payload`]. The future of `send`
    /// was dropped.
    pub(crate) fn half_cut(self, config: &Config) -> (WebSocket<DuplexStream>, Far) {
        let (mut ws, far) = self.connect(config);
        assert!(poll_once(ws.send(payload())).is_pending());
        // Encoding may take several polls.
        for _ in 0..3 {
            assert!(poll_once(ws.flush()).is_pending());
        }
        (ws, far)
    }

    pub(crate) fn decoder(self) -> Decoder {
        Decoder {
            case: self,
            unzlib: Unzlib::new(15),
            len: 0,
            cut: 0,
            frame: vec![],
            message: vec![],
        }
    }

    fn extensions(self) -> Extensions {
        let config = match self.deflate() {
            Some(deflate) => Config::new().extension(deflate),
            None => Config::new(),
        };
        let (client, server) = agree(&config, &config);
        match self.role {
            Role::Client => client,
            Role::Server => server,
        }
    }

    fn deflate(self) -> Option<Deflate> {
        match self.coding {
            Coding::Plain => None,
            Coding::Takeover => Some(deflate(15, true)),
            // Level 1 does not make the message smaller.
            Coding::NoTakeover => Some(deflate(15, false).level(6)),
            Coding::Pieces => Some(deflate(15, true).level(9)),
        }
    }
}

/// A whole message or a control frame: its opcode and its payload.
pub(crate) type Arrived = (u8, Vec<u8>);

/// Takes frames apart, and inflates messages with the C library.
pub(crate) struct Decoder {
    case: Case,
    unzlib: Unzlib,
    /// The number of bytes that have arrived.
    pub(crate) len: usize,
    /// The number of frames of the unfinished message that have arrived.
    pub(crate) cut: usize,
    /// The bytes of a frame that is incomplete.
    frame: Vec<u8>,
    /// The bytes of the unfinished message.
    message: Vec<u8>,
}

impl Decoder {
    /// Takes bytes that end with a frame.
    pub(crate) fn all(&mut self, wire: &[u8]) -> Vec<Arrived> {
        let arrived = wire.iter().filter_map(|byte| self.push(*byte)).collect();
        assert!(self.is_between_frames());
        arrived
    }

    pub(crate) fn is_between_frames(&self) -> bool {
        self.frame.is_empty()
    }

    /// Takes the next byte. Returns the message or the control frame that it ends.
    fn push(&mut self, byte: u8) -> Option<Arrived> {
        let role = self.case.role;
        self.frame.push(byte);
        self.len += 1;
        // All frames have short headers.
        let header = if role == Role::Client { 6 } else { 2 };
        let len = header + usize::from(self.frame.get(1)? & 0x7f);
        if self.frame.len() < len {
            return None;
        }
        let bytes = std::mem::take(&mut self.frame);
        let (first, mut content) = (bytes[0], bytes[header..].to_vec());
        if role == Role::Client {
            let key = KEY.iter().cycle();
            content.iter_mut().zip(key).for_each(|(it, key)| *it ^= key);
        }
        assert_eq!(bytes, frame(role, first, &content));
        if first & CONTROL == 0 {
            return self.take_fragment(first, &content);
        }
        // The frames so far can be decoded.
        assert!(payload().starts_with(&self.message));
        assert!(self.cut > 0 || self.message.is_empty());
        assert_eq!(first & 0xf0, FIN);
        Some((first & 0xf, content))
    }

    /// Takes a frame of a message. Returns the message that it ends.
    fn take_fragment(&mut self, first: u8, content: &[u8]) -> Option<Arrived> {
        let is_first = self.cut == 0;
        self.cut += 1;
        let is_last = first & FIN != 0;
        let is_plain = self.case.coding == Coding::Plain;
        let opcode = match (is_first, is_plain) {
            (true, true) => BINARY,
            (true, false) => RSV1 | BINARY,
            (false, _) => CONTINUATION,
        };
        assert_eq!(first & !FIN, opcode);
        assert!(content.len() == SIZE || is_last);
        if is_plain {
            self.message.extend(content);
        } else {
            self.inflate(content, is_first, is_last);
        }
        if !is_last {
            return None;
        }
        let message = std::mem::take(&mut self.message);
        let frames = std::mem::take(&mut self.cut);
        assert!(!is_plain || frames == message.len().div_ceil(SIZE));
        Some((BINARY, message))
    }

    fn inflate(&mut self, content: &[u8], is_first: bool, is_last: bool) {
        if is_first && self.case.coding == Coding::NoTakeover {
            self.unzlib = Unzlib::new(15);
        }
        self.message.extend(self.unzlib.part(content));
        if is_last {
            self.message.extend(self.unzlib.part(&TAIL));
        }
    }
}

/// The end of the peer.
pub(crate) struct Far {
    pub(crate) io: DuplexStream,
    pub(crate) decoder: Decoder,
    /// The time before each frame is read.
    pub(crate) pause: Duration,
}

impl Far {
    /// Reads up to the end of the next message or control frame; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Arrived> {
        loop {
            if !self.pause.is_zero() && self.decoder.is_between_frames() {
                sleep(self.pause).await;
            }
            // Bytes behind the frame stay in the stream.
            let mut byte = [0];
            if soon(self.io.read(&mut byte)).await.unwrap() == 0 {
                return None;
            }
            let arrived = self.decoder.push(byte[0]);
            if arrived.is_some() {
                return arrived;
            }
        }
    }

    pub(crate) async fn expect(&mut self, opcode: u8, payload: &[u8]) {
        assert_eq!(self.next().await, Some((opcode, payload.to_vec())));
    }

    /// Expects a control frame between two frames of [`payload`].
    pub(crate) async fn expect_between(&mut self, opcode: u8, payload: &[u8]) {
        self.expect(opcode, payload).await;
        let cut = self.decoder.cut;
        assert!((1..4).contains(&cut), "{cut} frames before it");
    }

    pub(crate) async fn send(&mut self, first: u8, payload: &[u8]) {
        let frame = frame(self.decoder.case.role.peer(), FIN | first, payload);
        self.io.write_all(&frame).await.unwrap();
    }

    /// Sends a text in the coding of the case.
    pub(crate) async fn send_text(&mut self, text: &str) {
        if self.decoder.case.coding == Coding::Plain {
            return self.send(TEXT, text.as_bytes()).await;
        }
        let compressed = Zlib::new(6, 15).message(text.as_bytes());
        self.send(RSV1 | TEXT, &compressed).await;
    }

    /// Ends the stream, and expects that nothing follows the last frame.
    pub(crate) async fn expect_end(mut self) {
        self.io.shutdown().await.unwrap();
        assert_eq!(self.next().await, None);
        assert!(self.decoder.is_between_frames());
    }

    /// Expects that nothing follows the half frame that the stream had taken.
    pub(crate) async fn expect_half_a_frame(mut self) {
        assert_eq!(self.next().await, None);
        assert_eq!(self.decoder.len, TAKEN);
    }
}
