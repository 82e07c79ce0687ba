//! `Endpoint`: a list of operations on a client and a server.

use super::model::story;

/// The largest number of operations of one input.
const MAX_OPS: usize = 200;

/// Plays a story of two endpoints that the input decides, with the checks of the crate's own model test.
///
/// Input: decisions. A decision with at most 256 outcomes takes one byte, any other takes three.
/// 1. Four decisions choose the number of operations, the high-water mark, the frame size and the
///    keepalive.
/// 2. Each operation is a role, a close code, a kind, and the arguments of the kind. `Story::draw` in
///    `tests/it/support/story.rs` has the kinds.
///
/// The input continues with zeros.
///
/// Properties:
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
