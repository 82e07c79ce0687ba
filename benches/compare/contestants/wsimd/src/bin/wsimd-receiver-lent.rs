//! wsimd without a connection: `protocol::Receiver` lends each event.

use bytes::BytesMut;
use contestant::{BoxError, Contestant, Info, Job, Measured, MemoryTransport};
use contestant_wsimd::{READ_BUFFER, config, read, role};
use wsimd::{EventRef, protocol::Receiver};

struct Adapter;

impl Contestant for Adapter {
    const INFO: Info = Info::new("wsimd", "protocol::Receiver::receive_with").lending();

    async fn decode(job: &Job, mut io: MemoryTransport) -> Result<Measured, BoxError> {
        let mut receiver = Receiver::new(role(job.role), &config());
        let mut input = BytesMut::with_capacity(READ_BUFFER);
        let mut meter = job.meter();
        let mut look = |event: EventRef<'_>| match event {
            EventRef::Message(message) => meter.look(message.as_bytes()),
            event => panic!("no message: {event:?}"),
        };
        for _ in 0..job.messages {
            while receiver.receive_with(&mut input, &mut look)?.is_none() {
                read(&mut io, &mut input).await?;
            }
        }
        Ok(meter.stop())
    }
}

contestant::main!(Adapter);
