//! The scenarios: their names in tables, and their words on the contestants' command line.

use contestant::{Content, Settings};

/// The usual share of the stream that the transport in memory returns for one read.
pub const CHUNK: usize = 64 << 10;

/// A scenario in memory. Calibration finds the number of messages.
#[derive(Clone, Debug)]
pub struct Memory {
    pub op: &'static str,
    pub role: &'static str,
    pub size: usize,
    pub content: Content,
    pub chunk: usize,
    pub keep: usize,
    pub deflate: Option<Settings>,
}

impl Memory {
    pub fn new(op: &'static str, role: &'static str, size: usize, content: Content) -> Self {
        Self {
            op,
            role,
            size,
            content,
            chunk: CHUNK,
            keep: 0,
            deflate: None,
        }
    }

    /// Returns the name, which leaves out the usual values.
    pub fn name(&self) -> String {
        let kind = kind(self.size, self.content);
        let mut name = format!("{} {} {kind}", self.op, self.role);
        if self.chunk != CHUNK {
            name.push_str(&format!(" chunk {}", bytes(self.chunk)));
        }
        if self.keep != 0 {
            name.push_str(&format!(" keep {}", self.keep));
        }
        if let Some(settings) = &self.deflate {
            name.push_str(takeover(settings));
            if self.op == "encode" {
                name.push_str(&format!(" level {}", settings.level));
            }
        }
        name
    }

    /// Returns the argument of a contestant.
    pub fn argument(&self, messages: u64) -> String {
        let content = self.content.name();
        let Self {
            op,
            role,
            size,
            chunk,
            keep,
            ..
        } = self;
        let argument = format!("{op}:{role}:{size}:{content}:{chunk}:{keep}:{messages}");
        match &self.deflate {
            Some(settings) => format!("{argument}:{settings}"),
            None => argument,
        }
    }
}

/// Echoes on loopback.
#[derive(Clone, Debug)]
pub struct Echo {
    pub size: usize,
    pub content: Content,
    pub connections: usize,
    pub in_flight: u64,
    pub runtime: &'static str,
    pub deflate: Option<Settings>,
}

impl Echo {
    pub fn new(
        (size, content): (usize, Content),
        (connections, in_flight): (usize, u64),
        runtime: &'static str,
    ) -> Self {
        Self {
            size,
            content,
            connections,
            in_flight,
            runtime,
            deflate: None,
        }
    }

    pub fn name(&self) -> String {
        format!("{} {}", self.load(), self.runtime)
    }

    /// Returns the name without the runtime.
    pub fn load(&self) -> String {
        let kind = kind(self.size, self.content);
        let deflate = self.deflate.as_ref().map_or("", takeover);
        format!("{kind}{deflate} {}x{}", self.connections, self.in_flight)
    }
}

/// Connections that wait.
#[derive(Clone, Debug)]
pub struct Idle {
    pub connections: usize,
    pub deflate: Option<Settings>,
    /// Seconds from the last message to the measurement.
    pub seconds: u64,
}

impl Idle {
    pub fn name(&self) -> String {
        let mut name = format!("{} connections", self.connections);
        if let Some(settings) = &self.deflate {
            name.push_str(takeover(settings));
            name.push_str(&format!(" {} bits", settings.window_bits));
        }
        if self.seconds > 0 {
            name.push_str(&format!(", {} s later, pinged every second", self.seconds));
        }
        name
    }
}

/// The subject of a count of instructions: a contestant in memory, or a server under load.
#[derive(Clone, Debug)]
pub enum Counted {
    Memory(Memory),
    Echo(Echo),
}

impl Counted {
    pub fn name(&self) -> String {
        match self {
            Self::Memory(scenario) => scenario.name(),
            Self::Echo(scenario) => format!("echo {}", scenario.load()),
        }
    }
}

fn kind(size: usize, content: Content) -> String {
    if content.is_story() {
        content.name().into()
    } else {
        format!("{} {}", bytes(size), content.name())
    }
}

fn takeover(settings: &Settings) -> &'static str {
    if settings.takeover {
        " takeover"
    } else {
        " no takeover"
    }
}

/// Returns a size in the largest unit that divides it.
pub fn bytes(size: usize) -> String {
    match size {
        size if size > 0 && size.is_multiple_of(1 << 20) => format!("{} MiB", size >> 20),
        size if size > 0 && size.is_multiple_of(1 << 10) => format!("{} KiB", size >> 10),
        size => format!("{size} B"),
    }
}
