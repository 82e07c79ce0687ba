//! [`Outgoing`]: a message that leaves in several frames (RFC 6455 §5.4).

use bytes::Bytes;

use crate::frame::{CloseFrame, Opcode};

/// The rest of a message. Its next frame is cut when the output has room for it.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The opcode of the next frame.
    opcode: Opcode,
    /// INVARIANT: not empty.
    rest: Bytes,
    /// Our Close frame, which follows the message.
    close: Option<CloseFrame>,
}

/// A frame of a message.
#[derive(Debug)]
pub(super) struct Fragment {
    pub(super) fin: bool,
    pub(super) opcode: Opcode,
    pub(super) payload: Bytes,
}

impl Outgoing {
    /// Creates the state of a message before its first frame.
    pub(super) const fn new(opcode: Opcode, payload: Bytes) -> Self {
        Self {
            opcode,
            rest: payload,
            close: None,
        }
    }

    /// Returns the number of remaining bytes.
    pub(super) const fn len(&self) -> usize {
        self.rest.len()
    }

    /// Sets our Close frame.
    pub(super) fn set_close(&mut self, frame: CloseFrame) {
        self.close = Some(frame);
    }

    /// Returns our Close frame, if one waits for the end of the message.
    pub(super) fn into_close(self) -> Option<CloseFrame> {
        self.close
    }

    /// Cuts the next frame, with a payload of at most `size` bytes. The last one has the FIN bit.
    pub(super) fn cut(&mut self, size: usize) -> Fragment {
        let payload = self.rest.split_to(size.min(self.rest.len()));
        let opcode = std::mem::replace(&mut self.opcode, Opcode::Continuation);
        Fragment {
            fin: self.rest.is_empty(),
            opcode,
            payload,
        }
    }
}
