//! sockudo-ws, flushed when no more is ready.

fn main() -> std::process::ExitCode {
    contestant::run::<contestant_sockudo_ws::Adapter<true>>()
}
