//! The global allocator of every contestant. It is the system's allocator, and counts while a count runs.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    io::Write,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

#[global_allocator]
static GLOBAL: Counting = Counting;

static ON: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

struct Counting;

/// Adds without a locked instruction, because the counted code runs on one thread.
fn add(counter: &AtomicU64, n: usize) {
    counter.store(counter.load(Relaxed).wrapping_add(n as u64), Relaxed);
}

fn note(bytes: usize) {
    if ON.load(Relaxed) {
        add(&COUNT, 1);
        add(&BYTES, bytes);
    }
}

// SAFETY: every call is passed on to `System` unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(new_size.saturating_sub(layout.size()));
        // SAFETY: the caller's promise.
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }
}

/// Starts counting from zero.
pub fn start() {
    COUNT.store(0, Relaxed);
    BYTES.store(0, Relaxed);
    ON.store(true, Relaxed);
}

/// Stops counting. Returns the number of allocations since [`start`] and their bytes. A reallocation counts as
/// one, of the bytes that were added.
pub fn stop() -> (u64, u64) {
    ON.store(false, Relaxed);
    (COUNT.load(Relaxed), BYTES.load(Relaxed))
}

/// Lets SIGUSR1 start the count, and the next one stop it. Each is answered on stdout, with
/// `allocations COUNT BYTES`.
///
/// A thread that listened instead would make every malloc and free of the server take a lock.
pub fn answer_signals() {
    let handler: extern "C" fn(libc::c_int) = toggle;
    // SAFETY: the handler takes no lock and allocates nothing.
    unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
}

extern "C" fn toggle(_: libc::c_int) {
    let (count, bytes) = if ON.load(Relaxed) {
        stop()
    } else {
        start();
        (0, 0)
    };
    let mut line = [0; 64];
    let mut rest = &mut line[..];
    let _ = writeln!(rest, "allocations {count} {bytes}");
    let length = 64 - rest.len();
    // SAFETY: the pointer and the length are those of `line`.
    unsafe { libc::write(libc::STDOUT_FILENO, line.as_ptr().cast(), length) };
}
