//! Random uses of two [`WebSocket`]s over a stream that keeps no promise, beside a model of the outcome.

use std::{cell::RefCell, mem, rc::Rc, task::Poll, thread, time::Duration};

use tokio::time::sleep;
use wsimd::{CloseCode, Error, Handle, Message, Parts, ReadHalf, Role, WebSocket, WriteHalf};

use crate::{
    endpoint::model::for_each_seed,
    support::{
        deflate::agree,
        link::{End, Link},
        model::{Accepted, Log, Scheduler, Settings, SideLog, attempt, check_ends, check_messages},
        poll_once,
        tasks::{Random, runtime},
    },
};

/// The last action of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
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

#[test]
fn two_connections_agree_with_the_model() {
    let runtime = runtime();
    for_each_seed(2000, |seed| runtime.block_on(play(seed)));
}

async fn play(seed: u64) {
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
        user.spawn(WebSocket::from_parts(parts), &mut scheduler);
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
struct User {
    log: Log,
    random: Random,
    settings: Settings,
    last: Last,
    /// The name of its messages.
    source: char,
}

impl User {
    /// Creates another user of the same side.
    fn other(&mut self, source: char) -> Self {
        Self {
            log: Rc::clone(&self.log),
            random: Random::new(self.random.below(1 << 30) as u64),
            settings: self.settings.clone(),
            last: self.last,
            source,
        }
    }

    /// Uses the connection from one task or from several.
    fn spawn(mut self, mut ws: WebSocket<End>, scheduler: &mut Scheduler<'static>) {
        for source in ['h', 'i'] {
            if self.random.below(3) == 0 {
                let user = self.other(source);
                scheduler.spawn(user.use_handle(ws.handle()));
            }
        }
        let is_split = self.random.below(2) == 0;
        self.log
            .borrow_mut()
            .note(format!("split: {is_split}, at last: {:?}", self.last));
        if is_split {
            let (reader, writer) = ws.split();
            scheduler.spawn(self.other('r').use_reader(reader));
            scheduler.spawn(self.use_writer(writer));
        } else {
            scheduler.spawn(self.use_whole(ws));
        }
    }

    fn message(&mut self) -> Message {
        let len = self.settings.message_len(&mut self.random);
        self.log.borrow_mut().message(self.source, len)
    }

    fn accept(&self, accepted: Accepted) {
        self.log.borrow_mut().set_accepted(self.source, accepted);
    }

    fn note(&self, line: &str) {
        self.log
            .borrow_mut()
            .note(format!("{}: {line}", self.source));
    }

    /// Notes the outcome of a dropped or finished `send`.
    fn on_send(&self, sent: Option<Result<(), Error>>) {
        self.accept(match sent {
            Some(Ok(())) => Accepted::Yes,
            Some(Err(Error::Send(_))) => Accepted::No,
            Some(Err(_)) | None => Accepted::Perhaps,
        });
    }

    /// Notes the outcome of a future that accepts at its end.
    fn on_feed<T, E>(&self, fed: Option<Result<T, E>>) {
        self.accept(match fed {
            Some(Ok(_)) => Accepted::Yes,
            _ => Accepted::No,
        });
    }

    /// Notes a result of `recv`. Returns whether the connection has ended.
    fn on_recv(&self, received: &Result<Option<Message>, Error>) -> bool {
        let mut log = self.log.borrow_mut();
        match received {
            Ok(Some(message)) => log.receive(message),
            end => log.outcome = Some(format!("{end:?}")),
        }
        !matches!(received, Ok(Some(_)))
    }

    async fn pause(&mut self) {
        let millis = self.random.below(100) as u64;
        sleep(Duration::from_millis(millis)).await;
    }

    fn code(&mut self) -> CloseCode {
        [1000, 1001, 1011, 4000][self.random.below(4)].into()
    }

    async fn use_whole(mut self, mut ws: WebSocket<End>) {
        for _ in 0..self.random.below(20) {
            self.step(&mut ws).await;
            assert!(ws.buffered() <= self.settings.most(), "{}", ws.buffered());
            if self.random.below(16) == 0 {
                ws = WebSocket::from_parts(ws.into_parts());
            }
            if ws.closed().is_some() {
                break;
            }
        }
        self.note("the last step");
        let code = self.code();
        match self.last {
            Last::Abort => {
                self.log.borrow_mut().abrupt = true;
                return;
            }
            Last::Close => {
                self.log.borrow_mut().discards = true;
                let _ = ws.close(code, "whole").await;
                assert!(ws.closed().is_some());
            }
            // A parked message can delay the Close frame. The first poll requests it.
            Last::SendClose => {
                let _ = poll_once(ws.send_close(code, "whole"));
            }
            Last::Receive => {}
        }
        while !self.on_recv(&ws.recv().await) {}
        assert!(ws.send("late").await.is_err());
        assert_eq!(ws.buffered(), 0);
        self.log.borrow_mut().closed = ws.closed();
        assert!(ws.closed().is_some());
    }

    /// Performs one action on a connection.
    async fn step(&mut self, ws: &mut WebSocket<End>) {
        match self.random.below(16) {
            0..4 => {
                let message = self.message();
                let sent = attempt(&mut self.random, ws.send(message)).await;
                self.on_send(sent);
            }
            4..6 => {
                let message = self.message();
                let fed = attempt(&mut self.random, ws.feed(message)).await;
                self.on_feed(fed);
            }
            6 => {
                let message = self.message();
                self.on_feed(Some(ws.try_feed(message)));
            }
            7 => {
                let message = self.message();
                let permit = attempt(&mut self.random, ws.reserve()).await;
                let sent = permit.and_then(Result::ok).map(|it| it.feed(message));
                self.on_feed(sent);
            }
            8 => drop(attempt(&mut self.random, ws.flush()).await),
            9 => {
                let ping = attempt(&mut self.random, ws.ping_with("ping")).await;
                let waiter = ping.and_then(Result::ok);
                self.log.borrow_mut().waiters.extend(waiter);
            }
            10 => drop(attempt(&mut self.random, ws.pong("pong")).await),
            11 => self.pause().await,
            _ => {
                for _ in 0..self.random.below(6) {
                    if let Some(received) = attempt(&mut self.random, ws.recv()).await {
                        self.on_recv(&received);
                    }
                }
            }
        }
    }

    async fn use_reader(mut self, mut reader: ReadHalf<End>) {
        loop {
            if self.random.below(8) == 0 {
                self.pause().await;
            }
            let received = match self.random.below(4) {
                0 => attempt(&mut self.random, reader.recv()).await,
                _ => Some(reader.recv().await),
            };
            if received.is_some_and(|received| self.on_recv(&received)) {
                break;
            }
        }
        assert!(reader.closed().is_some());
        self.log.borrow_mut().closed = reader.closed();
    }

    async fn use_writer(mut self, mut writer: WriteHalf<End>) {
        for _ in 0..self.random.below(20) {
            match self.random.below(10) {
                0..4 => {
                    let message = self.message();
                    let sent = attempt(&mut self.random, writer.send(message)).await;
                    self.on_send(sent);
                }
                4..6 => {
                    let message = self.message();
                    let fed = attempt(&mut self.random, writer.feed(message)).await;
                    self.on_feed(fed);
                    // A message that was fed wakes no other task.
                    let _ = poll_once(writer.flush());
                }
                6 => {
                    let message = self.message();
                    self.on_feed(Some(writer.try_feed(message)));
                    let _ = poll_once(writer.flush());
                }
                7 => drop(attempt(&mut self.random, writer.flush()).await),
                8 => {
                    let ping = attempt(&mut self.random, writer.ping_with("ping")).await;
                    let waiter = ping.and_then(Result::ok);
                    self.log.borrow_mut().waiters.extend(waiter);
                }
                _ => self.pause().await,
            }
            assert!(writer.buffered() <= self.settings.most());
        }
        self.note("the last step");
        if self.last != Last::Receive {
            let code = self.code();
            match self.random.below(2) {
                0 => drop(attempt(&mut self.random, writer.send_close(code, "half")).await),
                _ => drop(writer.send_close(code, "half").await),
            }
            // An attempt that was not polled has requested nothing.
            let _ = writer.send_close(code, "half, again").await;
        }
    }

    async fn use_handle(mut self, handle: Handle) {
        for _ in 0..self.random.below(20) {
            match self.random.below(8) {
                0 => self.pause().await,
                1 => {
                    let message = self.message();
                    self.on_feed(Some(handle.try_send(message)));
                }
                _ => {
                    let message = self.message();
                    let sent = attempt(&mut self.random, handle.send(message)).await;
                    self.on_feed(sent);
                }
            }
        }
        let code = self.code();
        match self.random.below(8) {
            0 => {
                self.note("close of the handle");
                let _ = handle.close(code, "handle").await;
            }
            1 => {
                self.note("try_close of the handle");
                self.log.borrow_mut().abrupt |= handle.try_close(code, "handle, now").is_ok();
            }
            2 if self.random.below(4) == 0 => {
                self.note("abort of the handle");
                self.log.borrow_mut().abrupt = true;
                handle.abort();
            }
            _ => {}
        }
        handle.closed().await;
        assert!(handle.is_closed());
        assert!(matches!(poll_once(handle.closed()), Poll::Ready(_)));
    }
}
