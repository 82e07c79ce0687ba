//! The user of one side of two connections that play a random story.

use std::{cell::RefCell, mem, rc::Rc, thread, time::Duration};

use tokio::time::sleep;
use wsimd::{CloseCode, Error, Message, Parts, Role, WebSocket};

use super::{
    deflate::agree,
    link::{End, Link},
    model::{Accepted, Log, Scheduler, Settings, SideLog, check_ends, check_messages},
    poll_once,
    tasks::Random,
};

/// The last action of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// Closes, and receives until the end.
    SendClose,
    /// Closes, and discards.
    Close,
    /// Receives until the end.
    Receive,
    Abort,
}

/// Prints the story of a seed that fails.
struct Report {
    seed: u64,
    settings: Settings,
    logs: [Log; 2],
}

impl Drop for Report {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("seed {}: {:?}", self.seed, self.settings);
            for (log, name) in self.logs.iter().zip(["client", "server"]) {
                let Ok(log) = log.try_borrow() else { continue };
                eprintln!("{name}:");
                for line in &log.story {
                    eprintln!("  {line}");
                }
                eprintln!("  {:?} {:?}", log.closed, log.outcome);
            }
        }
    }
}

/// Plays a story: `spawn` creates the tasks of each side.
pub(crate) async fn play(seed: u64, spawn: impl Fn(User, WebSocket<End>, &mut Scheduler<'static>)) {
    let mut random = Random::new(seed);
    let settings = Settings::new(&mut random);
    let logs = [(); 2].map(|()| Rc::new(RefCell::new(SideLog::default())));
    let report = Report {
        seed,
        settings: settings.clone(),
        logs: logs.clone(),
    };
    let (link, near, far) = Link::new(seed, settings.capacity);
    let mut scheduler = Scheduler::new(link.clone(), seed, settings.is_unkind);
    let (client, server) = agree(&settings.config, &settings.config);
    let lasts = [Last::SendClose, Last::Close, Last::Receive, Last::Abort];
    // At least one side closes.
    let mut lasts = [lasts[random.below(2)], lasts[random.below(4)]];
    if random.below(2) == 0 {
        lasts.swap(0, 1);
    }
    for (place, (io, extensions)) in [(near, client), (far, server)].into_iter().enumerate() {
        let role = [Role::Client, Role::Server][place];
        let parts = Parts::new(io, role, &settings.config).extensions(extensions);
        let user = User {
            log: Rc::clone(&logs[place]),
            random: Random::new(seed * 1000 + place as u64),
            settings: settings.clone(),
            last: lasts[place],
            source: 'a',
        };
        spawn(user, WebSocket::from_parts(parts), &mut scheduler);
    }
    scheduler.run().await;
    drop(scheduler);
    for log in &logs {
        for waiter in mem::take(&mut log.borrow_mut().waiters) {
            assert!(poll_once(waiter).is_ready(), "a ping waits after the end");
        }
    }
    let [client, server] = report.logs.each_ref().map(|log| log.borrow());
    check_messages(&client, &server);
    check_messages(&server, &client);
    check_ends([&client, &server], settings.is_unkind || link.has_failed());
}

/// A task that uses a connection.
pub(crate) struct User {
    pub(crate) log: Log,
    pub(crate) random: Random,
    pub(crate) settings: Settings,
    pub(crate) last: Last,
    /// The name of its messages.
    pub(crate) source: char,
}

impl User {
    /// Creates another user of the same side.
    pub(crate) fn other(&mut self, source: char) -> Self {
        Self {
            log: Rc::clone(&self.log),
            random: Random::new(self.random.below(1 << 30) as u64),
            settings: self.settings.clone(),
            last: self.last,
            source,
        }
    }

    pub(crate) fn message(&mut self) -> Message {
        let len = self.settings.message_len(&mut self.random);
        self.log.borrow_mut().message(self.source, len)
    }

    pub(crate) fn accept(&self, accepted: Accepted) {
        self.log.borrow_mut().set_accepted(self.source, accepted);
    }

    pub(crate) fn note(&self, line: &str) {
        self.log
            .borrow_mut()
            .note(format!("{}: {line}", self.source));
    }

    /// Notes the outcome of a dropped or finished `send`.
    pub(crate) fn on_send(&self, sent: Option<Result<(), Error>>) {
        self.accept(match sent {
            Some(Ok(())) => Accepted::Yes,
            Some(Err(Error::Send(_))) => Accepted::No,
            Some(Err(_)) | None => Accepted::Perhaps,
        });
    }

    /// Notes the outcome of a future that accepts at its end.
    pub(crate) fn on_feed<T, E>(&self, fed: Option<Result<T, E>>) {
        self.accept(match fed {
            Some(Ok(_)) => Accepted::Yes,
            _ => Accepted::No,
        });
    }

    /// Notes a result of `recv`. Returns whether the connection has ended.
    pub(crate) fn on_recv(&self, received: &Result<Option<Message>, Error>) -> bool {
        let mut log = self.log.borrow_mut();
        match received {
            Ok(Some(message)) => log.receive(message),
            end => log.outcome = Some(format!("{end:?}")),
        }
        !matches!(received, Ok(Some(_)))
    }

    pub(crate) async fn pause(&mut self) {
        let millis = self.random.below(100) as u64;
        sleep(Duration::from_millis(millis)).await;
    }

    pub(crate) fn code(&mut self) -> CloseCode {
        [1000, 1001, 1011, 4000][self.random.below(4)].into()
    }
}
