//! wsimd with permessage-deflate: `recv` and `send`, as its README begins.

use std::process::ExitCode;

use contestant::{
    BoxError,
    deflate::{Deflating, Info, Job, Meter, Pipe, Settings},
};
use contestant_wsimd::{compressing, config, deflate, serve_with};
use wsimd::{Config, Error, Message, WebSocket, net::Stream};

struct Compressed;

fn with_deflate(settings: &Settings) -> Config {
    let config = config().extension(deflate(settings));
    match settings.keepalive {
        Some(interval) => config.ping_interval(interval),
        None => config,
    }
}

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

impl Deflating for Compressed {
    fn info() -> Info {
        Info {
            name: "wsimd-deflate",
            package: "wsimd",
            limit: false,
            takeover: true,
            validates_text: true,
            note: "recv and send; zlib-rs",
        }
    }

    async fn serve(settings: Settings) {
        serve_with(with_deflate(&settings), echo).await;
    }

    async fn compress(job: &Job, io: Pipe) -> Result<Meter, BoxError> {
        let messages = job.prepare(
            |text| Message::from(text),
            |bytes| Message::from(bytes.clone()),
        );
        let mut meter = job.meter(&io);
        let mut ws = compressing(io, &job.settings)?;
        while meter.pass() {
            for message in &messages {
                ws.send(message.clone()).await?;
            }
        }
        Ok(meter)
    }

    async fn inflate(job: &Job, io: Pipe) -> Result<Meter, BoxError> {
        let mut meter = job.meter(&io);
        let mut ws = compressing(io, &job.settings)?;
        while meter.pass() {
            for _ in 0..job.messages.len() {
                let message = ws.recv().await?.ok_or("closed")?;
                meter.take(message.as_bytes());
            }
        }
        Ok(meter)
    }
}

fn main() -> ExitCode {
    contestant::deflate::run::<Compressed>()
}
