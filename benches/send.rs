//! `Sender` of both roles: messages to frames in a `BytesMut`. A client masks, with random keys.
//!
//! An iteration sends a pool of messages into a buffer that has room for them.

mod common;

use std::hint::black_box;

use bytes::BytesMut;
use common::{Content, Pool};
use criterion::{BenchmarkId, Criterion};
use wsimd::{
    Config, Event, Role,
    protocol::{Receiver, Sender},
};

fn main() {
    common::run(&[send]);
}

fn send(criterion: &mut Criterion) {
    // Texts are sent as binary messages are: they have been validated before.
    let is_binary = |content| content == Content::Binary;
    common::sweep(criterion, "send", is_binary, |group, size, pool| {
        for (name, role, peer) in [
            ("server", Role::Server, Role::Client),
            ("client", Role::Client, Role::Server),
        ] {
            let mut sender = Sender::new(role, &Config::new());
            let mut output = BytesMut::new();
            let mut run = |pool: &Pool| {
                output.clear();
                for (message, _) in pool {
                    sender
                        .send(message.clone(), &mut output)
                        .expect("a message may be sent");
                }
            };
            run(pool);
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| run(black_box(pool)));
            });
            let mut receiver = Receiver::new(peer, &Config::new());
            for (message, _) in pool {
                let received = receiver.receive(&mut output);
                assert!(
                    received == Ok(Some(Event::Message(message.clone()))),
                    "{name}: {size}"
                );
            }
            assert!(output.is_empty(), "{name}: more was sent");
        }
    });
}
