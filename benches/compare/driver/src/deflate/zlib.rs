//! zlib for the driver's own messages: those it sends, and those it checks.

use contestant::deflate::{Settings, TAIL};
use zlib_rs::{
    Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Method, Status, Strategy,
};

use crate::Outcome;

/// Room beyond the message: a stored one gets a little longer.
const SLACK: usize = 1024;

/// Compresses messages of one connection, each with the tail that is not sent.
pub fn compress(messages: &[Vec<u8>], settings: &Settings) -> Outcome<Vec<Vec<u8>>> {
    let mut context = Deflate::new_with_config(DeflateConfig {
        level: settings.level.into(),
        method: Method::Deflated,
        window_bits: -i32::from(settings.window_bits),
        mem_level: settings.memory_level.into(),
        strategy: Strategy::Default,
    });
    let mut all = Vec::with_capacity(messages.len());
    for message in messages {
        let mut output = vec![0; message.len() + SLACK];
        let before = (context.total_in(), context.total_out());
        let status = context.compress(message, &mut output, DeflateFlush::SyncFlush);
        if status != Ok(Status::Ok) || context.total_in() - before.0 != message.len() as u64 {
            return Err(format!("zlib-rs: {status:?}"));
        }
        output.truncate((context.total_out() - before.1) as usize);
        all.push(output);
        if !settings.takeover {
            context.reset();
        }
    }
    Ok(all)
}

/// Inflates the messages of one connection.
pub struct Inflater {
    context: Inflate,
    takeover: bool,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Inflater {
    /// Inflates with the window that was agreed on: a peer that refers further back is found out.
    pub fn new(settings: &Settings) -> Self {
        Self {
            context: Inflate::new(false, settings.window_bits),
            takeover: settings.takeover,
            input: Vec::new(),
            output: Vec::new(),
        }
    }

    /// Inflates a message without its tail, which is to be as long as `length`.
    pub fn message(&mut self, payload: &[u8], length: usize) -> Outcome<&[u8]> {
        if !self.takeover {
            self.context.reset(false);
        }
        self.input.clear();
        self.input.extend_from_slice(payload);
        self.input.extend_from_slice(&TAIL);
        self.output.resize(length + SLACK, 0);
        let before = (self.context.total_in(), self.context.total_out());
        let status =
            self.context
                .decompress(&self.input, &mut self.output, InflateFlush::SyncFlush);
        if !matches!(status, Ok(Status::Ok)) {
            return Err(format!("the echo does not inflate: {status:?}"));
        }
        // What a sender adds by flushing twice is an empty block.
        if self.context.total_in() - before.0 != self.input.len() as u64 {
            return Err("the echo does not inflate to its end".into());
        }
        Ok(&self.output[..(self.context.total_out() - before.1) as usize])
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}
