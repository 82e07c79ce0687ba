//! The chart: three panels with a bar for each library in its best configuration. The colours are readable
//! on light and on dark pages.

use std::fmt::Write;

use crate::{
    contestants::is_ours,
    summary::{Summary, Table},
};

const WIDTH: usize = 830;
const PANEL: usize = WIDTH / 3;
/// Room for the names, and the length of the longest bar.
const NAMES: usize = 122;
const BAR: f64 = 96.0;
const TOP: usize = 74;
const STEP: usize = 22;
const OURS: &str = "#e8590c";
const OTHERS: &str = "#8da2c0";
const TEXT: &str = "#737c86";

struct Panel {
    part: &'static str,
    scenario: &'static str,
    title: [&'static str; 2],
    /// The unit of the figures, or 0 for ratios to the floor.
    unit: f64,
}

const PANELS: [Panel; 3] = [
    Panel {
        part: "loopback",
        scenario: "20 B binary 100x16 current",
        title: [
            "Bursts of 16 small messages",
            "server CPU, × plain TCP echo",
        ],
        unit: 0.0,
    },
    Panel {
        part: "loopback",
        scenario: "16 KiB multi 100x1 current",
        title: ["16 KiB text", "server CPU, × plain TCP echo"],
        unit: 0.0,
    },
    Panel {
        part: "idle",
        scenario: "2000 connections",
        title: ["An idle connection", "memory, KB resident"],
        unit: 1000.0,
    },
];

pub fn svg(summary: &Summary) -> String {
    let mut body = String::new();
    let mut rows = 0;
    for (index, panel) in PANELS.iter().enumerate() {
        if let Some(table) = summary.table(panel.part, panel.scenario) {
            rows = rows.max(draw(&mut body, index * PANEL, panel, table));
        }
    }
    let bottom = TOP + rows * STEP + 16;
    let height = bottom + 26;
    let label = summary.label.replace('<', "&lt;");
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"{TEXT}\">\n\
         <title>WebSocket libraries compared: shorter bars are better</title>\n\
         <text x=\"4\" y=\"16\">Shorter is better. Best configuration of each library; 100 connections \
         (idle: 2,000).</text>\n{body}\
         <g font-size=\"10\"><text x=\"4\" y=\"{bottom}\">* its API writes each message at once. → the bar is \
         cut.</text>\n<text x=\"4\" y=\"{}\">{label}</text></g>\n</svg>\n",
        bottom + 14
    )
}

/// Draws a panel. Returns the number of bars.
fn draw(body: &mut String, left: usize, panel: &Panel, table: &Table) -> usize {
    let bars = best(panel, table);
    // Bars longer than twice the middle one are cut.
    let middle = bars.get(bars.len() / 2).map_or(1.0, |bar| bar.1);
    let most = bars.iter().map(|bar| bar.1).fold(0.0, f64::max);
    let full = most.min(2.0 * middle);
    let axis = left + NAMES;
    for (line, y) in panel.title.iter().zip([44, 60]) {
        let _ = writeln!(body, "<text x=\"{axis}\" y=\"{y}\">{line}</text>");
    }
    for (index, (name, value)) in bars.iter().enumerate() {
        let y = TOP + index * STEP;
        let length = BAR * value.min(full) / full;
        let (colour, weight) = match is_ours(name) {
            true => (OURS, "bold"),
            false => (OTHERS, "normal"),
        };
        // A burst is unfair to libraries that cannot batch.
        let is_burst = panel.scenario.contains("x16");
        let star = if is_burst && !batches(table, name) {
            "*"
        } else {
            ""
        };
        let arrow = if *value > full { "→ " } else { "" };
        let is_short = panel.unit > 0.0 || *value >= 10.0;
        let digits = if is_short { 1 } else { 2 };
        let _ = writeln!(
            body,
            "<g font-weight=\"{weight}\"><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}{star}</text>\
             <rect x=\"{axis}\" y=\"{y}\" width=\"{length:.1}\" height=\"16\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{arrow}{value:.digits$}</text></g>",
            axis - 5,
            y + 12,
            axis as f64 + length + 4.0,
            y + 12,
        );
    }
    bars.len()
}

/// Returns the library that a row belongs to.
fn library(name: &str) -> &str {
    if is_ours(name) {
        return "wsimd";
    }
    let name = name.strip_suffix("-batched").unwrap_or(name);
    name.strip_suffix("-buffered").unwrap_or(name)
}

/// Returns whether a library takes part in a batched variant.
fn batches(table: &Table, library: &str) -> bool {
    is_ours(library) || table.row(&format!("{library}-batched")).is_some()
}

/// Returns the best figure of each library that validates text, the best first.
fn best(panel: &Panel, table: &Table) -> Vec<(String, f64)> {
    let mut bars: Vec<(String, f64)> = Vec::new();
    for row in table.rows.iter().filter(|row| row.is_ranked) {
        let library = library(&row.contestant);
        if bars.iter().all(|(name, _)| name != library) {
            let ratio = row.to_floor.filter(|_| panel.unit == 0.0);
            let value = ratio.unwrap_or(row.main / panel.unit);
            bars.push((library.into(), value));
        }
    }
    bars
}
