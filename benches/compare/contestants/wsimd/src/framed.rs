//! The crate as a codec: `Framed<_, Codec>`.

use contestant::{
    BoxError, Contestant, Info, Job, Measured, MemoryTransport, Settings, echo_batched,
};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::Framed;
use wsimd::{Codec, Error, Event, Role, WebSocket, net::Stream};

use crate::{config, messages, role, serve};

/// The buffer of a `Framed`, as the documentation of `Codec` advises.
const BUFFER: usize = 65_536;

/// The codec, with or without batching.
pub struct FramedAdapter<const BATCHED: bool>;

/// Creates a `Framed` over a stream after its opening handshake.
fn framed<S: AsyncRead + AsyncWrite>(io: S, role: Role) -> Framed<S, Codec> {
    Framed::with_capacity(io, Codec::new(role, &config()), BUFFER)
}

/// Takes a connection apart after its handshake.
fn into_framed(ws: WebSocket<Stream>) -> Framed<Stream, Codec> {
    let parts = ws.into_parts();
    let mut framed = framed(parts.io, Role::Server);
    *framed.read_buffer_mut() = parts.read_buf;
    framed.read_buffer_mut().reserve(BUFFER);
    framed
}

/// Echoes as the README does: each event is answered at once.
async fn echo(ws: WebSocket<Stream>) -> Result<(), Error> {
    let mut framed = into_framed(ws);
    while let Some(event) = framed.next().await {
        if let Some(answer) = answer(event?) {
            framed.send(answer).await?;
        }
    }
    Ok(())
}

/// Echoes, and flushes when no more event is ready.
async fn echo_in_batches(ws: WebSocket<Stream>) -> Result<(), Error> {
    echo_batched(&mut into_framed(ws), Framed::poll_next_unpin, answer).await
}

fn answer(event: Event) -> Option<Event> {
    match event {
        Event::Message(_) => Some(event),
        control => control.reply(),
    }
}

fn payload(event: &Event) -> &[u8] {
    match event {
        Event::Message(message) => message.as_bytes(),
        _ => &[],
    }
}

impl<const BATCHED: bool> Contestant for FramedAdapter<BATCHED> {
    const INFO: Info = Info::new(
        "wsimd",
        if BATCHED {
            "Framed, 64 KiB buffer; the echo feeds, and flushes when no more is ready"
        } else {
            "Framed, 64 KiB buffer; the echo sends each message at once"
        },
    );

    async fn serve(settings: Option<Settings>) {
        match BATCHED {
            true => serve(settings, echo_in_batches).await,
            false => serve(settings, echo).await,
        }
    }

    async fn decode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let framed = framed(io, role(job.role));
        contestant::decode(job, framed, StreamExt::poll_next_unpin, payload).await
    }

    async fn encode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let framed = framed(io, role(job.role));
        contestant::encode::<_, _, Event, _>(job, framed, messages(job)).await
    }
}
