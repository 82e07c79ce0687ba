//! wsimd as a codec: `Framed<_, Codec>`, every message sent at once as in the README.

use std::process::ExitCode;

use contestant::{BOTH, BoxError, Contestant, Decode, Encode, Info, Measured, MemoryTransport};

struct FramedSend;

impl Contestant for FramedSend {
    fn info() -> Info {
        Info {
            name: "wsimd-framed",
            package: "wsimd",
            validates_text: true,
            raw: false,
            decode: BOTH,
            encode: BOTH,
            note: "Framed, 64 KiB buffer; the echo sends each message at once",
        }
    }

    async fn serve() {
        contestant_wsimd::serve(contestant_wsimd::echo_framed).await;
    }

    async fn decode(job: &Decode, io: MemoryTransport) -> Result<Measured, BoxError> {
        contestant_wsimd::decode_framed(job, io).await
    }

    async fn encode(job: &Encode, io: MemoryTransport) -> Result<Measured, BoxError> {
        contestant_wsimd::encode_framed(job, io).await
    }
}

fn main() -> ExitCode {
    contestant::run::<FramedSend>()
}
