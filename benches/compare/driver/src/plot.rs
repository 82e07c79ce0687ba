//! Two kinds of chart as SVG: panels of horizontal bars, and panels of lines over sizes.

use std::path::Path;

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::Outcome;

const WIDTH: u32 = 1240;
const TITLE: u32 = 76;
const LEGEND: u32 = 34;
const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(222, 222, 222);
pub const OURS: RGBColor = RGBColor(214, 90, 20);
pub const PEER: RGBColor = RGBColor(96, 130, 168);
pub const LIMIT: RGBColor = RGBColor(176, 176, 176);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// A page of panels under one title.
#[derive(Debug)]
pub struct Page<'a> {
    pub title: &'a str,
    /// Machine, versions, commit.
    pub label: &'a str,
    pub columns: usize,
}

#[derive(Clone, Debug)]
pub struct Bar {
    pub name: String,
    pub value: f64,
    pub text: String,
    pub colour: RGBColor,
}

/// Horizontal bars, one for each contestant.
#[derive(Clone, Debug)]
pub struct BarPanel {
    pub title: String,
    /// What the axis shows.
    pub axis: String,
    pub bars: Vec<Bar>,
    /// Where the limit is.
    pub line: Option<f64>,
    /// Ratios to `line` within this share of it are the control's spread.
    pub spread: f64,
}

#[derive(Clone, Debug)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
    pub colour: RGBColor,
    pub bold: bool,
}

/// Lines over sizes, both axes logarithmic.
#[derive(Clone, Debug)]
pub struct LinePanel {
    pub title: String,
    pub x_axis: String,
    pub y_axis: String,
    pub lines: Vec<Line>,
}

/// Draws panels of bars, `page.columns` beside one another.
pub fn bars(path: &Path, page: &Page<'_>, panels: &[BarPanel]) -> Outcome<()> {
    let heights: Vec<u32> = panels
        .chunks(page.columns)
        .map(|row| row.iter().map(bar_panel_height).max().unwrap_or(0))
        .collect();
    let height = TITLE + heights.iter().sum::<u32>() + LEGEND;
    draw(path, page, height, |root| {
        let mut top = TITLE;
        let width = WIDTH / page.columns as u32;
        for (row, height) in panels.chunks(page.columns).zip(heights) {
            for (index, panel) in row.iter().enumerate() {
                let left = index as u32 * width;
                let area = root.clone().shrink((left, top), (width, height));
                bar_panel(&area, panel)?;
            }
            top += height;
        }
        bar_legend(root, top + 6)
    })
}

/// Draws panels of lines, with a legend beside each.
pub fn lines(path: &Path, page: &Page<'_>, panels: &[LinePanel]) -> Outcome<()> {
    let panel_height = 330;
    let rows = panels.len().div_ceil(page.columns) as u32;
    draw(path, page, TITLE + rows * panel_height, |root| {
        let width = WIDTH / page.columns as u32;
        for (index, panel) in panels.iter().enumerate() {
            let (row, column) = (index / page.columns, index % page.columns);
            let place = (column as u32 * width, TITLE + row as u32 * panel_height);
            line_panel(&root.clone().shrink(place, (width, panel_height)), panel)?;
        }
        Ok(())
    })
}

fn draw(
    path: &Path,
    page: &Page<'_>,
    height: u32,
    content: impl FnOnce(&Area<'_>) -> Drawn,
) -> Outcome<()> {
    let root = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    let drawn = || -> Drawn {
        root.fill(&WHITE)?;
        text(&root, page.title, (20, 14), (24, INK), HPos::Left)?;
        text(&root, page.label, (20, 46), (13, INK), HPos::Left)?;
        content(&root)?;
        root.present()?;
        Ok(())
    };
    drawn().map_err(|error| format!("{}: {error}", path.display()))
}

fn text(
    area: &Area<'_>,
    words: &str,
    place: (i32, i32),
    (size, colour): (i32, RGBColor),
    side: HPos,
) -> Drawn {
    let style = TextStyle::from((FONT, size).into_font())
        .color(&colour)
        .pos(Pos::new(side, VPos::Top));
    area.draw(&Text::new(words.to_string(), place, style))?;
    Ok(())
}

const BAR_STEP: u32 = 19;
const BAR_TOP: i32 = 30;
const NAMES: i32 = 190;
const VALUES: i32 = 92;

fn bar_panel_height(panel: &BarPanel) -> u32 {
    BAR_TOP as u32 + panel.bars.len() as u32 * BAR_STEP + 56
}

/// Where values lie on an axis of pixels.
struct Scale {
    low: f64,
    high: f64,
    left: f64,
    right: f64,
    logarithmic: bool,
}

impl Scale {
    /// An axis for these values: logarithmic where they differ much.
    fn new(values: &[f64], pixels: (i32, i32)) -> Self {
        let positive = values.iter().copied().filter(|value| *value > 0.0);
        let least = positive.clone().fold(f64::INFINITY, f64::min);
        let most = positive.fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let logarithmic = most > 8.0 * least;
        let (low, high) = if logarithmic {
            (least / 1.6, most * 1.05)
        } else {
            (0.0, most * 1.02)
        };
        let (left, right) = (f64::from(pixels.0), f64::from(pixels.1));
        Self {
            low,
            high,
            left,
            right,
            logarithmic,
        }
    }

    fn place(&self, value: f64) -> i32 {
        let share = if self.logarithmic {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        (self.left + share.clamp(0.0, 1.0) * (self.right - self.left)).round() as i32
    }

    /// Round numbers, not too many.
    fn ticks(&self) -> Vec<f64> {
        if !self.logarithmic {
            let step = round_step(self.high / 5.0);
            let count = (self.high / step) as usize;
            return (0..=count).map(|index| index as f64 * step).collect();
        }
        let decades = (self.high / self.low).log10();
        let steps: &[f64] = match decades {
            decades if decades < 2.2 => &[1.0, 2.0, 5.0],
            decades if decades < 3.2 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let first = self.low.log10().floor() as i32;
        let last = self.high.log10().ceil() as i32;
        let all =
            (first..=last).flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
        all.filter(|tick| (self.low..=self.high).contains(tick))
            .collect()
    }
}

/// The next of 1, 2, 5, 10, … that is not less.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps
        .into_iter()
        .find(|step| *step >= least * 0.999)
        .unwrap_or(least)
}

/// A number short enough for an axis.
pub fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if size >= 1e6 => format!("{}M", trimmed(value / 1e6)),
        size if size >= 1e4 => format!("{}k", trimmed(value / 1e3)),
        _ => trimmed(value),
    }
}

/// Three digits that count, no zeros at the end.
fn trimmed(value: f64) -> String {
    let digits = (2 - value.abs().max(1e-3).log10().floor() as i32).clamp(0, 4) as usize;
    let text = format!("{value:.digits$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

fn bar_panel(area: &Area<'_>, panel: &BarPanel) -> Drawn {
    let (width, _) = area.dim_in_pixel();
    let mut values: Vec<f64> = panel.bars.iter().map(|bar| bar.value).collect();
    values.extend(panel.line);
    let scale = Scale::new(&values, (NAMES, width as i32 - VALUES));
    let bottom = BAR_TOP + panel.bars.len() as i32 * BAR_STEP as i32 + 2;
    text(area, &panel.title, (20, 6), (16, INK), HPos::Left)?;
    if let Some(line) = panel.line {
        let low = scale.place(line / (1.0 + panel.spread));
        let high = scale.place(line * (1.0 + panel.spread)).max(low + 1);
        let band = Rectangle::new(
            [(low, BAR_TOP - 4), (high, bottom)],
            RGBColor(238, 226, 170).filled(),
        );
        area.draw(&band)?;
    }
    for tick in scale.ticks() {
        let x = scale.place(tick);
        area.draw(&PathElement::new([(x, BAR_TOP - 4), (x, bottom)], FAINT))?;
        text(area, &short(tick), (x, bottom + 4), (12, INK), HPos::Center)?;
    }
    for (index, bar) in panel.bars.iter().enumerate() {
        let top = BAR_TOP + index as i32 * BAR_STEP as i32;
        let end = scale.place(bar.value).max(NAMES + 1);
        let shape = Rectangle::new([(NAMES, top), (end, top + 14)], bar.colour.filled());
        area.draw(&shape)?;
        let ink = if bar.colour == OURS { OURS } else { INK };
        text(area, &bar.name, (NAMES - 8, top), (13, ink), HPos::Right)?;
        text(area, &bar.text, (end + 6, top), (13, ink), HPos::Left)?;
    }
    if let Some(line) = panel.line {
        let x = scale.place(line);
        area.draw(&PathElement::new([(x, BAR_TOP - 4), (x, bottom)], INK))?;
    }
    let centre = (NAMES + width as i32 - VALUES) / 2;
    let axis = if scale.logarithmic {
        format!("{} (log)", panel.axis)
    } else {
        panel.axis.clone()
    };
    text(area, &axis, (centre, bottom + 20), (12, INK), HPos::Center)
}

fn bar_legend(root: &Area<'_>, top: u32) -> Drawn {
    let entries = [
        (OURS, "wsimd"),
        (PEER, "other libraries"),
        (LIMIT, "limits: plain echo, memcpy"),
        (
            RGBColor(238, 226, 170),
            "spread of the control; the line is the limit",
        ),
    ];
    let (mut x, y) = (20, top as i32);
    for (colour, words) in entries {
        root.draw(&Rectangle::new([(x, y), (x + 16, y + 12)], colour.filled()))?;
        text(root, words, (x + 22, y), (13, INK), HPos::Left)?;
        x += 60 + words.len() as i32 * 7;
    }
    Ok(())
}

fn line_panel(area: &Area<'_>, panel: &LinePanel) -> Drawn {
    let (width, height) = area.dim_in_pixel();
    let (left, right, top, bottom) = (70, width as i32 - 245, 34, height as i32 - 56);
    let points = || panel.lines.iter().flat_map(|line| &line.points);
    let xs: Vec<f64> = points().map(|point| point.0).collect();
    let ys: Vec<f64> = points().map(|point| point.1).collect();
    let x_scale = Scale {
        low: least(&xs),
        high: most(&xs),
        left: left.into(),
        right: right.into(),
        logarithmic: true,
    };
    let y_scale = Scale {
        low: least(&ys) / 1.2,
        high: most(&ys) * 1.2,
        left: bottom.into(),
        right: top.into(),
        logarithmic: true,
    };
    text(area, &panel.title, (20, 6), (16, INK), HPos::Left)?;
    for tick in y_scale.ticks() {
        let y = y_scale.place(tick);
        area.draw(&PathElement::new([(left, y), (right, y)], FAINT))?;
        text(
            area,
            &short(tick),
            (left - 6, y - 7),
            (12, INK),
            HPos::Right,
        )?;
    }
    let mut sizes = xs;
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    let mut labelled = i32::MIN / 2;
    for size in sizes {
        let x = x_scale.place(size);
        area.draw(&PathElement::new([(x, top), (x, bottom)], FAINT))?;
        if x - labelled < 46 {
            continue;
        }
        labelled = x;
        let name = crate::scenario::bytes(size as usize);
        text(area, &name, (x, bottom + 4), (12, INK), HPos::Center)?;
    }
    let (ours, others): (Vec<&Line>, Vec<&Line>) = panel.lines.iter().partition(|line| line.bold);
    // The thin lines come last: where two lie on one another, both are seen.
    for line in ours.into_iter().chain(others) {
        let path: Vec<(i32, i32)> = line
            .points
            .iter()
            .map(|(x, y)| (x_scale.place(*x), y_scale.place(*y)))
            .collect();
        let style = line.colour.stroke_width(if line.bold { 3 } else { 1 });
        area.draw(&PathElement::new(path.clone(), style))?;
        for point in path {
            area.draw(&Circle::new(
                point,
                if line.bold { 4 } else { 3 },
                line.colour.filled(),
            ))?;
        }
    }
    line_legend(area, panel, right + 14)?;
    text(
        area,
        &format!("{} (log)", panel.x_axis),
        ((left + right) / 2, bottom + 22),
        (12, INK),
        HPos::Center,
    )?;
    text(
        area,
        &format!("{} (log)", panel.y_axis),
        (left, 24),
        (12, INK),
        HPos::Right,
    )
}

/// Names, in the order of the lines' right ends.
fn line_legend(area: &Area<'_>, panel: &LinePanel, left: i32) -> Drawn {
    let mut order: Vec<&Line> = panel
        .lines
        .iter()
        .filter(|line| !line.points.is_empty())
        .collect();
    let end = |line: &Line| line.points.last().map_or(0.0, |point| point.1);
    order.sort_by(|one, other| end(other).total_cmp(&end(one)));
    for (index, line) in order.into_iter().enumerate() {
        let y = 36 + index as i32 * 17;
        let style = line.colour.stroke_width(if line.bold { 4 } else { 2 });
        area.draw(&PathElement::new(
            [(left, y + 6), (left + 18, y + 6)],
            style,
        ))?;
        text(area, &line.name, (left + 24, y), (12, INK), HPos::Left)?;
    }
    Ok(())
}

fn least(values: &[f64]) -> f64 {
    values
        .iter()
        .copied()
        .filter(|value| *value > 0.0)
        .fold(f64::INFINITY, f64::min)
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::MIN_POSITIVE, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (1.25, "1.25"),
            (0.05, "0.05"),
            (1500.0, "1500"),
            (67_000.0, "67k"),
            (2.5e6, "2.5M"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn ticks_lie_on_the_axis() {
        for values in [[1.0, 3.0], [1.0, 50.0], [0.3, 9000.0], [10.0, 11.0]] {
            let scale = Scale::new(&values, (0, 100));
            let ticks = scale.ticks();
            assert!((2..12).contains(&ticks.len()), "{values:?} {ticks:?}");
            assert!(
                ticks
                    .iter()
                    .all(|tick| (0..=100).contains(&scale.place(*tick)))
            );
        }
    }
}
