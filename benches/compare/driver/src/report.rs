//! The tables in Markdown and the figures as CSV.

use std::{collections::BTreeSet, fmt::Write};

use crate::{
    contestants::{AGAIN, Contestant, OURS, is_ours},
    stats,
    summary::{Row, Summary, Table},
};

/// The columns of a table. A line has part, scenario and heading.
const USUAL: &str = "\
loopback; 20 B binary 100x1 current; 20 B
loopback; 20 B binary 100x16 current; 20 B, 16 in flight
loopback; 16 KiB multi 100x1 current; 16 KiB text
loopback; 4 MiB binary 1x1 current; 4 MiB
memory; decode server 16 B binary; decode 16 B
memory; decode server 16 KiB multi; decode 16 KiB text
memory; encode server 125 B json; encode 125 B
idle; 2000 connections; idle bytes";
const USUAL_WORDS: &str = "Echo on loopback, 100 connections (4 MiB: one): server CPU per message, as a \
    multiple of a plain tokio TCP echo. Decode and encode in memory, as a server: time per message, as a \
    multiple of malloc + memcpy. Idle: resident bytes of a connection. Text is multi-byte.";

const COMPRESSED: &str = "\
loopback; trades takeover 32x4 current; JSON 100 B
loopback; books takeover 32x4 current; JSON 1 KiB
loopback; chat takeover 32x4 current; chat 100 B
loopback; pages takeover 32x4 current; HTML 16 KiB
loopback; large-pages takeover 4x1 current; HTML to 1 MiB
loopback; books no takeover 32x4 current; JSON 1 KiB, alone
loopback; pages no takeover 32x4 current; HTML 16 KiB, alone
idle; 1000 connections takeover 15 bits; idle bytes
idle; 1000 connections no takeover 15 bits; idle bytes, alone";
const COMPRESSED_WORDS: &str = "Echo on loopback with permessage-deflate, level 6, 32 connections with 4 \
    messages in flight (HTML to 1 MiB: 4 with one): server CPU per message, as a multiple of wsimd. Idle: \
    resident bytes of a connection after one message. Alone: without context takeover.";

const TLS: &str = "\
loopback; 16 B binary tls 100x1 current; 16 B
loopback; 16 B binary tls 100x16 current; 16 B, 16 in flight
loopback; 1 KiB binary tls 100x1 current; 1 KiB
loopback; 1 KiB binary tls 100x16 current; 1 KiB, 16 in flight
loopback; 64 KiB binary tls 10x1 current; 64 KiB
loopback; 64 KiB binary tls 10x16 current; 64 KiB, 16 in flight
loopback; 1 MiB binary tls 4x1 current; 1 MiB
loopback; 1 MiB binary tls 4x16 current; 1 MiB, 16 in flight
idle; tls 4000 connections; idle bytes";
const TLS_WORDS: &str = "Echo on loopback over TLS 1.3 (rustls with ring), 100 connections (64 KiB: 10, 1 MiB: 4): server \
    CPU per message, as a multiple of an echo on the stream of tokio-rustls. Idle: resident bytes of a connection.";

const TYPED: &str = "\
json; typed trade 125 B; trade 125 B
json; typed book 800 B; book 800 B
json; typed book 15 KB; book 15 KB
json; typed posts 580 B; posts 580 B
json; typed posts 5.8 KB; posts 5.8 KB
json; typed posts 58 KB; posts 58 KB";
const TYPED_WORDS: &str = "JSON received in memory and parsed into a type: time per message, as a multiple of \
    tokio-tungstenite with serde_json. sonic-rs chooses its instructions at compile time, here those of the \
    default target.";
const DYNAMIC_WORDS: &str = "JSON received in memory and parsed into a tree of values, a few fields read: time \
    per message, as above.";
const LEGEND: &str = "**Bold** is the least of a column, ≈ a tie with it. † does not validate text: not \
    ranked. Lent messages are not ranked beside owned ones.";

/// Writes the latest results.
pub fn latest(summary: &Summary) -> String {
    let label = &summary.label;
    let mut text = format!("<!-- Written by `compare`; do not edit. -->\n{label}.\n");
    let dynamic = TYPED.replace("typed", "dynamic");
    for (words, columns) in [
        (USUAL_WORDS, USUAL),
        (COMPRESSED_WORDS, COMPRESSED),
        (TLS_WORDS, TLS),
        (TYPED_WORDS, TYPED),
        (DYNAMIC_WORDS, &dynamic),
    ] {
        overview(&mut text, summary, words, columns);
    }
    text.push_str("\n## Every scenario\n\n");
    text.push_str(
        "Medians over interleaved rounds. The floor is plain TCP on loopback, malloc + memcpy or zlib in \
         memory, memcpy for kernels, and wsimd for compressed echoes. For JSON it is tokio-tungstenite with \
         serde_json. Sizes are those of a compressed \
         message, as a multiple of zlib's.\n\n\
         | part | scenario | × floor | × best peer | best peer | ties up to | × size |\n\
         | --- | --- | ---: | ---: | --- | ---: | ---: |\n",
    );
    for (table, row) in summary
        .tables
        .iter()
        .filter_map(|it| Some((it, it.row(OURS)?)))
    {
        let size = row.median("bytes").zip(table.row(&table.floor));
        let size = size.and_then(|(bytes, floor)| Some(bytes / floor.median("bytes")?));
        let size = size.filter(|_| table.scenario.contains("level"));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {}{} | {} | {} | {} |",
            table.part,
            table.scenario,
            number(row.to_floor, 2),
            number(row.to_peer, 2),
            if table.ties_peer(row) { " ≈" } else { "" },
            table.best_peer.as_deref().unwrap_or("–"),
            percent(Some(table.threshold)),
            number(size, 3),
        );
    }
    contestants(&mut text, summary);
    text
}

/// Returns the contestants that have a row of their own.
fn named(summary: &Summary) -> impl Iterator<Item = &Contestant> {
    summary.field.contestants.iter().filter(|it| !it.again())
}

/// Appends a table with a row for each contestant.
fn overview(text: &mut String, summary: &Summary, words: &str, columns: &str) {
    let tables = columns.lines().filter_map(|column| {
        let (part, rest) = column.split_once("; ")?;
        let (scenario, heading) = rest.split_once("; ")?;
        Some((summary.table(part, scenario)?, heading))
    });
    let tables: Vec<(&Table, &str)> = tables.collect();
    if tables.is_empty() {
        return;
    }
    let headings: Vec<&str> = tables.iter().map(|(_, heading)| *heading).collect();
    let _ = writeln!(text, "\n{words} {LEGEND}\n\n| | {} |", headings.join(" | "));
    let _ = writeln!(text, "| --- |{}", " ---: |".repeat(headings.len()));
    let rows = tables.iter().flat_map(|(table, _)| &table.rows);
    let names = rows.map(|row| row.contestant.as_str());
    let names = names.filter(|name| !name.ends_with(AGAIN));
    let info = |name: &str| summary.field.find(name).map(|it| &it.info);
    let is_raw = |name: &str| info(name).is_some_and(|it| it.raw);
    let rank = |name: &str| (is_raw(name), !is_ours(name));
    let names: BTreeSet<_> = names.map(|name| (rank(name), name)).collect();
    for (_, name) in names {
        let rows = tables.iter().map(|(table, _)| (table, table.row(name)));
        let cells = rows.map(|(table, row)| row.map_or("–".into(), |row| cell(table, row)));
        let cells: Vec<String> = cells.collect();
        let dagger = match info(name).is_none_or(|it| it.raw || it.validates_text) {
            true => "",
            false => " †",
        };
        let _ = writeln!(text, "| {name}{dagger} | {} |", cells.join(" | "));
    }
    let controls = tables.iter().map(|(table, _)| percent(table.control));
    let controls: Vec<String> = controls.collect();
    let _ = writeln!(text, "| *control, off by* | {} |", controls.join(" | "));
}

fn cell(table: &Table, row: &Row) -> String {
    let value = match row.to_floor.filter(|_| table.part != "idle") {
        Some(ratio) => number(Some(ratio), if ratio < 10.0 { 2 } else { 1 }),
        None => number(Some(row.main), 0),
    };
    match (table.is_best(row), table.ties_best(row)) {
        (true, _) => format!("**{value}**"),
        (false, true) => format!("{value} ≈"),
        (false, false) => value,
    }
}

/// Appends the versions, and the contestants without figures.
fn contestants(text: &mut String, summary: &Summary) {
    text.push_str("\n## Contestants\n\n");
    for Contestant { name, info, .. } in named(summary) {
        let _ = writeln!(text, "- {name} {}: {}", info.version, info.note);
    }
    for (name, reason) in &summary.field.missing {
        let _ = writeln!(text, "- {name} is MISSING: {reason}");
    }
    for table in &summary.tables {
        let (part, scenario) = (table.part, &table.scenario);
        for (name, reason) in &table.missing {
            let _ = writeln!(text, "- {name}, {part}, {scenario}: MISSING: {reason}");
        }
    }
}

pub fn csv(summary: &Summary) -> String {
    let mut text = String::from(
        "part,scenario,contestant,measure,rounds,median,iqr_percent,ratio_to_floor,ratio_to_best_peer,\
         control_percent,tie_with_best,tie_with_best_peer\n",
    );
    let optional =
        |value: Option<f64>| value.map(|value| format!("{value:.4}")).unwrap_or_default();
    for table in &summary.tables {
        for row in &table.rows {
            let mut measures: Vec<_> = row.samples.iter().collect();
            measures.sort_by_key(|(measure, _)| **measure);
            for (measure, rounds) in measures {
                let main = *measure == table.main;
                let only_main = |value: Option<f64>| optional(value.filter(|_| main));
                let values: Vec<f64> = rounds.values().copied().collect();
                let _ = writeln!(
                    text,
                    "{},{},{},{measure},{},{},{},{},{},{},{},{}",
                    table.part,
                    table.scenario,
                    row.contestant,
                    values.len(),
                    optional(stats::median(&values)),
                    optional(stats::spread(&values).map(|spread| spread * 100.0)),
                    only_main(row.to_floor),
                    only_main(row.to_peer),
                    only_main(table.control.map(|control| control * 100.0)),
                    main && table.ties_best(row),
                    main && table.ties_peer(row),
                );
            }
        }
    }
    text
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(String::new, |share| format!("{:.1} %", share * 100.0))
}

/// Writes a number with a comma between groups of three digits.
fn number(value: Option<f64>, digits: usize) -> String {
    let Some(value) = value else {
        return String::new();
    };
    let number = format!("{value:.digits$}");
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let mut text = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}
