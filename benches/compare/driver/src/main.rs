//! Compares WebSocket libraries: builds the contestants, runs them side by side, writes a table and a
//! chart.

mod callgrind;
mod chart;
mod contestants;
mod dispatch;
mod gates;
mod guard;
mod idle;
mod instructions;
mod load;
mod loopback;
mod machine;
mod memory;
mod options;
mod plan;
mod programs;
mod report;
mod scenario;
mod server;
mod session;
mod smoke;
mod socket;
mod stats;
mod summary;
mod syscalls;
mod traffic;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;

use contestants::Field;
use options::{Command, Options};
use plan::Plan;
use session::Session;
use summary::Summary;

pub type Outcome<T> = Result<T, contestant::BoxError>;

/// The figures of one measurement.
pub type Values = Vec<(&'static str, f64)>;

fn main() -> ExitCode {
    let done = workspace().and_then(|workspace| match Command::parse() {
        Command::Run(options) => run(&workspace, &options).map(|()| true),
        Command::Smoke(options) => {
            let field = Field::build(&workspace, |name| options.wants(name))?;
            Ok(smoke::run(&field))
        }
        Command::Gates(options) => gates::run(&workspace, &options),
        Command::Guard {
            baseline,
            record,
            options,
        } => guard::run(&workspace, &baseline, &options, record),
        Command::Call { call, size, calls } => dispatch::run(&call, size, calls).map(|()| true),
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, and writes the results into `target/`. A run of everything also replaces the latest results.
fn run(workspace: &Path, options: &Options) -> Outcome<()> {
    let field = Field::build(workspace, |name| options.wants(name))?;
    let summary = measure(workspace, field, Plan::new(options)?, options)?;
    let text = report::latest(&summary);
    print!("{text}");
    let folder = options.folder("latest")?;
    let latest = workspace.join("../results");
    let folders = [Some(&folder), options.is_whole().then_some(&latest)];
    for folder in folders.into_iter().flatten() {
        save(&folder.join("latest.md"), &text)?;
        save(&folder.join("latest.csv"), &report::csv(&summary))?;
        save(&folder.join("latest.svg"), &chart::svg(&summary))?;
        println!("{}", folder.join("latest.md").display());
    }
    Ok(())
}

/// Measures everything of a plan.
fn measure(workspace: &Path, field: Field, plan: Plan, options: &Options) -> Outcome<Summary> {
    let folder = options.folder("latest")?;
    let mut session = Session::new(workspace, field, plan, &folder)?;
    memory::run(&mut session);
    loopback::run(&mut session);
    idle::run(&mut session);
    programs::run(&mut session)?;
    instructions::run(&mut session)?;
    Ok(Summary::new(
        machine::describe(workspace),
        session.field,
        session.results,
    ))
}

fn save(path: &Path, text: &str) -> Outcome<()> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Finds the folder of the workspace from the current folder upwards.
fn workspace() -> Outcome<PathBuf> {
    let here = env::current_dir()?;
    let given = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let above = given.iter().chain([&here]).flat_map(|it| it.ancestors());
    let mut found = above
        .flat_map(|folder| [folder.to_path_buf(), folder.join("benches/compare")])
        .filter(|folder| folder.join("contestants").is_dir());
    found.next().ok_or("run it inside the repository".into())
}
