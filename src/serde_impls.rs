//! `Serialize` and `Deserialize` for the plain types: the feature `serde`.
//!
//! The documentation of each implementation states the shape, which is part of the public API.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::{
    frame::{CloseCode, CloseFrame},
    message::Message,
    protocol::Closed,
    text::Text,
};

/// A string.
impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// A string.
impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Message", rename_all = "lowercase")]
enum MessageShape {
    Text(Text),
    Binary(Bytes),
}

/// An enum with the variants `text`, a string, and `binary`, bytes. JSON: `{"text":"Hello"}`, `{"binary":[0,255]}`.
impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        MessageShape::serialize(self, serializer)
    }
}

/// An enum, as for `Serialize`. The bytes of `binary` may also be a string, which stands for its UTF-8 bytes.
impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        MessageShape::deserialize(deserializer)
    }
}

/// A number.
impl Serialize for CloseCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16((*self).into())
    }
}

/// Any number of 16 bits.
impl<'de> Deserialize<'de> for CloseCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u16::deserialize(deserializer).map(Self::from)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "CloseFrame")]
struct CloseFrameShape {
    code: Option<CloseCode>,
    #[serde(default)]
    reason: Text,
}

/// A struct with the fields `code`, a number or nothing, and `reason`, a string. JSON: `{"code":1000,"reason":"bye"}`,
/// and `{"code":null,"reason":""}` for an empty payload.
impl Serialize for CloseFrame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = CloseFrameShape {
            code: self.code(),
            reason: self.reason().into(),
        };
        shape.serialize(serializer)
    }
}

/// A struct, as for `Serialize`, whose fields may be absent. A frame that may not be sent is an error, as in
/// [`CloseFrame::new`], and so is a reason without a code.
impl<'de> Deserialize<'de> for CloseFrame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let CloseFrameShape { code, reason } = Deserialize::deserialize(deserializer)?;
        match code {
            Some(code) => Self::new(code, reason).map_err(D::Error::custom),
            None if reason.is_empty() => Ok(Self::EMPTY),
            None => Err(D::Error::custom(
                "a Close frame without a code has no reason",
            )),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Closed")]
struct ClosedShape {
    received: Option<CloseFrame>,
    sent: Option<CloseFrame>,
    received_first: bool,
}

/// A struct with the fields `received` and `sent`, which are Close frames or nothing, and `received_first`.
impl Serialize for Closed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ClosedShape::serialize(self, serializer)
    }
}

/// A struct, as for `Serialize`.
impl<'de> Deserialize<'de> for Closed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ClosedShape::deserialize(deserializer)
    }
}
