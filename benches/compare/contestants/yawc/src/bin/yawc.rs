//! yawc, each message sent at once, default buffers.

fn main() -> std::process::ExitCode {
    contestant::run::<contestant_yawc::Adapter<false>>()
}
