//! Checks the sources: imports between modules, the places of `unsafe`, and the budgets.
//!
//! Reads formatted sources line by line, without comments and without the lines after `#[cfg(test)]`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// The rows of the table of layers, lowest first. Each row has groups of modules. A module may import
/// from lower rows and from the modules to its left in its own group.
static LAYERS: LazyLock<Vec<Vec<Vec<String>>>> = LazyLock::new(|| {
    let map = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    layers(&fs::read_to_string(map).unwrap())
});

/// Reads the table of layers: rows that begin with their number, groups with `·` between them.
fn layers(map: &str) -> Vec<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    for line in map.lines() {
        let row = format!("| {} | ", rows.len());
        let Some((groups, _)) = line
            .strip_prefix(&row)
            .and_then(|rest| rest.split_once(" | "))
        else {
            continue;
        };
        let names = |group: &str| {
            group
                .split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        };
        rows.push(groups.split('·').map(names).collect());
    }
    rows
}

/// The largest number of lines of a file without its tests.
const MAX_LINES: usize = 400;

/// The largest number of `cfg` on 1,000 lines, over the whole crate without `simd` and `lib.rs`.
const MAX_CFG: usize = 5;

/// A source file: its path below `src`, its lines, and its code without comments.
struct Source {
    path: String,
    lines: usize,
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let lines: Vec<&str> = text
            .lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .collect();
        let code = lines
            .iter()
            .map(|line| line.split("//").next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n");
        Self {
            path: path.to_owned(),
            lines: lines.len(),
            code,
        }
    }

    /// The module at the root of the crate that the file belongs to.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.trim_end_matches(".rs")
    }

    /// The modules at the root of the crate that the code names.
    fn imports(&self) -> Vec<String> {
        let paths = self.code.split("crate::").skip(1);
        paths.flat_map(first_names).collect()
    }
}

/// The first names of a path that follows `crate::`: one, or those of a group in braces.
fn first_names(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else {
        return vec![first_name(path)];
    };
    let mut names = Vec::new();
    let mut depth = 0;
    let mut item = String::new();
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => names.push(first_name(&std::mem::take(&mut item))),
            '{' => depth += 1,
            '}' => depth -= 1,
            _ if depth == 0 => item.push(c),
            _ => {}
        }
    }
    names.push(first_name(&item));
    names.retain(|name| !name.is_empty());
    names
}

fn first_name(path: &str) -> String {
    let name = path.trim_start().chars();
    name.take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(folder).unwrap();
        let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        for path in paths {
            let below = path.strip_prefix(&root).unwrap().display().to_string();
            if path.is_dir() {
                folders.push(path);
            } else if below.ends_with(".rs")
                && !below.ends_with("tests.rs")
                && !below.contains("/tests/")
            {
                sources.push(Source::new(&below, &fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(sources.len() > 30, "{} sources found", sources.len());
    sources
}

/// The position of a module: its row, its group in the row, its place in the group.
fn layer(module: &str) -> Option<(usize, usize, usize)> {
    for (row, groups) in LAYERS.iter().enumerate() {
        for (group, modules) in groups.iter().enumerate() {
            if let Some(place) = modules.iter().position(|name| name == module) {
                return Some((row, group, place));
            }
        }
    }
    None
}

fn may_import(module: &str, other: &str) -> bool {
    if module == other || module == "lib" {
        return true;
    }
    match (layer(module), layer(other)) {
        (Some((row, group, place)), Some((below, other_group, left))) => {
            below < row || (below == row && other_group == group && left < place)
        }
        _ => false,
    }
}

fn wrong_imports(source: &Source) -> Vec<String> {
    let mut names = source.imports();
    names.retain(|name| !may_import(source.module(), name));
    names
}

#[test]
fn modules_import_only_from_layers_below() {
    for source in sources() {
        let wrong = wrong_imports(&source);
        assert!(wrong.is_empty(), "{} imports {wrong:?}", source.path);
    }
}

#[test]
fn every_module_stands_in_one_layer_and_the_table_names_no_other() {
    let sources = sources();
    let modules = sources.iter().map(Source::module);
    // `guides` exists in the documentation only.
    let modules = modules.filter(|module| !matches!(*module, "lib" | "guides"));
    let mut modules: Vec<&str> = modules.collect();
    modules.sort_unstable();
    modules.dedup();
    let mut named: Vec<&String> = LAYERS.iter().flatten().flatten().collect();
    named.sort_unstable();
    assert_eq!(named, modules);
}

#[test]
fn the_table_of_layers_is_read_with_its_groups() {
    let map =
        "| level | modules |\n| 0 | `a`, `b` · `c` | `d` · |\n|0|\n| 1 | `e` | |\n| 1 | `f` |";
    assert_eq!(
        layers(map),
        [vec![vec!["a", "b"], vec!["c"]], vec![vec!["e"]]]
    );
    assert_eq!(
        LAYERS.iter().map(Vec::len).collect::<Vec<_>>(),
        [2, 1, 1, 1, 2, 2, 1, 1]
    );
}

#[test]
fn an_import_in_the_wrong_direction_is_found() {
    for (path, text, wrong) in [
        ("frame/close.rs", "use crate::protocol::Event;", "protocol"),
        (
            "codec/mod.rs",
            "use crate::connection::Parts;",
            "connection",
        ),
        ("protocol/a.rs", "fn f(e: crate::error::Error) {}", "error"),
        ("client.rs", "use crate::server::Policy;", "server"),
        (
            "utf8.rs",
            "use crate::{\n    simd::{Carry, Simd},\n    text::Text,\n};",
            "text",
        ),
        ("config.rs", "use crate::Error;", "Error"),
    ] {
        assert_eq!(wrong_imports(&Source::new(path, text)), [wrong], "{path}");
    }
    for (path, text) in [
        (
            "utf8.rs",
            "// crate::error\nuse crate::{simd::{Carry, Simd}};",
        ),
        ("server.rs", "use crate::net::Stream;"),
        (
            "utf8.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::error::Error;",
        ),
    ] {
        assert!(wrong_imports(&Source::new(path, text)).is_empty(), "{path}");
    }
}

fn count_unsafe(source: &Source) -> usize {
    let words = source
        .code
        .split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| *word == "unsafe").count()
}

#[test]
fn unsafe_stands_in_simd_and_in_one_place_of_text() {
    for source in sources() {
        match (source.module(), source.path.as_str()) {
            ("simd", _) => {}
            (_, "text.rs") => assert_eq!(count_unsafe(&source), 1),
            _ => assert_eq!(count_unsafe(&source), 0, "{}", source.path),
        }
        if !matches!(source.path.as_str(), "text.rs" | "lib.rs") && source.module() != "simd" {
            assert!(!source.code.contains("unsafe_code"), "{}", source.path);
        }
    }
    let planted = Source::new("frame/a.rs", "fn f() {\n    unsafe { g() }\n}");
    assert_eq!(count_unsafe(&planted), 1);
}

#[test]
fn files_and_conditions_keep_to_their_budgets() {
    let mut lines = 0;
    let mut conditions = 0;
    for source in sources() {
        assert!(
            source.lines <= MAX_LINES,
            "{} has {} lines",
            source.path,
            source.lines
        );
        if !matches!(source.module(), "simd" | "lib") {
            lines += source.lines;
            conditions += source.code.matches("cfg(").count();
        }
    }
    assert!(
        1000 * conditions <= MAX_CFG * lines,
        "{conditions} in {lines}"
    );
}
