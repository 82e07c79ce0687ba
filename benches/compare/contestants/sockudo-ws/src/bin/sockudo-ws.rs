//! sockudo-ws, every message sent at once.

use std::process::ExitCode;

fn main() -> ExitCode {
    contestant::run::<contestant_sockudo_ws::Adapter<false>>()
}
