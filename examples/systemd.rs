//! An echo server on a socket that systemd opened (socket activation).
//!
//! The guide on deployment has the two units. Without systemd, `systemd-socket-activate` opens the socket:
//!
//! ```text
//! cargo build --example systemd
//! systemd-socket-activate -l 127.0.0.1:8765 target/debug/examples/systemd
//! ```

use listenfd::ListenFd;
use tokio::net::{TcpListener, TcpStream};
use wsimd::Error;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let Some(listener) = ListenFd::from_env().take_tcp_listener(0)? else {
        return Err(Error::Unsupported(
            "there is no socket: LISTEN_FDS is not set",
        ));
    };
    listener.set_nonblocking(true)?;
    serve(TcpListener::from_std(listener)?).await
}

async fn serve(listener: TcpListener) -> Result<(), Error> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(echo(stream));
    }
}

async fn echo(stream: TcpStream) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut ws = wsimd::accept(stream).await?;
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}
