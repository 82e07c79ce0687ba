//! Tasks that use two connections at random, and the checks of all their results.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use tokio::{
    task::yield_now,
    time::{Instant, timeout},
};
use wsimd::{Closed, Config, Message, PongWaiter, extension::Deflate};

use super::{link::Link, tasks::Random};

/// The settings of a story.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) high_water: usize,
    pub(crate) frame_size: Option<usize>,
    pub(crate) capacity: usize,
    pub(crate) is_unkind: bool,
    pub(crate) config: Config,
}

impl Settings {
    pub(crate) fn new(random: &mut Random) -> Self {
        let secs = Duration::from_secs;
        let is_unkind = random.below(3) == 0;
        let high_water = [0, 100, 4096, 65_536][random.below(4)];
        let frame_size = [None, None, Some(50), Some(1000)][random.below(4)];
        let mut config = Config::new()
            .write_high_water(high_water)
            .outgoing_frame_size(frame_size)
            .inbox_size([1, 4, 64][random.below(3)])
            .inbox_bytes([10, 1 << 20][random.below(2)])
            .close_timeout(secs(60));
        config = match (random.below(3), is_unkind) {
            (0, _) => config,
            (_, false) => config.ping_interval(secs(5)).ping_timeout(secs(60)),
            (_, true) => config.ping_interval(secs(1)).ping_timeout(secs(2)),
        };
        if random.below(5) == 0 {
            config = config.extension(Deflate::new().threshold(random.below(2) * 100));
        }
        Self {
            high_water,
            frame_size,
            capacity: [16, 300, 5000, 65_536][random.below(4)],
            is_unkind,
            config,
        }
    }

    pub(crate) fn message_len(&self, random: &mut Random) -> usize {
        match random.below(8) {
            0 => random.below(self.capacity * 8).min(100_000),
            1 => random.below(5000).min(self.capacity * 20),
            _ => random.below(200),
        }
    }

    /// The largest number of bytes that a side may queue.
    pub(crate) fn most(&self) -> usize {
        let largest = 100_000;
        let frames = largest / self.frame_size.unwrap_or(usize::MAX) + 1;
        self.high_water + largest + 14 * frames + 3 * 131
    }
}

/// Shared by the tasks of one side and by the checks.
pub(crate) type Log = Rc<RefCell<SideLog>>;

thread_local! {
    /// Whether tasks are polled that were not woken.
    static CHECKS: Cell<bool> = const { Cell::new(false) };
}

/// Whether a message was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    Yes,
    No,
    /// The future of `send` was dropped, or has failed.
    Perhaps,
}

/// Everything that one side has done and seen.
#[derive(Debug, Default)]
pub(crate) struct SideLog {
    /// The messages of each source, in order.
    pub(crate) sent: BTreeMap<char, Vec<Accepted>>,
    /// The sources and numbers of the received messages.
    pub(crate) received: Vec<(char, usize)>,
    /// Everything that was done, for the report of a failure.
    pub(crate) story: Vec<String>,
    pub(crate) closed: Option<Closed>,
    /// Whether messages were discarded.
    pub(crate) discards: bool,
    /// Whether the inbox was cleared, or the connection was dropped.
    pub(crate) abrupt: bool,
    /// The result of the last `recv`.
    pub(crate) outcome: Option<String>,
    /// The waiters of pings.
    pub(crate) waiters: Vec<PongWaiter>,
}

impl SideLog {
    pub(crate) fn note(&mut self, line: impl Into<String>) {
        self.story.push(line.into());
    }

    /// Creates the next message of a source, of about `len` bytes.
    pub(crate) fn message(&mut self, source: char, len: usize) -> Message {
        let sent = self.sent.entry(source).or_default();
        sent.push(Accepted::No);
        let number = sent.len() - 1;
        let tag = format!("{source}:{number}:{len}:");
        let mut text = tag.clone();
        let filler = char::from(b'a' + u8::try_from(number % 26).unwrap());
        text.extend(std::iter::repeat_n(filler, len.saturating_sub(tag.len())));
        self.note(format!("{source}{number} of {len} bytes"));
        match number % 2 {
            0 => text.into(),
            _ => text.into_bytes().into(),
        }
    }

    /// Sets whether the last message of a source was accepted.
    pub(crate) fn set_accepted(&mut self, source: char, accepted: Accepted) {
        *self.sent.get_mut(&source).unwrap().last_mut().unwrap() = accepted;
        self.note(format!("  accepted: {accepted:?}"));
    }

    /// Notes a received message, after a check of its content.
    pub(crate) fn receive(&mut self, message: &Message) {
        let text = str::from_utf8(message.as_bytes()).expect("ASCII was sent");
        let mut parts = text.splitn(4, ':');
        let source = parts.next().unwrap().chars().next().unwrap();
        let number: usize = parts.next().unwrap().parse().unwrap();
        let len: usize = parts.next().unwrap().parse().unwrap();
        let tag = format!("{source}:{number}:{len}:");
        assert_eq!(message.len(), len.max(tag.len()), "the length of {tag}");
        assert_eq!(message.is_text(), number.is_multiple_of(2));
        let filler = char::from(b'a' + u8::try_from(number % 26).unwrap());
        assert!(parts.next().unwrap().chars().all(|c| c == filler));
        self.note(format!("received {source}{number}"));
        self.received.push((source, number));
    }
}

/// Checks the received messages of one side against those that its peer has sent.
pub(crate) fn check_messages(receiver: &SideLog, sender: &SideLog) {
    let mut next: BTreeMap<char, usize> = BTreeMap::new();
    for (source, number) in &receiver.received {
        let sent = &sender.sent[source];
        let next = next.entry(*source).or_default();
        assert!(
            *number >= *next,
            "{source}{number} is repeated or reordered"
        );
        if !receiver.discards {
            let lost = (*next..*number).find(|number| sent[*number] == Accepted::Yes);
            assert_eq!(lost, None, "a message before {source}{number} is lost");
        }
        assert!(
            sent[*number] != Accepted::No,
            "{source}{number} was not accepted"
        );
        *next = number + 1;
    }
    let (Some(received), Some(sent)) = (&receiver.closed, &sender.closed) else {
        return;
    };
    let is_graceful = received.received.is_some() && !sent.received_first && !sender.abrupt;
    if receiver.discards || receiver.abrupt || !is_graceful {
        return;
    }
    // The Close frame comes after everything that was accepted.
    for (source, sent) in &sender.sent {
        let next = next.get(source).copied().unwrap_or_default();
        let lost = (next..sent.len()).find(|number| sent[*number] == Accepted::Yes);
        assert_eq!(lost, None, "a message of {source} before Close is lost");
    }
}

/// Checks that both sides know the same Close frames.
pub(crate) fn check_ends(logs: [&SideLog; 2], is_disturbed: bool) {
    for (side, other) in [(logs[0], logs[1]), (logs[1], logs[0])] {
        let (Some(closed), Some(others)) = (&side.closed, &other.closed) else {
            continue;
        };
        assert!(!(closed.received_first && others.received_first));
        if closed.received.is_some() {
            assert_eq!(closed.received, others.sent, "the Close frames differ");
        }
        if closed.received_first && closed.sent.is_some() {
            assert_eq!(closed.sent, closed.received, "no echo");
        }
        if is_disturbed || side.abrupt || other.abrupt {
            continue;
        }
        assert!(
            closed.is_complete(),
            "nothing has disturbed the end: {closed:?}"
        );
        let outcome = side.outcome.as_deref().unwrap();
        assert_eq!(outcome == "Ok(None)", closed.is_clean(), "{outcome}");
    }
}

/// Polls a future until it is ready, or drops it after some polls or some time, and returns `None`.
pub(crate) async fn attempt<F: Future>(random: &mut Random, future: F) -> Option<F::Output> {
    let mut polls = match random.below(2) {
        0 => usize::MAX,
        _ => random.below(5),
    };
    if polls == 0 {
        return None;
    }
    let time = Duration::from_millis(1 + random.below(400) as u64);
    let mut future = pin!(future);
    let limited = poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if CHECKS.get() => Poll::Pending,
        Poll::Pending => {
            polls -= 1;
            match polls {
                0 => Poll::Ready(None),
                _ => Poll::Pending,
            }
        }
    });
    timeout(time, limited).await.ok().flatten()
}

/// Runs tasks in the order that a seed decides, and the link between them.
pub(crate) struct Scheduler<'a> {
    tasks: Vec<Task<'a>>,
    link: Link,
    random: Random,
    /// Whether the stream stalls and fails.
    is_unkind: bool,
    /// Woken with every task.
    sleeper: Arc<Mutex<Option<Waker>>>,
}

struct Task<'a> {
    future: Pin<Box<dyn Future<Output = ()> + 'a>>,
    woken: Arc<Woken>,
}

struct Woken {
    is_woken: AtomicBool,
    sleeper: Arc<Mutex<Option<Waker>>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Relaxed);
        if let Some(sleeper) = self.sleeper.lock().unwrap().take() {
            sleeper.wake();
        }
    }
}

impl<'a> Scheduler<'a> {
    pub(crate) fn new(link: Link, seed: u64, is_unkind: bool) -> Self {
        Self {
            tasks: Vec::new(),
            link,
            random: Random::new(seed),
            is_unkind,
            sleeper: Arc::default(),
        }
    }

    pub(crate) fn spawn(&mut self, future: impl Future<Output = ()> + 'a) {
        let woken = Woken {
            is_woken: AtomicBool::new(true),
            sleeper: Arc::clone(&self.sleeper),
        };
        self.tasks.push(Task {
            future: Box::pin(future),
            woken: Arc::new(woken),
        });
    }

    /// Runs all tasks to their end.
    pub(crate) async fn run(&mut self) {
        let start = Instant::now();
        for turn in 0..2_000_000 {
            if self.tasks.is_empty() {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(3600), "time passes");
            if turn % 8 == 0 {
                // The tasks share a budget, which this renews.
                yield_now().await;
            }
            if self.is_unkind {
                self.disturb();
            }
            let woken = self.woken();
            if !woken.is_empty() && self.random.below(4) > 0 {
                let place = woken[self.random.below(woken.len())];
                self.poll(place);
            } else if !self.link.wake_late() && woken.is_empty() {
                self.rest().await;
            }
        }
        panic!("the tasks never end");
    }

    fn woken(&self) -> Vec<usize> {
        let is_woken = |task: &usize| self.tasks[*task].woken.is_woken.load(Ordering::Relaxed);
        (0..self.tasks.len()).filter(is_woken).collect()
    }

    fn poll(&mut self, place: usize) {
        let task = &mut self.tasks[place];
        task.woken.is_woken.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&task.woken));
        let cx = &mut Context::from_waker(&waker);
        if task.future.as_mut().poll(cx).is_ready() {
            drop(self.tasks.remove(place));
        }
    }

    fn disturb(&mut self) {
        let place = self.random.below(2);
        match self.random.below(1000) {
            0..5 => self.link.set_stalled(place, true),
            5 => {
                self.link.fail(place, self.random.below(3));
            }
            _ => {}
        }
    }

    /// Waits for a timer, after a check that no task could continue.
    async fn rest(&mut self) {
        yield_now().await;
        if !self.woken().is_empty() {
            return;
        }
        self.check_wakes().await;
        if self.random.below(4) == 0 && self.link.end_stalls() {
            return;
        }
        let sleeper = Arc::clone(&self.sleeper);
        let woken = poll_fn(|cx| {
            if !self.woken().is_empty() {
                return Poll::Ready(());
            }
            *sleeper.lock().unwrap() = Some(cx.waker().clone());
            Poll::Pending
        });
        let woken = timeout(Duration::from_secs(1000), woken).await;
        assert!(woken.is_ok() || self.link.end_stalls(), "no task wakes up");
    }

    /// Polls every task, which was not woken: a task that moves something has lost a wake-up.
    async fn check_wakes(&mut self) {
        self.link.set_prompt(true);
        CHECKS.set(true);
        let before = (self.link.moved(), self.tasks.len());
        for place in 0..self.tasks.len() {
            yield_now().await;
            self.poll(place);
            let after = (self.link.moved(), self.tasks.len());
            assert_eq!(before, after, "a wake-up of task {place} was lost");
        }
        self.link.set_prompt(false);
        CHECKS.set(false);
    }
}
