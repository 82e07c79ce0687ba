//! soketto, every message flushed at once.

use std::process::ExitCode;

fn main() -> ExitCode {
    contestant::run::<contestant_soketto::Adapter<false>>()
}
