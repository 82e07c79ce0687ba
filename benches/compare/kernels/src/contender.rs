//! What is measured: every implementation of every kernel, behind one kind of call that the
//! compiler cannot see through, so that none gains by being inlined into the loop.

use std::cell::RefCell;

use wsimd::simd::{Carry, Simd};

use crate::{
    content::Content,
    pool::xor,
    tokio_websockets::{self, avx2, best},
};

/// The work to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// As `Fused` for ASCII that is in the nearest cache already: for the gates only.
    Hot,
}

impl Kernel {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Mask,
        Self::Copy,
        Self::Utf8,
        Self::Fused,
        Self::Small,
        Self::Hot,
    ];

    /// Returns the name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Copy => "copy",
            Self::Utf8 => "utf8",
            Self::Fused => "fused",
            Self::Small => "small",
            Self::Hot => "hot",
        }
    }

    /// Returns what its messages are made of in the tables; more of it unless in a hurry.
    pub fn contents(self, quick: bool) -> &'static [Content] {
        use Content::{Ascii, Binary, Cjk, Cyrillic, Emoji, Json, Mixed, Multi};
        match (self, quick) {
            (Self::Mask | Self::Copy, _) => &[Binary],
            (Self::Utf8 | Self::Fused, true) => &[Ascii, Json, Multi],
            (Self::Utf8 | Self::Fused, false) => &[Ascii, Json, Multi, Cyrillic, Cjk, Emoji, Mixed],
            (Self::Small, true) => &[Ascii, Json, Multi, Binary],
            (Self::Small, false) => &[Ascii, Json, Multi, Cyrillic, Cjk, Emoji, Mixed, Binary],
            (Self::Hot, _) => &[],
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
    /// Nobody would run it here: it is measured for the gates only.
    pub yardstick: bool,
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
            yardstick: false,
            call,
        }
    }

    fn yardstick(self) -> Self {
        let yardstick = true;
        Self { yardstick, ..self }
    }

    fn mask(
        name: &'static str,
        backend: &'static str,
        frame: impl Fn(&mut [u8; 4], &mut [u8]) + 'static,
    ) -> Self {
        Self::in_place(name, backend, move |payload, mut key| {
            frame(&mut key, payload);
            true
        })
    }

    fn two_passes(
        name: &'static str,
        backend: &'static str,
        frame: impl Fn(&mut [u8; 4], &mut [u8]) + 'static,
        validate: impl Fn(&[u8]) -> bool + 'static,
    ) -> Self {
        Self::in_place(name, backend, move |payload, mut key| {
            frame(&mut key, payload);
            validate(payload)
        })
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
        Kernel::Fused | Kernel::Small | Kernel::Hot => fused(&mut all, backends),
    }
    all
}

/// Names the contenders that could not be built, with the reason.
pub fn missing() -> impl Iterator<Item = (&'static str, &'static str)> {
    let simdutf = (!cfg!(feature = "simdutf")).then_some("the feature `simdutf` is off");
    [
        ("tokio-websockets", best::MISSING),
        ("tokio-websockets (avx2)", avx2::MISSING),
        ("simdutf", simdutf),
    ]
    .into_iter()
    .filter_map(|(name, reason)| Some((name, reason?)))
}

/// tokio-websockets' masking.
pub const TOKIO_WEBSOCKETS: &str = "tokio-websockets";
const COPIED_TOKIO_WEBSOCKETS: &str = "memcpy+tokio-websockets";
/// tokio-websockets' masking, then simdutf8.
pub const TOKIO_WEBSOCKETS_SIMDUTF8: &str = "tokio-websockets+simdutf8";
/// tokio-websockets' masking, then simdutf.
pub const TOKIO_WEBSOCKETS_SIMDUTF: &str = "tokio-websockets+simdutf";
/// The loop with nothing in it; the first of all contenders.
pub const EMPTY: &str = "empty";
/// memcpy to where copies go: what copying costs at least.
pub const MEMCPY: &str = "memcpy";
/// memcpy to one place: a stricter measure of what works in place and has no output to look after.
pub const BARE_MEMCPY: &str = "bare-memcpy";

/// The most that `BARE_MEMCPY` has room for.
const BARE_ROOM: usize = 16 << 20;

/// The loop with nothing in it, and memcpy under two names: what differs less than these are a tie.
fn limits() -> Vec<Contender> {
    let memcpy = |name| {
        Contender::new(name, "", Effect::Nothing, |payload, _, output| {
            output.extend_from_slice(payload);
            true
        })
    };
    let empty = Contender::validator(EMPTY, "", |_| true);
    let room = RefCell::new(vec![0; BARE_ROOM]);
    let bare = Contender::validator(BARE_MEMCPY, "", move |payload| {
        room.borrow_mut()[..payload.len()].copy_from_slice(payload);
        true
    });
    vec![empty, memcpy(MEMCPY), memcpy("control"), bare.yardstick()]
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
    if best::MISSING.is_none() {
        let backend = tokio_websockets::backend();
        all.push(Contender::mask(TOKIO_WEBSOCKETS, backend, best::frame));
    }
    if avx2::MISSING.is_none() && tokio_websockets::has_avx512() {
        all.push(Contender::mask(TOKIO_WEBSOCKETS, "avx2", avx2::frame).yardstick());
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
    if best::MISSING.is_none() {
        all.push(Contender::new(
            COPIED_TOKIO_WEBSOCKETS,
            tokio_websockets::backend(),
            Effect::Copied,
            move |payload, mut key, output| {
                best::frame(&mut key, append(payload, output));
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
        is_utf8_by_simdutf8,
    ));
    #[cfg(feature = "simdutf")]
    all.push(Contender::validator(
        "simdutf",
        simdutf_backend(),
        simdutf::validate_utf8,
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
    two_passes(all);
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

/// tokio-websockets' masking followed by each of the fast validators.
fn two_passes(all: &mut Vec<Contender>) {
    let backend = tokio_websockets::backend();
    if best::MISSING.is_none() {
        all.push(Contender::two_passes(
            TOKIO_WEBSOCKETS_SIMDUTF8,
            backend,
            best::frame,
            is_utf8_by_simdutf8,
        ));
        #[cfg(feature = "simdutf")]
        all.push(Contender::two_passes(
            TOKIO_WEBSOCKETS_SIMDUTF,
            backend,
            best::frame,
            simdutf::validate_utf8,
        ));
    }
    if avx2::MISSING.is_none() && tokio_websockets::has_avx512() {
        let name = TOKIO_WEBSOCKETS_SIMDUTF8;
        let two = Contender::two_passes(name, "avx2", avx2::frame, is_utf8_by_simdutf8);
        all.push(two.yardstick());
    }
}

fn is_utf8_by_simdutf8(text: &[u8]) -> bool {
    simdutf8::basic::from_utf8(text).is_ok()
}

/// Appends a payload and returns the copy.
fn append<'a>(payload: &[u8], output: &'a mut Vec<u8>) -> &'a mut [u8] {
    let start = output.len();
    output.extend_from_slice(payload);
    &mut output[start..]
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

/// Names what simdutf detects, as far as it matters here: its AVX-512 asks for Ice Lake's.
#[cfg(all(feature = "simdutf", target_arch = "x86_64"))]
fn simdutf_backend() -> &'static str {
    let icelake = std::arch::is_x86_feature_detected!("avx512vbmi2")
        && std::arch::is_x86_feature_detected!("avx512vpopcntdq");
    if icelake {
        "avx512"
    } else {
        simdutf8_backend()
    }
}

#[cfg(all(feature = "simdutf", not(target_arch = "x86_64")))]
fn simdutf_backend() -> &'static str {
    std::env::consts::ARCH
}

#[cfg(not(target_arch = "x86_64"))]
fn simdutf8_backend() -> &'static str {
    std::env::consts::ARCH
}
