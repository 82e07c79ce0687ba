//! tokio-websockets, batched by hand.

fn main() -> std::process::ExitCode {
    contestant::run::<contestant_tokio_websockets::Adapter<true>>()
}
