//! wtx with 64 KiB allocated beforehand.

fn main() -> std::process::ExitCode {
    contestant::run::<contestant_wtx::Adapter<true>>()
}
