//! `next` in a `select!`: no attempt is lost, and no second one starts.

use std::task::Poll;

use tokio::time::interval;

use super::*;
use crate::support::poll_once;

#[tokio::test(start_paused = true)]
async fn next_may_be_dropped_after_each_poll() {
    let answers = [
        Answer::Refuse,
        Answer::Hang,
        Answer::Respond("HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"),
        Answer::Late(secs(2)),
    ];
    let (mut connections, attempts) = reconnect(answers);
    let mut polls = 0;
    let mut ws = loop {
        if let Poll::Ready(next) = poll_once(connections.next()) {
            break next.unwrap();
        }
        polls += 1;
        sleep(Duration::from_millis(10)).await;
    };
    assert_eq!((attempts.count(), connections.failures()), (4, 3));
    assert!(polls > 5, "{polls}");
    ws.send("hello").await.unwrap();
    // The attempts and their ends, in order: a pause below 1 s, 5 s and a pause below 2 s, 3 s and a pause below 4 s.
    let times = attempts.times();
    let late = Duration::from_millis(10) + TICK;
    for (pair, (least, most)) in times.windows(2).zip([(0, 1), (5, 7), (3, 7)]) {
        let time = pair[1] - pair[0];
        assert!(
            (secs(least)..=secs(most) + 3 * late).contains(&time),
            "{times:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_fast_timer_beside_it_delays_no_attempt() {
    let (mut connections, attempts) = reconnect([Answer::Refuse, Answer::Late(secs(1))]);
    let mut ticks = 0;
    let mut timer = interval(Duration::from_millis(1));
    let mut ws = loop {
        tokio::select! {
            biased;
            _ = timer.tick() => ticks += 1,
            ws = connections.next() => break ws.unwrap(),
        }
    };
    ws.send("hello").await.unwrap();
    assert_eq!(attempts.count(), 2);
    assert!(ticks >= 1000, "{ticks}");
    let opened = attempts.times()[1] + secs(1);
    let elapsed = attempts.start.elapsed();
    assert!(
        (opened..=opened + 2 * TICK).contains(&elapsed),
        "{elapsed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_time_of_an_attempt_runs_while_nothing_polls_it() {
    let (mut connections, attempts) = reconnect([Answer::Hang, Answer::Late(secs(0))]);
    assert!(poll_once(connections.next()).is_pending());
    sleep(secs(60)).await;
    connections.next().await.unwrap();
    assert_eq!((attempts.count(), connections.failures()), (2, 1));
    assert!(connections.last_error().unwrap().is_timeout());
}

#[tokio::test(start_paused = true)]
async fn a_drop_ends_the_attempt() {
    struct Alive(Arc<()>);

    let alive = Arc::new(());
    let guard = Arc::clone(&alive);
    let client = ClientBuilder::new()
        .addresses([SocketAddr::from(([192, 0, 2, 1], 80))])
        .connect_with(move |_| {
            let alive = Alive(Arc::clone(&guard));
            async move {
                let Alive(_alive) = alive;
                std::future::pending().await
            }
        });
    let mut connections = client.reconnect(URI).unwrap();
    drop(client);
    assert!(poll_once(connections.next()).is_pending());
    assert_eq!(Arc::strong_count(&alive), 3);
    drop(connections);
    assert_eq!(Arc::strong_count(&alive), 1);
}
