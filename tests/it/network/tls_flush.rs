//! The bytes that TLS has taken and the socket has not, under `serve`.

use std::{
    future::pending,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc,
    time::timeout,
};
use wsimd::{ClientBuilder, Config, Error, ServerBuilder, WebSocket, net::Stream};

use super::certificates::Authority;
use crate::support::serve::Running;

/// The time for a test.
const LIMIT: Duration = Duration::from_secs(10);
/// The lengths of the messages. The cork keeps the first, and cannot keep both.
const LENS: [usize; 2] = [40_000, 30_000];

/// The number of bytes that a stream takes, and the task that waits for more.
type Room = Arc<Mutex<(usize, Option<Waker>)>>;

/// A stream that takes a number of bytes, and then none until the test opens it.
struct Gate {
    stream: Stream,
    room: Room,
}

fn open(room: &Room) {
    let mut room = room.lock().unwrap();
    room.0 = usize::MAX;
    room.1.take().into_iter().for_each(Waker::wake);
}

impl AsyncRead for Gate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Gate {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let shared = Arc::clone(&self.room);
        let mut room = shared.lock().unwrap();
        if room.0 == 0 {
            room.1 = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let part = &buf[..buf.len().min(room.0)];
        let written = Pin::new(&mut self.stream).poll_write(cx, part);
        if let Poll::Ready(Ok(len)) = written {
            room.0 -= len;
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Sends two messages into a stream without room for the second one, whose end stays in the buffer of TLS.
async fn send_both(
    ws: &mut WebSocket<Stream>,
    done: &mpsc::UnboundedSender<()>,
) -> Result<(), Error> {
    for len in LENS {
        ws.send(vec![1; len]).await?;
    }
    done.send(()).unwrap();
    Ok(())
}

/// Serves a handler that runs `act`, which sends both messages. Receives them after `act` has sent them.
async fn receive_whole<F>(
    act: impl Fn(WebSocket<Stream>, mpsc::UnboundedSender<()>) -> F + Clone + Send + Sync + 'static,
) where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let authority = Authority::new("tests");
    let room = Room::new(Mutex::new((usize::MAX, None)));
    let gate = Arc::clone(&room);
    let config = Config::new().ping_interval(None);
    let builder = ServerBuilder::new()
        .config(config.clone())
        .tls(authority.server())
        .wrap_streams(move |stream| {
            let room = Arc::clone(&gate);
            async move { Ok(Stream::new(Gate { stream, room })) }
        });
    let (sender, mut sent) = mpsc::unbounded_channel();
    let limited = Arc::clone(&room);
    let handler = move |ws| {
        limited.lock().unwrap().0 = 50_000;
        act(ws, sender.clone())
    };
    let server = Running::start_with(builder, handler).await;
    let client = ClientBuilder::new().config(config).tls(authority.client());
    let uri = format!("wss://localhost:{}/", server.address.port());
    let mut ws = client.connect(uri).await.unwrap();
    timeout(LIMIT, sent.recv()).await.unwrap().unwrap();
    tokio::task::yield_now().await;
    assert_eq!(room.lock().unwrap().0, 0, "the stream has taken all");
    open(&room);
    for len in LENS {
        let received = timeout(LIMIT, ws.recv()).await;
        let message = received.expect("the end of a message never left");
        assert_eq!(message.unwrap().unwrap().into_bytes().len(), len);
    }
}

#[tokio::test]
async fn the_end_of_a_message_leaves_while_the_handler_receives() {
    receive_whole(|mut ws, sent| async move {
        send_both(&mut ws, &sent).await?;
        ws.recv().await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn the_end_of_a_message_leaves_while_the_handler_waits_for_something_else() {
    receive_whole(|mut ws, sent| async move {
        send_both(&mut ws, &sent).await?;
        pending().await
    })
    .await;
}

#[tokio::test]
async fn the_end_of_a_message_leaves_while_another_task_receives() {
    receive_whole(|mut ws, sent| async move {
        send_both(&mut ws, &sent).await?;
        let task = tokio::spawn(async move { ws.recv().await.map(drop) });
        task.await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn the_end_of_a_message_of_another_task_leaves_while_that_task_waits_for_something_else() {
    receive_whole(|mut ws, sent| async move {
        let task = tokio::spawn(async move {
            send_both(&mut ws, &sent).await?;
            pending().await
        });
        task.await.unwrap()
    })
    .await;
}
