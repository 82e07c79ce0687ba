//! wsimd as its README begins: `recv` and `send`.

use contestant::{BoxError, Contestant, Info, Job, Measured, MemoryTransport, Settings};
use wsimd::{Error, WebSocket, net::Stream};

struct Adapter;

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

impl Contestant for Adapter {
    const INFO: Info = Info::new(
        "wsimd",
        "recv and send; in memory every send writes at once; compressing with zlib-rs",
    )
    .compressing(true)
    .encrypting();

    async fn serve(settings: Option<Settings>) {
        contestant_wsimd::serve(settings, echo).await;
    }

    async fn serve_tls() {
        contestant_wsimd::serve_tls(echo).await;
    }

    async fn decode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        contestant_wsimd::decode(job, io).await
    }

    async fn encode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let pool = contestant_wsimd::messages(job);
        let mut ws = contestant_wsimd::connection(job, io)?;
        let meter = job.meter();
        for (message, _) in job.send(&pool) {
            ws.send(message.clone()).await?;
        }
        Ok(meter.stop())
    }
}

contestant::main!(Adapter);
