//! `Codec` of a server, without `Framed`: decoding masked frames, encoding plain frames.
//!
//! An iteration decodes a pool of messages, one frame each, that lie in the buffer, or encodes the pool
//! into a buffer that has room for it. Filling a buffer to decode is not measured.

mod common;

use std::hint::black_box;

use bytes::BytesMut;
use common::TEXTS;
use criterion::{BatchSize, BenchmarkId, Criterion};
use tokio_util::codec::{Decoder, Encoder};
use wsimd::{Codec, Event, Message};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let json = TEXTS[1].1;
    codec(&mut criterion, "codec/json", json, |text| text.into());
    codec(&mut criterion, "codec/binary", json, |text| {
        text.to_owned().into_bytes().into()
    });
    criterion.final_summary();
}

fn codec(criterion: &mut Criterion, name: &str, alphabet: &str, message: fn(&str) -> Message) {
    common::sweep(criterion, name, alphabet, |group, size, pool| {
        let events: Vec<Event> = pool.iter().map(|text| message(text).into()).collect();
        let (mut client, mut server) = (Codec::client(), Codec::server());
        let mut wire = BytesMut::new();
        encode_all(&mut client, &events, &mut wire);
        let decoded = decode_all(&mut server, &mut wire.clone());
        assert!(decoded == events, "decode: other events");
        group.bench_function(BenchmarkId::new("decode", size), |bencher| {
            bencher.iter_batched_ref(
                || wire.clone(),
                |input| while next(&mut server, input).is_some() {},
                BatchSize::LargeInput,
            );
        });
        let mut output = BytesMut::new();
        group.bench_function(BenchmarkId::new("encode", size), |bencher| {
            bencher.iter(|| {
                output.clear();
                encode_all(&mut server, black_box(&events), &mut output);
            });
        });
        output.clear();
        encode_all(&mut server, &events, &mut output);
        let decoded = decode_all(&mut client, &mut output);
        assert!(decoded == events, "encode: other events");
    });
}

fn encode_all(codec: &mut Codec, events: &[Event], output: &mut BytesMut) {
    for event in events {
        let encoded = codec.encode(event.clone(), output);
        encoded.expect("a message may be sent");
    }
}

fn decode_all(codec: &mut Codec, input: &mut BytesMut) -> Vec<Event> {
    std::iter::from_fn(|| next(codec, input)).collect()
}

fn next(codec: &mut Codec, input: &mut BytesMut) -> Option<Event> {
    codec.decode(input).expect("the frames are legal")
}
