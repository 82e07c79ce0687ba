//! Messages that leave the receiver in chunks.

use super::Receiver;
use crate::{frame::ProtocolError, protocol::frame_reader::Delivery};

impl Receiver {
    /// Returns whether a chunk has arrived. Nothing more is received until it is taken.
    #[inline]
    pub(crate) fn has_chunk(&self) -> bool {
        self.frames.delivery().in_chunks && self.chunk_is_text().is_some()
    }

    /// Returns whether the chunk that has arrived is text; `None` if there is no chunk.
    pub(crate) fn chunk_is_text(&self) -> Option<bool> {
        match self.frames.delivery().skips {
            true => None,
            false => self.assembler.chunk_is_text(),
        }
    }

    /// Takes bytes of a streamed message into account. Returns whether a chunk has to leave before more is received:
    /// a full chunk, or any at the end of a frame.
    pub(super) fn on_streamed(
        &mut self,
        is_complete: bool,
        ends_frame: bool,
    ) -> Result<bool, ProtocolError> {
        if is_complete {
            self.assembler.complete()?;
        }
        if self.frames.delivery().skips {
            self.assembler.take_chunk();
            self.set_skips(!is_complete || self.frames.delivery().discards);
            return Ok(false);
        }
        Ok(self.has_chunk() && (ends_frame || self.assembler.is_full()))
    }

    /// Sets whether the rest of the current message is dropped.
    fn set_skips(&mut self, skips: bool) {
        let delivery = self.frames.delivery();
        self.frames.set_delivery(Delivery { skips, ..delivery });
        self.allow_whole();
    }
}

#[cfg(feature = "tokio")]
impl Receiver {
    /// Returns whether messages leave in chunks.
    #[inline]
    pub(crate) const fn is_in_chunks(&self) -> bool {
        self.frames.delivery().in_chunks
    }

    /// Lets messages leave in chunks from now on. Drops the rest of a message if chunks of it were taken.
    pub(crate) fn deliver_chunks(&mut self) {
        self.set_in_chunks(true);
    }

    /// Lets messages leave as a whole from now on. Drops the rest of a message if chunks of it were taken. Returns
    /// another message if all of it has arrived.
    pub(crate) fn deliver_whole(&mut self) -> Result<Option<(bool, Vec<u8>)>, ProtocolError> {
        self.set_in_chunks(false);
        if self.frames.delivery().skips {
            return Ok(None);
        }
        if self.assembler.is_complete() {
            return self.assembler.end().map(Some);
        }
        let missing = self.frames.missing().unwrap_or(0);
        let checked = self.assembler.check_size(missing, &self.config.settings);
        checked.map_err(|error| self.fail(error)).map(|()| None)
    }

    /// Drops all bytes from now on, if messages leave in chunks: the other half closes the connection, and a message with
    /// a gap must not leave. Ends with [`deliver_chunks`](Self::deliver_chunks) or [`deliver_whole`](Self::deliver_whole).
    pub(crate) fn discard_chunks(&mut self) {
        if self.is_in_chunks() {
            self.assembler.take_chunk();
            self.frames.set_delivery(Delivery {
                in_chunks: true,
                skips: true,
                discards: true,
            });
        }
    }

    fn set_in_chunks(&mut self, in_chunks: bool) {
        let Delivery {
            mut skips,
            discards,
            ..
        } = self.frames.delivery();
        if discards {
            skips = self.assembler.is_unfinished();
        }
        if self.assembler.is_taken() {
            skips = !self.assembler.is_complete();
            self.assembler.take_chunk();
        }
        self.frames.set_delivery(Delivery {
            in_chunks,
            skips,
            discards: false,
        });
        self.allow_whole();
    }

    /// Takes the chunk that has arrived: whether it is text, its bytes, and whether it is the last of its message.
    pub(crate) fn take_chunk(&mut self) -> Option<(bool, Vec<u8>, bool)> {
        let is_text = self.chunk_is_text()?;
        let (chunk, is_last) = self.assembler.take_chunk()?;
        Some((is_text, chunk, is_last))
    }
}
