//! Messages that the application sends in chunks, and messages behind an unfinished one.

use std::mem;

use bytes::Bytes;

use super::{Sender, check_size};
use crate::{
    config::Config,
    frame::SendError,
    message::Message,
    protocol::{
        Output,
        streamed::Streamed,
        unfinished::{Body, Unfinished},
    },
};

/// A part of a message that the application sends in chunks.
#[derive(Debug)]
pub(crate) enum Chunk<'a> {
    /// Text or bytes of any length, which are taken.
    Message(&'a mut Message),
    /// At most as many bytes as there is [room](Sender::stream_room) for.
    Bytes(&'a [u8]),
    /// No more bytes: the end of the message.
    End,
}

impl Chunk<'_> {
    /// The most bytes that begin a message.
    pub(crate) const MAX_BYTES: usize = Streamed::FRAME;

    /// Adds the chunk to a message. On an error the message is unchanged.
    fn add_to(self, message: &mut Streamed, config: &Config) -> Result<(), SendError> {
        match self {
            Self::Message(chunk) => {
                check_size(chunk, config)?;
                message.accept(chunk)
            }
            Self::Bytes(chunk) => message.accept_bytes(chunk),
            Self::End => message.end(),
        }
    }
}

impl Sender {
    /// Begins a message as [`begin`](Self::begin) does, but behind an unfinished message if there is one.
    pub(crate) fn begin_behind(
        &mut self,
        message: &mut Message,
        output: &mut impl Output,
    ) -> Result<(), SendError> {
        match &mut self.unfinished {
            Some(unfinished) if !self.closed && unfinished.takes_next() => {
                check_size(message, &self.config)?;
                unfinished.next = Some(mem::replace(message, Bytes::new().into()));
                Ok(())
            }
            _ => self.begin(message, output),
        }
    }

    /// Begins a message with its first chunk. On an error nothing has begun.
    pub(crate) fn begin_stream(
        &mut self,
        is_text: bool,
        chunk: Chunk<'_>,
    ) -> Result<(), SendError> {
        if self.closed {
            return Err(SendError::Closed);
        }
        if self.is_busy() {
            return Err(SendError::Unfinished);
        }
        let compress = self.encoders.is_some().then_some(self.compress);
        let mut message = Streamed::new(is_text, compress);
        chunk.add_to(&mut message, &self.config)?;
        self.unfinished = Some(Unfinished::new(Body::Streamed(message)));
        Ok(())
    }

    /// Adds a chunk to the message that has begun.
    pub(crate) fn continue_stream(&mut self, chunk: Chunk<'_>) -> Result<(), SendError> {
        match self.unfinished.as_deref_mut().map(|it| &mut it.body) {
            Some(Body::Streamed(message)) if message.is_open() => {
                chunk.add_to(message, &self.config)
            }
            _ => Err(SendError::Closed),
        }
    }

    /// Lets the accepted bytes of the message leave before a frame is full.
    pub(crate) fn flush_stream(&mut self) {
        if let Some(Body::Streamed(message)) = self.unfinished.as_deref_mut().map(|it| &mut it.body)
        {
            message.flush();
        }
    }

    /// Returns whether the application has not ended the message that has begun.
    pub(crate) fn is_streaming(&self) -> bool {
        self.stream().is_some_and(Streamed::is_open)
    }

    /// Returns the number of bytes that the next chunk should have at most.
    pub(crate) fn stream_room(&self) -> usize {
        self.stream().map_or(0, Streamed::room)
    }

    fn stream(&self) -> Option<&Streamed> {
        match &self.unfinished.as_deref()?.body {
            Body::Streamed(message) => Some(message),
            Body::Whole(_) => None,
        }
    }
}
