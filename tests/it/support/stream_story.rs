//! A story of two connections that send and receive messages in chunks, which a source of decisions tells, beside whole
//! messages as the model.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use wsimd::{
    CloseCode, Config, Error, Handle, Message, MessageReader, MessageWriter, Parts, Role,
    WebSocket, extension::Extensions,
};

use super::tasks::Tasks;

/// The source of decisions: a number below the limit.
type Draw<'a> = Rc<RefCell<dyn FnMut(usize) -> usize + 'a>>;

/// A sent message. Its last parts may not have been accepted.
#[derive(Debug)]
struct Sent {
    is_text: bool,
    parts: Vec<Part>,
    /// Whether the message was accepted.
    certain: bool,
    /// Whether the last part is the end of the message.
    finished: bool,
}

#[derive(Debug)]
struct Part {
    bytes: Vec<u8>,
    certain: bool,
}

/// A received message, or the part that a reader has taken.
#[derive(Debug)]
struct Received {
    is_text: bool,
    bytes: Vec<u8>,
    is_whole: bool,
}

#[derive(Debug, Default)]
struct Log {
    /// The messages of the connection and those of its handle.
    sent: [Vec<Sent>; 2],
    received: Vec<Received>,
    /// Whether the sender has dropped a writer unfinished.
    cut: bool,
    end: Option<Result<(), Error>>,
}

/// The first bytes of the first message of the connection and of its handle. Each message has a byte of its own.
const MARKS: [u8; 2] = *b"an";

/// Plays a story. `negotiate` returns the extensions of a client and of a server that compress, with context takeover
/// or without.
pub(crate) fn play(
    draw: &mut impl FnMut(usize) -> usize,
    negotiate: impl Fn(bool) -> (Extensions, Extensions),
) {
    let is_client = draw(2) == 0;
    let extensions = match draw(3) {
        0 => (Extensions::default(), Extensions::default()),
        takeover => negotiate(takeover == 1),
    };
    let frame_size = [None, Some(1), Some(50), Some(4000)][draw(4)];
    let config = Config::new()
        .write_high_water([0, 100, 65_536][draw(3)])
        .outgoing_frame_size(frame_size)
        .max_fragments(None);
    let capacity = [1, 7, 100, 5000, 100_000][draw(5)];
    // Short frames and a short pipe take many polls.
    let longest = 100_000
        .min(frame_size.unwrap_or(4000) * 100)
        .min(capacity * 100);
    let (near, far) = duplex(capacity);
    let seed = draw(1 << 16) as u64;
    let (role, ours, theirs) = match is_client {
        true => (Role::Client, extensions.0, extensions.1),
        false => (Role::Server, extensions.1, extensions.0),
    };
    let log = Rc::<RefCell<Log>>::default();
    let draw: Draw<'_> = Rc::new(RefCell::new(draw));
    let open = |io, role, extensions| {
        WebSocket::from_parts(Parts::new(io, role, &config).extensions(extensions))
    };
    let teller = || Teller {
        draw: Rc::clone(&draw),
        longest,
        log: Rc::clone(&log),
    };
    let mut tasks = Tasks::default();
    let mut ws = open(near, role, ours);
    let handle = (draw.borrow_mut()(2) == 0).then(|| ws.handle());
    if draw.borrow_mut()(2) == 0 {
        let (mut reader, writer) = ws.split();
        tasks.spawn(async move { while let Ok(Some(_)) = reader.recv().await {} });
        tasks.spawn(teller().send_all(Sender::Half(writer)));
    } else {
        tasks.spawn(teller().send_all(Sender::Whole(ws)));
    }
    if let Some(handle) = handle {
        tasks.spawn(teller().send_by_handle(handle));
    }
    tasks.spawn(teller().receive_all(open(far, role.peer(), theirs)));
    tasks.run(seed);
    log.borrow().check();
}

/// The sending side of a connection.
enum Sender {
    Whole(WebSocket<DuplexStream>),
    Half(wsimd::WriteHalf<DuplexStream>),
}

impl Sender {
    fn writer(&mut self, is_text: bool) -> MessageWriter<'_, DuplexStream> {
        match (self, is_text) {
            (Self::Whole(ws), true) => ws.text_writer(),
            (Self::Whole(ws), false) => ws.binary_writer(),
            (Self::Half(half), true) => half.text_writer(),
            (Self::Half(half), false) => half.binary_writer(),
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), Error> {
        match self {
            Self::Whole(ws) => ws.send(message).await,
            Self::Half(half) => half.send(message).await,
        }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        match self {
            Self::Whole(ws) => ws.flush().await,
            Self::Half(half) => half.flush().await,
        }
    }

    /// Closes, and waits for the end if no other task does.
    async fn close(&mut self) {
        match self {
            Self::Whole(ws) => {
                let _ = ws.send_close(CloseCode::NORMAL, "").await;
                while let Ok(Some(_)) = ws.recv().await {}
            }
            Self::Half(half) => drop(half.send_close(CloseCode::NORMAL, "").await),
        }
    }
}

/// The teller of one task.
struct Teller<'a> {
    draw: Draw<'a>,
    /// The length of the longest part, in bytes.
    longest: usize,
    log: Rc<RefCell<Log>>,
}

impl Teller<'_> {
    fn draw(&self, limit: usize) -> usize {
        self.draw.borrow_mut()(limit)
    }

    fn len(&self) -> usize {
        match self.draw(8) {
            0 => self.draw(self.longest),
            1 => self.draw(self.longest.min(5000)),
            2 => 0,
            _ => self.draw(40),
        }
    }

    /// Creates a part of a message, which begins with a byte that no other message has.
    fn part(&self, source: usize, message: usize, part: usize) -> Vec<u8> {
        let mark = MARKS[source] + u8::try_from(message).unwrap();
        let mut text = format!("{}{part}:", char::from(mark));
        let alphabet = ["x", "é", "日", "😀"][self.draw(4)];
        let len = self.len();
        text.extend(std::iter::repeat_n(alphabet, len / alphabet.len()));
        text.into_bytes()
    }

    /// Polls until the future is ready, or drops it after some polls.
    async fn attempt<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut polls = match self.draw(3) {
            2 => 1 + self.draw(3),
            _ => usize::MAX,
        };
        let mut future = pin!(future);
        poll_fn(|cx: &mut Context<'_>| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => {
                polls -= 1;
                match polls {
                    0 => Poll::Ready(None),
                    _ => Poll::Pending,
                }
            }
        })
        .await
    }

    /// Notes a message of the connection or of the handle. Returns its number.
    fn begin(&self, source: usize, is_text: bool) -> usize {
        let sent = &mut self.log.borrow_mut().sent[source];
        sent.push(Sent {
            is_text,
            parts: vec![],
            certain: false,
            finished: false,
        });
        sent.len() - 1
    }

    fn with_last<T>(&self, source: usize, f: impl FnOnce(&mut Sent) -> T) -> T {
        f(self.log.borrow_mut().sent[source].last_mut().unwrap())
    }

    /// Notes a part that is about to be sent.
    fn add(&self, source: usize, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        self.with_last(source, |sent| {
            sent.parts.push(Part {
                bytes,
                certain: false,
            });
        });
    }

    /// Notes the only part of a message.
    fn add_whole(&self, source: usize, bytes: &[u8]) {
        self.add(source, bytes);
        self.with_last(source, |sent| {
            sent.parts[0].certain = true;
            sent.finished = true;
        });
    }

    /// Notes that the last part of a message in chunks was accepted.
    fn on_accepted(&self) {
        self.with_last(0, |sent| {
            sent.parts.last_mut().unwrap().certain = true;
            sent.certain = true;
        });
    }

    async fn send_all(self, mut sender: Sender) {
        for _ in 0..self.draw(7) {
            match self.draw(4) {
                0 => self.send_whole(&mut sender).await,
                1 => drop(self.attempt(sender.flush()).await),
                _ => self.send_in_chunks(&mut sender).await,
            }
            if self.log.borrow().cut {
                break;
            }
        }
        sender.close().await;
    }

    async fn send_whole(&self, sender: &mut Sender) {
        let is_text = self.draw(2) == 0;
        let number = self.begin(0, is_text);
        let bytes = self.part(0, number, 0);
        self.add_whole(0, &bytes);
        let sent = self.attempt(sender.send(message(is_text, bytes))).await;
        if let Some(sent) = sent {
            sent.unwrap();
            self.with_last(0, |sent| sent.certain = true);
        }
    }

    async fn send_in_chunks(&self, sender: &mut Sender) {
        let is_text = self.draw(2) == 0;
        let number = self.begin(0, is_text);
        let mut writer = sender.writer(is_text);
        for part in 0..self.draw(6) {
            match self.draw(8) {
                0 => drop(self.attempt(writer.flush()).await),
                1 => {
                    writer.flush().await.unwrap();
                }
                2..4 => {
                    // Bytes that are cut anywhere, also inside a character.
                    let bytes = self.part(0, number, part);
                    self.add(0, &bytes);
                    let mut rest = &bytes[..];
                    while !rest.is_empty() {
                        let len = 1 + self.draw(rest.len());
                        writer.write_all(&rest[..len]).await.unwrap();
                        rest = &rest[len..];
                    }
                    self.on_accepted();
                }
                _ => {
                    let bytes = self.part(0, number, part);
                    self.add(0, &bytes);
                    let chunk = message(is_text || self.draw(2) == 0, bytes);
                    if let Some(sent) = self.attempt(writer.write_chunk(chunk)).await {
                        sent.unwrap();
                        self.on_accepted();
                    }
                }
            }
        }
        if self.draw(16) == 0 {
            // The message has perhaps not begun.
            self.log.borrow_mut().cut = true;
            return;
        }
        let is_begun = self.with_last(0, |sent| {
            sent.finished = true;
            sent.certain
        });
        match self.draw(3) {
            0 => writer.shutdown().await.unwrap(),
            // The first poll accepts the end of a message that has begun.
            1 if is_begun => drop(self.attempt(writer.finish()).await),
            _ => writer.finish().await.unwrap(),
        }
        self.with_last(0, |sent| sent.certain = true);
    }

    async fn send_by_handle(self, handle: Handle) {
        for _ in 0..self.draw(6) {
            let is_text = self.draw(2) == 0;
            let number = self.begin(1, is_text);
            let bytes = self.part(1, number, 0);
            self.add_whole(1, &bytes);
            if let Some(Ok(())) = self.attempt(handle.send(message(is_text, bytes))).await {
                self.with_last(1, |sent| sent.certain = true);
            }
        }
    }

    async fn receive_all(self, mut ws: WebSocket<DuplexStream>) {
        let end = loop {
            let received = match self.draw(10) {
                0..2 => match self.attempt(ws.recv()).await {
                    Some(received) => received.map(|it| it.map(Received::whole)),
                    None => continue,
                },
                2 => match self.attempt(ws.recv_with(|it| it.to_message())).await {
                    Some(received) => received.map(|it| it.map(Received::whole)),
                    None => continue,
                },
                3 => {
                    ws = WebSocket::from_parts(ws.into_parts());
                    continue;
                }
                4 => {
                    let (reader, writer) = ws.split();
                    ws = reader.reunite(writer).unwrap();
                    continue;
                }
                5 => {
                    drop(self.attempt(ws.ping_with(Bytes::from_static(b"p"))).await);
                    continue;
                }
                _ => match self.attempt(ws.recv_stream()).await {
                    Some(Ok(Some(reader))) => self.read(reader).await,
                    Some(Ok(None)) => Ok(None),
                    Some(Err(error)) => Err(error),
                    None => continue,
                },
            };
            match received {
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
                Ok(Some(received)) if received.bytes.is_empty() && !received.is_whole => {}
                Ok(Some(received)) => self.log.borrow_mut().received.push(received),
            }
        };
        self.log.borrow_mut().end = Some(end);
    }

    /// Reads a message to its end, or drops the reader before.
    async fn read(
        &self,
        mut reader: MessageReader<'_, DuplexStream>,
    ) -> Result<Option<Received>, Error> {
        let mut received = Received {
            is_text: reader.is_text(),
            bytes: vec![],
            is_whole: false,
        };
        let mut steps = match self.draw(3) {
            0 => self.draw(4),
            _ => usize::MAX,
        };
        let as_bytes = self.draw(4) == 0;
        while steps > 0 {
            steps -= 1;
            if as_bytes {
                let mut buffer = vec![0; 1 + self.draw(300)];
                match self.attempt(reader.read(&mut buffer)).await {
                    None => {}
                    Some(Ok(0)) => {
                        received.is_whole = true;
                        break;
                    }
                    Some(Ok(len)) => received.bytes.extend_from_slice(&buffer[..len]),
                    Some(Err(_)) => break,
                }
                continue;
            }
            match self.attempt(reader.chunk()).await {
                None => {}
                Some(Ok(None)) => {
                    received.is_whole = true;
                    break;
                }
                Some(Ok(Some(chunk))) => {
                    assert!(!chunk.is_empty() && chunk.is_text() == received.is_text);
                    received.bytes.extend_from_slice(chunk.as_bytes());
                }
                Some(Err(_)) => break,
            }
        }
        Ok(Some(received))
    }
}

fn message(is_text: bool, bytes: Vec<u8>) -> Message {
    match is_text {
        true => String::from_utf8(bytes).unwrap().into(),
        false => bytes.into(),
    }
}

impl Received {
    fn whole(message: Message) -> Self {
        Self {
            is_text: message.is_text(),
            bytes: message.as_bytes().to_vec(),
            is_whole: true,
        }
    }

    /// Returns whether this is the message, or a part of it. Parts that were perhaps not accepted can be missing.
    fn is_of(&self, sent: &Sent) -> bool {
        if self.is_text != sent.is_text || (self.is_whole && !sent.finished) {
            return false;
        }
        let mut rest = &self.bytes[..];
        for part in &sent.parts {
            if let Some(behind) = rest.strip_prefix(&part.bytes[..]) {
                rest = behind;
            } else if !self.is_whole && part.bytes.starts_with(rest) && !rest.is_empty() {
                return true;
            } else if part.certain && (self.is_whole || !rest.is_empty()) {
                return false;
            }
        }
        rest.is_empty()
    }
}

impl Log {
    fn check(&self) {
        let mut next = [0; 2];
        for (place, received) in self.received.iter().enumerate() {
            // An empty message is one of the connection.
            let source = usize::from(received.bytes.first() >= Some(&MARKS[1]));
            let behind = &self.sent[source][next[source]..];
            let found = behind.iter().position(|sent| received.is_of(sent));
            let Some(found) = found else {
                panic!(
                    "message {place} was not sent: {received:?} {:?}",
                    behind.first()
                );
            };
            let lost = behind[..found].iter().find(|sent| sent.certain);
            // A dropped reader may have read only the end of its message, and then no bytes remain.
            assert!(lost.is_none(), "lost before {place}: {lost:?}");
            next[source] += found + 1;
        }
        let end = self.end.as_ref().expect("the receiver has come to an end");
        if self.cut {
            let is_known = end.is_ok() || end.as_ref().is_err_and(Error::is_closed);
            assert!(is_known, "{end:?}");
            return;
        }
        assert!(end.is_ok(), "{end:?}");
        for (sent, next) in self.sent.iter().zip(next) {
            let lost = sent[next..].iter().find(|sent| sent.certain);
            assert!(lost.is_none(), "lost at the end: {lost:?}");
        }
    }
}
