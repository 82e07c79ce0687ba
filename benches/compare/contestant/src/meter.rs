//! The jobs in memory, and the meter that runs during a job.

use std::{hint::black_box, sync::Arc, time::Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    BoxError, MemoryTransport, Op, Role, Scenario, Settings, alloc, check::Checker, corpus,
    deflate, transport::Written, wire,
};

/// The figures of a job: the line that a contestant prints.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Measured {
    /// The number of messages.
    pub messages: u64,
    /// Nanoseconds from the first message to the last.
    pub ns: u64,
    /// Allocations meanwhile.
    pub allocs: u64,
    /// Bytes of the allocations.
    pub alloc_bytes: u64,
    /// Bytes of an encoded message on the wire.
    pub bytes: Option<f64>,
    /// Checksum of the decoded messages.
    #[serde(skip)]
    checksum: u64,
}

/// The duties of a meter beside the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Compares every byte of the decoded messages: the warm-up.
    Verify,
    /// Counts allocations.
    Measure,
    /// None.
    Bare,
}

/// The messages of a scenario, prepared before the clock starts.
#[derive(Debug)]
pub struct Job {
    /// The parameters of permessage-deflate, or none without it.
    pub deflate: Option<Settings>,
    /// The role of the endpoint.
    pub role: Role,
    /// The number of messages: the pool from its beginning, again and again.
    pub messages: u64,
    /// Whether they are text.
    pub text: bool,
    /// The payloads.
    pub pool: Arc<Vec<Bytes>>,
    /// The frames that a decoder receives.
    pub wire: Bytes,
    /// The duties of its meter.
    pub mode: Mode,
    scenario: Scenario,
}

/// The clock, the counters and the checksum of a job.
#[derive(Debug)]
pub struct Meter {
    messages: u64,
    checksum: u64,
    mode: Mode,
    expected: Option<(Arc<Vec<Bytes>>, usize)>,
    start: Instant,
}

impl Job {
    /// Creates messages of about `pool` bytes together, and their frames.
    pub fn new(scenario: &Scenario, pool: usize, mode: Mode) -> Result<Self, BoxError> {
        let Scenario { content, role, .. } = *scenario;
        let pool = corpus::messages(content, scenario.size, pool);
        let first = wire::first_byte(content.is_text(), scenario.deflate.is_some());
        let wire = match (scenario.op, &scenario.deflate) {
            (Op::Encode, _) => Vec::new(),
            (Op::Decode, None) => wire::frames(&pool, first, role),
            (Op::Decode, Some(settings)) => {
                wire::frames(&deflate::compress(&pool, settings)?, first, role)
            }
        };
        Ok(Self {
            deflate: scenario.deflate,
            role,
            messages: scenario.messages,
            text: content.is_text(),
            pool: Arc::new(pool),
            wire: wire.into(),
            mode,
            scenario: scenario.clone(),
        })
    }

    /// Creates the transport. The peer of an encoder sends nothing.
    pub fn io(&self) -> MemoryTransport {
        let keeps = self.mode == Mode::Verify && self.deflate.is_some();
        MemoryTransport::new(self.wire.clone(), self.scenario.chunk, keeps)
    }

    /// Returns the number of messages whose bytes are compared: all of a pool that is compressed.
    pub fn checked_messages(&self) -> u64 {
        match self.deflate {
            Some(_) => self.pool.len() as u64,
            None => self.scenario.messages.div_ceil(10),
        }
    }

    /// Returns the number of messages that are timed: whole pools, if they have sizes of their own.
    pub fn timed_messages(&self) -> u64 {
        match (self.scenario.messages, self.scenario.content.is_story()) {
            (messages, true) => messages.next_multiple_of(self.pool.len() as u64),
            (messages, false) => messages,
        }
    }

    /// Checks that every message was decoded to the end, or written. Adds the bytes of a message on the wire.
    pub fn check(&self, done: Measured, io: &Written) -> Result<Measured, BoxError> {
        let bytes = match (self.scenario.op, self.mode) {
            (_, Mode::Bare) | (Op::Encode, Mode::Measure) => None,
            (Op::Encode, Mode::Verify) => Some(self.check_encoded(io)?),
            (Op::Decode, _) => {
                let messages = self.pool.iter().cycle().take(self.messages as usize);
                if messages.fold(0, |sum, payload| fold(sum, payload)) != done.checksum {
                    return Err("a decoded message differs from the message sent".into());
                }
                None
            }
        };
        Ok(Measured { bytes, ..done })
    }

    /// Checks that every message was written. Returns the bytes of a message on the wire.
    fn check_encoded(&self, io: &Written) -> Result<f64, BoxError> {
        let count = self.messages as f64;
        if let Some(settings) = &self.deflate {
            let mut checker = Checker::new(Some(settings), 0);
            checker.take(&io.kept(), &self.pool, self.text)?;
            if checker.done != self.messages {
                return Err("the number of messages written differs".into());
            }
            return Ok(checker.payload as f64 / count);
        }
        let size = self.scenario.size;
        let frame = size + wire::header_len(size, self.role == Role::Client);
        // A library may add frames, but may not leave bytes out.
        if io.bytes() < self.messages * frame as u64 {
            return Err("less was written than was sent".into());
        }
        Ok(io.bytes() as f64 / count)
    }

    /// Starts the clock.
    pub fn meter(&self) -> Meter {
        let verifies = self.mode == Mode::Verify;
        if self.mode == Mode::Measure {
            alloc::start();
        }
        Meter {
            messages: self.messages,
            checksum: 0,
            mode: self.mode,
            expected: verifies.then(|| (Arc::clone(&self.pool), 0)),
            start: Instant::now(),
        }
    }

    /// Creates the library's own messages of the pool, before the clock starts.
    pub fn prepare<M>(&self, text: impl Fn(&str) -> M, binary: impl Fn(&Bytes) -> M) -> Vec<M> {
        let message = |payload: &Bytes| match str::from_utf8(payload) {
            Ok(payload) if self.text => text(payload),
            _ => binary(payload),
        };
        self.pool.iter().map(message).collect()
    }

    /// Returns the payloads as text, or nothing if they are binary.
    pub fn texts(&self) -> Vec<&str> {
        let pool = self.pool.iter().filter(|_| self.text);
        let texts = pool.map(|payload| str::from_utf8(payload).expect("the corpus is UTF-8"));
        texts.collect()
    }

    /// Returns copies of the payloads, for libraries that mask the sender's own buffer.
    pub fn buffers(&self) -> Vec<Vec<u8>> {
        self.pool.iter().map(|payload| payload.to_vec()).collect()
    }

    /// Returns the messages to send, and after each whether to flush.
    pub fn send<'a, M>(&self, pool: &'a [M]) -> impl Iterator<Item = (&'a M, bool)> + use<'a, M> {
        let last = self.messages;
        // Compressed messages are flushed one by one.
        let mask = match self.deflate {
            Some(_) => 0,
            None => crate::FLUSH_EVERY - 1,
        };
        let messages = pool.iter().cycle();
        (1..=last)
            .zip(messages)
            .map(move |(i, message)| (message, i & mask == 0 || i == last))
    }
}

impl Meter {
    /// Takes a message, looks at it and drops it.
    #[inline]
    pub fn take<M>(&mut self, message: M, payload: impl FnOnce(&M) -> &[u8]) {
        self.look(payload(&message));
    }

    /// Looks at a payload that the library lends.
    #[inline]
    pub fn look(&mut self, payload: &[u8]) {
        self.checksum = fold(self.checksum, black_box(payload));
        if self.mode == Mode::Verify {
            self.verify(payload);
        }
    }

    /// Compares a payload with the payload sent.
    #[cold]
    fn verify(&mut self, payload: &[u8]) {
        if let Some((pool, next)) = &mut self.expected {
            assert!(pool[*next] == payload, "message {next} differs");
            *next = (*next + 1) % pool.len();
        }
    }

    /// Stops the clock.
    pub fn stop(self) -> Measured {
        let ns = self.start.elapsed().as_nanos() as u64;
        let (allocs, alloc_bytes) = match self.mode {
            Mode::Measure => alloc::stop(),
            Mode::Verify | Mode::Bare => (0, 0),
        };
        Measured {
            messages: self.messages,
            ns,
            allocs,
            alloc_bytes,
            bytes: None,
            checksum: self.checksum,
        }
    }
}

/// Folds the length and three bytes of a payload into a checksum.
#[inline]
fn fold(sum: u64, payload: &[u8]) -> u64 {
    let few = match payload {
        [] => 0,
        [first, ..] => {
            let middle = payload[payload.len() / 2];
            let last = payload[payload.len() - 1];
            u64::from(*first) << 40 | u64::from(middle) << 48 | u64::from(last) << 56
        }
    };
    sum.rotate_left(5) ^ few ^ payload.len() as u64
}
