//! What is demanded of this crate beside the others, and whether it is met.

mod demands;
mod line;
mod plan;

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::{
    Outcome,
    contestants::{Field, KEEPER},
    describe, measure,
    options::Options,
    report,
};
use line::Line;

/// No demand speaks of them.
const LEFT_OUT: [&str; 2] = ["tcp-epoll", "wsimd-framed"];

/// Measures, prints a table of the demands and writes it beside the report. Says whether all are met.
pub fn run(workspace: PathBuf, options: &Options) -> Outcome<bool> {
    let mut field = Field::build(&workspace, |name| wants(options, name))?;
    field.drop_careless();
    let folder = options.out.clone().map_or_else(default_folder, Ok)?;
    let meta = describe(&workspace, options);
    let label = report::label(&meta);
    let summary = measure(workspace, field, plan::new(options), meta, &folder)?;
    let lines = demands::lines(&summary, options);
    write(&folder, &label, &line::table(&lines))?;
    Ok(lines.iter().all(Line::passes))
}

/// `wsimd-keep` goes with `wsimd`.
fn wants(options: &Options, name: &str) -> bool {
    match name {
        KEEPER => options.wants(plan::OURS),
        _ if LEFT_OUT.contains(&name) => !options.only.is_empty() && options.wants(name),
        _ => options.wants(name),
    }
}

/// Beside this program: the last run is the only one that is kept.
fn default_folder() -> Outcome<PathBuf> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    Ok(program.with_file_name("gates"))
}

fn write(folder: &Path, label: &str, table: &str) -> Outcome<()> {
    let path = folder.join("gates.md");
    let text = format!("{label}.\n\n{EXPLANATION}\n{table}");
    report::save(&path, &text)?;
    println!("{text}\n{}", path.display());
    Ok(())
}

const EXPLANATION: &str = "\
CPU: the upper end of the 95 % interval of the median ratio, taken from its order statistics (sign test; \
of fewer than six rounds the greatest ratio counts). Other figures are medians. The best peer is the best \
library of others that validates text; the noise is how far the control is from itself.
";
