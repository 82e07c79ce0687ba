//! The load generator: one thread, non-blocking sockets on epoll, prepared frames, big reads, every
//! echo verified byte by byte. A message costs it a comparison and a share of two system calls.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    latency::Histogram,
    traffic::{Traffic, Verifier},
};

/// More than what a socket hands out at once on loopback, less than a second-level cache.
const READ_BYTES: usize = 256 << 10;
/// Nothing for so long is a failure.
const PATIENCE: Duration = Duration::from_secs(10);
/// The key and the answer of the example in RFC 6455 §1.3.
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What a run took, from the first byte sent to the last echo.
#[derive(Debug)]
pub struct Ran {
    pub elapsed: Duration,
    pub latency: Histogram,
}

/// Connections to a server, their opening handshakes done.
#[derive(Debug)]
pub struct Load<'a> {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    traffic: &'a Traffic,
    read_buffer: Vec<u8>,
    /// Whether to poll without sleeping; wants a core of its own.
    spin: bool,
}

#[derive(Debug)]
struct Connection {
    socket: TcpStream,
    verifier: Verifier,
    /// Place in the pool's frames of the next byte to send, and how many bytes are due.
    cursor: usize,
    due: usize,
    wants_write: bool,
    /// When each message that is on its way was handed over, in nanoseconds since the run began.
    begun: VecDeque<u64>,
}

impl<'a> Load<'a> {
    /// Opens `count` connections, each verified to speak the protocol.
    pub fn connect(port: u16, count: usize, traffic: &'a Traffic, spin: bool) -> Outcome<Self> {
        // SAFETY: no pointers; the answer is checked, and the descriptor is owned by nobody else.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 {
            return Err(format!("epoll_create1: {}", io::Error::last_os_error()));
        }
        // SAFETY: as above.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        let mut load = Self {
            epoll,
            connections: Vec::with_capacity(count),
            traffic,
            read_buffer: vec![0; READ_BYTES],
            spin,
        };
        for index in 0..count {
            let (socket, _) =
                open(port, None).map_err(|error| format!("connection {index}: {error}"))?;
            load.connections.push(Connection {
                socket,
                verifier: Verifier::default(),
                cursor: 0,
                due: 0,
                wants_write: false,
                begun: VecDeque::new(),
            });
            load.watch(index, libc::EPOLL_CTL_ADD)?;
        }
        Ok(load)
    }

    /// Echoes `messages` messages, `in_flight` at once on each connection.
    pub fn run(&mut self, messages: u64, in_flight: u64) -> Outcome<Ran> {
        let started = Instant::now();
        let mut latency = Histogram::default();
        let mut to_send = messages;
        let mut to_come = messages;
        for index in 0..self.connections.len() {
            let share = in_flight.min(to_send);
            to_send -= share;
            self.send(index, share, nanoseconds(started))?;
        }
        // SAFETY: an array of plain integers may be zero.
        let mut events: [libc::epoll_event; 256] = unsafe { std::mem::zeroed() };
        let mut last_progress = Instant::now();
        while to_come > 0 {
            let ready = self.wait(&mut events)?;
            let now = Instant::now();
            if ready > 0 {
                last_progress = now;
            } else if now - last_progress > PATIENCE {
                return Err(format!("no echo for {PATIENCE:?}, {to_come} still to come"));
            }
            for event in &events[..ready] {
                let index = event.u64 as usize;
                if event.events & libc::EPOLLOUT as u32 != 0 {
                    self.pump(index)?;
                }
                if event.events & !(libc::EPOLLOUT as u32) == 0 {
                    continue;
                }
                let done = self.receive(index)?;
                let now = nanoseconds(started);
                let begun = self.connections[index].begun.drain(..done as usize);
                begun.for_each(|begun| latency.add(now - begun));
                to_come = to_come
                    .checked_sub(done)
                    .ok_or("more echoes than messages")?;
                let share = done.min(to_send);
                to_send -= share;
                self.send(index, share, now)?;
            }
        }
        Ok(Ran {
            elapsed: started.elapsed(),
            latency,
        })
    }

    fn wait(&self, events: &mut [libc::epoll_event]) -> Outcome<usize> {
        let timeout = if self.spin { 0 } else { 1000 };
        // SAFETY: the pointer and the length are those of one slice.
        let ready = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                events.as_mut_ptr(),
                events.len() as libc::c_int,
                timeout,
            )
        };
        match usize::try_from(ready) {
            Ok(ready) => Ok(ready),
            Err(_) if io::Error::last_os_error().kind() == ErrorKind::Interrupted => Ok(0),
            Err(_) => Err(format!("epoll_wait: {}", io::Error::last_os_error())),
        }
    }

    /// Makes `count` further messages due and hands over what the socket takes.
    fn send(&mut self, index: usize, count: u64, now: u64) -> Outcome<()> {
        if count == 0 {
            return Ok(());
        }
        let connection = &mut self.connections[index];
        connection.due += count as usize * self.traffic.sent_frame;
        let stamps = std::iter::repeat_n(now, count as usize);
        connection.begun.extend(stamps);
        if connection.wants_write {
            return Ok(());
        }
        self.pump(index)
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
            self.watch(index, libc::EPOLL_CTL_MOD)?;
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
        let bytes = &self.read_buffer[..read];
        let done = connection.verifier.take(bytes, self.traffic)?;
        if done > connection.begun.len() as u64 {
            return Err("more echoes than messages".into());
        }
        Ok(done)
    }

    fn watch(&self, index: usize, operation: libc::c_int) -> Outcome<()> {
        let connection = &self.connections[index];
        let write = if connection.wants_write {
            libc::EPOLLOUT
        } else {
            0
        };
        let mut event = libc::epoll_event {
            events: (libc::EPOLLIN | write) as u32,
            u64: index as u64,
        };
        let socket = connection.socket.as_raw_fd();
        // SAFETY: both descriptors are open, and the event lives across the call.
        let answer =
            unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, socket, &mut event) };
        if answer < 0 {
            return Err(format!("epoll_ctl: {}", io::Error::last_os_error()));
        }
        Ok(())
    }
}

fn nanoseconds(since: Instant) -> u64 {
    since.elapsed().as_nanos() as u64
}

/// Connects and does the opening handshake, in which it may offer extensions. Returns the head of the
/// response as well.
pub fn open(port: u16, extensions: Option<&str>) -> Outcome<(TcpStream, String)> {
    let failed = |error: io::Error| error.to_string();
    let mut socket = TcpStream::connect(("127.0.0.1", port)).map_err(failed)?;
    socket.set_nodelay(true).map_err(failed)?;
    reset_on_close(&socket).map_err(failed)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let extensions = extensions.map(|it| format!("Sec-WebSocket-Extensions: {it}\r\n"));
    let request = format!("{REQUEST}{}\r\n", extensions.unwrap_or_default());
    socket.write_all(request.as_bytes()).map_err(failed)?;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read(&mut buffer) {
            Ok(0) => return Err("closed during the handshake".into()),
            Ok(read) => head.extend_from_slice(&buffer[..read]),
            Err(error) => return Err(format!("handshake: {error}")),
        }
    }
    let head = String::from_utf8_lossy(&head);
    if !head.starts_with("HTTP/1.1 101") || !head.contains(ACCEPT) {
        let line = head.lines().next().unwrap_or_default();
        return Err(format!("the handshake was answered with {line:?}"));
    }
    socket.set_nonblocking(true).map_err(failed)?;
    Ok((socket, head.into_owned()))
}

/// Lets a closed connection leave no TIME_WAIT behind: thousands are opened one after another.
fn reset_on_close(socket: &TcpStream) -> io::Result<()> {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: the pointer and the length are those of `linger`.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        thread,
    };

    use contestant::Content;

    use super::*;

    /// A stand-in contestant that echoes bytes; `break_after` flips a bit there.
    fn raw_echo(break_after: usize) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                thread::spawn(move || echo(socket, break_after));
            }
        });
        port
    }

    fn echo(mut socket: TcpStream, break_after: usize) {
        let mut buffer = vec![0; 65_536];
        let _ = socket.read(&mut buffer);
        let answer = format!("HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n");
        let _ = socket.write_all(answer.as_bytes());
        let mut passed = 0;
        while let Ok(read @ 1..) = socket.read(&mut buffer) {
            if (passed..passed + read).contains(&break_after) {
                buffer[break_after - passed] ^= 1;
            }
            passed += read;
            if socket.write_all(&buffer[..read]).is_err() {
                return;
            }
        }
    }

    #[test]
    fn echoes_are_counted_and_timed() {
        let port = raw_echo(usize::MAX);
        for (size, connections, in_flight, messages) in
            [(20, 3, 16, 10_000), (300_000, 2, 2, 50), (0, 1, 1, 5)]
        {
            let traffic = Traffic::with_pool(Content::Binary, size, true, 1 << 16);
            let mut load = Load::connect(port, connections, &traffic, false).expect("open");
            for _ in 0..2 {
                let ran = load.run(messages, in_flight).expect("echoes");
                assert_eq!(ran.latency.count(), messages);
                assert!(ran.latency.quantile(0.99) <= ran.elapsed.as_nanos() as f64 * 1.1);
            }
        }
    }

    #[test]
    fn a_wrong_echo_is_an_error() {
        let port = raw_echo(5000);
        let traffic = Traffic::with_pool(Content::Binary, 20, true, 1 << 16);
        let mut load = Load::connect(port, 1, &traffic, true).expect("open");
        assert!(load.run(1000, 4).is_err());
    }
}
