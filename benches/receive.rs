//! `Receiver` of a server: masked frames to messages, with each backend.
//!
//! An iteration receives a pool of messages, one frame each, that lie in the lent buffer; filling
//! the buffer is not measured, freeing the messages is.

mod common;

use bytes::BytesMut;
use criterion::{BatchSize, BenchmarkId, Criterion};
use wsimd::{
    Config, Event, Role,
    protocol::{Receiver, Sender},
    simd::Simd,
};

fn main() {
    common::run(&[receive]);
}

fn receive(criterion: &mut Criterion) {
    common::sweep(
        criterion,
        "receive",
        |_| true,
        |group, size, pool| {
            let mut wire = BytesMut::new();
            let mut sender = Sender::new(Role::Client, &Config::new());
            for (message, _) in pool {
                sender
                    .send(message.clone(), &mut wire)
                    .expect("a message may be sent");
            }
            for simd in Simd::available() {
                let mut receiver = Receiver::with_simd(Role::Server, &Config::new(), simd);
                let mut sent = pool
                    .iter()
                    .map(|(message, _)| Event::Message(message.clone()));
                let received = drain(&mut receiver, &mut wire.clone(), |event| {
                    assert!(
                        Some(event) == sent.next(),
                        "{}: another message",
                        simd.name()
                    );
                });
                assert_eq!(received, pool.len(), "{}", simd.name());
                group.bench_function(BenchmarkId::new(simd.name(), size), |bencher| {
                    bencher.iter_batched_ref(
                        || wire.clone(),
                        |input| drain(&mut receiver, input, drop),
                        BatchSize::LargeInput,
                    );
                });
            }
        },
    );
}

fn drain(receiver: &mut Receiver, input: &mut BytesMut, mut take: impl FnMut(Event)) -> usize {
    let mut received = 0;
    while let Some(event) = receiver.receive(input).expect("the frames are legal") {
        take(event);
        received += 1;
    }
    received
}
