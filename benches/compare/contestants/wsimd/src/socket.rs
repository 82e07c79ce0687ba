//! The crate as its README begins: `recv`, and `send` or `feed`.

use std::sync::Arc;

use contestant::{
    BoxError, Contestant, Info, Job, Measured, MemoryTransport, Settings, accept_loop,
};
use tokio::net::TcpStream;
use wsimd::{Error, ServerBuilder, WebSocket, net::Stream};

use crate::{config, connection, decode, messages, serve};

/// The connection, with `send`, or with `feed` on a bare `TcpStream`: fed messages leave when `recv` is about
/// to wait.
pub struct Adapter<const FEED: bool>;

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

async fn echo_by_feed(builder: Arc<ServerBuilder>, stream: TcpStream) -> Result<(), Error> {
    let mut ws = Box::pin(builder.accept(stream)).await?;
    while let Some(message) = ws.recv().await? {
        ws.feed(message).await?;
    }
    Ok(())
}

impl<const FEED: bool> Contestant for Adapter<FEED> {
    const INFO: Info = if FEED {
        Info::new(
            "wsimd",
            "recv and feed; on loopback a bare TcpStream, accepted without the crate's server",
        )
    } else {
        Info::new(
            "wsimd",
            "recv and send; in memory every send writes at once; compressing with zlib-rs",
        )
        .compressing(true)
    };

    async fn serve(settings: Option<Settings>) {
        if FEED {
            let builder = Arc::new(ServerBuilder::new().config(config()));
            accept_loop(|stream| echo_by_feed(Arc::clone(&builder), stream)).await;
        }
        serve(settings, echo).await;
    }

    async fn decode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        decode(job, io).await
    }

    async fn encode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let pool = messages(job);
        let mut ws = connection(job, io)?;
        let meter = job.meter();
        for (message, flush) in job.send(&pool) {
            if !FEED {
                ws.send(message.clone()).await?;
                continue;
            }
            ws.feed(message.clone()).await?;
            if flush {
                ws.flush().await?;
            }
        }
        Ok(meter.stop())
    }
}
