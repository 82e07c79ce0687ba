//! A scenario of the command line: `op:role:size:content:chunk:keep:messages`.

use std::{fmt, str::FromStr};

/// What is measured.
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
    /// Decodes masked frames, encodes unmasked ones.
    Server,
    /// Decodes unmasked frames, encodes masked ones.
    Client,
}

/// What messages are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text of printable ASCII.
    Ascii,
    /// Text like JSON, one character in a hundred beyond ASCII.
    Json,
    /// Text of Chinese, Cyrillic and emoji.
    Multi,
    /// Binary messages of random bytes.
    Binary,
}

/// One measurement in memory.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Decode or encode.
    pub op: Op,
    /// Who decodes or encodes.
    pub role: Role,
    /// Bytes of each message.
    pub size: usize,
    /// What they are made of.
    pub content: Content,
    /// The most bytes that the transport hands out in one read.
    pub chunk: usize,
    /// How many of the last messages stay alive.
    pub keep: usize,
    /// How many messages there are.
    pub messages: u64,
    text: String,
}

impl Content {
    /// Returns whether messages of it are text.
    pub fn is_text(self) -> bool {
        self != Self::Binary
    }
}

impl Role {
    /// Returns the name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{text}: {what}");
        let fields: Vec<&str> = text.split(':').collect();
        let [op, role, size, content, chunk, keep, messages] = fields[..] else {
            return Err(wrong("not op:role:size:content:chunk:keep:messages"));
        };
        let number = |field: &str| {
            field
                .parse::<usize>()
                .map_err(|_| wrong(&format!("{field} is no number")))
        };
        Ok(Self {
            op: match op {
                "decode" => Op::Decode,
                "encode" => Op::Encode,
                _ => return Err(wrong("op is decode or encode")),
            },
            role: match role {
                "server" => Role::Server,
                "client" => Role::Client,
                _ => return Err(wrong("role is server or client")),
            },
            size: number(size)?,
            content: match content {
                "ascii" => Content::Ascii,
                "json" => Content::Json,
                "multi" => Content::Multi,
                "binary" => Content::Binary,
                _ => return Err(wrong("content is ascii, json, multi or binary")),
            },
            chunk: number(chunk)?.max(1),
            keep: number(keep)?,
            messages: number(messages)? as u64,
            text: text.to_owned(),
        })
    }
}
