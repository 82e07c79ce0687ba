//! Replays every target on stable Rust: the seeds, and then pseudo-random inputs that are the same in
//! each run.

use std::{fs, path::Path, thread};

/// The number of pseudo-random inputs of each target.
const MADE: usize = 2_000;

#[test]
fn header() {
    replay("header", wsimd_fuzz::header);
}

#[test]
fn frame_codec() {
    replay("frame_codec", wsimd_fuzz::frame_codec);
}

#[test]
fn receive() {
    replay("receive", wsimd_fuzz::receive);
}

#[test]
fn lend() {
    replay("lend", wsimd_fuzz::lend);
}

#[test]
fn json() {
    replay("json", wsimd_fuzz::json);
}

#[test]
fn request() {
    replay("request", wsimd_fuzz::request);
}

#[test]
fn response() {
    replay("response", wsimd_fuzz::response);
}

#[test]
fn roundtrip() {
    replay("roundtrip", wsimd_fuzz::roundtrip);
}

#[test]
fn mask() {
    replay("mask", wsimd_fuzz::mask);
}

#[test]
fn utf8() {
    replay("utf8", wsimd_fuzz::utf8);
}

#[test]
fn inflate() {
    replay("inflate", wsimd_fuzz::inflate);
}

#[test]
fn deflate_roundtrip() {
    replay("deflate_roundtrip", wsimd_fuzz::deflate_roundtrip);
}

#[test]
fn endpoint() {
    replay("endpoint", wsimd_fuzz::endpoint);
}

#[test]
fn stream() {
    replay("stream", wsimd_fuzz::stream);
}

fn replay(name: &str, target: fn(&[u8])) {
    let seeds = seeds(name);
    for (file, seed) in &seeds {
        run(target, file, seed);
    }
    let mut random = Random(0x5eed);
    for i in 0..MADE {
        let input = if i % 8 == 0 {
            let len = random.below(300);
            random.bytes(len)
        } else {
            let (_, seed) = &seeds[random.below(seeds.len())];
            let (_, other) = &seeds[random.below(seeds.len())];
            mutate(seed.clone(), other, &mut random)
        };
        run(target, &format!("made input {i}"), &input);
    }
}

/// Reads the seeds of a target in the order of their names, so that all runs are the same.
fn seeds(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the target has seeds")
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no seeds for {name}");
    let read = |path: &Path| fs::read(path).expect("the seed can be read");
    files
        .iter()
        .map(|path| (path.display().to_string(), read(path)))
        .collect()
}

fn run(target: fn(&[u8]), name: &str, input: &[u8]) {
    let _report = Report { name, input };
    target(input);
}

/// Prints the input when the target panics.
struct Report<'a> {
    name: &'a str,
    input: &'a [u8],
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}: b\"{}\"", self.name, self.input.escape_ascii());
        }
    }
}

/// Changes a seed in one to four places.
fn mutate(mut input: Vec<u8>, other: &[u8], random: &mut Random) -> Vec<u8> {
    /// Bytes with a meaning in a header, in UTF-8 or in HTTP.
    const MARKS: &[u8] = b"\x00\x01\x7d\x7e\x7f\x80\x81\x82\x88\x89\xc0\xed\xf4\xff\r\n ,:/";
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        let until = (at + random.below(8)).min(input.len());
        match random.below(6) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..until)),
            2 => input.insert(at, MARKS[random.below(MARKS.len())]),
            3 => drop(input.splice(at.., other[at.min(other.len())..].iter().copied())),
            4 => input.extend_from_within(at..until),
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    input
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not zero.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}
