//! wsimd with `recv` and `feed`, on a bare `TcpStream`: fed messages leave when `recv` is about to wait.

use std::sync::Arc;

use contestant::{
    BoxError, Contestant, Info, Job, Measured, MemoryTransport, Settings, accept_loop,
};
use contestant_wsimd::{config, messages, role};
use tokio::net::TcpStream;
use wsimd::{Error, ServerBuilder, WebSocket};

struct Adapter;

async fn echo(builder: Arc<ServerBuilder>, stream: TcpStream) -> Result<(), Error> {
    let mut ws = builder.accept(stream).await?;
    while let Some(message) = ws.recv().await? {
        ws.feed(message).await?;
    }
    Ok(())
}

impl Contestant for Adapter {
    const INFO: Info = Info::new(
        "wsimd",
        "recv and feed; on loopback a bare TcpStream, accepted without the crate's server",
    );

    async fn serve(_: Option<Settings>) {
        let builder = Arc::new(ServerBuilder::new().config(config()));
        accept_loop(|stream| echo(Arc::clone(&builder), stream)).await;
    }

    async fn decode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        contestant_wsimd::decode(job, io).await
    }

    async fn encode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let pool = messages(job);
        let mut ws = WebSocket::new(io, role(job.role), &config());
        let meter = job.meter();
        for (message, flush) in job.send(&pool) {
            ws.feed(message.clone()).await?;
            if flush {
                ws.flush().await?;
            }
        }
        Ok(meter.stop())
    }
}

contestant::main!(Adapter);
