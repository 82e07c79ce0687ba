//! sockudo-ws, each message sent at once.

fn main() -> std::process::ExitCode {
    contestant::run::<contestant_sockudo_ws::Adapter<false>>()
}
