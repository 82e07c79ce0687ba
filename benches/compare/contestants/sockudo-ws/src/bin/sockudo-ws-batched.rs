//! sockudo-ws, flushed when no more is ready.

use std::process::ExitCode;

fn main() -> ExitCode {
    contestant::run::<contestant_sockudo_ws::Adapter<true>>()
}
