//! The jobs in memory, and the meter that runs while one is done.

use std::{hint::black_box, sync::Arc, time::Instant};

use bytes::Bytes;

use crate::{
    BoxError, MemoryTransport, Role, Scenario, alloc, corpus, scenario::Op, transport::Written, wire,
};

/// What was measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    /// Nanoseconds from the first message to the last.
    pub ns: u64,
    /// Allocations meanwhile.
    pub allocs: u64,
    /// Their bytes.
    pub alloc_bytes: u64,
    /// Of what was decoded, or written.
    pub checksum: u64,
}

/// Messages to be decoded.
#[derive(Debug)]
pub struct Decode {
    /// The role of the decoder.
    pub role: Role,
    /// How many messages it has to decode.
    pub messages: u64,
    /// Whether they are text.
    pub text: bool,
    /// The payloads, for the limit that only copies them.
    pub pool: Arc<Vec<Bytes>>,
    keep: usize,
    mode: Mode,
}

/// What a meter does besides running the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Compares every byte of what is decoded: the warm-up.
    Verify,
    /// Counts allocations.
    Measure,
    /// Nothing.
    Bare,
}

/// Messages to be encoded.
#[derive(Debug)]
pub struct Encode {
    /// The role of the encoder.
    pub role: Role,
    /// How many messages it has to encode: the pool from its beginning, again and again.
    pub messages: u64,
    /// Whether they are text.
    pub text: bool,
    /// The payloads.
    pub pool: Arc<Vec<Bytes>>,
    mode: Mode,
}

/// The clock, the counters and the checksum of a job. `M` is the library's message.
#[derive(Debug)]
pub struct Meter<M> {
    kept: Vec<Option<M>>,
    next: usize,
    checksum: u64,
    mode: Mode,
    expected: Option<(Arc<Vec<Bytes>>, usize)>,
    start: Instant,
}

/// What a scenario is run on, made before the clock starts.
#[derive(Debug)]
pub struct Prepared {
    scenario: Scenario,
    pool: Arc<Vec<Bytes>>,
    wire: Bytes,
}

impl Prepared {
    /// Makes messages of about `pool` bytes together, and their frames.
    pub fn new(scenario: &Scenario, pool: usize) -> Self {
        let Scenario { content, role, .. } = *scenario;
        let messages = corpus::messages(content, scenario.size, pool);
        Self {
            wire: wire::frames(&messages, content, role),
            pool: Arc::new(messages),
            scenario: scenario.clone(),
        }
    }

    /// Makes the transport of a job. The peer of one that encodes sends nothing.
    pub fn io(&self, op: Op) -> MemoryTransport {
        let wire = match op {
            Op::Decode => self.wire.clone(),
            Op::Encode => Bytes::new(),
        };
        MemoryTransport::new(wire, self.scenario.chunk)
    }

    /// Makes a job of so many messages.
    pub fn decode(&self, messages: u64, mode: Mode) -> Decode {
        Decode {
            role: self.scenario.role,
            messages,
            text: self.scenario.content.is_text(),
            pool: Arc::clone(&self.pool),
            keep: self.scenario.keep,
            mode,
        }
    }

    /// Makes a job of so many messages.
    pub fn encode(&self, messages: u64, mode: Mode) -> Encode {
        Encode {
            role: self.scenario.role,
            messages,
            text: self.scenario.content.is_text(),
            pool: Arc::clone(&self.pool),
            mode,
        }
    }

    /// Checks that every message was decoded to the end.
    pub fn check_decoded(&self, messages: u64, measured: &Measured) -> Result<(), BoxError> {
        let mut sum = 0;
        for payload in self.pool.iter().cycle().take(messages as usize) {
            sum = fold(sum, payload);
        }
        if sum == measured.checksum {
            Ok(())
        } else {
            Err("what was decoded is not what was sent".into())
        }
    }

    /// Checks that every message was written. A library may add frames, never leave bytes out.
    pub fn check_encoded(&self, messages: u64, written: &Written) -> Result<(), BoxError> {
        let size = self.scenario.size;
        let frame = size + wire::header_len(size, self.scenario.role == Role::Client);
        if written.bytes() >= messages * frame as u64 {
            Ok(())
        } else {
            Err("less was written than was sent".into())
        }
    }
}

impl Decode {
    /// Returns whether messages outlive the next one, so that a lent payload must be copied.
    pub fn keeps(&self) -> bool {
        self.keep > 0
    }

    /// Starts the clock.
    pub fn meter<M>(&self) -> Meter<M> {
        let mut meter = Meter::start(self.keep, self.mode);
        if self.mode == Mode::Verify {
            meter.expected = Some((Arc::clone(&self.pool), 0));
        }
        meter
    }
}

impl Encode {
    /// Starts the clock.
    pub fn meter(&self) -> Meter<()> {
        Meter::start(0, self.mode)
    }

    /// Makes the library's own messages of the pool, before the clock starts.
    pub fn prepare<M>(&self, text: impl Fn(&str) -> M, binary: impl Fn(&Bytes) -> M) -> Vec<M> {
        self.pool
            .iter()
            .map(|payload| {
                if self.text {
                    text(str::from_utf8(payload).expect("the corpus is UTF-8"))
                } else {
                    binary(payload)
                }
            })
            .collect()
    }

    /// Returns the payloads as text; nothing if they are binary.
    pub fn texts(&self) -> Vec<&str> {
        let pool = self.pool.iter().filter(|_| self.text);
        pool.map(|payload| str::from_utf8(payload).expect("the corpus is UTF-8"))
            .collect()
    }

    /// Returns the messages to send, and after each whether to flush.
    pub fn send<'a, M>(&self, pool: &'a [M]) -> impl Iterator<Item = (&'a M, bool)> + use<'a, M> {
        let last = self.messages;
        let messages = pool.iter().cycle();
        (1..=last)
            .zip(messages)
            .map(move |(i, message)| (message, i % crate::FLUSH_EVERY == 0 || i == last))
    }
}

impl<M> Meter<M> {
    fn start(keep: usize, mode: Mode) -> Self {
        let kept = (0..keep).map(|_| None).collect();
        if mode == Mode::Measure {
            alloc::start();
        }
        Self {
            kept,
            next: 0,
            checksum: 0,
            mode,
            expected: None,
            start: Instant::now(),
        }
    }

    /// Takes a message: looks at it, and drops it now or sixteen messages later.
    #[inline]
    pub fn take(&mut self, message: M, payload: impl FnOnce(&M) -> &[u8]) {
        self.look(payload(&message));
        if self.kept.is_empty() {
            return drop(message);
        }
        self.kept[self.next] = Some(message);
        self.next += 1;
        if self.next == self.kept.len() {
            self.next = 0;
        }
    }

    /// Looks at a payload that the library lends.
    #[inline]
    pub fn look(&mut self, payload: &[u8]) {
        self.checksum = fold(self.checksum, black_box(payload));
        if self.mode == Mode::Verify {
            self.verify(payload);
        }
    }

    /// Compares a payload with the one that was sent.
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
            ns,
            allocs,
            alloc_bytes,
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
