//! wtx with its default buffer, which grows with what arrives.

use std::process::ExitCode;

fn main() -> ExitCode {
    contestant::run::<contestant_wtx::Adapter<false>>()
}
