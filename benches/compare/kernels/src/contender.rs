//! The contenders: every implementation of every kernel, behind a call that the compiler cannot see
//! through, so that no contender gains by being inlined into the loop.

use std::cell::RefCell;

use wsimd::simd::{Carry, MaskingKey, Simd};

include!(concat!(env!("OUT_DIR"), "/tokio_websockets.rs"));

/// The work to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Masking in place.
    Mask,
    /// Masking into a copy.
    Copy,
    /// Unmasking and UTF-8 validation.
    Fused,
}

impl Kernel {
    pub fn name(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Copy => "copy",
            Self::Fused => "fused",
        }
    }
}

/// The effect of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The payload as it was.
    Nothing,
    /// The payload unmasked.
    InPlace,
    /// The payload unmasked at the end of the output.
    Copied,
}

type Call = dyn Fn(&mut [u8], [u8; 4], &mut Vec<u8>) -> bool;

/// One implementation of a kernel.
pub struct Contender {
    pub name: &'static str,
    pub effect: Effect,
    /// Takes a payload, its key and the output. Returns false if the text is invalid.
    pub call: Box<Call>,
}

fn contender(
    name: &'static str,
    effect: Effect,
    call: impl Fn(&mut [u8], [u8; 4], &mut Vec<u8>) -> bool + 'static,
) -> Contender {
    Contender {
        name,
        effect,
        call: Box::new(call),
    }
}

/// Lists the contenders of a kernel: memcpy, the peers and ours.
pub fn contenders(kernel: Kernel, simd: Simd) -> Vec<Contender> {
    let mut all = match kernel {
        Kernel::Copy => vec![copying("memcpy"), copying("memcpy (again)")],
        _ => vec![fixed("memcpy"), fixed("memcpy (again)")],
    };
    let wide = simd.name() == "avx512";
    let frame = if wide { best::frame } else { avx2::frame };
    let has_rivals = wide || simd.name() == "avx2";
    match kernel {
        Kernel::Mask if has_rivals => {
            all.push(contender(
                "tokio-websockets",
                Effect::InPlace,
                move |payload, mut key, _| {
                    frame(&mut key, payload);
                    true
                },
            ));
        }
        Kernel::Copy if has_rivals => {
            all.push(contender(
                "tokio-websockets",
                Effect::Copied,
                move |payload, mut key, output| {
                    let start = output.len();
                    output.extend_from_slice(payload);
                    frame(&mut key, &mut output[start..]);
                    true
                },
            ));
        }
        Kernel::Fused if has_rivals => {
            let mut two = |name, validate: fn(&[u8]) -> bool| {
                all.push(contender(
                    name,
                    Effect::InPlace,
                    move |payload, mut key, _| {
                        frame(&mut key, payload);
                        validate(payload)
                    },
                ));
            };
            two("tokio-websockets + simdutf8", |text| {
                simdutf8::basic::from_utf8(text).is_ok()
            });
            if wide {
                two("tokio-websockets + simdutf", simdutf::validate_utf8);
            }
        }
        _ => {}
    }
    all.push(ours(kernel, simd));
    all
}

fn ours(kernel: Kernel, simd: Simd) -> Contender {
    match kernel {
        Kernel::Mask => contender("wsimd", Effect::InPlace, move |payload, key, _| {
            simd.mask(payload, MaskingKey::new(key));
            true
        }),
        Kernel::Copy => contender("wsimd", Effect::Copied, move |payload, key, output| {
            simd.copy_mask(payload, output, MaskingKey::new(key));
            true
        }),
        Kernel::Fused => contender("wsimd", Effect::InPlace, move |payload, key, _| {
            simd.unmask_validate(payload, MaskingKey::new(key), Carry::NONE) == Ok(Carry::NONE)
        }),
    }
}

/// memcpy to the place of copies: the least that a copy costs.
fn copying(name: &'static str) -> Contender {
    contender(name, Effect::Nothing, |payload, _, output| {
        output.extend_from_slice(payload);
        true
    })
}

/// memcpy to one place: a stricter measure for work in place.
fn fixed(name: &'static str) -> Contender {
    let room = RefCell::new(vec![0; 1 << 20]);
    contender(name, Effect::Nothing, move |payload, _, _| {
        room.borrow_mut()[..payload.len()].copy_from_slice(payload);
        true
    })
}
