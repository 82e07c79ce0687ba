//! tokio-tungstenite, flushed when no more is ready, as `forward` in its echo example does.

use std::process::ExitCode;

fn main() -> ExitCode {
    contestant::run::<contestant_tokio_tungstenite::Adapter<true>>()
}
