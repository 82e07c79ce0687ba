//! A job in memory and its meter. The first pass over the messages is checked and not timed; those
//! that follow, on the same connection, are timed until they took long enough.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Pipe, Settings, TAIL, pipe::Output};
use crate::{alloc, corpus::Random, wire};

/// Messages to be compressed, or inflated.
#[derive(Debug)]
pub struct Job {
    /// What was agreed on.
    pub settings: Settings,
    /// The messages, all of which are sent or received in a pass.
    pub messages: Vec<Bytes>,
    /// Whether they are text.
    pub text: bool,
    /// To be inflated: the same messages compressed, with the tail that is not sent.
    pub compressed: Vec<Bytes>,
    pub(super) patience: Duration,
}

impl Job {
    /// Makes the library's own messages, before the clock starts.
    pub fn prepare<M>(&self, text: impl Fn(&str) -> M, binary: impl Fn(&Bytes) -> M) -> Vec<M> {
        let messages = self.messages.iter();
        messages
            .map(|payload| {
                if self.text {
                    text(str::from_utf8(payload).expect("the corpus is UTF-8"))
                } else {
                    binary(payload)
                }
            })
            .collect()
    }

    /// Makes the meter of a job that runs on this transport.
    pub fn meter(&self, io: &Pipe) -> Meter {
        Meter {
            messages: self.messages.clone(),
            next: 0,
            passes: 0,
            patience: self.patience,
            start: Instant::now(),
            ns: 0,
            allocs: (0, 0),
            output: io.output.clone(),
            first: Vec::new(),
        }
    }

    /// Makes the frames of a client that compresses.
    pub(super) fn wire(&self) -> Bytes {
        let mut random = Random::new(0xDEF1);
        let mut bytes = Vec::new();
        for message in &self.compressed {
            let payload = &message[..message.len() - TAIL.len()];
            let key = (random.next() as u32).to_le_bytes();
            put_frame(&mut bytes, self.text, payload, Some(key));
        }
        bytes.into()
    }
}

/// Appends a compressed message as one frame.
pub fn put_frame(out: &mut Vec<u8>, text: bool, payload: &[u8], key: Option<[u8; 4]>) {
    const RSV1: u8 = 0x40;
    let start = out.len();
    wire::header(out, text, payload.len(), key);
    out[start] |= RSV1;
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = key {
        wire::mask(&mut out[start..], key);
    }
}

/// The clock and the counters of a job.
#[derive(Debug)]
pub struct Meter {
    messages: Vec<Bytes>,
    next: usize,
    passes: u64,
    patience: Duration,
    start: Instant,
    pub(super) ns: u64,
    pub(super) allocs: (u64, u64),
    output: Output,
    /// What was written in the first pass.
    pub(super) first: Vec<u8>,
}

impl Meter {
    /// Ends a pass, if one was begun, and says whether there is to be another.
    pub fn pass(&mut self) -> bool {
        let elapsed = self.start.elapsed();
        match self.passes {
            0 => {}
            1 => self.first = self.output.with(|output| output.clone()),
            _ if elapsed >= self.patience => {
                self.allocs = alloc::stop();
                self.ns = elapsed.as_nanos() as u64;
                return false;
            }
            _ => {}
        }
        self.output.with(Vec::clear);
        self.passes += 1;
        self.next = 0;
        if self.passes == 2 {
            alloc::start();
            self.start = Instant::now();
        }
        true
    }

    /// Takes an inflated message. In the first pass every byte is compared.
    #[inline]
    pub fn take(&mut self, payload: &[u8]) {
        let payload = black_box(payload);
        if self.passes == 1 {
            assert!(
                self.messages[self.next] == payload,
                "message {} differs",
                self.next
            );
            self.next += 1;
        }
    }

    /// How many messages were timed.
    pub(super) fn count(&self) -> u64 {
        (self.passes - 1) * self.messages.len() as u64
    }
}
