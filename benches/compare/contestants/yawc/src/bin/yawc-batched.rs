//! yawc, batched and with the buffers of its own benchmark.

use std::process::ExitCode;

fn main() -> ExitCode {
    contestant::run::<contestant_yawc::Adapter<true>>()
}
