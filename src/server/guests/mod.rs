//! [`Guests`]: all clients of a server, from `accept(2)` to the end of their connections.
//!
//! A client is first an opening, and then an open connection. Each kind has a limit of its own. The set is locked
//! only when a client comes, opens its connection, or leaves.

mod place;
mod slots;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

pub(super) use self::place::{Key, Place};
use self::slots::{Id, Slots};
use super::{builder::Options, report::Report};
use crate::{connection::Handle, frame::CloseFrame, net::served::TaskWaker};

/// The number of ends of lifetimes that are kept in any case.
const MIN_LIFETIMES: usize = 64;

/// All clients of a server.
pub(super) struct Guests {
    options: Arc<Options>,
    state: Mutex<State>,
    /// Whether every handler has to end now.
    is_cancelled: AtomicBool,
    /// Wakes those who wait for a change of `state`: the end of serving, or of the last client.
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// The Close frame for all connections, once the server stops.
    stop: Option<CloseFrame>,
    /// The clients in the opening handshake, oldest first. Dropping the sender ends the watch over a handshake.
    openings: BTreeMap<Id, oneshot::Sender<Cut>>,
    /// All clients.
    slots: Slots,
    /// The number of clients with an open connection.
    open: usize,
    /// The number of clients of each address, if a limit is set.
    per_address: HashMap<IpAddr, usize>,
    /// The ends of the lifetimes of connections, soonest first, if a limit is set.
    lifetimes: VecDeque<(Instant, Id)>,
}

/// Why an opening handshake is cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Too many handshakes are in progress, and this is the oldest.
    Crowded,
    /// The server stops.
    Stopping,
}

impl Guests {
    pub(super) fn new(options: Arc<Options>) -> Self {
        Self {
            options,
            state: Mutex::default(),
            is_cancelled: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    /// Adds a client whose opening handshake begins. The receiver gets the reason to cut the handshake short, or
    /// ends once the client has its answer.
    pub(super) fn enter(
        self: &Arc<Self>,
        peer: Option<SocketAddr>,
    ) -> (Place, oneshot::Receiver<Cut>) {
        let peer = peer.filter(|_| self.options.report.is_on() || self.limits_addresses());
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        let id = state.slots.insert();
        if let Some(address) = self.counted(peer.as_ref()) {
            *state.per_address.entry(address).or_default() += 1;
        }
        let cut = match &state.stop {
            Some(_) => Some((sender, Cut::Stopping)),
            None if state.openings.len() < self.options.limits.handshakes => {
                state.openings.insert(id, sender);
                None
            }
            None => {
                let oldest = state.openings.pop_first();
                state.openings.insert(id, sender);
                oldest.map(|(_, oldest)| (oldest, Cut::Crowded))
            }
        };
        drop(state);
        if let Some((opening, cut)) = cut {
            // The client may have left.
            let _ = opening.send(cut);
        }
        let place = Place {
            guests: Arc::clone(self),
            id,
            peer: peer.map(Box::new),
        };
        (place, receiver)
    }

    /// Tells all clients that the server stops. The first call counts.
    pub(super) fn stop(&self, frame: CloseFrame) {
        let mut state = self.lock();
        if state.stop.is_some() {
            return;
        }
        state.stop = Some(frame.clone());
        let openings = std::mem::take(&mut state.openings);
        let open = state.open_tasks();
        drop(state);
        for (_, opening) in openings {
            let _ = opening.send(Cut::Stopping);
        }
        for task in open {
            self.handle(&task).request_close(frame.clone());
        }
        self.changed.notify_waiters();
    }

    /// Ends every handler that still runs. Returns the number of clients that are left.
    pub(super) fn cancel(&self) -> usize {
        self.is_cancelled.store(true, Ordering::Release);
        let (len, tasks) = {
            let state = self.lock();
            let tasks = state.slots.iter().filter_map(|slot| slot.task.clone());
            (state.slots.len(), tasks.collect::<Vec<TaskWaker>>())
        };
        tasks.iter().for_each(TaskWaker::wake_task);
        len
    }

    /// Returns whether every handler has to end now.
    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Acquire)
    }

    pub(super) fn report(&self) -> &Report {
        &self.options.report
    }

    /// Returns the time in which a connection has to close.
    pub(super) fn close_timeout(&self) -> Duration {
        self.options.config.settings.close_timeout
    }

    /// Returns the Close frame for all connections, once the server stops.
    pub(super) fn stop_frame(&self) -> Option<CloseFrame> {
        self.lock().stop.clone()
    }

    /// Waits until the server stops.
    pub(super) async fn stopped(&self) {
        self.until(|state| state.stop.is_some()).await;
    }

    /// Waits until all clients have left.
    pub(super) async fn emptied(&self) {
        self.until(|state| state.slots.len() == 0).await;
    }

    /// Returns handles of the open connections.
    pub(super) fn handles(&self) -> Vec<Handle> {
        let open = self.lock().open_tasks();
        open.iter().map(|task| self.handle(task)).collect()
    }

    /// Returns the numbers of handshakes in progress and of open connections.
    pub(super) fn count(&self) -> (usize, usize) {
        let state = self.lock();
        (state.openings.len(), state.open)
    }

    /// Closes the connections whose lifetime has ended. Returns the end of the next lifetime.
    pub(super) fn expire(&self, now: Instant, frame: &CloseFrame) -> Option<Instant> {
        let mut expired = Vec::new();
        let mut state = self.lock();
        while let Some(&(end, id)) = state.lifetimes.front() {
            let slot = state.slots.get_mut(id);
            if slot.is_some() && end > now {
                break;
            }
            expired.extend(slot.and_then(|slot| slot.task.clone()));
            state.lifetimes.pop_front();
        }
        let next = state.lifetimes.front().map(|&(end, _)| end);
        drop(state);
        for task in expired {
            self.handle(&task).request_close(frame.clone());
        }
        next
    }

    /// Waits until a lifetime ends some time.
    pub(super) async fn has_lifetimes(&self) {
        self.until(|state| !state.lifetimes.is_empty()).await;
    }

    /// Returns a handle of a connection.
    fn handle(&self, task: &TaskWaker) -> Handle {
        task.handle(&self.options.config)
    }

    fn limits_addresses(&self) -> bool {
        self.options.limits.per_address != usize::MAX
    }

    /// Returns the address under which a client counts.
    fn counted(&self, peer: Option<&SocketAddr>) -> Option<IpAddr> {
        let peer = peer.filter(|_| self.limits_addresses())?;
        Some(peer.ip().to_canonical())
    }

    async fn until(&self, mut is_met: impl FnMut(&mut State) -> bool) {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if is_met(&mut self.lock()) {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds the end of a lifetime. Removes those of clients that have left, once they are the larger part.
    fn add_lifetime(&mut self, end: Instant, id: Id) {
        let Self {
            lifetimes,
            slots,
            open,
            ..
        } = self;
        if lifetimes.len() >= 2 * *open + MIN_LIFETIMES {
            lifetimes.retain(|&(_, id)| slots.get_mut(id).is_some());
        }
        lifetimes.push_back((end, id));
    }

    /// Returns the tasks of the open connections.
    fn open_tasks(&self) -> Vec<TaskWaker> {
        let open = self.slots.iter().filter(|slot| slot.is_open);
        open.filter_map(|slot| slot.task.clone()).collect()
    }
}

impl fmt::Debug for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (openings, open) = self.count();
        f.debug_struct("Guests")
            .field("openings", &openings)
            .field("open", &open)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clients_that_have_left_leave_no_lifetimes_behind() {
        let mut options = Options::default();
        options.limits.lifetime = Some(Duration::from_secs(3600));
        let guests = Arc::new(Guests::new(Arc::new(options)));
        let mut places = Vec::new();
        for number in 0..10_000 {
            let (place, _cut) = guests.enter(None);
            place.key().admit().await.unwrap();
            if number % 100 == 0 {
                places.push(place);
            }
        }
        assert_eq!(guests.count(), (0, 100));
        let kept = guests.lock().lifetimes.len();
        assert!((100..=2 * 100 + MIN_LIFETIMES).contains(&kept), "{kept}");
    }

    #[tokio::test]
    async fn a_client_that_gave_way_is_not_admitted() {
        let mut options = Options::default();
        options.limits.handshakes = 1;
        let guests = Arc::new(Guests::new(Arc::new(options)));
        let (oldest, mut cut) = guests.enter(None);
        let (next, _cut) = guests.enter(None);
        assert_eq!(cut.try_recv(), Ok(Cut::Crowded));
        assert!(oldest.key().admit().await.is_err());
        assert!(next.key().admit().await.is_ok());
        assert_eq!(guests.count(), (0, 1));
    }
}
