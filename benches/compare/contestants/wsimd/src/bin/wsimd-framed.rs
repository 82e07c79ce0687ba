//! wsimd as a codec: `Framed<_, Codec>`, each message sent at once as in the README.

use std::process::ExitCode;

use contestant::{BoxError, Contestant, Info, Job, Measured, MemoryTransport, Settings};

struct Adapter;

impl Contestant for Adapter {
    const INFO: Info = Info::new(
        "wsimd-framed",
        "wsimd",
        "Framed, 64 KiB buffer; the echo sends each message at once",
    );

    async fn serve(settings: Option<Settings>) {
        contestant_wsimd::serve(settings, contestant_wsimd::echo_framed).await;
    }

    async fn decode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        contestant_wsimd::decode_framed(job, io).await
    }

    async fn encode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        contestant_wsimd::encode_framed(job, io).await
    }
}

fn main() -> ExitCode {
    contestant::run::<Adapter>()
}
