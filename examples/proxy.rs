//! A proxy that relays frames. Fragments, pings and Close frames pass unchanged, so that both ends of the connection
//! keep their own keepalive and their own limits. The server behind the proxy selects the subprotocol.
//!
//! ```text
//! cargo run --release --example proxy -- 127.0.0.1:8765 ws://127.0.0.1:9000    a proxy, until Ctrl-C
//! ```

use std::sync::Arc;

use futures_util::StreamExt;
use tokio_util::codec::Framed;
use wsimd::{
    ClientBuilder, Error, FrameCodec, Offer, Opening, ServerBuilder, WebSocket,
    handshake::server,
    http::{HeaderMap, StatusCode},
    net::Stream,
};

/// The handler: connects to the server, accepts the client, and relays frames until both streams have ended.
async fn proxy(opening: Opening<Stream>, server: Arc<str>) -> Result<(), Error> {
    let client = ClientBuilder::new().offer(offer(opening.headers())?);
    let uri = format!("{server}{}", opening.request().uri());
    let server = match client.connect(&uri).await {
        Ok(server) => server,
        Err(error) => {
            let text = "the server behind the proxy refuses\n";
            opening.respond_with(StatusCode::BAD_GATEWAY, text).await?;
            return Err(error);
        }
    };
    let opening = match server.subprotocol() {
        Some(name) => opening.subprotocol(name)?,
        None => opening,
    };
    let client = opening.upgrade().await?;
    let (to_client, from_client) = frames(client)?.split();
    let (to_server, from_server) = frames(server)?.split();
    tokio::try_join!(
        from_client.forward(to_server),
        from_server.forward(to_client)
    )?;
    Ok(())
}

/// Returns the parts of a request that the server behind the proxy needs.
fn offer(headers: &HeaderMap) -> Result<Offer, Error> {
    let mut offer = Offer::new().subprotocols(server::offered_subprotocols(headers)?)?;
    for name in ["authorization", "cookie"] {
        if let Some(value) = headers.get(name) {
            offer = offer.header(name, value)?;
        }
    }
    Ok(offer)
}

/// Continues a connection that has just been opened as a stream and a sink of frames.
fn frames(ws: WebSocket<Stream>) -> Result<Framed<Stream, FrameCodec>, Error> {
    ws.into_frames()
        .map_err(|_| Error::other("the connection has received a message"))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let (Some(address), Some(server)) = (args.next(), args.next()) else {
        return Err(Error::other("usage: proxy ADDRESS URI"));
    };
    let server: Arc<str> = Arc::from(server);
    let proxies = ServerBuilder::new()
        .on_error(|error, peer| eprintln!("{peer:?}: {error}"))
        .bind(address)
        .await?;
    println!("listening on ws://{}", proxies.local_addr()?);
    proxies
        .serve_openings(move |opening| proxy(opening, Arc::clone(&server)))
        .with_graceful_shutdown(tokio::signal::ctrl_c())
        .await;
    Ok(())
}
