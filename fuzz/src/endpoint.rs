//! `Endpoint`: a list of operations on a client and a server.

use super::model::story;

/// The most operations of one input.
const MAX_OPS: usize = 200;

/// Plays the story that the input draws on two endpoints, with the checks of the crate's own model test.
///
/// Input: bytes that decide. A decision with at most 256 outcomes takes one byte, any other takes three.
/// The first four choose the number of operations, the high-water mark, the frame size and the keepalive.
/// Each operation is a role, a close code, a kind and the arguments of the kind, as `Story::draw` in
/// `tests/it/support/story.rs` says. Zeros follow the end of the input.
///
/// - Accepted messages are neither lost, repeated nor reordered.
/// - Both sides agree on the Close frames, and a fair peer violates nothing.
/// - Output and input are bounded. Both sides end when they close or when time passes.
pub fn endpoint(data: &[u8]) {
    let mut bytes = data.iter().copied();
    let mut next = || usize::from(bytes.next().unwrap_or(0));
    let mut draw = |limit: usize| match limit {
        0..=256 => next() % limit,
        _ => (next() << 16 | next() << 8 | next()) % limit,
    };
    let len = draw(MAX_OPS);
    story::play("a story of the fuzzer".to_owned(), len, &mut draw);
}
