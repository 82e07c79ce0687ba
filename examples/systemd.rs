//! An echo server on a socket that systemd opened (socket activation).
//!
//! The guide on deployment has the two units. Without systemd, `systemd-socket-activate` opens the socket:
//!
//! ```text
//! cargo build --example systemd
//! systemd-socket-activate -l 127.0.0.1:8765 target/debug/examples/systemd
//! ```

use listenfd::ListenFd;
use tokio::net::TcpListener;
use wsimd::{Error, ServerBuilder, WebSocket, net::Stream};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let Some(listener) = ListenFd::from_env().take_tcp_listener(0)? else {
        return Err(Error::other("there is no socket: LISTEN_FDS is not set"));
    };
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    ServerBuilder::new().listen(listener).serve(echo).await;
    Ok(())
}

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}
