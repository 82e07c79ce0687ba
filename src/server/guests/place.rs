//! [`Place`]: a client among the guests of a server, and the key with which its opening changes its state.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, timeout};

use super::{Guests, State, slots::Id};
use crate::{handshake::HandshakeError, net::served::TaskWaker};

/// How long a client waits for another one to leave, if there is no place. A client that has closed its connection
/// may connect again before the server has removed it.
const PATIENCE: Duration = Duration::from_millis(100);

/// A client's place among the guests. Dropping it removes the client.
pub(in crate::server) struct Place {
    pub(super) guests: Arc<Guests>,
    pub(super) id: Id,
    /// The address of the client, if a report or a limit needs it.
    pub(super) peer: Option<Box<SocketAddr>>,
}

impl Place {
    pub(in crate::server) const fn guests(&self) -> &Arc<Guests> {
        &self.guests
    }

    /// Returns a key with which the opening of this client changes its state.
    pub(in crate::server) fn key(&self) -> Key {
        Key {
            guests: Arc::clone(&self.guests),
            id: self.id,
            address: self.guests.counted(self.peer.as_deref()),
        }
    }

    /// Returns the address of the client, if it was kept.
    pub(in crate::server) fn peer(&self) -> Option<SocketAddr> {
        self.peer.as_deref().copied()
    }

    /// Sets the task to wake when every handler has to end.
    pub(in crate::server) fn set_task(&self, task: TaskWaker) {
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
pub(in crate::server) struct Key {
    guests: Arc<Guests>,
    id: Id,
    address: Option<IpAddr>,
}

impl Key {
    /// Gives the client a place among the open connections, before the 101 response is written. Waits for
    /// [`PATIENCE`] while there is none.
    pub(in crate::server) async fn admit(&self) -> Result<(), HandshakeError> {
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
        } else if !state.openings.contains_key(&self.id) {
            "too many clients are in the opening handshake"
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
                state.add_lifetime(end, self.id);
                self.guests.changed.notify_waiters();
            }
            return Ok(());
        };
        Err(HandshakeError::Unavailable { reason })
    }

    /// Adds the connection that is now open.
    pub(in crate::server) fn on_open(&self, task: TaskWaker) {
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
    pub(in crate::server) fn on_answer(&self) {
        let opening = self.guests.lock().openings.remove(&self.id);
        drop(opening);
    }

    /// Returns whether the handshake was cut short.
    pub(in crate::server) fn is_cut(&self) -> bool {
        let mut state = self.guests.lock();
        let is_open = state.slots.get_mut(self.id).is_some_and(|it| it.is_open);
        !is_open && !state.openings.contains_key(&self.id)
    }
}
