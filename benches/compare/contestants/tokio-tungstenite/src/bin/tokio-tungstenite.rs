//! tokio-tungstenite, every message sent at once.

use std::process::ExitCode;

fn main() -> ExitCode {
    contestant::run::<contestant_tokio_tungstenite::Adapter<false>>()
}
