//! Answers before the upgrade: routing by path, a health check, and 401 for a client without credentials. A client
//! that may enter gets a subprotocol and a header of the response that depend on the request.
//!
//! ```text
//! cargo run --release --example gate -- 127.0.0.1:8765    a server, until Ctrl-C
//! curl http://127.0.0.1:8765/health
//! ```
//!
//! `ws://Aladdin:open%20sesame@127.0.0.1:8765/cave` is the URI of the socket.

use wsimd::{
    Error, Opening, ServerBuilder, WebSocket,
    handshake::{Credentials, server},
    http::{HeaderMap, StatusCode},
    net::Stream,
};

/// The handler: looks at the request, and answers it or upgrades the connection.
async fn gate(opening: Opening<Stream>) -> Result<(), Error> {
    match opening.path() {
        "/health" => opening.respond_with(StatusCode::OK, "ok\n").await,
        "/cave" => match user_of(opening.headers()) {
            Some(user) => {
                let opening = opening.subprotocol("cave.v2")?.header("x-user", &user)?;
                cave(opening.upgrade().await?, user).await
            }
            None => opening.respond(server::unauthorized("cave")).await,
        },
        _ => {
            let text = "no such path\n";
            opening.respond_with(StatusCode::NOT_FOUND, text).await
        }
    }
}

/// Returns the name of a user with the right password. Send passwords over TLS only.
fn user_of(headers: &HeaderMap) -> Option<String> {
    let credentials = Credentials::from_headers(headers)?;
    let is_right = credentials.matches("Aladdin", "open sesame");
    is_right.then(|| credentials.user().to_owned())
}

async fn cave(mut ws: WebSocket<Stream>, user: String) -> Result<(), Error> {
    ws.send(format!("Hello, {user}!")).await?;
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1);
    let server = ServerBuilder::new()
        .on_error(|error, peer| eprintln!("{peer:?}: {error}"))
        .bind(address.as_deref().unwrap_or("localhost:8765"))
        .await?;
    println!("listening on ws://{}", server.local_addr()?);
    server
        .serve_openings(gate)
        .with_graceful_shutdown(tokio::signal::ctrl_c())
        .await;
    Ok(())
}
