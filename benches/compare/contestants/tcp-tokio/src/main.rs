//! The limit for everyone on tokio: a task that sends back the bytes it reads, through one buffer
//! per thread. In memory: an allocation and a copy for every message, boundaries known.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    process::ExitCode,
    task::{Poll, ready},
};

use contestant::{
    BOTH, BoxError, Contestant, Decode, Encode, Info, Measured, MemoryTransport, Role, accept_loop,
    http, wire,
};
use tokio::{
    io::{AsyncRead, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};

const BUFFER: usize = 64 << 10;

thread_local! {
    static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

struct Adapter;

/// Reads and writes once. Returns what the socket did not take, `None` at the end of the stream.
async fn echo_once(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    poll_fn(|cx| {
        SHARED.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
            let filled = buffer.filled();
            if filled.is_empty() {
                return Poll::Ready(Ok(None));
            }
            let written = match stream.try_write(filled) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                written => written?,
            };
            Poll::Ready(Ok(Some(filled[written..].to_vec())))
        })
    })
    .await
}

async fn echo(mut stream: TcpStream) -> Result<(), BoxError> {
    Box::pin(http::accept_on(&mut stream)).await?;
    while let Some(rest) = echo_once(&mut stream).await? {
        if !rest.is_empty() {
            stream.write_all(&rest).await?;
        }
    }
    Ok(())
}

impl Contestant for Adapter {
    fn info() -> Info {
        Info {
            name: "tcp-tokio",
            package: "tokio",
            validates_text: false,
            raw: true,
            decode: BOTH,
            encode: BOTH,
            note: "sends back the bytes it reads; in memory: malloc and memcpy (decode), memcpy \
                   (encode)",
        }
    }

    async fn serve() {
        accept_loop(|stream| async {
            let _ = echo(stream).await;
        })
        .await;
    }

    async fn decode(job: &Decode, _: MemoryTransport) -> Result<Measured, BoxError> {
        let mut meter = job.meter();
        for payload in job.pool.iter().cycle().take(job.messages as usize) {
            meter.take(payload.to_vec(), |copy| copy);
        }
        Ok(meter.stop())
    }

    async fn encode(job: &Encode, mut io: MemoryTransport) -> Result<Measured, BoxError> {
        let key = (job.role == Role::Client).then_some([1, 2, 3, 4]);
        let mut buffer = Vec::new();
        let meter = job.meter();
        for (payload, flush) in job.send(&job.pool) {
            wire::header(&mut buffer, job.text, payload.len(), key);
            buffer.extend_from_slice(payload);
            if flush || buffer.len() >= BUFFER {
                io.write_all(&buffer).await?;
                buffer.clear();
            }
        }
        Ok(meter.stop())
    }
}

fn main() -> ExitCode {
    contestant::run::<Adapter>()
}
