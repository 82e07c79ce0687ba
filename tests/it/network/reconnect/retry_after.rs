//! `Retry-After` of a server that refuses.

use super::*;

/// Returns the time of the second attempt, after a first one that got this head.
async fn pause_after(head: &'static str, set: impl FnOnce(Reconnect) -> Reconnect) -> Duration {
    let (connections, attempts) = reconnect([Answer::Respond(head), Answer::Late(secs(0))]);
    set(connections).next().await.unwrap();
    assert_eq!(attempts.count(), 2);
    attempts.times()[1]
}

/// A head with the status 503, no body, and these headers.
macro_rules! unavailable {
    ($headers:literal) => {
        concat!(
            "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n",
            $headers,
            "\r\n\r\n"
        )
    };
}

#[tokio::test(start_paused = true)]
async fn a_server_adds_its_time_to_the_pause() {
    for (head, seconds) in [
        (unavailable!("Retry-After: 120"), 120),
        (unavailable!("Retry-After: 0"), 0),
        (
            "HTTP/1.1 429 Slow Down\r\nContent-Length: 0\r\nRetry-After: 7\r\n\r\n",
            7,
        ),
        (
            unavailable!(
                "Date: Wed, 01 Jan 2025 00:00:00 GMT\r\nRetry-After: Wed, 01 Jan 2025 00:01:30 GMT"
            ),
            90,
        ),
        // A date in the past.
        (
            unavailable!("Retry-After: Wed, 01 Jan 2020 00:00:00 GMT"),
            0,
        ),
        // Invalid values.
        (unavailable!("Retry-After: soon"), 0),
        (unavailable!("Retry-After: -5"), 0),
        (unavailable!("Retry-After: 1.5"), 0),
        (unavailable!("Retry-After:"), 0),
        // Years.
        (unavailable!("Retry-After: 999999999"), 300),
        (unavailable!("Retry-After: 99999999999999999999999999"), 300),
        (
            unavailable!("Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"),
            300,
        ),
    ] {
        let pause = pause_after(head, |connections| connections).await;
        let least = secs(seconds);
        assert!(
            (least..=least + secs(1) + TICK).contains(&pause),
            "{head} {pause:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_maximum_of_the_added_time_is_a_setting() {
    const HEAD: &str = unavailable!("Retry-After: 3600");
    let pause = pause_after(HEAD, |connections| connections.max_retry_after(secs(20))).await;
    assert!((secs(20)..=secs(21) + TICK).contains(&pause), "{pause:?}");
    let pause = pause_after(HEAD, |connections| connections.max_retry_after(secs(9999))).await;
    assert!(
        (secs(3600)..=secs(3601) + TICK).contains(&pause),
        "{pause:?}"
    );
    let pause = pause_after(HEAD, |connections| {
        connections.max_retry_after(Duration::ZERO)
    })
    .await;
    assert!(pause <= secs(1) + TICK, "{pause:?}");
    let longest = |connections: Reconnect| {
        connections
            .max_retry_after(Duration::MAX)
            .max_delay(Duration::MAX)
    };
    let pause = pause_after(HEAD, longest).await;
    assert!(
        (secs(3600)..=secs(3601) + TICK).contains(&pause),
        "{pause:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn clients_that_got_the_same_time_do_not_return_at_the_same_moment() {
    let mut pauses = Vec::new();
    for _ in 0..16 {
        pauses.push(pause_after(unavailable!("Retry-After: 120"), |connections| connections).await);
    }
    pauses.sort();
    pauses.dedup();
    assert!(pauses.len() > 2, "{pauses:?}");
}
