//! wsimd with `recv` and `send`, and a handler that holds on to the last short message while it waits:
//! what that costs. The gates ask; it is no row of the tables.

use std::process::ExitCode;

use contestant::{BoxError, Contestant, Decode, Encode, Info, Measured, MemoryTransport};
use wsimd::{Error, Message, WebSocket, net::Stream};

/// The longest message that is kept.
const SHORT: usize = 64;

struct Keep;

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    let mut kept: Option<Message> = None;
    while let Some(message) = ws.recv().await? {
        kept = (message.as_bytes().len() <= SHORT).then(|| message.clone());
        ws.send(message).await?;
    }
    drop(kept);
    Ok(())
}

impl Contestant for Keep {
    fn info() -> Info {
        Info {
            name: "wsimd-keep",
            package: "wsimd",
            validates_text: true,
            raw: false,
            decode: &[],
            encode: &[],
            note: "recv and send; keeps the last message of up to 64 bytes",
        }
    }

    async fn serve() {
        contestant_wsimd::serve(echo).await;
    }

    async fn decode(_: &Decode, _: MemoryTransport) -> Result<Measured, BoxError> {
        Err(Self::info().note.into())
    }

    async fn encode(_: &Encode, _: MemoryTransport) -> Result<Measured, BoxError> {
        Err(Self::info().note.into())
    }
}

fn main() -> ExitCode {
    contestant::run::<Keep>()
}
