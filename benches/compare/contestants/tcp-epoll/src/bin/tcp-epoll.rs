//! The floor for every library: epoll on one thread, one read and one write for each wake-up, no
//! runtime.

use std::{
    collections::HashMap,
    io::{self, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::{AsRawFd, RawFd},
};

use contestant::{Contestant, Info, Settings, announce, http};
use nix::sys::{
    epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
    socket::{Backlog, listen},
};

const BUFFER: usize = 64 << 10;
const BACKLOG: i32 = 4096;

/// One connection.
struct Connection {
    stream: TcpStream,
    /// The request, until it is answered.
    head: Option<Vec<u8>>,
    /// The bytes that the socket did not take.
    rest: Vec<u8>,
}

impl Connection {
    /// Writes the rest, or reads once and echoes. Returns whether the connection is open.
    fn advance(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            self.write(&rest)?;
            return Ok(true);
        }
        match self.stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(n) => self.received(&buffer[..n])?,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    fn received(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(head) = &mut self.head else {
            return self.write(bytes);
        };
        head.extend_from_slice(bytes);
        let Some(len) = http::head_len(head) else {
            return Ok(());
        };
        let answer = http::response(&head[..len]).ok_or(ErrorKind::InvalidData)?;
        let early = head.split_off(len);
        self.head = None;
        self.write(answer.as_bytes())?;
        self.write(&early)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = match self.stream.write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            written => written?,
        };
        self.rest.extend_from_slice(&bytes[written..]);
        Ok(())
    }
}

fn event(fd: RawFd, flags: EpollFlags) -> EpollEvent {
    EpollEvent::new(flags, fd as u64)
}

fn accept(listener: &TcpListener, epoll: &Epoll) -> io::Result<(RawFd, Connection)> {
    let (stream, _) = listener.accept()?;
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    let fd = stream.as_raw_fd();
    epoll.add(&stream, event(fd, EpollFlags::EPOLLIN))?;
    let (head, rest) = (Some(Vec::new()), Vec::new());
    Ok((fd, Connection { stream, head, rest }))
}

fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    // Listening again changes the backlog.
    listen(&listener, Backlog::new(BACKLOG)?)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let accepting = listener.as_raw_fd();
    epoll.add(&listener, event(accepting, EpollFlags::EPOLLIN))?;
    announce(listener.local_addr()?.port());
    let mut connections = HashMap::new();
    let mut buffer = vec![0; BUFFER];
    let mut events = [EpollEvent::empty(); 256];
    loop {
        let ready = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => 0,
            ready => ready?,
        };
        for ready in &events[..ready] {
            let fd = ready.data() as RawFd;
            let Some(connection) = connections.get_mut(&fd) else {
                connections.extend([accept(&listener, &epoll)?]);
                continue;
            };
            let was_writing = !connection.rest.is_empty();
            if !connection.advance(&mut buffer).unwrap_or(false) {
                connections.remove(&fd);
                continue;
            }
            let is_writing = !connection.rest.is_empty();
            if is_writing != was_writing {
                let flags = match is_writing {
                    true => EpollFlags::EPOLLOUT,
                    false => EpollFlags::EPOLLIN,
                };
                epoll.modify(&connection.stream, &mut event(fd, flags))?;
            }
        }
    }
}

struct Adapter;

impl Contestant for Adapter {
    const INFO: Info = Info {
        validates_text: false,
        raw: true,
        in_memory: false,
        ..Info::new(
            "nix",
            "sends back the bytes it reads on one thread, on loopback only",
        )
    };

    /// Blocks the thread: the floor has no runtime.
    async fn serve(_: Option<Settings>) {
        serve().expect("epoll works");
    }
}

contestant::main!(Adapter);
