//! An echo server, and a client that demonstrates it.
//!
//! ```text
//! cargo run --release --example echo                            a server and a client
//! cargo run --release --example echo -- --listen 127.0.0.1:8765 a server, until Ctrl-C
//! ```
//!
//! With `--framed` the server runs on `Framed<_, Codec>` instead of `WebSocket`. Both compress messages
//! for a client that offers permessage-deflate.

use std::{
    fmt::Debug,
    process::ExitCode,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use tokio::{io, net::ToSocketAddrs, time::timeout};
use wsimd::{
    Config, Error, Event, Message, Origins, Policy, Server, ServerBuilder, WebSocket,
    extension::Deflate, net::Stream,
};

/// The failure of a run: an error of the connection, or a wrong echo.
type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: echo [--listen ADDRESS] [--framed] [--max-message BYTES]";

struct Options {
    /// The address to serve until Ctrl-C. Without it, the demonstration runs.
    listen: Option<String>,
    framed: bool,
    config: Config,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            listen: None,
            framed: false,
            config: Config::new()
                .max_message_size(16 << 20)
                .extension(Deflate::new().threshold(0)),
        };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--framed" => options.framed = true,
                "--listen" => {
                    options.listen = Some(args.next().ok_or("--listen needs an address")?);
                }
                "--max-message" => {
                    let size = args.next().and_then(|size| size.parse::<usize>().ok());
                    let size = size.ok_or("--max-message needs a number of bytes")?;
                    options.config = options.config.max_message_size(size);
                }
                _ => return Err(format!("unknown argument {arg:?}")),
            }
        }
        Ok(options)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("echo: {error}; {USAGE}");
            return ExitCode::from(2);
        }
    };
    let result = match &options.listen {
        Some(address) => listen(address, &options).await,
        None => show(&options).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// An echo server, complete.
async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

/// The same with `Framed`, where the application answers control frames.
async fn echo_framed(ws: WebSocket<Stream>) -> Result<(), Error> {
    let mut framed = ws.into_framed();
    while let Some(event) = framed.next().await {
        let (answer, last) = match event {
            Ok(Event::Message(message)) => (Some(message.into()), false),
            Ok(control) => (control.reply(), matches!(control, Event::Close(_))),
            Err(error) => (error.close_frame().map(Event::Close), true),
        };
        if let Some(answer) = answer {
            framed.send(answer).await?;
        }
        if last {
            break;
        }
    }
    framed.close().await?;
    // A socket that is dropped with unread bytes sends a reset, and the client may lose our Close frame.
    let mut sink = io::sink();
    let drain = io::copy(framed.get_mut(), &mut sink);
    let _ = timeout(Duration::from_secs(2), drain).await;
    Ok(())
}

async fn bind(address: impl ToSocketAddrs + Debug, options: &Options) -> Result<Server, Error> {
    ServerBuilder::new()
        .config(options.config.clone())
        .policy(Policy::new().origins(Origins::any()))
        .bind(address)
        .await
}

async fn serve(server: Server, framed: bool) {
    if framed {
        server.serve(echo_framed).await;
    } else {
        server.serve(echo).await;
    }
}

async fn listen(address: &str, options: &Options) -> Result<(), Failure> {
    let server = bind(address, options).await?;
    println!("listening on ws://{}", server.local_addr()?);
    tokio::select! {
        () = serve(server, options.framed) => Ok(()),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

/// Starts a server, connects to it over a real socket, and prints the echoes.
async fn show(options: &Options) -> Result<(), Failure> {
    let server = bind("127.0.0.1:0", options).await?;
    let uri = format!("ws://{}", server.local_addr()?);
    let kind = if options.framed {
        "Framed<_, Codec>"
    } else {
        "WebSocket"
    };
    println!("an echo server on {kind} listens on {uri}");
    tokio::spawn(serve(server, options.framed));

    let start = Instant::now();
    let mut ws = wsimd::ClientBuilder::new()
        .config(options.config.clone().outgoing_frame_size(64 << 10))
        .connect(&uri)
        .await?;
    println!("{:28} {:>12?}", "connected", start.elapsed());

    exchange(&mut ws, "text", "Hello, WebSocket!").await?;
    exchange(&mut ws, "multi-byte text", "Γειά σου, κόσμε 🌍").await?;
    exchange(&mut ws, "binary", vec![0, 1, 2, 254, 255]).await?;
    exchange(&mut ws, "8 MiB in 128 fragments", vec![0x5a; 8 << 20]).await?;

    let pong = ws.ping().await?;
    tokio::select! {
        round_trip = pong => println!("{:28} {:>12?}", "ping, pong", round_trip?),
        message = ws.recv() => return Err(format!("instead of a pong: {message:?}").into()),
    }

    let start = Instant::now();
    ws.close(1000, "done").await?;
    println!("{:28} {:>12?}", "closed", start.elapsed());
    if let Some(closed) = ws.closed() {
        println!("{closed}");
    }
    Ok(())
}

async fn exchange(
    ws: &mut WebSocket<Stream>,
    what: &str,
    message: impl Into<Message>,
) -> Result<(), Failure> {
    let message = message.into();
    let start = Instant::now();
    ws.send(message.clone()).await?;
    let answer = ws.recv().await?;
    let elapsed = start.elapsed();
    if answer.as_ref() != Some(&message) {
        return Err(format!("{what} did not come back as it was").into());
    }
    println!(
        "{what:28} {elapsed:>12?}  {:>9} bytes came back",
        message.len()
    );
    Ok(())
}
