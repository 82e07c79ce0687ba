use std::{cell::RefCell, rc::Rc};

use tokio::time::sleep;

use super::*;

/// The log of a race: the addresses and the milliseconds at which their attempts started or were dropped.
type Log = Rc<RefCell<Vec<(u128, &'static str, SocketAddr)>>>;

/// The outcome of an attempt.
#[derive(Clone, Copy)]
enum Fate {
    /// The address swallows the SYN.
    Silent,
    Refused(u64),
    Connected(u64),
}

fn v4(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], 80))
}

fn v6(host: u16) -> SocketAddr {
    SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, host], 80))
}

/// Logs the drop of an attempt.
struct Attempt {
    log: Log,
    start: Instant,
    addr: SocketAddr,
}

impl Attempt {
    fn note(&self, event: &'static str) {
        let at = self.start.elapsed().as_millis();
        self.log.borrow_mut().push((at, event, self.addr));
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.note("drop");
    }
}

/// Runs a race, and returns its winner, the time in milliseconds, and the log.
async fn run(
    fates: &[(SocketAddr, Fate)],
) -> (
    io::Result<SocketAddr>,
    u128,
    Vec<(u128, &'static str, SocketAddr)>,
) {
    let start = Instant::now();
    let log = Log::default();
    let connect = |addr| {
        let attempt = Attempt {
            log: Rc::clone(&log),
            start,
            addr,
        };
        let fate = fates.iter().find(|(it, _)| *it == addr).unwrap().1;
        async move {
            attempt.note("start");
            let pause = |millis| sleep(Duration::from_millis(millis));
            match fate {
                Fate::Silent => std::future::pending().await,
                Fate::Refused(millis) => {
                    pause(millis).await;
                    Err(io::Error::other(attempt.addr.to_string()))
                }
                Fate::Connected(millis) => {
                    pause(millis).await;
                    Ok(attempt.addr)
                }
            }
        }
    };
    let addresses = fates.iter().map(|(addr, _)| *addr).collect();
    let winner = race(addresses, connect).await;
    let time = start.elapsed().as_millis();
    let log = log.take();
    (winner, time, log)
}

#[test]
fn the_families_alternate_in_the_order_of_the_resolver() {
    for (resolved, ordered) in [
        (vec![], vec![]),
        (vec![v4(1)], vec![v4(1)]),
        (vec![v4(1), v4(2)], vec![v4(1), v4(2)]),
        (
            vec![v6(1), v6(2), v6(3), v4(1)],
            vec![v6(1), v4(1), v6(2), v6(3)],
        ),
        (
            vec![v4(1), v4(2), v6(1), v6(2), v6(3)],
            vec![v4(1), v6(1), v4(2), v6(2), v6(3)],
        ),
    ] {
        assert_eq!(interleave(resolved), ordered);
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_starts_after_250_ms_of_silence_and_the_first_connection_wins() {
    let fates = [
        (v6(1), Fate::Silent),
        (v4(1), Fate::Connected(40)),
        (v6(2), Fate::Connected(0)),
    ];
    let (winner, time, log) = run(&fates).await;
    assert_eq!(winner.unwrap(), v4(1));
    assert_eq!(time, 290);
    assert_eq!(
        log,
        [
            (0, "start", v6(1)),
            (250, "start", v4(1)),
            (290, "drop", v4(1)),
            (290, "drop", v6(1)),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_starts_at_once_after_a_failure() {
    let fates = [
        (v6(1), Fate::Refused(10)),
        (v4(1), Fate::Refused(20)),
        (v6(2), Fate::Connected(5)),
    ];
    let (winner, time, log) = run(&fates).await;
    assert_eq!(winner.unwrap(), v6(2));
    assert_eq!(time, 35);
    let starts: Vec<_> = log
        .iter()
        .filter(|(_, event, _)| *event == "start")
        .collect();
    assert_eq!(
        starts,
        [
            &(0, "start", v6(1)),
            &(10, "start", v4(1)),
            &(30, "start", v6(2)),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_earlier_attempt_may_still_win() {
    let fates = [
        (v6(1), Fate::Connected(600)),
        (v4(1), Fate::Silent),
        (v6(2), Fate::Silent),
    ];
    let (winner, time, log) = run(&fates).await;
    assert_eq!(winner.unwrap(), v6(1));
    assert_eq!(time, 600);
    assert_eq!(
        log.iter().filter(|(_, event, _)| *event == "start").count(),
        3
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_among_several_attempts_starts_one_more_and_resets_the_delay() {
    let fates = [
        (v6(1), Fate::Refused(300)),
        (v4(1), Fate::Silent),
        (v6(2), Fate::Silent),
        (v4(2), Fate::Connected(1)),
    ];
    let (winner, _, log) = run(&fates).await;
    assert_eq!(winner.unwrap(), v4(2));
    let starts: Vec<_> = log
        .iter()
        .filter(|(_, event, _)| *event == "start")
        .map(|(at, _, _)| *at)
        .collect();
    assert_eq!(starts, [0, 250, 300, 550]);
}

#[tokio::test(start_paused = true)]
async fn the_last_error_is_that_of_the_race() {
    let fates = [(v6(1), Fate::Refused(400)), (v4(1), Fate::Refused(10))];
    let (winner, time, _) = run(&fates).await;
    assert_eq!(winner.unwrap_err().to_string(), v6(1).to_string());
    assert_eq!(time, 400);
    let (winner, _, _) = run(&[]).await;
    assert_eq!(winner.unwrap_err().kind(), io::ErrorKind::NotFound);
}
