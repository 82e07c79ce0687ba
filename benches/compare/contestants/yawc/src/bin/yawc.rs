//! yawc, every message sent at once, default buffers.

use std::process::ExitCode;

fn main() -> ExitCode {
    contestant::run::<contestant_yawc::Adapter<false>>()
}
