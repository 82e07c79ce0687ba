//! Prepared traffic: masked frames to send, and the expected echo, byte by byte.

use bytes::Bytes;
use contestant::{Content, Role, Settings, check::Checker, corpus, deflate, wire};

use crate::{Outcome, server::Start};

/// A pool of messages, the frames of a client that carry them, and the frames of the expected echo.
#[derive(Debug)]
pub struct Traffic {
    pub messages: Vec<Bytes>,
    pub text: bool,
    pub deflate: Option<Settings>,
    pub tls: bool,
    pub sent: Vec<u8>,
    /// The end of each frame that is sent.
    pub ends: Vec<usize>,
    /// The usual echo: frames of one length. Empty with compression, where the server frames at will.
    echoed: Vec<u8>,
    /// Whether the echo is the bytes sent.
    raw: bool,
}

impl Traffic {
    pub fn new(
        (size, content): (usize, Content),
        Start { deflate, tls, .. }: Start<'_>,
        raw: bool,
        pool: usize,
    ) -> Outcome<Self> {
        let text = content.is_text();
        let messages = corpus::messages(content, size, pool);
        let compressed = deflate.map(|settings| deflate::compress(&messages, settings));
        let compressed = compressed.transpose()?;
        let payloads = compressed.as_ref().unwrap_or(&messages);
        let first = wire::first_byte(text, deflate.is_some());
        let sent = wire::frames(payloads, first, Role::Server);
        let mut end = 0;
        let ends = payloads.iter().map(|payload| {
            end += wire::header_len(payload.len(), true) + payload.len();
            end
        });
        let ends = ends.collect();
        let echoed = match deflate {
            Some(_) => Vec::new(),
            None if raw => sent.clone(),
            None => wire::frames(payloads, first, Role::Client),
        };
        Ok(Self {
            messages,
            text,
            deflate: deflate.copied(),
            tls,
            sent,
            ends,
            echoed,
            raw,
        })
    }

    /// Returns the length of a frame that is sent.
    pub fn frame(&self, index: usize) -> usize {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.ends[index] - start
    }

    /// Returns the mean length of a message, at least one byte.
    pub fn mean_len(&self) -> u64 {
        let all: usize = self.messages.iter().map(Bytes::len).sum();
        (all / self.messages.len()).max(1) as u64
    }

    /// Returns whether `bytes` are those of the expected echo (the pool, over and over) from `place` on.
    fn matches(&self, mut bytes: &[u8], place: u64) -> bool {
        let mut start = (place % self.echoed.len() as u64) as usize;
        while !bytes.is_empty() {
            let length = bytes.len().min(self.echoed.len() - start);
            if bytes[..length] != self.echoed[start..start + length] {
                return false;
            }
            bytes = &bytes[length..];
            start = 0;
        }
        true
    }
}

/// Follows the echoes of one connection and compares every byte.
#[derive(Debug)]
pub struct Verifier {
    /// Bytes of the expected echo that have arrived.
    matched: u64,
    /// Set where the server compresses, or frames its echoes in an unusual way.
    checker: Option<Checker>,
}

impl Verifier {
    pub fn new(traffic: &Traffic) -> Self {
        let deflate = traffic.deflate.as_ref();
        Self {
            matched: 0,
            checker: deflate.map(|settings| Checker::new(Some(settings), 0)),
        }
    }

    /// Takes received bytes. Returns the number of messages that they complete.
    pub fn take(&mut self, bytes: &[u8], traffic: &Traffic) -> Outcome<u64> {
        if let Some(checker) = &mut self.checker {
            let before = checker.done;
            checker.take(bytes, &traffic.messages, traffic.text)?;
            return Ok(checker.done - before);
        }
        let frame = (traffic.echoed.len() / traffic.messages.len()) as u64;
        let before = self.matched / frame;
        if traffic.matches(bytes, self.matched) {
            self.matched += bytes.len() as u64;
            return Ok(self.matched / frame - before);
        }
        if traffic.raw {
            return Err("the echo differs from the bytes sent".into());
        }
        let begun = (self.matched % frame) as usize;
        let start = (before * frame % traffic.echoed.len() as u64) as usize;
        self.checker = Some(Checker::new(None, before));
        self.take(&traffic.echoed[start..start + begun], traffic)?;
        self.take(bytes, traffic)
    }

    /// Returns the payloads of the pings that have arrived.
    pub fn pings(&mut self) -> Vec<Vec<u8>> {
        let checker = self.checker.as_mut();
        checker.map_or_else(Vec::new, |it| std::mem::take(&mut it.pings))
    }
}
