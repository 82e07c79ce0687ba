//! A WebSocket out of a router of axum.
//!
//! ```text
//! cargo run --package wsimd-frameworks --bin on-axum -- 127.0.0.1:8765
//! ```

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use wsimd::{Error, ServerBuilder, WebSocket, handshake::server};

async fn chat(mut request: Request) -> Response {
    let (response, accepted) = match ServerBuilder::new().negotiate(&request) {
        Ok(negotiated) => negotiated,
        Err(error) => return server::refuse(&error).into_response(),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let ws = accepted.open(TokioIo::new(upgrade.await?));
        Ok::<_, hyper::Error>(echo(ws).await)
    });
    response.map(|()| Body::empty())
}

async fn echo(mut ws: WebSocket<TokioIo<Upgraded>>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8765")).await?;
    println!("listening on ws://{}", listener.local_addr()?);
    let router = Router::new()
        .route("/health", get("ok\n"))
        .route("/chat", get(chat));
    let listener = listener.tap_io(|tcp| drop(tcp.set_nodelay(true)));
    axum::serve(listener, router).await
}
