//! soketto, each message flushed at once.

fn main() -> std::process::ExitCode {
    contestant::run::<contestant_soketto::Adapter<false>>()
}
