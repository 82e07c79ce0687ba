//! Tasks that are polled only when they were woken, in an order that a seed decides. A lost wake-up is
//! found at once, and found again with the same seed.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

use tokio::runtime::{Builder, Runtime};

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Task<'a> {
    future: Pin<Box<dyn Future<Output = ()> + 'a>>,
    woken: Arc<Woken>,
}

#[derive(Default)]
pub(crate) struct Tasks<'a>(Vec<Task<'a>>);

impl<'a> Tasks<'a> {
    pub(crate) fn spawn(&mut self, future: impl Future<Output = ()> + 'a) {
        self.0.push(Task {
            future: Box::pin(future),
            woken: Arc::new(Woken(AtomicBool::new(true))),
        });
    }

    /// Runs all tasks to their end. Inside of [`runtime`], no deadline ever passes.
    pub(crate) fn run(mut self, seed: u64) {
        let mut random = Random::new(seed);
        while !self.0.is_empty() {
            let woken: Vec<usize> = (0..self.0.len())
                .filter(|task| self.0[*task].woken.0.load(Ordering::Relaxed))
                .collect();
            assert!(!woken.is_empty(), "a wake-up was lost with seed {seed}");
            let next = woken[random.below(woken.len())];
            let task = &mut self.0[next];
            task.woken.0.store(false, Ordering::Relaxed);
            let waker = Waker::from(Arc::clone(&task.woken));
            if task
                .future
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
            {
                drop(self.0.remove(next));
            }
        }
    }
}

/// A runtime to enter, for timers that never fire.
pub(crate) fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}

/// xorshift64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }
}
