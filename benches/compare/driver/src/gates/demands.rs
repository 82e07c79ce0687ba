//! The demands, part by part, and what was measured for each.

use wsimd::simd::Simd;

use super::{
    line::{
        Bound::{self, AtLeast, AtMost},
        Line, short,
    },
    plan::{self, FEED, FRAMED, KEPT, OURS},
};
use crate::{
    contestants::{FLOOR, KEEPER},
    idle,
    options::{Options, Part},
    plan::echoes,
    scenario::MemoryScenario,
    stats,
    summary::{Row, Summary, Table},
};

const KI: usize = 1 << 10;
/// One for each message; what connections allocate once, and the count of their buffers, rounds away.
const ONE: f64 = 1.005;
const TOKIO_WEBSOCKETS: [&str; 2] = ["tokio-websockets", "tokio-websockets-batched"];

/// What is demanded of the parts that were asked for.
pub fn lines(summary: &Summary, options: &Options) -> Vec<Line> {
    let parts = options.parts.iter().map(|part| match part {
        Part::Memory => memory(summary),
        Part::Loopback => loopback(summary),
        Part::Idle => idle(summary, options),
        Part::Instructions => instructions(summary),
        Part::Kernels | Part::Deflate => Vec::new(),
    });
    parts.flatten().collect()
}

/// A scenario as it was measured, if it was.
struct Scene<'a> {
    part: &'static str,
    name: String,
    table: Option<&'a Table>,
}

impl<'a> Scene<'a> {
    fn new(summary: &'a Summary, part: &'static str, name: String) -> Self {
        let table = summary.of(part).find(|table| table.scenario == name);
        Self { part, name, table }
    }

    fn line(
        &self,
        who: &'static str,
        what: impl Into<String>,
        bound: Bound,
        figure: Option<f64>,
    ) -> Line {
        Line::new((self.part, &self.name, who), what, bound, figure)
    }

    fn row(&self, who: &str) -> Option<&'a Row> {
        self.table?.row(who)
    }

    fn median(&self, who: &str, measure: &str) -> Option<f64> {
        self.row(who)?.medians.get(measure).copied()
    }

    /// The ratio of two contestants in each round.
    fn ratios(&self, who: &str, reference: &str, measure: &str) -> Option<Vec<f64>> {
        let rounds = |who| self.row(who)?.samples.get(measure);
        Some(stats::ratios(rounds(who)?, rounds(reference)?))
    }

    /// What is a tie with 1 here.
    fn noise(&self) -> f64 {
        self.table.and_then(|it| it.threshold).unwrap_or(0.0)
    }

    /// CPU time as a multiple of another's: even the upper end of the interval is within the bound.
    fn cpu(&self, who: &'static str, reference: &str, most: f64) -> Line {
        let ratios = self.ratios(who, reference, "cpu_ns").unwrap_or_default();
        let line = self.line(
            who,
            format!("CPU to {reference}"),
            AtMost(most),
            stats::median_upper(&ratios),
        );
        let median = stats::median(&ratios);
        line.note(median.map_or_else(String::new, |it| format!(" (median {})", short(it))))
    }

    /// The name of the best peer, for a line.
    fn peer(&self) -> String {
        let peer = self.table.and_then(|table| table.best_peer.as_deref());
        format!(" ({})", peer.unwrap_or("no peer"))
    }

    /// The time of the best peer as a multiple of ours.
    fn faster(&self, who: &'static str, least: f64) -> Line {
        let ratio = self.row(who).and_then(|row| row.to_peer);
        let line = self.line(
            who,
            "best peer to ours",
            AtLeast(least),
            ratio.map(|it| 1.0 / it),
        );
        line.note(self.peer())
    }
}

fn loopback(summary: &Summary) -> Vec<Line> {
    let mut lines = Vec::new();
    for echo in plan::loopback() {
        let scene = Scene::new(summary, "loopback", echo.scenario.name());
        for who in [OURS, FEED] {
            lines.push(scene.cpu(who, FLOOR, echo.cpu));
            let to_peer = scene.row(who).and_then(|row| row.to_peer);
            let most = AtMost(1.0 + scene.noise());
            let line = scene.line(who, "CPU to best peer, noise allowed,", most, to_peer);
            lines.push(line.note(scene.peer()));
            if let Some(most) = echo.syscalls {
                let calls = scene.median(who, "syscalls");
                lines.push(scene.line(who, "system calls", AtMost(most), calls));
            }
            // They are counted on one thread only.
            if echo.scenario.runtime == "current" {
                let allocations = scene.median(who, "allocations");
                let bytes = scene.median(who, "allocated_bytes").unwrap_or(0.0);
                let line = scene.line(who, "allocations", AtMost(ONE), allocations);
                lines.push(line.note(format!(" ({bytes:.0} bytes)")));
            }
        }
        if echo.scenario.size <= KI {
            lines.push(scene.cpu(FRAMED, OURS, 1.25));
        }
    }
    lines
}

fn memory(summary: &Summary) -> Vec<Line> {
    let scene = |scenario: &MemoryScenario| Scene::new(summary, "memory", scenario.name());
    let mut lines = Vec::new();
    for scenario in plan::decoded() {
        let scene = scene(&scenario);
        lines.push(scene.faster(OURS, decode_factor(&scenario, scene.noise())));
        if scenario.size <= 125 {
            let over = over_floor(&scene, OURS);
            let line = scene.line(OURS, "ns over malloc + memcpy", AtMost(10.0), over);
            lines.push(line.aim());
        }
    }
    for scenario in plan::kept() {
        let scene = scene(&scenario);
        let bytes = scene.median(OURS, "alloc_bytes");
        let share = bytes.map(|bytes| bytes / scenario.size as f64);
        let what = format!("bytes allocated, {KEPT} kept, to payload");
        lines.push(scene.line(OURS, what, AtMost(1.1), share));
    }
    for scenario in plan::encoded("server") {
        lines.push(encode_server(&scene(&scenario), scenario.size));
    }
    for scenario in plan::encoded("client") {
        let scene = scene(&scenario);
        lines.push(scene.faster(FEED, 1.0 / (1.0 + scene.noise())));
        if scenario.size <= KI {
            let ratios = TOKIO_WEBSOCKETS.into_iter().filter_map(|other| {
                let ratios = scene.ratios(other, FEED, "ns")?;
                stats::median(&ratios)
            });
            let least = ratios.min_by(f64::total_cmp);
            lines.push(scene.line(FEED, "tokio-websockets to ours", AtLeast(2.0), least));
        }
    }
    lines
}

/// How many times as long as ours the best peer is to take; for binary messages from 4 KiB up it may
/// tie.
fn decode_factor(scenario: &MemoryScenario, noise: f64) -> f64 {
    use contestant::Content::{Ascii, Binary, Json, Multi};
    match (scenario.size, scenario.content) {
        (..=125, _) => 1.5,
        (..=1024, _) => 1.25,
        (_, Ascii | Json) => 1.15,
        (_, Multi) if Simd::detect().name() == "avx512" => 1.8,
        (_, Multi) => 1.1,
        (_, Binary) => 1.0 / (1.0 + noise),
    }
}

fn over_floor(scene: &Scene<'_>, who: &str) -> Option<f64> {
    Some(scene.median(who, "ns")? - scene.median(FLOOR, "ns")?)
}

/// Small messages are copied behind their header, large ones never.
fn encode_server(scene: &Scene<'_>, size: usize) -> Line {
    let (what, ns) = if size <= KI {
        ("ns over the floor", over_floor(scene, FEED))
    } else {
        ("ns", scene.median(FEED, "ns"))
    };
    let count = |measure| scene.median(FEED, measure).unwrap_or(0.0);
    let (allocations, bytes) = (count("allocs"), count("alloc_bytes"));
    let line = scene.line(FEED, what, AtMost(20.0), ns);
    line.note(format!(
        " ({allocations:.2} allocations of {bytes:.0} bytes)"
    ))
}

fn instructions(summary: &Summary) -> Vec<Line> {
    let scenes = echoes().map(|echo| Scene::new(summary, "instructions", echo.name()));
    let lines = scenes.flat_map(|scene| {
        [OURS, FEED].map(|who| {
            let row = scene.row(who);
            let ratio = row.and_then(|row| row.to_peer);
            let line = scene.line(who, "instructions to best peer", AtMost(1.0), ratio);
            let count = row.map_or(0.0, |row| row.main);
            line.note(format!(": {count:.0}{}", scene.peer()))
        })
    });
    lines.collect()
}

fn idle(summary: &Summary, options: &Options) -> Vec<Line> {
    let scene = Scene::new(summary, "idle", idle::scenario(plan::idle(options)));
    let bytes = |who| scene.median(who, "rss");
    let over = |who, reference| Some(bytes(who)? - bytes(reference)?);
    let over_floor = over(OURS, FLOOR);
    vec![
        scene.line(OURS, "resident bytes", AtMost(idle::MOST), bytes(OURS)),
        scene.line(
            OURS,
            format!("resident bytes over {FLOOR}"),
            AtMost(idle::MOST_OVER_FLOOR),
            over_floor,
        ),
        scene.line(
            KEEPER,
            format!("resident bytes over {OURS}"),
            AtMost(256.0),
            over(KEEPER, OURS),
        ),
    ]
}
