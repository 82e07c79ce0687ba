//! An echo server for `wss://` and `ws://`, and a client of both.
//!
//! ```text
//! cargo run --features ring,rustls-platform-verifier --example wss -- serve cert.pem key.pem
//! cargo run --features ring,rustls-platform-verifier --example wss -- wss://localhost:8443 root.pem
//! cargo run --features ring,rustls-platform-verifier --example wss -- wss://example.com/chat
//! ```
//!
//! Without `root.pem`, the client trusts the root certificates of the system.

use std::fs;

use wsimd::{ClientBuilder, CloseCode, Error, ServerBuilder, WebSocket, net::Stream, tls};

/// The failure of the program.
type Failure = Box<dyn std::error::Error>;

/// The handler of both servers: [`Stream`] is the type of both streams.
async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

async fn serve(cert: &str, key: &str) -> Result<(), Failure> {
    let config = tls::server_config(fs::read(cert)?, fs::read(key)?)?;
    let builder = ServerBuilder::new().on_error(|error, peer| eprintln!("{peer:?}: {error}"));
    let ws = builder.clone().bind("127.0.0.1:0").await?;
    let wss = builder.tls(config).bind("127.0.0.1:0").await?;
    println!("listening on ws://{}", ws.local_addr()?);
    println!("listening on wss://{}", wss.local_addr()?);
    tokio::join!(ws.serve(echo), wss.serve(echo));
    Ok(())
}

async fn greet(uri: &str, builder: ClientBuilder) -> Result<(), Error> {
    let mut ws = builder.connect(uri).await?;
    let version = tls::inspect(ws.get_ref(), |state| state.protocol_version());
    println!("connected, TLS: {:?}", version.flatten());
    ws.send("Hello").await?;
    if let Some(answer) = ws.recv().await? {
        println!("{}", answer.as_text().unwrap_or_default());
    }
    ws.close(CloseCode::NORMAL, "").await
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let client = ClientBuilder::new();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", cert, key] => serve(cert, key).await,
        [uri, root] => {
            let config = tls::client_config(fs::read(root)?)?;
            Ok(greet(uri, client.tls(config)).await?)
        }
        [uri] => Ok(greet(uri, client).await?),
        _ => Err("usage: wss serve CERT KEY | URI [ROOT]".into()),
    }
}
