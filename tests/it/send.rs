//! The futures and values of the public API are `Send`.

use std::{future::Future, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream},
    net::TcpStream,
};
use wsimd::{
    ClientBuilder, CloseCode, Error, Opening, Server, ServerBuilder, ServerHandle, WebSocket,
    WriteHalf, http::Response,
};

/// Compiles only if every future is `Send`. It is never called.
#[expect(dead_code, reason = "the compiler is the test")]
fn futures_are_send(io: TcpStream, again: TcpStream, third: TcpStream) {
    fn send<F: Future + Send>(_: F) {}
    fn connection<S>(ws: &mut WebSocket<S>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        send(ws.recv());
        send(ws.send("x"));
        send(ws.feed(b"x".as_slice()));
        send(ws.flush());
        send(ws.ping_with("x"));
        send(ws.pong("x"));
        send(ws.send_close(CloseCode::NORMAL, ""));
        send(ws.close(CloseCode::NORMAL, ""));
    }
    fn half<S>(write: &mut WriteHalf<S>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        send(write.close(1000, ""));
        send(async { write.reserve().await?.feed("x") });
    }
    let _ = half::<TcpStream>;
    let _ = connection::<TcpStream>;
    let _ = connection::<wsimd::net::Stream>;
    let _ = connection::<DuplexStream>;
    send(wsimd::connect(""));
    send(ClientBuilder::new().connect(""));
    send(ClientBuilder::new().handshake("", io));
    send(wsimd::accept(again));
    send(ServerBuilder::new().begin(third));
    fn answer(opening: Opening<TcpStream>, other: Opening<TcpStream>) {
        send(opening.upgrade());
        send(other.respond(Response::new("")));
    }
    let _ = answer;
    send(ServerBuilder::new().bind("127.0.0.1:0"));
    send(wsimd::serve("127.0.0.1:0", async |mut ws| ws.flush().await));
    fn serve(server: Server, other: Server, third: Server, handle: &ServerHandle) {
        send(server.serve(async |mut ws| ws.send("x").await));
        send(other.serve_openings(async |opening| opening.upgrade().await?.flush().await));
        send(third.serve_with("x", async |mut ws, text| ws.send(text).await));
        send(handle.shutdown(CloseCode::NORMAL, "", Duration::ZERO));
    }
    let _ = serve;
}

#[test]
fn values_of_the_public_api_are_send() {
    fn send<T: Send>() {}
    fn sync<T: Send + Sync + 'static>() {}
    send::<WebSocket<TcpStream>>();
    send::<WebSocket<wsimd::net::Stream>>();
    send::<wsimd::Parts<TcpStream>>();
    send::<wsimd::PongWaiter>();
    sync::<Error>();
    sync::<ClientBuilder>();
    sync::<ServerBuilder>();
    sync::<Server>();
    sync::<ServerHandle>();
    send::<wsimd::Serve>();
    send::<Opening<wsimd::net::Stream>>();
    sync::<wsimd::net::Stream>();
}
