//! Says on stderr what is being measured and how long it will still take.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

/// Where no terminal redraws the line, a line is written so often.
const PAUSE: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub struct Progress {
    started: Instant,
    /// Seconds, as planned: of all, and of what is done.
    planned: f64,
    done: f64,
    terminal: bool,
    last_line: Option<Instant>,
}

impl Progress {
    pub fn new(planned: f64) -> Self {
        Self {
            started: Instant::now(),
            planned,
            done: 0.0,
            terminal: io::stderr().is_terminal(),
            last_line: None,
        }
    }

    /// Announces a step that is planned to take `seconds`; the step before it is done.
    pub fn step(&mut self, what: &str, seconds: f64) {
        let left = self.left();
        let line = format!(
            "[{:>3.0} %, about {:.0}:{:02.0} left] {what}",
            100.0 * self.done / self.planned.max(f64::MIN_POSITIVE),
            (left / 60.0).floor(),
            (left % 60.0).floor()
        );
        self.done += seconds;
        if self.terminal {
            eprint!("\r\x1b[2K{line}");
            let _ = io::stderr().flush();
        } else if self.last_line.is_none_or(|last| last.elapsed() > PAUSE) {
            self.last_line = Some(Instant::now());
            eprintln!("{line}");
        }
    }

    /// Writes a line that stays.
    pub fn say(&self, line: &str) {
        if self.terminal {
            eprint!("\r\x1b[2K");
        }
        eprintln!("{line}");
    }

    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// The planned rest, scaled by how the plan has done so far.
    fn left(&self) -> f64 {
        let pace = if self.done > 0.05 * self.planned {
            self.seconds() / self.done
        } else {
            1.0
        };
        (self.planned - self.done).max(0.0) * pace
    }
}
