//! fastwebsockets, set up as its own echo example: hyper's upgrade, `FragmentCollector`, vectored
//! writes, an unconstrained task.

use contestant::{
    BoxError, Contestant, Info, Job, MESSAGE_LIMIT, Measured, MemoryTransport, Settings,
    accept_loop, tls::accept_tls_loop,
};
use fastwebsockets::{
    FragmentCollector, Frame, OpCode, Payload, Role, WebSocket, WebSocketError,
    upgrade::{self, UpgradeFut},
};
use http_body_util::Empty;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::unconstrained,
};

struct Adapter;

/// Raises the limit, which is exclusive, and turns on the options of the README.
fn connection<S>(mut ws: WebSocket<S>) -> FragmentCollector<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    ws.set_max_message_size(MESSAGE_LIMIT + 1);
    ws.set_writev(true);
    ws.set_auto_close(true);
    ws.set_auto_pong(true);
    FragmentCollector::new(ws)
}

fn memory(io: MemoryTransport, role: contestant::Role) -> FragmentCollector<MemoryTransport> {
    let role = role.of(Role::Server, Role::Client);
    connection(WebSocket::after_handshake(io, role))
}

async fn echo(upgraded: UpgradeFut) -> Result<(), WebSocketError> {
    let mut ws = connection(upgraded.await?);
    loop {
        let frame = ws.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => ws.write_frame(frame).await?,
            _ => {}
        }
    }
}

async fn upgrade(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgraded) = upgrade::upgrade(&mut request)?;
    tokio::spawn(unconstrained(async {
        let _ = echo(upgraded).await;
    }));
    Ok(response)
}

async fn serve_http<S>(stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service_fn(upgrade))
        .with_upgrades();
    let _ = connection.await;
}

impl Contestant for Adapter {
    const INFO: Info = Info::new(
        "fastwebsockets",
        "read_frame and write_frame of FragmentCollector; a client masks in place",
    )
    .encrypting();

    async fn serve(_: Option<Settings>) {
        accept_loop(serve_http).await;
    }

    async fn serve_tls() {
        accept_tls_loop(serve_http).await;
    }

    async fn decode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let mut ws = memory(io, job.role);
        let mut meter = job.meter();
        for _ in 0..job.messages {
            let frame = ws.read_frame().await?;
            meter.take(frame, |frame| &frame.payload);
        }
        Ok(meter.stop())
    }

    async fn encode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let mut pool = job.buffers();
        let mut ws = memory(io, job.role);
        let meter = job.meter();
        let mut next = 0;
        for _ in 0..job.messages {
            // The payload is lent for the call. The client masks the sender's own buffer.
            let payload = Payload::BorrowedMut(&mut pool[next]);
            let frame = match job.text {
                true => Frame::text(payload),
                false => Frame::binary(payload),
            };
            ws.write_frame(frame).await?;
            next = (next + 1) % job.pool.len();
        }
        Ok(meter.stop())
    }
}

contestant::main!(Adapter);
