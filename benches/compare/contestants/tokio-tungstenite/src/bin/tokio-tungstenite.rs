//! tokio-tungstenite, each message sent at once.

fn main() -> std::process::ExitCode {
    contestant::run::<contestant_tokio_tungstenite::Adapter<false>>()
}
