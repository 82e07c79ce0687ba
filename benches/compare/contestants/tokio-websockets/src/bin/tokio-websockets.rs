//! tokio-websockets, each message sent at once.

fn main() -> std::process::ExitCode {
    contestant::run::<contestant_tokio_websockets::Adapter<false>>()
}
