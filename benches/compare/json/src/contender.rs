//! The contenders: each receives messages as a server and reads a few fields of each document.

use std::time::Instant;

use bytes::BytesMut;
use contestant::{MemoryTransport, alloc, drive, rounds::median};
use futures_util::StreamExt;
use simd_json::Buffers;
use tokio_tungstenite::{WebSocketStream as Tungstenite, tungstenite::protocol};
use tokio_websockets::{ServerBuilder, WebSocketStream as Websockets};
use wsimd::{Config, JsonError, MessageRef, Role, WebSocket};

use crate::{
    Outcome,
    document::{Document, Sum},
    pool::{Pool, WINDOWS},
};

/// Nanoseconds and allocations of a message.
pub type Figures = [f64; 2];

type Run = dyn Fn(&Pool) -> Outcome<Figures>;

/// A library with a parser.
pub struct Contender {
    pub name: &'static str,
    pub run: Box<Run>,
}

impl Contender {
    /// Creates a contender that opens a connection, and receives a message and returns the sum of its document.
    fn new<W>(
        name: &'static str,
        open: impl Fn(&Pool) -> W + 'static,
        receive: impl AsyncFn(&mut W) -> Outcome<u64> + 'static,
    ) -> Self {
        let run = move |pool: &Pool| drive(receive_all(pool, open(pool), &receive));
        Self {
            name,
            run: Box::new(run),
        }
    }

    fn tungstenite(name: &'static str, parse: impl Fn(&str) -> Outcome<u64> + 'static) -> Self {
        Self::new(name, tungstenite, async move |ws| {
            let message = ws.next().await.ok_or(CLOSED)??;
            parse(message.to_text()?)
        })
    }

    fn websockets(name: &'static str, parse: impl Fn(&str) -> Outcome<u64> + 'static) -> Self {
        Self::new(name, websockets, async move |ws| {
            let message = ws.next().await.ok_or(CLOSED)??;
            parse(message.as_text().ok_or("no text")?)
        })
    }
}

const CLOSED: &str = "the connection is closed";
const MISSING: &str = "a field is missing";

/// Lists the contenders that parse into a type. tokio-tungstenite with serde_json is the usual way, and takes part
/// twice.
pub fn typed<D: Document>() -> Vec<Contender> {
    let owned = |text: &str| Ok(serde_json::from_str::<D>(text)?.sum());
    let borrowed = |text: &str| Ok(serde_json::from_str::<D::Borrowed<'_>>(text)?.sum());
    let sonic = |text: &str| Ok(sonic_rs::from_str::<D>(text)?.sum());
    vec![
        Contender::new("wsimd", wsimd, async |ws| {
            Ok(ws.recv_json::<D>().await?.ok_or(CLOSED)?.sum())
        }),
        Contender::new("wsimd borrowed", wsimd, async |ws| {
            Ok(ws.recv_with(sum_borrowed::<D>).await?.ok_or(CLOSED)??)
        }),
        Contender::tungstenite("tokio-tungstenite + serde_json", owned),
        Contender::tungstenite("tokio-tungstenite + serde_json (again)", owned),
        Contender::websockets("tokio-websockets + serde_json", owned),
        Contender::websockets("tokio-websockets + serde_json borrowed", borrowed),
        Contender::websockets("tokio-websockets + sonic-rs", sonic),
    ]
}

/// Lists the contenders that parse into a tree of values, as [`typed`].
pub fn dynamic<D: Document>() -> Vec<Contender> {
    let serde = |text: &str| {
        let root: serde_json::Value = serde_json::from_str(text)?;
        Ok(D::sum_of(&root).ok_or(MISSING)?)
    };
    let sonic = |text: &str| {
        let root: sonic_rs::Value = sonic_rs::from_str(text)?;
        Ok(D::sum_of(&root).ok_or(MISSING)?)
    };
    let with_buffers = |pool: &Pool| (websockets(pool), Buffers::default());
    vec![
        Contender::new("wsimd", wsimd, async |ws| {
            let sum = ws.recv_json_with(|root| D::sum_of(root)).await?;
            Ok(sum.ok_or(CLOSED)?.ok_or(MISSING)?)
        }),
        Contender::tungstenite("tokio-tungstenite + serde_json", serde),
        Contender::tungstenite("tokio-tungstenite + serde_json (again)", serde),
        Contender::websockets("tokio-websockets + serde_json", serde),
        Contender::websockets("tokio-websockets + sonic-rs", sonic),
        Contender::new(
            "tokio-websockets + simd-json",
            with_buffers,
            async |(ws, buffers)| {
                let message = ws.next().await.ok_or(CLOSED)??;
                let mut bytes = BytesMut::from(message.into_payload());
                let root = simd_json::borrowed::to_value_with_buffers(&mut bytes, buffers)?;
                Ok(D::sum_of(&root).ok_or(MISSING)?)
            },
        ),
    ]
}

fn wsimd(pool: &Pool) -> WebSocket<MemoryTransport> {
    WebSocket::new(pool.io(), Role::Server, &Config::new())
}

fn sum_borrowed<D: Document>(message: MessageRef<'_>) -> Result<u64, JsonError> {
    message
        .json()
        .map(|document: D::Borrowed<'_>| document.sum())
}

fn tungstenite(pool: &Pool) -> Tungstenite<MemoryTransport> {
    let role = protocol::Role::Server;
    drive(Tungstenite::from_raw_socket(pool.io(), role, None))
}

fn websockets(pool: &Pool) -> Websockets<MemoryTransport> {
    ServerBuilder::new().serve(pool.io())
}

/// Receives some messages to warm up, and then as many as the pool has. Checks their sum. The time is the median of the
/// windows, so that a window in which another process had the CPU does not count.
async fn receive_all<W>(
    pool: &Pool,
    mut ws: W,
    receive: impl AsyncFn(&mut W) -> Outcome<u64>,
) -> Outcome<Figures> {
    for _ in 0..pool.count / 8 {
        receive(&mut ws).await?;
    }
    let window = pool.count / WINDOWS;
    let (mut sum, mut times) = (0, Vec::with_capacity(WINDOWS));
    alloc::start();
    for _ in 0..WINDOWS {
        let started = Instant::now();
        for _ in 0..window {
            sum += receive(&mut ws).await?;
        }
        times.push(started.elapsed().as_nanos() as f64 / window as f64);
    }
    let (allocations, _) = alloc::stop();
    if sum != pool.sum {
        return Err("another sum".into());
    }
    Ok([median(times), allocations as f64 / pool.count as f64])
}
