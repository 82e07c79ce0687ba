//! A client without a runtime: an `Endpoint` and a `Keepalive` over a blocking socket.
//!
//! `cargo run --example blocking` talks to an echo server of its own.

use std::{
    error::Error,
    io::{
        self,
        ErrorKind::{TimedOut, WouldBlock},
        Read, Write,
    },
    net::{Shutdown, TcpStream},
    thread,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use wsimd::{
    CloseCode, CloseFrame, Config, Event, Message, Offer, Role, ServerBuilder,
    handshake::{Target, client, head},
    protocol::{Duty, Endpoint, Keepalive, Step},
};

/// A connection over a blocking socket.
struct Blocking {
    stream: TcpStream,
    endpoint: Endpoint,
    keepalive: Keepalive,
    start: Instant,
    input: BytesMut,
    output: BytesMut,
}

impl Blocking {
    /// Receives the next message. Returns `None` once the connection has ended.
    fn recv(&mut self) -> io::Result<Option<Message>> {
        loop {
            match self.endpoint.receive(&mut self.input, &mut self.output) {
                Ok(Some(Event::Message(message))) => return Ok(Some(message)),
                Ok(Some(_)) => continue,
                Ok(None) | Err(_) => {}
            }
            let step = self.endpoint.next_step();
            match step {
                Step::Continue => self.exchange()?,
                Step::Flush => drop(self.stream.write_all(&self.output.split())),
                Step::HalfClose => drop(self.stream.shutdown(Shutdown::Write)),
                Step::Drain | Step::Discard => {
                    self.stream.set_read_timeout(Some(Step::LINGER))?;
                    let mut rest = (&self.stream).take(Step::MAX_DRAIN as u64);
                    drop(io::copy(&mut rest, &mut io::sink()));
                }
                _ => return Ok(None),
            }
            self.endpoint.on_step(step);
        }
    }

    /// Writes, reads once, and judges the peer if no byte has arrived in time.
    fn exchange(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            self.stream.write_all(&self.output.split())?;
            self.endpoint.on_written(&mut self.output);
        }
        let wait = self.keepalive.wait(self.start.elapsed());
        self.stream.set_read_timeout(wait)?;
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.endpoint.receive_eof(),
            Ok(len) => {
                self.keepalive.on_received();
                self.input.extend_from_slice(&bytes[..len]);
            }
            Err(error) if !matches!(error.kind(), WouldBlock | TimedOut) => return Err(error),
            Err(_) => match self.keepalive.judge(self.start.elapsed(), false) {
                Duty::Ping => drop(self.endpoint.ping(Bytes::new(), &mut self.output)),
                Duty::GiveUp => self.endpoint.abandon(),
                Duty::Wait => {}
            },
        }
        Ok(())
    }
}

/// Opens a connection to `ws://address/`.
fn connect(address: &str, config: &Config) -> Result<Blocking, Box<dyn Error>> {
    let mut stream = TcpStream::connect(address)?;
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    let target = Target::parse(&format!("ws://{address}/"))?;
    let request = client::request(&target, &Offer::new(), config)?;
    head::write_request(&request, &mut output);
    stream.write_all(&output.split())?;
    let (response, len) = loop {
        let mut bytes = [0; 4096];
        let len = stream.read(&mut bytes)?;
        input.extend_from_slice(&bytes[..len]);
        match head::parse_response(&input, config)? {
            Some(parsed) => break parsed,
            None if len == 0 => return Err("no answer".into()),
            None => {}
        }
    };
    input.advance(len);
    client::verify(&request, config, &response)?;
    let mut keepalive = Keepalive::new(config);
    // The first judgement starts the keepalive.
    keepalive.judge(Duration::ZERO, false);
    Ok(Blocking {
        stream,
        endpoint: Endpoint::new(Role::Client, config),
        keepalive,
        start: Instant::now(),
        input,
        output,
    })
}

/// Starts a server that sends every message back, after a pause before the last one.
fn start_server() -> Result<String, Box<dyn Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let server = runtime.block_on(ServerBuilder::new().bind("127.0.0.1:0"))?;
    let address = server.local_addr()?.to_string();
    let handler = |mut ws: wsimd::WebSocket<wsimd::net::Stream>| async move {
        while let Some(message) = ws.recv().await? {
            tokio::time::sleep(Duration::from_millis(50)).await;
            ws.send(message).await?;
        }
        Ok::<(), wsimd::Error>(())
    };
    thread::spawn(move || runtime.block_on(server.serve(handler)));
    Ok(address)
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::new()
        .ping_interval(Duration::from_millis(20))
        .ping_timeout(Duration::from_secs(10));
    let mut ws = connect(&start_server()?, &config)?;
    for text in ["Hello", "without", "a runtime"] {
        ws.endpoint.send(text, &mut ws.output)?;
        let echo = ws.recv()?;
        println!("{echo:?}");
        assert_eq!(echo, Some(Message::from(text)));
    }
    let frame = CloseFrame::new(CloseCode::NORMAL, "done")?;
    ws.endpoint.close(frame, &mut ws.output);
    assert_eq!(ws.recv()?, None);
    let closed = ws.endpoint.close_frames();
    println!("{closed}");
    assert!(closed.is_clean());
    Ok(())
}
