//! The body of a refusal, read up to a limit (RFC 9112 §6, §7.1).
//!
//! It is read for people: a server's explanation of its 401 or 503. So nothing here is an error:
//! where the framing is malformed or the limit reached, the body ends, marked as truncated. The
//! connection is closed afterwards, whatever is left on it.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode};

use super::headers;

/// How many bytes of chunk sizes, extensions and line ends are read, in all.
const MAX_CHUNK_FRAMING: usize = 16 * 1024;

/// Reads the body of a response that is not 101.
#[derive(Debug)]
pub struct BodyReader {
    state: State,
    limit: usize,
    body: BytesMut,
    framing: usize,
    is_truncated: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many bytes, then the end.
    Length(u64),
    /// Bytes until the connection ends.
    UntilEof,
    /// The size of a chunk, of which so many digits were read.
    ChunkSize { size: u64, digits: u8 },
    /// The rest of the line with the size of a chunk.
    ChunkExtension { size: u64 },
    /// So many bytes of a chunk.
    ChunkData(u64),
    /// The line end behind a chunk.
    ChunkEnd { seen_cr: bool },
    /// Nothing.
    Done,
}

impl BodyReader {
    /// Makes a reader that keeps at most `limit` bytes of the body.
    ///
    /// With `Transfer-Encoding` any `Content-Length` is ignored. A coding other than `chunked`
    /// alone, or a malformed `Content-Length`, is read as it comes until the connection ends.
    pub fn new(head: &Response<()>, limit: usize) -> Self {
        let state = match framing_of(head) {
            State::Length(0) => State::Done,
            state => state,
        };
        Self {
            state,
            limit,
            body: BytesMut::new(),
            framing: 0,
            is_truncated: false,
        }
    }

    /// Consumes what belongs to the body, and returns whether the body is at its end.
    ///
    /// How the bytes are split does not matter. At the end nothing more is consumed.
    pub fn read(&mut self, input: &mut BytesMut) -> bool {
        while self.state != State::Done && !input.is_empty() {
            match self.state {
                State::Length(left) => match self.store(input, left) {
                    0 => self.finish(),
                    left => self.go_on(State::Length(left)),
                },
                State::UntilEof => {
                    self.store(input, u64::MAX);
                    if !input.is_empty() {
                        self.truncate();
                    }
                }
                State::ChunkData(left) => match self.store(input, left) {
                    0 => self.state = State::ChunkEnd { seen_cr: false },
                    left => self.go_on(State::ChunkData(left)),
                },
                _ => self.read_framing(input.get_u8()),
            }
        }
        self.is_done()
    }

    /// Notes that the connection ended.
    pub fn eof(&mut self) {
        match self.state {
            State::Done => {}
            State::UntilEof => self.finish(),
            _ => self.truncate(),
        }
    }

    /// Returns whether the body is at its end.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Returns whether the body ended before its end: cut by the limit, by the end of the
    /// connection, or by malformed chunks.
    pub fn is_truncated(&self) -> bool {
        self.is_truncated
    }

    /// Returns what was read.
    pub fn into_bytes(self) -> Bytes {
        self.body.freeze()
    }

    /// Moves up to `left` bytes into the body, and returns how many are then left.
    fn store(&mut self, input: &mut BytesMut, left: u64) -> u64 {
        let room = self.limit.saturating_sub(self.body.len());
        let wanted = usize::try_from(left).unwrap_or(usize::MAX);
        let taken = input.split_to(wanted.min(room).min(input.len()));
        self.body.extend_from_slice(&taken);
        left.saturating_sub(taken.len() as u64)
    }

    /// Stays where more bytes are to come, unless the limit leaves no room for them.
    fn go_on(&mut self, state: State) {
        self.state = state;
        if self.body.len() >= self.limit {
            self.truncate();
        }
    }

    fn read_framing(&mut self, byte: u8) {
        self.framing += 1;
        if self.framing > MAX_CHUNK_FRAMING {
            return self.truncate();
        }
        match (self.state, byte) {
            (State::ChunkSize { size, digits }, _) => self.read_size(size, digits, byte),
            (State::ChunkExtension { size: 0 }, b'\n') => self.finish(),
            (State::ChunkExtension { size }, b'\n') => self.state = State::ChunkData(size),
            (State::ChunkExtension { .. }, _) => {}
            (State::ChunkEnd { seen_cr: false }, b'\r') => {
                self.state = State::ChunkEnd { seen_cr: true };
            }
            (State::ChunkEnd { seen_cr: true }, b'\n') => {
                self.state = State::ChunkSize { size: 0, digits: 0 };
            }
            _ => self.truncate(),
        }
    }

    fn read_size(&mut self, size: u64, digits: u8, byte: u8) {
        let digit = char::from(byte).to_digit(16);
        self.state = match (digit, byte) {
            (Some(digit), _) if digits < 16 => State::ChunkSize {
                size: size << 4 | u64::from(digit),
                digits: digits + 1,
            },
            (None, b'\r' | b';' | b' ' | b'\t') if digits > 0 => State::ChunkExtension { size },
            _ => return self.truncate(),
        };
    }

    fn finish(&mut self) {
        self.state = State::Done;
    }

    fn truncate(&mut self) {
        self.is_truncated = true;
        self.state = State::Done;
    }
}

/// Returns how the body is delimited (RFC 9112 §6.3).
fn framing_of(head: &Response<()>) -> State {
    let status = head.status();
    let is_bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    if is_bodiless || status.is_informational() {
        return State::Done;
    }
    let fields = head.headers();
    if fields.contains_key(headers::TRANSFER_ENCODING) {
        return match headers::singleton(fields, headers::TRANSFER_ENCODING) {
            Ok(Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => {
                State::ChunkSize { size: 0, digits: 0 }
            }
            _ => State::UntilEof,
        };
    }
    content_length(fields).map_or(State::UntilEof, State::Length)
}

fn content_length(fields: &HeaderMap) -> Option<u64> {
    let value = headers::singleton(fields, headers::CONTENT_LENGTH).ok()??;
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
