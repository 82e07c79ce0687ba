//! The memory and work that a peer can cause with few bytes: bombs, endless messages, work without
//! output.

use wsimd::{CloseCode, Config, Event, ProtocolError, Role, extension::Deflate};

use crate::{
    rfc7692::receiving::DAMAGED,
    support::{
        bits::Bits,
        deflate::{Inbound, RSV1, config, deflate, noise, text},
        frames::{BINARY, CONTINUATION, FIN, PING, TEXT, frame},
        inflater::Inflater,
        memory::peak,
        runner::{Vector, check_both},
        tasks::runtime,
        zlib::Zlib,
    },
};

const OVER_BUDGET: ProtocolError = ProtocolError::Extension {
    code: CloseCode::POLICY_VIOLATION,
    reason: "messages inflate beyond the budget",
};

const TOO_MANY_ENDS: ProtocolError = ProtocolError::Extension {
    code: CloseCode::POLICY_VIOLATION,
    reason: "too many ends of DEFLATE streams",
};

/// An empty stream with its end.
const END: [u8; 2] = [3, 0];

/// The memory that a connection may hold beside the message, whose capacity doubles as it grows.
const FIXED: isize = 128 << 10;

/// A gibibyte of zeros, in about a mebibyte.
fn bomb() -> Vec<u8> {
    let mut zlib = Zlib::new(9, 15);
    let mut payload = zlib.part(&vec![0; 1 << 20]);
    // Each part repeats the previous bytes, so that all parts are equal.
    let again = zlib.part(&vec![0; 1 << 20]);
    for _ in 1..1024 {
        payload.extend(&again);
    }
    assert!(payload.len() < 1200 << 10, "{} bytes", payload.len());
    payload
}

/// Feeds the bytes in reads of this size until the first event. Returns the number of bytes.
fn feed(inbound: &mut Inbound, bytes: &[u8], size: usize) -> (usize, Option<ProtocolError>) {
    for (number, chunk) in bytes.chunks(size).enumerate() {
        match inbound.bytes(chunk) {
            Ok(None) => {}
            Ok(Some(event)) => panic!("{event:?}"),
            Err(error) => return (number * size + chunk.len(), Some(error)),
        }
    }
    (bytes.len(), None)
}

#[test]
fn a_bomb_ends_at_the_limit_of_the_message() {
    let bomb = bomb();
    let limit = 1 << 20;
    let input = frame(Role::Client, FIN | RSV1 | BINARY, &bomb[..1 << 20]);
    for size in [1, 1000, 4096, input.len()] {
        let mut inbound = Inbound::new(&config(deflate(15, true)));
        let ((consumed, error), peak) = peak(|| feed(&mut inbound, &input, size));
        assert_eq!(
            error,
            Some(ProtocolError::MessageTooBig {
                size: limit + 1,
                limit
            })
        );
        assert!(consumed <= 2000.max(size), "{consumed} bytes were inflated");
        let buffered = 3 * size.cast_signed();
        assert!(
            peak <= (3 << 20) + FIXED + buffered,
            "{peak} bytes were held"
        );
    }
}

#[test]
fn a_bomb_in_fragments_ends_at_the_limit_of_the_message() {
    let mut first = RSV1 | BINARY;
    let mut input = Vec::new();
    for fragment in bomb().chunks(500) {
        input.extend(frame(Role::Client, first, fragment));
        input.extend(frame(Role::Client, CONTINUATION, b""));
        input.extend(frame(Role::Client, FIN | PING, b""));
        first = CONTINUATION;
    }
    let mut inbound = Inbound::new(&config(deflate(15, false)));
    let mut pings = 0;
    let error = loop {
        match inbound.bytes(&input[..]) {
            Ok(Some(Event::Ping(_))) => pings += 1,
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
        input.clear();
    };
    assert_eq!(
        error,
        ProtocolError::MessageTooBig {
            size: (1 << 20) + 1,
            limit: 1 << 20
        }
    );
    assert!(pings < 4, "{pings} fragments were inflated");
}

#[test]
fn a_message_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    for len in [199, 200, 201] {
        for takeover in [true, false] {
            let payload = Zlib::new(6, 15).message(&vec![7; len]);
            let config = config(deflate(15, takeover)).max_message_size(200);
            check_both(|role, peer| {
                let input = frame(peer, FIN | RSV1 | BINARY, &payload);
                let vector = Vector::new(role, input).config(config.clone());
                match len {
                    201 => vector.error(ProtocolError::MessageTooBig {
                        size: 201,
                        limit: 200,
                    }),
                    _ => vector.event(vec![7; len]),
                }
            });
        }
    }
}

#[test]
fn noise_of_exactly_the_limit_passes_though_it_is_longer_on_the_wire() {
    for len in [10, 200, 5000, 1 << 20] {
        let message = noise(len, 1);
        let payload = Zlib::new(1, 9).message(&message);
        assert!(payload.len() > len);
        let config = config(deflate(15, true)).max_message_size(len);
        assert_eq!(Inbound::new(&config).message(&payload).unwrap(), message);
    }
}

#[test]
fn what_is_not_compressed_has_the_limits_of_a_connection_without_extensions() {
    let config = config(deflate(15, true)).max_message_size(200);
    check_both(|role, peer| {
        Vector::new(role, frame(peer, FIN | BINARY, &[7; 201]))
            .config(config.clone())
            .error(ProtocolError::FrameTooBig {
                size: 201,
                limit: 200,
                is_message_limit: true,
            })
    });
    check_both(|role, peer| {
        let input = [
            frame(peer, BINARY, &[7; 150]),
            frame(peer, FIN | CONTINUATION, &[7; 51]),
        ];
        Vector::new(role, input.concat())
            .config(config.clone())
            .error(ProtocolError::MessageTooBig {
                size: 201,
                limit: 200,
            })
    });
}

#[test]
fn blocks_without_output_do_not_go_on_for_ever() {
    let stored = Bits::new().stored(false, b"").bytes();
    let dynamic = (0..8)
        .fold(Bits::new(), |bits, _| bits.nothing_dynamic())
        .bytes();
    for block in [stored, dynamic] {
        let blocks = block.repeat(40_000 / block.len());
        let config = config(deflate(15, true)).max_message_size(100_000);
        let input = frame(Role::Client, RSV1 | BINARY, &blocks);
        let mut inbound = Inbound::new(&config);
        let (consumed, peak) = peak(|| {
            let mut input = input;
            let mut consumed = 0;
            loop {
                match inbound.bytes(&input) {
                    Ok(event) => assert_eq!(event, None),
                    Err(error) => {
                        let is_too_big =
                            matches!(error, ProtocolError::MessageTooBig { limit: 100_000, .. });
                        assert!(is_too_big, "{error:?}");
                        return consumed;
                    }
                }
                consumed += blocks.len();
                input[0] = CONTINUATION;
            }
        });
        assert!(consumed < 120_000, "{consumed} bytes were inflated");
        assert!(peak < FIXED + 200_000, "{peak} bytes were held");
    }
}

#[test]
fn empty_fragments_do_not_go_on_for_ever() {
    let mut inbound = Inbound::new(&config(deflate(15, true)).max_fragments(10));
    assert_eq!(inbound.frame(RSV1 | TEXT, b""), Ok(None));
    for _ in 1..10 {
        assert_eq!(inbound.frame(CONTINUATION, b""), Ok(None));
    }
    let error = inbound.frame(CONTINUATION, b"").unwrap_err();
    assert_eq!(error, ProtocolError::TooManyFragments { limit: 10 });
}

#[test]
fn the_limit_of_fragments_follows_the_bytes_that_a_message_inflates_to() {
    // Each fragment takes some bytes on the wire.
    const FRAMES: usize = 5120;
    let mut zlib = Zlib::new(6, 15);
    let first = zlib.part(&[0; 8192]);
    let more = zlib.part(&[0; 8192]);
    assert!(more.len() < 64, "{} bytes", more.len());
    let mut input = frame(Role::Client, RSV1 | BINARY, &first);
    input.extend(frame(Role::Client, CONTINUATION, &more).repeat(FRAMES - 1));
    input.extend(frame(Role::Client, FIN | CONTINUATION, b"\0"));
    let config = config(deflate(15, true)).max_message_size(40 << 20);
    let mut inbound = Inbound::new(&config);
    match inbound.bytes(&input) {
        Ok(Some(Event::Message(message))) => {
            assert!(message.as_bytes() == vec![0; FRAMES * 8192]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_that_never_ends_is_held_in_memory_that_follows_it() {
    let config = config(deflate(15, true)).max_message_size(8 << 20);
    let mut inbound = Inbound::new(&config);
    let chunk = noise(60_000, 2);
    let input = frame(
        Role::Client,
        RSV1 | BINARY,
        &Bits::new().stored(false, &chunk).bytes(),
    );
    let ((), peak) = peak(|| {
        let mut input = input;
        for _ in 0..10 {
            assert_eq!(inbound.bytes(&input), Ok(None));
            input[0] = CONTINUATION;
        }
    });
    assert!(
        peak < 3 * 600_000 + FIXED,
        "{peak} bytes for a message of 600,000"
    );
}

/// A connection that inflates `ratio` times the bytes that it receives, and `burst` more.
fn budget(ratio: u32, burst: u64) -> Config {
    config(Deflate::new().max_ratio(ratio, burst).no_context_takeover())
}

#[test]
fn a_peer_that_uses_up_the_burst_is_refused_with_1008() {
    let zeros = Zlib::new(9, 15).message(&vec![0; 10_000]);
    assert!(zeros.len() < 40);
    let mut inbound = Inbound::new(&budget(10, 50_000));
    let passed = (0..)
        .take_while(|_| inbound.message(&zeros).is_ok())
        .count();
    // Five messages, and those that the payloads themselves have earned.
    assert_eq!(passed, 5);
    let error = inbound.message(&zeros).unwrap_err();
    assert_eq!(error, OVER_BUDGET);
    assert_eq!(u16::from(error.close_code()), 1008);
}

#[test]
fn what_is_received_earns_the_budget_back_but_not_more_than_the_burst() {
    let zeros = Zlib::new(9, 15).message(&vec![0; 10_000]);
    let plain = Bits::new().stored(false, &noise(1000, 1)).message();
    let mut inbound = Inbound::new(&budget(10, 20_000));
    for _ in 0..20 {
        inbound.message(&zeros).unwrap();
        // The message earns ten times a thousand bytes, and spends a thousand.
        inbound.message(&plain).unwrap();
        inbound.message(&plain).unwrap();
    }
    for _ in 0..20 {
        inbound.message(&plain).unwrap();
    }
    let passed = (0..)
        .take_while(|_| inbound.message(&zeros).is_ok())
        .count();
    assert_eq!(passed, 2);
}

#[test]
fn ordinary_messages_never_use_the_budget_up() {
    let mut inbound = Inbound::new(&budget(20, 1 << 20));
    let message = text(100_000);
    let payload = Zlib::new(6, 15).message(message.as_bytes());
    assert!(payload.len() * 20 > message.len());
    for _ in 0..30 {
        assert_eq!(inbound.message(&payload).unwrap(), message.as_bytes());
    }
}

#[test]
fn a_message_within_the_ratio_passes_whatever_the_burst_and_the_chunks() {
    let message = text(40_000);
    let payload = Zlib::new(6, 15).message(message.as_bytes());
    let ratio = u32::try_from(message.len() / payload.len() + 1).unwrap();
    let input = frame(Role::Client, FIN | RSV1 | TEXT, &payload);
    for burst in [0, 100, 1 << 20] {
        let vector = Vector::new(Role::Server, input.clone())
            .config(budget(ratio, burst))
            .event(message.as_str());
        for size in [1, 100, input.len()] {
            vector.check_chunks(&runtime(), &input.chunks(size).collect::<Vec<_>>());
        }
    }
}

#[test]
fn the_budget_is_judged_alike_in_every_chunking() {
    let zeros = Zlib::new(9, 15).message(&[0; 3000]);
    let noise = noise(300, 4);
    let many = Bits::new()
        .fixed(false)
        .literals(b"\0")
        .copy(258, 1)
        .copy(258, 1)
        .end();
    let high_then_low = many.clone().stored(false, &noise).message();
    let low_then_high = Bits::new()
        .stored(false, &noise)
        .fixed(false)
        .literals(b"\0");
    let low_then_high = low_then_high.copy(258, 1).copy(258, 1).end().message();
    for (payload, passes) in [(zeros, false), (high_then_low, true), (low_then_high, true)] {
        check_both(|role, peer| {
            let input = frame(peer, FIN | RSV1 | BINARY, &payload);
            let vector = Vector::new(role, input).config(budget(3, 100));
            if !passes {
                return vector.error(OVER_BUDGET);
            }
            vector.event(Inflater::default().message(&payload))
        });
    }
}

#[test]
fn the_end_of_a_stream_counts_as_much_as_inflating_for_as_long() {
    let window = Bits::new().stored(false, &noise(32 << 10, 1)).message();
    for (takeover, passes) in [(true, 10), (false, 1000)] {
        let settings = deflate(15, takeover).max_ratio(10, 5000);
        let mut inbound = Inbound::new(&config(settings));
        inbound.message(&window).unwrap();
        // Each end earns 20 bytes. With a window of 32 KiB, it costs 512.
        for _ in 0..passes {
            assert_eq!(inbound.message(&END).unwrap(), b"");
        }
        if takeover {
            assert_eq!(inbound.message(&END), Err(OVER_BUDGET));
        }
    }
}

#[test]
fn the_end_of_a_stream_is_judged_alike_in_every_chunking() {
    let content = noise(1280, 1);
    let stored = Bits::new().stored(false, &content).bytes();
    let empty = Bits::new().stored(false, b"").bytes();
    let cut_short = Bits::new().fixed(false).end().put(1, 3).bytes();
    // With 1,280 bytes in the window, an end costs 20 bytes. The stored block leaves 5, each empty
    // block earns 5.
    for (blocks, ends, passes) in [
        (6, END.repeat(2), false),
        (7, END.repeat(2), true),
        (2, cut_short.clone(), false),
        (3, cut_short, true),
    ] {
        let payload = [&stored[..], &empty.repeat(blocks), &ends].concat();
        check_both(|role, peer| {
            let vector = Vector::new(role, frame(peer, FIN | RSV1 | BINARY, &payload))
                .config(config(deflate(15, true).max_ratio(1, 0)));
            match passes {
                true => vector.event(content.clone()),
                false => vector.error(OVER_BUDGET),
            }
        });
    }
}

#[test]
fn a_peer_that_ends_a_stream_in_each_ordinary_message_stays_within_the_ratio() {
    let message = noise(60, 1);
    let payload = Bits::new().stored(true, &message).bytes();
    let window = Bits::new().stored(false, &noise(32 << 10, 1)).message();
    let settings = deflate(15, true).max_ratio(10, 0);
    let mut inbound = Inbound::new(&config(settings));
    inbound.message(&window).unwrap();
    for _ in 0..1000 {
        assert_eq!(inbound.message(&payload).unwrap(), message);
    }
}

#[test]
fn damage_is_damage_with_a_budget_too() {
    let mut inbound = Inbound::new(&budget(10, 1000));
    let damaged = Bits::new().fixed(false).copy(3, 1).end().message();
    assert_eq!(inbound.message(&damaged), Err(DAMAGED));
}

/// Runs compressed messages of one frame through both roles, with and without takeover.
fn check_messages(payloads: &[Vec<u8>], outcome: impl Fn(Vector) -> Vector) {
    for takeover in [true, false] {
        check_both(|role, peer| {
            let frames = payloads
                .iter()
                .flat_map(|payload| frame(peer, FIN | RSV1 | BINARY, payload));
            let vector = Vector::new(role, frames.collect());
            outcome(vector.config(config(deflate(15, takeover))))
        });
    }
}

#[test]
fn sixteen_streams_may_end_in_a_short_frame_and_one_more_is_refused_at_its_end() {
    check_messages(&[END.repeat(16), END.to_vec(), END.repeat(2)], |vector| {
        vector
            .event(Vec::new())
            .event(Vec::new())
            .error(TOO_MANY_ENDS)
    });
    for takeover in [true, false] {
        let input = frame(Role::Client, FIN | RSV1 | BINARY, &END.repeat(40));
        Vector::new(Role::Server, input)
            .config(config(deflate(15, takeover)))
            .error(TOO_MANY_ENDS)
            .check_refused_after(6 + 34);
    }
    assert_eq!(u16::from(TOO_MANY_ENDS.close_code()), 1008);
}

#[test]
fn a_stream_may_end_in_every_message() {
    let payload = Bits::new().fixed(true).literals(b"abc").end().bytes();
    let mut inbound = Inbound::new(&config(deflate(15, true)));
    for _ in 0..10_000 {
        assert_eq!(inbound.message(&payload).unwrap(), b"abc");
    }
}

#[test]
fn a_stream_may_end_in_every_fragment() {
    check_both(|role, peer| {
        let ended = Bits::new().fixed(true).literals(b"a").end().bytes();
        let mut input = frame(peer, RSV1 | BINARY, &ended);
        for _ in 0..40 {
            input.extend(frame(peer, CONTINUATION, &ended));
        }
        input.extend(frame(peer, FIN | CONTINUATION, b""));
        Vector::new(role, input)
            .config(config(deflate(15, true)))
            .event([b'a'; 41].to_vec())
    });
}

#[test]
fn the_last_block_that_is_cut_short_counts_as_an_end() {
    let last = Bits::new().fixed(false).end().put(1, 3).bytes();
    let (enough, too_many) = ([&END.repeat(15)[..], &last], [&END.repeat(16)[..], &last]);
    check_messages(&[enough.concat()], |vector| vector.event(Vec::new()));
    check_messages(&[too_many.concat()], |vector| vector.error(TOO_MANY_ENDS));
}

#[test]
fn a_stream_may_end_in_every_kibibyte_however_the_bytes_are_cut() {
    // The bytes of the first end are beyond the limit.
    let earned = 15 * END.len() + 5;
    for (missing, passes) in [(0, true), (1, false)] {
        let content = noise(1024 - earned - missing, 1);
        let last = Bits::new().stored(true, &content).bytes();
        let payload = [END.repeat(16), last].concat();
        check_messages(&[payload], |vector| match passes {
            true => vector.event(content.clone()),
            false => vector.error(TOO_MANY_ENDS),
        });
    }
    let content = noise(1024, 1);
    let payload = Bits::new().stored(true, &content).bytes().repeat(100);
    for size in [1, 1000, payload.len()] {
        let input = frame(Role::Client, FIN | RSV1 | BINARY, &payload);
        Vector::new(Role::Server, input.clone())
            .config(config(deflate(15, true)))
            .event(content.repeat(100))
            .check_chunks(&runtime(), &input.chunks(size).collect::<Vec<_>>());
    }
}
