//! permessage-deflate (RFC 7692): its parameters, and zlib-rs for the messages that are sent and checked.

use std::{fmt, str::FromStr, time::Duration};

use bytes::Bytes;
use zlib_rs::{
    Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Method, Status, Strategy,
};

use crate::BoxError;

/// The end of a flushed message, which is not sent (RFC 7692 §7.2.1).
pub const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// zlib's memory level of every contestant. Not every library can set another.
pub const MEMORY_LEVEL: u8 = 8;
/// A message of literals alone grows by less than this.
pub const SLACK: usize = 1024;

/// The parameters of a connection, the same in both directions:
/// `level:window_bits:takeover|alone:keepalive_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The level of compression, 1 to 9.
    pub level: u8,
    /// The window, 9 to 15 bits.
    pub window_bits: u8,
    /// Whether messages refer to earlier messages.
    pub takeover: bool,
    /// The interval of pings, for libraries that release memory then.
    pub keepalive: Option<Duration>,
}

impl Settings {
    /// Returns the offer of a client. The windows are offered where they are not the largest.
    pub fn offer(&self) -> String {
        let mut offer = String::from("permessage-deflate");
        if !self.takeover {
            offer.push_str("; server_no_context_takeover; client_no_context_takeover");
        }
        if self.window_bits < 15 {
            let bits = self.window_bits;
            offer.push_str(&format!(
                "; server_max_window_bits={bits}; client_max_window_bits={bits}"
            ));
        }
        offer
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let takeover = if self.takeover { "takeover" } else { "alone" };
        let keepalive = self.keepalive.unwrap_or_default().as_millis();
        let Self {
            level, window_bits, ..
        } = self;
        write!(f, "{level}:{window_bits}:{takeover}:{keepalive}")
    }
}

impl FromStr for Settings {
    type Err = BoxError;

    fn from_str(text: &str) -> Result<Self, BoxError> {
        let fields: Vec<&str> = text.split(':').collect();
        let [
            level,
            window_bits,
            takeover @ ("takeover" | "alone"),
            keepalive,
        ] = fields[..]
        else {
            return Err("not level:window_bits:takeover|alone:keepalive_ms".into());
        };
        let keepalive = Duration::from_millis(keepalive.parse()?);
        Ok(Self {
            level: level.parse()?,
            window_bits: window_bits.parse()?,
            takeover: takeover == "takeover",
            keepalive: Some(keepalive).filter(|it| !it.is_zero()),
        })
    }
}

/// Compresses the messages of one connection, without their tails.
pub fn compress(messages: &[Bytes], settings: &Settings) -> Result<Vec<Bytes>, String> {
    let mut context = Deflate::new_with_config(DeflateConfig {
        level: settings.level.into(),
        method: Method::Deflated,
        window_bits: -i32::from(settings.window_bits),
        mem_level: MEMORY_LEVEL.into(),
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
        output.truncate((context.total_out() - before.1) as usize - TAIL.len());
        all.push(output.into());
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
    /// Creates an inflater with the negotiated window, so that a reference beyond the window is an error.
    pub fn new(settings: &Settings) -> Self {
        Self {
            context: Inflate::new(false, settings.window_bits),
            takeover: settings.takeover,
            input: Vec::new(),
            output: Vec::new(),
        }
    }

    /// Inflates a message without its tail. The message has to be `length` bytes long.
    pub fn message(&mut self, payload: &[u8], length: usize) -> Result<&[u8], String> {
        if !self.takeover {
            self.context.reset(false);
        }
        self.input.clear();
        self.input.extend_from_slice(payload);
        self.input.extend_from_slice(&TAIL);
        self.output.resize(length + SLACK, 0);
        let before = (self.context.total_in(), self.context.total_out());
        let flush = InflateFlush::SyncFlush;
        let status = self
            .context
            .decompress(&self.input, &mut self.output, flush);
        if !matches!(status, Ok(Status::Ok)) {
            return Err(format!("a message does not inflate: {status:?}"));
        }
        if self.context.total_in() - before.0 != self.input.len() as u64 {
            return Err("a message does not inflate to its end".into());
        }
        Ok(&self.output[..(self.context.total_out() - before.1) as usize])
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}
