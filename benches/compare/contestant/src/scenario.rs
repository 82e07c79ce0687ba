//! A scenario in memory: `op:role:size:content:chunk:0:messages[:SETTINGS]`. The sixth field is unused. It is
//! there for programs of older commits.

use std::str::FromStr;

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
    const NAMES: [(&str, Self); 9] = [
        ("ascii", Self::Ascii),
        ("json", Self::Json),
        ("multi", Self::Multi),
        ("binary", Self::Binary),
        ("trades", Self::Trades),
        ("books", Self::Books),
        ("chat", Self::Chat),
        ("pages", Self::Pages),
        ("large-pages", Self::LargePages),
    ];

    /// Returns the content of a name.
    pub fn find(name: &str) -> Option<Self> {
        let mut names = Self::NAMES.into_iter();
        names
            .find(|(it, _)| *it == name)
            .map(|(_, content)| content)
    }

    /// Returns the name on the command line and in tables.
    pub fn name(self) -> &'static str {
        let mut names = Self::NAMES.into_iter();
        names
            .find(|(_, it)| *it == self)
            .map_or("", |(name, _)| name)
    }

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
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text}: not op:role:size:content:chunk:0:messages[:SETTINGS]");
        let fields: Vec<&str> = text.splitn(8, ':').collect();
        let [
            op,
            role,
            size,
            content,
            chunk,
            _,
            messages,
            ref deflate @ ..,
        ] = fields[..]
        else {
            return Err(wrong());
        };
        let number = |field: &str| field.parse::<usize>().map_err(|_| wrong());
        Ok(Self {
            op: match op {
                "decode" => Op::Decode,
                "encode" => Op::Encode,
                _ => return Err(wrong()),
            },
            role: match role {
                "server" => Role::Server,
                "client" => Role::Client,
                _ => return Err(wrong()),
            },
            size: number(size)?,
            content: Content::find(content).ok_or_else(wrong)?,
            chunk: number(chunk)?.max(1),
            messages: number(messages)? as u64,
            deflate: deflate.first().map(|it| it.parse()).transpose()?,
        })
    }
}
