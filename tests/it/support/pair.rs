//! Two endpoints and the wires between them, in a time that is a number.
//!
//! The fuzz targets use this file too. It depends on `wsimd` and `bytes` alone.

use std::time::Duration;

use bytes::Bytes;
use wsimd::{CloseCode, CloseFrame, Config, Message, Role, SendError};

use super::side::Side;

/// A client and a server.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) now: Duration,
    pub(crate) client: Side,
    pub(crate) server: Side,
}

impl Pair {
    pub(crate) fn new(config: &Config) -> Self {
        Self::with_configs(config, config)
    }

    /// Creates a pair whose client and server have configurations of their own.
    pub(crate) fn with_configs(client: &Config, server: &Config) -> Self {
        let mut pair = Self {
            now: Duration::ZERO,
            client: Side::new(Role::Client, client),
            server: Side::new(Role::Server, server),
        };
        pair.settle();
        pair
    }

    pub(crate) fn side(&mut self, role: Role) -> &mut Side {
        self.both(role).0
    }

    /// Returns the side that has this role, and its peer.
    pub(crate) fn both(&mut self, role: Role) -> (&mut Side, &mut Side) {
        match role {
            Role::Client => (&mut self.client, &mut self.server),
            Role::Server => (&mut self.server, &mut self.client),
        }
    }

    pub(crate) fn send(
        &mut self,
        role: Role,
        message: impl Into<Message>,
    ) -> Result<(), SendError> {
        self.command(role, |side| side.endpoint.send(message, &mut side.output))
    }

    pub(crate) fn ping(&mut self, role: Role, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.command(role, |side| {
            side.endpoint.ping(payload.into(), &mut side.output)
        })
    }

    pub(crate) fn pong(&mut self, role: Role, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.command(role, |side| {
            side.endpoint.pong(payload.into(), &mut side.output)
        })
    }

    pub(crate) fn close(&mut self, role: Role, code: u16, reason: &str) -> bool {
        let frame = CloseFrame::new(CloseCode::from(code), reason).expect("a legal Close frame");
        self.command(role, |side| side.endpoint.close(frame, &mut side.output))
    }

    /// Appends bytes to the output of a side, past its endpoint.
    pub(crate) fn inject(&mut self, role: Role, bytes: &[u8]) {
        self.command(role, |side| side.output.extend_from_slice(bytes));
    }

    /// Shuts the sending direction of a side down after `len` bytes of its output, past its endpoint.
    pub(crate) fn cut(&mut self, role: Role, len: usize) {
        self.command(role, |side| {
            side.endpoint.abandon();
            side.half_closed = true;
            side.output.truncate(len);
        });
    }

    /// Delivers at most `len` bytes of the output of a side to its peer. Returns their number.
    pub(crate) fn deliver(&mut self, from: Role, len: usize) -> usize {
        let now = self.now;
        let (side, peer) = self.both(from);
        let len = len.min(side.output.len());
        if len == 0 {
            return 0;
        }
        let bytes = side.output.split_to(len);
        side.on_written(now);
        peer.on_bytes(&bytes, now);
        self.settle();
        len
    }

    /// Delivers the end of the stream of a side, if nothing stands before it.
    pub(crate) fn deliver_eof(&mut self, from: Role) -> bool {
        let (side, peer) = self.both(from);
        let is_due = side.half_closed && side.output.is_empty();
        if !is_due || peer.saw_eof {
            return false;
        }
        peer.on_eof();
        self.settle();
        true
    }

    /// Delivers everything in both directions, until nothing moves.
    pub(crate) fn drive(&mut self) {
        self.drive_by(usize::MAX);
    }

    /// As [`drive`](Self::drive), in pieces of `len` bytes.
    pub(crate) fn drive_by(&mut self, len: usize) {
        for _ in 0..1_000_000 {
            let mut moved = false;
            for role in [Role::Client, Role::Server] {
                moved |= self.deliver(role, len) > 0;
                moved |= self.deliver_eof(role);
            }
            if !moved {
                return;
            }
        }
        panic!("the pair never comes to rest");
    }

    /// Lets time pass. Everything that is due happens at its time.
    pub(crate) fn advance(&mut self, time: Duration) {
        let until = self.now.saturating_add(time);
        while let Some(next) = self.next_time()
            && next <= until
        {
            self.now = self.now.max(next);
            self.settle();
        }
        self.now = until;
    }

    /// Returns the next time at which an owner has to do something without input.
    pub(crate) fn next_time(&self) -> Option<Duration> {
        let times = [self.client.next_time(), self.server.next_time()];
        times.into_iter().flatten().min()
    }

    /// Does everything that is due, on both sides.
    pub(crate) fn settle(&mut self) {
        self.client.tick(self.now);
        self.server.tick(self.now);
    }

    fn command<T>(&mut self, role: Role, command: impl FnOnce(&mut Side) -> T) -> T {
        let outcome = command(self.side(role));
        self.settle();
        outcome
    }
}
