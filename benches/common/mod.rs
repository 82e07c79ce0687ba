//! The parts that the benches share: sizes, texts, and pools of distinct messages.

use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};

/// The sizes of messages, in bytes, and their names.
const SIZES: [(&str, usize); 5] = [
    ("16 B", 16),
    ("125 B", 125),
    ("1 KiB", 1 << 10),
    ("16 KiB", 16 << 10),
    ("1 MiB", 1 << 20),
];

/// The names of texts, and their characters.
pub(crate) const TEXTS: [(&str, &str); 3] = [
    ("ascii", "abcdefghijklmnopqrstuvwxyz 0123456789"),
    // One character in a hundred is beyond ASCII.
    (
        "json",
        r#"{"id":10482,"name":"mira","score":17.25,"tags":["a","b"]},{"id":9,"name":"olga é","score":4.5},"#,
    ),
    ("multibyte", "éßñλщж日本語界한국😀🦀"),
];

/// The most bytes of a pool, and the bounds of the number of its messages.
///
/// A small pool gives wrong figures. A branch predictor learns 256 KiB of JSON, which makes its validation four
/// times as fast as that of 4 MiB.
const POOL_SIZE: usize = 4 << 20;
const MESSAGES: (usize, usize) = (4, 16 << 10);

/// Runs a bench with each size of a text: with a group, the name of the size, and a pool of messages.
///
/// Each bench takes less time than criterion's default, because there are many. The throughput is set for an
/// iteration that goes through the whole pool once.
pub(crate) fn sweep(
    criterion: &mut Criterion,
    name: &str,
    alphabet: &str,
    mut bench: impl FnMut(&mut BenchmarkGroup<'_, WallTime>, &str, &[String]),
) {
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    for (size_name, size) in SIZES {
        let pool = pool(alphabet, size);
        group.throughput(Throughput::Bytes((size * pool.len()) as u64));
        bench(&mut group, size_name, &pool);
    }
    group.finish();
}

/// Creates messages of characters at random, the same in every run.
fn pool(alphabet: &str, size: usize) -> Vec<String> {
    let alphabet: Vec<char> = alphabet.chars().collect();
    let mut state = 1_u64;
    let mut character = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        alphabet[(state >> 33) as usize % alphabet.len()]
    };
    let mut message = || {
        let mut text = String::with_capacity(size + 4);
        while text.len() + 4 <= size {
            text.push(character());
        }
        text.extend(std::iter::repeat_n('.', size - text.len()));
        text
    };
    let count = (POOL_SIZE / size).clamp(MESSAGES.0, MESSAGES.1);
    (0..count).map(|_| message()).collect()
}
