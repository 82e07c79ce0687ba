//! The differential suite. It compares every backend of [`Simd::available`] with a naive mask and with
//! `str::from_utf8`. Carries are compared with those of the reference backend.
//!
//! - `strings` (a): all short strings of boundary bytes at all chunk splits, alone and in a long text.
//! - `positions` (b): valid and dead sequences at every position, among ASCII and multi-byte text.
//! - `random` (c): long texts of many scripts, corrupted, cut, masked with random keys.
//! - `alignment` (d): every destination residue mod 64, with a pending carry, in place and copying.
//! - `ends`: the first bytes after a carry and the last bytes of a chunk, for every length class.
//! - `masking`: every length, start and phase, neighbouring bytes, appending, the zero key.
//! - `exact`: allocations without a spare byte, for AddressSanitizer.

mod alignment;
mod ends;
mod exact;
mod masking;
mod positions;
mod random;
mod strings;

use std::ops::{Deref, Range};

use bytes::BytesMut;

use super::{Append, Carry, InvalidUtf8, MaskingKey, Simd};

const KEY: MaskingKey = MaskingKey::new([0x9a, 0x01, 0xff, 0x40]);

/// Returns `reduced` in debug builds, which are slow, and on other CPUs, which are usually emulated.
const fn scaled(full: usize, reduced: usize) -> usize {
    if cfg!(debug_assertions) || !cfg!(target_arch = "x86_64") {
        reduced
    } else {
        full
    }
}

#[test]
fn detects_the_fastest_or_the_one_asked_for() {
    // ci/backends.sh builds with `--cfg wsimd_backend="…"`, and sets this variable to the same name.
    let asked = std::env::var("WSIMD_BACKEND").unwrap_or_default();
    let names = || Simd::available().map(Simd::name);
    let wanted = names()
        .find(|name| *name == asked)
        .or_else(|| names().last());
    assert_eq!(Some(Simd::detect().name()), wanted);
}

/// A text, plain and masked. The key applies from the first byte on.
struct Text {
    plain: Vec<u8>,
    masked: Vec<u8>,
    key: MaskingKey,
}

impl Text {
    fn new(plain: Vec<u8>) -> Self {
        Self::with_key(plain, KEY)
    }

    fn with_key(plain: Vec<u8>, key: MaskingKey) -> Self {
        let masked = naive_mask(&plain, key);
        Self { plain, masked, key }
    }

    fn key_at(&self, offset: usize) -> MaskingKey {
        rotated(self.key, offset)
    }

    /// Returns the chunks of the text with the expected verdict on each, up to the first error.
    fn steps(&self, cuts: &[usize]) -> Vec<Step> {
        let mut steps = Vec::with_capacity(cuts.len() + 1);
        for chunk in chunks(self.plain.len(), cuts) {
            let wanted = verdict(&self.plain[..chunk.end]);
            steps.push(Step { chunk, wanted });
            if wanted.is_err() {
                break;
            }
        }
        steps
    }
}

struct Step {
    chunk: Range<usize>,
    wanted: Result<Carry, InvalidUtf8>,
}

fn naive_mask(bytes: &[u8], key: MaskingKey) -> Vec<u8> {
    let key = key.to_bytes();
    bytes
        .iter()
        .enumerate()
        .map(|(i, byte)| byte ^ key[i % 4])
        .collect()
}

/// Returns bytes that count from 0 to 250 again and again, so that a byte at a wrong place is noticed.
fn pattern(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

fn rotated(key: MaskingKey, offset: usize) -> MaskingKey {
    let key = key.to_bytes();
    MaskingKey::new(std::array::from_fn(|i| key[(i + offset) % 4]))
}

fn chunks(len: usize, cuts: &[usize]) -> impl Iterator<Item = Range<usize>> {
    let starts = [0].into_iter().chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([len]);
    starts.zip(ends).map(|(start, end)| start..end)
}

/// Returns the expected verdict on a whole text, from `str::from_utf8`: valid, unfinished, or invalid.
fn verdict(text: &[u8]) -> Result<Carry, InvalidUtf8> {
    match str::from_utf8(text) {
        Ok(_) => Ok(Carry::NONE),
        Err(error) if error.error_len().is_some() => Err(InvalidUtf8),
        Err(error) => Ok(carry_of(&text[error.valid_up_to()..])),
    }
}

/// Returns the reference backend's carry after the first bytes of a sequence.
fn carry_of(unfinished: &[u8]) -> Carry {
    let reference = Simd::available().next().expect("the reference is first");
    let carry = reference.validate(unfinished, Carry::NONE);
    let carry = carry.expect("a sequence may begin so");
    assert!(!carry.is_none(), "{unfinished:x?}");
    carry
}

/// Runs the validating kernels of every backend over the chunks of a text.
fn check(text: &Text, cuts: &[usize]) {
    let steps = text.steps(cuts);
    for simd in Simd::available() {
        let run = Run {
            simd,
            text,
            steps: &steps,
        };
        run.validate();
        run.unmask_validate();
        run.copy_unmask_validate(Vec::new());
    }
}

/// Runs all kernels of every backend over the chunks of a text, and copies to both kinds of buffer.
fn check_all(text: &Text, cuts: &[usize]) {
    check(text, cuts);
    let steps = text.steps(cuts);
    for simd in Simd::available() {
        let run = Run {
            simd,
            text,
            steps: &steps,
        };
        run.copy_unmask_validate(BytesMut::from("kept"));
        run.mask(cuts);
        run.copy_mask(cuts, b"kept".to_vec());
        run.copy_mask(cuts, BytesMut::new());
    }
}

/// A run of one backend over the chunks of one text.
struct Run<'a> {
    simd: Simd,
    text: &'a Text,
    steps: &'a [Step],
}

impl Run<'_> {
    fn validate(&self) {
        self.follow("validate", |chunk, carry| {
            self.simd.validate(&self.text.plain[chunk], carry)
        });
    }

    fn unmask_validate(&self) {
        let text = self.text;
        let mut bytes = text.masked.clone();
        self.follow("unmask_validate", |chunk, carry| {
            let Range { start, end } = chunk;
            let key = text.key_at(start);
            let verdict = self
                .simd
                .unmask_validate(&mut bytes[start..end], key, carry);
            let specified = if verdict.is_ok() { end } else { start };
            self.same(&bytes[..specified], &text.plain[..specified]);
            self.same(&bytes[end..], &text.masked[end..]);
            verdict
        });
    }

    fn copy_unmask_validate(&self, mut output: impl Append + Deref<Target = [u8]>) {
        let text = self.text;
        let kept = output.to_vec();
        self.follow("copy_unmask_validate", |chunk, carry| {
            let Range { start, end } = chunk;
            let key = text.key_at(start);
            let chunk = &text.masked[start..end];
            let verdict = self
                .simd
                .copy_unmask_validate(chunk, &mut output, key, carry);
            let specified = if verdict.is_ok() { end } else { start };
            let (old, new) = output.split_at(kept.len());
            self.same(old, &kept);
            self.same(&new[..specified], &text.plain[..specified]);
            assert!(verdict.is_err() || new.len() == end, "appended too much");
            verdict
        });
    }

    fn mask(&self, cuts: &[usize]) {
        let text = self.text;
        let mut bytes = text.plain.clone();
        for chunk in chunks(bytes.len(), cuts) {
            let Range { start, end } = chunk;
            self.simd.mask(&mut bytes[start..end], text.key_at(start));
            self.same(&bytes[..end], &text.masked[..end]);
            self.same(&bytes[end..], &text.plain[end..]);
        }
    }

    fn copy_mask(&self, cuts: &[usize], mut output: impl Append + Deref<Target = [u8]>) {
        let wanted = [&*output, &self.text.masked].concat();
        for chunk in chunks(self.text.plain.len(), cuts) {
            let key = self.text.key_at(chunk.start);
            self.simd
                .copy_mask(&self.text.plain[chunk], &mut output, key);
        }
        self.same(&output, &wanted);
    }

    /// Passes the carry from chunk to chunk, and compares each verdict with the expected one.
    fn follow(
        &self,
        kernel: &str,
        mut call: impl FnMut(Range<usize>, Carry) -> Result<Carry, InvalidUtf8>,
    ) {
        let mut carry = Carry::NONE;
        for step in self.steps {
            let verdict = call(step.chunk.clone(), carry);
            if verdict != step.wanted {
                panic!(
                    "{kernel}: {verdict:?}, not {:?} of bytes {:?} after {carry:?}: {}",
                    step.wanted,
                    step.chunk,
                    self.context()
                );
            }
            carry = verdict.unwrap_or_default();
        }
    }

    fn same(&self, bytes: &[u8], wanted: &[u8]) {
        if bytes != wanted {
            let at = bytes.iter().zip(wanted).position(|(a, b)| a != b);
            panic!("wrong bytes from {at:?} on: {}", self.context());
        }
    }

    fn context(&self) -> String {
        let name = self.simd.name();
        let ends: Vec<_> = self.steps.iter().map(|step| step.chunk.end).collect();
        let text = self.text.plain.escape_ascii();
        format!("{name}, chunks to {ends:?}, b\"{text}\"")
    }
}

/// The text around a sequence.
#[derive(Clone, Copy, Debug)]
enum Fill {
    Ascii,
    MultiByte,
}

impl Fill {
    const ALL: [Self; 2] = [Self::Ascii, Self::MultiByte];

    /// Returns `len` bytes that end with a whole character, a multi-byte one if there is room.
    fn before(self, len: usize) -> Vec<u8> {
        let characters = self.characters(len);
        let mut text = vec![b'a'; len - characters.len()];
        text.extend_from_slice(characters);
        text
    }

    /// Returns `len` bytes that begin with a whole character, a multi-byte one if there is room.
    fn after(self, len: usize) -> Vec<u8> {
        let mut text = self.characters(len).to_vec();
        text.resize(len, b'a');
        text
    }

    /// Returns `middle` between `before` and `after` bytes of fill.
    fn around(self, before: usize, middle: &[u8], after: usize) -> Vec<u8> {
        [&self.before(before), middle, &self.after(after)].concat()
    }

    /// Returns at most `len` bytes of whole characters.
    fn characters(self, len: usize) -> &'static [u8] {
        const LONGEST: usize = 6 << 10;
        const ASCII: &[u8] = &[b'a'; LONGEST];
        // Has 13 bytes, so that characters of every width occur in every lane of a vector.
        const MULTI_BYTE: &str = "\u{436}\u{451}\u{20ac}\u{1f600}\u{7ff}";
        const REPEATED: [u8; LONGEST] = repeated(MULTI_BYTE.as_bytes());
        static CHARACTERS: [u8; LONGEST] = REPEATED;
        match self {
            Self::Ascii => &ASCII[..len],
            Self::MultiByte => {
                let whole = str::from_utf8(&CHARACTERS[..len]);
                let end = whole.map_or_else(|error| error.valid_up_to(), str::len);
                &CHARACTERS[..end]
            }
        }
    }
}

const fn repeated<const N: usize>(unit: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    let mut i = 0;
    while i < N {
        bytes[i] = unit[i % unit.len()];
        i += 1;
    }
    bytes
}

/// Lengths at and around the limits of vectors, groups of vectors and alignment.
const LONG: [usize; 19] = [
    511, 512, 513, 575, 600, 767, 769, 1023, 1024, 1025, 1026, 1027, 1087, 1100, 1500, 2047, 2048,
    4109, 5119,
];

/// Returns every length up to 300, and the lengths in [`LONG`].
fn every_length_class() -> impl Iterator<Item = usize> {
    (0..=300).chain(LONG)
}
