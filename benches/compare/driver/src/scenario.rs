//! The scenarios: their names, and the arguments of contestants.

use contestant::Content;

/// Seconds that counting instructions takes one contestant: measured on two cores of 2.6 GHz.
const INSTRUCTIONS_STEP: f64 = 1.2;
const ECHO_STEP: f64 = 3.0;

/// The usual share of the stream that the transport in memory hands out at once.
pub const CHUNK: usize = 64 << 10;

/// A scenario in memory; the number of messages is found by calibration.
#[derive(Clone, Debug)]
pub struct MemoryScenario {
    pub op: &'static str,
    pub role: &'static str,
    pub size: usize,
    pub content: Content,
    pub chunk: usize,
    pub keep: usize,
}

impl MemoryScenario {
    /// The name in tables; the usual chunk and dropping at once are not mentioned.
    pub fn name(&self) -> String {
        let mut name = format!(
            "{} {} {} {}",
            self.op,
            self.role,
            bytes(self.size),
            word(self.content)
        );
        if self.chunk != CHUNK {
            name.push_str(&format!(" chunk {}", bytes(self.chunk)));
        }
        if self.keep != 0 {
            name.push_str(&format!(" keep {}", self.keep));
        }
        name
    }

    /// The argument of a contestant.
    pub fn argument(&self, messages: u64) -> String {
        let (content, size) = (word(self.content), self.size);
        let Self {
            op,
            role,
            chunk,
            keep,
            ..
        } = self;
        format!("{op}:{role}:{size}:{content}:{chunk}:{keep}:{messages}")
    }
}

#[derive(Clone, Debug)]
pub struct LoopbackScenario {
    pub size: usize,
    pub content: Content,
    pub connections: usize,
    pub in_flight: u64,
    pub runtime: &'static str,
}

impl LoopbackScenario {
    pub fn name(&self) -> String {
        format!("{} {}", self.load(), self.runtime)
    }

    /// The name without the runtime.
    fn load(&self) -> String {
        let Self {
            connections,
            in_flight,
            ..
        } = self;
        let (size, content) = (bytes(self.size), word(self.content));
        format!("{size} {content} {connections}x{in_flight}")
    }
}

/// What instructions are counted of: a contestant in memory, or a server under load.
#[derive(Clone, Debug)]
pub enum Counted {
    Memory(MemoryScenario),
    Echo(LoopbackScenario),
}

impl Counted {
    pub fn name(&self) -> String {
        match self {
            Self::Memory(scenario) => scenario.name(),
            Self::Echo(scenario) => format!("echo {}", scenario.load()),
        }
    }

    /// Seconds that counting takes one contestant.
    pub fn step(&self) -> f64 {
        match self {
            Self::Memory(_) => INSTRUCTIONS_STEP,
            Self::Echo(_) => ECHO_STEP,
        }
    }
}

pub fn decode(
    role: &'static str,
    size: usize,
    content: Content,
    chunk: usize,
    keep: usize,
) -> MemoryScenario {
    MemoryScenario {
        op: "decode",
        role,
        size,
        content,
        chunk,
        keep,
    }
}

pub fn encode(role: &'static str, size: usize, content: Content) -> MemoryScenario {
    MemoryScenario {
        op: "encode",
        role,
        size,
        content,
        chunk: CHUNK,
        keep: 0,
    }
}

/// A scenario of the guard's own program.
pub fn own(op: &'static str, size: usize, chunk: usize) -> MemoryScenario {
    MemoryScenario {
        op,
        ..decode("server", size, Content::Json, chunk, 0)
    }
}

pub fn word(content: Content) -> &'static str {
    match content {
        Content::Ascii => "ascii",
        Content::Json => "json",
        Content::Multi => "multi",
        Content::Binary => "binary",
    }
}

/// A size in the largest unit that divides it.
pub fn bytes(size: usize) -> String {
    match size {
        0 => "0 B".into(),
        size if size.is_multiple_of(1 << 20) => format!("{} MiB", size >> 20),
        size if size.is_multiple_of(1 << 10) => format!("{} KiB", size >> 10),
        size => format!("{size} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arguments() {
        let scenario = decode("server", 16 << 10, Content::Multi, 4 << 10, 16);
        assert_eq!(
            scenario.name(),
            "decode server 16 KiB multi chunk 4 KiB keep 16"
        );
        assert_eq!(scenario.argument(7), "decode:server:16384:multi:4096:16:7");
        assert_eq!(
            encode("client", 125, Content::Json).name(),
            "encode client 125 B json"
        );
    }
}
