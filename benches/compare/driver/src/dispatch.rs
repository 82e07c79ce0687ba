//! Instructions per call of a byte kernel of this crate, for the guard: the instructions that a call adds to
//! a loop, and the share of dispatch, which is all but the kernel itself.
//!
//! Callgrind runs this program itself, as `compare call`.

use std::{collections::BTreeMap, env, hint::black_box};

use wsimd::simd::{Carry, InvalidUtf8, MaskingKey, Simd};

use crate::{
    Outcome,
    callgrind::callgrind,
    instructions::{self, ALONE},
};

/// Calls of a run. The second of two runs has twice as many.
const CALLS: u64 = 10_000;
const SIZES: [usize; 2] = [16, 125];
/// The most instructions of dispatch for a call in place. A call that copies also reserves room.
const LIMIT: f64 = 10.0;

/// The loop without a call.
const NOTHING: &str = "nothing";
const IN_PLACE: &str = "in-place";
const COPYING: &str = "copying";

/// A key of ASCII, so that a payload stays ASCII however often it is unmasked.
const KEY: MaskingKey = MaskingKey::new([0x21, 0x43, 0x65, 0x07]);

/// Call and size, to instructions per call.
pub type Counts = BTreeMap<String, f64>;

/// Counts all calls under callgrind.
pub fn count() -> Outcome<Counts> {
    let program = env::current_exe()?;
    let run = |options: &[String], call: &str, size: usize, calls: u64| {
        let arguments = ["call", call, &size.to_string(), &calls.to_string()];
        callgrind(options, &program, &arguments)
    };
    let (backend, _) = run(&[], NOTHING, 1, 1)?;
    let backend = backend.trim();
    let in_kernel = format!("--toggle-collect=*::simd::{backend}::unmask_validate*");
    let each = |options: &[String], call: &str, size: usize| {
        instructions::each(CALLS, ALONE, |calls| Ok(run(options, call, size, calls)?.1))
    };

    let mut counts = Counts::new();
    for size in SIZES {
        let nothing = each(&[], NOTHING, size)?;
        for call in [IN_PLACE, COPYING] {
            let all = each(&[], call, size)? - nothing;
            let kernel = each(std::slice::from_ref(&in_kernel), call, size)?;
            counts.insert(format!("{backend} {call} {size} B"), all);
            counts.insert(format!("{backend} {call} {size} B: dispatch"), all - kernel);
        }
    }
    Ok(counts)
}

/// Prints the calls that exceed the limit. Returns whether none does.
pub fn is_within_limit(counts: &Counts) -> bool {
    let mut fine = true;
    for (name, count) in counts {
        if name.contains(IN_PLACE) && name.ends_with("dispatch") && *count > LIMIT {
            println!("kernels: {name}: FAIL: {count:.1}, and may be {LIMIT}");
            fine = false;
        }
    }
    fine
}

/// Makes calls for an ASCII payload of `size` bytes, and prints the backend that they go to.
pub fn run(call: &str, size: usize, calls: u64) -> Outcome<()> {
    match call {
        NOTHING => repeat(size, calls, |_, _, _, carry, _| Ok(carry)),
        IN_PLACE => repeat(size, calls, |simd, payload, key, carry, _| {
            simd.unmask_validate(payload, key, carry)
        }),
        COPYING => repeat(size, calls, |simd, payload, key, carry, copy| {
            simd.copy_unmask_validate(payload, copy, key, carry)
        }),
        _ => return Err("not in-place, copying or nothing".into()),
    }
    println!("{}", Simd::detect().name());
    Ok(())
}

/// Calls with arguments that the compiler does not know.
#[inline(never)]
fn repeat(
    size: usize,
    calls: u64,
    call: impl Fn(Simd, &mut [u8], MaskingKey, Carry, &mut Vec<u8>) -> Result<Carry, InvalidUtf8>,
) {
    let (mut payload, mut copy) = (vec![b'a'; size], Vec::with_capacity(size));
    let mut arguments = (Simd::detect(), &mut *payload, KEY, Carry::NONE, &mut copy);
    for _ in 0..calls {
        let (simd, payload, key, carry, copy) = black_box(&mut arguments);
        copy.clear();
        let verdict = call(*simd, payload, *key, *carry, copy);
        assert_eq!(black_box(verdict), Ok(Carry::NONE), "ASCII is valid");
    }
}
