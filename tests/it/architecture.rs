//! The sources themselves: which module may import which, where `unsafe` stands, and the budgets.
//!
//! Works on tokens, not on a syntax tree: comments and the contents of strings are gone, and
//! whatever follows `#[cfg(test)]`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The layers, lowest first. A module may import from lower rows, and from what stands to its left
/// in its own group; groups of a row do not know each other.
const LAYERS: [&[&[&str]]; 8] = [
    &[&["simd"]],
    &[&["utf8", "text"]],
    &[&["frame"]],
    &[&["message", "extension", "config"]],
    &[&["protocol"], &["handshake"]],
    &[&["error", "json"]],
    &[&["codec"], &["connection"]],
    &[&["net", "tls", "proxy", "client", "server", "broadcast"]],
];

/// The most lines of a file, its tests not counted.
const MAX_LINES: usize = 400;

/// Longer files, each with the reason why splitting it would be worse.
const LONG_FILES: &[(&str, &str)] = &[];

/// The most `cfg` on 1,000 lines, over the whole crate but `simd` and `lib.rs`.
const MAX_CFG: usize = 5;

// ---- tokens ----------------------------------------------------------------------------------

/// An identifier, or one character of anything else but white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token<'a> {
    text: &'a str,
    line: usize,
}

/// Returns the tokens of a source, without comments and what is in strings.
fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skipped = skipped(rest);
        let len = skipped.unwrap_or_else(|| match rest.find(|c| !is_word(c)) {
            Some(0) => first.len_utf8(),
            end => end.unwrap_or(rest.len()),
        });
        let text = &rest[..len];
        if skipped.is_none() && !first.is_whitespace() {
            tokens.push(Token { text, line });
        }
        line += text.matches('\n').count();
        rest = &rest[len..];
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a comment or a literal with quotes at the start of `source`.
fn skipped(source: &str) -> Option<usize> {
    if source.starts_with("//") {
        return Some(source.find('\n').unwrap_or(source.len()));
    }
    if source.starts_with("/*") {
        return Some(block_comment(source));
    }
    for prefix in ["r", "br", "cr"] {
        let hashes = source
            .strip_prefix(prefix)
            .map(|raw| raw.len() - raw.trim_start_matches('#').len());
        let quote = prefix.len() + hashes.unwrap_or(0);
        if let Some(hashes) = hashes
            && source[quote..].starts_with('"')
        {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = quote + 1;
            return Some(
                source[body..]
                    .find(&end)
                    .map_or(source.len(), |at| body + at + end.len()),
            );
        }
    }
    for prefix in ["", "b", "c"] {
        if let Some(text) = source.strip_prefix(prefix)
            && text.starts_with('"')
        {
            return Some(prefix.len() + quoted(text, '"'));
        }
    }
    for prefix in ["", "b"] {
        // A lifetime has no second quote behind its first character.
        if let Some(text) = source.strip_prefix(prefix)
            && let Some(inner) = text.strip_prefix('\'')
            && (inner.starts_with('\\') || inner.chars().nth(1) == Some('\''))
        {
            return Some(prefix.len() + quoted(text, '\''));
        }
    }
    None
}

/// The length of a nested comment.
fn block_comment(source: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < source.len() {
        let rest = &source[at..];
        at += match () {
            () if rest.starts_with("/*") => {
                depth += 1;
                2
            }
            () if rest.starts_with("*/") => {
                depth -= 1;
                2
            }
            () => rest.chars().next().map_or(1, char::len_utf8),
        };
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a literal between quotes in which `\` escapes.
fn quoted(source: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in source.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    source.len()
}

fn texts<'a>(tokens: &[Token<'a>]) -> Vec<&'a str> {
    tokens.iter().map(|token| token.text).collect()
}

/// Whether the tokens begin with those of `start`, which has spaces between them.
fn begins(tokens: &[Token<'_>], start: &str) -> bool {
    let mut start = start.split(' ').enumerate();
    start.all(|(at, text)| tokens.get(at).is_some_and(|token| token.text == text))
}

/// The number of tokens from an opening bracket to the one that closes it.
fn bracketed(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The number of tokens of an item: attributes, then up to a `;` or the end of a block.
fn item(tokens: &[Token<'_>]) -> usize {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.text {
            ";" => return at + 1,
            "{" => {
                let end = at + bracketed(&tokens[at..]);
                // The braces of `use a::{b};` are not its end.
                match tokens.get(end).map(|token| token.text) {
                    Some(";") => return end + 1,
                    _ => return end,
                }
            }
            "(" | "[" => at += bracketed(&tokens[at..]),
            _ => at += 1,
        }
    }
    at
}

/// Leaves out the items under `#[cfg(test)]`.
fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if begins(&tokens[at..], "# [ cfg ( test ) ]") {
            at += item(&tokens[at..]);
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    kept
}

// ---- files -----------------------------------------------------------------------------------

struct File {
    /// Where it is in `src`, with `/` between the parts.
    path: String,
    source: String,
}

impl File {
    fn new(path: &str, source: &str) -> Self {
        Self {
            path: path.to_owned(),
            source: source.to_owned(),
        }
    }

    /// The code without comments, literals and tests.
    fn code(&self) -> Vec<Token<'_>> {
        without_tests(&tokens(&self.source))
    }

    /// The path of the module, empty for the root.
    fn module(&self) -> Vec<&str> {
        let path = self.path.trim_end_matches(".rs");
        let parts = path
            .split('/')
            .filter(|part| !["lib", "mod"].contains(part));
        parts.collect()
    }

    fn is_test(&self) -> bool {
        self.module().contains(&"tests")
    }

    /// The number of lines in front of a last `mod tests { .. }`.
    fn lines(&self) -> usize {
        let all = tokens(&self.source);
        let start = "# [ cfg ( test ) ] mod tests {";
        let tests = (0..all.len())
            .find(|&at| begins(&all[at..], start) && at + item(&all[at..]) == all.len());
        match tests {
            Some(at) => all[at].line - 1,
            None => self.source.lines().count(),
        }
    }
}

fn sources() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(read(&root, path));
            }
        }
    }
    files.retain(|file| !file.is_test());
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 20, "the sources are elsewhere");
    files
}

fn read(root: &Path, path: PathBuf) -> File {
    let parts = path.strip_prefix(root).unwrap().iter();
    let parts: Vec<_> = parts.map(|part| part.to_str().unwrap()).collect();
    File::new(&parts.join("/"), &fs::read_to_string(&path).unwrap())
}

fn check(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

// ---- imports ---------------------------------------------------------------------------------

/// The top-level modules that the code names, by `crate::` or enough `super::`, with the line.
fn imports(file: &File) -> Vec<(String, usize)> {
    let code = file.code();
    let depth = file.module().len();
    let mut found = Vec::new();
    // The blocks that are open, and which of them are modules.
    let mut blocks = Vec::new();
    let mut at = 0;
    while let Some(token) = code.get(at) {
        match token.text {
            "{" => blocks.push(at >= 2 && code[at - 2].text == "mod"),
            "}" => {
                blocks.pop();
            }
            _ => {}
        }
        let up = supers(&code[at..]);
        let inner = blocks.iter().filter(|is_module| **is_module).count();
        let root = match up {
            0 if begins(&code[at..], "crate : :") => 3,
            1.. if up == depth + inner => 3 * up,
            _ => {
                at += (3 * up).max(1);
                continue;
            }
        };
        at += root;
        for name in heads(&code[at..]) {
            found.push((name.text.to_owned(), name.line));
        }
    }
    found
}

/// The number of `super::` that a path begins with.
fn supers(tokens: &[Token<'_>]) -> usize {
    tokens
        .chunks(3)
        .take_while(|path| begins(path, "super : :"))
        .count()
}

/// The first names of a path, or of each path of a group.
fn heads<'a>(path: &[Token<'a>]) -> Vec<Token<'a>> {
    let Some(first) = path.first() else {
        return Vec::new();
    };
    if first.text != "{" {
        return vec![*first];
    }
    let group = &path[1..bracketed(path)];
    let mut names = Vec::new();
    let mut is_head = true;
    let mut at = 0;
    while let Some(token) = group.get(at) {
        match token.text {
            "," => is_head = true,
            "{" if !is_head => {
                at += bracketed(&group[at..]);
                continue;
            }
            "}" => {}
            _ if is_head => {
                is_head = false;
                names.push(*token);
            }
            _ => {}
        }
        at += 1;
    }
    names
}

/// The row, the group and the place in it.
fn layer(module: &str) -> Option<(usize, usize, usize)> {
    for (row, groups) in LAYERS.iter().enumerate() {
        for (group, modules) in groups.iter().enumerate() {
            if let Some(place) = modules.iter().position(|it| *it == module) {
                return Some((row, group, place));
            }
        }
    }
    None
}

fn may_import(module: &str, other: &str) -> bool {
    let (Some(from), Some(to)) = (layer(module), layer(other)) else {
        return false;
    };
    module == other || to.0 < from.0 || (to.0 == from.0 && to.1 == from.1 && to.2 < from.2)
}

fn wrong_imports(file: &File) -> Vec<String> {
    let module = file.module();
    // The root names everything: that is what it is for.
    let Some(module) = module.first() else {
        return Vec::new();
    };
    if layer(module).is_none() {
        return vec![format!("{}: {module} is in no layer", file.path)];
    }
    let wrong = imports(file)
        .into_iter()
        .filter(|(name, _)| !may_import(module, name));
    wrong
        .map(|(name, line)| format!("{}:{line}: {module} may not import {name}", file.path))
        .collect()
}

#[test]
fn modules_import_only_from_layers_below() {
    check(sources().iter().flat_map(wrong_imports).collect());
}

/// A file, what is in it, and the module that it may not import.
const WRONG_IMPORTS: &[(&str, &str, &str)] = &[
    ("frame/mod.rs", "use crate::protocol::Receiver;", "protocol"),
    (
        "frame/mod.rs",
        "fn f() { let _ = crate::error::Error::x(); }",
        "error",
    ),
    ("frame/mod.rs", "pub(crate) use crate::codec;", "codec"),
    (
        "frame/deep/er.rs",
        "use crate::{simd::Simd, message::{Message, self}};",
        "message",
    ),
    (
        "codec/mod.rs",
        "use crate::{\n frame::{Role, Rsv},\n connection::WebSocket,\n};",
        "connection",
    ),
    ("connection/core.rs", "use crate::codec::Codec;", "codec"),
    (
        "protocol/sender.rs",
        "use crate::handshake as h;",
        "handshake",
    ),
    ("handshake/mod.rs", "use crate::protocol::*;", "protocol"),
    ("utf8.rs", "use crate::text::Text;", "text"),
    ("error.rs", "use crate::json::Json;", "json"),
    ("client.rs", "use crate::server::Server;", "server"),
    // The root says again what is in a module: not from within.
    ("frame/mod.rs", "use crate::Message;", "Message"),
    ("config.rs", "use super::error::Error;", "error"),
    ("frame/close.rs", "use super::super::error::Error;", "error"),
    (
        "frame/close.rs",
        "mod inner { use super::super::super::error::Error; }",
        "error",
    ),
    (
        "frame/mod.rs",
        "use super::{simd, error::{Error}};",
        "error",
    ),
    (
        "simd/mod.rs",
        "macro_rules! m { () => { $crate::frame::x() } }",
        "frame",
    ),
    (
        "frame/mod.rs",
        "const A: &str = \"//\"; use crate::error::Error;",
        "error",
    ),
    (
        "frame/mod.rs",
        "const A: char = '\"'; use crate::error::Error; const B: char = '\"';",
        "error",
    ),
    (
        "frame/mod.rs",
        "fn f<'a>(a: &'a str) { crate::error::f(a) }",
        "error",
    ),
    (
        "frame/mod.rs",
        "#[cfg(test)] use crate::text::Text; use crate::error::Error;",
        "error",
    ),
    (
        "frame/mod.rs",
        "#[cfg(test)] use a::{b}; use crate::error::Error;",
        "error",
    ),
    (
        "frame/mod.rs",
        "#[cfg(test)] mod tests { } use crate::error::Error;",
        "error",
    ),
    ("news.rs", "", "news"),
];

#[test]
fn imports_in_the_wrong_direction_are_found() {
    for &(path, source, named) in WRONG_IMPORTS {
        let wrong = wrong_imports(&File::new(path, source));
        assert_eq!(wrong.len(), 1, "{path}: {source}\n{wrong:?}");
        assert!(wrong[0].contains(named), "{wrong:?}");
    }
    let two = File::new(
        "simd/x.rs",
        "\nuse crate::utf8::V;\nuse crate::{\n  simd::Simd,\n  text,\n};",
    );
    let expected = [
        "simd/x.rs:2: simd may not import utf8",
        "simd/x.rs:5: simd may not import text",
    ];
    assert_eq!(wrong_imports(&two), expected);
}

#[test]
fn imports_in_the_right_direction_are_no_matter() {
    let cases = [
        (
            "lib.rs",
            "pub use crate::server::serve; pub use error::Error;",
        ),
        (
            "frame/mod.rs",
            "use crate::frame::close::CloseFrame; use crate::{simd::Simd, text};",
        ),
        ("text.rs", "use crate::utf8::InvalidUtf8;"),
        (
            "config.rs",
            "use crate::{frame::{MaskingKey, error::{x}}, message::Message};",
        ),
        (
            "server.rs",
            "use crate::{net::{Stream, opening::{open, read}}, client::connect};",
        ),
        (
            "frame/mod.rs",
            "/// See [`crate::error`].\n//! crate::error::Error\n// use crate::error;\n",
        ),
        (
            "frame/mod.rs",
            "/* use crate::error; /* nested */ use crate::codec; */",
        ),
        (
            "frame/mod.rs",
            r##"const A: &str = r#""crate::error"#; const B: &[u8] = b"\"crate::codec";"##,
        ),
        (
            "frame/mod.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::error::Error;\n}",
        ),
        ("frame/mod.rs", "#[cfg(test)] fn f() { crate::error::f() }"),
        (
            "frame/close.rs",
            "use super::error::ProtocolError; use super::{x, message};",
        ),
        (
            "frame/close.rs",
            "mod inner { use super::super::error::FrameError; }",
        ),
        (
            "protocol/sender.rs",
            "pub(crate) fn f() {} pub(in crate::protocol) fn g() {}",
        ),
    ];
    for (path, source) in cases {
        let wrong = wrong_imports(&File::new(path, source));
        assert!(wrong.is_empty(), "{path}: {source}\n{wrong:?}");
    }
}

// ---- unsafe ----------------------------------------------------------------------------------

/// Says where `unsafe` and the permission for it stand but should not.
fn wrong_unsafe(file: &File) -> Vec<String> {
    if file.module().first() == Some(&"simd") {
        return Vec::new();
    }
    let code = file.code();
    let mut wrong = Vec::new();
    let mut functions = BTreeSet::new();
    for (at, token) in code.iter().enumerate() {
        let is_text = file.path == "text.rs";
        let problem = match token.text {
            "unsafe" if is_text => match function(&code, at) {
                Some(function) => {
                    functions.insert(function);
                    continue;
                }
                None => "unsafe outside of a function",
            },
            "unsafe" => "unsafe",
            "unsafe_code" if is_text || permits_simd(&file.path, &code[at..]) => continue,
            "unsafe_code" => "a permission for unsafe code",
            _ => continue,
        };
        wrong.push(format!("{}:{}: {problem}", file.path, token.line));
    }
    if functions.len() > 1 {
        wrong.push(format!(
            "{}: {} functions with unsafe",
            file.path,
            functions.len()
        ));
    }
    wrong
}

/// Whether this is `unsafe_code, ..)] pub mod simd` in the root.
fn permits_simd(path: &str, code: &[Token<'_>]) -> bool {
    let end = code.iter().position(|token| token.text == "]");
    path == "lib.rs" && end.is_some_and(|end| begins(&code[end..], "] pub mod simd ;"))
}

/// The innermost function with this token in its body, as the place of its `fn`.
fn function(code: &[Token<'_>], at: usize) -> Option<usize> {
    let starts = (0..at).rev().filter(|&start| code[start].text == "fn");
    let mut around = starts.filter(|&start| {
        let body = code[start..]
            .iter()
            .position(|token| ["{", ";"].contains(&token.text));
        body.is_some_and(|body| start + body < at && at < start + item(&code[start..]))
    });
    around.next()
}

#[test]
fn unsafe_stands_in_simd_and_in_one_function_of_text() {
    check(sources().iter().flat_map(wrong_unsafe).collect());
}

#[test]
fn unsafe_elsewhere_is_found() {
    let cases = [
        ("frame/mask.rs", "fn f() { unsafe { g() } }"),
        ("utf8.rs", "unsafe fn f() {}"),
        ("message.rs", "unsafe impl Send for Message {}"),
        ("lib.rs", "#![allow(unsafe_code)]"),
        (
            "lib.rs",
            "#[allow(unsafe_code)] pub mod frame; pub mod simd;",
        ),
        (
            "codec/mod.rs",
            "#[expect(unsafe_code, reason = \"fast\")] fn f() {}",
        ),
        (
            "text.rs",
            "fn f() { unsafe { g() } } fn h() { unsafe { g() } }",
        ),
        ("text.rs", "unsafe impl Send for Text {}"),
        ("text.rs", "fn f() { } unsafe fn g() {}"),
        ("simdx.rs", "unsafe fn f() {}"),
    ];
    for (path, source) in cases {
        let wrong = wrong_unsafe(&File::new(path, source));
        assert_eq!(wrong.len(), 1, "{path}: {source}\n{wrong:?}");
    }
    let fine = [
        (
            "simd/avx2.rs",
            "#![expect(unsafe_code)] unsafe fn f() { unsafe { g() } }",
        ),
        ("simd.rs", "unsafe fn f() {}"),
        (
            "text.rs",
            "#[expect(unsafe_code)] fn f(a: [u8; 2]) { unsafe { g() }; unsafe { h() } } fn i() {}",
        ),
        (
            "lib.rs",
            "#[expect(unsafe_code, reason = \"kernels\")] pub mod simd;",
        ),
        (
            "frame/mask.rs",
            "// unsafe\n/// unsafe\nconst A: &str = \"unsafe\"; fn f(not_unsafe: u8) {}",
        ),
    ];
    for (path, source) in fine {
        let wrong = wrong_unsafe(&File::new(path, source));
        assert!(wrong.is_empty(), "{path}: {source}\n{wrong:?}");
    }
}

// ---- budgets ---------------------------------------------------------------------------------

fn wrong_lengths(files: &[File], exceptions: &[(&str, &str)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files {
        let excused = exceptions.iter().any(|(path, _)| *path == file.path);
        let lines = file.lines();
        if lines <= MAX_LINES && excused {
            wrong.push(format!("{} is no exception", file.path));
        } else if lines > MAX_LINES && !excused {
            wrong.push(format!("{}: {lines} lines", file.path));
        }
    }
    for (path, reason) in exceptions {
        if reason.is_empty() || !files.iter().any(|file| file.path == *path) {
            wrong.push(format!("{path}: an exception without a reason or a file"));
        }
    }
    wrong
}

/// The number of `#[cfg(..)]`, `#[cfg_attr(..)]` and `cfg!(..)`, and of lines, but for tests.
fn cfg_and_lines(file: &File) -> (usize, usize) {
    let code = file.code();
    let is_cfg = |at: &usize| {
        let in_attribute = *at > 0 && code[at - 1].text == "[";
        match code[*at].text {
            "cfg" => in_attribute || begins(&code[*at..], "cfg !"),
            "cfg_attr" => in_attribute,
            _ => false,
        }
    };
    ((0..code.len()).filter(is_cfg).count(), file.lines())
}

fn is_dense(files: &[File]) -> Option<String> {
    let outside = files
        .iter()
        .filter(|file| !["", "simd"].contains(file.module().first().unwrap_or(&"")));
    let (cfg, lines) = outside
        .map(cfg_and_lines)
        .fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
    (1000 * cfg > MAX_CFG * lines).then(|| format!("{cfg} cfg on {lines} lines"))
}

#[test]
fn files_keep_to_their_budget() {
    check(wrong_lengths(&sources(), LONG_FILES));
}

#[test]
fn cfg_is_rare() {
    check(is_dense(&sources()).into_iter().collect());
}

#[test]
fn files_over_their_budget_are_found() {
    let line = "fn f() {}\n";
    let tests = "\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn f() {}\n}\n";
    let files = |lines: usize, after: &str| [File::new("a.rs", &(line.repeat(lines) + after))];
    assert!(wrong_lengths(&files(400, ""), &[]).is_empty());
    assert!(wrong_lengths(&files(399, tests), &[]).is_empty());
    assert_eq!(wrong_lengths(&files(401, ""), &[]), ["a.rs: 401 lines"]);
    // What stands behind the tests, and tests that are elsewhere, hide nothing.
    assert_eq!(wrong_lengths(&files(400, tests), &[]), ["a.rs: 401 lines"]);
    assert_eq!(
        wrong_lengths(&files(395, &format!("{tests}{line}")), &[]).len(),
        1
    );
    assert!(wrong_lengths(&files(401, ""), &[("a.rs", "a table")]).is_empty());
    assert_eq!(wrong_lengths(&files(401, ""), &[("a.rs", "")]).len(), 1);
    assert_eq!(
        wrong_lengths(&files(400, ""), &[("a.rs", "a table")]).len(),
        1
    );
    assert_eq!(wrong_lengths(&[], &[("gone.rs", "a table")]).len(), 1);
}

#[test]
fn too_many_cfg_are_found() {
    let cfg = "#[cfg(unix)]\nfn f() {}\n";
    let lines = "fn f() {}\n".repeat(998);
    let file = |path: &str, source: &str| [File::new(path, &(source.to_owned() + &lines))];
    assert_eq!(is_dense(&file("a.rs", cfg)), None);
    assert_eq!(is_dense(&file("a.rs", &cfg.repeat(5))), None);
    assert_eq!(
        is_dense(&file("a.rs", &cfg.repeat(6))).unwrap(),
        "6 cfg on 1010 lines"
    );
    let all = "#[cfg(a)]\n#[cfg_attr(b, c)]\nfn f() { if cfg!(d) {} }\n".repeat(2);
    assert_eq!(
        is_dense(&file("a.rs", &all)).unwrap(),
        "6 cfg on 1004 lines"
    );
    assert_eq!(is_dense(&file("lib.rs", &all)), None);
    assert_eq!(is_dense(&file("simd/mod.rs", &all)), None);
    let none = "#[cfg(test)] use a;\n// #[cfg(unix)]\nfn cfg(a: &str) { cfg = \"#[cfg(a)]\" }\n";
    assert_eq!(is_dense(&file("a.rs", &none.repeat(6))), None);
}

#[test]
fn sources_fall_into_the_right_tokens() {
    let source = r##"let a_1 = b"x\"" /* /* c */ */ + 'd' + '\'' + '\u{1f}' + b'e'; // f
        r#"g" h"# 'i: for _ in r"\" {} "##;
    let expected = "let a_1 = + + + + ; ' i : for _ in { }";
    assert_eq!(texts(&tokens(source)).join(" "), expected);
    let all = tokens("a\n\n b \"\n\" c");
    let lines: Vec<_> = all.iter().map(|token| (token.text, token.line)).collect();
    assert_eq!(lines, [("a", 1), ("b", 3), ("c", 4)]);
}

#[test]
fn every_module_of_the_crate_is_in_a_layer() {
    let files = sources();
    let modules: BTreeSet<_> = files
        .iter()
        .filter_map(|file| file.module().first().copied())
        .collect();
    for module in &modules {
        assert!(layer(module).is_some(), "{module}");
    }
    // And the checks look at something.
    assert!(modules.len() > 10, "{modules:?}");
    let imported: usize = files.iter().map(|file| imports(file).len()).sum();
    assert!(imported > 50, "{imported} imports");
}
