//! [`Guests`]: all clients of a server, from `accept(2)` to the end of their connections.
//!
//! A client is first an opening, and then an open connection. Each kind has a limit of its own. The set is locked
//! only when a client comes, opens its connection, or leaves.

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
    time::{Instant, timeout},
};

use super::{
    builder::Options,
    report::Report,
    slots::{Id, Slots},
};
use crate::{
    connection::Handle, frame::CloseFrame, handshake::HandshakeError, net::served::TaskWaker,
};

/// How long a client waits for another one to leave, if there is no place. A client that has closed its connection
/// may connect again before the server has removed it.
const PATIENCE: Duration = Duration::from_millis(100);

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

/// A client's place among the guests. Dropping it removes the client.
pub(super) struct Place {
    guests: Arc<Guests>,
    id: Id,
    /// The address of the client, if a report or a limit needs it.
    peer: Option<Box<SocketAddr>>,
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

    /// Tells all clients that the server stops. Returns `false` if it has stopped before.
    pub(super) fn stop(&self, frame: CloseFrame) -> bool {
        let mut state = self.lock();
        if state.stop.is_some() {
            return false;
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
        true
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
    /// Returns the tasks of the open connections.
    fn open_tasks(&self) -> Vec<TaskWaker> {
        let open = self.slots.iter().filter(|slot| slot.is_open);
        open.filter_map(|slot| slot.task.clone()).collect()
    }
}

impl Place {
    pub(super) const fn guests(&self) -> &Arc<Guests> {
        &self.guests
    }

    /// Returns a key with which the opening of this client changes its state.
    pub(super) fn key(&self) -> Key {
        Key {
            guests: Arc::clone(&self.guests),
            id: self.id,
            address: self.guests.counted(self.peer.as_deref()),
        }
    }

    /// Returns the address of the client, if it was kept.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.peer.as_deref().copied()
    }

    /// Sets the task to wake when every handler has to end.
    pub(super) fn set_task(&self, task: TaskWaker) {
        let mut state = self.guests.lock();
        let slot = state.slots.get_mut(self.id);
        let replaced = slot.and_then(|slot| slot.task.replace(task));
        drop(state);
        drop(replaced);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.guests.lock();
        let opening = state.openings.remove(&self.id);
        let slot = state.slots.remove(self.id);
        state.open -= usize::from(slot.is_open);
        if let Some(address) = self.guests.counted(self.peer.as_deref())
            && let Some(clients) = state.per_address.get_mut(&address)
        {
            *clients -= 1;
            if *clients == 0 {
                state.per_address.remove(&address);
            }
        }
        drop(state);
        drop((opening, slot));
        // Others wait for a place, or for the last client to leave.
        self.guests.changed.notify_waiters();
    }
}

/// The key of a client in the opening handshake.
pub(super) struct Key {
    guests: Arc<Guests>,
    id: Id,
    address: Option<IpAddr>,
}

impl Key {
    /// Gives the client a place among the open connections, before the 101 response is written. Waits for
    /// [`PATIENCE`] while there is none.
    pub(super) async fn admit(&self) -> Result<(), HandshakeError> {
        let mut full = Ok(());
        let admitted = self.guests.until(|state| {
            full = self.try_admit(state);
            full.is_ok() || state.stop.is_some()
        });
        let _ = timeout(PATIENCE, admitted).await;
        full
    }

    fn try_admit(&self, state: &mut State) -> Result<(), HandshakeError> {
        let limits = &self.guests.options.limits;
        let of_address = self.address.and_then(|it| state.per_address.get(&it));
        let reason = if state.stop.is_some() {
            "the server is shutting down"
        } else if state.open >= limits.connections {
            "the server has too many connections"
        } else if of_address.is_some_and(|clients| *clients > limits.per_address) {
            "there are too many connections from this address"
        } else {
            state.openings.remove(&self.id);
            if let Some(slot) = state.slots.get_mut(self.id) {
                slot.is_open = true;
                state.open += 1;
            }
            if let Some(lifetime) = limits.lifetime
                && let Some(end) = Instant::now().checked_add(lifetime)
            {
                state.lifetimes.push_back((end, self.id));
                self.guests.changed.notify_waiters();
            }
            return Ok(());
        };
        Err(HandshakeError::Unavailable { reason })
    }

    /// Adds the connection that is now open.
    pub(super) fn on_open(&self, task: TaskWaker) {
        let mut state = self.guests.lock();
        let stop = state.stop.clone();
        if let Some(slot) = state.slots.get_mut(self.id) {
            slot.task = Some(task.clone());
        }
        drop(state);
        if let Some(frame) = stop {
            self.guests.handle(&task).request_close(frame);
        }
    }

    /// Ends the watch over the handshake: the client has its answer.
    pub(super) fn on_answer(&self) {
        let opening = self.guests.lock().openings.remove(&self.id);
        drop(opening);
    }

    /// Returns whether the handshake was cut short.
    pub(super) fn is_cut(&self) -> bool {
        let mut state = self.guests.lock();
        let is_open = state.slots.get_mut(self.id).is_some_and(|it| it.is_open);
        !is_open && !state.openings.contains_key(&self.id)
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
