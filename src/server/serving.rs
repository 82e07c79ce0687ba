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
    error::{Error, Timeout},
    frame::{CloseCode, CloseFrame},
    handshake::HandshakeError,
    net::{HandlerTask, Stream, listener::Listeners, opening::deadline},
};

/// The first pause after `accept(2)` failed, for example because no descriptors are left.
const MIN_PAUSE: Duration = Duration::from_millis(5);
/// The longest pause after `accept(2)` failed.
const MAX_PAUSE: Duration = Duration::from_secs(1);

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
        loop {
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
        let peer = stream.peer_addr().ok();
        let (place, cut) = shared.guests.enter(peer);
        let mut phase = Phase::Opening(Box::new(Watch {
            cut,
            deadline: Box::pin(sleep_until(deadline(&shared.options.config))),
        }));
        // Boxed, so that the task of a connection does not keep the memory of its handshake.
        let mut opening = Box::pin(open(Arc::clone(&shared), stream, peer, place.key()));
        let client = async move {
            let begun = poll_fn(|cx| match phase.poll_watch(cx) {
                Poll::Ready(error) => {
                    shared.options.report.error(&error, peer);
                    Poll::Ready(None)
                }
                Poll::Pending => opening.as_mut().poll(cx),
            });
            let begun = begun.await;
            drop(opening);
            let Some((task, handler)) = begun else {
                return;
            };
            let end = {
                let mut handler = pin!(handler);
                poll_fn(|cx| poll_client(&task, handler.as_mut(), &place, &mut phase, cx)).await
            };
            Box::pin(finish(&shared, task, end, phase, &place)).await;
        };
        tokio::spawn(trace::instrument(client, peer));
    }
}

/// The progress of a client.
enum Phase {
    /// The client has no answer.
    Opening(Box<Watch>),
    Open,
    /// The handler goes on without its connection.
    Closing(Closing),
}

/// The watch over an opening handshake.
struct Watch {
    cut: oneshot::Receiver<Cut>,
    deadline: Pin<Box<Sleep>>,
}

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
                let ended = watch.deadline.as_mut().poll(cx);
                return ended.map(|()| Error::Timeout(Timeout::Open));
            }
        };
        Poll::Ready(HandshakeError::Unavailable { reason }.into())
    }
}

/// Wraps the stream, reads the request and calls the handler. Returns `None` if that failed.
async fn open<H, F>(
    shared: Arc<Shared<H>>,
    stream: Stream,
    peer: Option<SocketAddr>,
    key: Key,
) -> Option<(HandlerTask, F)>
where
    H: Fn(Opening<Stream>) -> F,
{
    let begun = async {
        let stream = shared.options.wrap(stream).await?;
        let stream = match (stream.peer_addr(), peer) {
            (Err(_), Some(peer)) => stream.with_peer_addr(peer),
            _ => stream,
        };
        let task = stream.handler_task();
        let cork = Stream::cork_functions;
        let admission = Admission { key, cork };
        let opening = Opening::begin(stream, Arc::clone(&shared.options), Some(admission)).await?;
        Ok((task, opening))
    };
    let (task, opening) = match begun.await {
        Ok(begun) => begun,
        Err(error) => {
            shared.options.report.error(&error, peer);
            return None;
        }
    };
    match catch_unwind(AssertUnwindSafe(|| (shared.handler)(opening))) {
        Ok(handler) => Some((task, handler)),
        Err(panic) => {
            shared.options.report.error(&panicked(panic), peer);
            None
        }
    }
}

/// Polls a handler until it ends, or has to end. Closes a connection that the handler has dropped.
fn poll_client<F>(
    task: &HandlerTask,
    handler: Pin<&mut F>,
    place: &Place,
    phase: &mut Phase,
    cx: &mut Context<'_>,
) -> Poll<End>
where
    F: Future<Output = Result<(), Error>>,
{
    if let Phase::Opening(_) = phase {
        if let Poll::Ready(error) = phase.poll_watch(cx) {
            return Poll::Ready(End::Unanswered(error));
        }
        if let Phase::Open = phase {
            task.set_task(cx.waker());
            place.set_task(task.cork());
        }
    }
    if place.guests().is_cancelled() {
        return Poll::Ready(End::Cancelled);
    }
    let (end, is_left) = task.poll(handler, cx);
    match end {
        Poll::Ready(Ok(result)) => return Poll::Ready(End::Returned(result)),
        Poll::Ready(Err(panic)) => return Poll::Ready(End::Panicked(panicked(panic))),
        Poll::Pending => {}
    }
    if is_left && let Poll::Ready(Some(ws)) = task.poll_left(cx) {
        let guests = Arc::clone(place.guests());
        *phase = Phase::Closing(Box::pin(close(ws, CloseCode::NORMAL, guests)));
    }
    if let Phase::Closing(closing) = phase
        && closing.as_mut().poll(cx).is_ready()
    {
        *phase = Phase::Open;
    }
    Poll::Pending
}

/// Waits until the connection is no longer used, and closes it.
async fn finish<H>(shared: &Shared<H>, task: HandlerTask, end: End, phase: Phase, place: &Place) {
    let code = match &end {
        End::Returned(Ok(())) | End::Cancelled | End::Unanswered(_) => CloseCode::NORMAL,
        End::Returned(Err(_)) | End::Panicked(_) => CloseCode::INTERNAL_ERROR,
    };
    if let End::Returned(Err(error)) | End::Panicked(error) | End::Unanswered(error) = end {
        shared.options.report.error(&error, place.peer());
    }
    place.set_task(task.cork());
    let close_timeout = shared.options.config.settings.close_timeout;
    if let Phase::Closing(closing) = phase {
        closing.await;
    } else if let Some(ws) = left_connection(&task, close_timeout, place.guests()).await {
        close(ws, code, Arc::clone(place.guests())).await;
    }
    task.abandon();
}

/// Waits for the connection that its last owner drops. Returns `None` if the stream was dropped without a
/// connection, and the last bytes of the handler have left or `close_timeout` has passed.
async fn left_connection(
    task: &HandlerTask,
    close_timeout: Duration,
    guests: &Guests,
) -> Option<WebSocket<Stream>> {
    loop {
        let left = poll_fn(|cx| match task.poll_left(cx) {
            Poll::Pending if guests.is_cancelled() => Poll::Ready(None),
            left => left,
        });
        match timeout(close_timeout.max(MIN_PAUSE), left).await {
            Ok(left) => return left,
            Err(_) if task.is_stream_dropped() => return None,
            // Another task uses the connection.
            Err(_) => {}
        }
    }
}

/// Closes a connection with `code`, or as the server that stops. If every handler has to end now, makes one
/// attempt.
async fn close(mut ws: WebSocket<Stream>, code: CloseCode, guests: Arc<Guests>) {
    let frame = match guests.stop_frame() {
        Some(frame) => frame,
        None => CloseFrame::new(code, "").unwrap_or_default(),
    };
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
