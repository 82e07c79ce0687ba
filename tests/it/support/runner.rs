//! Runs a stream of bytes whole, byte by byte and cut at every point through `Receiver`, `Codec` and
//! `WebSocket`, which take and lend messages, and demands the same outcome every time.

use bytes::BytesMut;
use futures_util::StreamExt;
use tokio_util::codec::Framed;
use wsimd::{
    Codec, Config, Error, Event, EventRef, Message, MessageRef, Parts, ProtocolError, Role,
    WebSocket, extension::Extensions, protocol::Receiver,
};

use super::{
    deflate::agree,
    frames::{CLOSE, FIN, PONG, close_payload, frame, key},
    script::Script,
};

/// Bytes from the peer, and the expected outcome.
#[derive(Clone, Debug)]
pub(crate) struct Vector {
    pub(crate) role: Role,
    pub(crate) config: Config,
    pub(crate) input: Vec<u8>,
    /// The events, up to the first Close.
    pub(crate) events: Vec<Event>,
    /// The violation after the events. Without a violation and a Close, the stream ends with 1006.
    pub(crate) error: Option<ProtocolError>,
}

impl Vector {
    pub(crate) fn new(role: Role, input: Vec<u8>) -> Self {
        Self {
            role,
            config: Config::new().masking_keys(key),
            input,
            events: Vec::new(),
            error: None,
        }
    }

    pub(crate) fn config(mut self, config: Config) -> Self {
        self.config = config.masking_keys(key);
        self
    }

    pub(crate) fn event(mut self, event: impl Into<Event>) -> Self {
        self.events.push(event.into());
        self
    }

    pub(crate) fn error(mut self, error: ProtocolError) -> Self {
        self.error = Some(error);
        self
    }

    /// Runs the vector through all three, in every chunking.
    pub(crate) fn check(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        self.check_chunks(&runtime, &[&self.input]);
        let bytes: Vec<&[u8]> = self.input.chunks(1).collect();
        self.check_chunks(&runtime, &bytes);
        for split in self.splits() {
            let (head, tail) = self.input.split_at(split);
            self.check_chunks(&runtime, &[head, tail]);
        }
    }

    /// Checks that the first `len` bytes of the input prove the violation, and that fewer do not.
    pub(crate) fn check_refused_after(&self, len: usize) {
        assert!(self.error.is_some(), "no violation is expected");
        let mut receiver = Receiver::new(self.role, &self.config);
        receiver.set_decoders(self.extensions().split().1);
        let mut input = BytesMut::new();
        for (taken, byte) in self.input[..len - 1].iter().enumerate() {
            input.extend_from_slice(&[*byte]);
            loop {
                match receiver.receive(&mut input) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => panic!("{error} after {} bytes and not {len}", taken + 1),
                }
            }
        }
        let mut proven = self.clone();
        proven.input.truncate(len);
        proven.check();
    }

    pub(crate) fn check_chunks(&self, runtime: &tokio::runtime::Runtime, chunks: &[&[u8]]) {
        self.check_receiver(chunks, Receiver::receive);
        self.check_receiver(chunks, |receiver, input| receiver.receive_with(input, copy));
        runtime.block_on(self.check_codec(chunks));
        runtime.block_on(self.check_connection(chunks, async |ws| ws.recv().await));
        runtime.block_on(self.check_connection(chunks, async |ws| ws.recv_with(overwrite).await));
        // Streamed messages have a limit of their own.
        if !self.error.is_some_and(is_limit) {
            runtime.block_on(self.check_connection(chunks, recv_in_chunks));
            runtime.block_on(self.check_connection(chunks, recv_after_a_look));
        }
    }

    /// The extensions that were negotiated with a peer of the same configuration.
    fn extensions(&self) -> Extensions {
        let (client, server) = agree(&self.config, &self.config);
        match self.role {
            Role::Client => client,
            Role::Server => server,
        }
    }

    /// Every split point. For a long input, the first ones and some of the others.
    fn splits(&self) -> impl Iterator<Item = usize> {
        let len = self.input.len();
        (1..len).filter(move |split| len < 2000 || *split < 32 || split % 4999 == 0)
    }

    fn check_receiver(
        &self,
        chunks: &[&[u8]],
        receive: impl Fn(&mut Receiver, &mut BytesMut) -> Result<Option<Event>, ProtocolError>,
    ) {
        let mut receiver = Receiver::new(self.role, &self.config);
        receiver.set_decoders(self.extensions().split().1);
        let mut input = BytesMut::new();
        let mut events = Vec::new();
        let mut error = None;
        for chunk in chunks {
            input.extend_from_slice(chunk);
            loop {
                match receive(&mut receiver, &mut input) {
                    Ok(Some(event)) => events.push(event),
                    Ok(None) => break,
                    Err(violation) => {
                        assert_eq!(
                            receive(&mut receiver, &mut input),
                            Err(violation),
                            "not sticky"
                        );
                        assert!(input.is_empty(), "bytes pile up after a violation");
                        error = Some(violation);
                        break;
                    }
                }
            }
            if error.is_none() {
                assert!(input.len() < 14 + 125, "{} bytes were left", input.len());
            }
        }
        assert_eq!((&events, error), (&self.events, self.error), "receiver");
        assert_eq!(receiver.is_closed(), self.is_closed());
    }

    async fn check_codec(&self, chunks: &[&[u8]]) {
        let codec = Codec::new(self.role, &self.config).extensions(self.extensions());
        let mut framed = Framed::new(Script::chunks(chunks.iter().copied()), codec);
        let mut events = Vec::new();
        let end = loop {
            match framed.next().await {
                Some(Ok(event)) => events.push(event),
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        assert_eq!(events, self.events, "codec");
        match (self.error, end) {
            (Some(expected), Some(Error::Protocol(error))) => {
                assert_eq!(error, expected, "codec");
                assert!(framed.next().await.is_none());
                let again = framed.next().await;
                assert!(
                    matches!(again, Some(Err(Error::Protocol(again))) if again == error),
                    "not sticky: {again:?}"
                );
            }
            (None, None) => assert!(self.is_closed(), "the codec ended without an error"),
            (None, Some(Error::Closed(closed))) if !self.is_closed() => {
                assert_eq!(u16::from(closed.code()), 1006);
            }
            (expected, end) => panic!("codec: expected {expected:?}, got {end:?}"),
        }
    }

    async fn check_connection(
        &self,
        chunks: &[&[u8]],
        recv: impl AsyncFn(&mut WebSocket<Script>) -> Result<Option<Message>, Error>,
    ) {
        let script = Script::chunks(chunks.iter().copied());
        let seen = script.seen.clone();
        let parts = Parts::new(script, self.role, &self.config);
        let mut ws = WebSocket::from_parts(parts.extensions(self.extensions()));
        let mut messages = Vec::new();
        let end = loop {
            match recv(&mut ws).await {
                Ok(Some(message)) => messages.push(message),
                end => break end,
            }
        };
        assert_eq!(messages, self.messages(), "connection");
        assert_eq!(seen.written(), self.wire(), "bytes on the wire");
        assert!(seen.shut_down(), "the stream was not shut down");
        let again = recv(&mut ws).await;
        assert_eq!(format!("{again:?}"), format!("{end:?}"), "not repeated");
        match (self.error, end) {
            (Some(expected), Err(Error::Protocol(error))) => assert_eq!(error, expected),
            (None, end) => {
                let code = match &end {
                    Ok(_) => None,
                    Err(Error::Closed(closed)) => Some(u16::from(closed.code())),
                    Err(error) => panic!("connection: {error:?}"),
                };
                let expected = match self.close_code() {
                    Some(None | Some(1000 | 1001)) => None,
                    Some(code) => code,
                    None => Some(1006),
                };
                assert_eq!(code, expected, "connection: {end:?}");
            }
            (expected, end) => panic!("connection: expected {expected:?}, got {end:?}"),
        }
    }

    fn messages(&self) -> Vec<Message> {
        let message = |event: &Event| match event {
            Event::Message(message) => Some(message.clone()),
            _ => None,
        };
        self.events.iter().filter_map(message).collect()
    }

    /// The answer that the endpoint has to send.
    fn wire(&self) -> Vec<u8> {
        let mut wire = Vec::new();
        for event in &self.events {
            match event {
                Event::Ping(payload) => wire.extend(frame(self.role, FIN | PONG, payload)),
                Event::Close(close) => {
                    let payload = close
                        .code()
                        .map_or_else(Vec::new, |code| close_payload(code.into(), close.reason()));
                    wire.extend(frame(self.role, FIN | CLOSE, &payload));
                }
                Event::Message(_) | Event::Pong(_) => {}
            }
        }
        if let Some(error) = self.error {
            let payload = close_payload(error.close_code().into(), error.as_str());
            wire.extend(frame(self.role, FIN | CLOSE, &payload));
        }
        wire
    }

    fn is_closed(&self) -> bool {
        self.close_code().is_some()
    }

    /// The code of the peer's Close frame. `Some(None)` is a Close frame without a code.
    fn close_code(&self) -> Option<Option<u16>> {
        match self.events.last() {
            Some(Event::Close(close)) => Some(close.code().map(u16::from)),
            _ => None,
        }
    }
}

fn is_limit(error: ProtocolError) -> bool {
    matches!(
        error,
        ProtocolError::FrameTooBig { .. } | ProtocolError::MessageTooBig { .. }
    )
}

/// Receives a message in chunks, and joins them. The end of the connection in the middle of a message is an error, which
/// here is the end that `recv` reports.
async fn recv_in_chunks(ws: &mut WebSocket<Script>) -> Result<Option<Message>, Error> {
    let Some(mut reader) = ws.recv_stream().await? else {
        return Ok(None);
    };
    let is_text = reader.is_text();
    let mut bytes = Vec::new();
    loop {
        match reader.chunk().await {
            Ok(Some(chunk)) => {
                assert!(!chunk.is_empty() && chunk.is_text() == is_text);
                bytes.extend_from_slice(chunk.as_bytes());
            }
            Ok(None) if is_text => {
                let text = String::from_utf8(bytes).expect("chunks are whole characters");
                return Ok(Some(text.into()));
            }
            Ok(None) => return Ok(Some(bytes.into())),
            Err(Error::Closed(closed)) if closed.is_clean() => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// Drops a reader before its first chunk, and receives the whole message.
async fn recv_after_a_look(ws: &mut WebSocket<Script>) -> Result<Option<Message>, Error> {
    let is_text = match ws.recv_stream().await? {
        Some(reader) => reader.is_text(),
        None => return Ok(None),
    };
    let message = ws.recv().await?;
    assert!(message.as_ref().is_none_or(|it| it.is_text() == is_text));
    Ok(message)
}

/// Copies a lent message, and overwrites it and the bytes behind it.
pub(crate) fn overwrite(message: MessageRef<'_>) -> Message {
    let copy = message.to_message();
    message.with_padding(|bytes, _| bytes.fill(0xFF));
    copy
}

fn copy(event: EventRef<'_>) -> Event {
    match event {
        EventRef::Message(message) => Event::Message(overwrite(message)),
        EventRef::Ping(payload) => Event::Ping(payload),
        EventRef::Pong(payload) => Event::Pong(payload),
        EventRef::Close(frame) => Event::Close(frame),
    }
}

/// Runs the same vector in both roles. `build` is called with the role of the endpoint and that of its
/// peer.
pub(crate) fn check_both(build: impl Fn(Role, Role) -> Vector) {
    build(Role::Client, Role::Server).check();
    build(Role::Server, Role::Client).check();
}
