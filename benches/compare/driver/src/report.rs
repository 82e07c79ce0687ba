//! The report in Markdown and the figures as CSV.

use std::{fmt::Write, fs, path::Path};

use crate::{
    Outcome,
    contestants::CONTROL,
    deflate,
    records::{Listing, Meta},
    stats,
    summary::{Row, Summary, Table, references},
};

/// A column of a scenario's table: measure, heading, digits after the point.
type Column = (&'static str, &'static str, usize);

/// Writes `report.md` and `summary.csv` into a folder.
pub fn write(summary: &Summary, folder: &Path) -> Outcome<()> {
    save(&folder.join("report.md"), &report(summary))?;
    save(&folder.join("summary.csv"), &csv(summary))
}

pub fn save(path: &Path, text: &str) -> Outcome<()> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// One line on machine, versions, commit and date.
pub fn label(meta: &Meta) -> String {
    format!(
        "{}, {} cores, {}; {}; commit {}, {}, {} run",
        meta.cpu, meta.cores, meta.kernel, meta.rust, meta.commit, meta.date, meta.mode
    )
}

fn report(summary: &Summary) -> String {
    let meta = &summary.meta;
    let mut text = format!("# Comparison\n\n{}.\n", label(meta));
    let _ = writeln!(text, "System calls counted by: {}.", meta.syscalls_by);
    let _ = writeln!(text, "Measured in {:.1} minutes.\n", meta.seconds / 60.0);
    text.push_str(EXPLANATION);
    text.push_str(&contestants(summary));
    text.push_str(&spreads(summary));
    for part in SECTIONS {
        if summary.of(part).next().is_none() {
            continue;
        }
        let _ = write!(text, "\n## {}\n\n{}\n", heading(part), about(part));
        if part == deflate::CODEC {
            text.push_str(&sizes(summary));
        }
        for table in summary.of(part) {
            text.push_str(&scenario(table));
        }
    }
    text.push_str(&missing(summary));
    text
}

/// What records are labelled with, in the order of the report.
const SECTIONS: [&str; 8] = [
    "memory",
    "loopback",
    "idle",
    "kernels",
    "instructions",
    deflate::CODEC,
    deflate::ECHO,
    deflate::IDLE,
];

const EXPLANATION: &str = "\
All figures are medians over rounds; the rounds of all contestants are interleaved, in rotated order.
`±` is the interquartile range in percent of the median. Ratios are medians of the ratios within a
round: `× floor` to plain TCP echo on tokio (on loopback and idle) or to malloc + memcpy (in memory),
with compression to zlib in C or to wsimd, as the heading says,
`× peer` to the best library of others that validates text. The control is the floor under two names;
ratios closer to 1 than the control is to itself are ties, marked `≈`. The best library
of those that validate text is **bold**.
";

fn contestants(summary: &Summary) -> String {
    let mut text = String::from("\n## Contestants\n\n| name | version | validates text | note |\n");
    text.push_str("| --- | --- | --- | --- |\n");
    for listing in &summary.listings {
        let Listing {
            name,
            version,
            note,
            ..
        } = listing;
        let validates = match (listing.raw, listing.validates_text) {
            (true, _) => "a limit",
            (_, true) => "yes",
            (_, false) => "no",
        };
        let _ = match &listing.missing {
            Some(reason) => writeln!(text, "| {name} | | | MISSING: {} |", cell(reason)),
            None => writeln!(
                text,
                "| {name} | {version} | {validates} | {} |",
                cell(note)
            ),
        };
    }
    text
}

/// How much each measure varies: what a reader may take for real.
fn spreads(summary: &Summary) -> String {
    let mut text = String::from("\n## Spread\n\n");
    text.push_str("Over all scenarios and contestants of a part; rounds of one run.\n\n");
    text.push_str("| part | measure | median ± | worst ± | control, median | control, worst |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for part in SECTIONS {
        let controls = summary.controls(part);
        for (measure, heading, _) in columns(part) {
            let rows = summary
                .of(part)
                .flat_map(|table| &table.rows)
                .filter(|row| row.rounds > 1);
            let spreads: Vec<f64> = rows
                .filter_map(|row| row.spreads.get(measure).copied())
                .collect();
            let (Some(median), Some(worst)) =
                (stats::median(&spreads), stats::quantile(&spreads, 1.0))
            else {
                continue;
            };
            let of_main = summary.of(part).any(|table| table.main == measure);
            let controls: &[f64] = if of_main { &controls } else { &[] };
            let _ = writeln!(
                text,
                "| {part} | {heading} | {} | {} | {} | {} |",
                percent(Some(median)),
                percent(Some(worst)),
                percent(stats::median(controls)),
                percent(stats::quantile(controls, 1.0)),
            );
        }
    }
    text
}

fn scenario(table: &Table) -> String {
    let columns: Vec<Column> = columns(&table.part)
        .into_iter()
        .filter(|(measure, ..)| {
            table
                .rows
                .iter()
                .any(|row| row.medians.contains_key(*measure))
        })
        .collect();
    let mut text = format!("\n### {}\n\n", table.scenario);
    if let Some(control) = table.control {
        let _ = writeln!(
            text,
            "Control: {}; differences up to {} are ties.\n",
            percent(Some(control)),
            percent(table.threshold)
        );
    }
    let headings: Vec<&str> = columns.iter().map(|(_, heading, _)| *heading).collect();
    let _ = writeln!(
        text,
        "| | × {} | × peer | ± | {} |",
        reference(&table.part),
        headings.join(" | ")
    );
    let _ = writeln!(text, "| --- |{}", " ---: |".repeat(columns.len() + 3));
    for row in &table.rows {
        let name = if row.best {
            format!("**{}**", row.contestant)
        } else {
            row.contestant.clone()
        };
        let figures: Vec<String> = columns
            .iter()
            .map(|(measure, _, digits)| number(row.medians.get(*measure).copied(), *digits))
            .collect();
        let peer = format!(
            "{}{}",
            number(row.to_peer, 2),
            if row.ties_peer { " ≈" } else { "" }
        );
        let spread = row
            .spreads
            .get(table.main)
            .copied()
            .filter(|_| row.rounds > 1);
        let _ = writeln!(
            text,
            "| {name} | {} | {peer} | {} | {} |",
            number(row.to_floor, 2),
            percent(spread),
            figures.join(" | ")
        );
    }
    text
}

fn missing(summary: &Summary) -> String {
    if summary.missing.is_empty() {
        return String::new();
    }
    let mut text = String::from("\n## Not measured\n\n| part | scenario | who | why |\n");
    text.push_str("| --- | --- | --- | --- |\n");
    for missing in &summary.missing {
        let reason = cell(&missing.reason);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {reason} |",
            missing.part, missing.scenario, missing.contestant
        );
    }
    text
}

fn heading(part: &str) -> &'static str {
    match part {
        "memory" => "In memory",
        "loopback" => "Echo on loopback",
        "idle" => "Idle connections",
        "kernels" => "Kernels",
        deflate::CODEC => "Compression in memory",
        deflate::ECHO => "Compressed echo on loopback",
        deflate::IDLE => "Idle connections with compression",
        _ => "Instructions",
    }
}

fn about(part: &str) -> &'static str {
    match part {
        "memory" => {
            "From prepared bytes to messages and back, no socket. The transport hands out 64 KiB at \
             a time and messages are dropped at once, unless the scenario says otherwise."
        }
        "loopback" => {
            "Named by size, content, connections x messages in flight, runtime. CPU is that of the \
             server process: the sum from its CPU clock, the parts as /proc/PID/stat samples them. \
             On `current`, server and load have a core each; on `multi2` nothing is pinned. \
             `busy` is CPU time over wall-clock time: near 1 the server was the bottleneck."
        }
        "idle" => "Growth of the server's memory per connection, after one message of 1 KiB each.",
        "kernels" => "Byte kernels side by side in one process; the floor is memcpy.",
        deflate::CODEC => {
            "permessage-deflate by each library's own path, as a server: sending, and receiving masked \
             frames that zlib-rs compressed at level 6. zlib and zlib-rs by themselves do raw DEFLATE, \
             without frames. Window 15 bits, memory level 8, no threshold. What was written in the \
             first pass over the messages is inflated and compared; the passes that follow are timed. \
             `bytes` is the payload of a message, `size` its ratio to zlib's. Allocations of zlib in C \
             are not counted."
        }
        deflate::ECHO => {
            "Named by corpus, context takeover, connections x messages in flight. Level 6, window 15 \
             bits, memory level 8, no threshold, on tokio's current-thread runtime; the load sends \
             what zlib-rs compressed at level 6, inflates what comes back and compares every byte. \
             Ratios are to wsimd-deflate; bytes are those of frames, headers included."
        }
        deflate::IDLE => {
            "Growth of the server's memory per connection with compression agreed on, after one \
             message of 1 KiB of JSON each way. Ratios are to wsimd-deflate. Pinged every second: \
             only wsimd is told to ping, and gives back then what was not used."
        }
        _ => "Instructions per message under callgrind (which offers AVX2, not AVX-512).",
    }
}

fn columns(part: &str) -> Vec<Column> {
    match part {
        "memory" => vec![
            ("ns", "ns/message", 1),
            ("gb_per_s", "GB/s", 2),
            ("allocs", "allocations", 2),
            ("alloc_bytes", "bytes allocated", 0),
        ],
        "loopback" => vec![
            ("cpu_ns", "CPU ns/message", 0),
            ("user_ns", "user", 0),
            ("system_ns", "system", 0),
            ("syscalls", "system calls", 2),
            ("allocations", "allocations", 2),
            ("allocated_bytes", "bytes allocated", 0),
            ("per_s", "messages/s", 0),
            ("p50_us", "p50 µs", 0),
            ("p99_us", "p99 µs", 0),
            ("busy", "busy", 2),
        ],
        deflate::CODEC => vec![
            ("ns", "ns/message", 0),
            ("mb_per_s", "MB/s", 0),
            ("bytes", "bytes", 1),
            ("size", "size", 3),
            ("allocs", "allocations", 2),
            ("alloc_bytes", "bytes allocated", 0),
        ],
        deflate::ECHO => vec![
            ("cpu_ns", "CPU ns/message", 0),
            ("user_ns", "user", 0),
            ("system_ns", "system", 0),
            ("wire_in", "bytes in", 1),
            ("wire_out", "bytes out", 1),
            ("allocations", "allocations", 2),
            ("allocated_bytes", "bytes allocated", 0),
            ("per_s", "messages/s", 0),
            ("busy", "busy", 2),
        ],
        "idle" | deflate::IDLE => vec![("rss", "resident bytes", 0), ("pss", "Pss bytes", 0)],
        "kernels" => vec![("ns", "ns", 1), ("gb_per_s", "GB/s", 2)],
        _ => vec![("instructions", "instructions", 0)],
    }
}

/// What ratios are to, in a heading.
fn reference(part: &str) -> &'static str {
    match part {
        deflate::CODEC => "zlib",
        deflate::ECHO | deflate::IDLE => "wsimd",
        _ => "floor",
    }
}

/// How much smaller or larger messages become than zlib makes them, level by level.
fn sizes(summary: &Summary) -> String {
    const LEVEL: &str = " level ";
    let all = || {
        let tables = summary.of(deflate::CODEC);
        tables.filter_map(|table| Some((table, table.scenario.rsplit_once(LEVEL)?)))
    };
    let mut levels: Vec<&str> = all().map(|(_, (_, level))| level).collect();
    levels.sort_unstable();
    levels.dedup();
    let mut scenarios: Vec<&str> = all().map(|(_, (scenario, _))| scenario).collect();
    scenarios.dedup();
    let mut text = format!(
        "\n### Sizes\n\nBytes of a message by zlib, and what others make of it as a multiple, at \
         levels {}. More than 1.05 at level 4 or above is marked `!`.\n\n",
        levels.join(", ")
    );
    let mut names: Vec<&str> = all()
        .flat_map(|(table, _)| table.rows.iter().map(|row| row.contestant.as_str()))
        .filter(|name| ![deflate::ZLIB, deflate::ZLIB_AGAIN].contains(name))
        .collect();
    names.sort_unstable();
    names.dedup();
    let _ = writeln!(text, "| | {} | {} |", deflate::ZLIB, names.join(" | "));
    let _ = writeln!(text, "| --- |{}", " ---: |".repeat(names.len() + 1));
    for scenario in scenarios {
        let cells = |name: &str, measure: &str, digits: usize| {
            let cells: Vec<String> = levels
                .iter()
                .map(|level| {
                    let mut tables = all();
                    let found = tables.find(|(_, of)| *of == (scenario, *level));
                    let row = found.and_then(|(table, _)| table.row(name));
                    let value = row.and_then(|row| row.medians.get(measure).copied());
                    let far = digits == 3 && *level > "3" && value.is_some_and(|it| it > 1.05);
                    let mark = if far { "!" } else { "" };
                    value.map_or("–".into(), |_| number(value, digits) + mark)
                })
                .collect();
            cells.join(", ")
        };
        let ratios: Vec<String> = names.iter().map(|name| cells(name, "size", 3)).collect();
        let _ = writeln!(
            text,
            "| {scenario} | {} | {} |",
            cells(deflate::ZLIB, "bytes", 1),
            ratios.join(" | ")
        );
    }
    text
}

/// A column of a short table: part, scenario, and what it is called.
type Short = (&'static str, &'static str, &'static str);

const USUAL: [Short; 8] = [
    ("loopback", "20 B binary 100x1 current", "20 B"),
    (
        "loopback",
        "20 B binary 100x16 current",
        "20 B, 16 in flight",
    ),
    ("loopback", "16 KiB multi 100x1 current", "16 KiB text"),
    ("loopback", "4 MiB binary 1x1 current", "4 MiB"),
    ("memory", "decode server 16 B binary", "decode 16 B"),
    ("memory", "decode server 16 KiB multi", "decode 16 KiB text"),
    ("memory", "encode server 125 B json", "encode 125 B"),
    ("idle", "2000 connections", "idle bytes"),
];
const USUAL_WORDS: &str = "Echo on loopback, 100 connections (4 MiB: one): server CPU per message, as a multiple of a \
     plain tokio TCP echo. Decode and encode in memory, as a server: time per message, as a \
     multiple of malloc + memcpy. Idle: resident bytes of a connection. Text is multi-byte.";

const COMPRESSED: [Short; 9] = [
    (deflate::ECHO, "json 100 B takeover 32x4", "JSON 100 B"),
    (deflate::ECHO, "json 1 KiB takeover 32x4", "JSON 1 KiB"),
    (deflate::ECHO, "chat 100 B takeover 32x4", "chat 100 B"),
    (deflate::ECHO, "html 16 KiB takeover 32x4", "HTML 16 KiB"),
    (deflate::ECHO, "html to 1 MiB takeover 4x1", "HTML to 1 MiB"),
    (
        deflate::ECHO,
        "json 1 KiB no takeover 32x4",
        "JSON 1 KiB, alone",
    ),
    (
        deflate::ECHO,
        "html 16 KiB no takeover 32x4",
        "HTML 16 KiB, alone",
    ),
    (
        deflate::IDLE,
        "1000 connections takeover 15 bits",
        "idle bytes",
    ),
    (
        deflate::IDLE,
        "1000 connections no takeover",
        "idle bytes, alone",
    ),
];
const COMPRESSED_WORDS: &str = "Echo on loopback with permessage-deflate, level 6, 32 connections with 4 messages in flight \
     (HTML to 1 MiB: 4 with one): server CPU per message, as a multiple of wsimd. Idle: resident \
     bytes of a connection after one message. Alone: without context takeover.";

/// The table for the README: a row for each contestant, some of the scenarios.
pub fn latest(summary: &Summary) -> String {
    if summary.of("memory").next().is_none() && summary.of(deflate::ECHO).next().is_some() {
        return short(summary, COMPRESSED_WORDS, &COMPRESSED);
    }
    short(summary, USUAL_WORDS, &USUAL)
}

fn short(summary: &Summary, words: &str, columns: &[Short]) -> String {
    let mut text = format!(
        "<!-- Written by `compare`; do not edit. -->\n{}.\n\n",
        label(&summary.meta)
    );
    text.push_str(words);
    text.push_str(
        " **Bold** is the least of a column, ≈ a tie with it. † does not validate text: not ranked.\n\n",
    );
    let tables: Vec<(&Table, &str)> = columns
        .iter()
        .filter_map(|(part, scenario, heading)| {
            let mut tables = summary.of(part);
            let table = tables.find(|table| table.scenario == *scenario)?;
            Some((table, *heading))
        })
        .collect();
    let headings: Vec<&str> = tables.iter().map(|(_, heading)| *heading).collect();
    let _ = writeln!(text, "| | {} |", headings.join(" | "));
    let _ = writeln!(text, "| --- |{}", " ---: |".repeat(headings.len()));
    let takes_part = |name: &&str| tables.iter().any(|(table, _)| table.row(name).is_some());
    for name in columns_of_latest(summary).into_iter().filter(takes_part) {
        let cells: Vec<String> = tables
            .iter()
            .map(|(table, _)| {
                table
                    .row(name)
                    .map_or_else(|| "–".into(), |row| latest_cell(table, row))
            })
            .collect();
        let _ = writeln!(
            text,
            "| {} | {} |",
            heading_of(summary, name),
            cells.join(" | ")
        );
    }
    let controls: Vec<String> = tables
        .iter()
        .map(|(table, _)| percent(table.control))
        .collect();
    let _ = writeln!(text, "| *control, off by* | {} |", controls.join(" | "));
    for listing in &summary.listings {
        if let Some(reason) = &listing.missing {
            let _ = writeln!(text, "\n{} is missing: {}.", listing.name, cell(reason));
        }
    }
    text
}

/// The name, marked if its library does not validate text.
fn heading_of(summary: &Summary, name: &str) -> String {
    let listing = summary.listings.iter().find(|listing| listing.name == name);
    let careless = listing.is_some_and(|listing| !listing.raw && !listing.validates_text);
    if careless {
        format!("{name} †")
    } else {
        name.to_string()
    }
}

/// Ours, then the others by name, then the limits; who is missing has no column.
fn columns_of_latest(summary: &Summary) -> Vec<&str> {
    let controls = [CONTROL, deflate::OURS_AGAIN, deflate::ZLIB_AGAIN];
    let shown = summary
        .listings
        .iter()
        .filter(|it| it.missing.is_none() && !controls.contains(&it.name.as_str()));
    let mut shown: Vec<&Listing> = shown.collect();
    shown.sort_by_key(|listing| (listing.raw, !listing.is_ours(), listing.name.clone()));
    shown.iter().map(|listing| listing.name.as_str()).collect()
}

fn latest_cell(table: &Table, row: &Row) -> String {
    let value = match (table.part.as_str(), row.to_floor) {
        ("idle" | deflate::IDLE, _) => number(Some(row.main), 0),
        (_, Some(ratio)) => number(Some(ratio), if ratio < 10.0 { 2 } else { 1 }),
        (_, None) => number(Some(row.main), 0),
    };
    match (row.best, row.ties_best) {
        (true, _) => format!("**{value}**"),
        (false, true) => format!("{value} ≈"),
        (false, false) => value,
    }
}

fn csv(summary: &Summary) -> String {
    let mut text = String::from(
        "part,scenario,contestant,measure,rounds,median,iqr_percent,ratio_to_floor,ratio_to_best_peer,\
         control_percent,tie_with_best,tie_with_best_peer\n",
    );
    let optional =
        |value: Option<f64>| value.map(|value| format!("{value:.4}")).unwrap_or_default();
    for table in &summary.tables {
        for row in &table.rows {
            for (measure, median) in &row.medians {
                let main = measure == table.main;
                let only_main = |value: Option<f64>| optional(value.filter(|_| main));
                let _ = writeln!(
                    text,
                    "{},{},{},{measure},{},{median:.4},{},{},{},{},{},{}",
                    table.part,
                    table.scenario,
                    row.contestant,
                    row.rounds,
                    optional(row.spreads.get(measure).map(|spread| spread * 100.0)),
                    only_main(row.to_floor),
                    only_main(row.to_peer),
                    only_main(table.control.map(|control| control * 100.0)),
                    main && row.ties_best,
                    main && row.ties_peer,
                );
            }
        }
    }
    text
}

/// Says on stdout how ours do against the floor and the best peer.
pub fn print(summary: &Summary) {
    for table in summary
        .tables
        .iter()
        .filter(|table| table.part != "kernels")
    {
        let Some(row) = table.row("wsimd").or(table.row(deflate::OURS)) else {
            continue;
        };
        println!(
            "{:<13}{:<34} wsimd × {} {:>6}, × best peer {:>6}{} ({})",
            table.part,
            table.scenario,
            references(&table.part).0,
            number(row.to_floor, 2),
            number(row.to_peer, 2),
            if row.ties_peer { " ≈" } else { "  " },
            table.best_peer.as_deref().unwrap_or("none"),
        );
    }
}

pub fn percent(share: Option<f64>) -> String {
    share.map_or_else(String::new, |share| format!("{:.1} %", share * 100.0))
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(String::new, |value| grouped(&format!("{value:.digits$}")))
}

/// Puts a comma between groups of three digits.
fn grouped(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let (sign, whole) = whole
        .strip_prefix('-')
        .map_or(("", whole), |whole| ("-", whole));
    let mut text = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

/// What may stand in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "/").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number(Some(1_234_567.0), 0), "1,234,567");
        assert_eq!(number(Some(999.5), 1), "999.5");
        assert_eq!(number(Some(-1234.0), 0), "-1,234");
        assert_eq!(number(None, 2), "");
        assert_eq!(percent(Some(0.0123)), "1.2 %");
    }
}
