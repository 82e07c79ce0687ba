//! tokio-websockets, batched by hand.

use std::process::ExitCode;

fn main() -> ExitCode {
    contestant::run::<contestant_tokio_websockets::Adapter<true>>()
}
