//! wsimd as a codec: `Framed<_, Codec>`, flushed when no more is ready.

use std::process::ExitCode;

use contestant::{BOTH, BoxError, Contestant, Decode, Encode, Info, Measured, MemoryTransport};

struct FramedFeed;

impl Contestant for FramedFeed {
    fn info() -> Info {
        Info {
            name: "wsimd-framed-batched",
            package: "wsimd",
            validates_text: true,
            raw: false,
            decode: BOTH,
            encode: BOTH,
            note: "Framed, 64 KiB buffer; the echo feeds, and flushes when no more is ready",
        }
    }

    async fn serve() {
        contestant_wsimd::serve(contestant_wsimd::echo_framed_batched).await;
    }

    async fn decode(job: &Decode, io: MemoryTransport) -> Result<Measured, BoxError> {
        contestant_wsimd::decode_framed(job, io).await
    }

    async fn encode(job: &Encode, io: MemoryTransport) -> Result<Measured, BoxError> {
        contestant_wsimd::encode_framed(job, io).await
    }
}

fn main() -> ExitCode {
    contestant::run::<FramedFeed>()
}
