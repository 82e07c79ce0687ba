//! wsimd with `recv` and `feed`, on a bare `TcpStream`: fed messages leave when `recv` is about to wait.

use std::sync::Arc;

use contestant::{
    BoxError, Contestant, Info, Job, Measured, MemoryTransport, Settings, accept_loop,
    tls::accept_tls_loop,
};
use contestant_wsimd::{config, messages, role};
use tokio::io::{AsyncRead, AsyncWrite};
use wsimd::{Error, ServerBuilder, WebSocket};

struct Adapter;

fn builder() -> Arc<ServerBuilder> {
    Arc::new(ServerBuilder::new().config(config()))
}

async fn echo<S>(builder: Arc<ServerBuilder>, stream: S) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
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
    )
    .encrypting();

    async fn serve(_: Option<Settings>) {
        let builder = builder();
        accept_loop(|stream| echo(Arc::clone(&builder), stream)).await;
    }

    async fn serve_tls() {
        let builder = builder();
        accept_tls_loop(move |stream| echo(Arc::clone(&builder), stream)).await;
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
