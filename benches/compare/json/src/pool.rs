//! The messages: distinct documents, the same in every run, in the masked frames of a client.

use bytes::Bytes;
use contestant::{MemoryTransport, Role, random::Random, wire};

use crate::{Outcome, document::Document};

/// Bytes of all messages, within bounds of their number.
const POOL: usize = 4 << 20;
const FEWEST: usize = 64;
const MOST: usize = 16_384;
/// The number of messages of a pool is a multiple of this number.
pub const WINDOWS: usize = 16;
/// The most bytes that the transport returns for one read.
const CHUNK: usize = 64 << 10;

/// Messages, and the sum of the sums of their documents.
pub struct Pool {
    wire: Bytes,
    pub count: usize,
    pub sum: u64,
}

impl Pool {
    /// Creates messages of about `size` bytes, whose documents have `parts` parts.
    pub fn new<D: Document>(size: usize, parts: usize) -> Outcome<Self> {
        let mut random = Random::new(size as u64);
        let count = (POOL / size).clamp(FEWEST, MOST) / WINDOWS * WINDOWS;
        let documents: Vec<D> = (0..count).map(|_| D::new(&mut random, parts)).collect();
        let texts = documents.iter().map(serde_json::to_vec);
        let messages: Vec<Bytes> = texts.map(|text| Ok(text?.into())).collect::<Outcome<_>>()?;
        let wire = wire::frames(&messages, wire::first_byte(true, false), Role::Server);
        if (wire.len() / count).abs_diff(size) > size / 10 {
            return Err(format!("{} bytes instead of {size}", wire.len() / count).into());
        }
        Ok(Self {
            wire: wire.into(),
            count,
            sum: documents.iter().map(D::sum).sum(),
        })
    }

    /// Creates a stream that repeats the messages.
    pub fn io(&self) -> MemoryTransport {
        MemoryTransport::new(self.wire.clone(), CHUNK, false)
    }
}
