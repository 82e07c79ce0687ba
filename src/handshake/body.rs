//! The body of a response that refuses the upgrade, read up to a limit (RFC 9112 §6, §7.1).
//!
//! The body is an explanation for people, for example of a 401 or 503, so that no fault in it is an error.
//! A body ends at malformed framing or at the limit, and is then marked as truncated. The caller closes the
//! connection afterwards, because unread bytes may remain.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode};

use super::headers;

/// The maximum total number of bytes of chunk sizes, chunk extensions and line ends.
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

/// The next part of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The remaining bytes of a body of known length.
    Length(u64),
    /// Bytes until the connection ends.
    UntilEof,
    /// The size of a chunk, and the number of digits that were read.
    ChunkSize { size: u64, digits: u8 },
    /// The rest of the line with the size of a chunk.
    ChunkExtension { size: u64 },
    /// The remaining bytes of a chunk.
    ChunkData(u64),
    /// The line end after a chunk.
    ChunkEnd { seen_cr: bool },
    /// The end of the body.
    Done,
}

impl BodyReader {
    /// Creates a reader that keeps at most `limit` bytes of the body.
    ///
    /// `Transfer-Encoding` takes precedence over `Content-Length`. With a coding other than `chunked`
    /// alone, or with a malformed `Content-Length`, the body is read undecoded until the connection ends.
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

    /// Consumes the bytes of the body from `input`, and returns whether the body is at its end.
    ///
    /// The division of the bytes into calls does not matter. At the end no more bytes are consumed.
    pub fn read(&mut self, input: &mut BytesMut) -> bool {
        while self.state != State::Done && !input.is_empty() {
            match self.state {
                State::Length(left) => match self.store(input, left) {
                    0 => self.finish(),
                    left => self.continue_with(State::Length(left)),
                },
                State::UntilEof => {
                    self.store(input, u64::MAX);
                    if !input.is_empty() {
                        self.truncate();
                    }
                }
                State::ChunkData(left) => match self.store(input, left) {
                    0 => self.state = State::ChunkEnd { seen_cr: false },
                    left => self.continue_with(State::ChunkData(left)),
                },
                _ => self.read_framing(input.get_u8()),
            }
        }
        self.is_done()
    }

    /// Records the end of the connection.
    pub fn receive_eof(&mut self) {
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

    /// Returns whether the body was cut off by the limit, by the end of the connection, or by malformed
    /// chunks.
    pub fn is_truncated(&self) -> bool {
        self.is_truncated
    }

    /// Returns the bytes of the body that were read.
    pub fn into_bytes(self) -> Bytes {
        self.body.freeze()
    }

    /// Moves up to `left` bytes from `input` into the body. Returns the number of bytes that are then left.
    fn store(&mut self, input: &mut BytesMut, left: u64) -> u64 {
        let room = self.limit.saturating_sub(self.body.len());
        let wanted = usize::try_from(left).unwrap_or(usize::MAX);
        let taken = input.split_to(wanted.min(room).min(input.len()));
        self.body.extend_from_slice(&taken);
        left.saturating_sub(taken.len() as u64)
    }

    /// Continues in `state`, unless the limit leaves no room for more bytes.
    fn continue_with(&mut self, state: State) {
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

/// Returns the first state, by the framing of the body (RFC 9112 §6.3).
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
