//! Prepared traffic of a client that compresses.

use contestant::{
    corpus::Random,
    deflate::{Settings, TAIL, put_frame},
};

use super::{corpus::Corpus, zlib};
use crate::Outcome;

/// The messages of a corpus, and the frames that carry them, compressed and masked. Sent from the
/// beginning again after the end they remain what the compressor of one connection could have sent.
#[derive(Debug)]
pub struct Traffic {
    pub settings: Settings,
    pub messages: Vec<Vec<u8>>,
    pub sent: Vec<u8>,
    /// Where each frame ends.
    pub ends: Vec<usize>,
}

impl Traffic {
    pub fn new(corpus: Corpus, settings: Settings) -> Outcome<Self> {
        let messages = corpus.messages();
        let mut random = Random::new(0x7AFF1C);
        let (mut sent, mut ends) = (Vec::new(), Vec::new());
        for compressed in zlib::compress(&messages, &settings)? {
            let payload = &compressed[..compressed.len() - TAIL.len()];
            let key = (random.next() as u32).to_le_bytes();
            put_frame(&mut sent, corpus.is_text(), payload, Some(key));
            ends.push(sent.len());
        }
        Ok(Self {
            settings,
            messages,
            sent,
            ends,
        })
    }

    /// How long a message is on average, at least one byte.
    pub fn mean_len(&self) -> u64 {
        let all: usize = self.messages.iter().map(Vec::len).sum();
        (all / self.messages.len()).max(1) as u64
    }

    /// The length of a frame.
    pub fn frame(&self, index: usize) -> usize {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.ends[index] - start
    }
}
