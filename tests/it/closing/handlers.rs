//! The end of a connection whose handler of `serve` has ended.

use std::{
    panic::resume_unwind,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    net::TcpSocket,
    sync::{Notify, Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::sleep,
};
use tokio_util::either::Either;
use wsimd::{
    ClientBuilder, Closed, Config, Error, Handle, Role, ServerBuilder, WebSocket,
    extension::Deflate, net::Stream,
};

use super::{
    MESSAGES, QUEUED_LEN,
    cases::{Case, Data, Peer, Who},
    fill_up,
    peer::{RawPeer, Seen},
};
use crate::support::{deflate::RSV1, secs, soon};

const CLOSE_TIMEOUT: Duration = secs(4);

/// The time that the connection is used after the end of its handler.
const LATER: Duration = Duration::from_millis(40);

/// How the handler ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Ok,
    Err,
    Panic,
}

/// Where the connection is when the handler ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Handler,
    Halves,
    /// Another task sends one more message later.
    Task,
    /// Two tasks have a half each, and one of them sends one more message later.
    Tasks,
    /// The handler has taken the connection apart and put it together.
    Rebuilt,
    /// The handler has taken the connection apart, and drops the parts.
    Parts,
    /// The handler has dropped the connection, and still runs for a while.
    Dropped,
}

/// What was sent before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    /// Messages that were fed and not flushed.
    Fed,
    Sent,
    Compressed,
    /// Messages in the inbox of a handle.
    Inbox,
}

#[derive(Clone, Copy, Debug)]
struct Handling {
    ending: Ending,
    place: Place,
    before: Before,
    unread: bool,
    peer: Peer,
}

/// Returns every combination. Nothing more is sent to a peer whose receive side is full.
fn all() -> Vec<Handling> {
    let mut all = Vec::new();
    for ending in [Ending::Ok, Ending::Err, Ending::Panic] {
        for place in [
            Place::Handler,
            Place::Halves,
            Place::Task,
            Place::Tasks,
            Place::Rebuilt,
            Place::Parts,
            Place::Dropped,
        ] {
            for before in [
                Before::Nothing,
                Before::Fed,
                Before::Sent,
                Before::Compressed,
                Before::Inbox,
            ] {
                for unread in [false, true] {
                    for peer in [
                        Peer::Behaves,
                        Peer::Silent,
                        Peer::Gone,
                        Peer::KeepsOpen,
                        Peer::Full,
                    ] {
                        all.push(Handling {
                            ending,
                            place,
                            before,
                            unread,
                            peer,
                        });
                    }
                }
            }
        }
    }
    all.retain(|it| it.peer != Peer::Full || it.before == Before::Nothing);
    all
}

impl Handling {
    /// Returns the code of our Close frame, if we owe one. DESIGN: a handler that returns closes with 1000, and with
    /// 1011 after an error or a panic, once nothing holds the connection any more.
    const fn code(&self) -> Option<u16> {
        match (self.place, self.ending) {
            // The stream belongs to the application.
            (Place::Parts, _) => None,
            // The handler has not failed yet.
            (Place::Dropped, _) | (_, Ending::Ok) => Some(1000),
            _ => Some(1011),
        }
    }

    /// Returns the number of messages that the peer reads before our Close frame.
    fn delivered(&self) -> usize {
        let before = if self.before == Before::Nothing {
            0
        } else {
            MESSAGES
        };
        before + usize::from(matches!(self.place, Place::Task | Place::Tasks))
    }

    fn case(&self) -> Case {
        Case {
            role: Role::Server,
            who: Who::Close,
            code: self.code(),
            data: Data::Nothing,
            unread: self.unread,
            peer: self.peer,
            unix: false,
        }
    }

    fn config(&self) -> Config {
        let config = Config::new().close_timeout(CLOSE_TIMEOUT);
        match self.before {
            Before::Compressed => config.extension(Deflate::new().threshold(0)),
            _ => config,
        }
    }

    /// Runs the handler.
    async fn handle(self, mut ws: WebSocket<Stream>) -> Result<(), Error> {
        if self.peer == Peer::Full {
            fill_up(&mut ws).await;
        } else {
            self.send(&mut ws).await?;
        }
        match self.place {
            Place::Handler => self.end(ws),
            Place::Halves => self.end(ws.split()),
            Place::Rebuilt => self.end(WebSocket::from_parts(ws.into_parts())),
            Place::Parts => self.end(ws.into_parts()),
            Place::Dropped => {
                drop(ws);
                sleep(LATER).await;
                self.end(())
            }
            Place::Task => {
                tokio::spawn(async move {
                    sleep(LATER).await;
                    let _ = tokio::time::timeout(LATER, ws.send(message())).await;
                });
                self.end(())
            }
            Place::Tasks => {
                let (read, mut write) = ws.split();
                tokio::spawn(async move {
                    sleep(LATER / 2).await;
                    drop(read);
                });
                tokio::spawn(async move {
                    sleep(LATER).await;
                    let _ = tokio::time::timeout(LATER, write.send(message())).await;
                });
                self.end(())
            }
        }
    }

    async fn send(&self, ws: &mut WebSocket<Stream>) -> Result<(), Error> {
        for _ in 0..MESSAGES {
            match self.before {
                Before::Nothing => {}
                Before::Fed => ws.feed(message()).await?,
                Before::Sent | Before::Compressed => ws.send(message()).await?,
                Before::Inbox => ws.handle().try_send(message()).unwrap(),
            }
        }
        Ok(())
    }

    /// Ends the handler, which drops its connection.
    fn end<T>(self, _held: T) -> Result<(), Error> {
        match self.ending {
            Ending::Ok => Ok(()),
            Ending::Err => Err(Error::other("the handler has failed")),
            // As `panic!`, without the output.
            Ending::Panic => resume_unwind(Box::new("the handler has panicked")),
        }
    }
}

/// Zeroes compress well. Their number is known after compression too.
fn message() -> Vec<u8> {
    vec![0; QUEUED_LEN]
}

/// A server for one case, and the handle of its connection.
struct Served {
    peer: RawPeer,
    /// The handler waits for the client to write.
    go: Arc<Notify>,
    handles: mpsc::UnboundedReceiver<Handle>,
    server: wsimd::ServerHandle,
    task: tokio::task::JoinHandle<()>,
}

async fn serve(case: Handling) -> Served {
    let config = case.config();
    let builder = ServerBuilder::new().config(config.clone());
    let server = builder.bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let (report, handles) = mpsc::unbounded_channel();
    let go = Arc::new(Notify::new());
    let wait = Arc::clone(&go);
    let handle = server.handle();
    let task = tokio::spawn(async move {
        let serving = server.serve(move |mut ws| {
            let (report, wait) = (report.clone(), Arc::clone(&wait));
            async move {
                report.send(ws.handle()).unwrap();
                wait.notified().await;
                case.handle(ws).await
            }
        });
        serving.await;
    });
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let client = ClientBuilder::new().config(config);
    let uri = format!("ws://{address}/");
    let (ws, _) = client.handshake(&uri, stream).await.unwrap();
    let parts = ws.into_parts();
    let peer = RawPeer::new(Either::Left(parts.io), case.case()).with_read(&parts.read_buf);
    Served {
        peer,
        go,
        handles,
        server: handle,
        task,
    }
}

async fn check(case: Handling) {
    let mut served = serve(case).await;
    if case.unread {
        served.peer.write_unread().await;
        sleep(Duration::from_millis(2)).await;
    }
    let handle = soon(served.handles.recv()).await.unwrap();
    served.go.notify_one();
    let start = Instant::now();
    let (report, reported) = oneshot::channel();
    let near = async {
        let closed = handle.closed().await;
        while served.server.connection_count() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
        let took = start.elapsed();
        let _ = report.send(());
        (closed, took)
    };
    let far = served.peer.behave(reported);
    let ((closed, took), seen) = soon(async { tokio::join!(near, far) }).await;
    served.task.abort();
    compare(&case, &closed, took, &seen);
}

fn compare(case: &Handling, closed: &Closed, took: Duration, seen: &Seen) {
    let context = format!("{case:?}\n{closed:?} {took:?}\n{:?}", seen.close);
    let code = case.code().filter(|_| case.peer != Peer::Full);
    assert_eq!(
        seen.close.flatten(),
        code,
        "our code on the wire in {context}"
    );
    assert!(
        !seen.is_talkative,
        "frames after our Close frame in {context}"
    );
    let answer = code.filter(|_| case.peer.answers());
    let of = |frame: &Option<wsimd::CloseFrame>| {
        let code = frame.as_ref().and_then(wsimd::CloseFrame::code);
        code.map(u16::from)
    };
    assert_eq!(of(&closed.received), answer, "the peer's code in {context}");
    if case.peer != Peer::Full {
        assert_eq!(of(&closed.sent), code, "our code in {context}");
    }
    if code.is_some() {
        assert!(!seen.is_reset, "a reset instead of the end in {context}");
        assert_eq!(
            seen.frames.len(),
            case.delivered(),
            "our messages in {context}"
        );
    }
    let is_compressed = |(first, _): &(u8, usize)| first & RSV1 != 0;
    let compresses = case.before == Before::Compressed;
    let compressed = seen.frames.iter().filter(|it| is_compressed(it)).count();
    assert!(
        !compresses || code.is_none() || compressed >= MESSAGES,
        "{context}"
    );
    let waits = case.code().is_some() && answer.is_none();
    // Bytes that the handler has sent may leave until the deadline.
    let is_bounded = waits || case.peer == Peer::Full;
    let bound = if is_bounded {
        4 * CLOSE_TIMEOUT
    } else {
        CLOSE_TIMEOUT * 3 / 4
    };
    assert!(took < bound, "late: {context}");
    assert!(
        !waits || took >= CLOSE_TIMEOUT,
        "before the deadline: {context}"
    );
}

#[tokio::test]
async fn handlers_that_end_close_their_connection() {
    let (quick, slow): (Vec<_>, Vec<_>) = all().into_iter().partition(|case| case.peer.answers());
    for (width, cases) in [(16, quick), (700, slow)] {
        let width = Arc::new(Semaphore::new(width));
        let mut running = JoinSet::new();
        for case in cases {
            let permit = Arc::clone(&width).acquire_owned().await.unwrap();
            running.spawn(async move {
                check(case).await;
                drop(permit);
            });
        }
        running.join_all().await;
    }
}
