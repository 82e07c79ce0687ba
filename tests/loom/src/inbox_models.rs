//! `Inbox`: handles put messages in, and the task that polls the connection takes them out. Each sleeps
//! only while it has to wait.

mod wrong;

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    task::{Context, Poll},
};

use loom::thread::{self, JoinHandle};

use crate::{
    config::{Config, Settings},
    frame::CloseFrame,
    inbox::{Command, Inbox, InboxOwner, Put},
    message::Message,
    protocol::Closed,
    task::{check, poll_once, wait, wait_locked},
};

/// One poll of a connection: takes messages out. `Pending` when the task may sleep.
type PollConnection = fn(&mut InboxOwner, &Context<'_>, &mut Vec<&'static str>) -> Poll<()>;

/// Ends a `Put` that waits.
type GiveUp = fn(Put<'_>);

/// An `InboxOwner` that leaks after a deadlock, because its destructor would use a lock of the ended
/// model.
struct Connection(Option<InboxOwner>);

impl Deref for Connection {
    type Target = InboxOwner;

    fn deref(&self) -> &InboxOwner {
        self.0.as_ref().unwrap()
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut InboxOwner {
        self.0.as_mut().unwrap()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::mem::forget(self.0.take());
        }
    }
}

fn inbox(messages: usize) -> (Connection, Arc<Inbox>) {
    let settings = Settings {
        inbox_size: messages,
        inbox_bytes: 10,
    };
    let owner = InboxOwner::new(&Config { settings });
    let inbox = owner.inbox();
    (Connection(Some(owner)), inbox)
}

/// Polls a connection in the right order: registers, looks for work, takes it out.
fn poll_rightly(
    owner: &mut InboxOwner,
    cx: &Context<'_>,
    received: &mut Vec<&'static str>,
) -> Poll<()> {
    owner.register(cx.waker());
    if !owner.has_work() {
        return Poll::Pending;
    }
    owner.drain(1, 100, |message| received.push(message.0));
    Poll::Ready(())
}

/// Takes messages out until it has this number. Sleeps while there is none.
fn receive(owner: &mut InboxOwner, count: usize, poll: PollConnection) -> Vec<&'static str> {
    let mut received = Vec::new();
    wait(|cx| {
        while received.len() < count {
            if poll(owner, cx, &mut received).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    });
    received
}

fn send(inbox: &Arc<Inbox>, message: &'static str) -> JoinHandle<bool> {
    let inbox = Arc::clone(inbox);
    thread::spawn(move || send_here(&inbox, message))
}

/// Waits for room, and returns whether the message was accepted.
fn send_here(inbox: &Inbox, message: &'static str) -> bool {
    let mut put = inbox.put(Message(message));
    wait(|cx| put.poll(cx)).is_ok()
}

fn sorted(mut received: Vec<&'static str>) -> Vec<&'static str> {
    received.sort_unstable();
    received
}

/// Handles put two messages in while the connection goes to sleep.
fn two_puts(poll: PollConnection) {
    check(move || {
        let (mut owner, inbox) = inbox(2);
        let sender = thread::spawn(move || {
            assert!(inbox.try_put(Message("a")).is_ok());
            assert!(inbox.try_put(Message("b")).is_ok());
        });
        assert_eq!(receive(&mut owner, 2, poll), ["a", "b"]);
        sender.join().unwrap();
    });
}

/// A send waits, and is given up at some moment. The next one gets the room.
fn given_up(give_up: GiveUp) {
    check(move || {
        let (mut owner, inbox) = inbox(1);
        assert!(inbox.try_put(Message("a")).is_ok());
        let mut put = inbox.put(Message("b"));
        assert!(poll_once(|cx| put.poll(cx)).is_pending());
        let sender = send(&inbox, "c");
        let connection = thread::spawn(move || receive(&mut owner, 2, poll_rightly));
        give_up(put);
        assert_eq!(connection.join().unwrap(), ["a", "c"]);
        assert!(sender.join().unwrap());
    });
}

#[test]
fn a_put_wakes_the_connection() {
    two_puts(poll_rightly);
}

#[test]
fn puts_of_two_tasks_wake_the_connection() {
    check(|| {
        let (mut owner, inbox) = inbox(2);
        let senders = ["a", "b"].map(|message| send(&inbox, message));
        let received = receive(&mut owner, 2, poll_rightly);
        assert_eq!(sorted(received), ["a", "b"]);
        for sender in senders {
            assert!(sender.join().unwrap());
        }
    });
}

/// The second poll takes no lock. It may find nothing only if the put wakes it afterwards.
#[test]
fn a_put_wakes_a_connection_that_was_registered_by_an_earlier_poll() {
    check(|| {
        let (mut owner, inbox) = inbox(1);
        let sender = send(&inbox, "a");
        let mut polls = 0;
        wait(|cx| {
            polls += 1;
            let mut received = Vec::new();
            let polled = poll_rightly(&mut owner, cx, &mut received);
            if polled.is_pending() && polls < 3 {
                cx.waker().wake_by_ref();
            }
            polled
        });
        assert!(sender.join().unwrap());
    });
}

#[test]
fn a_put_wakes_the_task_that_the_connection_moved_to() {
    check(|| {
        let (mut owner, inbox) = inbox(1);
        let sender = send(&inbox, "a");
        let mut received = Vec::new();
        let _ = poll_once(|cx| poll_rightly(&mut owner, cx, &mut received));
        owner.forget_task();
        let missing = 1 - received.len();
        received.extend(receive(&mut owner, missing, poll_rightly));
        assert_eq!(received, ["a"]);
        assert!(sender.join().unwrap());
    });
}

#[test]
fn a_send_that_waits_goes_on_when_there_is_room() {
    check(|| {
        let (mut owner, inbox) = inbox(1);
        assert!(inbox.try_put(Message("a")).is_ok());
        let sender = send(&inbox, "b");
        assert_eq!(receive(&mut owner, 2, poll_rightly), ["a", "b"]);
        assert!(sender.join().unwrap());
    });
}

#[test]
fn a_send_that_moved_to_another_task_goes_on_there() {
    check(|| {
        let (mut owner, inbox) = inbox(1);
        assert!(inbox.try_put(Message("a")).is_ok());
        let mut put = inbox.put(Message("b"));
        assert!(poll_once(|cx| put.poll(cx)).is_pending());
        let connection = thread::spawn(move || receive(&mut owner, 2, poll_rightly));
        assert!(wait(|cx| put.poll(cx)).is_ok());
        assert_eq!(connection.join().unwrap(), ["a", "b"]);
    });
}

/// A waker that takes the lock of the poll, as those of executors may.
#[test]
fn a_connection_is_woken_under_no_lock_that_its_polls_need() {
    check(|| {
        let (mut owner, inbox) = inbox(1);
        let sender = thread::spawn(move || assert!(inbox.try_put(Message("a")).is_ok()));
        let mut received = Vec::new();
        wait_locked(|cx| poll_rightly(&mut owner, cx, &mut received));
        sender.join().unwrap();
    });
}

#[test]
fn a_send_is_woken_under_no_lock_that_its_polls_need() {
    check(|| {
        let (mut owner, inbox) = inbox(1);
        assert!(inbox.try_put(Message("a")).is_ok());
        let connection = thread::spawn(move || {
            owner.drain(1, 1, drop);
            owner
        });
        let mut put = inbox.put(Message("b"));
        wait_locked(|cx| put.poll(cx)).unwrap();
        connection.join().unwrap();
    });
}

#[test]
fn two_sends_wait_and_both_go_on() {
    check(|| {
        let (mut owner, inbox) = inbox(1);
        assert!(inbox.try_put(Message("a")).is_ok());
        let senders = ["b", "c"].map(|message| send(&inbox, message));
        let received = receive(&mut owner, 3, poll_rightly);
        assert_eq!(received[0], "a");
        assert_eq!(sorted(received), ["a", "b", "c"]);
        for sender in senders {
            assert!(sender.join().unwrap());
        }
    });
}

#[test]
fn a_send_that_is_dropped_passes_its_room_on() {
    given_up(|put| drop(put));
}

#[test]
fn a_send_takes_no_room_from_one_that_waited_before() {
    check(|| {
        let (mut owner, inbox) = inbox(1);
        assert!(inbox.try_put(Message("a")).is_ok());
        let mut put = inbox.put(Message("b"));
        assert!(poll_once(|cx| put.poll(cx)).is_pending());
        let connection = thread::spawn(move || {
            owner.drain(1, 1, drop);
            owner
        });
        assert!(inbox.try_put(Message("c")).is_err());
        let _owner = connection.join().unwrap();
        assert!(inbox.try_put(Message("c")).is_err());
        assert!(poll_once(|cx| put.poll(cx)).is_ready());
    });
}

/// The connection receives all messages that were accepted before a close, and no others.
#[test]
fn a_close_follows_all_that_was_accepted() {
    check(|| {
        let (mut owner, inbox) = inbox(1);
        let sender = {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || (send_here(&inbox, "a"), send_here(&inbox, "b")))
        };
        let closer = thread::spawn(move || inbox.close(CloseFrame(1000)).unwrap());
        let mut received = Vec::new();
        let mut is_closing = false;
        wait(|cx| {
            loop {
                owner.register(cx.waker());
                if !owner.has_work() {
                    return Poll::Pending;
                }
                if owner.take_command().is_some() {
                    is_closing = true;
                    // No message comes any more, and those that are there are work.
                    let has_work = owner.has_work();
                    let is_left = owner.drain(0, 0, |_| ());
                    assert_eq!(has_work, is_left);
                }
                let is_left = owner.drain(1, 1, |message| received.push(message.0));
                if is_closing && !is_left {
                    return Poll::Ready(());
                }
            }
        });
        let expected: &[_] = match sender.join().unwrap() {
            (false, _) => &[],
            (true, false) => &["a"],
            (true, true) => &["a", "b"],
        };
        assert_eq!(received, expected);
        closer.join().unwrap();
    });
}

/// The case of a connection whose peer does not read: messages stay in the inbox.
#[test]
fn an_abort_wakes_a_connection_that_takes_no_message() {
    check(|| {
        let (mut owner, inbox) = inbox(2);
        let handle = thread::spawn(move || {
            assert!(inbox.try_put(Message("a")).is_ok());
            inbox.abort();
        });
        let command = wait(|cx| {
            owner.register(cx.waker());
            let command = owner.has_work().then(|| owner.take_command());
            match command.flatten() {
                Some(command) => Poll::Ready(command),
                None => Poll::Pending,
            }
        });
        assert!(matches!(command, Command::Abort), "{command:?}");
        handle.join().unwrap();
    });
}

#[test]
fn each_request_wakes_the_connection() {
    check(|| {
        let (mut owner, inbox) = inbox(1);
        let handle = thread::spawn(move || {
            inbox.close(CloseFrame(1000)).unwrap();
            inbox.close_now(CloseFrame(1001)).unwrap();
        });
        wait(|cx| {
            owner.register(cx.waker());
            match owner.take_command() {
                Some(Command::CloseNow { frame, .. }) => {
                    assert_eq!(frame, CloseFrame(1001));
                    Poll::Ready(())
                }
                _ => Poll::Pending,
            }
        });
        handle.join().unwrap();
    });
}

#[test]
fn the_end_wakes_all_that_wait() {
    check(|| {
        let (owner, inbox) = inbox(1);
        assert!(inbox.try_put(Message("a")).is_ok());
        let sender = send(&inbox, "b");
        let watcher = thread::spawn(move || {
            let mut end = inbox.end();
            wait(|cx| end.poll(cx))
        });
        let closed = Closed {
            received: Some(CloseFrame(1001)),
            ..Closed::default()
        };
        owner.end(closed.clone());
        assert!(!sender.join().unwrap());
        assert_eq!(*watcher.join().unwrap(), closed);
    });
}

#[test]
fn the_end_of_a_dropped_connection_wakes_all_that_wait() {
    check(|| {
        let (owner, inbox) = inbox(1);
        assert!(inbox.try_put(Message("a")).is_ok());
        let sender = send(&inbox, "b");
        let watcher = thread::spawn(move || {
            let mut end = inbox.end();
            wait(|cx| end.poll(cx))
        });
        drop(owner);
        assert!(!sender.join().unwrap());
        assert_eq!(*watcher.join().unwrap(), Closed::default());
    });
}
