//! The end of a connection over real sockets: every way to end it, with every kind of peer.

mod cases;
mod handlers;
mod model;
mod ours;
mod peer;
mod resets;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream, UnixStream},
    sync::{Semaphore, oneshot},
    task::JoinSet,
};
use tokio_util::either::Either;
use wsimd::{
    Config, Parts, Role, WebSocket,
    extension::{Compress, Deflate},
    net::Stream,
};

use self::{
    cases::{Case, Data, Peer, Who},
    model::{Expected, Report, When, expected},
    ours::Outcome,
    peer::{RawPeer, Seen},
};
use crate::support::{deflate::agree, poll_once, serve::fill, soon};

/// Longer than the second that a client waits for its server.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(6);

/// The number of messages that we queue before the end, and the length of each.
const MESSAGES: usize = 3;
const QUEUED_LEN: usize = 1234;

/// The number of frames that the peer writes before the end. The buffers of the sockets hold them.
const UNREAD: usize = 10;

/// Our code when both sides close at once.
const OUR_CODE: u16 = 3001;

/// The slowest and the median report of many cases.
struct Bounds {
    each: Duration,
    median: Duration,
}

impl When {
    /// Returns the bounds: generous for each case, because the machine may be loaded, and close for the median.
    const fn bounds(self) -> Bounds {
        let (each, median) = match self {
            Self::Soon => (4000, 500),
            Self::Linger => (5500, 2500),
            Self::Deadline => (20_000, 12_000),
        };
        Bounds {
            each: Duration::from_millis(each),
            median: Duration::from_millis(median),
        }
    }

    /// Returns the number of cases that run at once.
    const fn width(self) -> usize {
        match self {
            Self::Soon => 16,
            Self::Linger => 100,
            Self::Deadline => 1500,
        }
    }
}

/// Creates the sockets of both sides. The peer has a small receive buffer.
async fn sockets(unix: bool) -> (Stream, Either<TcpStream, UnixStream>) {
    if unix {
        let (near, far) = UnixStream::pair().unwrap();
        return (Stream::from(near), Either::Right(far));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let connected = socket.connect(listener.local_addr().unwrap());
    let (far, near) = tokio::join!(connected, listener.accept());
    let far = far.unwrap();
    far.set_nodelay(true).unwrap();
    (Stream::from(near.unwrap().0), Either::Left(far))
}

fn open(io: Stream, case: &Case) -> WebSocket<Stream> {
    let config = Config::new().close_timeout(CLOSE_TIMEOUT);
    if case.data != Data::Compressed {
        return WebSocket::new(io, case.role, &config);
    }
    let config = config.extension(Deflate::new().threshold(0));
    let (client, server) = agree(&config, &config);
    let extensions = match case.role {
        Role::Client => client,
        Role::Server => server,
    };
    WebSocket::from_parts(Parts::new(io, case.role, &config).extensions(extensions))
}

/// Sends until the sockets take no more.
async fn fill_up(ws: &mut WebSocket<Stream>) {
    // Compressed messages would take long to fill a socket.
    ws.set_compress(Compress::Never);
    while fill(ws).await > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    ws.set_compress(Compress::Auto);
}

/// Runs a case. Returns the time until the report.
async fn check(case: Case) -> Duration {
    let (near, far) = sockets(case.unix).await;
    let mut ws = open(near, &case);
    let mut peer = RawPeer::new(far, case);
    let handle = ws.handle();
    if case.peer == Peer::Full {
        fill_up(&mut ws).await;
    }
    if case.data == Data::Half {
        peer.begin_message().await;
        // The runtime looks at the sockets before the task runs again.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(poll_once(ws.recv()).is_pending());
    }
    if case.unread {
        peer.write_unread().await;
    }
    if case.data.is_queued() {
        ours::queue(&mut ws, &handle, &case).await;
    }
    peer.end().await;
    let (report, reported) = oneshot::channel();
    let near = async {
        let outcome = ours::end(ws, &handle, &case).await;
        // A peer that has reset the connection does not wait.
        let _ = report.send(());
        outcome
    };
    let (outcome, seen) = soon(async { tokio::join!(near, peer.behave(reported)) }).await;
    compare(&case, &outcome, &seen);
    outcome.took
}

fn compare(case: &Case, outcome: &Outcome, seen: &Seen) {
    let expected = expected(case);
    let Expected { sent, received, .. } = expected;
    let context = format!("{case:?}\n{outcome:?}\n{expected:?}");
    let is_report = match (expected.report, outcome.report) {
        (Report::Lost, Report::Closed(1006)) => true,
        (expected, report) => expected == report,
    };
    assert!(is_report, "the report of {context}");
    assert_eq!(outcome.sent, sent, "our code in {context}");
    assert_eq!(outcome.received, received, "the peer's code in {context}");
    let is_only = received.is_some() && sent.is_none();
    let received_first = case.who == Who::PeerClose || is_only;
    assert_eq!(
        outcome.received_first, received_first,
        "the order in {context}"
    );
    if let Some(messages) = expected.messages {
        assert_eq!(outcome.messages, messages, "the messages of {context}");
    }
    assert_eq!(seen.close, sent, "our code on the wire in {context}");
    assert!(
        !seen.is_talkative,
        "frames after our Close frame in {context}"
    );
    if let Some(delivered) = expected.delivered {
        assert_eq!(seen.queued(), delivered, "our messages in {context}");
        assert!(!seen.is_reset, "a reset instead of the end in {context}");
    }
    let is_early = expected.when == When::Deadline && outcome.took < CLOSE_TIMEOUT;
    assert!(!is_early, "before the deadline: {context}");
    let is_late = outcome.took > expected.when.bounds().each;
    assert!(!is_late, "late: {context}");
}

/// Runs cases that report at the same moment. Checks the median of their times in each group of similar cases.
async fn check_all(when: When, cases: impl IntoIterator<Item = Case>) {
    let width = Arc::new(Semaphore::new(when.width()));
    let mut running = JoinSet::new();
    for case in cases {
        let permit = Arc::clone(&width).acquire_owned().await.unwrap();
        running.spawn(async move {
            let took = check(case).await;
            drop(permit);
            (
                format!("{:?} {:?} {:?}", case.role, case.who, case.peer),
                took,
            )
        });
    }
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    for (group, took) in running.join_all().await {
        groups.entry(group).or_default().push(took);
    }
    for (group, mut times) in groups {
        times.sort_unstable();
        let median = times[times.len() / 2];
        assert!(
            median < when.bounds().median,
            "{when:?} of {group}: {median:?}"
        );
    }
}

fn cases(when: When) -> impl Iterator<Item = Case> {
    let cases = cases::all().into_iter();
    cases.filter(move |case| expected(case).when == when)
}

#[tokio::test]
async fn an_end_whose_facts_are_known_is_reported_at_once() {
    check_all(When::Soon, cases(When::Soon)).await;
}

#[tokio::test]
async fn a_socket_that_the_peer_keeps_open_delays_the_report_by_a_second() {
    check_all(When::Linger, cases(When::Linger)).await;
}

#[tokio::test]
async fn a_peer_that_does_not_close_delays_the_report_until_the_deadline() {
    check_all(When::Deadline, cases(When::Deadline)).await;
}
