//! `Codec` and `FrameCodec` of a server, without `Framed`: decoding masked frames, encoding plain
//! ones.
//!
//! An iteration decodes a pool of messages, one frame each, that lie in the buffer, or encodes one
//! into a buffer that has room for it. Filling a buffer to decode is not measured.

mod common;

use std::hint::black_box;

use bytes::BytesMut;
use common::{Content, Pool};
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, measurement::WallTime};
use tokio_util::codec::{Decoder, Encoder};
use wsimd::{
    Codec, Config, Error, Event, Frame, FrameCodec, Message, Role,
    frame::{Opcode, Rsv},
};

fn main() {
    common::run(&[codec]);
}

fn codec(criterion: &mut Criterion) {
    let wanted = |content| matches!(content, Content::Binary | Content::Json);
    common::sweep(criterion, "codec", wanted, |group, size, pool| {
        let events = items(pool, |message| Event::Message(message.clone()));
        decode(
            group,
            ("Codec", size),
            [Codec::client(), Codec::server()],
            &events,
        );
        encode(
            group,
            ("Codec", size),
            [Codec::client(), Codec::server()],
            &events,
        );
        let roles = [Role::Client, Role::Server];
        let codecs = || roles.map(|role| FrameCodec::new(role, &Config::new()));
        let frames = items(pool, frame);
        decode(group, ("FrameCodec", size), codecs(), &frames);
        encode(group, ("FrameCodec", size), codecs(), &frames);
    });
}

fn decode<C, I>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    (name, size): (&str, &str),
    [mut client, mut server]: [C; 2],
    items: &[I],
) where
    C: Decoder<Item = I, Error = Error> + Encoder<I, Error = Error>,
    I: Clone + PartialEq,
{
    let mut wire = BytesMut::new();
    encode_all(&mut client, items, &mut wire);
    let decoded = decode_all(&mut server, &mut wire.clone());
    assert!(decoded == items, "{name}: not what was encoded");
    group.bench_function(
        BenchmarkId::new(format!("{name}::decode"), size),
        |bencher| {
            bencher.iter_batched_ref(
                || wire.clone(),
                |input| while next(&mut server, input).is_some() {},
                BatchSize::LargeInput,
            );
        },
    );
}

fn encode<C, I>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    (name, size): (&str, &str),
    [mut client, mut server]: [C; 2],
    items: &[I],
) where
    C: Decoder<Item = I, Error = Error> + Encoder<I, Error = Error>,
    I: Clone + PartialEq,
{
    let mut output = BytesMut::new();
    group.bench_function(
        BenchmarkId::new(format!("{name}::encode"), size),
        |bencher| {
            bencher.iter(|| {
                output.clear();
                encode_all(&mut server, black_box(items), &mut output);
            });
        },
    );
    output.clear();
    encode_all(&mut server, items, &mut output);
    assert!(
        decode_all(&mut client, &mut output) == items,
        "{name}: not what was encoded"
    );
}

fn encode_all<C, I>(codec: &mut C, items: &[I], output: &mut BytesMut)
where
    C: Encoder<I, Error = Error>,
    I: Clone,
{
    for item in items {
        codec
            .encode(item.clone(), output)
            .expect("a message may be sent");
    }
}

fn decode_all<C: Decoder<Error = Error>>(codec: &mut C, input: &mut BytesMut) -> Vec<C::Item> {
    std::iter::from_fn(|| next(codec, input)).collect()
}

fn next<C: Decoder<Error = Error>>(codec: &mut C, input: &mut BytesMut) -> Option<C::Item> {
    codec.decode(input).expect("the frames are legal")
}

fn items<I>(pool: &Pool, item: impl Fn(&Message) -> I) -> Vec<I> {
    pool.iter().map(|(message, _)| item(message)).collect()
}

fn frame(message: &Message) -> Frame {
    Frame {
        fin: true,
        rsv: Rsv::NONE,
        opcode: if message.is_text() {
            Opcode::Text
        } else {
            Opcode::Binary
        },
        payload: message.clone().into_bytes(),
    }
}
