//! The contenders: each receives messages as a server and reads a few fields of each document.

use std::time::Instant;

use bytes::BytesMut;
use contestant::{MemoryTransport, alloc, drive};
use futures_util::StreamExt;
use simd_json::Buffers;
use tokio_tungstenite::tungstenite;
use tokio_websockets::ServerBuilder;
use wsimd::{Config, JsonError, MessageRef, Role, WebSocket};

use crate::{
    Outcome,
    document::{Document, Sum},
    pool::Pool,
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
    fn new(name: &'static str, run: impl AsyncFn(&Pool) -> Outcome<Figures> + 'static) -> Self {
        let run = Box::new(move |pool: &Pool| drive(run(pool)));
        Self { name, run }
    }
}

/// Lists the contenders that parse into a type. Most programs do today as the first of others does, which takes
/// part twice.
pub fn typed<D: Document>() -> Vec<Contender> {
    let owned = |text: &str| Ok(serde_json::from_str::<D>(text)?.sum());
    let borrowed = |text: &str| Ok(serde_json::from_str::<D::Lent<'_>>(text)?.sum());
    let sonic = |text: &str| Ok(sonic_rs::from_str::<D>(text)?.sum());
    vec![
        Contender::new("wsimd", async |pool| {
            receive_all(pool, wsimd(pool), async |ws| {
                let document = ws.recv_json::<D>().await?;
                Ok(document.ok_or("closed")?.sum())
            })
            .await
        }),
        Contender::new("wsimd borrowed", async |pool| {
            receive_all(pool, wsimd(pool), async |ws| {
                let sum = ws.recv_with(sum_lent::<D>).await?;
                Ok(sum.ok_or("closed")??)
            })
            .await
        }),
        tungstenite("tokio-tungstenite + serde_json", owned),
        tungstenite("tokio-tungstenite + serde_json (again)", owned),
        websockets("tokio-websockets + serde_json", owned),
        websockets("tokio-websockets + serde_json borrowed", borrowed),
        websockets("tokio-websockets + sonic-rs", sonic),
    ]
}

/// Lists the contenders that parse any document, as [`typed`].
pub fn dynamic<D: Document>() -> Vec<Contender> {
    let value = |text: &str| {
        let root: serde_json::Value = serde_json::from_str(text)?;
        Ok(D::sum_of(&root).ok_or("a field is missing")?)
    };
    let sonic = |text: &str| {
        let root: sonic_rs::Value = sonic_rs::from_str(text)?;
        Ok(D::sum_of(&root).ok_or("a field is missing")?)
    };
    vec![
        Contender::new("wsimd", async |pool| {
            receive_all(pool, wsimd(pool), async |ws| {
                let sum = ws.recv_json_with(|root| D::sum_of(root)).await?;
                Ok(sum.flatten().ok_or("closed, or a field is missing")?)
            })
            .await
        }),
        tungstenite("tokio-tungstenite + serde_json", value),
        tungstenite("tokio-tungstenite + serde_json (again)", value),
        websockets("tokio-websockets + serde_json", value),
        websockets("tokio-websockets + sonic-rs", sonic),
        Contender::new("tokio-websockets + simd-json", async |pool| {
            let mut buffers = Buffers::default();
            let ws = ServerBuilder::new().serve(pool.io());
            receive_all(pool, ws, async |ws| {
                let message = ws.next().await.ok_or("closed")??;
                let mut bytes = BytesMut::from(message.into_payload());
                let root = simd_json::borrowed::to_value_with_buffers(&mut bytes, &mut buffers)?;
                Ok(D::sum_of(&root).ok_or("a field is missing")?)
            })
            .await
        }),
    ]
}

fn wsimd(pool: &Pool) -> WebSocket<MemoryTransport> {
    WebSocket::new(pool.io(), Role::Server, &Config::new())
}

fn sum_lent<D: Document>(message: MessageRef<'_>) -> Result<u64, JsonError> {
    message.json().map(|document: D::Lent<'_>| document.sum())
}

/// Creates a contender that receives by tokio-tungstenite.
fn tungstenite(
    name: &'static str,
    parse: impl Fn(&str) -> Outcome<u64> + Copy + 'static,
) -> Contender {
    Contender::new(name, async move |pool| {
        let role = tungstenite::protocol::Role::Server;
        let ws = tokio_tungstenite::WebSocketStream::from_raw_socket(pool.io(), role, None).await;
        receive_all(pool, ws, async |ws| {
            let message = ws.next().await.ok_or("closed")??;
            parse(message.to_text()?)
        })
        .await
    })
}

/// Creates a contender that receives by tokio-websockets.
fn websockets(
    name: &'static str,
    parse: impl Fn(&str) -> Outcome<u64> + Copy + 'static,
) -> Contender {
    Contender::new(name, async move |pool| {
        let ws = ServerBuilder::new().serve(pool.io());
        receive_all(pool, ws, async |ws| {
            let message = ws.next().await.ok_or("closed")??;
            parse(message.as_text().ok_or("no text")?)
        })
        .await
    })
}

/// Receives a few messages to warm up, and then as many as the pool has. Checks that the fields have the sum of the
/// pool.
async fn receive_all<W>(
    pool: &Pool,
    mut ws: W,
    mut receive: impl AsyncFnMut(&mut W) -> Outcome<u64>,
) -> Outcome<Figures> {
    for _ in 0..pool.count / 8 {
        receive(&mut ws).await?;
    }
    let mut sum = 0;
    alloc::start();
    let started = Instant::now();
    for _ in 0..pool.count {
        sum += receive(&mut ws).await?;
    }
    let elapsed = started.elapsed();
    let (allocations, _) = alloc::stop();
    if sum != pool.sum {
        return Err("another sum of the fields".into());
    }
    let each = |value: f64| value / pool.count as f64;
    Ok([each(elapsed.as_nanos() as f64), each(allocations as f64)])
}
