//! A scenario in memory: `op:role:size:content:chunk:keep:messages[:SETTINGS]`.

use std::{fmt, str::FromStr};

use crate::Settings;

/// The direction that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// From bytes to messages.
    Decode,
    /// From messages to bytes.
    Encode,
}

/// The role of the endpoint under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Decodes masked frames and encodes unmasked frames.
    Server,
    /// Decodes unmasked frames and encodes masked frames.
    Client,
}

/// The kind of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// Text of printable ASCII.
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

impl Content {
    const ALL: [Self; 9] = [
        Self::Ascii,
        Self::Json,
        Self::Multi,
        Self::Binary,
        Self::Trades,
        Self::Books,
        Self::Chat,
        Self::Pages,
        Self::LargePages,
    ];

    /// Returns whether messages of it are text.
    pub fn is_text(self) -> bool {
        self != Self::Binary
    }

    /// Returns whether the messages have sizes of their own.
    pub fn is_story(self) -> bool {
        !matches!(self, Self::Ascii | Self::Json | Self::Multi | Self::Binary)
    }

    /// Returns the name on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::Json => "json",
            Self::Multi => "multi",
            Self::Binary => "binary",
            Self::Trades => "trades",
            Self::Books => "books",
            Self::Chat => "chat",
            Self::Pages => "pages",
            Self::LargePages => "large-pages",
        }
    }
}

impl Op {
    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Encode => "encode",
        }
    }
}

impl Role {
    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
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
    /// The number of the last messages that stay alive.
    pub keep: usize,
    /// The number of messages.
    pub messages: u64,
    /// The parameters of permessage-deflate, or none without it.
    pub deflate: Option<Settings>,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (op, role, content) = (self.op.name(), self.role.name(), self.content.name());
        let Self {
            size,
            chunk,
            keep,
            messages,
            ..
        } = self;
        write!(f, "{op}:{role}:{size}:{content}:{chunk}:{keep}:{messages}")?;
        self.deflate
            .map_or(Ok(()), |settings| write!(f, ":{settings}"))
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text}: not op:role:size:content:chunk:keep:messages[:SETTINGS]");
        let fields: Vec<&str> = text.splitn(8, ':').collect();
        let [
            op,
            role,
            size,
            content,
            chunk,
            keep,
            messages,
            ref deflate @ ..,
        ] = fields[..]
        else {
            return Err(wrong());
        };
        let number = |field: &str| field.parse::<usize>().map_err(|_| wrong());
        let mut ops = [Op::Decode, Op::Encode].into_iter();
        let mut roles = [Role::Server, Role::Client].into_iter();
        let mut contents = Content::ALL.into_iter();
        Ok(Self {
            op: ops.find(|it| it.name() == op).ok_or_else(wrong)?,
            role: roles.find(|it| it.name() == role).ok_or_else(wrong)?,
            size: number(size)?,
            content: contents.find(|it| it.name() == content).ok_or_else(wrong)?,
            chunk: number(chunk)?.max(1),
            keep: number(keep)?,
            messages: number(messages)? as u64,
            deflate: deflate.first().map(|it| it.parse()).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_read_as_they_are_written() {
        for text in [
            "decode:server:16384:multi:4096:16:7",
            "encode:client:0:trades:65536:0:9:6:15:takeover:0",
        ] {
            assert_eq!(text.parse::<Scenario>().unwrap().to_string(), text);
        }
        assert!("decode:server:1".parse::<Scenario>().is_err());
    }
}
