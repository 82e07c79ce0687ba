//! The two rules of the keepalive, in exact times.

use std::time::Duration;

use wsimd::{
    Config, Role,
    protocol::{Duty, Keepalive},
};

use crate::support::{pair::Pair, pinging, secs};

const NANO: Duration = Duration::from_nanos(1);

/// A keepalive that was started at zero.
fn started(config: &Config) -> Keepalive {
    let mut keepalive = Keepalive::new(config);
    assert_eq!(keepalive.next(), None);
    assert_eq!(keepalive.judge(Duration::ZERO, false), Duty::Wait);
    keepalive
}

/// Judges at each time of [`Keepalive::next`], until the peer is given up. Returns the times of the pings
/// and of the end.
fn silence(keepalive: &mut Keepalive) -> (Vec<u64>, u64) {
    let mut pings = Vec::new();
    loop {
        let now = keepalive.next().unwrap();
        // A moment earlier there is no duty.
        assert_eq!(keepalive.judge(now - NANO, false), Duty::Wait);
        match keepalive.judge(now, false) {
            Duty::Ping => pings.push(now.as_secs()),
            Duty::GiveUp => return (pings, now.as_secs()),
            Duty::Wait => panic!("no duty at {now:?}"),
        }
    }
}

#[test]
fn a_silent_peer_is_given_up_after_the_interval_and_the_timeout() {
    for (interval, timeout, pings) in [
        (20, 20, &[20][..]),
        (60, 5, &[60]),
        (5, 20, &[5, 10, 15, 20]),
        (10, 25, &[10, 20, 30]),
    ] {
        let mut keepalive = started(&pinging(interval, timeout));
        let expected = (pings.to_vec(), interval + timeout);
        assert_eq!(silence(&mut keepalive), expected, "{interval} {timeout}");
    }
}

#[test]
fn the_first_judgement_starts_the_interval_at_any_time() {
    for start in [secs(0), secs(1), secs(1 << 33)] {
        let mut keepalive = Keepalive::new(&pinging(20, 5));
        assert_eq!(keepalive.judge(start, false), Duty::Wait);
        assert_eq!(keepalive.next(), Some(start + secs(20)));
    }
}

#[test]
fn bytes_that_arrive_are_a_sign_of_life() {
    let mut keepalive = started(&pinging(20, 20));
    for ping in 1..100 {
        keepalive.on_received();
        assert_eq!(keepalive.judge(secs(20 * ping), false), Duty::Ping);
    }
    assert_eq!(keepalive.judge(secs(20 * 100), false), Duty::GiveUp);
}

#[test]
fn bytes_that_arrive_postpone_no_ping() {
    let mut keepalive = started(&pinging(20, 20));
    for now in 1..20 {
        keepalive.on_received();
        assert_eq!(keepalive.judge(secs(now), false), Duty::Wait);
        assert_eq!(keepalive.next(), Some(secs(20)));
    }
    keepalive.on_received();
    assert_eq!(keepalive.judge(secs(20), false), Duty::Ping);
}

#[test]
fn written_bytes_are_no_sign_of_life_while_nothing_waits() {
    let mut keepalive = started(&pinging(20, 20));
    assert_eq!(keepalive.judge(secs(20), false), Duty::Ping);
    keepalive.on_written();
    assert_eq!(keepalive.judge(secs(40), false), Duty::GiveUp);
}

#[test]
fn the_timeout_runs_from_the_first_unanswered_ping() {
    let mut keepalive = started(&pinging(10, 25));
    assert_eq!(keepalive.judge(secs(10), false), Duty::Ping);
    assert_eq!(keepalive.judge(secs(20), false), Duty::Ping);
    keepalive.on_received();
    assert_eq!(keepalive.judge(secs(29), false), Duty::Wait);
    assert_eq!(silence(&mut keepalive), (vec![30, 40, 50], 55));
}

#[test]
fn a_late_judgement_sends_one_ping_and_looks_at_the_bytes_first() {
    let mut keepalive = started(&pinging(20, 20));
    // Three intervals have passed.
    assert_eq!(keepalive.judge(secs(70), false), Duty::Ping);
    assert_eq!(keepalive.next(), Some(secs(90)));
    keepalive.on_received();
    assert_eq!(keepalive.judge(secs(1000), false), Duty::Ping);
    assert_eq!(keepalive.next(), Some(secs(1020)));
    assert_eq!(keepalive.judge(secs(5000), false), Duty::GiveUp);
}

#[test]
fn a_keepalive_that_is_off_has_no_duty() {
    for config in [
        Config::new(),
        pinging(20, 20).ping_interval(None),
        Config::new().ping_interval(Duration::MAX),
        Config::new().ping_interval(secs(u64::MAX >> 1)),
    ] {
        let mut keepalive = Keepalive::new(&config);
        assert!(!keepalive.is_on());
        for now in [secs(0), secs(1 << 40), Duration::MAX] {
            for blocked in [false, true] {
                assert_eq!(keepalive.judge(now, blocked), Duty::Wait);
                assert_eq!(keepalive.next(), None);
                assert!(!keepalive.is_blocked());
            }
        }
    }
}

#[test]
fn without_a_timeout_the_peer_is_never_given_up() {
    let mut keepalive = started(&pinging(20, 1).ping_timeout(None));
    for ping in 1..1000 {
        assert_eq!(keepalive.judge(secs(20 * ping), false), Duty::Ping);
        assert_eq!(keepalive.next(), Some(secs(20 * (ping + 1))));
    }
    for now in [secs(30_000), secs(1 << 40), Duration::MAX] {
        assert_eq!(keepalive.judge(now, true), Duty::Wait);
    }
}

#[test]
fn an_interval_of_zero_is_a_millisecond() {
    let mut keepalive = started(&pinging(0, 1));
    assert_eq!(keepalive.next(), Some(Duration::from_millis(1)));
    let (pings, end) = silence(&mut keepalive);
    assert_eq!((pings.len(), end), (1000, 1));
}

#[test]
fn output_that_waits_for_the_timeout_ends_the_connection() {
    let mut keepalive = started(&pinging(20, 7));
    assert_eq!(keepalive.judge(secs(3), true), Duty::Wait);
    assert!(keepalive.is_blocked());
    assert_eq!(keepalive.next(), Some(secs(10)));
    assert_eq!(keepalive.judge(secs(10) - NANO, true), Duty::Wait);
    assert_eq!(keepalive.judge(secs(10), true), Duty::GiveUp);
}

#[test]
fn bytes_that_arrive_are_no_sign_of_life_while_output_waits() {
    let mut keepalive = started(&pinging(20, 7));
    for now in 3..10 {
        assert_eq!(keepalive.judge(secs(now), true), Duty::Wait);
        keepalive.on_received();
    }
    assert_eq!(keepalive.judge(secs(10), true), Duty::GiveUp);
}

#[test]
fn bytes_that_the_stream_takes_are_a_sign_of_life_while_output_waits() {
    let mut keepalive = started(&pinging(20, 7));
    assert_eq!(keepalive.judge(secs(3), true), Duty::Wait);
    for now in (9..1000).step_by(6) {
        keepalive.on_written();
        // No ping is sent, however many intervals pass.
        assert_eq!(keepalive.judge(secs(now), true), Duty::Wait);
        assert_eq!(keepalive.next(), Some(secs(now + 7)));
    }
    assert_eq!(keepalive.judge(secs(999 + 7), true), Duty::GiveUp);
}

#[test]
fn output_that_was_written_in_the_meantime_starts_the_timeout_again() {
    // The owner may judge only at the times of `next`: the end can be late, and never early.
    let mut keepalive = started(&pinging(20, 7));
    assert_eq!(keepalive.judge(secs(3), true), Duty::Wait);
    keepalive.on_written();
    assert_eq!(keepalive.judge(secs(10), true), Duty::Wait);
    assert_eq!(keepalive.judge(secs(17), true), Duty::GiveUp);
}

#[test]
fn a_peer_that_reads_again_is_alive_and_is_pinged_if_a_ping_is_due() {
    for (now, duty) in [(19, Duty::Wait), (20, Duty::Ping), (24, Duty::Ping)] {
        let mut keepalive = started(&pinging(20, 7));
        assert_eq!(keepalive.judge(secs(18), true), Duty::Wait);
        // The time of an unanswered ping from before the output waited is irrelevant now.
        assert_eq!(keepalive.judge(secs(now), false), duty);
        assert!(!keepalive.is_blocked());
        let next = keepalive.next().unwrap();
        assert_eq!(keepalive.judge(next - NANO, false), Duty::Wait);
    }
}

#[test]
fn output_that_waits_replaces_the_wait_for_a_pong() {
    let mut keepalive = started(&pinging(20, 7));
    assert_eq!(keepalive.judge(secs(20), false), Duty::Ping);
    assert_eq!(keepalive.judge(secs(26), true), Duty::Wait);
    assert_eq!(keepalive.next(), Some(secs(33)));
    assert_eq!(keepalive.judge(secs(27), false), Duty::Wait);
    // The peer counts as alive. The next ping is due at its time.
    assert_eq!(silence(&mut keepalive), (vec![40], 47));
}

#[test]
fn no_time_overflows() {
    let latest = Duration::MAX;
    // The keepalive counts nanoseconds in 64 bits.
    let last = Duration::from_nanos(u64::MAX);
    for config in [
        pinging(20, 20),
        pinging(20, u64::MAX),
        pinging(1 << 33, 1 << 33),
        Config::new().ping_interval(Duration::from_nanos(u64::MAX / 2 - 1)),
    ] {
        for start in [secs(0), last - secs(30), last - NANO, last, latest] {
            for blocked in [false, true] {
                let mut keepalive = Keepalive::new(&config);
                keepalive.judge(start, blocked);
                for now in [last - NANO, last, latest, latest] {
                    let duty = keepalive.judge(now.max(start), blocked);
                    assert!(!blocked || duty != Duty::Ping);
                    assert!(keepalive.next().unwrap() <= last);
                }
            }
        }
    }
}

#[test]
fn times_that_end_before_64_bits_of_nanoseconds_are_exact() {
    let start = Duration::from_nanos(u64::MAX) - secs(50);
    let mut keepalive = Keepalive::new(&pinging(20, 20));
    assert_eq!(keepalive.judge(start, false), Duty::Wait);
    assert_eq!(keepalive.judge(start + secs(20), false), Duty::Ping);
    assert_eq!(keepalive.judge(start + secs(40) - NANO, false), Duty::Wait);
    assert_eq!(keepalive.judge(start + secs(40), false), Duty::GiveUp);
}

#[test]
fn two_endpoints_keep_each_other_alive() {
    let mut pair = Pair::new(&pinging(20, 5));
    for _ in 0..3600 {
        pair.advance(secs(1));
        pair.drive();
    }
    for role in [Role::Client, Role::Server] {
        let times: Vec<Duration> = (1..=180).map(|ping| secs(20 * ping)).collect();
        assert_eq!(pair.side(role).ping_times, times);
        let pings = pair.side(role).pings.clone();
        assert_eq!(pair.side(role).pongs(), pings);
        assert_eq!(pair.side(role).gave_up, None);
    }
}

#[test]
fn an_endpoint_gives_a_stalled_stream_up_although_bytes_arrive() {
    let mut pair = Pair::with_configs(&Config::new(), &pinging(20, 5));
    pair.send(Role::Server, "stalled").unwrap();
    for _ in 0..10 {
        pair.send(Role::Client, "alive").unwrap();
        pair.deliver(Role::Client, usize::MAX);
        pair.advance(secs(1));
    }
    assert_eq!(pair.server.gave_up, Some(secs(5)));
    assert!(pair.server.is_done());
}

#[test]
fn an_endpoint_gives_a_peer_up_whose_ping_was_lost() {
    let mut pair = Pair::with_configs(&Config::new(), &pinging(20, 5));
    pair.server.lost_pings = 1;
    for _ in 0..60 {
        pair.drive();
        pair.advance(secs(1));
    }
    assert_eq!(pair.server.ping_times, [secs(20)]);
    assert_eq!(pair.server.gave_up, Some(secs(25)));
}
