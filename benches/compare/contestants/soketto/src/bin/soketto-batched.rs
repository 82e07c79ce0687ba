//! soketto, flushed when no more is ready.

fn main() -> std::process::ExitCode {
    contestant::run::<contestant_soketto::Adapter<true>>()
}
