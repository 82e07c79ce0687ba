//! RFC 7692 §6, §7.2.2: legal and illegal compressed messages, in every chunking.

use wsimd::{CloseCode, Config, Event, ProtocolError};

use crate::support::{
    bits::Bits,
    deflate::{RSV1, RSV2, RSV3, TAIL, config, deflate, noise, text},
    frames::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, frame},
    runner::{Vector, check_both},
    zlib::Zlib,
};

/// "Hello" of §7.2.3.1.
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

pub(crate) const DAMAGED: ProtocolError = violation(1007, "compressed message is damaged");
pub(crate) const INCOMPLETE: ProtocolError = violation(1007, "compressed message is incomplete");

const fn violation(code: u16, reason: &'static str) -> ProtocolError {
    let code = match code {
        1007 => CloseCode::INVALID_PAYLOAD,
        _ => CloseCode::PROTOCOL_ERROR,
    };
    ProtocolError::Extension { code, reason }
}

/// Runs frames through both roles, with and without takeover.
fn check(frames: &[(u8, &[u8])], outcome: impl Fn(Vector) -> Vector) {
    for takeover in [true, false] {
        check_with(&config(deflate(15, takeover)), frames, &outcome);
    }
}

fn check_with(config: &Config, frames: &[(u8, &[u8])], outcome: impl Fn(Vector) -> Vector) {
    check_both(|role, peer| {
        let input = frames
            .iter()
            .flat_map(|(first, payload)| frame(peer, *first, payload));
        outcome(Vector::new(role, input.collect()).config(config.clone()))
    });
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    let final_block = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let stored = [
        0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
    ];
    let two_blocks = [
        0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
    ];
    let frames: [(u8, &[u8]); 8] = [
        (FIN | RSV1 | TEXT, &HELLO),
        (RSV1 | TEXT, &HELLO[..3]),
        (FIN | CONTINUATION, &HELLO[3..]),
        (FIN | RSV1 | TEXT, &stored),
        (FIN | RSV1 | TEXT, &final_block),
        (FIN | RSV1 | TEXT, &two_blocks),
        (FIN | RSV1 | TEXT, &[0x00]),
        (FIN | TEXT, b"Hello"),
    ];
    check(&frames, |vector| {
        let hellos = ["Hello"; 5].into_iter().fold(vector, Vector::event);
        hellos.event("").event("Hello")
    });
}

#[test]
fn with_takeover_a_message_refers_to_those_before() {
    // §7.2.3.2.
    let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let frames: [(u8, &[u8]); 2] = [(FIN | RSV1 | TEXT, &HELLO), (FIN | RSV1 | TEXT, &again)];
    check_with(&config(deflate(15, true)), &frames, |vector| {
        vector.event("Hello").event("Hello")
    });
    check_with(&config(deflate(15, false)), &frames, |vector| {
        vector.event("Hello").error(DAMAGED)
    });
}

#[test]
fn the_bit_is_on_the_first_fragment_and_nowhere_else() {
    let on_continuation = violation(1002, "RSV1 on a continuation frame");
    for first in [RSV1 | TEXT, TEXT] {
        let frames: [(u8, &[u8]); 2] = [(first, b""), (FIN | RSV1 | CONTINUATION, &HELLO)];
        check(&frames, |vector| vector.error(on_continuation));
    }
    for opcode in [PING, PONG, CLOSE] {
        let frames: [(u8, &[u8]); 2] = [(FIN | RSV1 | TEXT, &HELLO), (FIN | RSV1 | opcode, b"")];
        check(&frames, |vector| {
            vector
                .event("Hello")
                .error(ProtocolError::ReservedControlBits(0b100))
        });
    }
}

#[test]
fn bits_that_nobody_owns_are_refused() {
    for (bits, expected) in [(RSV2, 0b010), (RSV3, 0b001), (RSV1 | RSV3, 0b001)] {
        let frames: [(u8, &[u8]); 1] = [(FIN | bits | TEXT, &HELLO)];
        check(&frames, |vector| {
            vector.error(ProtocolError::ReservedBits(expected))
        });
    }
    let frames: [(u8, &[u8]); 1] = [(FIN | RSV1 | TEXT, &HELLO)];
    check_with(&Config::new(), &frames, |vector| {
        vector.error(ProtocolError::ReservedBits(0b100))
    });
}

#[test]
fn messages_that_are_not_compressed_come_in_between() {
    let frames: [(u8, &[u8]); 6] = [
        (FIN | RSV1 | TEXT, &HELLO),
        (FIN | BINARY, &HELLO),
        (TEXT, b"Hel"),
        (FIN | PING, b"p"),
        (FIN | CONTINUATION, b"lo"),
        (FIN | RSV1 | TEXT, &HELLO),
    ];
    check(&frames, |vector| {
        let vector = vector.event("Hello").event(HELLO.to_vec());
        vector
            .event(Event::Ping("p".into()))
            .event("Hello")
            .event("Hello")
    });
}

#[test]
fn an_empty_message_may_be_a_zero_or_nothing_at_all() {
    let frames: [(u8, &[u8]); 7] = [
        (FIN | RSV1 | TEXT, b""),
        (FIN | RSV1 | TEXT, b"\0"),
        (FIN | RSV1 | TEXT, &HELLO),
        (FIN | RSV1 | TEXT, b""),
        (RSV1 | BINARY, b""),
        (FIN | CONTINUATION, b""),
        (FIN | RSV1 | TEXT, &HELLO),
    ];
    check(&frames, |vector| {
        let vector = vector.event("").event("").event("Hello").event("");
        vector.event(Vec::new()).event("Hello")
    });
}

#[test]
fn fragments_may_be_cut_anywhere_and_be_empty() {
    let payload = Zlib::new(6, 15).message("κόσμε κόσμε €".as_bytes());
    for cut in 0..=payload.len() {
        let frames: [(u8, &[u8]); 5] = [
            (RSV1 | TEXT, &payload[..cut]),
            (CONTINUATION, b""),
            (FIN | PING, b"between"),
            (CONTINUATION, &payload[cut..]),
            (FIN | CONTINUATION, b""),
        ];
        let whole = frames
            .iter()
            .flat_map(|(first, payload)| frame(wsimd::Role::Client, *first, payload));
        let runtime = crate::support::tasks::runtime();
        let whole: Vec<u8> = whole.collect();
        let vector = Vector::new(wsimd::Role::Server, whole.clone())
            .config(config(deflate(15, true)))
            .event(Event::Ping("between".into()))
            .event("κόσμε κόσμε €");
        vector.check_chunks(&runtime, &[&whole]);
        vector.check_chunks(&runtime, &whole.chunks(1).collect::<Vec<_>>());
    }
}

#[test]
fn blocks_of_each_kind_are_read_and_may_be_mixed() {
    let blocks = Bits::new()
        .stored(false, b"stored ")
        .fixed(false)
        .literals(b"fixed ")
        .copy(10, 6)
        .end()
        .nothing_dynamic()
        .stored(false, b"")
        .stored(false, b"!")
        .message();
    let (words, noise) = (text(700), noise(300, 1));
    let mut zlib = Zlib::new(9, 15);
    let dynamic = zlib.message(words.as_bytes());
    assert_eq!(dynamic[0] >> 1 & 3, 2, "not a dynamic block");
    let incompressible = zlib.message(&noise);
    let frames: [(u8, &[u8]); 3] = [
        (FIN | RSV1 | TEXT, &dynamic),
        (FIN | RSV1 | BINARY, &incompressible),
        (FIN | RSV1 | TEXT, &blocks),
    ];
    check(&frames, |vector| {
        let vector = vector.event(words.as_str()).event(noise.clone());
        vector.event("stored fixed fixed fixe!")
    });
}

#[test]
fn a_stream_may_end_anywhere_in_a_message_and_several_times() {
    // §7.2.3.4. The rest of the message is another stream.
    let ends = Bits::new().fixed(true).literals(b"a").end().bytes();
    let ends_with_more = Bits::new().fixed(true).literals(b"b").end().message();
    let bare = Bits::new().stored(true, b"c").bytes();
    let empty_end = [Bits::new()
        .fixed(false)
        .literals(b"d")
        .end()
        .put(1, 3)
        .bytes()]
    .concat();
    let several = [ends.clone(), bare.clone(), ends.clone(), HELLO.to_vec()].concat();
    let mut zlib = Zlib::new(6, 15);
    let finished = zlib.last_message(b"finished finished");
    let frames: [(u8, &[u8]); 8] = [
        (FIN | RSV1 | TEXT, &ends),
        (FIN | RSV1 | TEXT, &ends_with_more),
        (FIN | RSV1 | TEXT, &bare),
        (FIN | RSV1 | TEXT, &empty_end),
        (FIN | RSV1 | TEXT, &several),
        (RSV1 | TEXT, &finished),
        (FIN | CONTINUATION, &HELLO),
        (FIN | RSV1 | TEXT, b"\0"),
    ];
    check(&frames, |vector| {
        let vector = vector.event("a").event("b").event("c").event("d");
        vector
            .event("acaHello")
            .event("finished finishedHello")
            .event("")
    });
}

#[test]
fn a_stream_that_ended_is_no_obstacle_to_takeover() {
    let ends = Bits::new().fixed(true).literals(b"abcdef").end().message();
    let refers = Bits::new()
        .fixed(false)
        .literals(b"-")
        .copy(6, 7)
        .end()
        .message();
    let frames: [(u8, &[u8]); 2] = [(FIN | RSV1 | TEXT, &ends), (FIN | RSV1 | TEXT, &refers)];
    check_with(&config(deflate(15, true)), &frames, |vector| {
        vector.event("abcdef").event("-abcdef")
    });
}

#[test]
fn a_message_that_ends_inside_a_block_is_incomplete() {
    let stored = Bits::new().stored(false, b"abcdefgh").bytes();
    let dynamic = Zlib::new(9, 15).message(text(700).as_bytes());
    let fixed = Bits::new().fixed(false).literals(b"abcdefgh").bytes();
    let ended = Bits::new().fixed(true).literals(b"a").bytes();
    for payload in [
        &stored[..3],
        &stored[..stored.len() - 1],
        &stored[..stored.len() - 4],
        &stored[..],
        &dynamic[..1],
        &dynamic[..20],
        &fixed[..5],
        &ended[..],
    ] {
        let mut inbound = crate::support::deflate::Inbound::new(&config(deflate(15, true)));
        let error = inbound.message(payload).unwrap_err();
        assert!(
            [INCOMPLETE, DAMAGED].contains(&error),
            "{payload:?}: {error:?}"
        );
        let frames: [(u8, &[u8]); 2] =
            [(FIN | RSV1 | BINARY, payload), (FIN | RSV1 | TEXT, &HELLO)];
        check(&frames, |vector| vector.error(error));
    }
    for cut in 1..dynamic.len() {
        let mut inbound = crate::support::deflate::Inbound::new(&config(deflate(15, true)));
        inbound.message(&dynamic[..cut]).unwrap_err();
    }
}

#[test]
fn a_message_that_ends_inside_the_codes_of_a_block_is_damaged() {
    // Lengths of codes whose last ones, and the end of the block, would be the tail.
    let mut bits = Bits::new().fixed(false).end().put(2 << 1, 3);
    bits = bits.put(0, 5).put(3, 5).put(12, 4);
    for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2] {
        bits = bits.put(u32::from(symbol == 0 || symbol == 2), 3);
    }
    for _ in 0..253 - 16 {
        bits = bits.put(0, 1);
    }
    let frames: [(u8, &[u8]); 1] = [(FIN | RSV1 | BINARY, &bits.bytes())];
    check(&frames, |vector| vector.error(DAMAGED));
}

#[test]
fn the_block_whose_end_is_left_off_may_be_the_last_of_its_stream() {
    let last = Bits::new().fixed(false).literals(b"abc").end().put(1, 3);
    let refers = Bits::new().fixed(false).copy(3, 3).end().message();
    let frames: [(u8, &[u8]); 2] = [
        (FIN | RSV1 | TEXT, &last.bytes()),
        (FIN | RSV1 | TEXT, &refers),
    ];
    check_with(&config(deflate(15, true)), &frames, |vector| {
        vector.event("abc").event("abc")
    });
}

#[test]
fn a_tail_that_was_not_left_off_is_one_too_many() {
    let payload = [&HELLO[..], &TAIL].concat();
    let frames: [(u8, &[u8]); 1] = [(FIN | RSV1 | TEXT, &payload)];
    check(&frames, |vector| vector.error(INCOMPLETE));
}

#[test]
fn damaged_data_is_refused_where_it_is_damaged() {
    let reserved_block = Bits::new().put(0b110, 3).bytes();
    let lengths = [0x00, 0x05, 0x00, 0x00, 0x00, 0x48];
    let too_far = Bits::new().fixed(false).literals(b"a").copy(3, 2).bytes();
    for payload in [&reserved_block[..], &lengths, &too_far] {
        let payload = [payload, &[0xaa; 50]].concat();
        let frames: [(u8, &[u8]); 1] = [(RSV1 | BINARY, &payload)];
        check(&frames, |vector| vector.error(DAMAGED));
    }
}

#[test]
fn text_is_judged_by_what_it_inflates_to_as_soon_as_it_is_there() {
    let wrong = Bits::new().fixed(false).literals(b"ab\xffcd").bytes();
    // The message never ends.
    let frames: [(u8, &[u8]); 1] = [(RSV1 | TEXT, &wrong)];
    check(&frames, |vector| vector.error(ProtocolError::InvalidUtf8));
    let half = Bits::new()
        .fixed(false)
        .literals(b"\xe2\x82")
        .end()
        .message();
    let frames: [(u8, &[u8]); 1] = [(FIN | RSV1 | TEXT, &half)];
    check(&frames, |vector| vector.error(ProtocolError::InvalidUtf8));
    let frames: [(u8, &[u8]); 1] = [(FIN | RSV1 | BINARY, &half)];
    check(&frames, |vector| vector.event(b"\xe2\x82".to_vec()));
}

#[test]
fn the_first_violation_counts_however_the_bytes_are_cut() {
    let small = || config(deflate(15, true)).max_message_size(10);
    let utf8_then_size = Bits::new()
        .fixed(false)
        .literals(b"abc\xff56789012345")
        .end()
        .message();
    let size_then_utf8 = Bits::new()
        .fixed(false)
        .literals(b"12345678901\xff")
        .end()
        .message();
    let utf8_then_damage = Bits::new()
        .fixed(false)
        .literals(b"a\xff")
        .copy(3, 30)
        .bytes();
    let size_then_damage = Bits::new()
        .fixed(false)
        .literals(b"12345678901")
        .copy(3, 30)
        .bytes();
    for (payload, error) in [
        (utf8_then_size, ProtocolError::InvalidUtf8),
        (
            size_then_utf8,
            ProtocolError::MessageTooBig {
                size: 11,
                limit: 10,
            },
        ),
        (utf8_then_damage, ProtocolError::InvalidUtf8),
        (
            size_then_damage,
            ProtocolError::MessageTooBig {
                size: 11,
                limit: 10,
            },
        ),
    ] {
        let payload = [payload, vec![0; 20]].concat();
        let frames: [(u8, &[u8]); 1] = [(RSV1 | TEXT, &payload)];
        check_with(&small(), &frames, |vector| vector.error(error));
    }
}

#[test]
fn messages_of_zlib_mean_the_same_in_every_chunking() {
    let texts = [text(400), text(30), text(400), "é".repeat(300)];
    for takeover in [true, false] {
        for bits in [8_u8, 9, 15] {
            let mut zlib = Zlib::new(6, bits.max(9));
            let payloads: Vec<Vec<u8>> = texts
                .iter()
                .map(|text| {
                    if !takeover {
                        zlib = Zlib::new(6, bits.max(9));
                    }
                    zlib.message(text.as_bytes())
                })
                .collect();
            let frames: Vec<(u8, &[u8])> = payloads
                .iter()
                .map(|payload| (FIN | RSV1 | TEXT, &payload[..]))
                .collect();
            let config = config(deflate(bits, takeover));
            check_with(&config, &frames, |vector| {
                texts.iter().map(String::as_str).fold(vector, Vector::event)
            });
        }
    }
}
