//! wtx with its default buffer, which grows with the bytes that arrive.

fn main() -> std::process::ExitCode {
    contestant::run::<contestant_wtx::Adapter<false>>()
}
