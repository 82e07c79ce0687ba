//! `MessageReader` and `MessageWriter`: messages in chunks between two connections.

use wsimd::{extension::Deflate, frame::Role};

use super::{
    deflate::negotiate,
    model::{stream_story, tasks::runtime},
};

/// Plays a story of two connections that the input decides, with the checks of the crate's own model test.
///
/// Input: decisions. A decision with at most 256 outcomes takes one byte, any other takes three.
/// 1. Seven decisions choose the role of the sender, the extension, the frame size, the high-water mark, the capacity
///    of the pipe, the order of the tasks, and whether a handle sends as well.
/// 2. One decision splits the connection or not. The others are those of the tasks, in the order in which the tasks run:
///    `tests/it/support/stream_story.rs` has them.
///
/// The input continues with zeros: no message is sent, and the rest is received whole.
///
/// Properties:
/// - Accepted messages and chunks are neither lost, repeated nor reordered, however they are sent and received.
/// - A future that is dropped has accepted the whole chunk or none of it.
/// - A message that is cut short never ends as if it were whole.
/// - Every task that can continue is woken.
pub fn stream(data: &[u8]) {
    let mut bytes = data.iter().copied();
    let mut next = move || usize::from(bytes.next().unwrap_or(0));
    let mut draw = move |limit: usize| match limit {
        0..=256 => next() % limit,
        _ => (next() << 16 | next() << 8 | next()) % limit,
    };
    let runtime = runtime();
    let _entered = runtime.enter();
    stream_story::play(&mut draw, |takeover| {
        let deflate = Deflate::new()
            .threshold(0)
            .server_no_context_takeover(!takeover)
            .client_no_context_takeover(!takeover);
        (
            negotiate(Role::Client, &deflate),
            negotiate(Role::Server, &deflate),
        )
    });
}
