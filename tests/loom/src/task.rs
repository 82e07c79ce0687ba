//! Tasks: each is a thread of the model, which sleeps while its future waits.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use loom::{
    model::Builder,
    sync::{Mutex, Notify},
};

/// The largest number of preemptions. With one, no fault of `waiters_models::wrong` is found. With two,
/// each is. Three take seconds, four a minute or two. LOOM_MAX_PREEMPTIONS sets another bound.
const PREEMPTIONS: usize = 3;

/// Tries every order within the bound.
pub(crate) fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.check(model);
}

/// Polls until it is ready, and sleeps in between.
pub(crate) fn wait<T>(poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let sleeper = Arc::new(Sleeper(Notify::new()));
    let waker = Waker::from(Arc::clone(&sleeper));
    let mut future = pin!(poll_fn(poll));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(ready) => return ready,
            Poll::Pending => sleeper.0.wait(),
        }
    }
}

/// The same as [`wait`], with a lock that is held during a poll, and that a wake-up takes.
pub(crate) fn wait_locked<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let task = Arc::new(Locked::default());
    let waker = Waker::from(Arc::clone(&task));
    loop {
        let polled = {
            let _locked = task.lock.lock().unwrap();
            poll(&mut Context::from_waker(&waker))
        };
        match polled {
            Poll::Ready(ready) => return ready,
            Poll::Pending => task.notify.wait(),
        }
    }
}

/// Polls once, for a task that does not wait for the result.
pub(crate) fn poll_once<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    poll(&mut Context::from_waker(Waker::noop()))
}

struct Sleeper(Notify);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.notify();
    }
}

#[derive(Default)]
struct Locked {
    lock: Mutex<()>,
    notify: Notify,
}

impl Wake for Locked {
    fn wake(self: Arc<Self>) {
        drop(self.lock.lock());
        self.notify.notify();
    }
}
