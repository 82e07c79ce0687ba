//! Wrong ways to poll a connection and to give up a send. A model that accepted them would prove nothing.

use std::task::{Context, Poll};

use super::{InboxOwner, given_up, poll_rightly, two_puts};

/// Looks for work before it registers. A put in between wakes nothing.
fn poll_registers_late(
    owner: &mut InboxOwner,
    cx: &Context<'_>,
    received: &mut Vec<&'static str>,
) -> Poll<()> {
    if owner.has_work() {
        return poll_rightly(owner, cx, received);
    }
    owner.register(cx.waker());
    Poll::Pending
}

/// Registers only while there is work. A put wakes once, and the next one finds no waker.
fn poll_registers_once(
    owner: &mut InboxOwner,
    cx: &Context<'_>,
    received: &mut Vec<&'static str>,
) -> Poll<()> {
    if received.is_empty() {
        return poll_rightly(owner, cx, received);
    }
    if !owner.has_work() {
        return Poll::Pending;
    }
    owner.drain(1, 100, |message| received.push(message.0));
    Poll::Ready(())
}

#[test]
#[should_panic = "deadlock"]
fn registered_late_a_connection_sleeps() {
    two_puts(poll_registers_late);
}

#[test]
#[should_panic = "deadlock"]
fn registered_once_a_connection_sleeps() {
    two_puts(poll_registers_once);
}

#[test]
#[should_panic = "deadlock"]
fn a_send_that_keeps_its_room_blocks_the_next_one() {
    given_up(|put| std::mem::forget(put));
}
