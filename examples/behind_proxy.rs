//! A client behind a proxy.
//!
//! ```text
//! cargo run --features proxy --example behind_proxy -- ws://echo.example/ http://user:password@proxy.example:3128
//! cargo run --features proxy --example behind_proxy -- ws://echo.example/ socks5h://proxy.example
//! https_proxy=http://proxy.example:3128 cargo run --features proxy,ring,rustls-platform-verifier \
//!     --example behind_proxy -- wss://echo.example/
//! ```
//!
//! Without the address of a proxy, the environment names it.

use wsimd::{ClientBuilder, CloseCode, Error, Proxy};

async fn greet(builder: &ClientBuilder, uri: &str) -> Result<(), Error> {
    let mut ws = builder.connect(uri).await?;
    ws.send("Hello").await?;
    if let Some(answer) = ws.recv().await? {
        println!("{}", answer.as_text().unwrap_or_default());
    }
    ws.close(CloseCode::NORMAL, "").await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (uri, builder) = match &args[..] {
        [uri, proxy] => (uri, ClientBuilder::new().proxy(Proxy::parse(proxy)?)),
        [uri] => (uri, ClientBuilder::new().proxy_from_env()?),
        _ => return Err("usage: behind_proxy URI [PROXY]".into()),
    };
    if let Err(error) = greet(&builder, uri).await {
        println!("{error}");
    }
    Ok(())
}
