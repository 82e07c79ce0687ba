//! wtx with 64 KiB allocated beforehand.

use std::process::ExitCode;

fn main() -> ExitCode {
    contestant::run::<contestant_wtx::Adapter<true>>()
}
