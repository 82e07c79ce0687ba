//! wsimd with `recv_with`, which lends each message.

use contestant::{BoxError, Contestant, Info, Job, Measured, MemoryTransport};
use wsimd::MessageRef;

struct Adapter;

impl Contestant for Adapter {
    const INFO: Info = Info::new("wsimd", "recv_with").lending();

    async fn decode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let mut ws = contestant_wsimd::connection(job, io)?;
        let mut meter = job.meter();
        let mut look = |message: MessageRef<'_>| meter.look(message.as_bytes());
        for _ in 0..job.messages {
            ws.recv_with(&mut look).await?.ok_or("closed")?;
        }
        Ok(meter.stop())
    }
}

contestant::main!(Adapter);
