//! A random story of two endpoints: operations, deliveries and time. `checks.rs` judges the outcome.
//!
//! The fuzz targets use this file too. It depends on `wsimd` and `bytes` alone.

use std::{thread, time::Duration};

use bytes::Bytes;
use wsimd::{Config, Event, Message, Role};

use super::{
    frames::{CLOSE, FIN, ROLES, TEXT, frame, key},
    pair::Pair,
    side::CLOSE_TIMEOUT,
};

/// The longest ping frame of a client.
pub(super) const CONTROL: usize = 6 + 125;

/// A source of decisions: returns a number below its argument.
pub(crate) type Source<'a> = &'a mut dyn FnMut(usize) -> usize;

/// One step of a story.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Text(Role, usize),
    Binary(Role, usize),
    Ping(Role, usize),
    Pong(Role, usize),
    Close(Role, u16),
    /// Delivers this number of bytes that a side has sent.
    Deliver(Role, usize),
    DeliverEof(Role),
    Advance(Duration),
    /// Appends a violation to the bytes of a side.
    Inject(Role, usize),
    /// Sends the start of a message, and then Close.
    CloseWithin(Role, u16),
    /// Ends the stream of a side after this number of its bytes.
    Cut(Role, usize),
    /// The next ping of the keepalive is lost.
    LosePing(Role),
}

/// The settings of both sides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) high_water: usize,
    frame_size: Option<usize>,
    pub(super) keepalive: Option<(Duration, Duration)>,
}

/// The model of one side as a sender.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The accepted messages, pings and unsolicited pongs.
    pub(super) said: Vec<Event>,
    /// The number of accepted ones that the peer has received.
    pub(super) arrived: usize,
    /// The number of received keepalive pings.
    pub(super) arrived_keepalive: usize,
    /// The number of accepted events before a violation was injected.
    pub(super) spoiled_at: Option<usize>,
    /// The largest frame of an accepted message, in bytes on the wire.
    pub(super) largest: usize,
    /// Whether output has stood above the high-water mark.
    pub(super) was_full: bool,
    /// The pings that the side has received, and the number of them while it was open.
    pub(super) pings: Vec<Bytes>,
    pub(super) pings_while_open: usize,
    /// The number of these pings up to the last one whose pong has arrived.
    pub(super) answered: usize,
    /// The number of the side's events that were checked.
    pub(super) seen: usize,
    pub(super) was_cut: bool,
    pub(super) got_close: bool,
}

/// Two endpoints and the model of them. Prints its operations if a check fails.
#[derive(Debug)]
pub(crate) struct Story {
    name: String,
    pub(super) settings: Settings,
    ops: Vec<Op>,
    pub(super) pair: Pair,
    pub(super) client: Record,
    pub(super) server: Record,
}

impl Drop for Story {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}: {:?}", self.name, self.settings);
            for op in &self.ops {
                eprintln!("  {op:?}");
            }
            eprintln!("{:?}", self.pair);
        }
    }
}

/// Plays a story of this number of operations, and its end.
pub(crate) fn play(name: String, len: usize, source: Source<'_>) {
    let mut story = Story::new(name, source);
    for _ in 0..len {
        let op = story.draw(source);
        story.perform(op);
    }
    story.end(source);
}

impl Story {
    fn new(name: String, source: Source<'_>) -> Self {
        let secs = Duration::from_secs;
        let settings = Settings {
            high_water: [0, 50, 1000, 65_536][source(4)],
            frame_size: [None, None, Some(1), Some(100)][source(4)],
            keepalive: [
                None,
                Some((secs(20), secs(20))),
                Some((secs(5), secs(12))),
                Some((secs(9), secs(3))),
            ][source(4)],
        };
        let mut config = Config::new()
            .masking_keys(key)
            .write_high_water(settings.high_water)
            .outgoing_frame_size(settings.frame_size)
            .close_timeout(CLOSE_TIMEOUT);
        if let Some((interval, timeout)) = settings.keepalive {
            config = config.ping_interval(interval).ping_timeout(timeout);
        }
        Self {
            name,
            settings,
            ops: Vec::new(),
            pair: Pair::new(&config),
            client: Record::default(),
            server: Record::default(),
        }
    }

    /// Draws the next operation. Endings are rare.
    fn draw(&mut self, source: Source<'_>) -> Op {
        let role = ROLES[source(2)];
        let waits = self.pair.side(role).output.len();
        let code = [1000, 1001, 1011, 4999][source(4)];
        match source(64) {
            0..12 => Op::Text(role, self.draw_len(source)),
            12..22 => Op::Binary(role, self.draw_len(source)),
            22..26 => Op::Ping(role, source(126)),
            26 => Op::Pong(role, source(126)),
            27..38 => Op::Deliver(role, usize::MAX),
            38..43 => Op::Deliver(role, 1 + source(8)),
            43..48 => Op::Deliver(role, waits / 2 + 1),
            48..50 => Op::DeliverEof(role),
            50..54 => Op::Advance(Duration::from_millis(1 + source(3000) as u64)),
            54..58 => Op::Advance(Duration::from_secs(1 + source(30) as u64)),
            58 => Op::LosePing(role),
            59..61 => Op::Close(role, code),
            61 => Op::CloseWithin(role, code),
            62 => Op::Inject(role, source(8)),
            _ => Op::Cut(role, source(waits + 1)),
        }
    }

    fn draw_len(&self, source: Source<'_>) -> usize {
        let len = match source(8) {
            0 => 0,
            1..5 => source(130),
            5 => 126,
            6 => source(4096),
            _ => [65_535, 65_536, 70_000][source(3)],
        };
        // A message of frames with fewer than 64 bytes has about 4,096 of them.
        len.min(
            self.settings
                .frame_size
                .unwrap_or(usize::MAX)
                .saturating_mul(4000),
        )
    }

    fn perform(&mut self, op: Op) {
        self.ops.push(op);
        match op {
            Op::Text(role, len) => self.send(role, text(len, self.ops.len()).into()),
            Op::Binary(role, len) => self.send(role, text(len, self.ops.len()).into_bytes().into()),
            Op::Ping(role, len) => self.control(role, 'p', len),
            Op::Pong(role, len) => self.control(role, 'u', len),
            Op::Close(role, code) => self.close(role, code),
            Op::Deliver(role, len) => drop(self.pair.deliver(role, len)),
            Op::DeliverEof(role) => drop(self.pair.deliver_eof(role)),
            Op::Advance(time) => self.pair.advance(time),
            Op::Inject(role, kind) => self.inject(role, kind),
            Op::CloseWithin(role, code) => {
                let endpoint = &self.pair.side(role).endpoint;
                if endpoint.is_open() && endpoint.unfinished_len() == 0 {
                    self.pair.inject(role, &frame(role, TEXT, b"unfinished"));
                    self.record(role).largest += 16;
                }
                self.close(role, code);
            }
            Op::Cut(role, len) => {
                self.pair.cut(role, len);
                self.record(role).was_cut = true;
            }
            Op::LosePing(role) => self.pair.side(role).lost_pings += 1,
        }
        self.check();
    }

    /// Sends a message as an owner does, who waits for room.
    fn send(&mut self, role: Role, message: Message) {
        let side = self.pair.side(role);
        let is_open = side.endpoint.is_open();
        if is_open && !side.endpoint.has_room(&side.output) {
            return;
        }
        let sent = self.pair.send(role, message.clone());
        assert_eq!(sent.is_ok(), is_open, "{sent:?}");
        let frame_size = self.settings.frame_size.unwrap_or(usize::MAX);
        let largest = message.len().min(frame_size) + 14;
        if is_open {
            let record = self.record(role);
            record.largest = record.largest.max(largest);
            record.said.push(Event::Message(message));
        }
    }

    fn control(&mut self, role: Role, kind: char, len: usize) {
        let side = self.pair.side(role);
        let is_open = side.endpoint.is_open();
        if is_open && !side.endpoint.has_room(&side.output) {
            return;
        }
        let tag = format!("{kind}{}.", self.ops.len());
        let payload = Bytes::from(format!("{tag:.<len$}"));
        let (sent, event) = match kind {
            'p' => (self.pair.ping(role, payload.clone()), Event::Ping(payload)),
            _ => (self.pair.pong(role, payload.clone()), Event::Pong(payload)),
        };
        assert_eq!(sent.is_ok(), is_open, "{sent:?}");
        if is_open {
            self.record(role).said.push(event);
        }
    }

    fn close(&mut self, role: Role, code: u16) {
        let is_open = self.pair.side(role).endpoint.is_open();
        let reason = format!("{role:?} {}", self.ops.len());
        assert_eq!(self.pair.close(role, code, &reason), is_open);
    }

    /// Appends a violation, behind the whole frames that a side has sent.
    fn inject(&mut self, role: Role, kind: usize) {
        let side = self.pair.side(role);
        // Between the frames of a message, some of these are no violation.
        if side.is_done() || side.endpoint.unfinished_len() > 0 {
            return;
        }
        let bytes = match kind {
            0 => frame(role, FIN | 3, b"reserved opcode"),
            1 => frame(role, FIN, b"no message to continue"),
            2 => frame(role.peer(), FIN | TEXT, b"wrong mask"),
            3 => frame(role, FIN | TEXT, b"\xff not UTF-8"),
            4 => frame(role, FIN | CLOSE, b"\x03"),
            5 => frame(role, FIN | CLOSE, &[3, 238]),
            6 => frame(role, FIN | 0x40 | TEXT, b"reserved bit"),
            _ => frame(role, TEXT, b"unfinished")
                .into_iter()
                .chain(frame(role, FIN | TEXT, b"another"))
                .collect(),
        };
        self.pair.inject(role, &bytes);
        let record = self.record(role);
        let said = record.said.len();
        record.spoiled_at.get_or_insert(said);
        record.largest += bytes.len();
    }

    /// Closes both sides, lets time pass, and checks that both end.
    fn end(&mut self, source: Source<'_>) {
        // Some stories end without Close, if the keepalive can end them.
        let closes = self.settings.keepalive.is_none() || source(4) > 0;
        let stalled = [source(8) == 0, source(8) == 0];
        if closes {
            let first = source(2);
            for role in [ROLES[first], ROLES[1 - first]] {
                self.perform(Op::Close(role, 1000));
                let len = [0, 1 + source(200), usize::MAX][source(3)];
                if len > 0 && !stalled[usize::from(role == Role::Server)] {
                    self.perform(Op::Deliver(role, len));
                }
            }
        }
        let limit = match self.settings.keepalive {
            _ if closes => CLOSE_TIMEOUT,
            Some((interval, timeout)) => 4 * (interval + timeout) + CLOSE_TIMEOUT,
            None => Duration::ZERO,
        };
        let until = self.pair.now + limit;
        let some_stall = stalled.contains(&true);
        for _ in 0..1000 {
            for (role, stalled) in ROLES.into_iter().zip(stalled) {
                if !stalled {
                    // A message leaves frame by frame.
                    while !self.pair.side(role).output.is_empty() {
                        self.perform(Op::Deliver(role, usize::MAX));
                    }
                    self.perform(Op::DeliverEof(role));
                }
            }
            let Some(next) = self.pair.next_time() else {
                break;
            };
            if next > until {
                break;
            }
            let wait = next.saturating_sub(self.pair.now);
            self.perform(Op::Advance(wait));
        }
        let is_over = self.pair.client.is_done() && self.pair.server.is_done();
        let may_live = !closes && !some_stall;
        assert!(is_over || may_live, "the story does not end");
        if is_over {
            self.check_end();
        }
    }

    pub(super) fn record(&mut self, role: Role) -> &mut Record {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }
}

/// A text of exactly `len` bytes.
fn text(len: usize, number: usize) -> String {
    let word = format!("{number} é😀 ");
    let mut text = word.repeat(len / word.len());
    text.extend(std::iter::repeat_n('.', len - text.len()));
    text
}
