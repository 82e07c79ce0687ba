//! Random uses of two [`WebSocket`]s over a stream that keeps no promise, beside a model of the outcome.

use std::task::Poll;

use wsimd::{Handle, ReadHalf, WebSocket, WriteHalf};

use crate::{
    endpoint::model::for_each_seed,
    support::{
        link::End,
        model::{Scheduler, attempt},
        poll_once,
        tasks::runtime,
        user::{Last, User, play},
    },
};

#[test]
fn two_connections_agree_with_the_model() {
    let runtime = runtime();
    for_each_seed(2000, |seed| runtime.block_on(play(seed, User::spawn)));
}

impl User {
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

    pub(super) async fn use_handle(mut self, handle: Handle) {
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
