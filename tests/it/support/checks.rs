//! The checks of a story of two endpoints.
//!
//! The fuzz targets use this file too. It depends on `wsimd` and `bytes` alone.

use wsimd::{Event, Role, protocol::Step};

use super::{
    frames::ROLES,
    story::{CONTROL, Story},
};

impl Story {
    /// Checks everything that holds at every moment.
    pub(super) fn check(&mut self) {
        for role in ROLES {
            self.check_events(role);
            self.check_bounds(role);
            self.check_life(role);
        }
        for role in ROLES {
            self.check_answers(role);
        }
    }

    /// Checks that the newest ping is answered once everything was delivered, although pongs are held.
    fn check_answers(&mut self, role: Role) {
        let (side, other) = self.pair.both(role);
        let goes_on = [&*side, other].map(|side| side.endpoint.next_step() == Step::Continue);
        if goes_on == [true, true] && side.output.is_empty() {
            let record = self.record(role);
            assert_eq!(record.answered, record.pings.len(), "a pong is missing");
        }
    }

    /// Checks the new events of a side against the words of its peer.
    fn check_events(&mut self, role: Role) {
        let (side, other) = self.pair.both(role);
        let (own, sender) = match role {
            Role::Client => (&mut self.client, &mut self.server),
            Role::Server => (&mut self.server, &mut self.client),
        };
        for event in &side.events[own.seen..] {
            assert!(!own.got_close, "{event:?} after Close");
            match event {
                Event::Ping(payload) if payload.starts_with(b"k") => {
                    own.pings.push(payload.clone());
                    let expected = &other.pings[sender.arrived_keepalive];
                    assert_eq!(payload, expected, "a ping of the keepalive");
                    sender.arrived_keepalive += 1;
                }
                Event::Pong(payload) if !payload.starts_with(b"u") => {
                    let unanswered = &sender.pings[sender.answered..];
                    let place = unanswered.iter().position(|ping| ping == payload);
                    let place = place.expect("a pong answers a ping that has arrived, in order");
                    assert!(place == 0 || sender.was_full, "a pong is missing");
                    sender.answered += place + 1;
                }
                Event::Close(frame) => {
                    own.got_close = true;
                    assert_eq!(other.closed().sent.as_ref(), Some(frame));
                }
                _ => {
                    if let Event::Ping(payload) = event {
                        own.pings.push(payload.clone());
                    }
                    let expected = sender.said.get(sender.arrived);
                    assert_eq!(Some(event), expected, "lost, repeated or reordered");
                    sender.arrived += 1;
                }
            }
        }
        own.seen = side.events.len();
        if side.endpoint.is_open() {
            own.pings_while_open = own.pings.len();
        }
        let limit = sender.spoiled_at.unwrap_or(usize::MAX);
        assert!(sender.arrived <= limit, "received after a violation");
    }

    fn check_bounds(&mut self, role: Role) {
        let high_water = self.settings.high_water;
        let side = self.pair.side(role);
        let (queued, left) = (side.output.len(), side.left());
        let is_open = side.endpoint.is_open();
        let record = self.record(role);
        record.was_full |= queued > high_water;
        let limit = high_water + record.largest + 2 * CONTROL;
        assert!(
            queued <= limit,
            "{queued} bytes of output, more than {limit}"
        );
        assert!(
            !is_open || left < 14 + 125,
            "{left} bytes of input are left"
        );
    }

    /// Checks that the keepalive gives up neither too early nor too late.
    fn check_life(&mut self, role: Role) {
        let now = self.pair.now;
        let side = self.pair.side(role);
        let Some((interval, timeout)) = self.settings.keepalive else {
            assert!(side.gave_up.is_none() && side.ping_times.is_empty());
            return;
        };
        if side.gave_up.is_some() {
            let silence = side.gave_up_after;
            assert!(silence >= timeout, "given up after {silence:?}");
        }
        if !side.endpoint.is_open() {
            return;
        }
        if let Some(since) = side.waits_since {
            let silence = now - since.max(side.last_written);
            assert!(silence <= 2 * timeout, "blocked for {silence:?}");
        } else if let Some(since) = side.idle_since {
            let silence = now - since.max(side.last_received);
            let limit = 2 * (interval + timeout);
            assert!(silence <= limit, "silent for {silence:?}");
        }
    }

    /// Checks that both sides agree on an end that nothing can change any more.
    pub(super) fn check_end(&self) {
        let sides = [&self.client, &self.server];
        let ends = [&self.pair.client, &self.pair.server];
        let is_disturbed = ends.iter().any(|side| {
            side.timed_out || side.gave_up.is_some() || side.endpoint.violation().is_some()
        }) || sides.iter().any(|record| record.was_cut);
        for (i, o) in [(0, 1), (1, 0)] {
            let (side, other) = (ends[i], ends[o]);
            let (closed, sender) = (side.closed(), sides[o]);
            assert!(!(closed.received_first && other.closed().received_first));
            if let Some(received) = &closed.received {
                assert_eq!(Some(received), other.closed().sent.as_ref());
                let said = sender.spoiled_at.unwrap_or(sender.said.len());
                // An echo, a violation and a give-up drop the rest of an unfinished message.
                let is_hasty = other.closed().received_first
                    || other.endpoint.violation().is_some()
                    || other.gave_up.is_some();
                let unfinished = usize::from(is_hasty);
                let lost = said - sender.arrived;
                assert!(lost <= unfinished, "{lost} accepted before Close and lost");
                assert!(sender.spoiled_at.is_none() || sides[o].spoiled_at.is_some());
            }
            if closed.received_first && closed.sent.is_some() {
                assert_eq!(closed.sent, closed.received, "no echo");
            }
            if let Some(violation) = side.endpoint.violation() {
                assert!(sender.spoiled_at.is_some(), "{violation} of a fair peer");
                assert_eq!(closed.received, None);
                let sent = closed.sent.as_ref();
                assert!(sent.is_some(), "the peer is not told of {violation}");
            }
            if is_disturbed {
                continue;
            }
            assert!(closed.is_complete(), "nothing has disturbed the end");
            if !sender.was_full {
                assert!(
                    sender.answered >= sender.pings_while_open,
                    "a pong is missing"
                );
            }
        }
    }
}
