//! Servers and clients over real sockets on the loopback device.

mod last_bytes;
mod serving;
mod unfinished;

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};
use tokio_util::codec::Framed;
use wsimd::{Codec, Config, Error, Event, Role, WebSocket, handshake::accept_key, net::Stream};

use crate::support::serve::Running;

/// Opens a connection by hand, as a client.
async fn raw(server: &Running) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(request(server.address).as_bytes())
        .await
        .unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream
}

fn request(host: SocketAddr) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

/// Accepts a connection by hand, as a server.
async fn raw_server(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let request = read_head(&mut stream).await;
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let accept = accept_key(key.unwrap().as_bytes());
    let response = format!(
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        str::from_utf8(&accept).unwrap()
    );
    stream.write_all(response.as_bytes()).await.unwrap();
    stream
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .await
        .expect("an end, not a reset");
    bytes
}

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

/// Echoes with `Framed`, like `examples/echo.rs`.
async fn echo_framed(ws: WebSocket<Stream>, config: Config) -> Result<(), Error> {
    let parts = ws.into_parts();
    let mut framed = Framed::with_capacity(parts.io, Codec::new(Role::Server, &config), 65_536);
    framed.read_buffer_mut().extend_from_slice(&parts.read_buf);
    let mut failed = None;
    while let Some(event) = framed.next().await {
        let (answer, last) = match event {
            Ok(Event::Message(message)) => (Some(message.into()), false),
            Ok(control) => (control.reply(), matches!(control, Event::Close(_))),
            Err(error) => {
                let answer = error.close_frame().map(Event::Close);
                failed = Some(error);
                (answer, true)
            }
        };
        if let Some(answer) = answer {
            framed.send(answer).await?;
        }
        if last {
            break;
        }
    }
    framed.close().await?;
    let mut sink = tokio::io::sink();
    let drain = tokio::io::copy(framed.get_mut(), &mut sink);
    let _ = timeout(Duration::from_secs(2), drain).await;
    failed.map_or(Ok(()), Err)
}

/// The result of each handler.
type Ends = UnboundedReceiver<Result<(), Error>>;

async fn start_echo(config: Config, framed: bool) -> (Running, Ends) {
    let (report, ends) = unbounded_channel();
    let server = Running::start(config.clone(), move |ws| {
        let (report, config) = (report.clone(), config.clone());
        async move {
            let end = match framed {
                true => echo_framed(ws, config).await,
                false => echo(ws).await,
            };
            // The test may ignore the results.
            let _ = report.send(end);
        }
    });
    (server.await, ends)
}
