//! Shared by the tests of the opening handshake: requests, answers, and a server by hand.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream, ReadBuf, duplex};
use wsimd::{
    ClientBuilder, Error, ServerBuilder, WebSocket,
    handshake::{HandshakeError, accept_key},
};

use super::script::{Script, Seen};

/// The request of RFC 6455 §1.2, without its subprotocols and its origin.
pub(crate) const REQUEST: &str = "GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// The response to it, byte for byte.
pub(crate) const RESPONSE: &str = concat!(
    "HTTP/1.1 101 Switching Protocols\r\n",
    "Upgrade: websocket\r\n",
    "Connection: Upgrade\r\n",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
    "server: wsimd/",
    env!("CARGO_PKG_VERSION"),
    "\r\n\r\n"
);

pub(crate) const URI: &str = "ws://server.example.com/chat";

/// The ways to cut bytes into reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    Whole,
    Bytes,
    At(usize),
}

impl Cut {
    pub(crate) fn all(len: usize) -> impl Iterator<Item = Self> {
        [Self::Whole, Self::Bytes]
            .into_iter()
            .chain((1..len).map(Self::At))
    }

    pub(crate) fn script(self, bytes: &[u8]) -> Script {
        match self {
            Self::Whole => Script::whole(bytes),
            Self::Bytes => Script::chunks(bytes.chunks(1)),
            Self::At(at) => Script::chunks([&bytes[..at], &bytes[at..]]),
        }
    }
}

/// A server by hand. The first read takes the written bytes, which have to be a whole request, and
/// continues with the script that `answer` returns for it.
pub(crate) struct Peer<A> {
    pub(crate) answer: Option<A>,
    pub(crate) script: Script,
}

impl<A: FnOnce(&str) -> Script + Unpin> AsyncRead for Peer<A> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(answer) = self.answer.take() {
            let seen = self.script.seen.clone();
            let request = String::from_utf8(seen.written()).unwrap();
            assert!(request.ends_with("\r\n\r\n"), "half a request: {request:?}");
            assert_eq!(request.matches("\r\n\r\n").count(), 1, "{request:?}");
            self.script = answer(&request);
            self.script.seen = seen;
        }
        Pin::new(&mut self.script).poll_read(cx, buf)
    }
}

impl<A: Unpin> AsyncWrite for Peer<A> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.script).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.script).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.script).poll_shutdown(cx)
    }
}

pub(crate) type Opened<S, T> = Result<(WebSocket<S>, T), Error>;

/// Opens a connection to a server that answers with `answer`. Records all bytes that the client writes.
pub(crate) async fn open<A>(
    client: &ClientBuilder,
    answer: A,
) -> (Opened<Peer<A>, Response<()>>, Seen)
where
    A: FnOnce(&str) -> Script + Unpin,
{
    let script = Script::new([]);
    let seen = script.seen.clone();
    let answer = Some(answer);
    let opened = client.handshake(URI, Peer { answer, script }).await;
    (opened, seen)
}

/// The error of a client whose server sends this answer to every request. The client may write only the
/// request.
pub(crate) async fn refused(
    client: &ClientBuilder,
    answer: impl FnOnce(&str) -> Script + Unpin,
) -> Error {
    let (opened, seen) = open(client, answer).await;
    let written = String::from_utf8(seen.written()).unwrap();
    assert!(written.ends_with("\r\n\r\n") && written.matches("\r\n\r\n").count() == 1);
    error_of(opened)
}

pub(crate) async fn accept(
    server: &ServerBuilder,
    script: Script,
) -> (Opened<Script, Request<()>>, Seen) {
    let seen = script.seen.clone();
    (accept_with_request(server, script).await, seen)
}

/// Accepts a client, and also returns its request.
async fn accept_with_request<S>(server: &ServerBuilder, io: S) -> Opened<S, Request<()>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let opening = server.begin(io).await?;
    let request = opening.request().clone();
    Ok((opening.upgrade().await?, request))
}

/// Removes the line of `Date` from an answer of a server, which must have one.
pub(crate) fn without_date(answer: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"date: ";
    let at = |part: &[u8]| answer.windows(part.len()).position(|it| it == part);
    let start = at(NAME).expect("a date");
    let date = &answer[start + NAME.len()..][.."Sun, 06 Nov 1994 08:49:37 GMT".len()];
    httpdate::parse_http_date(str::from_utf8(date).unwrap()).unwrap();
    let after = &answer[start + NAME.len() + date.len() + 2..];
    [&answer[..start], after].concat()
}

pub(crate) fn error_of<T>(result: Result<T, Error>) -> Error {
    match result {
        Ok(_) => panic!("the handshake succeeded"),
        Err(error) => error,
    }
}

pub(crate) fn handshake_error(error: Error) -> HandshakeError {
    match error {
        Error::Handshake(error) => *error,
        error => panic!("not of the handshake: {error:?}"),
    }
}

/// The correct response to a request, with more header lines.
pub(crate) fn switching(request: &str, more: &str) -> String {
    let key = header(request, "sec-websocket-key").expect("the request has a key");
    let accept = accept_key(key.as_bytes());
    RESPONSE
        .replace(
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            str::from_utf8(&accept).unwrap(),
        )
        .replace("\r\n\r\n", &format!("\r\n{more}\r\n"))
}

pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    let found = headers.find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim())
}

/// Replaces a part of [`REQUEST`] that has to be there.
pub(crate) fn request_with(part: &str, by: &str) -> String {
    assert!(REQUEST.contains(part), "{part}");
    REQUEST.replacen(part, by, 1)
}

/// [`REQUEST`] with one more header line.
pub(crate) fn request_and(line: &str) -> String {
    request_with("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"))
}

pub(crate) async fn read_head(io: &mut DuplexStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Opens a connection between a client and a server of ours.
pub(crate) async fn meet(
    client: &ClientBuilder,
    server: &ServerBuilder,
    uri: &str,
) -> (
    (WebSocket<DuplexStream>, Response<()>),
    (WebSocket<DuplexStream>, Request<()>),
) {
    let (near, far) = duplex(4096);
    let (client, server) = tokio::join!(
        client.handshake(uri, near),
        accept_with_request(server, far)
    );
    (client.unwrap(), server.unwrap())
}
