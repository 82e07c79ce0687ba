//! wsimd with `recv` and `feed`: what was fed leaves when `recv` is about to wait.

use std::process::ExitCode;

use contestant::{BOTH, BoxError, Contestant, Decode, Encode, Info, Measured, MemoryTransport};
use contestant_wsimd::{config, messages, role};
use wsimd::{Error, WebSocket, net::Stream};

struct RecvFeed;

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
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
            note: "recv and feed",
        }
    }

    async fn serve() {
        contestant_wsimd::serve(echo).await;
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
