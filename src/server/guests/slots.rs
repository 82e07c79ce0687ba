//! [`Slots`]: a small entry for each client of a server.

use crate::net::served::TaskWaker;

/// Entries for the clients of a server. An entry of a client that has left is used again.
#[derive(Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// The indexes of the unused entries.
    free: Vec<u32>,
    last: u64,
}

/// The identity of a client. Later clients are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    number: u64,
    index: u32,
}

/// The entry of a client.
#[derive(Default)]
pub(super) struct Slot {
    /// The lower half of the client's number. Zero for an unused entry, and for no other with this index.
    number: u32,
    /// Whether the client has a place among the open connections. The 101 response may still be in writing.
    pub(super) is_open: bool,
    /// The task that polls the handler, once the client has its answer.
    pub(super) task: Option<TaskWaker>,
}

/// Every connection under `serve` takes this.
const _: () = assert!(size_of::<Slot>() == 2 * size_of::<u64>());

impl Slots {
    /// Adds a client.
    pub(super) fn insert(&mut self) -> Id {
        self.last += 1;
        if lower(self.last) == 0 {
            self.last += 1;
        }
        let number = self.last;
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let id = Id { number, index };
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.number = lower(number);
        }
        id
    }

    /// Removes a client. Returns its entry.
    pub(super) fn remove(&mut self, id: Id) -> Slot {
        let Some(slot) = self.get_mut(id) else {
            return Slot::default();
        };
        let removed = std::mem::take(slot);
        self.free.push(id.index);
        removed
    }

    /// Returns the entry of a client that has not left.
    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.index as usize)?;
        (slot.number == lower(id.number)).then_some(slot)
    }

    /// Returns the number of clients.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Returns the entries, also the unused ones.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is wanted")]
const fn lower(number: u64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_used_again_under_another_identity() {
        let mut slots = Slots::default();
        let first = slots.insert();
        let second = slots.insert();
        slots.remove(first);
        assert!(slots.get_mut(first).is_none());
        let third = slots.insert();
        assert_eq!((slots.len(), slots.iter().count()), (2, 2));
        assert!(slots.get_mut(first).is_none());
        slots.get_mut(third).unwrap().is_open = true;
        assert!(!slots.get_mut(second).unwrap().is_open);
        assert!(first < second && second < third);
        assert!(slots.remove(third).is_open);
        assert!(!slots.remove(third).is_open);
        assert_eq!(slots.len(), 1);
    }
}
