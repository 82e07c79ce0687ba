//! A scenario in memory: `op:role:size:content:chunk:0:messages[:SETTINGS]`. The sixth field is unused. It is
//! there for programs of older commits.

use std::str::FromStr;

use strum::{EnumString, IntoStaticStr};

use crate::{BoxError, Settings};

/// The direction that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString)]
#[strum(serialize_all = "kebab-case")]
pub enum Op {
    /// From bytes to messages.
    Decode,
    /// From messages to bytes.
    Encode,
}

/// The role of the endpoint under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString)]
#[strum(serialize_all = "kebab-case")]
pub enum Role {
    /// Decodes masked frames and encodes unmasked frames.
    Server,
    /// Decodes unmasked frames and encodes masked frames.
    Client,
}

/// The kind of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Content {
    /// Text of printable ASCII.
    #[default]
    Ascii,
    /// Text like JSON, with one character in a hundred beyond ASCII.
    Json,
    /// Text of Chinese, Cyrillic and emoji.
    Multi,
    /// Binary messages of random bytes.
    Binary,
    /// Trades of an exchange: JSON of about 100 bytes.
    Trades,
    /// Order books of an exchange: JSON of about 1 KiB.
    Books,
    /// Lines of a chat, of about 100 bytes.
    Chat,
    /// Pages of HTML of about 16 KiB.
    Pages,
    /// Pages of HTML of 64 KiB to 1 MiB.
    LargePages,
}

impl Role {
    /// Returns a library's own name of the role.
    pub fn of<T>(self, server: T, client: T) -> T {
        match self {
            Self::Server => server,
            Self::Client => client,
        }
    }
}

impl Content {
    /// Returns whether messages of it are text.
    pub fn is_text(self) -> bool {
        self != Self::Binary
    }

    /// Returns whether the messages have sizes of their own.
    pub fn is_story(self) -> bool {
        !matches!(self, Self::Ascii | Self::Json | Self::Multi | Self::Binary)
    }
}

/// One measurement in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Decode or encode.
    pub op: Op,
    /// The role of the endpoint.
    pub role: Role,
    /// Bytes of each message. Not for messages with sizes of their own.
    pub size: usize,
    /// The kind of messages.
    pub content: Content,
    /// The most bytes that the transport returns for one read.
    pub chunk: usize,
    /// The number of messages.
    pub messages: u64,
    /// The parameters of permessage-deflate, or none without it.
    pub deflate: Option<Settings>,
}

impl FromStr for Scenario {
    type Err = BoxError;

    fn from_str(text: &str) -> Result<Self, BoxError> {
        let fields: Vec<&str> = text.splitn(8, ':').collect();
        let [op, role, size, content, chunk, _, count, ref deflate @ ..] = fields[..] else {
            return Err("not op:role:size:content:chunk:0:messages[:SETTINGS]".into());
        };
        Ok(Self {
            op: op.parse()?,
            role: role.parse()?,
            size: size.parse()?,
            content: content.parse()?,
            chunk: chunk.parse::<usize>()?.max(1),
            messages: count.parse()?,
            deflate: deflate.first().map(|it| it.parse()).transpose()?,
        })
    }
}
