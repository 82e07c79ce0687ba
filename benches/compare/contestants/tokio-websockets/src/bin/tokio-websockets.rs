//! tokio-websockets, the loop of its echo example: every message sent at once.

use std::process::ExitCode;

use contestant::{
    BOTH, BoxError, Contestant, Decode, Encode, Info, Measured, MemoryTransport, accept_loop,
};
use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpStream, task::unconstrained};

struct Plain;

async fn echo(stream: TcpStream) {
    let Some(mut ws) = Box::pin(contestant_tokio_websockets::accept(stream)).await else {
        return;
    };
    while let Some(Ok(message)) = ws.next().await {
        if let Some(message) = contestant_tokio_websockets::answer(message)
            && ws.send(message).await.is_err()
        {
            return;
        }
    }
}

impl Contestant for Plain {
    fn info() -> Info {
        Info {
            name: "tokio-websockets",
            package: "tokio-websockets",
            validates_text: true,
            raw: false,
            decode: BOTH,
            encode: BOTH,
            note: "next and send, unconstrained task, as its echo example; unbounded frame size",
        }
    }

    async fn serve() {
        accept_loop(|stream| unconstrained(echo(stream))).await;
    }

    async fn decode(job: &Decode, io: MemoryTransport) -> Result<Measured, BoxError> {
        contestant_tokio_websockets::decode(job, io).await
    }

    async fn encode(job: &Encode, io: MemoryTransport) -> Result<Measured, BoxError> {
        contestant_tokio_websockets::encode(job, io).await
    }
}

fn main() -> ExitCode {
    contestant::run::<Plain>()
}
