//! tokio-tungstenite, flushed when no more is ready, as `forward` in its echo example does.

fn main() -> std::process::ExitCode {
    contestant::run::<contestant_tokio_tungstenite::Adapter<true>>()
}
