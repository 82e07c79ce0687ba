//! Random uses of connections as `Stream` and `Sink`, beside the model of two connections: split by futures or by the
//! crate, in two tasks or in one, with events and with sinks of handles.

use std::pin::{Pin, pin};

use futures_util::{Sink, SinkExt, Stream, StreamExt, future, stream};
use tokio::task::yield_now;
use wsimd::{CloseFrame, Error, Event, Handle, Message, WebSocket};

use crate::{
    endpoint::model::for_each_seed,
    support::{
        link::End,
        model::{Accepted, Scheduler, attempt},
        poll_once,
        tasks::runtime,
        user::{Last, User, play},
    },
};

#[test]
fn streams_and_sinks_agree_with_the_model() {
    let runtime = runtime();
    for_each_seed(2000, |seed| {
        runtime.block_on(play(seed, User::spawn_streams));
    });
}

/// An item of a stream and of a sink.
trait Item: From<Message> {
    fn ping() -> Option<Self>;

    /// An item that closes the connection.
    fn close(frame: CloseFrame) -> Option<Self>;

    fn into_event(self) -> Event;
}

impl Item for Message {
    fn ping() -> Option<Self> {
        None
    }

    fn close(_: CloseFrame) -> Option<Self> {
        None
    }

    fn into_event(self) -> Event {
        self.into()
    }
}

impl Item for Event {
    fn ping() -> Option<Self> {
        Some(Self::Ping("ping".into()))
    }

    fn close(frame: CloseFrame) -> Option<Self> {
        Some(Self::Close(frame))
    }

    fn into_event(self) -> Event {
        self
    }
}

/// A sink, and the last message that was fed if the sink may hold it.
struct Feeder<K> {
    sink: K,
    /// Whether the sink holds a message while there is no room.
    has_slot: bool,
    held: Option<usize>,
}

impl User {
    fn spawn_streams(mut self, mut ws: WebSocket<End>, scheduler: &mut Scheduler<'static>) {
        for source in ['h', 'i'] {
            let user = self.other(source);
            match self.random.below(6) {
                0 => scheduler.spawn(user.use_handle(ws.handle())),
                1 => scheduler.spawn(user.use_handle_sink(ws.handle())),
                _ => {}
            }
        }
        let kind = self.random.below(6);
        let line = format!("kind: {kind}, at last: {:?}", self.last);
        self.log.borrow_mut().note(line);
        let handle = ws.handle();
        let reader = self.other('r');
        match kind {
            0 => {
                let (sink, stream) = StreamExt::split(ws);
                scheduler.spawn(reader.receive_all(stream, handle));
                scheduler.spawn(self.send_all::<Message, _>(sink, true));
            }
            1 => {
                let (stream, sink) = ws.split();
                scheduler.spawn(reader.receive_all(stream, handle));
                scheduler.spawn(self.send_all::<Message, _>(sink, false));
            }
            2 => {
                let (sink, stream) = ws.into_events().split();
                scheduler.spawn(reader.receive_all(stream, handle));
                scheduler.spawn(self.send_all::<Event, _>(sink, true));
            }
            3 => {
                let (stream, sink) = ws.split();
                scheduler.spawn(reader.receive_all(stream.into_events(), handle));
                scheduler.spawn(self.send_all::<Event, _>(sink.into_events(), false));
            }
            4 => {
                let (sink, stream) = StreamExt::split(ws);
                let received = reader.receive_all(stream, handle);
                let sent = self.send_all::<Message, _>(sink, true);
                scheduler.spawn(async move { _ = future::join(received, sent).await });
            }
            _ => scheduler.spawn(self.use_both(ws)),
        }
    }

    /// Receives until the end of the stream.
    async fn receive_all<T: Item>(
        mut self,
        mut stream: impl Stream<Item = Result<T, Error>> + Unpin,
        handle: Handle,
    ) {
        let mut close = None;
        loop {
            if self.random.below(8) == 0 {
                self.pause().await;
            }
            let item = match self.random.below(4) {
                0 => attempt(&mut self.random, stream.next()).await,
                _ => Some(stream.next().await),
            };
            let Some(item) = item else { continue };
            assert!(close.is_none() || !matches!(item, Some(Ok(_))));
            let item = item.transpose().map(|item| item.map(T::into_event));
            match item {
                Ok(Some(Event::Message(message))) => {
                    self.on_recv(&Ok(Some(message)));
                }
                Ok(Some(Event::Close(frame))) => close = Some(frame),
                Ok(Some(_)) => {}
                end => {
                    self.on_recv(&end.map(|_| None));
                    break;
                }
            }
        }
        assert!(stream.next().await.is_none());
        let closed = handle.closed().await;
        if close.is_some() {
            assert_eq!(close, closed.received);
        }
        self.log.borrow_mut().closed = Some(closed);
    }

    /// Sends, and closes at last.
    async fn send_all<T: Item, K: Sink<T, Error = Error> + Unpin>(
        mut self,
        sink: K,
        has_slot: bool,
    ) {
        let mut feeder = Feeder {
            sink,
            has_slot,
            held: None,
        };
        for _ in 0..self.random.below(20) {
            self.sink_step(&mut feeder).await;
        }
        self.note("the last step");
        if self.last != Last::Receive {
            self.close_sink(&mut feeder).await;
        }
    }

    async fn close_sink<T: Item, K: Sink<T, Error = Error> + Unpin>(
        &mut self,
        feeder: &mut Feeder<K>,
    ) {
        let frame = CloseFrame::new(self.code(), "sink").unwrap();
        if self.random.below(2) == 0
            && let Some(close) = T::close(frame)
        {
            let sent = attempt(&mut self.random, feeder.sink.send(close)).await;
            self.on_flush(feeder, sent.as_ref());
        }
        if self.random.below(2) == 0 {
            let closed = attempt(&mut self.random, feeder.sink.close()).await;
            self.on_flush(feeder, closed.as_ref());
        }
        let closed = feeder.sink.close().await;
        self.on_flush(feeder, Some(&closed));
        let again = feeder.sink.close().await;
        assert!(closed.is_err() || again.is_ok(), "{again:?}");
        let late = feeder.sink.send(Message::from("late").into()).await;
        assert!(late.is_err());
    }

    async fn sink_step<T: Item, K: Sink<T, Error = Error> + Unpin>(
        &mut self,
        feeder: &mut Feeder<K>,
    ) {
        match self.random.below(12) {
            0..3 => {
                let message = self.message();
                let sent = attempt(&mut self.random, feeder.sink.send(message.into())).await;
                self.on_flush(feeder, sent.as_ref());
                self.on_send(sent);
            }
            3..7 => {
                let message = self.message();
                let fed = attempt(&mut self.random, feeder.sink.feed(message.into())).await;
                self.on_feed_slot(feeder, fed);
                // A message that was fed wakes no other task.
                let flushed = poll_once(feeder.sink.flush());
                if let std::task::Poll::Ready(flushed) = flushed {
                    self.on_flush(feeder, Some(&flushed));
                }
            }
            7 => {
                let flushed = attempt(&mut self.random, feeder.sink.flush()).await;
                self.on_flush(feeder, flushed.as_ref());
            }
            8 => self.send_many(feeder).await,
            9 => {
                if let Some(ping) = T::ping() {
                    let sent = attempt(&mut self.random, feeder.sink.send(ping)).await;
                    self.on_flush(feeder, sent.as_ref());
                }
            }
            10 => self.pause().await,
            _ => yield_now().await,
        }
    }

    async fn send_many<T: Item, K: Sink<T, Error = Error> + Unpin>(
        &mut self,
        feeder: &mut Feeder<K>,
    ) {
        let mut messages = Vec::new();
        for _ in 0..1 + self.random.below(5) {
            messages.push(self.message());
            self.accept(Accepted::Perhaps);
        }
        let count = messages.len();
        let messages = messages.into_iter().map(|message| Ok(message.into()));
        let mut messages = stream::iter(messages);
        let sent = attempt(&mut self.random, feeder.sink.send_all(&mut messages)).await;
        self.on_flush(feeder, sent.as_ref());
        if let Some(Ok(())) = sent {
            let mut log = self.log.borrow_mut();
            let all = log.sent.get_mut(&self.source).unwrap();
            let first = all.len() - count;
            all[first..].fill(Accepted::Yes);
        }
    }

    /// Notes that the sink has passed on the message that it held, unless the flush was dropped. A flush that fails
    /// has perhaps dropped the message.
    fn on_flush<K>(&self, feeder: &mut Feeder<K>, flushed: Option<&Result<(), Error>>) {
        if let Some(flushed) = flushed
            && let Some(held) = feeder.held.take()
            && flushed.is_ok()
        {
            let mut log = self.log.borrow_mut();
            log.sent.get_mut(&self.source).unwrap()[held] = Accepted::Yes;
        }
    }

    /// Notes the outcome of `feed`. A sink that is ready holds no message, and then perhaps this one.
    fn on_feed_slot<K>(&self, feeder: &mut Feeder<K>, fed: Option<Result<(), Error>>) {
        self.on_flush(feeder, fed.as_ref());
        let is_fed = matches!(fed, Some(Ok(())));
        if is_fed && feeder.has_slot {
            self.accept(Accepted::Perhaps);
            let log = self.log.borrow();
            feeder.held = Some(log.sent[&self.source].len() - 1);
        } else {
            self.on_feed(fed);
        }
    }

    /// Uses the connection from one task, without a split.
    async fn use_both(mut self, ws: WebSocket<End>) {
        let mut feeder = Feeder {
            sink: ws,
            has_slot: false,
            held: None,
        };
        for _ in 0..self.random.below(20) {
            if self.random.below(2) == 0 {
                self.sink_step::<Message, _>(&mut feeder).await;
                continue;
            }
            let item = attempt(&mut self.random, feeder.sink.next()).await;
            if let Some(item) = item
                && self.on_recv(&item.transpose())
            {
                break;
            }
        }
        self.note("the last step");
        match self.last {
            Last::Abort => {
                self.log.borrow_mut().abrupt = true;
                return;
            }
            // A parked message can delay the Close frame. The first poll requests it.
            Last::Close | Last::SendClose => drop(poll_once(SinkExt::close(&mut feeder.sink))),
            Last::Receive => {}
        }
        let mut ws = pin!(feeder.sink);
        while let Some(item) = ws.next().await {
            self.on_recv(&item.map(Some));
        }
        let mut log = self.log.borrow_mut();
        log.outcome.get_or_insert_with(|| "Ok(None)".to_owned());
        log.closed = ws.closed();
    }

    async fn use_handle_sink(mut self, handle: Handle) {
        let mut feeder = Feeder {
            sink: handle.clone().into_sink(),
            has_slot: true,
            held: None,
        };
        for _ in 0..self.random.below(20) {
            self.sink_step::<Message, _>(&mut feeder).await;
        }
        if self.random.below(6) == 0 {
            self.note("close of the sink");
            let closed = feeder.sink.close().await;
            self.on_flush(&mut feeder, Some(&closed));
            let late = Pin::new(&mut feeder.sink).start_send("late".into());
            assert!(closed.is_err() || late.is_err());
        }
        handle.closed().await;
    }
}
