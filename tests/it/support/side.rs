//! One endpoint with its owner, who performs the steps of its end and judges its peer.
//!
//! The fuzz targets use this file too. It depends on `wsimd` and `bytes` alone.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use wsimd::{
    Closed, Config, Event, Message, ProtocolError, Role,
    protocol::{Duty, Endpoint, Keepalive, Step},
};

/// The time that the owner gives the end of a connection.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// One endpoint with its owner.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) endpoint: Endpoint,
    pub(crate) keepalive: Keepalive,
    /// The wire to the peer: the bytes that wait to be written.
    pub(crate) output: BytesMut,
    /// The events in the order of their arrival.
    pub(crate) events: Vec<Event>,
    /// The payloads of the pings of the keepalive.
    pub(crate) pings: Vec<Bytes>,
    /// The times of the pings of the keepalive.
    pub(crate) ping_times: Vec<Duration>,
    /// The number of keepalive pings that are lost on their way.
    pub(crate) lost_pings: usize,
    /// The time at which the keepalive gave the peer up.
    pub(crate) gave_up: Option<Duration>,
    /// The time without a byte in the direction that counts, when the keepalive gave the peer up.
    pub(crate) gave_up_after: Duration,
    /// Whether a deadline has ended the connection.
    pub(crate) timed_out: bool,
    /// The steps that were performed.
    pub(crate) steps: Vec<Step>,
    /// Whether the sending direction is shut down after `output`.
    pub(crate) half_closed: bool,
    /// The time of the last byte that has arrived, and of the last one that the stream has taken.
    pub(crate) last_received: Duration,
    pub(crate) last_written: Duration,
    /// The time since when output has waited, or since when none has.
    pub(crate) waits_since: Option<Duration>,
    pub(crate) idle_since: Option<Duration>,
    input: BytesMut,
    deadline: Option<Duration>,
    /// Whether the end of the peer's stream has arrived.
    pub(super) saw_eof: bool,
    /// The number of discarded bytes, and the time since when none has arrived.
    discarded: usize,
    silent_since: Option<Duration>,
}

impl Side {
    pub(crate) fn new(role: Role, config: &Config) -> Self {
        Self {
            endpoint: Endpoint::new(role, config),
            keepalive: Keepalive::new(config),
            output: BytesMut::new(),
            events: Vec::new(),
            pings: Vec::new(),
            ping_times: Vec::new(),
            lost_pings: 0,
            gave_up: None,
            gave_up_after: Duration::ZERO,
            timed_out: false,
            steps: Vec::new(),
            half_closed: false,
            last_received: Duration::ZERO,
            last_written: Duration::ZERO,
            waits_since: None,
            idle_since: None,
            input: BytesMut::new(),
            deadline: None,
            saw_eof: false,
            discarded: 0,
            silent_since: None,
        }
    }

    pub(crate) fn closed(&self) -> Closed {
        self.endpoint.close_frames()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.endpoint.next_step() == Step::Done
    }

    /// Returns the number of bytes that were received and belong to no event.
    pub(crate) fn left(&self) -> usize {
        self.input.len()
    }

    /// Returns the payloads of the pongs that have arrived.
    pub(crate) fn pongs(&self) -> Vec<&[u8]> {
        let events = self.events.iter();
        let payloads = events.filter_map(|event| match event {
            Event::Pong(payload) => Some(&payload[..]),
            _ => None,
        });
        payloads.collect()
    }

    /// Returns the messages that have arrived.
    pub(crate) fn messages(&self) -> Vec<&Message> {
        let events = self.events.iter();
        let messages = events.filter_map(|event| match event {
            Event::Message(message) => Some(message),
            _ => None,
        });
        messages.collect()
    }

    /// Receives bytes, as the owner of the stream does after a read.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.input.extend_from_slice(bytes);
        while self.endpoint.next_step() == Step::Continue {
            match self.endpoint.receive(&mut self.input, &mut self.output)? {
                Some(event) => self.events.push(event),
                None => break,
            }
        }
        Ok(())
    }

    /// Reports that the stream has taken bytes.
    pub(super) fn on_written(&mut self, now: Duration) {
        self.last_written = now;
        self.keepalive.on_written();
        self.endpoint.on_written(&mut self.output);
    }

    pub(super) fn on_bytes(&mut self, bytes: &[u8], now: Duration) {
        self.last_received = now;
        match self.endpoint.next_step() {
            Step::Continue => {
                self.keepalive.on_received();
                // The endpoint keeps the violation.
                let _ = self.receive(bytes);
            }
            // The owner does not read yet. The bytes wait in the socket.
            Step::Flush | Step::HalfClose => self.input.extend_from_slice(bytes),
            Step::Done => {}
            _ => {
                self.discarded += bytes.len();
                self.silent_since = Some(now);
            }
        }
    }

    pub(super) fn on_eof(&mut self) {
        self.saw_eof = true;
        if self.endpoint.next_step() == Step::Continue {
            self.endpoint.receive_eof();
            self.output.clear();
        }
    }

    /// Performs the steps that need no wait.
    fn perform(&mut self, now: Duration) {
        if !self.endpoint.is_open() {
            self.deadline.get_or_insert(now + CLOSE_TIMEOUT);
        }
        loop {
            let step = self.endpoint.next_step();
            let is_performed = match step {
                Step::Flush => self.output.is_empty(),
                Step::HalfClose => {
                    self.half_closed = true;
                    true
                }
                Step::Drain | Step::Discard => self.is_drained(step, now),
                _ => false,
            };
            if !is_performed {
                break;
            }
            self.steps.push(step);
            self.endpoint.on_step(step);
        }
        if self.is_done() && !self.half_closed {
            // The owner drops the stream.
            self.output.clear();
            self.half_closed = true;
        }
    }

    fn is_drained(&mut self, step: Step, now: Duration) -> bool {
        self.discarded += self.input.len();
        self.input.clear();
        let since = *self.silent_since.get_or_insert(now);
        self.saw_eof
            || self.discarded > Step::MAX_DRAIN
            || now >= since + Step::LINGER
            || (step == Step::Discard && self.discarded == 0)
    }

    /// Returns the time at which the owner has to do something without input.
    pub(super) fn next_time(&self) -> Option<Duration> {
        let step = self.endpoint.next_step();
        let linger = match step {
            Step::Drain | Step::Discard => self.silent_since.map(|since| since + Step::LINGER),
            _ => None,
        };
        match step {
            Step::Done => None,
            _ if self.deadline.is_some() => linger.into_iter().chain(self.deadline).min(),
            _ => self.keepalive.next(),
        }
    }

    /// Does everything that is due.
    pub(super) fn tick(&mut self, now: Duration) {
        self.note_output(now);
        self.perform(now);
        match self.deadline {
            _ if self.is_done() => return,
            Some(deadline) if now >= deadline => {
                self.timed_out = true;
                self.endpoint.abandon();
            }
            Some(_) => {}
            None => self.judge(now),
        }
        self.perform(now);
        self.note_output(now);
    }

    fn note_output(&mut self, now: Duration) {
        if self.output.is_empty() {
            self.waits_since = None;
            self.idle_since.get_or_insert(now);
        } else {
            self.idle_since = None;
            self.waits_since.get_or_insert(now);
        }
    }

    /// Judges the peer if it is time, or if output has begun to wait.
    fn judge(&mut self, now: Duration) {
        let blocked = !self.output.is_empty();
        let starts = self.keepalive.next().is_none_or(|next| now >= next);
        if !starts && (!blocked || self.keepalive.is_blocked()) {
            return;
        }
        match self.keepalive.judge(now, blocked) {
            Duty::Wait => {}
            Duty::Ping => self.keepalive_ping(now),
            Duty::GiveUp => {
                let last = match self.waits_since {
                    Some(since) => since.max(self.last_written),
                    None => self.last_received,
                };
                self.gave_up = Some(now);
                self.gave_up_after = now - last;
                self.endpoint.abandon();
            }
        }
    }

    fn keepalive_ping(&mut self, now: Duration) {
        let payload = Bytes::from(format!("k{}", self.pings.len()));
        let before = self.output.len();
        let sent = self.endpoint.ping(payload.clone(), &mut self.output);
        self.ping_times.push(now);
        if self.lost_pings > 0 {
            self.lost_pings -= 1;
            self.output.truncate(before);
        } else if sent.is_ok() {
            self.pings.push(payload);
        }
    }
}
