//! The client that the Autobahn suite tests: sends every message back, case after case.
//!
//! `cargo run --release --example autobahn_client -- ws://127.0.0.1:9001`, or `make autobahn`.

use wsimd::{ClientBuilder, Config, Error, WebSocket, extension::Deflate, net::Stream};

const AGENT: &str = "wsimd";

#[tokio::main]
async fn main() -> Result<(), Error> {
    let Some(suite) = std::env::args().nth(1) else {
        eprintln!("usage: autobahn_client URL");
        std::process::exit(2);
    };
    let client = ClientBuilder::new().config(
        Config::new()
            .max_message_size(16 << 20)
            .extension(Deflate::new().threshold(0)),
    );
    let mut ws = client.connect(&format!("{suite}/getCaseCount")).await?;
    let count = ws.recv().await?;
    let count = count.as_ref().and_then(|message| message.as_text());
    let count: u32 = count.and_then(|text| text.parse().ok()).unwrap_or(0);
    for case in 1..=count {
        let uri = format!("{suite}/runCase?case={case}&agent={AGENT}");
        // Many cases end with a violation by the suite. The report judges our answer.
        if let Err(error) = echo(client.connect(&uri).await?).await {
            println!("case {case}: {error}");
        }
    }
    let mut ws = client
        .connect(&format!("{suite}/updateReports?agent={AGENT}"))
        .await?;
    while ws.recv().await?.is_some() {}
    Ok(())
}

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}
