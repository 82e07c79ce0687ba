//! RFC 7692 §7.1.2: windows of every size, against the C library and in both directions.

use crate::support::{
    bits::Bits,
    deflate::{Inbound, Outbound, config, deflate, noise, text},
    inflater::Inflater,
    zlib::{Unzlib, Zlib},
};

/// Messages that repeat bytes of themselves and of each other, at distances around the size of the
/// window.
fn messages(bits: u8) -> Vec<Vec<u8>> {
    let window: usize = 1 << bits;
    let words = text(2 * window + 500).into_bytes();
    let phrase = noise(40, 1);
    let mut messages = vec![words.clone(), Vec::new(), words[..300].to_vec()];
    for gap in [
        window / 2,
        window.saturating_sub(300),
        window.saturating_sub(262),
        window - 40,
        window - 1,
        window,
        window + 1,
    ] {
        let gap = gap.saturating_sub(phrase.len());
        messages.push([&phrase[..], &noise(gap, gap as u64), &phrase, b"-", &phrase].concat());
    }
    messages.push(vec![0; 3 * window]);
    messages
}

#[test]
fn what_is_compressed_never_refers_beyond_the_window() {
    for bits in 8..=15 {
        let messages = messages(bits);
        let levels: &[(u8, u8)] = match bits {
            8 | 9 => &[
                (1, 1),
                (2, 8),
                (3, 9),
                (4, 8),
                (5, 1),
                (6, 8),
                (7, 9),
                (8, 1),
                (9, 9),
            ],
            _ => &[(1, 9), (6, 8), (9, 1)],
        };
        for (level, memory) in levels {
            for takeover in [true, false] {
                let deflate = deflate(bits, takeover).level(*level).memory_level(*memory);
                let mut outbound = Outbound::new(&config(deflate));
                outbound.0.set_compress(wsimd::extension::Compress::Always);
                let mut inflater = Inflater::new(15, takeover);
                let mut unzlib = Unzlib::new(bits.max(9));
                for message in &messages {
                    let frames = outbound.frames(message.clone());
                    if frames[0].first & 0x40 == 0 {
                        assert_eq!((&frames[0].payload, takeover), (message, false));
                        continue;
                    }
                    if !takeover {
                        unzlib = Unzlib::new(bits.max(9));
                    }
                    let payload = &frames[0].payload;
                    assert_eq!(&inflater.message(payload), message, "{bits} bits");
                    assert_eq!(&unzlib.message(payload), message, "{bits} bits");
                }
                let distance = inflater.distance;
                assert!(
                    distance <= 1 << bits,
                    "{distance} bytes back in {bits} bits"
                );
                assert!(
                    distance > 1 << (bits - 3),
                    "the window is not used: {distance}"
                );
            }
        }
    }
}

#[test]
fn what_zlib_compresses_with_the_window_is_inflated() {
    for bits in 9..=15 {
        for level in [1, 6, 9] {
            for takeover in [true, false] {
                let mut inbound = Inbound::new(&config(deflate(bits, takeover)));
                let mut zlib = Zlib::new(level, bits);
                for (round, message) in messages(bits).into_iter().enumerate() {
                    if !takeover {
                        zlib = Zlib::new(level, bits);
                    }
                    let received = inbound.message(&zlib.message(&message)).unwrap();
                    assert!(received == message, "{bits} bits, message {round}");
                    if round % 3 == 2 {
                        inbound.0.release_idle();
                        inbound.0.release_idle();
                    }
                }
            }
        }
    }
}

#[test]
fn the_whole_window_can_be_referred_to_also_after_contexts_were_given_back() {
    for bits in 8..=15 {
        for tidy in [0, 2] {
            let window = 1 << bits;
            let mut inbound = Inbound::new(&config(deflate(bits, true)));
            // More bytes than the window, in several messages. One message is short.
            let bytes = noise(2 * window + 100, bits.into());
            for part in [
                &bytes[..window + 50],
                &bytes[window + 50..][..3],
                &bytes[window + 53..],
            ] {
                let parts = part.chunks(30_000);
                let stored = parts.fold(Bits::new(), |bits, part| bits.stored(false, part));
                assert_eq!(inbound.message(&stored.message()).unwrap(), part);
            }
            for _ in 0..tidy {
                inbound.0.release_idle();
            }
            let furthest = u16::try_from(window).unwrap();
            let refers = Bits::new()
                .fixed(false)
                .copy(258.min(furthest), furthest)
                .end();
            let start = bytes.len() - window;
            let len = usize::from(258.min(furthest));
            let received = inbound.message(&refers.message()).unwrap();
            assert_eq!(received, bytes[start..start + len]);
        }
    }
}

#[test]
fn after_the_end_of_a_stream_all_of_the_window_can_be_referred_to() {
    // The window is a ring buffer whose start moves with every message.
    let content = noise(8 << 10, 1);
    let mut inflater = Inflater::default();
    let mut inbound = Inbound::new(&config(deflate(9, true)));
    for (number, chunk) in content.chunks(37).enumerate() {
        let last = number % 3 < 2;
        let mut bits = Bits::new().fixed(last).literals(chunk);
        for distance in [1, 250, 256, 500, 511, 512] {
            if usize::from(distance) <= inflater.output.len() {
                bits = bits.copy(11, distance);
            }
        }
        let payload = match last {
            true => [bits.end().bytes(), vec![0]].concat(),
            false => bits.end().message(),
        };
        let expected = inflater.message(&payload);
        assert_eq!(inbound.message(&payload).unwrap(), expected, "{number}");
    }
}
