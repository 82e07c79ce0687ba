//! The contenders: every implementation of every kernel, behind a call that the compiler cannot see
//! through, so that no contender gains by being inlined into the loop.

use std::cell::RefCell;

use wsimd::simd::{Carry, MaskingKey, Simd};

/// Masking by tokio-websockets, with the widest instructions.
#[allow(clippy::all, clippy::pedantic, dead_code, reason = "not ours")]
mod best {
    include!(concat!(env!("OUT_DIR"), "/best.rs"));
}

/// The same without AVX-512.
#[allow(clippy::all, clippy::pedantic, dead_code, reason = "not ours")]
mod avx2 {
    include!(concat!(env!("OUT_DIR"), "/avx2.rs"));
}

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

type Call = dyn Fn(&mut [u8], [u8; 4], &mut Vec<u8>) -> bool;

/// One implementation of a kernel. It takes a payload, its key and the output, and returns false if the text is
/// invalid.
pub struct Contender {
    pub name: &'static str,
    pub call: Box<Call>,
}

impl Contender {
    fn new(
        name: &'static str,
        call: impl Fn(&mut [u8], [u8; 4], &mut Vec<u8>) -> bool + 'static,
    ) -> Self {
        let call = Box::new(call);
        Self { name, call }
    }

    /// Whether it copies the payload as it is.
    pub fn is_memcpy(&self) -> bool {
        self.name.starts_with("memcpy")
    }
}

/// Lists the contenders of a kernel: memcpy, the peers and ours.
pub fn contenders(kernel: Kernel, simd: Simd) -> Vec<Contender> {
    let mut all: Vec<Contender> = ["memcpy", "memcpy (again)"]
        .map(|name| memcpy(name, kernel))
        .into();
    match simd.name() {
        "avx512" => all.extend(peers(kernel, best::frame, true)),
        "avx2" => all.extend(peers(kernel, avx2::frame, false)),
        _ => {}
    }
    all.push(match kernel {
        Kernel::Mask => Contender::new("wsimd", move |payload, key, _| {
            simd.mask(payload, MaskingKey::new(key));
            true
        }),
        Kernel::Copy => Contender::new("wsimd", move |payload, key, output| {
            simd.copy_mask(payload, output, MaskingKey::new(key));
            true
        }),
        Kernel::Fused => Contender::new("wsimd", move |payload, key, _| {
            simd.unmask_validate(payload, MaskingKey::new(key), Carry::NONE) == Ok(Carry::NONE)
        }),
    });
    all
}

/// Lists the peers, which mask by `frame`. simdutf knows AVX-512, and simdutf8 does not.
fn peers(kernel: Kernel, frame: fn(&mut [u8; 4], &mut [u8]), is_wide: bool) -> Vec<Contender> {
    let validating = |name, validate: fn(&[u8]) -> bool| {
        Contender::new(name, move |payload, mut key, _| {
            frame(&mut key, payload);
            validate(payload)
        })
    };
    match kernel {
        Kernel::Mask => vec![validating("tokio-websockets", |_| true)],
        Kernel::Copy => vec![Contender::new(
            "tokio-websockets",
            move |payload, mut key, output| {
                let start = output.len();
                output.extend_from_slice(payload);
                frame(&mut key, &mut output[start..]);
                true
            },
        )],
        Kernel::Fused => {
            let simdutf8 = |text: &[u8]| simdutf8::basic::from_utf8(text).is_ok();
            let mut peers = vec![validating("tokio-websockets + simdutf8", simdutf8)];
            if is_wide {
                let simdutf = simdutf::validate_utf8;
                peers.push(validating("tokio-websockets + simdutf", simdutf));
            }
            peers
        }
    }
}

/// memcpy to the place of copies: the least that a copy costs. Beside work in place it copies to one place,
/// which is a stricter measure.
fn memcpy(name: &'static str, kernel: Kernel) -> Contender {
    if kernel == Kernel::Copy {
        return Contender::new(name, |payload, _, output| {
            output.extend_from_slice(payload);
            true
        });
    }
    let room = RefCell::new(vec![0; 1 << 20]);
    Contender::new(name, move |payload, _, _| {
        room.borrow_mut()[..payload.len()].copy_from_slice(payload);
        true
    })
}
