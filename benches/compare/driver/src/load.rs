//! The load generator: one thread, non-blocking sockets on epoll, prepared frames, big reads. It compares
//! every byte of each echo. A message costs it a comparison and a share of two system calls.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use contestant::{Settings, http, tls};
use nix::sys::{
    epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
    socket::{setsockopt, sockopt::Linger},
};

use crate::{
    Outcome,
    socket::Socket,
    traffic::{Traffic, Verifier},
};

/// More than a socket returns at once on loopback, less than a second-level cache.
const READ_BYTES: usize = 256 << 10;
/// A longer silence is a failure.
const PATIENCE: Duration = Duration::from_secs(10);
/// The key and the answer of the example in RFC 6455 §1.3.
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Connections to a server after their opening handshakes.
#[derive(Debug)]
pub struct Load<'a> {
    epoll: Epoll,
    connections: Vec<Connection>,
    traffic: &'a Traffic,
    read_buffer: Vec<u8>,
    /// Whether to poll without sleeping, which needs a core of its own.
    spin: bool,
}

#[derive(Debug)]
struct Connection {
    socket: Socket,
    verifier: Verifier,
    /// The next message to send, and in the traffic's bytes the start and the length of the next write.
    next: usize,
    cursor: usize,
    due: usize,
    /// The number of messages that it may still send, and of echoes that are expected.
    quota: u64,
    in_flight: u64,
    wants_write: bool,
}

impl<'a> Load<'a> {
    /// Opens `count` connections. A server that refuses the compression of the traffic is an error.
    pub fn connect(port: u16, count: usize, traffic: &'a Traffic, spin: bool) -> Outcome<Self> {
        let mut load = Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            connections: Vec::with_capacity(count),
            traffic,
            read_buffer: vec![0; READ_BYTES],
            spin,
        };
        let tls = traffic.tls.then(tls::client);
        for index in 0..count {
            let socket = Socket::open(connect(port)?, tls.as_ref());
            let socket = socket.and_then(|it| open(it, traffic.deflate.as_ref()));
            let socket = socket.map_err(|error| format!("connection {index}: {error}"))?;
            let event = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
            load.epoll.add(&socket.tcp, event)?;
            load.connections.push(Connection {
                socket,
                verifier: Verifier::new(traffic),
                next: 0,
                cursor: 0,
                due: 0,
                quota: 0,
                in_flight: 0,
                wants_write: false,
            });
        }
        Ok(load)
    }

    /// Echoes `messages` messages, `in_flight` at once on each connection. With compression each connection
    /// sends as many. Returns the time from the first byte sent to the last echo.
    pub fn run(&mut self, messages: u64, in_flight: u64) -> Outcome<Duration> {
        let started = Instant::now();
        let quota = match self.traffic.deflate {
            Some(_) => messages.div_ceil(self.connections.len() as u64),
            None => u64::MAX,
        };
        let (mut to_send, mut to_come) = (messages, messages);
        for index in 0..self.connections.len() {
            self.connections[index].quota = quota;
            to_send -= self.send(index, in_flight.min(to_send))?;
        }
        let mut events = [EpollEvent::empty(); 256];
        let mut last_progress = Instant::now();
        while to_come > 0 {
            let timeout = if self.spin { 0_u16 } else { 1000 };
            let ready = self.wait(&mut events, timeout)?;
            if ready > 0 {
                last_progress = Instant::now();
            } else if last_progress.elapsed() > PATIENCE {
                return Err(format!("no echo for {PATIENCE:?}, {to_come} still to come").into());
            }
            for event in &events[..ready] {
                let index = event.data() as usize;
                if event.events().contains(EpollFlags::EPOLLOUT) {
                    self.pump(index)?;
                }
                if event.events() == EpollFlags::EPOLLOUT {
                    continue;
                }
                let done = self.receive(index)?;
                to_come = to_come.saturating_sub(done);
                to_send -= self.send(index, done.min(to_send))?;
            }
        }
        Ok(started.elapsed())
    }

    /// Answers pings for so long.
    pub fn linger(&mut self, time: Duration) -> Outcome<()> {
        let started = Instant::now();
        let mut events = [EpollEvent::empty(); 256];
        while started.elapsed() < time {
            let ready = self.wait(&mut events, 10_u16)?;
            for event in &events[..ready] {
                self.receive(event.data() as usize)?;
            }
        }
        Ok(())
    }

    fn wait(&self, events: &mut [EpollEvent], milliseconds: u16) -> Outcome<usize> {
        match self.epoll.wait(events, EpollTimeout::from(milliseconds)) {
            Err(nix::errno::Errno::EINTR) => Ok(0),
            ready => Ok(ready?),
        }
    }

    /// Makes up to `count` further messages due and writes the bytes that the socket takes. Returns the
    /// number of messages.
    fn send(&mut self, index: usize, count: u64) -> Outcome<u64> {
        let connection = &mut self.connections[index];
        let count = count.min(connection.quota);
        connection.quota -= count;
        connection.in_flight += count;
        for _ in 0..count {
            connection.due += self.traffic.frame(connection.next);
            connection.next = (connection.next + 1) % self.traffic.ends.len();
        }
        if count > 0 && !connection.wants_write {
            self.pump(index)?;
        }
        Ok(count)
    }

    fn pump(&mut self, index: usize) -> Outcome<()> {
        let connection = &mut self.connections[index];
        let wire = &self.traffic.sent;
        while connection.due > 0 || connection.socket.has_unsent() {
            let end = wire.len().min(connection.cursor + connection.due);
            match connection.socket.write(&wire[connection.cursor..end]) {
                Ok(written) => {
                    connection.due -= written;
                    connection.cursor = (connection.cursor + written) % wire.len();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("sending: {error}").into()),
            }
        }
        let wants_write = connection.due > 0 || connection.socket.has_unsent();
        if wants_write != connection.wants_write {
            connection.wants_write = wants_write;
            let mut flags = EpollFlags::EPOLLIN;
            flags.set(EpollFlags::EPOLLOUT, wants_write);
            let mut event = EpollEvent::new(flags, index as u64);
            self.epoll.modify(&connection.socket.tcp, &mut event)?;
        }
        Ok(())
    }

    /// Reads once. Returns the number of messages that the bytes complete.
    fn receive(&mut self, index: usize) -> Outcome<u64> {
        let connection = &mut self.connections[index];
        let read = match connection.socket.read(&mut self.read_buffer) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(read) => read,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => return Ok(0),
                _ => return Err(format!("receiving: {error}").into()),
            },
        };
        let bytes = &self.read_buffer[..read];
        let done = connection.verifier.take(bytes, self.traffic)?;
        let in_flight = connection.in_flight.checked_sub(done);
        connection.in_flight = in_flight.ok_or("more echoes than messages")?;
        for payload in connection.verifier.pings() {
            // A pong may not stand inside of a message, and a busy connection needs none.
            if connection.due == 0 {
                let mut frame = vec![0x8A, 0x80 | payload.len() as u8, 0, 0, 0, 0];
                frame.extend(payload);
                connection.socket.write_all(&frame)?;
            }
        }
        Ok(done)
    }
}

fn connect(port: u16) -> Outcome<TcpStream> {
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_nodelay(true)?;
    // A reset leaves no TIME_WAIT behind. Thousands of connections are opened one after another.
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&socket, Linger, &linger)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Performs the opening handshake, in which it offers compression.
fn open(mut socket: Socket, deflate: Option<&Settings>) -> Outcome<Socket> {
    let offer = deflate.map(|it| format!("Sec-WebSocket-Extensions: {}\r\n", it.offer()));
    // One write: wtx fails on a request that arrives in pieces.
    let request = format!("{REQUEST}{}\r\n", offer.unwrap_or_default());
    socket.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        let read = socket.read(&mut buffer)?;
        if read == 0 {
            return Err("closed during the handshake".into());
        }
        head.extend_from_slice(&buffer[..read]);
    }
    let head = String::from_utf8_lossy(&head);
    if !head.starts_with("HTTP/1.1 101") || !head.contains(ACCEPT) {
        let line = head.lines().next().unwrap_or_default();
        return Err(format!("the handshake was answered with {line:?}").into());
    }
    if let Some(settings) = deflate {
        check_negotiated(&head, settings)?;
    }
    socket.tcp.set_nonblocking(true)?;
    Ok(socket)
}

/// Checks that the server accepted the offer.
fn check_negotiated(head: &str, settings: &Settings) -> Outcome<()> {
    let line = http::header(head.as_bytes(), "sec-websocket-extensions");
    let line = line.filter(|it| it.starts_with("permessage-deflate"));
    let line = line.ok_or("the server negotiates no permessage-deflate")?;
    let bits = format!("server_max_window_bits={}", settings.window_bits);
    let takeover = match settings.takeover {
        true => !line.contains("no_context_takeover"),
        false => line.contains("server_no_context_takeover"),
    };
    if takeover && (settings.window_bits == 15 || line.contains(&bits)) {
        return Ok(());
    }
    Err(format!("the server answers {line:?}").into())
}

#[cfg(test)]
mod tests {
    use std::{io, net::TcpListener, thread};

    use contestant::Content;

    use super::*;
    use crate::server::Start;

    /// Echoes bytes on one connection, and flips a bit after `break_after` bytes.
    fn raw_echo(break_after: usize) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        thread::spawn(move || {
            let (mut socket, _) = listener.accept()?;
            let mut buffer = vec![0; 65_536];
            let _ = socket.read(&mut buffer)?;
            write!(
                socket,
                "HTTP/1.1 101 \r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
            )?;
            let mut passed = 0;
            loop {
                let read = socket.read(&mut buffer)?;
                if (passed..passed + read).contains(&break_after) {
                    buffer[break_after - passed] ^= 1;
                }
                passed += read;
                socket.write_all(&buffer[..read])?;
            }
            #[expect(unreachable_code, reason = "the type of the closure")]
            io::Result::Ok(())
        });
        port
    }

    #[test]
    fn a_wrong_echo_is_an_error() {
        let traffic =
            Traffic::new((20, Content::Binary), Start::CURRENT, true, 1 << 16).expect("traffic");
        let mut load = Load::connect(raw_echo(usize::MAX), 1, &traffic, false).expect("open");
        load.run(10_000, 16).expect("echoes");
        let mut load = Load::connect(raw_echo(5000), 1, &traffic, true).expect("open");
        assert!(load.run(1000, 4).is_err());
    }
}
