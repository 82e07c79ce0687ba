//! The demands, part by part, and the figure that was measured for each.

use std::fmt;

use wsimd::simd::Simd;

use crate::{
    contestants::{FLOOR, KEEPER, OURS},
    gates::{self, FEED, FRAMED, KEPT},
    idle, kernels,
    options::{Options, Part},
    plan::echoes,
    scenario::Memory,
    stats,
    summary::{Row, Summary, Table},
};

const KI: usize = 1 << 10;
/// One for each message. The few allocations of a connection round away.
const ONE: f64 = 1.005;
const TOKIO_WEBSOCKETS: [&str; 2] = ["tokio-websockets", "tokio-websockets-batched"];

/// The bound of a figure.
#[derive(Clone, Copy, Debug)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}
use Bound::{AtLeast, AtMost};

/// One demand, its figure and the verdict.
#[derive(Debug)]
pub struct Line {
    place: String,
    demand: String,
    bound: Bound,
    figure: Option<f64>,
    note: String,
    /// Whether a miss is let pass.
    aim: bool,
}

impl Line {
    fn holds(&self) -> bool {
        self.figure.is_some_and(|figure| match self.bound {
            AtMost(most) => figure <= most,
            AtLeast(least) => figure >= least,
        })
    }

    pub fn passes(&self) -> bool {
        self.aim || self.holds()
    }

    fn note(self, note: String) -> Self {
        Self { note, ..self }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = match self.bound {
            AtMost(most) => format!("≤ {most:.2}"),
            AtLeast(least) => format!("≥ {least:.2}"),
        };
        let figure = self.figure.map_or("–".into(), |it| format!("{it:.3}"));
        let verdict = match (self.figure, self.holds(), self.aim) {
            (None, ..) => "not measured",
            (_, true, _) => "ok",
            (_, false, true) => "aim",
            (_, false, false) => "MISS",
        };
        let Self {
            place,
            demand,
            note,
            ..
        } = self;
        write!(
            f,
            "| {place} | {demand} {bound} | {figure}{note} | {verdict} |"
        )
    }
}

/// Returns the demands of the parts that were asked for.
pub fn lines(summary: &Summary, options: &Options) -> Vec<Line> {
    let mut lines = Vec::new();
    for (part, demands) in [
        (Part::Memory, memory(summary)),
        (Part::Loopback, loopback(summary)),
        (Part::Idle, idle(summary, options)),
        (Part::Instructions, instructions(summary)),
        (Part::Kernels, kernels(summary)),
    ] {
        if options.wants_part(part) {
            lines.extend(demands);
        }
    }
    lines
}

/// A scenario with its table, if it was measured.
struct Scene<'a> {
    part: &'static str,
    name: String,
    table: Option<&'a Table>,
}

impl<'a> Scene<'a> {
    fn new(summary: &'a Summary, part: &'static str, name: String) -> Self {
        let table = summary.table(part, &name);
        Self { part, name, table }
    }

    fn line(
        &self,
        who: &str,
        demand: impl Into<String>,
        bound: Bound,
        figure: Option<f64>,
    ) -> Line {
        Line {
            place: format!("{} | {} | {who}", self.part, self.name),
            demand: demand.into(),
            bound,
            figure,
            note: String::new(),
            aim: false,
        }
    }

    fn row(&self, who: &str) -> Option<&'a Row> {
        self.table?.row(who)
    }

    fn median(&self, who: &str, measure: &str) -> Option<f64> {
        self.row(who)?.median(measure)
    }

    fn ratios(&self, who: &str, reference: &str, measure: &str) -> Option<Vec<f64>> {
        let rounds = |who| self.row(who)?.samples.get(measure);
        Some(stats::ratios(rounds(who)?, rounds(reference)?))
    }

    /// Returns the distance from 1 that is a tie here.
    fn noise(&self) -> f64 {
        self.table.map_or(0.0, |it| it.threshold)
    }

    /// CPU time as a multiple of another's: even the upper end of the interval is within the bound.
    fn cpu(&self, who: &str, reference: &str, most: f64) -> Line {
        let ratios = self.ratios(who, reference, "cpu_ns").unwrap_or_default();
        let upper = stats::median_upper(&ratios);
        let line = self.line(who, format!("CPU to {reference}"), AtMost(most), upper);
        let median = stats::median(&ratios).unwrap_or(0.0);
        line.note(format!(" (median {median:.2})"))
    }

    fn peer(&self) -> String {
        let peer = self.table.and_then(|table| table.best_peer.as_deref());
        format!(" ({})", peer.unwrap_or("no peer"))
    }

    /// The time of the best peer as a multiple of ours.
    fn faster(&self, who: &str, least: f64) -> Line {
        let ratio = self.row(who).and_then(|row| row.to_peer);
        let ratio = ratio.map(|it| 1.0 / it);
        let line = self.line(who, "best peer to ours", AtLeast(least), ratio);
        line.note(self.peer())
    }

    /// Nanoseconds beyond the floor.
    fn over_floor(&self, who: &str) -> Option<f64> {
        Some(self.median(who, "ns")? - self.median(FLOOR, "ns")?)
    }
}

fn loopback(summary: &Summary) -> Vec<Line> {
    let mut lines = Vec::new();
    for (echo, cpu, syscalls) in gates::loopback() {
        let scene = Scene::new(summary, "loopback", echo.name());
        for who in [OURS, FEED] {
            lines.push(scene.cpu(who, FLOOR, cpu));
            let to_peer = scene.row(who).and_then(|row| row.to_peer);
            let most = AtMost(1.0 + scene.noise());
            let line = scene.line(who, "CPU to best peer, noise allowed,", most, to_peer);
            lines.push(line.note(scene.peer()));
            if let Some(most) = syscalls {
                let calls = scene.median(who, "syscalls");
                lines.push(scene.line(who, "system calls", AtMost(most), calls));
            }
            // They are counted on one thread only.
            if echo.runtime == "current" {
                let allocations = scene.median(who, "allocations");
                lines.push(scene.line(who, "allocations", AtMost(ONE), allocations));
            }
        }
        if echo.size <= KI {
            lines.push(scene.cpu(FRAMED, OURS, 1.25));
        }
    }
    lines
}

fn memory(summary: &Summary) -> Vec<Line> {
    let scene = |scenario: &Memory| Scene::new(summary, "memory", scenario.name());
    let mut lines = Vec::new();
    for scenario in gates::decoded() {
        let scene = scene(&scenario);
        lines.push(scene.faster(OURS, decode_factor(&scenario, scene.noise())));
        if scenario.size <= 125 {
            let over = scene.over_floor(OURS);
            let mut line = scene.line(OURS, "ns over malloc + memcpy", AtMost(10.0), over);
            line.aim = true;
            lines.push(line);
        }
    }
    for scenario in gates::kept() {
        let scene = scene(&scenario);
        let bytes = scene.median(OURS, "allocated_bytes");
        let share = bytes.map(|bytes| bytes / scenario.size as f64);
        let demand = format!("bytes allocated, {KEPT} kept, to payload");
        lines.push(scene.line(OURS, demand, AtMost(1.1), share));
    }
    for scenario in gates::encoded("server") {
        // Small messages are copied behind their header. Large messages are not copied.
        let scene = scene(&scenario);
        let (demand, ns) = if scenario.size <= KI {
            ("ns over the floor", scene.over_floor(FEED))
        } else {
            ("ns", scene.median(FEED, "ns"))
        };
        lines.push(scene.line(FEED, demand, AtMost(20.0), ns));
    }
    for scenario in gates::encoded("client") {
        let scene = scene(&scenario);
        lines.push(scene.faster(FEED, 1.0 / (1.0 + scene.noise())));
        if scenario.size <= KI {
            let ratios = TOKIO_WEBSOCKETS
                .into_iter()
                .filter_map(|other| stats::median(&scene.ratios(other, FEED, "ns")?));
            let least = ratios.min_by(f64::total_cmp);
            lines.push(scene.line(FEED, "tokio-websockets to ours", AtLeast(2.0), least));
        }
    }
    lines
}

/// Returns the demanded ratio of the best peer's time to ours. For binary messages from 4 KiB up it may tie.
fn decode_factor(scenario: &Memory, noise: f64) -> f64 {
    use contestant::Content::{Ascii, Json, Multi};
    match (scenario.size, scenario.content) {
        (..=125, _) => 1.5,
        (..=1024, _) => 1.25,
        (_, Ascii | Json) => 1.15,
        (_, Multi) if Simd::detect().name() == "avx512" => 1.8,
        (_, Multi) => 1.1,
        (_, _) => 1.0 / (1.0 + noise),
    }
}

fn instructions(summary: &Summary) -> Vec<Line> {
    let scenes = echoes().map(|echo| Scene::new(summary, "instructions", echo.name()));
    let lines = scenes.flat_map(|scene| {
        [OURS, FEED].map(|who| {
            let ratio = scene.row(who).and_then(|row| row.to_peer);
            let line = scene.line(who, "instructions to best peer", AtMost(1.0), ratio);
            line.note(scene.peer())
        })
    });
    lines.collect()
}

fn idle(summary: &Summary, options: &Options) -> Vec<Line> {
    let scene = Scene::new(summary, "idle", gates::idle(options).name());
    let bytes = |who| scene.median(who, "rss");
    let over = |who, reference| Some(bytes(who)? - bytes(reference)?);
    let demands = [
        (OURS, "resident bytes", idle::MOST, bytes(OURS)),
        (
            OURS,
            "more than tcp-tokio",
            idle::MOST_OVER_FLOOR,
            over(OURS, FLOOR),
        ),
        (KEEPER, "more than wsimd", 256.0, over(KEEPER, OURS)),
    ];
    let lines =
        demands.map(|(who, demand, most, figure)| scene.line(who, demand, AtMost(most), figure));
    lines.into()
}

/// Contents of a kernel, sizes, backend, and the demanded ratio of the best rival's time to ours. A negative
/// ratio bounds our time as a multiple of memcpy's.
type KernelDemand = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
    f64,
);

#[rustfmt::skip]
const KERNELS: [KernelDemand; 16] = {
    const TEXTS: &[&str] = &["ascii", "json", "cyrillic", "cjk", "emoji", "mixed"];
    const DENSE: &[&str] = &["cyrillic", "cjk", "emoji", "mixed"];
    const BINARY: &[&str] = &["binary"];
    const SHORT: &[&str] = &["16 B", "125 B"];
    const BULK: &[&str] = &["1 KiB", "16 KiB", "64 KiB"];
    [
    ("small", TEXTS, &["4-125 B"], "avx512", 5.0),
    ("small", TEXTS, &["4-125 B"], "avx2", 4.0),
    ("small", &["ascii"], &["4-125 B"], "avx512", -1.3),
    ("small", &["ascii"], &["4-125 B"], "avx2", -1.3),
    ("small", BINARY, &["4-125 B"], "avx512", 2.0),
    ("small", BINARY, &["4-125 B"], "avx2", 2.0),
    ("fused", DENSE, BULK, "avx512", 1.4),
    ("fused", DENSE, SHORT, "avx512", 0.95),
    ("fused", DENSE, SHORT, "avx2", 0.95),
    ("fused", DENSE, BULK, "avx2", 0.95),
    ("fused", &["json"], &["16 KiB"], "avx512", 2.5),
    ("fused", &["json"], &["16 KiB"], "avx2", 1.4),
    ("fused", &["ascii"], &["16 KiB"], "avx512", -1.1),
    ("mask", BINARY, SHORT, "avx512", 2.0),
    ("mask", BINARY, BULK, "avx512", 0.97),
    ("copy", BINARY, BULK, "avx512", -1.35),
    ]
};

fn kernels(summary: &Summary) -> Vec<Line> {
    let backends: Vec<&str> = Simd::available().map(|simd| simd.name()).collect();
    let mut lines = Vec::new();
    for (kernel, contents, sizes, backend, ratio) in KERNELS {
        let places = contents
            .iter()
            .flat_map(|content| sizes.iter().map(move |size| (content, size)));
        for (content, size) in places.filter(|_| backends.contains(&backend)) {
            let name = format!("{kernel} {size} {content} {backend}");
            let scene = Scene::new(summary, kernels::PART, name);
            lines.push(if ratio > 0.0 {
                scene.faster(OURS, ratio)
            } else {
                let figure = scene.row(OURS).and_then(|row| row.to_floor);
                scene.line(OURS, "time to memcpy", AtMost(-ratio), figure)
            });
        }
    }
    lines
}
