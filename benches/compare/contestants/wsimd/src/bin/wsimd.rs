//! wsimd as its README begins: `recv` and `send`.

use std::process::ExitCode;

use contestant::{BOTH, BoxError, Contestant, Decode, Encode, Info, Measured, MemoryTransport};
use contestant_wsimd::{config, messages, role};
use wsimd::{Error, WebSocket, net::Stream};

struct RecvSend;

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

impl Contestant for RecvSend {
    fn info() -> Info {
        Info {
            name: "wsimd",
            package: "wsimd",
            validates_text: true,
            raw: false,
            decode: BOTH,
            encode: BOTH,
            note: "recv and send; in memory every send writes at once",
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
        for (message, _) in job.send(&pool) {
            ws.send(message.clone()).await?;
        }
        Ok(meter.stop())
    }
}

fn main() -> ExitCode {
    contestant::run::<RecvSend>()
}
