//! yawc, batched and with the buffers of its own benchmark.

fn main() -> std::process::ExitCode {
    contestant::run::<contestant_yawc::Adapter<true>>()
}
