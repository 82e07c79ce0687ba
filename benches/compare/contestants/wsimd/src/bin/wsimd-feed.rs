//! wsimd with `recv` and `feed`, on a bare `TcpStream`: what was fed leaves when `recv` is about to
//! wait.

use std::{process::ExitCode, sync::Arc};

use contestant::{
    BOTH, BoxError, Contestant, Decode, Encode, Info, Measured, MemoryTransport, accept_loop,
};
use contestant_wsimd::{config, messages, role};
use tokio::net::TcpStream;
use wsimd::{Error, ServerBuilder, WebSocket};

struct RecvFeed;

async fn echo(builder: &ServerBuilder, stream: TcpStream) -> Result<(), Error> {
    let mut ws = Box::pin(builder.accept(stream)).await?;
    while let Some(message) = ws.recv().await? {
        ws.feed(message).await?;
    }
    Ok(())
}

impl Contestant for RecvFeed {
    fn info() -> Info {
        Info {
            name: "wsimd-feed",
            package: "wsimd",
            validates_text: true,
            raw: false,
            decode: BOTH,
            encode: BOTH,
            note: "recv and feed; on loopback a bare TcpStream, accepted without the crate's server",
        }
    }

    async fn serve() {
        let builder = Arc::new(ServerBuilder::new().config(config()));
        accept_loop(|stream| {
            let builder = Arc::clone(&builder);
            async move { drop(echo(&builder, stream).await) }
        })
        .await;
    }

    async fn decode(job: &Decode, io: MemoryTransport) -> Result<Measured, BoxError> {
        contestant_wsimd::decode(job, io).await
    }

    async fn encode(job: &Encode, io: MemoryTransport) -> Result<Measured, BoxError> {
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

fn main() -> ExitCode {
    contestant::run::<RecvFeed>()
}
