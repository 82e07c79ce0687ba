//! wsimd with `recv` and `send`, and a handler that keeps the last short message while it waits. The
//! gates measure the memory that this takes.

use std::process::ExitCode;

use contestant::{Contestant, Info, Settings};
use wsimd::{Error, Message, WebSocket, net::Stream};

/// The longest message that is kept.
const SHORT: usize = 64;

struct Adapter;

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    let mut kept: Option<Message> = None;
    while let Some(message) = ws.recv().await? {
        kept = (message.as_bytes().len() <= SHORT).then(|| message.clone());
        ws.send(message).await?;
    }
    drop(kept);
    Ok(())
}

impl Contestant for Adapter {
    const INFO: Info = Info {
        in_memory: false,
        ..Info::new(
            "wsimd-keep",
            "wsimd",
            "recv and send; keeps the last message of up to 64 bytes",
        )
    };

    async fn serve(settings: Option<Settings>) {
        contestant_wsimd::serve(settings, echo).await;
    }
}

fn main() -> ExitCode {
    contestant::run::<Adapter>()
}
