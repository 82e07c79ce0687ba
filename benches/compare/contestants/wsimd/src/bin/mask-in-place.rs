//! The limit of lent messages: masks each payload in the read buffer and parses nothing.

use bytes::{Buf, BytesMut};
use contestant::{BoxError, Contestant, Info, Job, Measured, MemoryTransport, Role};
use contestant_wsimd::{READ_BUFFER, read};
use wsimd::simd::{MaskingKey, Simd};

struct Adapter;

impl Contestant for Adapter {
    const INFO: Info = Info {
        raw: true,
        validates_text: false,
        ..Info::new("wsimd", "masks in the read buffer, parses no header").lending()
    };

    async fn decode(job: &Job, mut io: MemoryTransport) -> Result<Measured, BoxError> {
        let frame = job.wire.len() / job.pool.len();
        let header = frame - job.pool[0].len();
        let simd = Simd::detect();
        let mut input = BytesMut::with_capacity(READ_BUFFER);
        let mut meter = job.meter();
        for _ in 0..job.messages {
            while input.len() < frame {
                read(&mut io, &mut input).await?;
            }
            let (head, payload) = input[..frame].split_at_mut(header);
            let key = head.last_chunk().filter(|_| job.role == Role::Server);
            if let Some(key) = key {
                simd.mask(payload, MaskingKey::new(*key));
            }
            meter.look(payload);
            input.advance(frame);
        }
        Ok(meter.stop())
    }
}

contestant::main!(Adapter);
