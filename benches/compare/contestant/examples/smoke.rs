//! Starts each contestant named on the command line and checks that it echoes: text, multi-byte,
//! binary, empty, 70 kB and 1 MiB messages, one by one and in a burst, on both runtimes; and that it
//! does not echo a text that is no UTF-8, if it says so.
//!
//! `cargo run --release -p contestant --example smoke -- PATH/TO/CONTESTANT...`

use std::{
    env,
    error::Error,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use contestant::{Content, corpus, http, wire};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const SIZES: [(Content, usize); 9] = [
    (Content::Ascii, 20),
    (Content::Ascii, 0),
    (Content::Binary, 0),
    (Content::Binary, 125),
    (Content::Binary, 126),
    (Content::Json, 1024),
    (Content::Multi, 70_000),
    (Content::Binary, 70_000),
    (Content::Multi, 1 << 20),
];

/// A contestant that serves, killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in env::args().skip(1) {
        for runtime in ["current", "multi2"] {
            match check(&path, runtime) {
                Ok(()) => println!("ok      {path} {runtime}"),
                Err(error) => {
                    println!("FAILED  {path} {runtime}: {error}");
                    code = ExitCode::FAILURE;
                }
            }
        }
    }
    code
}

fn check(path: &str, runtime: &str) -> Result<()> {
    let info = Command::new(path).arg("info").output()?;
    let info = String::from_utf8(info.stdout)?;
    let raw = info.contains("\"raw\":true");
    let mut child = Command::new(path)
        .args(["serve", "--runtime", runtime])
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("no output")?;
    let _server = Server(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let port: u16 = line
        .trim()
        .strip_prefix("listening ")
        .ok_or("no port")?
        .parse()?;
    let mut stream = open(port)?;
    one_by_one(&mut stream, raw)?;
    let mut others: Vec<TcpStream> = (0..20).map(|_| open(port)).collect::<Result<_>>()?;
    for stream in &mut others {
        burst(stream, raw)?;
    }
    burst(&mut stream, raw)?;
    if info.contains("\"validates_text\":true") {
        refuses_invalid_text(&mut stream)?;
    }
    Ok(())
}

fn refuses_invalid_text(stream: &mut TcpStream) -> Result<()> {
    let (sent, _) = frames(
        Content::Ascii,
        b"0123456789abcdefghij\xED\xA0\x80 surrogate",
        false,
    );
    stream.write_all(&sent)?;
    let mut answer = Vec::new();
    // A reset is as good as a Close frame here.
    let _ = stream.take(1).read_to_end(&mut answer);
    if answer == [0x81] {
        return Err("echoed a text that is no UTF-8".into());
    }
    Ok(())
}

fn open(port: u16) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // In one write: a request that arrives in pieces is an error to wtx.
    let request = format!(
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    while http::head_len(&head).is_none() {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    if !head.starts_with(b"HTTP/1.1 101") {
        return Err(format!("answered {}", String::from_utf8_lossy(&head)).into());
    }
    let accept = http::header(&head, "sec-websocket-accept");
    if accept != Some(http::accept(KEY).as_str()) {
        return Err("wrong Sec-WebSocket-Accept".into());
    }
    Ok(stream)
}

/// Returns what is sent for a message, and what must come back.
fn frames(content: Content, payload: &[u8], raw: bool) -> (Vec<u8>, Vec<u8>) {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let (mut sent, mut expected) = (Vec::new(), Vec::new());
    wire::header(&mut sent, content.is_text(), payload.len(), Some(key));
    let start = sent.len();
    sent.extend_from_slice(payload);
    wire::mask(&mut sent[start..], key);
    wire::header(&mut expected, content.is_text(), payload.len(), None);
    expected.extend_from_slice(payload);
    if raw {
        expected.clone_from(&sent);
    }
    (sent, expected)
}

fn one_by_one(stream: &mut TcpStream, raw: bool) -> Result<()> {
    let mut random = corpus::Random::new(3);
    for (content, size) in SIZES {
        let payload = corpus::message(content, size, &mut random);
        let (sent, expected) = frames(content, &payload, raw);
        exchange(stream, &sent, &expected).map_err(|e| format!("{content:?} {size}: {e}"))?;
    }
    Ok(())
}

fn burst(stream: &mut TcpStream, raw: bool) -> Result<()> {
    let mut random = corpus::Random::new(4);
    let (mut sent, mut expected) = (Vec::new(), Vec::new());
    for (content, size) in SIZES.into_iter().chain(SIZES) {
        let size = size.min(70_000);
        let payload = corpus::message(content, size, &mut random);
        let pair = frames(content, &payload, raw);
        sent.extend_from_slice(&pair.0);
        expected.extend_from_slice(&pair.1);
    }
    exchange(stream, &sent, &expected).map_err(|e| format!("burst: {e}").into())
}

/// Sends on one thread and receives on another, so that neither side can block the other.
fn exchange(stream: &TcpStream, sent: &[u8], expected: &[u8]) -> Result<()> {
    let mut answer = vec![0; expected.len()];
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || (&*stream).write_all(sent));
        let read = (&*stream).read_exact(&mut answer);
        writer.join().map_err(|_| "writer")??;
        Ok::<_, Box<dyn Error>>(read?)
    })?;
    if answer != expected {
        return Err("the echo differs".into());
    }
    Ok(())
}
