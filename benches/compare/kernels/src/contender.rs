//! What is measured: every implementation of every kernel, behind one kind of call that the
//! compiler cannot see through, so that none gains by being inlined into the loop.

use contestant::Content;
use wsimd::simd::{Carry, Simd};

use crate::{pool::xor, tokio_websockets};

/// The work to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Masking in place.
    Mask,
    /// Masking into a copy.
    Copy,
    /// UTF-8 validation.
    Utf8,
    /// Unmasking and UTF-8 validation.
    Fused,
    /// As `Fused` (binary: as `Mask`) for payloads of 4 to 125 bytes in a read buffer.
    Small,
}

impl Kernel {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Mask, Self::Copy, Self::Utf8, Self::Fused, Self::Small];

    /// Returns the name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Copy => "copy",
            Self::Utf8 => "utf8",
            Self::Fused => "fused",
            Self::Small => "small",
        }
    }

    /// Returns what its messages are made of.
    pub fn contents(self) -> &'static [Content] {
        use Content::{Ascii, Binary, Json, Multi};
        match self {
            Self::Mask | Self::Copy => &[Binary],
            Self::Utf8 | Self::Fused => &[Ascii, Json, Multi],
            Self::Small => &[Ascii, Json, Multi, Binary],
        }
    }

    /// Returns whether payloads are masked to begin with.
    pub fn is_masked(self) -> bool {
        self != Self::Utf8
    }
}

/// What a call leaves behind.
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
    /// Its name in results.
    pub name: &'static str,
    /// The instructions it uses.
    pub backend: &'static str,
    /// What a call leaves behind.
    pub effect: Effect,
    /// Takes a payload, its key and the output. Returns false if the text is invalid.
    pub call: Box<Call>,
}

impl Contender {
    fn new(
        name: &'static str,
        backend: &'static str,
        effect: Effect,
        call: impl Fn(&mut [u8], [u8; 4], &mut Vec<u8>) -> bool + 'static,
    ) -> Self {
        let call = Box::new(call);
        Self {
            name,
            backend,
            effect,
            call,
        }
    }

    fn in_place(
        name: &'static str,
        backend: &'static str,
        call: impl Fn(&mut [u8], [u8; 4]) -> bool + 'static,
    ) -> Self {
        Self::new(name, backend, Effect::InPlace, move |payload, key, _| {
            call(payload, key)
        })
    }

    fn validator(
        name: &'static str,
        backend: &'static str,
        call: impl Fn(&[u8]) -> bool + 'static,
    ) -> Self {
        Self::new(name, backend, Effect::Nothing, move |payload, _, _| {
            call(payload)
        })
    }
}

/// Lists the contenders of a kernel: the limits, the peers, and ours with each of `backends`.
pub fn contenders(kernel: Kernel, content: Content, backends: &[Simd]) -> Vec<Contender> {
    let mut all = limits();
    match kernel {
        Kernel::Mask => mask(&mut all, backends),
        Kernel::Small if !content.is_text() => mask(&mut all, backends),
        Kernel::Copy => copy(&mut all, backends),
        Kernel::Utf8 => utf8(&mut all, backends),
        Kernel::Fused | Kernel::Small => fused(&mut all, backends),
    }
    all
}

/// Names the contenders of a kernel that could not be built, with the reason.
pub fn missing(kernel: Kernel) -> Option<(&'static str, &'static str)> {
    let name = match kernel {
        Kernel::Utf8 => return None,
        Kernel::Mask => TOKIO_WEBSOCKETS,
        Kernel::Copy => COPIED_TOKIO_WEBSOCKETS,
        Kernel::Fused | Kernel::Small => TOKIO_WEBSOCKETS_SIMDUTF8,
    };
    tokio_websockets::MASK.err().map(|reason| (name, reason))
}

const TOKIO_WEBSOCKETS: &str = "tokio-websockets";
const COPIED_TOKIO_WEBSOCKETS: &str = "memcpy+tokio-websockets";
const TOKIO_WEBSOCKETS_SIMDUTF8: &str = "tokio-websockets+simdutf8";

/// The loop with nothing in it, and memcpy under two names: what differs less than these are a tie.
fn limits() -> Vec<Contender> {
    let memcpy = |name| {
        Contender::new(name, "", Effect::Nothing, |payload, _, output| {
            output.extend_from_slice(payload);
            true
        })
    };
    let empty = Contender::validator("empty", "", |_| true);
    vec![empty, memcpy("memcpy"), memcpy("control")]
}

fn mask(all: &mut Vec<Contender>, backends: &[Simd]) {
    all.push(Contender::in_place("naive", "", |payload, key| {
        xor(payload, key);
        true
    }));
    all.push(Contender::in_place("fastwebsockets", "", |payload, key| {
        fastwebsockets::unmask(payload, key);
        true
    }));
    if let Ok(frame) = tokio_websockets::MASK {
        let backend = tokio_websockets_backend();
        all.push(Contender::in_place(
            TOKIO_WEBSOCKETS,
            backend,
            move |payload, mut key| {
                frame(&mut key, payload);
                true
            },
        ));
    }
    for &simd in backends {
        let call = move |payload: &mut [u8], key| {
            simd.mask(payload, key);
            true
        };
        all.push(Contender::in_place("wsimd", simd.name(), call));
    }
}

fn copy(all: &mut Vec<Contender>, backends: &[Simd]) {
    all.push(Contender::new(
        "memcpy+fastwebsockets",
        "",
        Effect::Copied,
        |payload, key, output| {
            fastwebsockets::unmask(append(payload, output), key);
            true
        },
    ));
    if let Ok(frame) = tokio_websockets::MASK {
        all.push(Contender::new(
            COPIED_TOKIO_WEBSOCKETS,
            tokio_websockets_backend(),
            Effect::Copied,
            move |payload, mut key, output| {
                frame(&mut key, append(payload, output));
                true
            },
        ));
    }
    for &simd in backends {
        all.push(Contender::new(
            "wsimd",
            simd.name(),
            Effect::Copied,
            move |payload, key, output| {
                simd.copy_mask(payload, output, key);
                true
            },
        ));
    }
}

fn utf8(all: &mut Vec<Contender>, backends: &[Simd]) {
    all.push(Contender::validator("std", "", |text| {
        str::from_utf8(text).is_ok()
    }));
    all.push(Contender::validator(
        "simdutf8",
        simdutf8_backend(),
        |text| simdutf8::basic::from_utf8(text).is_ok(),
    ));
    for &simd in backends {
        let call = move |text: &[u8]| simd.validate(text, Carry::NONE) == Ok(Carry::NONE);
        all.push(Contender::validator("wsimd", simd.name(), call));
    }
}

fn fused(all: &mut Vec<Contender>, backends: &[Simd]) {
    all.push(Contender::in_place(
        "fastwebsockets+std",
        "",
        |payload, key| {
            fastwebsockets::unmask(payload, key);
            str::from_utf8(payload).is_ok()
        },
    ));
    if let Ok(frame) = tokio_websockets::MASK {
        all.push(Contender::in_place(
            TOKIO_WEBSOCKETS_SIMDUTF8,
            tokio_websockets_backend(),
            move |payload, mut key| {
                frame(&mut key, payload);
                simdutf8::basic::from_utf8(payload).is_ok()
            },
        ));
    }
    for &simd in backends {
        all.push(Contender::in_place(
            "wsimd",
            simd.name(),
            move |payload, key| simd.unmask_validate(payload, key, Carry::NONE) == Ok(Carry::NONE),
        ));
        all.push(Contender::new(
            "wsimd-copy",
            simd.name(),
            Effect::Copied,
            move |payload, key, output| {
                let carry = simd.copy_unmask_validate(payload, output, key, Carry::NONE);
                carry == Ok(Carry::NONE)
            },
        ));
    }
}

/// Appends a payload and returns the copy.
fn append<'a>(payload: &[u8], output: &'a mut Vec<u8>) -> &'a mut [u8] {
    let start = output.len();
    output.extend_from_slice(payload);
    &mut output[start..]
}

/// Names what tokio-websockets detects: on x86-64 the first of these that the CPU has.
#[cfg(target_arch = "x86_64")]
fn tokio_websockets_backend() -> &'static str {
    if std::arch::is_x86_feature_detected!("avx512f") {
        "avx512"
    } else if std::arch::is_x86_feature_detected!("avx2") {
        "avx2"
    } else {
        "sse2"
    }
}

/// Names what simdutf8 detects: on x86-64 the first of these that the CPU has.
#[cfg(target_arch = "x86_64")]
fn simdutf8_backend() -> &'static str {
    if std::arch::is_x86_feature_detected!("avx2") {
        "avx2"
    } else if std::arch::is_x86_feature_detected!("sse4.2") {
        "sse4.2"
    } else {
        "std"
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn tokio_websockets_backend() -> &'static str {
    std::env::consts::ARCH
}

#[cfg(not(target_arch = "x86_64"))]
fn simdutf8_backend() -> &'static str {
    std::env::consts::ARCH
}
