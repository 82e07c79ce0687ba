//! What the connections of a thread share: contexts of zlib while no message needs them, and a block.
//!
//! A context is reset before it is used again, and of the block only what was just written is read: no
//! byte of one connection reaches another.

use std::cell::RefCell;

use zlib_rs::{Deflate, DeflateConfig, Inflate, Method, Strategy};

/// How many contexts of a kind are kept.
const MAX_SPARE: usize = 4;

/// How much is inflated at a time, in bytes: much more than a window, since zlib is slow to refer to
/// what is not in the same block.
const BLOCK: usize = 128 << 10;

/// What a context that compresses is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) level: u8,
    pub(super) memory_level: u8,
    /// 9 to 15.
    pub(super) window_bits: u8,
}

#[derive(Default)]
struct Pool {
    deflate: Vec<(Settings, Box<Deflate>)>,
    #[expect(
        clippy::vec_box,
        reason = "a connection without a context has only a pointer"
    )]
    inflate: Vec<Box<Inflate>>,
    block: Option<Box<[u8]>>,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// Runs `f` with the pool of the thread; `None` when the thread ends.
fn with<T>(f: impl FnOnce(&mut Pool) -> T) -> Option<T> {
    POOL.try_with(|pool| f(&mut pool.borrow_mut())).ok()
}

/// Returns a context that compresses and has seen nothing yet.
pub(super) fn deflate(settings: Settings) -> Box<Deflate> {
    let spare = with(|pool| {
        let place = pool.deflate.iter().rposition(|(of, _)| *of == settings)?;
        Some(pool.deflate.remove(place))
    });
    if let Some((_, mut deflate)) = spare.flatten() {
        deflate.reset();
        return deflate;
    }
    Box::new(Deflate::new_with_config(DeflateConfig {
        level: i32::from(settings.level),
        method: Method::Deflated,
        // Negative: without zlib's header and checksum.
        window_bits: -i32::from(settings.window_bits),
        mem_level: i32::from(settings.memory_level),
        strategy: Strategy::Default,
    }))
}

/// Takes a context back.
pub(super) fn keep_deflate(settings: Settings, deflate: Box<Deflate>) {
    with(|pool| {
        if pool.deflate.len() == MAX_SPARE {
            // The one that has waited longest: its settings may not come again.
            pool.deflate.remove(0);
        }
        pool.deflate.push((settings, deflate));
    });
}

/// Returns a context that inflates and has seen nothing yet.
pub(super) fn inflate() -> Box<Inflate> {
    if let Some(mut inflate) = with(|pool| pool.inflate.pop()).flatten() {
        inflate.reset(false);
        return inflate;
    }
    // Whatever was agreed on: with fewer bits it would take as much memory.
    Box::new(Inflate::new(false, 15))
}

/// Takes a context back.
pub(super) fn keep_inflate(inflate: Box<Inflate>) {
    with(|pool| {
        if pool.inflate.len() < MAX_SPARE {
            pool.inflate.push(inflate);
        }
    });
}

/// Takes the block out, to be given to [`keep_block`]. What is in it means nothing.
pub(super) fn block() -> Box<[u8]> {
    let spare = with(|pool| pool.block.take()).flatten();
    spare.unwrap_or_else(|| vec![0; BLOCK].into())
}

/// Takes the block back.
pub(super) fn keep_block(block: Box<[u8]>) {
    with(|pool| pool.block = Some(block));
}
