//! Which charts there are: bars per scenario for each part, lines over sizes for kernels.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use plotters::style::RGBColor;

use crate::{
    Outcome,
    contestants::CONTROL,
    plot::{self, Bar, BarPanel, LIMIT, Line, LinePanel, OURS, PEER, Page},
    report,
    summary::{KERNEL_LIMITS, Row, Summary, Table},
};

/// More panels than this make a chart that nobody reads; the rest is in the tables.
const MOST_PANELS: usize = 24;

/// Writes all charts of a run into a folder.
pub fn write(summary: &Summary, folder: &Path) -> Outcome<()> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let label = report::label(&summary.meta);
    let chart = |part: &str, title: &str, wanted: fn(&Table) -> bool| {
        let tables = summary.of(part).filter(|table| wanted(table));
        let panels: Vec<BarPanel> = tables.map(bar_panel).take(MOST_PANELS).collect();
        (title.to_string(), panels)
    };
    let any = |_: &Table| true;
    let charts = [
        (
            "loopback",
            chart("loopback", "Echo on loopback: server CPU per message", any),
        ),
        (
            "decode",
            chart("memory", "Decoding in memory", |it| {
                it.scenario.starts_with("decode")
            }),
        ),
        (
            "encode",
            chart("memory", "Encoding in memory", |it| {
                it.scenario.starts_with("encode")
            }),
        ),
        ("idle", chart("idle", "Memory per idle connection", any)),
        (
            "instructions",
            chart("instructions", "Instructions per message (callgrind)", any),
        ),
    ];
    for (name, (title, panels)) in charts {
        if panels.is_empty() {
            continue;
        }
        let page = Page {
            title: &title,
            label: &label,
            columns: panels.len().min(2),
        };
        plot::bars(&folder.join(format!("{name}.svg")), &page, &panels)?;
    }
    kernels(summary, &label, folder)
}

/// Ratios to the limit where there is one, else the figures themselves.
fn bar_panel(table: &Table) -> BarPanel {
    let ratios = table.has_floor && table.part != "idle";
    let rows = table.rows.iter().filter(|row| row.contestant != CONTROL);
    let mut bars: Vec<Bar> = rows.map(|row| bar(table, row, ratios)).collect();
    bars.sort_by(|one, other| one.value.total_cmp(&other.value));
    let axis = match (ratios, table.part.as_str()) {
        (true, "loopback") => "× CPU of a plain tokio TCP echo",
        (true, "instructions") => "× instructions of malloc + memcpy",
        (true, _) => "× time of malloc + memcpy",
        (false, "idle") => "resident bytes per connection",
        (false, "instructions") => "instructions per message",
        (false, _) => "ns per message",
    };
    let floor = table.row(crate::contestants::FLOOR).map(|row| row.main);
    BarPanel {
        title: table.scenario.clone(),
        axis: axis.into(),
        bars,
        line: if ratios { Some(1.0) } else { floor },
        spread: table.threshold.unwrap_or(0.0),
    }
}

fn bar(table: &Table, row: &Row, ratios: bool) -> Bar {
    let value = if ratios {
        row.to_floor.unwrap_or(0.0)
    } else {
        row.main
    };
    let tie = if row.ties_best && !row.best {
        " ≈"
    } else {
        ""
    };
    let absolute = match table.part.as_str() {
        "memory" | "loopback" => format!(" ({})", duration(row.main)),
        _ => String::new(),
    };
    let text = if ratios {
        format!("{}{absolute}{tie}", plot::short(value))
    } else {
        format!("{}{tie}", plot::short(value))
    };
    Bar {
        name: row.contestant.clone(),
        value,
        text,
        colour: colour(row),
    }
}

fn colour(row: &Row) -> RGBColor {
    match (row.ours, row.limit) {
        (true, _) => OURS,
        (_, true) => LIMIT,
        _ => PEER,
    }
}

fn duration(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 1e3 => format!("{} ns", plot::short(ns)),
        ns if ns < 1e6 => format!("{} µs", plot::short(ns / 1e3)),
        ns => format!("{} ms", plot::short(ns / 1e6)),
    }
}

/// GB/s over sizes: a panel for each kernel and content, a line for each implementation.
fn kernels(summary: &Summary, label: &str, folder: &Path) -> Outcome<()> {
    let mut panels: BTreeMap<String, BTreeMap<String, Vec<(f64, f64)>>> = BTreeMap::new();
    for table in summary.of("kernels") {
        let Some((title, size)) = kernel_panel(&table.scenario) else {
            continue;
        };
        let lines = panels.entry(title).or_default();
        for row in table.rows.iter().filter(|row| is_drawn(&row.contestant)) {
            if let Some(speed) = row.medians.get("gb_per_s") {
                lines
                    .entry(row.contestant.clone())
                    .or_default()
                    .push((size, *speed));
            }
        }
    }
    let kernels = summary.of("kernels").flat_map(|table| &table.rows);
    let names: BTreeSet<&str> = kernels
        .map(|row| row.contestant.as_str())
        .filter(|name| is_drawn(name) && !name.starts_with("wsimd") && *name != "memcpy")
        .collect();
    let names: Vec<&str> = names.into_iter().collect();
    let panels: Vec<LinePanel> = panels
        .into_iter()
        .filter(|(_, lines)| lines.values().any(|points| points.len() > 1))
        .map(|(title, lines)| LinePanel {
            title,
            x_axis: "payload".into(),
            y_axis: "GB/s".into(),
            lines: lines
                .into_iter()
                .map(|(name, points)| line(&names, name, points))
                .collect(),
        })
        .collect();
    if panels.is_empty() {
        return Ok(());
    }
    let page = Page {
        title: "Byte kernels",
        label,
        columns: 2,
    };
    plot::lines(&folder.join("kernels.svg"), &page, &panels)
}

/// `mask 16 KiB binary` is of the panel `mask, binary`, at 16,384.
fn kernel_panel(scenario: &str) -> Option<(String, f64)> {
    let words: Vec<&str> = scenario.split(' ').collect();
    let [kernel, number, unit, rest @ ..] = &words[..] else {
        return None;
    };
    let number: f64 = number.parse().ok()?;
    let unit = match *unit {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        _ => return None,
    };
    Some((format!("{kernel}, {}", rest.join(" ")), number * unit))
}

/// The floor is drawn, but neither the floor again nor the bare loop.
fn is_drawn(name: &str) -> bool {
    name == "memcpy" || !KERNEL_LIMITS.contains(&name)
}

/// The same name has the same colour in every panel.
fn line(names: &[&str], name: String, mut points: Vec<(f64, f64)>) -> Line {
    const COLOURS: [RGBColor; 8] = [
        RGBColor(31, 119, 180),
        RGBColor(44, 160, 44),
        RGBColor(148, 103, 189),
        RGBColor(140, 86, 75),
        RGBColor(23, 190, 207),
        RGBColor(227, 119, 194),
        RGBColor(188, 189, 34),
        RGBColor(70, 70, 70),
    ];
    const OURS_TOO: RGBColor = RGBColor(240, 165, 90);
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    let bold = name.starts_with("wsimd");
    let index = names.iter().position(|other| *other == name).unwrap_or(0);
    let colour = match name.as_str() {
        "memcpy" => LIMIT,
        name if name.starts_with("wsimd-") => OURS_TOO,
        name if name.starts_with("wsimd") => OURS,
        _ => COLOURS[index % COLOURS.len()],
    };
    Line {
        name,
        points,
        colour,
        bold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_of_kernels() {
        let panel = kernel_panel("mask 16 KiB binary").expect("a panel");
        assert_eq!(panel, ("mask, binary".into(), 16_384.0));
        assert!(kernel_panel("mask mixed").is_none());
    }

    #[test]
    fn durations() {
        assert_eq!(duration(40.0), "40 ns");
        assert_eq!(duration(1390.0), "1.39 µs");
        assert_eq!(duration(2.5e6), "2.5 ms");
    }
}
