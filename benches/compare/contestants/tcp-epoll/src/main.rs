//! The limit for everyone: epoll, one read and one write for what is there, no runtime.
//!
//! One thread accepts and hands connections out in turn; one worker, or two, echo.

mod epoll;

use std::{
    collections::HashMap,
    future::{Future, pending},
    io::{self, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::{AsRawFd, RawFd},
    process::ExitCode,
    sync::{Arc, Mutex},
    thread,
};

use contestant::{
    BoxError, Contestant, Decode, Encode, Info, Measured, MemoryTransport, Runtime, announce, http,
};
use epoll::{Epoll, Interest};

const BUFFER: usize = 64 << 10;
const BACKLOG: i32 = 4096;

/// What a worker shares with the thread that accepts.
struct Worker {
    epoll: Epoll,
    arrivals: Mutex<HashMap<RawFd, TcpStream>>,
}

/// One connection.
struct Connection {
    stream: TcpStream,
    /// The request, until it is answered.
    head: Option<Vec<u8>>,
    /// What the socket did not take.
    rest: Vec<u8>,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            head: Some(Vec::new()),
            rest: Vec::new(),
        }
    }

    /// Does what can be done now. Returns whether the connection goes on, and what it waits for.
    fn advance(&mut self, buffer: &mut [u8]) -> io::Result<Option<Interest>> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            self.write(&rest)?;
        } else {
            match self.stream.read(buffer) {
                Ok(0) => return Ok(None),
                Ok(n) => self.received(&buffer[..n])?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(if self.rest.is_empty() {
            Interest::Read
        } else {
            Interest::Write
        }))
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

/// Echoes on the connections that arrive, for ever.
fn work(worker: &Worker) -> io::Result<()> {
    let mut events = epoll::events();
    let mut buffer = vec![0; BUFFER];
    let mut connections: HashMap<RawFd, (Connection, bool)> = HashMap::new();
    loop {
        for fd in worker.epoll.wait(&mut events)? {
            let (connection, writing) = connections.entry(fd).or_insert_with(|| {
                let arrived = worker.arrivals.lock().expect("no panic").remove(&fd);
                (Connection::new(arrived.expect("it was added")), false)
            });
            let Ok(Some(interest)) = connection.advance(&mut buffer) else {
                connections.remove(&fd);
                continue;
            };
            let write = matches!(interest, Interest::Write);
            if write != *writing {
                *writing = write;
                worker.epoll.change(fd, interest)?;
            }
        }
    }
}

fn serve(workers: usize) -> io::Result<()> {
    let workers: Vec<Arc<Worker>> = (0..workers)
        .map(|_| {
            let worker = Arc::new(Worker {
                epoll: Epoll::new()?,
                arrivals: Mutex::default(),
            });
            let shared = Arc::clone(&worker);
            thread::spawn(move || work(&shared).expect("epoll works"));
            io::Result::Ok(worker)
        })
        .collect::<io::Result<_>>()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    // SAFETY: no pointers. Listening again changes the backlog.
    unsafe { libc::listen(listener.as_raw_fd(), BACKLOG) };
    announce(listener.local_addr()?.port());
    for (stream, worker) in listener.incoming().zip(workers.iter().cycle()) {
        let stream = stream?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let fd = stream.as_raw_fd();
        worker.arrivals.lock().expect("no panic").insert(fd, stream);
        worker.epoll.add(fd)?;
    }
    Ok(())
}

struct Adapter;

impl Contestant for Adapter {
    fn info() -> Info {
        Info {
            name: "tcp-epoll",
            package: "libc",
            validates_text: false,
            raw: true,
            decode: &[],
            encode: &[],
            note: "sends back the bytes it reads, on loopback only",
        }
    }

    fn serve() -> impl Future<Output = ()> {
        pending()
    }

    fn serve_on(runtime: Runtime) {
        let workers = match runtime {
            Runtime::Current => 1,
            Runtime::Multi2 => 2,
        };
        serve(workers).expect("a port of loopback");
    }

    async fn decode(_: &Decode, _: MemoryTransport) -> Result<Measured, BoxError> {
        Err(Self::info().note.into())
    }

    async fn encode(_: &Encode, _: MemoryTransport) -> Result<Measured, BoxError> {
        Err(Self::info().note.into())
    }
}

fn main() -> ExitCode {
    contestant::run::<Adapter>()
}
