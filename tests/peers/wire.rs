//! [`Proxy`]: records a connection, and how its messages were sent.

use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::codec::Decoder;
use wsimd::{
    Config, FrameCodec, Role,
    frame::{Opcode, Rsv},
};

/// A proxy before a server, which records one connection.
pub(crate) struct Proxy {
    pub(crate) uri: String,
    from_client: Recording,
    from_server: Recording,
}

#[derive(Clone, Default)]
struct Recording(Arc<Mutex<Vec<u8>>>);

/// How a message was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Whether its first frame has RSV1.
    pub(crate) compressed: bool,
    pub(crate) frames: usize,
    /// The payloads of its frames, in bytes.
    pub(crate) len: usize,
}

impl Proxy {
    pub(crate) async fn start(server: &str) -> Self {
        let server = server.strip_prefix("ws://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("ws://{}", listener.local_addr().unwrap());
        let proxy = Self {
            uri,
            from_client: Recording::default(),
            from_server: Recording::default(),
        };
        let (there, back) = (proxy.from_client.clone(), proxy.from_server.clone());
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(server).await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::join!(
                there.pass(from_client, to_server),
                back.pass(from_server, to_client),
            );
        });
        proxy
    }

    /// The `Sec-WebSocket-Extensions` of the server.
    pub(crate) fn agreed(&self) -> String {
        let (head, _) = self.from_server.split();
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let agreed = lines.find(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Extensions"));
        agreed.expect("an extension was agreed on").1.to_owned()
    }

    /// The messages that this side sent so far.
    pub(crate) fn sent(&self, by: Role) -> Vec<Sent> {
        let (recording, receiver) = match by {
            Role::Client => (&self.from_client, Role::Server),
            Role::Server => (&self.from_server, Role::Client),
        };
        let (_, mut frames) = recording.split();
        let config = Config::new().max_frame_size(64 << 20);
        let mut codec = FrameCodec::new(receiver, &config).rsv(Rsv::RSV1);
        let mut messages: Vec<Sent> = Vec::new();
        while let Some(frame) = codec.decode(&mut frames).unwrap() {
            match frame.opcode {
                Opcode::Text | Opcode::Binary => messages.push(Sent {
                    compressed: frame.rsv == Rsv::RSV1,
                    frames: 1,
                    len: frame.payload.len(),
                }),
                Opcode::Continuation => {
                    assert_eq!(frame.rsv, Rsv::NONE);
                    let message = messages.last_mut().unwrap();
                    message.frames += 1;
                    message.len += frame.payload.len();
                }
                _ => assert_eq!(frame.rsv, Rsv::NONE),
            }
        }
        messages
    }
}

impl Recording {
    async fn pass(self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let mut bytes = BytesMut::with_capacity(65_536);
        // Every end of a peer ends the recording.
        while matches!(from.read_buf(&mut bytes).await, Ok(1..)) {
            self.0.lock().unwrap().extend_from_slice(&bytes);
            if to.write_all(&bytes).await.is_err() {
                break;
            }
            bytes.clear();
        }
        let _ = to.shutdown().await;
    }

    /// The head of the opening handshake, and the frames after it.
    fn split(&self) -> (String, BytesMut) {
        let recorded = self.0.lock().unwrap();
        let end = recorded.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let (head, frames) = recorded.split_at(end.expect("a whole head") + 4);
        (
            String::from_utf8(head.to_vec()).unwrap(),
            BytesMut::from(frames),
        )
    }
}
