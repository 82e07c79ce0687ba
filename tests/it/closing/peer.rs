//! The peer: bytes over a socket, without the crate.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    sync::oneshot,
};
use tokio_util::either::Either;
use wsimd::Role;

use super::{
    UNREAD,
    cases::{Case, Data, Peer, Who},
    model::Code,
};
use crate::support::frames::{BINARY, CLOSE, CONTINUATION, FIN, TEXT, close_payload, frame};

/// The first bits of a compressed message in one frame.
const COMPRESSED: u8 = FIN | 0x40 | BINARY;

/// What the peer has read.
#[derive(Debug, Default)]
pub(super) struct Seen {
    bytes: Vec<u8>,
    /// The number of bytes that `frames` and `close` cover.
    parsed: usize,
    /// The first byte and the length of each frame of data.
    pub(super) frames: Vec<(u8, usize)>,
    pub(super) close: Option<Code>,
    /// Whether bytes follow our Close frame.
    pub(super) is_talkative: bool,
    pub(super) is_reset: bool,
}

impl Seen {
    /// Returns the number of whole messages that were queued before the end.
    pub(super) fn queued(&self) -> usize {
        let queued = self.frames.iter();
        queued
            .filter(|(first, len)| *first == COMPRESSED || *len == super::QUEUED_LEN)
            .count()
    }

    fn parse(&mut self) {
        while let Some((first, payload, len)) = next_frame(&self.bytes[self.parsed..]) {
            self.parsed += len;
            self.is_talkative |= self.close.is_some();
            match first & 0xF {
                CLOSE => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    self.close = Some(code);
                }
                _ => self.frames.push((first, payload.len())),
            }
        }
    }
}

/// Splits the first frame off. Returns its first byte, its payload and its length.
fn next_frame(bytes: &[u8]) -> Option<(u8, Vec<u8>, usize)> {
    let [first, second] = *bytes.first_chunk()?;
    let (len, at) = match second & 0x7F {
        126 => (
            usize::from(u16::from_be_bytes(*bytes[2..].first_chunk()?)),
            4,
        ),
        127 => (
            usize::try_from(u64::from_be_bytes(*bytes[2..].first_chunk()?)).unwrap(),
            10,
        ),
        len => (usize::from(len), 2),
    };
    let (key, at) = match second & 0x80 {
        0 => ([0; 4], at),
        _ => (*bytes[at..].first_chunk()?, at + 4),
    };
    let masked = bytes.get(at..at + len)?;
    let payload = masked.iter().zip(key.iter().cycle()).map(|(a, b)| a ^ b);
    Some((first, payload.collect(), at + len))
}

#[derive(Debug)]
pub(super) struct RawPeer {
    socket: Either<TcpStream, UnixStream>,
    case: Case,
    seen: Seen,
}

impl RawPeer {
    pub(super) fn new(socket: Either<TcpStream, UnixStream>, case: Case) -> Self {
        Self {
            socket,
            case,
            seen: Seen::default(),
        }
    }

    /// Gives the peer bytes that were read with the opening handshake.
    pub(super) fn with_read(mut self, bytes: &[u8]) -> Self {
        self.seen.bytes.extend_from_slice(bytes);
        self.seen.parse();
        self
    }

    const fn role(&self) -> Role {
        self.case.role.peer()
    }

    /// Writes bytes that we are to find in the socket.
    pub(super) async fn write(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// Writes the first half of a message.
    pub(super) async fn begin_message(&mut self) {
        self.write(&frame(self.role(), TEXT, &[b'h'; 100])).await;
    }

    /// Writes whole messages, or fragments of the message that has begun.
    pub(super) async fn write_unread(&mut self) {
        let first = match self.case.data {
            Data::Half => CONTINUATION,
            _ => FIN | BINARY,
        };
        let bytes = frame(self.role(), first, &[b'u'; 4000]);
        self.write(&bytes.repeat(UNREAD)).await;
    }

    fn close_frame(&self) -> Vec<u8> {
        let payload = self.case.code.map(|code| close_payload(code, ""));
        frame(self.role(), FIN | CLOSE, &payload.unwrap_or_default())
    }

    /// Ends the connection, if the peer does so.
    pub(super) async fn end(&mut self) {
        let last = match self.case.who {
            Who::Both | Who::PeerClose => self.close_frame(),
            Who::PeerViolation => frame(self.role(), FIN | 3, b""),
            Who::PeerFin => return self.socket.shutdown().await.unwrap(),
            Who::PeerReset => {
                let Either::Left(tcp) = &self.socket else {
                    panic!("only TCP has resets");
                };
                tcp.set_zero_linger().unwrap();
                return;
            }
            _ => return,
        };
        self.write(&last).await;
        if self.case.unread {
            self.write(&[0; 40_000]).await;
        }
    }

    /// Behaves as the case says until the socket ends. `reported` completes when we have reported the end.
    pub(super) async fn behave(mut self, reported: oneshot::Receiver<()>) -> Seen {
        if self.case.who == Who::PeerReset {
            return self.seen;
        }
        if self.case.peer.reads() {
            self.read_until_close().await;
        }
        if self.seen.close.is_some() && self.case.peer.answers() {
            let answer = self.close_frame();
            if !self.case.who.peer_closes() {
                // The error of a reset is reported once.
                self.seen.is_reset = self.socket.write_all(&answer).await.is_err();
            }
        }
        if self.case.peer == Peer::Behaves {
            if self.role() == Role::Client {
                self.read_to_end().await;
            }
            let _ = self.socket.shutdown().await;
        } else if self.case.peer.reads() {
            self.read_to_end_or(reported).await;
        } else {
            reported.await.unwrap();
        }
        self.read_to_end().await;
        if let Either::Left(tcp) = &self.socket {
            // The end of the stream hides a reset behind it.
            self.seen.is_reset |= tcp.take_error().unwrap().is_some();
        }
        self.seen
    }

    async fn read_until_close(&mut self) {
        while self.seen.close.is_none() && self.read().await {}
    }

    async fn read_to_end(&mut self) {
        while self.read().await {}
    }

    /// Reads to the end, and keeps the socket until `reported`.
    async fn read_to_end_or(&mut self, reported: oneshot::Receiver<()>) {
        let (reported, ()) = tokio::join!(reported, self.read_to_end());
        reported.unwrap();
    }

    /// Reads once. Returns `false` at the end.
    async fn read(&mut self) -> bool {
        let read = self.socket.read_buf(&mut self.seen.bytes).await;
        self.seen.parse();
        match read {
            Ok(len) => len > 0,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
                self.seen.is_reset = true;
                false
            }
        }
    }
}
