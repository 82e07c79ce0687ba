//! A WebSocket out of a service of hyper.
//!
//! ```text
//! cargo run --package wsimd-frameworks --bin on-hyper -- 127.0.0.1:8765
//! ```

use std::convert::Infallible;

use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn, upgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use wsimd::{Error, ServerBuilder, WebSocket, handshake::server, net::Stream};

async fn route(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    Ok(match request.uri().path() {
        "/health" => Response::new("ok\n".to_owned()),
        _ => chat(request),
    })
}

fn chat(mut request: Request<Incoming>) -> Response<String> {
    let (response, accepted) = match ServerBuilder::new().negotiate(&request) {
        Ok(negotiated) => negotiated,
        Err(error) => return server::refuse(&error),
    };
    let upgrade = upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(tcp) = upgrade.await?.downcast::<TokioIo<TcpStream>>() else {
            unreachable!("main serves TCP only");
        };
        let ws = accepted.open_with(Stream::from(tcp.io.into_inner()), tcp.read_buf);
        Ok::<_, hyper::Error>(echo(ws).await)
    });
    response.map(|()| String::new())
}

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
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
    loop {
        let (tcp, _) = listener.accept().await?;
        let http = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(tcp), service_fn(route))
            .with_upgrades();
        tokio::spawn(http);
    }
}
