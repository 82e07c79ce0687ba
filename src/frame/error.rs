//! The errors of frames: [`ProtocolError`] for faults of the peer, and [`SendError`] for our own.

use std::{error, fmt};

use super::{CloseCode, CloseFrame, MAX_CONTROL_PAYLOAD};
use crate::text::Text;

/// A violation of the protocol or of a limit by the peer, on an open connection. Each rule has a variant.
///
/// [`close_code`](Self::close_code) maps the violation to the code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// An opcode that RFC 6455 §5.2 reserves.
    ReservedOpcode(u8),
    /// Reserved bits of a data frame that no negotiated extension owns (§5.2): RSV1 is 4, RSV2 is 2, RSV3 is 1.
    ReservedBits(u8),
    /// Reserved bits of a control frame (§5.2), as in [`ReservedBits`](Self::ReservedBits). No extension owns them.
    ReservedControlBits(u8),
    /// A frame from a client that is not masked (§5.1).
    MissingMask,
    /// A frame from a server that is masked (§5.1).
    UnexpectedMask,
    /// A payload length that fits a shorter form (§5.2).
    NonMinimalLength,
    /// A payload length of 2^63 bytes or more (§5.2).
    LengthOverflow,
    /// A control frame without FIN (§5.5).
    FragmentedControl,
    /// A control frame whose payload is longer than 125 bytes (§5.5).
    ControlTooLong,
    /// A continuation frame without a message to continue (§5.4).
    UnexpectedContinuation,
    /// A text or binary frame between the fragments of a message (§5.4).
    ExpectedContinuation,
    /// A frame larger than [`Config::max_frame_size`](crate::Config::max_frame_size).
    FrameTooBig {
        /// The size of the frame's payload, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
        /// Whether the limit of frames is that of messages, as it is unless a limit of frames was set.
        is_message_limit: bool,
    },
    /// A message larger than [`Config::max_message_size`](crate::Config::max_message_size).
    MessageTooBig {
        /// The size of the message, as far as it is known, in bytes. At least `limit + 1`.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A streamed message larger than
    /// [`Config::max_streamed_message_size`](crate::Config::max_streamed_message_size).
    StreamTooBig {
        /// The size of the message, as far as it is known, in bytes. At least `limit + 1`.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A message with more frames than [`Config::max_fragments`](crate::Config::max_fragments).
    TooManyFragments {
        /// The limit when the frame arrived, in frames. The default grows with the message.
        limit: u32,
    },
    /// The unfinished messages of all connections of a server exceed `ServerBuilder::max_unfinished_bytes`.
    /// The connection that needs more memory fails.
    TooManyUnfinishedBytes {
        /// The limit, in bytes.
        limit: u64,
    },
    /// A text message that is not UTF-8 (§8.1).
    InvalidUtf8,
    /// A Close frame whose payload is one byte (§5.5.1).
    CloseTooShort,
    /// A Close frame with a code that may not appear on the wire (§7.4).
    InvalidCloseCode(u16),
    /// A Close frame whose reason is not UTF-8 (§5.5.1).
    InvalidCloseReason,
    /// A violation that an extension has detected (§9).
    Extension {
        /// The code of our Close frame. 1002 replaces a code that may not be sent.
        code: CloseCode,
        /// A short description. Our Close frame contains it unless it is longer than 123 bytes.
        reason: &'static str,
    },
}

impl ProtocolError {
    /// Returns the code that reports this violation to the peer (RFC 6455 §7.4.1).
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::InvalidCloseReason => CloseCode::INVALID_PAYLOAD,
            Self::TooManyUnfinishedBytes { .. } => CloseCode::TRY_AGAIN_LATER,
            error if error.is_limit() => CloseCode::MESSAGE_TOO_BIG,
            Self::Extension { code, .. } if code.may_be_sent() => code,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }

    /// Returns whether the peer exceeded a limit of this side, and broke no rule of RFC 6455.
    pub const fn is_limit(self) -> bool {
        matches!(
            self,
            Self::FrameTooBig { .. }
                | Self::MessageTooBig { .. }
                | Self::StreamTooBig { .. }
                | Self::TooManyFragments { .. }
                | Self::TooManyUnfinishedBytes { .. }
        )
    }

    /// Adds the payload of a frame to the size that exceeds a limit.
    pub(crate) const fn add_frame(self, len: u64) -> Self {
        match self {
            Self::FrameTooBig {
                size,
                limit,
                is_message_limit,
            } => Self::FrameTooBig {
                size: size.saturating_add(len),
                limit,
                is_message_limit,
            },
            Self::MessageTooBig { size, limit } => Self::MessageTooBig {
                size: size.saturating_add(len),
                limit,
            },
            Self::StreamTooBig { size, limit } => Self::StreamTooBig {
                size: size.saturating_add(len),
                limit,
            },
            error => error,
        }
    }

    /// Returns the Close frame that reports this violation to the peer (RFC 6455 §7.1.7).
    pub const fn close_frame(self) -> CloseFrame {
        let reason = match self.as_str() {
            reason if reason.len() <= CloseFrame::MAX_REASON => reason,
            _ => "",
        };
        CloseFrame::from_static(self.close_code(), Text::from_static(reason))
    }

    /// Returns a short description of the violation, which is also the reason of the Close frame.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReservedOpcode(_) => "reserved opcode",
            Self::ReservedBits(_) => "reserved bits without an extension",
            Self::ReservedControlBits(_) => "reserved bits in a control frame",
            Self::MissingMask => "frame from a client is not masked",
            Self::UnexpectedMask => "frame from a server is masked",
            Self::NonMinimalLength => "payload length is not in its shortest form",
            Self::LengthOverflow => "payload length exceeds 63 bits",
            Self::FragmentedControl => "control frame is fragmented",
            Self::ControlTooLong => "control frame exceeds 125 bytes",
            Self::UnexpectedContinuation => "continuation frame without a message to continue",
            Self::ExpectedContinuation => "new message before the end of a fragmented one",
            Self::FrameTooBig { .. } => "frame exceeds the size limit",
            Self::MessageTooBig { .. } | Self::StreamTooBig { .. } => {
                "message exceeds the size limit"
            }
            Self::TooManyFragments { .. } => "message exceeds the limit of fragments",
            Self::TooManyUnfinishedBytes { .. } => {
                "unfinished messages of all connections exceed the limit"
            }
            Self::InvalidUtf8 => "text message is not UTF-8",
            Self::CloseTooShort => "Close frame with a payload of one byte",
            Self::InvalidCloseCode(_) => "Close frame with an invalid code",
            Self::InvalidCloseReason => "Close frame with a reason that is not UTF-8",
            Self::Extension { reason, .. } => reason,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ReservedOpcode(opcode) => write!(f, "{}: {opcode:#x}", self.as_str()),
            Self::InvalidCloseCode(code) => write!(f, "{}: {code}", self.as_str()),
            Self::ReservedBits(bits) => {
                let uses = if bits.count_ones() > 1 { "them" } else { "it" };
                fmt_bits(bits, f)?;
                write!(f, ", but no extension that uses {uses} was negotiated")
            }
            Self::ReservedControlBits(bits) => {
                fmt_bits(bits, f)?;
                f.write_str(" in a control frame")
            }
            Self::FrameTooBig {
                size,
                limit,
                is_message_limit,
            } => {
                let kind = if is_message_limit { "message" } else { "frame" };
                write!(
                    f,
                    "frame of {size} bytes exceeds the limit of {limit} bytes (Config::max_{kind}_size)"
                )
            }
            Self::MessageTooBig { size, limit } => write!(
                f,
                "message of at least {size} bytes exceeds the limit of {limit} bytes \
                 (Config::max_message_size)"
            ),
            Self::StreamTooBig { size, limit } => write!(
                f,
                "streamed message of at least {size} bytes exceeds the limit of {limit} bytes \
                 (Config::max_streamed_message_size)"
            ),
            Self::TooManyFragments { limit } => write!(
                f,
                "message has more frames than the limit of {limit} (Config::max_fragments)"
            ),
            Self::TooManyUnfinishedBytes { limit } => write!(
                f,
                "{} of {limit} bytes (ServerBuilder::max_unfinished_bytes)",
                self.as_str()
            ),
            _ => f.write_str(self.as_str()),
        }
    }
}

/// Writes the names of the reserved bits that are set.
fn fmt_bits(bits: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut separator = "";
    for (bit, name) in [(4, "RSV1"), (2, "RSV2"), (1, "RSV3")] {
        if bits & bit != 0 {
            write!(f, "{separator}{name}")?;
            separator = " and ";
        }
    }
    f.write_str(if bits.count_ones() > 1 {
        " are set"
    } else {
        " is set"
    })
}

impl error::Error for ProtocolError {}

/// The reason why a message or control frame may not be sent. Nothing was sent, and the connection is
/// unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// This side has sent its Close frame, or has begun to close, and the peer's has not arrived. No message may
    /// follow (RFC 6455 §5.5.1).
    Closed,
    /// There is no room, because too much is queued.
    Full,
    /// A message larger than
    /// [`Config::max_outgoing_message_size`](crate::Config::max_outgoing_message_size).
    MessageTooBig {
        /// The size of the message, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A message that is sent in chunks ([`text_writer`](crate::WebSocket::text_writer)) is unfinished.
    Unfinished,
    /// A chunk of a text message that is not UTF-8, or the end of the message inside a character (§8.1).
    InvalidUtf8,
    /// A control frame without FIN (§5.5).
    FragmentedControl,
    /// A control frame whose payload is longer than 125 bytes (§5.5).
    ControlTooLong {
        /// The size of the payload, in bytes.
        size: usize,
    },
    /// A code that may not appear in a Close frame (§7.4).
    InvalidCloseCode(CloseCode),
    /// A reason longer than 123 bytes (§5.5.1).
    CloseReasonTooLong {
        /// The size of the reason, in bytes.
        size: usize,
    },
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("this side has sent its Close frame"),
            Self::Full => f.write_str("there is no room"),
            Self::MessageTooBig { size, limit } => {
                write!(
                    f,
                    "message of {size} bytes exceeds the limit of {limit} bytes \
                     (Config::max_outgoing_message_size)"
                )
            }
            Self::Unfinished => f.write_str("a message that is sent in chunks is unfinished"),
            Self::InvalidUtf8 => f.write_str("the text is not UTF-8"),
            Self::FragmentedControl => f.write_str("a control frame may not be fragmented"),
            Self::ControlTooLong { size } => write!(
                f,
                "control payload of {size} bytes exceeds {MAX_CONTROL_PAYLOAD} bytes"
            ),
            Self::InvalidCloseCode(code) => {
                write!(f, "close code {} may not be sent", u16::from(*code))
            }
            Self::CloseReasonTooLong { size } => write!(
                f,
                "close reason of {size} bytes exceeds {} bytes",
                CloseFrame::MAX_REASON
            ),
        }
    }
}

impl error::Error for SendError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_bits_and_codes_are_named() {
        let error = ProtocolError::MessageTooBig {
            size: 1000,
            limit: 1024,
        };
        assert_eq!(error.close_code(), CloseCode::MESSAGE_TOO_BIG);
        assert_eq!(
            error.add_frame(25).to_string(),
            "message of at least 1025 bytes exceeds the limit of 1024 bytes (Config::max_message_size)"
        );
        let error = ProtocolError::TooManyUnfinishedBytes { limit: 9 };
        assert_eq!(
            error.to_string(),
            "unfinished messages of all connections exceed the limit of 9 bytes \
             (ServerBuilder::max_unfinished_bytes)"
        );
        assert_eq!(error.close_code(), CloseCode::TRY_AGAIN_LATER);
        assert!(error.is_limit());
        let error = ProtocolError::InvalidCloseCode(1005);
        assert_eq!(error.to_string(), "Close frame with an invalid code: 1005");
        assert_eq!(error.close_frame().reason(), error.as_str());
        assert_eq!(
            ProtocolError::ReservedBits(0b101).to_string(),
            "RSV1 and RSV3 are set, but no extension that uses them was negotiated"
        );
        assert_eq!(
            ProtocolError::ReservedControlBits(0b010).to_string(),
            "RSV2 is set in a control frame"
        );
    }
}
