//! soketto, set up as its own Autobahn server: buffered both ways, one message buffer that is reused,
//! text checked with `str::from_utf8` as its examples do.

use std::{future::poll_fn, pin::pin, task::Poll};

use contestant::{
    BoxError, Contestant, Info, Job, MESSAGE_LIMIT, Measured, MemoryTransport, Role, Settings,
    accept_loop,
};
use futures::io::{BufReader, BufWriter};
use soketto::{
    Data, Mode,
    connection::{Builder, Error},
    handshake::{Server, server::Response},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// The library, with or without batching.
pub struct Adapter<const BATCHED: bool>;

type Buffered<S> = BufReader<BufWriter<Compat<S>>>;
type Sender<S> = soketto::Sender<Buffered<S>>;
type Receiver<S> = soketto::Receiver<Buffered<S>>;

fn buffered<S: AsyncRead + AsyncWrite>(io: S) -> Buffered<S> {
    BufReader::new(BufWriter::new(io.compat()))
}

fn finish<S>(mut builder: Builder<Buffered<S>>) -> (Sender<S>, Receiver<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    builder.set_max_message_size(MESSAGE_LIMIT);
    builder.set_max_frame_size(MESSAGE_LIMIT);
    builder.finish()
}

fn memory(io: MemoryTransport, role: Role) -> (Sender<MemoryTransport>, Receiver<MemoryTransport>) {
    let mode = role.of(Mode::Server, Mode::Client);
    finish(Builder::new(buffered(io), mode))
}

async fn accept(stream: TcpStream) -> Result<(Sender<TcpStream>, Receiver<TcpStream>), BoxError> {
    let mut server = Server::new(buffered(stream));
    let key = server.receive_request().await?.key();
    let accept = Response::Accept {
        key,
        protocol: None,
    };
    server.send_response(&accept).await?;
    Ok(finish(server.into_builder()))
}

/// Receives a message. Flushes first if it has to wait for the message. The future is kept, because it
/// must not be dropped half way.
async fn receive_or_flush(
    sender: &mut Sender<TcpStream>,
    receiver: &mut Receiver<TcpStream>,
    message: &mut Vec<u8>,
) -> Result<Data, Error> {
    let mut next = pin!(receiver.receive_data(message));
    if let Poll::Ready(data) = poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await {
        return data;
    }
    sender.flush().await?;
    next.await
}

async fn echo<const BATCHED: bool>(stream: TcpStream) -> Result<(), BoxError> {
    // The handshake is boxed so that the connection does not keep room for it.
    let (mut sender, mut receiver) = Box::pin(accept(stream)).await?;
    let mut message = Vec::new();
    loop {
        message.clear();
        let data = if BATCHED {
            receive_or_flush(&mut sender, &mut receiver, &mut message).await?
        } else {
            receiver.receive_data(&mut message).await?
        };
        if data.is_text() {
            sender.send_text(str::from_utf8(&message)?).await?;
        } else {
            sender.send_binary_mut(&mut message).await?;
        }
        if !BATCHED {
            sender.flush().await?;
        }
    }
}

impl<const BATCHED: bool> Contestant for Adapter<BATCHED> {
    const INFO: Info = Info::new(
        "soketto",
        if BATCHED {
            "sends, flushes when no more is ready; text checked by str::from_utf8"
        } else {
            "sends and flushes; text checked by str::from_utf8, as in its examples"
        },
    );

    async fn serve(_: Option<Settings>) {
        accept_loop(echo::<BATCHED>).await;
    }

    async fn decode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let (_sender, mut receiver) = memory(io, job.role);
        let mut meter = job.meter();
        let mut message = Vec::new();
        for _ in 0..job.messages {
            let data = receiver.receive_data(&mut message).await?;
            if data.is_text() {
                str::from_utf8(&message)?;
            }
            meter.look(&message);
            message.clear();
        }
        Ok(meter.stop())
    }

    async fn encode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let (mut sender, _receiver) = memory(io, job.role);
        let texts = job.texts();
        let mut binaries = job.buffers();
        let meter = job.meter();
        let mut next = 0;
        for (_, flush) in job.send(&job.pool) {
            if job.text {
                sender.send_text(texts[next]).await?;
            } else {
                // The client masks the sender's own buffer.
                sender.send_binary_mut(&mut binaries[next]).await?;
            }
            next = (next + 1) % job.pool.len();
            if flush {
                sender.flush().await?;
            }
        }
        Ok(meter.stop())
    }
}
