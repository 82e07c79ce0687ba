//! The load generator of compressed messages: one thread, prepared frames, every echo inflated and
//! compared byte by byte.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use super::{
    epoll::Epoll,
    replies::{Came, Replies},
    traffic::Traffic,
};
use crate::{Outcome, load};

const READ_BYTES: usize = 256 << 10;
/// Nothing for so long is a failure.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a run took.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    pub elapsed: Duration,
    /// Bytes of frames in each direction.
    pub sent: u64,
    pub received: u64,
}

/// Connections to a server, compression agreed on.
#[derive(Debug)]
pub struct Load<'a> {
    epoll: Epoll,
    connections: Vec<Connection>,
    traffic: &'a Traffic,
    read_buffer: Vec<u8>,
    /// Whether to poll without sleeping; wants a core of its own.
    spin: bool,
}

#[derive(Debug)]
struct Connection {
    socket: TcpStream,
    replies: Replies,
    /// What has come of a frame that is not whole.
    pending: Vec<u8>,
    /// The next message to be sent, and in the traffic's bytes: where the next write begins and how
    /// much is due.
    next: usize,
    cursor: usize,
    due: usize,
    /// How many messages are still to be sent.
    left: u64,
    wants_write: bool,
}

impl<'a> Load<'a> {
    /// Opens connections. A server that does not agree to what is offered is an error.
    pub fn connect(port: u16, count: usize, traffic: &'a Traffic, spin: bool) -> Outcome<Self> {
        let mut load = Self {
            epoll: Epoll::new()?,
            connections: Vec::with_capacity(count),
            traffic,
            read_buffer: vec![0; READ_BYTES],
            spin,
        };
        let offer = traffic.settings.offer();
        for index in 0..count {
            let (socket, head) = load::open(port, Some(&offer))
                .map_err(|error| format!("connection {index}: {error}"))?;
            agreed(&head, traffic)?;
            load.epoll.watch(&socket, index, true, false)?;
            load.connections.push(Connection {
                socket,
                replies: Replies::new(&traffic.settings),
                pending: Vec::new(),
                next: 0,
                cursor: 0,
                due: 0,
                left: 0,
                wants_write: false,
            });
        }
        Ok(load)
    }

    /// Echoes `messages` messages on each connection, `in_flight` at once.
    pub fn run(&mut self, messages: u64, in_flight: u64) -> Outcome<Ran> {
        let started = Instant::now();
        let mut ran = Ran {
            elapsed: Duration::ZERO,
            sent: 0,
            received: 0,
        };
        let before = self.received();
        let mut to_come = messages * self.connections.len() as u64;
        for index in 0..self.connections.len() {
            self.connections[index].left = messages;
            ran.sent += self.send(index, in_flight)?;
        }
        let mut last_progress = Instant::now();
        while to_come > 0 {
            let ready = self.epoll.wait(if self.spin { 0 } else { 1000 })?;
            if !ready.is_empty() {
                last_progress = Instant::now();
            } else if last_progress.elapsed() > PATIENCE {
                return Err(format!("no echo for {PATIENCE:?}, {to_come} still to come"));
            }
            for ready in ready {
                if ready.write {
                    self.pump(ready.index)?;
                }
                if ready.read {
                    let done = self.receive(ready.index)?;
                    to_come = to_come
                        .checked_sub(done)
                        .ok_or("more echoes than messages")?;
                    ran.sent += self.send(ready.index, done)?;
                }
            }
        }
        ran.elapsed = started.elapsed();
        ran.received = self.received() - before;
        Ok(ran)
    }

    /// Answers pings for so long.
    pub fn linger(&mut self, time: Duration) -> Outcome<()> {
        let started = Instant::now();
        while started.elapsed() < time {
            for ready in self.epoll.wait(10)? {
                self.receive(ready.index)?;
            }
        }
        Ok(())
    }

    fn received(&self) -> u64 {
        self.connections.iter().map(|it| it.replies.bytes).sum()
    }

    /// Makes up to `count` further messages due and hands over what the socket takes. Returns their
    /// bytes.
    fn send(&mut self, index: usize, count: u64) -> Outcome<u64> {
        let connection = &mut self.connections[index];
        let count = count.min(connection.left);
        connection.left -= count;
        let mut bytes = 0;
        for _ in 0..count {
            bytes += self.traffic.frame(connection.next);
            connection.next = (connection.next + 1) % self.traffic.ends.len();
        }
        connection.due += bytes;
        if bytes > 0 && !connection.wants_write {
            self.pump(index)?;
        }
        Ok(bytes as u64)
    }

    fn pump(&mut self, index: usize) -> Outcome<()> {
        let connection = &mut self.connections[index];
        let wire = &self.traffic.sent;
        while connection.due > 0 {
            let end = wire.len().min(connection.cursor + connection.due);
            match connection.socket.write(&wire[connection.cursor..end]) {
                Ok(written) => {
                    connection.due -= written;
                    connection.cursor = (connection.cursor + written) % wire.len();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("sending: {error}")),
            }
        }
        let wants_write = connection.due > 0;
        if wants_write != connection.wants_write {
            connection.wants_write = wants_write;
            self.epoll
                .watch(&connection.socket, index, false, wants_write)?;
        }
        Ok(())
    }

    /// Reads once; returns how many messages have come back whole.
    fn receive(&mut self, index: usize) -> Outcome<u64> {
        let connection = &mut self.connections[index];
        let read = match connection.socket.read(&mut self.read_buffer) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(read) => read,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                return Ok(0);
            }
            Err(error) => return Err(format!("receiving: {error}")),
        };
        let read = &self.read_buffer[..read];
        let mut pending = std::mem::take(&mut connection.pending);
        let was_pending = !pending.is_empty();
        if was_pending {
            pending.extend_from_slice(read);
        }
        let bytes = if was_pending { &pending } else { read };
        let (mut taken, mut done) = (0, 0);
        let messages = &self.traffic.messages;
        while let Some((length, came)) = connection.replies.take(&bytes[taken..], messages)? {
            taken += length;
            match came {
                Came::Message => done += 1,
                // Between two messages only, and a connection that is busy needs none.
                Came::Ping(payload) if connection.due == 0 => {
                    pong(&mut connection.socket, &payload)?
                }
                Came::Ping(_) | Came::Part => {}
            }
        }
        connection.pending = if was_pending {
            pending.drain(..taken);
            pending
        } else {
            read[taken..].to_vec()
        };
        Ok(done)
    }
}

fn pong(socket: &mut TcpStream, payload: &[u8]) -> Outcome<()> {
    // Masked with zeros.
    let mut frame = vec![0x8A, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    socket.write_all(&frame).map_err(|error| error.to_string())
}

/// Whether the server agreed to what was offered.
fn agreed(head: &str, traffic: &Traffic) -> Outcome<()> {
    let name = "sec-websocket-extensions:";
    let line = head
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with(name));
    let Some(line) = line.map(|line| line[name.len()..].trim()) else {
        return Err("the server agrees to no extension".into());
    };
    let has = |parameter: &str| line.contains(parameter);
    let settings = &traffic.settings;
    let refused = |what: &str| Err(format!("{what}: the server answers {line:?}"));
    if !has("permessage-deflate") {
        return refused("no permessage-deflate");
    }
    if settings.takeover && has("no_context_takeover") {
        return refused("no context takeover");
    }
    if !settings.takeover && !has("server_no_context_takeover") {
        return refused("context takeover");
    }
    let bits = format!("server_max_window_bits={}", settings.window_bits);
    if settings.window_bits < 15 && !has(&bits) {
        return refused("another window");
    }
    Ok(())
}
