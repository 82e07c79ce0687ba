//! The length of the pauses, and the time after which a connection is stable.

use super::*;

/// The limits of the pauses in seconds, until a reset.
const LIMITS: [u64; 9] = [1, 2, 4, 8, 16, 32, 60, 60, 60];

/// Returns the pauses between connections that each last for this time.
async fn pauses_after(lasting: Duration) -> Vec<Duration> {
    let (mut connections, attempts) = reconnect([Answer::Lose(lasting)]);
    for _ in 0..=LIMITS.len() {
        one_session(&mut connections).await.unwrap();
    }
    let times = attempts.times();
    let pairs = times.windows(2);
    pairs.map(|pair| pair[1] - pair[0] - lasting).collect()
}

#[tokio::test(start_paused = true)]
async fn the_pauses_of_a_server_that_accepts_and_hangs_up_grow_to_their_maximum() {
    let mut longest = [Duration::ZERO; LIMITS.len()];
    for run in 0..64 {
        let pauses = pauses_after(Duration::from_millis(run)).await;
        for ((pause, limit), longest) in pauses.into_iter().zip(LIMITS).zip(&mut longest) {
            assert!(pause <= secs(limit) + TICK, "{pause:?}, limit {limit} s");
            *longest = pause.max(*longest);
        }
    }
    // A pause is longer than half of its limit in one run of two.
    for (longest, limit) in longest.into_iter().zip(LIMITS) {
        assert!(longest > secs(limit) / 2, "{longest:?}, limit {limit} s");
    }
}

#[tokio::test(start_paused = true)]
async fn the_pauses_of_attempts_that_fail_grow_as_well() {
    let (connections, attempts) = reconnect([Answer::Refuse]);
    let mut connections = connections.max_attempts(10);
    connections.next().await.unwrap_err();
    let times = attempts.times();
    for (pair, limit) in times.windows(2).zip(LIMITS) {
        assert!(pair[1] - pair[0] <= secs(limit) + TICK, "{times:?}");
    }
    assert_eq!(times.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_random() {
    let mut pauses = Vec::new();
    for _ in 0..16 {
        let (mut connections, attempts) = reconnect([Answer::Refuse, Answer::Late(secs(0))]);
        connections.next().await.unwrap();
        pauses.push(attempts.times()[1]);
    }
    pauses.sort();
    pauses.dedup();
    assert!(pauses.len() > 2, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn only_a_connection_of_ten_seconds_resets_the_failures() {
    let almost = secs(10) - TICK;
    for is_lost in [true, false] {
        let end = |time| match is_lost {
            true => Answer::Lose(time),
            false => Answer::Close(time),
        };
        let answers = [
            Answer::Refuse,
            end(almost),
            end(secs(0)),
            end(almost),
            end(secs(10)),
            end(secs(3600)),
            end(almost),
            Answer::Late(secs(0)),
        ];
        let (mut connections, attempts) = reconnect(answers);
        let mut failures = Vec::new();
        for _ in 1..answers.len() {
            failures.push({
                let ws = connections.next().await.unwrap();
                let failures = connections.failures();
                if let Err(error) = tokio::time::timeout(secs(9999), session(ws))
                    .await
                    .unwrap_or(Ok(()))
                {
                    connections.recover(error).unwrap();
                }
                failures
            });
        }
        // The failures at the start of each connection.
        assert_eq!(failures, [1, 2, 3, 4, 0, 0, 1]);
        let times = attempts.times();
        let pause = |number: usize, lasting| times[number] - times[number - 1] - lasting;
        assert!(pause(5, secs(10)) <= secs(1) + TICK, "{times:?}");
        assert!(pause(6, secs(3600)) <= secs(1) + TICK, "{times:?}");
        assert!(pause(7, almost) <= secs(2) + TICK, "{times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_bounds_of_the_pauses_and_the_stable_time_are_settings() {
    let (connections, attempts) = reconnect([Answer::Lose(secs(1))]);
    let mut connections = connections
        .min_delay(Duration::from_millis(20))
        .max_delay(Duration::from_millis(50))
        .stable_after(secs(2));
    for failures in 1..50 {
        one_session(&mut connections).await.unwrap();
        assert_eq!(connections.failures(), failures);
    }
    for (number, pair) in attempts.times().windows(2).enumerate() {
        let limit = Duration::from_millis([20, 40].get(number).copied().unwrap_or(50));
        let pause = pair[1] - pair[0] - secs(1);
        assert!(pause <= limit + TICK, "{pause:?} of {limit:?}");
    }
    let mut connections = connections.stable_after(secs(1));
    one_session(&mut connections).await.unwrap();
    assert_eq!(connections.failures(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_pause_starts_with_the_error_and_not_with_the_next_call() {
    let (mut connections, attempts) = reconnect([Answer::Lose(secs(1))]);
    one_session(&mut connections).await.unwrap();
    // Longer than the limit of the pause.
    sleep(secs(1)).await;
    connections.next().await.unwrap();
    assert!(attempts.times()[1] <= secs(2) + TICK);
    assert_eq!(attempts.start.elapsed(), attempts.times()[1]);
    assert_eq!(attempts.start.elapsed(), secs(2));
}
