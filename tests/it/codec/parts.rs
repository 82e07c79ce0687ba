//! A connection that is taken apart and continues under `Framed`.

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_util::codec::{Framed, FramedParts};
use wsimd::{
    CloseCode, CloseFrame, Codec, Config, Event, Message, Parts, Role, WebSocket,
    extension::Deflate, protocol::Endpoint,
};

use crate::support::{
    deflate::{agree, text},
    poll_once,
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

/// Continues under `Framed`, and returns the message that was parked.
fn into_framed(ws: WebSocket<DuplexStream>) -> (Framed<DuplexStream, Codec>, Option<Message>) {
    let parts = ws.into_parts();
    let mut framed = FramedParts::new::<Event>(parts.io, Codec::from(parts.endpoint));
    framed.read_buf = parts.read_buf;
    framed.write_buf = parts.write_buf.into();
    (Framed::from_parts(framed), parts.message)
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
        let (mut framed, parked) = into_framed(ws);
        assert_eq!(parked, None);
        peer.write(usize::MAX).await;
        let event = framed.next().await.unwrap().unwrap();
        assert_eq!(event, text(20_000).into());
        check(framed, peer).await;
    }
}

#[tokio::test]
async fn a_parked_message_is_among_the_parts() {
    for role in [Role::Client, Role::Server] {
        let Pair { mut ws, mut peer } = Pair::new(role).await;
        peer.queue("parked");
        peer.queue(text(3000));
        peer.write(usize::MAX).await;
        ws.flush().await.unwrap();
        ws.flush().await.unwrap();
        let (mut framed, parked) = into_framed(ws);
        assert_eq!(parked, Some("parked".into()));
        let event = framed.next().await.unwrap().unwrap();
        assert_eq!(event, text(3000).into());
        check(framed, peer).await;
    }
}

#[tokio::test]
async fn a_message_that_waits_for_room_leaves_under_framed() {
    for role in [Role::Client, Role::Server] {
        let Pair { mut ws, mut peer } = Pair::new(role).await;
        let large: Vec<u8> = crate::support::deflate::noise(300_000, 7);
        assert!(poll_once(ws.send(large.clone())).is_pending());
        let (mut framed, _) = into_framed(ws);
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
    let (mut framed, _) = into_framed(ws);
    let flush = tokio::spawn(async move {
        SinkExt::<Event>::flush(&mut framed).await.unwrap();
        framed
    });
    assert_eq!(peer.next().await, Event::Pong("held".into()));
    assert_eq!(peer.next().await, large.into());
    check(flush.await.unwrap(), peer).await;
}
