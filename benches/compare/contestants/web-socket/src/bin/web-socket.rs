//! web-socket over tokio's `BufReader`, because it reads headers byte by byte. It has no handshake of
//! its own and does not validate text. The echo does, because only a `str` is sent as a text.

use contestant::{
    BoxError, Contestant, Info, Job, MESSAGE_LIMIT, Measured, MemoryTransport, Role, Settings,
    accept_loop, http,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader},
    net::TcpStream,
};
use web_socket::{DataType, Event, MessageType, WebSocket};

struct Adapter;

fn connection<S: AsyncRead + AsyncWrite>(io: S, role: Role) -> WebSocket<BufReader<S>> {
    let io = BufReader::new(io);
    let mut ws = match role {
        Role::Server => WebSocket::server(io),
        Role::Client => WebSocket::client(io),
    };
    ws.max_payload_len = MESSAGE_LIMIT;
    ws
}

async fn echo(mut stream: TcpStream) -> Result<(), BoxError> {
    Box::pin(http::accept_on(&mut stream)).await?;
    let mut ws = connection(stream, Role::Server);
    loop {
        match ws.recv().await? {
            Event::Data {
                ty: DataType::Complete(MessageType::Text),
                data,
            } => ws.send(str::from_utf8(&data)?).await?,
            Event::Data { data, .. } => ws.send(&*data).await?,
            Event::Ping(data) => ws.send_pong(data).await?,
            Event::Pong(_) => {}
            Event::Error(error) => return Err(error.into()),
            Event::Close { .. } => return Ok(ws.close(()).await?),
        }
    }
}

impl Contestant for Adapter {
    const INFO: Info = Info {
        validates_text: false,
        ..Info::new(
            "web-socket",
            "recv and send over BufReader; does not validate (the echo calls str::from_utf8: its \
             send wants a str), has no handshake",
        )
    };

    async fn serve(_: Option<Settings>) {
        accept_loop(echo).await;
    }

    async fn decode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let mut ws = connection(io, job.role);
        let mut meter = job.meter();
        for _ in 0..job.messages {
            let Event::Data { data, .. } = ws.recv().await? else {
                return Err("no message".into());
            };
            meter.take(data, |data| data);
        }
        Ok(meter.stop())
    }

    async fn encode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let texts = job.texts();
        let mut ws = connection(io, job.role);
        let meter = job.meter();
        if job.text {
            for (text, _) in job.send(&texts) {
                ws.send(*text).await?;
            }
        } else {
            for (bytes, _) in job.send(&job.pool) {
                ws.send(&**bytes).await?;
            }
        }
        Ok(meter.stop())
    }
}

contestant::main!(Adapter);
