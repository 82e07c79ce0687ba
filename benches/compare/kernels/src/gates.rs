//! What is demanded of our kernels, and whether they meet it.
//!
//! Ratios are medians of the ratios within a round; `±` is the distance between their quartiles.
//! Nothing is subtracted: the bare loop, printed as `loop`, is part of every figure, memcpy's too.
//! What copies is held against memcpy to where the copies go, what works in place against a memcpy
//! that always writes to the same place and has no output to look after, which is faster.

use std::{collections::HashMap, fmt};

use crate::{
    Options,
    contender::{
        self, BARE_MEMCPY, Contender, EMPTY, Kernel, MEMCPY, TOKIO_WEBSOCKETS,
        TOKIO_WEBSOCKETS_SIMDUTF, TOKIO_WEBSOCKETS_SIMDUTF8,
    },
    content::Content::{self, Ascii, Binary, Cjk, Cyrillic, Emoji, Json, Mixed},
    measure::{self, Effort, Rounds},
};

const EFFORT: Effort = Effort {
    rounds: 61,
    passes: 8,
};

/// Name and backend of a contender.
type Id = (&'static str, &'static str);

/// Kernel, content and size: what is measured at once.
type Point = (Kernel, Content, usize);

/// What our time is to be.
#[derive(Clone, Copy, Debug)]
enum Bound {
    /// At most so much of the rival's.
    Within(f64),
    /// The rival takes at least so many times as long.
    Faster(f64),
    /// The same, and where it is between the second and the first that is not yet a miss.
    Aim(f64, f64),
}

/// One demand, for several contents and sizes.
struct Gate {
    title: &'static str,
    kernel: Kernel,
    contents: &'static [Content],
    sizes: &'static [usize],
    ours: Id,
    /// The fastest of them counts.
    rivals: &'static [Id],
    bound: Bound,
}

const OURS_512: Id = ("wsimd", "avx512");
const OURS_AVX2: Id = ("wsimd", "avx2");
const COPY_512: Id = ("wsimd-copy", "avx512");

const MASK_BEST: &[Id] = &[(TOKIO_WEBSOCKETS, "avx512")];
const MASK_AVX2: &[Id] = &[(TOKIO_WEBSOCKETS, "avx2")];
const TEXT_SIMDUTF8: &[Id] = &[(TOKIO_WEBSOCKETS_SIMDUTF8, "avx512")];
const TEXT_BEST: &[Id] = &[
    (TOKIO_WEBSOCKETS_SIMDUTF8, "avx512"),
    (TOKIO_WEBSOCKETS_SIMDUTF, "avx512"),
];
const TEXT_AVX2: &[Id] = &[(TOKIO_WEBSOCKETS_SIMDUTF8, "avx2")];
const COPIED: &[Id] = &[(MEMCPY, "")];
const BARE: &[Id] = &[(BARE_MEMCPY, "")];

const TEXTS: &[Content] = &[Ascii, Json, Cyrillic, Cjk, Emoji, Mixed];
const MULTI_BYTE: &[Content] = &[Cyrillic, Cjk, Emoji, Mixed];

const KI: usize = 1 << 10;
const MI: usize = 1 << 20;
/// The sizes of `Kernel::Small` are its own.
const RANDOM: &[usize] = &[0];
const TO_256: &[usize] = &[16, 64, 125, 256];
const FROM_1K: &[usize] = &[KI, 4 * KI, 16 * KI, 64 * KI, MI];
const TO_64K: &[usize] = &[KI, 4 * KI, 16 * KI, 64 * KI];

/// Two runs of the same code differ by so much: what is to be no slower may be.
const NO_SLOWER: Bound = Bound::Aim(1.0, 0.97);

const fn gate(
    title: &'static str,
    (kernel, contents, sizes): (Kernel, &'static [Content], &'static [usize]),
    ours: Id,
    rivals: &'static [Id],
    bound: Bound,
) -> Gate {
    Gate {
        title,
        kernel,
        contents,
        sizes,
        ours,
        rivals,
        bound,
    }
}

/// A line for each demand.
#[rustfmt::skip]
const GATES: &[Gate] = &{
    use Bound::{Aim, Faster, Within};
    use Kernel::{Copy, Fused, Hot, Mask, Small};
    [
    gate("frames of 4-125 B", (Small, TEXTS, RANDOM), OURS_512, TEXT_SIMDUTF8, Faster(5.0)),
    gate("frames of 4-125 B", (Small, TEXTS, RANDOM), OURS_AVX2, TEXT_AVX2, Faster(4.0)),
    gate("frames of 4-125 B, to the best", (Small, TEXTS, RANDOM), OURS_512, TEXT_BEST, Aim(5.0, 1.0)),
    gate("frames of 4-125 B, ASCII to memcpy", (Small, &[Ascii], RANDOM), OURS_512, BARE, Within(1.3)),
    gate("frames of 4-125 B, ASCII to memcpy", (Small, &[Ascii], RANDOM), OURS_AVX2, BARE, Within(1.3)),
    gate("ASCII in place to memcpy, in L1", (Hot, &[Ascii], &[16 * KI]), OURS_512, BARE, Within(1.1)),
    gate("ASCII in place to memcpy", (Fused, &[Ascii], &[16 * KI]), OURS_512, BARE, Within(1.1)),
    gate("ASCII in place to memcpy", (Fused, &[Ascii], &[MI]), OURS_512, BARE, Within(0.55)),
    gate("ASCII copied to memcpy, in L1", (Hot, &[Ascii], &[16 * KI]), COPY_512, COPIED, Within(1.4)),
    gate("ASCII copied to memcpy", (Fused, &[Ascii], &[16 * KI]), COPY_512, COPIED, Within(1.4)),
    gate("multi-byte, bulk", (Fused, MULTI_BYTE, FROM_1K), OURS_512, TEXT_BEST, Faster(1.4)),
    gate("multi-byte, short", (Fused, MULTI_BYTE, TO_256), OURS_512, TEXT_BEST, Faster(0.95)),
    gate("multi-byte, short", (Fused, MULTI_BYTE, TO_256), OURS_AVX2, TEXT_AVX2, Faster(0.95)),
    gate("multi-byte, in cache", (Fused, MULTI_BYTE, TO_64K), OURS_AVX2, TEXT_AVX2, Aim(1.05, 0.95)),
    gate("multi-byte, out of cache", (Fused, MULTI_BYTE, &[MI]), OURS_AVX2, TEXT_AVX2, Aim(1.1, 0.95)),
    gate("JSON", (Fused, &[Json], &[4 * KI, 16 * KI]), OURS_512, TEXT_BEST, Faster(2.5)),
    gate("JSON", (Fused, &[Json], &[4 * KI, 16 * KI]), OURS_AVX2, TEXT_AVX2, Faster(1.4)),
    gate("masking, short", (Mask, &[Binary], TO_256), OURS_512, MASK_BEST, Faster(2.0)),
    gate("masking, short", (Mask, &[Binary], TO_256), OURS_AVX2, MASK_AVX2, Faster(2.0)),
    gate("masking, frames of 4-125 B", (Small, &[Binary], RANDOM), OURS_512, MASK_BEST, Faster(2.0)),
    gate("masking, frames of 4-125 B", (Small, &[Binary], RANDOM), OURS_AVX2, MASK_AVX2, Faster(2.0)),
    gate("masking, bulk", (Mask, &[Binary], FROM_1K), OURS_512, MASK_BEST, NO_SLOWER),
    gate("masking, bulk", (Mask, &[Binary], FROM_1K), OURS_AVX2, MASK_AVX2, NO_SLOWER),
    gate("masked copy, short", (Copy, &[Binary], TO_256), OURS_512, COPIED, Within(1.1)),
    gate("masked copy, short", (Copy, &[Binary], TO_256), OURS_AVX2, COPIED, Within(1.1)),
    gate("masked copy, bulk", (Copy, &[Binary], TO_64K), OURS_512, COPIED, Within(1.3)),
    gate("masked copy, bulk", (Copy, &[Binary], TO_64K), OURS_AVX2, COPIED, Within(1.3)),
    ]
};

/// What was measured at a point.
struct Measured {
    /// The time of the bare loop, which is part of every other.
    empty: f64,
    rounds: Vec<(Id, Rounds)>,
}

/// Measures what the gates need and prints a line for each gate, content and size.
pub fn run(options: &Options) {
    let (gates, absent): (Vec<&Gate>, Vec<&Gate>) = GATES
        .iter()
        .filter(|gate| options.kernels.contains(&gate.kernel))
        .partition(|gate| {
            options
                .backends
                .iter()
                .any(|simd| simd.name() == gate.ours.1)
        });
    let mut results = HashMap::new();
    let mut verdicts = HashMap::from([("ok", 0), ("near", 0), ("MISS", 0), ("missing", 0)]);
    for gate in &gates {
        println!("\n{}, {} ({})", gate.title, gate.ours.0, gate.ours.1);
        for point in gate.points() {
            let measured = results
                .entry(point)
                .or_insert_with(|| measure_point(point, &gates, options));
            let verdict = print(gate, point, measured);
            *verdicts.entry(verdict).or_default() += 1;
        }
    }
    let [ok, near, miss, missing] = ["ok", "near", "MISS", "missing"].map(|word| verdicts[word]);
    println!("\n{ok} ok, {near} near, {miss} MISS, {missing} without a rival");
    if !absent.is_empty() {
        println!("{} gates are for backends that are not here", absent.len());
    }
}

impl Gate {
    fn points(&self) -> impl Iterator<Item = Point> {
        let sizes = |&content| self.sizes.iter().map(move |&size| (content, size));
        let kernel = self.kernel;
        self.contents
            .iter()
            .flat_map(sizes)
            .map(move |(content, size)| (kernel, content, size))
    }

    fn wants(&self, id: Id) -> bool {
        id == self.ours || self.rivals.contains(&id)
    }
}

/// Measures those contenders that a gate names for this point, and the bare loop.
fn measure_point(point: Point, gates: &[&Gate], options: &Options) -> Measured {
    let (kernel, content, size) = point;
    let here = |gate: &&&Gate| gate.points().any(|other| other == point);
    let gates: Vec<&&Gate> = gates.iter().filter(here).collect();
    let mut contenders = contender::contenders(kernel, content, &options.backends);
    contenders.retain(|contender| {
        contender.name == EMPTY || gates.iter().any(|gate| gate.wants(id(contender)))
    });
    let mut pool = crate::pool(kernel, content, size, options.pool);
    let rounds = measure::measure(&mut pool, &contenders, EFFORT);
    Measured {
        empty: rounds[0].median(),
        rounds: contenders.iter().map(id).zip(rounds).collect(),
    }
}

fn id(contender: &Contender) -> Id {
    (contender.name, contender.backend)
}

/// Prints the line of a gate for what was measured at a point, and returns the verdict.
fn print(gate: &Gate, (kernel, content, size): Point, measured: &Measured) -> &'static str {
    let size = match kernel {
        Kernel::Small => "4-125".into(),
        _ => size.to_string(),
    };
    print!("{size:>8} {:<8}", content.name());
    let ours = measured.fastest(&[gate.ours]);
    let (Some((_, ours)), Some((name, rival))) = (ours, measured.fastest(gate.rivals)) else {
        println!(" missing");
        return "missing";
    };
    let ratio = gate.bound.ratio(ours, rival);
    let verdict = gate.bound.verdict(ratio.median());
    println!(
        " {:>9.1} {:>9.1} ns, loop {:>4.1}  {:>6.3}x ±{:>4.1} %  {}  {verdict:<4}  {} {}",
        ours.median(),
        rival.median(),
        measured.empty,
        ratio.median(),
        ratio.spread_pct(),
        gate.bound,
        name.0,
        name.1,
    );
    verdict
}

impl Measured {
    fn fastest(&self, ids: &[Id]) -> Option<&(Id, Rounds)> {
        self.rounds
            .iter()
            .filter(|(id, _)| ids.contains(id))
            .min_by(|(_, a), (_, b)| a.median().total_cmp(&b.median()))
    }
}

impl Bound {
    fn ratio(self, ours: &Rounds, rival: &Rounds) -> Rounds {
        match self {
            Self::Within(_) => ours.over(rival),
            Self::Faster(_) | Self::Aim(..) => rival.over(ours),
        }
    }

    fn verdict(self, ratio: f64) -> &'static str {
        match self {
            Self::Within(most) if ratio <= most => "ok",
            Self::Faster(least) | Self::Aim(least, _) if ratio >= least => "ok",
            Self::Aim(_, least) if ratio >= least => "near",
            _ => "MISS",
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within(most) => write!(f, "<= {most:.2}"),
            Self::Faster(least) | Self::Aim(least, _) => write!(f, ">= {least:.2}"),
        }
    }
}
