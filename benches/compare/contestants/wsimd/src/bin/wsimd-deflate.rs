//! wsimd with permessage-deflate: `recv` and `send`, as its README begins.

use std::{process::ExitCode, sync::Arc};

use contestant::{
    BoxError,
    deflate::{Deflating, Info, Job, Meter, Pipe, Settings},
};
use contestant_wsimd::{config, serve_with};
use wsimd::{
    Config, Error, Message, Parts, Role, WebSocket,
    extension::{Deflate, Extension, Extensions},
    handshake::{Target, client, server},
    net::Stream,
};

struct Compressed;

fn deflate(settings: &Settings) -> Deflate {
    Deflate::new()
        .level(settings.level)
        .memory_level(settings.memory_level)
        .threshold(0)
}

fn with_deflate(settings: &Settings) -> Config {
    let config = config().extension(deflate(settings));
    match settings.keepalive {
        Some(interval) => config.ping_interval(interval),
        None => config,
    }
}

/// What a server agrees on with a client that offers these settings.
fn negotiate(settings: &Settings) -> Result<Extensions, BoxError> {
    let list = |deflate| [Arc::new(deflate) as Arc<dyn Extension>];
    let mut offered = deflate(settings);
    if !settings.takeover {
        offered = offered.no_context_takeover();
    }
    if settings.window_bits < 15 {
        offered = offered
            .server_max_window_bits(settings.window_bits)
            .client_max_window_bits(settings.window_bits);
    }
    let offer = client::Offer::default().extensions(&list(offered));
    let policy = server::Policy::default().extensions(&list(deflate(settings)));
    let request = client::request(&Target::parse("ws://localhost")?, &offer)?;
    let (_, accepted) = server::accept(&request, &policy)?;
    Ok(accepted.into_extensions())
}

fn memory(settings: &Settings, io: Pipe) -> Result<WebSocket<Pipe>, BoxError> {
    let parts = Parts::new(io, Role::Server, &config()).extensions(negotiate(settings)?);
    Ok(WebSocket::from_parts(parts))
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
        let mut ws = memory(&job.settings, io)?;
        while meter.pass() {
            for message in &messages {
                ws.send(message.clone()).await?;
            }
        }
        Ok(meter)
    }

    async fn inflate(job: &Job, io: Pipe) -> Result<Meter, BoxError> {
        let mut meter = job.meter(&io);
        let mut ws = memory(&job.settings, io)?;
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
