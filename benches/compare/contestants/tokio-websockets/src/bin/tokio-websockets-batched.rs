//! tokio-websockets, batched by hand: fed, and flushed when no more is ready.

use std::process::ExitCode;

use contestant::{
    BOTH, BoxError, Contestant, Decode, Encode, Info, Measured, MemoryTransport, accept_loop,
    echo_batched,
};
use tokio::{net::TcpStream, task::unconstrained};

struct Batched;

async fn echo(stream: TcpStream) {
    let Some(mut ws) = Box::pin(contestant_tokio_websockets::accept(stream)).await else {
        return;
    };
    let _ = echo_batched(&mut ws, contestant_tokio_websockets::answer).await;
}

impl Contestant for Batched {
    fn info() -> Info {
        Info {
            name: "tokio-websockets-batched",
            package: "tokio-websockets",
            validates_text: true,
            raw: false,
            decode: BOTH,
            encode: BOTH,
            note: "next and feed, flushed when no more is ready, flush threshold 64 KiB",
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
    contestant::run::<Batched>()
}
