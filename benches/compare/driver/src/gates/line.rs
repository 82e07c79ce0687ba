//! One demand, its figure and the verdict.

use std::fmt::Write;

/// What a figure may be.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
        }
    }
}

#[derive(Debug)]
pub struct Line {
    part: &'static str,
    scenario: String,
    contestant: &'static str,
    what: String,
    bound: Bound,
    figure: Option<f64>,
    /// Further figures, for the reader.
    note: String,
    /// Not demanded yet.
    aim: bool,
}

impl Line {
    pub fn new(
        (part, scenario, contestant): (&'static str, &str, &'static str),
        what: impl Into<String>,
        bound: Bound,
        figure: Option<f64>,
    ) -> Self {
        Self {
            part,
            scenario: scenario.into(),
            contestant,
            what: what.into(),
            bound,
            figure,
            note: String::new(),
            aim: false,
        }
    }

    pub fn note(self, note: String) -> Self {
        Self { note, ..self }
    }

    pub fn aim(self) -> Self {
        Self { aim: true, ..self }
    }

    /// Whether it stands in nobody's way.
    pub fn passes(&self) -> bool {
        self.aim || self.figure.is_some_and(|figure| self.bound.holds(figure))
    }

    fn verdict(&self) -> &'static str {
        let holds = self.figure.map(|figure| self.bound.holds(figure));
        match (holds, self.aim) {
            (None, _) => "not measured",
            (Some(true), _) => "ok",
            (Some(false), true) => "aim",
            (Some(false), false) => "MISS",
        }
    }

    fn row(&self) -> String {
        let bound = match self.bound {
            Bound::AtMost(most) => format!("≤ {}", short(most)),
            Bound::AtLeast(least) => format!("≥ {}", short(least)),
        };
        let figure = self.figure.map_or_else(|| "–".into(), short);
        format!(
            "| {} | {} | {} | {} {bound} | {figure}{} | {} |",
            self.part,
            self.scenario,
            self.contestant,
            self.what,
            self.note,
            self.verdict()
        )
    }
}

/// As many digits as figures of that size are read with.
pub fn short(figure: f64) -> String {
    let digits = match figure.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{figure:.digits$}")
}

/// All lines as a table, and what they come to.
pub fn table(lines: &[Line]) -> String {
    let mut text = String::from("| part | scenario | who | demand | figure | |\n");
    text.push_str("| --- | --- | --- | --- | ---: | --- |\n");
    for line in lines {
        let _ = writeln!(text, "{}", line.row());
    }
    let count = |verdict| lines.iter().filter(|it| it.verdict() == verdict).count();
    let _ = writeln!(
        text,
        "\n{} demands: {} ok, {} MISS, {} not measured; {} aims are not reached.",
        lines.len(),
        count("ok"),
        count("MISS"),
        count("not measured"),
        count("aim"),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bound: Bound, figure: Option<f64>) -> Line {
        Line::new(
            ("idle", "2000 connections", "wsimd"),
            "bytes",
            bound,
            figure,
        )
    }

    #[test]
    fn verdicts() {
        let most = Bound::AtMost(1.05);
        let least = Bound::AtLeast(2.0);
        for (line, verdict, passes) in [
            (line(most, Some(1.05)), "ok", true),
            (line(most, Some(1.06)), "MISS", false),
            (line(least, Some(2.0)), "ok", true),
            (line(least, Some(1.9)), "MISS", false),
            (line(least, Some(1.9)).aim(), "aim", true),
            (line(least, None), "not measured", false),
        ] {
            assert_eq!((line.verdict(), line.passes()), (verdict, passes));
        }
    }

    #[test]
    fn figures_have_the_digits_that_count() {
        let figures = [0.1512, 1.049, 12.34, 1300.4, -3.5];
        let written = figures.map(short);
        assert_eq!(written, ["0.151", "1.05", "12.3", "1300", "-3.50"]);
    }

    #[test]
    fn a_table_says_what_it_comes_to() {
        let lines = [
            line(Bound::AtMost(1300.0), Some(2950.0)),
            line(Bound::AtMost(1300.0), Some(950.0)).note(" (floor 700)".into()),
        ];
        let text = table(&lines);
        assert!(text.contains("| bytes ≤ 1300 | 2950 | MISS |"), "{text}");
        assert!(text.contains("| 950 (floor 700) | ok |"), "{text}");
        assert!(text.contains("2 demands: 1 ok, 1 MISS, 0 not"), "{text}");
    }
}
