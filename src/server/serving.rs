//! [`Serving`]: the loop that accepts clients, and the task of each client.
//!
//! ```text
//!  accept(2) ─▶ wrap the stream ─▶ read the request ─▶ handler ─┬─ upgrade ─▶ … ─▶ close
//!             └───────── bounded by a watch ─────────┘          └─ respond
//! ```

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    task::yield_now,
    time::{Instant, Sleep, sleep, sleep_until, timeout},
};

use super::{
    Opening,
    builder::Options,
    guests::{Cut, Guests, Key, Place},
    handle::going_away,
    opening::Admission,
    report::panicked,
    trace,
};
use crate::{
    connection::WebSocket,
    error::Error,
    frame::{CloseCode, CloseFrame, Role},
    handshake::HandshakeError,
    net::{
        Stream,
        listener::Listeners,
        opening::{Deadline, deadline},
        served::HandlerTask,
    },
    text::Text,
};

/// The first pause after `accept(2)` failed, for example because no descriptors are left.
const MIN_PAUSE: Duration = Duration::from_millis(5);
/// The longest pause after `accept(2)` failed.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The number of clients that are accepted without a pause for other tasks.
const BATCH: u32 = 16;

/// The reason of the Close frame at the end of the lifetime of a connection.
const LIFETIME_ENDED: &str = "the lifetime of the connection has ended";

/// A server that serves.
pub(super) struct Serving<H> {
    shared: Arc<Shared<H>>,
}

/// The parts of a server that the tasks of its clients share.
struct Shared<H> {
    options: Arc<Options>,
    guests: Arc<Guests>,
    handler: H,
}

impl<H, F> Serving<H>
where
    H: Fn(Opening<Stream>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    pub(super) fn new(options: Arc<Options>, guests: Arc<Guests>, handler: H) -> Self {
        Self {
            shared: Arc::new(Shared {
                options,
                guests,
                handler,
            }),
        }
    }

    /// Serves until the server is shut down, and all clients have left.
    pub(super) async fn run(self, mut listeners: Listeners) {
        let guests = Arc::clone(&self.shared.guests);
        let accepting = race(self.accept_all(&mut listeners), guests.expire_all());
        race(accepting, guests.stopped()).await;
        drop(listeners);
        guests.emptied().await;
    }

    /// Accepts clients, each in a task of its own. Pauses while `accept(2)` fails.
    async fn accept_all(&self, listeners: &mut Listeners) {
        let mut pause = MIN_PAUSE;
        for number in 1_u32.. {
            if number.is_multiple_of(BATCH) {
                // A burst of clients delays the others on this thread only a little.
                yield_now().await;
            }
            match poll_fn(|cx| listeners.poll_accept(cx)).await {
                Ok(stream) => {
                    pause = MIN_PAUSE;
                    self.spawn(stream);
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    self.shared.options.report.error(&error.into(), None);
                    sleep(pause).await;
                    pause = (2 * pause).min(MAX_PAUSE);
                }
            }
        }
    }

    fn spawn(&self, stream: Stream) {
        let shared = Arc::clone(&self.shared);
        let peer = match stream.peer_addr() {
            Ok(peer) => Some(peer),
            // A port scanner has reset the connection.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return,
            Err(_) => None,
        };
        let (place, cut) = shared.guests.enter(peer);
        let deadline = deadline(Role::Server, &shared.options.config);
        let watch = Watch {
            cut,
            sleep: Box::pin(sleep_until(deadline.at)),
            deadline,
        };
        // Boxed, so that the task of a connection does not keep the memory of its handshake.
        let opening = Box::pin(open(Arc::clone(&shared), stream, place, peer, watch));
        let client = async move {
            let Some((mut client, handler)) = opening.await else {
                return;
            };
            let end = {
                let mut handler = pin!(handler);
                poll_fn(|cx| client.poll(handler.as_mut(), cx)).await
            };
            Box::pin(client.finish(end)).await;
        };
        trace::spawn(client, peer);
    }
}

/// A client whose handler runs.
struct Client {
    task: HandlerTask,
    place: Place,
    phase: Phase,
}

/// The progress of a client.
enum Phase {
    /// The client has no answer.
    Opening(Box<Watch>),
    Open,
    /// The handler has dropped its connection and still runs.
    Closing(Box<Closing>),
}

/// The watch over an opening handshake.
struct Watch {
    cut: oneshot::Receiver<Cut>,
    sleep: Pin<Box<Sleep>>,
    deadline: Deadline,
}

/// In a box of its own in [`Phase`], so that the task of each client stays small.
type Closing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Why the handler of a client has ended.
enum End {
    Returned(Result<(), Error>),
    Panicked(Error),
    /// The client has no answer.
    Unanswered(Error),
    /// The server ends now.
    Cancelled,
}

impl Phase {
    /// Polls until the opening handshake has to end early. Never completes once the client has its answer.
    fn poll_watch(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let Self::Opening(watch) = self else {
            return Poll::Pending;
        };
        let reason = match Pin::new(&mut watch.cut).poll(cx) {
            Poll::Ready(Ok(Cut::Crowded)) => "too many clients are in the opening handshake",
            Poll::Ready(Ok(Cut::Stopping)) => "the server is shutting down",
            Poll::Ready(Err(_)) => {
                *self = Self::Open;
                return Poll::Pending;
            }
            Poll::Pending => {
                let ended = watch.sleep.as_mut().poll(cx);
                return ended.map(|()| watch.deadline.error());
            }
        };
        Poll::Ready(HandshakeError::Unavailable { reason }.into())
    }
}

/// Wraps the stream, reads the request and calls the handler, under a watch. Returns `None` if that failed.
async fn open<H, F>(
    shared: Arc<Shared<H>>,
    stream: Stream,
    place: Place,
    peer: Option<SocketAddr>,
    watch: Watch,
) -> Option<(Client, F)>
where
    H: Fn(Opening<Stream>) -> F,
{
    let mut phase = Phase::Opening(Box::new(watch));
    let begun = {
        let mut begun = pin!(begin(&shared, stream, peer, place.key()));
        poll_fn(|cx| match phase.poll_watch(cx) {
            Poll::Ready(error) => Poll::Ready(Err(error)),
            Poll::Pending => begun.as_mut().poll(cx),
        })
        .await
    };
    let called = begun.and_then(|(task, opening)| {
        let call = AssertUnwindSafe(|| (shared.handler)(opening));
        Ok((task, catch_unwind(call).map_err(panicked)?))
    });
    match called {
        Ok((task, handler)) => {
            let client = Client { task, place, phase };
            Some((client, handler))
        }
        Err(error) => {
            shared.options.report.error(&error, peer);
            None
        }
    }
}

/// Wraps the stream and reads the request.
async fn begin<H>(
    shared: &Shared<H>,
    stream: Stream,
    peer: Option<SocketAddr>,
    key: Key,
) -> Result<(HandlerTask, Opening<Stream>), Error> {
    let stream = shared.options.wrap(stream).await?;
    let stream = match (stream.peer_addr(), peer) {
        (Err(_), Some(peer)) => stream.with_peer_addr(peer),
        _ => stream,
    };
    let task = stream.handler_task();
    let on_open = |key: &Key, ws: &mut WebSocket<Stream>| {
        ws.cork(Stream::cork_functions);
        key.on_open(ws.get_ref().task_waker());
    };
    let admission = Admission { key, on_open };
    let opening = Opening::begin(stream, Arc::clone(&shared.options), Some(admission)).await?;
    Ok((task, opening))
}

impl Client {
    /// Polls a handler until it ends, or has to end. Closes a connection that the handler has dropped.
    fn poll<F>(&mut self, handler: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<End>
    where
        F: Future<Output = Result<(), Error>>,
    {
        if let Phase::Opening(_) = self.phase {
            self.task.set_task(cx.waker());
            if let Poll::Ready(error) = self.phase.poll_watch(cx) {
                return Poll::Ready(End::Unanswered(error));
            }
            if let Phase::Open = self.phase {
                self.place.set_task(self.task.cork());
            }
        }
        let guests = self.place.guests();
        if guests.is_cancelled() {
            return Poll::Ready(End::Cancelled);
        }
        let (end, is_left) = self.task.poll(handler, cx);
        match end {
            Poll::Ready(Ok(result)) => return Poll::Ready(End::Returned(result)),
            Poll::Ready(Err(panic)) => return Poll::Ready(End::Panicked(panicked(panic))),
            Poll::Pending => {}
        }
        if is_left && let Poll::Ready(Some(left)) = self.task.poll_left(cx) {
            let closing = close(left.into(), frame(CloseCode::NORMAL), Arc::clone(guests));
            self.phase = Phase::Closing(Box::new(Box::pin(closing)));
        }
        if let Phase::Closing(closing) = &mut self.phase
            && closing.as_mut().as_mut().poll(cx).is_ready()
        {
            self.phase = Phase::Open;
        }
        Poll::Pending
    }

    /// Waits until the connection is no longer used, and closes it.
    async fn finish(self, end: End) {
        let Self { task, place, phase } = self;
        let guests = place.guests();
        let closing_frame = match &end {
            End::Returned(Ok(())) | End::Cancelled | End::Unanswered(_) => frame(CloseCode::NORMAL),
            End::Returned(Err(error)) => error
                .close_frame()
                .unwrap_or_else(|| frame(CloseCode::INTERNAL_ERROR)),
            End::Panicked(_) => frame(CloseCode::INTERNAL_ERROR),
        };
        if let End::Returned(Err(error)) | End::Panicked(error) | End::Unanswered(error) = end {
            guests.report().error(&error, place.peer());
        }
        place.set_task(task.cork());
        if let Phase::Closing(closing) = phase {
            closing.await;
        } else if let Some(ws) = left_connection(&task, guests).await {
            close(ws, closing_frame, Arc::clone(guests)).await;
        }
        task.abandon();
    }
}

/// Waits for the connection that its last owner drops. Returns `None` if the stream was dropped without a
/// connection, and the last bytes of the handler have left or the close timeout has passed.
async fn left_connection(task: &HandlerTask, guests: &Guests) -> Option<WebSocket<Stream>> {
    loop {
        let left = poll_fn(|cx| match task.poll_left(cx) {
            Poll::Pending if guests.is_cancelled() => Poll::Ready(None),
            left => left,
        });
        match timeout(guests.close_timeout().max(MIN_PAUSE), left).await {
            Ok(left) => return left.map(WebSocket::from),
            Err(_) if task.is_stream_dropped() => return None,
            // Another task uses the connection.
            Err(_) => {}
        }
    }
}

/// Returns a Close frame without a reason.
fn frame(code: CloseCode) -> CloseFrame {
    CloseFrame::from_static(code, Text::default())
}

/// Closes a connection with `frame`, or as the server that stops. If every handler has to end now, makes one
/// attempt.
async fn close(mut ws: WebSocket<Stream>, frame: CloseFrame, guests: Arc<Guests>) {
    let frame = guests.stop_frame().unwrap_or(frame);
    {
        let mut closing = pin!(ws.close_with(frame));
        let closed = poll_fn(|cx| match closing.as_mut().poll(cx) {
            Poll::Pending if guests.is_cancelled() => Poll::Ready(Ok(())),
            closed => closed,
        });
        // The handler had the chance to learn how the connection ends.
        let _ = closed.await;
    }
    trace::closed(&ws);
}

impl Guests {
    /// Closes connections at the end of their lifetime.
    async fn expire_all(&self) {
        let frame = going_away(LIFETIME_ENDED);
        loop {
            match self.expire(Instant::now(), &frame) {
                Some(next) => sleep_until(next).await,
                None => self.has_lifetimes().await,
            }
        }
    }
}

/// Runs both futures until one of them completes.
pub(super) async fn race(first: impl Future<Output = ()>, second: impl Future<Output = ()>) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|cx| match first.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => second.as_mut().poll(cx),
    })
    .await;
}
