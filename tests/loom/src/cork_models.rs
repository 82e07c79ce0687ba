//! `Cork`: a handler's stream writes to the socket, and so does the task that polls the handler.

use std::{
    cell::Cell,
    future::{Future, pending, poll_fn},
    io::{self, IoSlice},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use loom::thread::{self, JoinHandle};

use crate::{
    cork::{Cork, HandlerTask},
    socket::{Peer, Socket},
    task::{check, poll_once, wait, wait_locked},
    waiters::Side,
    waiters_models::Shared,
};

/// A connection that its last owner has dropped.
struct Left(Stream);

/// Mail of the server for the connection.
type Mail = &'static str;

/// The same as `net::Stream`, with its pending bytes.
struct Stream {
    cork: Cork<Socket, Left, Mail>,
    queue: &'static str,
}

impl Stream {
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.queue.is_empty() {
            let bufs = [IoSlice::new(self.queue.as_bytes())];
            let written = ready!(self.cork.poll_write(cx, &bufs))?;
            self.queue = &self.queue[written..];
        }
        Poll::Ready(Ok(()))
    }

    /// The same as `WebSocket::flush`: the kept bytes are written at once.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write(cx))?;
        self.cork.poll_flush(cx)
    }

    fn send(&mut self, bytes: &'static str) -> impl Future<Output = io::Result<()>> {
        self.queue = bytes;
        poll_fn(|cx| self.poll_write(cx))
    }
}

impl Stream {
    /// The same as dropping a `WebSocket`.
    fn leave(self) {
        let cork = self.cork.clone();
        cork.take_back(Left(self));
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.cork.close();
    }
}

/// Runs a handler like `serve`, for a peer that reads within `close_timeout`.
fn serve(cork: HandlerTask<Socket, Left, Mail>, handler: impl Future) {
    {
        let mut handler = pin!(handler);
        let _ = wait(|cx| cork.poll(handler.as_mut(), cx).0);
    }
    assert!(wait(|cx| cork.poll_left(cx)).is_none());
}

fn connection() -> (Stream, HandlerTask<Socket, Left, Mail>, Peer) {
    let socket = Socket::default();
    let peer = socket.peer();
    let cork = Cork::new(socket);
    let task = cork.handler_task();
    (Stream { cork, queue: "" }, task, peer)
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    wait(|cx| future.as_mut().poll(cx))
}

/// Sends from another task, and drops the stream.
fn send_elsewhere(mut stream: Stream, bytes: &'static str) -> JoinHandle<io::Result<()>> {
    thread::spawn(move || block_on(stream.send(bytes)))
}

/// A handler sends, passes its stream to another task, and ends. Both send while there is no room.
fn handed_over(events: &'static [usize]) {
    check(move || {
        let (mut stream, cork, peer) = connection();
        let task = thread::spawn(move || {
            let mut other = None;
            serve(cork, async {
                stream.send("ab").await.unwrap();
                other = Some(send_elsewhere(stream, "cd"));
            });
            other.unwrap().join().unwrap().unwrap();
        });
        for &event in events {
            peer.takes(event);
        }
        task.join().unwrap();
        assert_eq!(peer.got(), ("abcd".into(), true));
    });
}

#[test]
fn what_the_handler_sent_leaves_before_what_the_task_sends_that_it_gave_its_stream() {
    handed_over(&[4]);
}

#[test]
fn wherever_the_socket_stops_both_tasks_go_on() {
    handed_over(&[1, 3]);
    handed_over(&[2, 2]);
    handed_over(&[3, 1]);
}

/// A handler that waits for another event meanwhile.
#[test]
fn the_socket_is_closed_when_what_was_kept_has_left_though_the_handler_goes_on() {
    check(|| {
        let (mut stream, cork, peer) = connection();
        let task = thread::spawn(move || {
            let other = Cell::new(None);
            let mut handler = pin!(async {
                stream.send("ab").await.unwrap();
                other.set(Some(thread::spawn(move || drop(stream))));
                pending::<()>().await;
            });
            wait(|cx| {
                let _ = cork.poll(handler.as_mut(), cx);
                cork.poll_left(cx)
            });
            other.take().unwrap().join().unwrap();
            cork
        });
        peer.takes(1);
        peer.takes(1);
        let cork = task.join().unwrap();
        assert_eq!(peer.got(), ("ab".into(), true));
        drop(cork);
    });
}

/// The task that polled the socket last no longer needs its wake-up.
#[test]
fn what_was_kept_leaves_though_the_task_that_has_the_stream_gave_up_writing() {
    check(|| {
        let (mut stream, cork, peer) = connection();
        let wire = peer.clone();
        let task = thread::spawn(move || {
            let mut other = None;
            let mut handler = Box::pin(async {
                stream.send("ab").await.unwrap();
                other = Some(thread::spawn(move || {
                    let _ = poll_once(|cx| pin!(stream.send("cd")).poll(cx));
                    stream
                }));
            });
            let _ = poll_once(|cx| cork.poll(handler.as_mut(), cx).0);
            drop(handler);
            wait(|cx| {
                let _ = cork.poll_left(cx);
                let has_left = wire.got().0.starts_with("ab");
                if has_left {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            });
            drop(other.unwrap().join().unwrap());
        });
        peer.takes(2);
        task.join().unwrap();
        let (written, closed) = peer.got();
        assert!(
            ["ab", "abcd"].contains(&&*written) && closed,
            "{written} {closed}"
        );
    });
}

/// The case of the end of `close_timeout`, and of a handler that panics.
#[test]
fn the_stream_goes_on_when_the_task_of_the_handler_gives_up() {
    check(|| {
        let (mut stream, cork, peer) = connection();
        let task = thread::spawn(move || {
            let mut other = None;
            let mut handler = Box::pin(async {
                stream.send("ab").await.unwrap();
                other = Some(send_elsewhere(stream, "cd"));
            });
            let _ = poll_once(|cx| cork.poll(handler.as_mut(), cx).0);
            drop((handler, cork));
            other.unwrap().join().unwrap().unwrap();
        });
        peer.takes(4);
        task.join().unwrap();
        assert_eq!(peer.got(), ("abcd".into(), true));
    });
}

#[test]
fn an_error_reaches_every_task_that_waits() {
    check(|| {
        let (mut stream, cork, peer) = connection();
        let task = thread::spawn(move || {
            let mut other = None;
            serve(cork, async {
                stream.send("ab").await.unwrap();
                other = Some(send_elsewhere(stream, "cd"));
            });
            other.unwrap().join().unwrap()
        });
        peer.breaks();
        let sent = task.join().unwrap();
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(peer.got(), (String::new(), true));
    });
}

#[test]
fn a_socket_that_fails_is_closed_though_the_handler_goes_on() {
    check(|| {
        let (mut stream, cork, peer) = connection();
        let task = thread::spawn(move || {
            let mut handler = pin!(async {
                stream.send("ab").await.unwrap();
                drop(stream);
                pending::<()>().await;
            });
            let _ = wait(|cx| {
                let _ = cork.poll(handler.as_mut(), cx);
                cork.poll_left(cx)
            });
            cork
        });
        peer.breaks();
        let cork = task.join().unwrap();
        assert_eq!(peer.got(), (String::new(), true));
        drop(cork);
    });
}

/// The handler has the read half, and its `recv` writes the queue. Another task has the write half, and
/// waits until the queue is empty.
#[test]
fn the_write_half_in_another_task_goes_on_when_the_handler_took_over_what_it_sends() {
    check(|| {
        let (mut stream, cork, peer) = connection();
        stream.queue = "ab";
        let read_half = Arc::new(Shared::new(stream));
        let write_half = Arc::clone(&read_half);
        let task = thread::spawn(move || {
            serve(
                cork,
                poll_fn(move |cx| {
                    let _ = read_half.poll(Side::Read, cx, Stream::poll_flush);
                    Poll::Ready(())
                }),
            );
        });
        let writer = thread::spawn(move || {
            wait(|cx| write_half.poll(Side::Write, cx, Stream::poll_flush)).unwrap();
        });
        peer.takes(2);
        task.join().unwrap();
        writer.join().unwrap();
        assert_eq!(peer.got(), ("ab".into(), true));
    });
}

#[test]
fn the_stream_is_woken_under_no_lock_that_its_polls_need() {
    check(|| {
        let (mut stream, cork, peer) = connection();
        let task = thread::spawn(move || {
            let mut other = None;
            serve(cork, async {
                stream.send("ab").await.unwrap();
                other = Some(thread::spawn(move || {
                    stream.queue = "cd";
                    wait_locked(|cx| stream.poll_flush(cx)).unwrap();
                }));
            });
            other.unwrap().join().unwrap();
        });
        peer.takes(4);
        task.join().unwrap();
        assert_eq!(peer.got(), ("abcd".into(), true));
    });
}

/// The handler passes its connection to another task, which drops it. The serving task takes it and closes it.
#[test]
fn a_connection_comes_back_from_the_task_that_drops_it() {
    check(|| {
        let (stream, cork, peer) = connection();
        let task = thread::spawn(move || {
            let other = thread::spawn(move || stream.leave());
            let left = wait(|cx| cork.poll_left(cx)).expect("a connection");
            let Left(mut stream) = left;
            block_on(stream.send("bye")).unwrap();
            drop(stream);
            other.join().unwrap();
        });
        peer.takes(3);
        task.join().unwrap();
        assert_eq!(peer.got(), ("bye".into(), true));
    });
}

/// The bytes that the handler has sent precede those of the connection that comes back.
#[test]
fn kept_bytes_leave_before_those_of_a_connection_that_came_back() {
    check(|| {
        let (mut stream, cork, peer) = connection();
        let task = thread::spawn(move || {
            let mut handler = Box::pin(async move {
                stream.send("ab").await.unwrap();
                stream.leave();
            });
            let _ = poll_once(|cx| cork.poll(handler.as_mut(), cx).0);
            let Left(mut stream) = wait(|cx| cork.poll_left(cx)).expect("a connection");
            block_on(stream.send("cd")).unwrap();
        });
        peer.takes(1);
        peer.takes(3);
        task.join().unwrap();
        assert_eq!(peer.got(), ("abcd".into(), true));
    });
}

/// A connection that comes back while the serving task ends is dropped by one of the two.
#[test]
fn a_connection_that_comes_back_too_late_closes_its_socket() {
    check(|| {
        let (stream, cork, peer) = connection();
        let task = thread::spawn(move || drop(cork));
        let other = thread::spawn(move || stream.leave());
        task.join().unwrap();
        other.join().unwrap();
        assert_eq!(peer.got(), (String::new(), true));
    });
}

/// The server writes mail and wakes the task that polls the connection.
#[test]
fn mail_reaches_the_connection() {
    check(|| {
        let (stream, cork, _peer) = connection();
        let server = stream.cork.clone();
        let server = thread::spawn(move || {
            server.write_mail(|mail| {
                *mail = Some("close");
                ((), true)
            });
            server.wake_task();
        });
        let mail = wait(|cx| {
            cork.set_task(cx.waker());
            match stream.cork.has_mail() {
                true => Poll::Ready(stream.cork.read_mail(Option::take)),
                false => Poll::Pending,
            }
        });
        assert_eq!(mail, Some("close"));
        server.join().unwrap();
    });
}
