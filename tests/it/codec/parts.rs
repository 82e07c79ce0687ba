//! A connection that is taken apart and continues under `Framed`.

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_util::codec::Framed;
use wsimd::{
    CloseCode, CloseFrame, Codec, Config, Event, Frame, Message, Parts, Role, WebSocket,
    extension::Deflate,
    frame::{Opcode, Rsv},
    protocol::Endpoint,
};

use crate::support::{
    deflate::{RSV1, agree, config, deflate, text},
    expect,
    frames::{BINARY, FIN, frame},
    poll_once,
    script::Script,
    soon,
    zlib::Zlib,
};

/// A connection whose peer is an endpoint at the other end of a pipe. Both compress.
struct Pair {
    ws: WebSocket<DuplexStream>,
    peer: Peer,
}

struct Peer {
    endpoint: Endpoint,
    io: DuplexStream,
    input: BytesMut,
    output: BytesMut,
}

impl Pair {
    /// Creates a connection whose windows have seen a message in each direction.
    async fn new(role: Role) -> Self {
        let config = Config::new()
            .extension(Deflate::new().threshold(0))
            .outgoing_frame_size(100);
        let (client, server) = agree(&config, &config);
        let (ours, theirs) = match role {
            Role::Client => (client, server),
            Role::Server => (server, client),
        };
        let (near, io) = duplex(1 << 16);
        let mut endpoint = Endpoint::new(role.peer(), &config);
        endpoint.set_extensions(theirs);
        let mut pair = Self {
            ws: WebSocket::from_parts(Parts::new(near, role, &config).extensions(ours)),
            peer: Peer {
                endpoint,
                io,
                input: BytesMut::new(),
                output: BytesMut::new(),
            },
        };
        pair.peer.send(text(1000)).await;
        assert_eq!(pair.ws.recv().await.unwrap(), Some(text(1000).into()));
        pair.ws.send(text(1000)).await.unwrap();
        assert_eq!(pair.peer.next().await, text(1000).into());
        pair
    }
}

impl Peer {
    fn queue(&mut self, message: impl Into<Message>) {
        self.endpoint.send(message, &mut self.output).unwrap();
    }

    async fn send(&mut self, message: impl Into<Message>) {
        self.queue(message);
        self.write(usize::MAX).await;
    }

    /// Writes the first bytes of the output.
    async fn write(&mut self, len: usize) {
        let len = len.min(self.output.len());
        self.io.write_all(&self.output.split_to(len)).await.unwrap();
    }

    async fn next(&mut self) -> Event {
        loop {
            let event = self.endpoint.receive(&mut self.input, &mut self.output);
            if let Some(event) = event.unwrap() {
                return event;
            }
            assert!(self.io.read_buf(&mut self.input).await.unwrap() > 0);
        }
    }
}

/// Exchanges a message in each direction and closes.
async fn check(mut framed: Framed<DuplexStream, Codec>, mut peer: Peer) {
    framed.send(text(1500).into()).await.unwrap();
    assert_eq!(peer.next().await, text(1500).into());
    peer.send(text(1600)).await;
    let event = framed.next().await.unwrap().unwrap();
    assert_eq!(event, text(1600).into());
    let close = CloseFrame::new(CloseCode::GOING_AWAY, "bye").unwrap();
    framed.send(Event::Close(close.clone())).await.unwrap();
    assert_eq!(peer.next().await, Event::Close(close.clone()));
    peer.write(usize::MAX).await;
    assert_eq!(framed.next().await.unwrap().unwrap(), Event::Close(close));
    assert!(framed.codec().close_frames().is_complete());
}

#[tokio::test]
async fn a_message_of_which_half_has_arrived_is_completed_under_framed() {
    for role in [Role::Client, Role::Server] {
        let Pair { mut ws, mut peer } = Pair::new(role).await;
        peer.queue(text(20_000));
        let half = peer.output.len() / 2;
        peer.write(half).await;
        assert!(poll_once(ws.recv()).is_pending());
        let mut framed = ws.into_framed();
        peer.write(usize::MAX).await;
        let event = framed.next().await.unwrap().unwrap();
        assert_eq!(event, text(20_000).into());
        check(framed, peer).await;
    }
}

/// Creates a connection that has parked a message of its peer.
async fn parked(role: Role, behind: Option<String>) -> Pair {
    let Pair { mut ws, mut peer } = Pair::new(role).await;
    peer.queue("parked");
    behind.into_iter().for_each(|message| peer.queue(message));
    peer.write(usize::MAX).await;
    ws.flush().await.unwrap();
    ws.flush().await.unwrap();
    Pair { ws, peer }
}

#[tokio::test]
async fn a_parked_message_is_among_the_parts() {
    for role in [Role::Client, Role::Server] {
        let parts = parked(role, None).await.ws.into_parts();
        assert_eq!(parts.message.unwrap(), "parked");
    }
}

#[tokio::test]
async fn a_parked_message_is_the_first_item_under_framed() {
    for role in [Role::Client, Role::Server] {
        for behind in [None, Some(text(3000))] {
            let Pair { ws, peer } = parked(role, behind.clone()).await;
            let mut framed = ws.into_framed();
            let expected = ["parked".into()].into_iter().chain(behind);
            for message in expected {
                let event = soon(framed.next()).await.unwrap().unwrap();
                assert_eq!(event, message.into());
            }
            check(framed, peer).await;
        }
    }
}

#[tokio::test]
async fn frames_do_not_continue_inside_the_only_frame_of_a_message() {
    let (near, mut far) = duplex(64);
    let mut ws = WebSocket::new(near, Role::Client, &Config::new());
    far.write_all(b"\x82\x03ab").await.unwrap();
    assert!(poll_once(ws.recv()).is_pending());
    ws = ws.into_frames().unwrap_err();
    far.write_all(b"c").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), b"abc");
    assert!(ws.into_frames().is_ok());
}

/// All bytes of the message have arrived, so that nothing more comes.
#[tokio::test]
async fn a_message_that_is_still_being_inflated_is_completed_under_framed() {
    let message = vec![0; 48 << 20];
    let config = config(deflate(15, true)).max_message_size(64 << 20);
    let payload = Zlib::new(9, 15).message(&message);
    let input = frame(Role::Client, FIN | RSV1 | BINARY, &payload);
    let parts = Parts::new(Script::whole(&input).silent(), Role::Server, &config);
    let mut ws = WebSocket::from_parts(parts.extensions(agree(&config, &config).1));
    loop {
        assert!(poll_once(ws.recv()).is_pending());
        ws = ws.into_frames().unwrap_err();
        let parts = ws.into_parts();
        let is_read = parts.read_buf.is_empty();
        ws = WebSocket::from_parts(parts);
        if is_read {
            break;
        }
    }
    let mut framed = ws.into_framed();
    let event = soon(framed.next()).await.unwrap().unwrap();
    assert!(event == Event::from(message));
    assert!(poll_once(framed.next()).is_pending());
}

/// The rest of the message is dropped, as by `recv`.
#[tokio::test]
async fn a_message_that_was_begun_in_chunks_is_left_under_framed() {
    for role in [Role::Client, Role::Server] {
        let Pair { mut ws, mut peer } = Pair::new(role).await;
        peer.queue(text(20_000));
        let half = peer.output.len() / 2;
        peer.write(half).await;
        let mut reader = ws.recv_stream().await.unwrap().unwrap();
        assert!(reader.chunk().await.unwrap().is_some());
        drop(reader);
        ws = ws.into_frames().unwrap_err();
        let framed = ws.into_framed();
        peer.write(usize::MAX).await;
        check(framed, peer).await;
    }
}

#[tokio::test]
async fn a_message_that_was_announced_in_chunks_is_the_first_item_under_framed() {
    for role in [Role::Client, Role::Server] {
        let Pair { mut ws, mut peer } = Pair::new(role).await;
        peer.send(text(1000)).await;
        drop(ws.recv_stream().await.unwrap().unwrap());
        let mut framed = ws.into_framed();
        let event = soon(framed.next()).await.unwrap().unwrap();
        assert_eq!(event, text(1000).into());
        check(framed, peer).await;
    }
}

#[tokio::test]
async fn handles_of_a_connection_under_framed_have_reached_its_end() {
    let Pair { mut ws, peer } = Pair::new(Role::Server).await;
    let handle = ws.handle();
    let framed = ws.into_framed();
    assert!(handle.is_closed());
    assert!(handle.send("late").await.unwrap_err().is_closed());
    check(framed, peer).await;
}

#[tokio::test]
async fn frames_continue_a_connection_between_its_messages() {
    for role in [Role::Client, Role::Server] {
        let Pair { mut ws, mut peer } = Pair::new(role).await;
        ws.feed("fed").await.unwrap();
        peer.queue(text(500));
        let half = peer.output.len() / 2;
        let mut frames = ws.into_frames().unwrap();
        peer.write(half).await;
        assert!(poll_once(frames.next()).is_pending());
        peer.write(usize::MAX).await;
        let frame = frames.next().await.unwrap().unwrap();
        // Compressed messages have RSV1, which the handshake negotiated.
        assert_eq!((frame.rsv, frame.opcode), (Rsv::RSV1, Opcode::Text));
        frames.send(Frame::ping("?")).await.unwrap();
        assert_eq!(peer.next().await, "fed".into());
        assert_eq!(peer.next().await, Event::Ping("?".into()));
    }
}

#[tokio::test]
async fn frames_take_over_bytes_that_were_read_before() {
    let (near, mut far) = duplex(1024);
    let mut parts = Parts::new(near, Role::Client, &Config::new());
    parts.read_buf = BytesMut::from(&b"\x81\x05early\x89"[..]);
    parts.write_buf = Bytes::from_static(b"late");
    let mut frames = WebSocket::from_parts(parts).into_frames().unwrap();
    let frame = frames.next().await.unwrap().unwrap();
    assert_eq!(frame, Frame::text("early"));
    far.write_all(b"\x00").await.unwrap();
    let frame = frames.next().await.unwrap().unwrap();
    assert_eq!(frame, Frame::ping(""));
    SinkExt::<Frame>::flush(&mut frames).await.unwrap();
    expect(&mut far, b"late").await;
}

/// Such a connection is returned, and loses nothing.
#[tokio::test]
async fn frames_do_not_continue_inside_a_message_or_at_the_end() {
    for role in [Role::Client, Role::Server] {
        let Pair { mut ws, mut peer } = Pair::new(role).await;
        peer.queue(text(20_000));
        let key_len = if role == Role::Server { 4 } else { 0 };
        let first = 2 + key_len + usize::from(peer.output[1] & 0x7f);
        // In the first frame, between two frames, and with the message parked.
        for len in [first - 1, 1, usize::MAX] {
            peer.write(len).await;
            for _ in 0..2 {
                let _ = poll_once(ws.flush());
            }
            ws = ws.into_frames().unwrap_err();
        }
        assert_eq!(ws.recv().await.unwrap().unwrap(), text(20_000));
        ws.send_close(1000, "").await.unwrap();
        ws = ws.into_frames().unwrap_err();
        assert_eq!(
            peer.next().await,
            Event::Close(CloseFrame::new(1000, "").unwrap())
        );
        peer.write(usize::MAX).await;
        assert_eq!(ws.recv().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_message_that_waits_for_room_leaves_under_framed() {
    for role in [Role::Client, Role::Server] {
        let Pair { mut ws, mut peer } = Pair::new(role).await;
        let large: Vec<u8> = crate::support::deflate::noise(300_000, 7);
        assert!(poll_once(ws.send(large.clone())).is_pending());
        let mut framed = ws.into_framed();
        let flush = tokio::spawn(async move {
            SinkExt::<Event>::flush(&mut framed).await.unwrap();
            framed
        });
        assert_eq!(peer.next().await, large.into());
        check(flush.await.unwrap(), peer).await;
    }
}

#[tokio::test]
async fn a_message_that_was_put_among_the_parts_is_received_first() {
    let Pair { ws, mut peer } = Pair::new(Role::Server).await;
    let mut parts = ws.into_parts();
    parts.message = Some("first".into());
    let mut ws = WebSocket::from_parts(parts);
    peer.send("second").await;
    assert_eq!(ws.recv().await.unwrap(), Some("first".into()));
    assert_eq!(ws.recv().await.unwrap(), Some("second".into()));
}

/// A pong that waits for room is written before anything else.
#[tokio::test]
async fn a_held_pong_leaves_under_framed() {
    let Pair { mut ws, mut peer } = Pair::new(Role::Server).await;
    let large = crate::support::deflate::noise(300_000, 7);
    assert!(poll_once(ws.send(large.clone())).is_pending());
    peer.endpoint.ping("held".into(), &mut peer.output).unwrap();
    peer.write(usize::MAX).await;
    assert!(poll_once(ws.recv()).is_pending());
    let mut framed = ws.into_framed();
    let flush = tokio::spawn(async move {
        SinkExt::<Event>::flush(&mut framed).await.unwrap();
        framed
    });
    assert_eq!(peer.next().await, Event::Pong("held".into()));
    assert_eq!(peer.next().await, large.into());
    check(flush.await.unwrap(), peer).await;
}
