//! `Simd`: validation of UTF-8, alone and while unmasking.

use bytes::{BufMut, BytesMut};
use wsimd::simd::{Append, Carry, InvalidUtf8, MaskingKey, Simd};

use super::kernels::{Input, Placed, check_appended, check_equal, naive_mask};

type Verdict = Result<Carry, InvalidUtf8>;

/// Validates an arbitrary text with every backend.
///
/// Input: see [`Input`]. The payload is the unmasked text.
///
/// Properties:
/// - The scalar backend and `str::from_utf8` agree on every prefix that ends with a piece: valid,
///   unfinished, or invalid.
/// - Every backend returns the result and the carry of the scalar one for every piece. This holds for
///   validation alone, while unmasking in place and while unmasking a copy, at every address and for
///   every size of the output.
/// - Text that is not invalid is unmasked. The bytes around it never change.
pub fn utf8(data: &[u8]) {
    let Some(input) = Input::read(data) else {
        return;
    };
    let masked = naive_mask(&input.payload, input.key);
    let whole = 0..input.payload.len();
    for pieces in [vec![whole], input.pieces()] {
        let mut carry = Carry::NONE;
        for range in pieces {
            let piece = Piece {
                text: &input.payload[range.clone()],
                masked: &masked[range.clone()],
                key: input.key_at(&range),
                carry,
                verdict: reference().validate(&input.payload[range.clone()], carry),
            };
            assert_eq!(
                piece.verdict.map(Carry::is_none),
                expected(&input.payload[..range.end]),
                "whether a text has ended, by {} (left) and by std (right)",
                reference().name()
            );
            for simd in Simd::available() {
                piece.check(simd, &input);
            }
            let Ok(next) = piece.verdict else { break };
            carry = next;
        }
    }
}

fn reference() -> Simd {
    Simd::available().next().expect("a backend")
}

fn expected(text: &[u8]) -> Result<bool, InvalidUtf8> {
    match str::from_utf8(text) {
        Ok(_) => Ok(true),
        Err(error) if error.error_len().is_none() => Ok(false),
        Err(_) => Err(InvalidUtf8),
    }
}

struct Piece<'a> {
    text: &'a [u8],
    masked: &'a [u8],
    key: MaskingKey,
    carry: Carry,
    /// The result that every backend has to return.
    verdict: Verdict,
}

impl Piece<'_> {
    fn check(&self, simd: Simd, input: &Input) {
        for mut placed in Placed::all(input.from, self.text) {
            let verdict = simd.validate(placed.bytes(), self.carry);
            self.check_verdict("validate", simd, verdict);
        }
        for mut placed in Placed::all(input.from, self.masked) {
            self.check_copies(simd, input.to, placed.bytes(), Vec::with_capacity);
            self.check_copies(simd, input.to, placed.bytes(), BytesMut::with_capacity);
            let verdict = simd.unmask_validate(placed.bytes(), self.key, self.carry);
            self.check_verdict("unmask_validate", simd, verdict);
            if verdict.is_ok() {
                check_equal(simd.name(), placed.bytes(), self.text);
            }
            placed.check_neighbours(simd.name());
        }
    }

    fn check_copies<T: Append + BufMut + AsRef<[u8]>>(
        &self,
        simd: Simd,
        address: u8,
        masked: &[u8],
        with_capacity: fn(usize) -> T,
    ) {
        check_appended(simd.name(), with_capacity, address, self.text, |output| {
            let verdict = simd.copy_unmask_validate(masked, output, self.key, self.carry);
            self.check_verdict("copy_unmask_validate", simd, verdict);
            verdict.is_ok()
        });
    }

    fn check_verdict(&self, kernel: &str, simd: Simd, verdict: Verdict) {
        let name = simd.name();
        assert_eq!(
            verdict, self.verdict,
            "{kernel} by {name} (left), scalar (right)"
        );
    }
}
