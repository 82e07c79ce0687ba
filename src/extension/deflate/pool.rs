//! The pool of a thread: idle zlib contexts, and a block for inflated bytes. All connections of the thread
//! share it.
//!
//! No byte of one connection reaches another. A context is reset before it is reused, and only the bytes that
//! were just written to the block are read from it.

use std::cell::RefCell;

use zlib_rs::{Deflate, DeflateConfig, Inflate, Method, Strategy};

/// The largest number of idle contexts of each kind.
const MAX_SPARE: usize = 4;

/// The size of the block, in bytes. It is much larger than a window, because zlib is slow to copy from bytes
/// that are not in the same block.
const BLOCK: usize = 128 << 10;

/// The settings of a context that compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CompressorSettings {
    pub(super) level: u8,
    pub(super) memory_level: u8,
    /// The window in bits, 9 to 15.
    pub(super) window_bits: u8,
}

#[derive(Default)]
struct Pool {
    deflate: Vec<(CompressorSettings, Box<Deflate>)>,
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

/// Runs `f` with the pool of the thread. Returns `None` while the thread ends.
fn with_pool<T>(f: impl FnOnce(&mut Pool) -> T) -> Option<T> {
    POOL.try_with(|pool| f(&mut pool.borrow_mut())).ok()
}

/// Returns a fresh context that compresses.
pub(super) fn deflate(settings: CompressorSettings) -> Box<Deflate> {
    let spare = with_pool(|pool| {
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
        // A negative number selects a stream without zlib's header and checksum.
        window_bits: -i32::from(settings.window_bits),
        mem_level: i32::from(settings.memory_level),
        strategy: Strategy::Default,
    }))
}

/// Returns a context to the pool.
pub(super) fn keep_deflate(settings: CompressorSettings, deflate: Box<Deflate>) {
    with_pool(|pool| {
        if pool.deflate.len() == MAX_SPARE {
            // The oldest context is dropped, because its settings may not occur again.
            pool.deflate.remove(0);
        }
        pool.deflate.push((settings, deflate));
    });
}

/// Returns a fresh context that inflates.
pub(super) fn inflate() -> Box<Inflate> {
    if let Some(mut inflate) = with_pool(|pool| pool.inflate.pop()).flatten() {
        inflate.reset(false);
        return inflate;
    }
    // The window always has 15 bits, because a smaller one would take as much memory.
    Box::new(Inflate::new(false, 15))
}

/// Returns a context to the pool.
pub(super) fn keep_inflate(inflate: Box<Inflate>) {
    with_pool(|pool| {
        if pool.inflate.len() < MAX_SPARE {
            pool.inflate.push(inflate);
        }
    });
}

/// Takes the block out of the pool, until [`keep_block`]. Its content is unspecified.
pub(super) fn block() -> Box<[u8]> {
    let spare = with_pool(|pool| pool.block.take()).flatten();
    spare.unwrap_or_else(|| vec![0; BLOCK].into())
}

/// Returns the block to the pool.
pub(super) fn keep_block(block: Box<[u8]>) {
    with_pool(|pool| pool.block = Some(block));
}
