//! Close frames: status codes and reasons (RFC 6455 §5.5.1, §7.4).

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::{MAX_CONTROL_PAYLOAD, ProtocolError, SendError};
use crate::{
    simd::{Carry, Simd},
    text::Text,
};

/// The status code of a Close frame, the reason to close a connection (RFC 6455 §7.4).
///
/// A code may be any number. [`may_be_sent`](Self::may_be_sent) returns whether it may be on the wire.
/// Applications define codes of their own from 4000 to 4999:
///
/// ```
/// use wsimd::CloseCode;
///
/// let session_expired = CloseCode::from(4001);
/// assert!(session_expired.may_be_sent());
/// assert_eq!(session_expired.to_string(), "4001 (private use)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the connection has fulfilled its purpose.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server goes down, or the browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer violated the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: the endpoint does not accept this kind of message.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: the peer's Close frame had no code. Never on the wire.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the connection ended without a Close frame. Never on the wire.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: the content of a message does not match its kind, for example text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a message violates the endpoint's policy, and no other code fits.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message is too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the server did not negotiate an extension that the client needs.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the endpoint encountered an unexpected condition.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded, and the client should try again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway received an invalid response from upstream.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Never on the wire.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// Returns whether the code may appear in a Close frame: 1000–1003, 1007–1014 and 3000–4999.
    pub const fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// Returns a short description of the code.
    pub const fn as_str(self) -> &'static str {
        match self.0 {
            1000 => "normal closure",
            1001 => "going away",
            1002 => "protocol error",
            1003 => "unsupported data",
            1005 => "no status received",
            1006 => "abnormal closure",
            1007 => "invalid payload",
            1008 => "policy violation",
            1009 => "message too big",
            1010 => "mandatory extension",
            1011 => "internal error",
            1012 => "service restart",
            1013 => "try again later",
            1014 => "bad gateway",
            1015 => "TLS handshake failure",
            3000..=3999 => "registered",
            4000..=4999 => "private use",
            _ => "unknown",
        }
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, self.as_str())
    }
}

/// The content of a Close frame (RFC 6455 §5.5.1): a code and a reason, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloseFrame {
    /// INVARIANT: a code that may be sent. With `None`, the payload and the reason are empty.
    code: Option<CloseCode>,
    /// INVARIANT: at most `MAX_REASON` bytes.
    reason: Text,
}

impl CloseFrame {
    /// The longest reason, in bytes: the payload of a control frame without the code.
    pub const MAX_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

    /// The Close frame with an empty payload.
    pub const EMPTY: Self = Self {
        code: None,
        reason: Text::from_static(""),
    };

    /// Creates a Close frame from a code and a reason. The reason may be empty.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidCloseCode`] if the code may not be sent. [`SendError::CloseReasonTooLong`] if the
    /// reason is longer than [`MAX_REASON`](Self::MAX_REASON).
    pub fn new(code: impl Into<CloseCode>, reason: impl Into<Text>) -> Result<Self, SendError> {
        let (code, reason) = (code.into(), reason.into());
        if !code.may_be_sent() {
            return Err(SendError::InvalidCloseCode(code));
        }
        if reason.len() > Self::MAX_REASON {
            return Err(SendError::CloseReasonTooLong { size: reason.len() });
        }
        Ok(Self {
            code: Some(code),
            reason,
        })
    }

    /// Creates a Close frame from a code and a reason that fulfil the invariants.
    pub(crate) const fn from_static(code: CloseCode, reason: Text) -> Self {
        Self {
            code: Some(code),
            reason,
        }
    }

    /// Parses the unmasked payload of a Close frame.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::CloseTooShort`], [`ProtocolError::InvalidCloseCode`] or
    /// [`ProtocolError::InvalidCloseReason`].
    pub fn parse(payload: Bytes) -> Result<Self, ProtocolError> {
        let code = Self::check(&payload, 0)?;
        Ok(code.map_or(Self::EMPTY, |code| Self {
            code: Some(code),
            reason: Text::from_validated(payload.slice(2..)),
        }))
    }

    /// Checks the start of a payload while its last `missing` bytes have not arrived. Returns the code, or
    /// `None` if the payload is empty or the code has not arrived.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), at the first byte that proves the error.
    pub(crate) fn check(arrived: &[u8], missing: u64) -> Result<Option<CloseCode>, ProtocolError> {
        let (code, reason) = match arrived {
            [_] if missing == 0 => return Err(ProtocolError::CloseTooShort),
            [] | [_] => return Ok(None),
            [high, low, reason @ ..] => (CloseCode(u16::from_be_bytes([*high, *low])), reason),
        };
        if !code.may_be_sent() {
            return Err(ProtocolError::InvalidCloseCode(code.0));
        }
        match Simd::detect().validate(reason, Carry::NONE) {
            Ok(carry) if u64::from(carry.missing()) <= missing => Ok(Some(code)),
            _ => Err(ProtocolError::InvalidCloseReason),
        }
    }

    /// Returns the payload of the frame.
    pub fn to_payload(&self) -> Bytes {
        let Some(code) = self.code else {
            return Bytes::new();
        };
        let mut payload = BytesMut::with_capacity(2 + self.reason.len());
        payload.put_u16(code.0);
        payload.put_slice(self.reason.as_bytes());
        payload.freeze()
    }

    /// Returns the code, or `None` if the payload is empty. An empty payload corresponds to 1005.
    pub const fn code(&self) -> Option<CloseCode> {
        self.code
    }

    /// Returns the reason, which may be empty. Escape it in logs, because the peer may have chosen it.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for CloseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.unwrap_or(CloseCode::NO_STATUS).fmt(f)?;
        if self.reason.is_empty() {
            return Ok(());
        }
        write!(f, " \"{}\"", self.reason.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_the_wire_are_those_of_the_rfc_and_the_registry() {
        for code in 0..=u16::MAX {
            let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            let parsed = CloseFrame::parse(Bytes::copy_from_slice(&code.to_be_bytes()));
            assert_eq!(parsed.is_ok(), allowed, "{code}");
            assert_eq!(CloseFrame::new(code, "").is_ok(), allowed, "{code}");
        }
    }

    #[test]
    fn a_payload_of_one_byte_is_too_short() {
        let parsed = CloseFrame::parse(Bytes::from_static(&[3]));
        assert_eq!(parsed, Err(ProtocolError::CloseTooShort));
    }

    #[test]
    fn a_reason_of_invalid_utf8_is_1007() {
        let error = CloseFrame::parse(Bytes::from_static(b"\x03\xe8\xff")).unwrap_err();
        assert_eq!(error, ProtocolError::InvalidCloseReason);
        assert_eq!(error.close_code(), CloseCode::INVALID_PAYLOAD);
    }

    #[test]
    fn a_reason_too_long_is_refused_before_anything_else_changes() {
        // The Python library entered CLOSING, and raised the error afterwards.
        let error = CloseFrame::new(CloseCode::NORMAL, "x".repeat(124)).unwrap_err();
        assert_eq!(error, SendError::CloseReasonTooLong { size: 124 });
        let longest = CloseFrame::new(CloseCode::NORMAL, "x".repeat(123)).unwrap();
        assert_eq!(longest.to_payload().len(), 125);
    }

    #[test]
    fn parsing_and_writing_agree() {
        for frame in [
            CloseFrame::EMPTY,
            CloseFrame::new(CloseCode::from(4999), "κλείσε").unwrap(),
        ] {
            assert_eq!(CloseFrame::parse(frame.to_payload()), Ok(frame));
        }
    }

    #[test]
    fn control_characters_of_the_peer_are_escaped() {
        let frame = CloseFrame::new(CloseCode::NORMAL, "a\x1b[31m\n").unwrap();
        assert_eq!(
            frame.to_string(),
            "1000 (normal closure) \"a\\u{1b}[31m\\n\""
        );
    }
}
