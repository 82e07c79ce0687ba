//! Compares WebSocket libraries: builds the contestants, runs them side by side, writes tables and charts.

mod charts;
mod contestants;
mod deflate;
mod dispatch;
mod echo;
mod gates;
mod idle;
mod instructions;
mod kernels;
mod latency;
mod load;
mod loopback;
mod machine;
mod memory;
mod options;
mod plan;
mod plot;
mod progress;
mod records;
mod report;
mod scenario;
mod server;
mod session;
mod smoke;
mod stats;
mod summary;
mod syscalls;
mod tools;
mod traffic;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use contestants::Field;
use options::{Command, Mode, Options};
use plan::Plan;
use records::{Log, Meta, Record};
use session::Session;
use summary::Summary;

/// A result whose error is a sentence for people.
pub type Outcome<T> = Result<T, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = options::parse(&arguments).and_then(|command| match command {
        Command::Run(options) => run(&options).map(|()| true),
        Command::Smoke(options) => Ok(smoke::run(&Field::build(&workspace()?, |name| {
            options.wants(name)
        })?)),
        Command::Call { call, size, calls } => dispatch::run(&call, size, calls).map(|()| true),
        Command::Report(folder) => report(&folder).map(|_| true),
        Command::Gates(options) => gates::run(workspace()?, &options),
        Command::IdleGuard { connections } => idle::guard(&workspace()?, connections),
        Command::Guard {
            baseline,
            record,
            options,
        } => instructions::guard(&workspace()?, &baseline, &options, record),
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

fn run(options: &Options) -> Outcome<()> {
    let workspace = workspace()?;
    let meta = describe(&workspace, options);
    let field = Field::build(&workspace, |name| options.wants(name))?;
    let results = workspace.join("../results");
    let folder = options.out.clone();
    let folder = folder.unwrap_or_else(|| free_folder(&results, &meta));
    let summary = measure(workspace, field, Plan::new(options), meta, &folder)?;
    if options.is_whole() {
        publish(&summary, &folder, &results)?;
    }
    report::print(&summary);
    println!("report: {}", folder.join("report.md").display());
    Ok(())
}

/// What the results of a run are labelled with.
fn describe(workspace: &Path, options: &Options) -> Meta {
    let parts = options.parts.iter().map(|part| part.name().to_string());
    let mode = match options.mode {
        Mode::Full => "full",
        Mode::Quick => "quick",
    };
    Meta {
        mode: mode.into(),
        parts: parts.collect(),
        ..machine::describe(workspace)
    }
}

/// Measures what is planned, and writes the report into a folder.
fn measure(
    workspace: PathBuf,
    field: Field,
    plan: Plan,
    mut meta: Meta,
    folder: &Path,
) -> Outcome<Summary> {
    let names = field
        .contestants
        .iter()
        .chain(&field.deflate)
        .map(|it| it.name.as_str());
    let (lines, seconds) = plan.describe(&names.collect::<Vec<_>>());
    for line in lines {
        eprintln!("{line}");
    }
    let log = Log::create(folder)?;
    let mut session = Session::new(workspace, field, plan, log, seconds);
    meta.syscalls_by = session.syscalls.describe().into();
    session.log.add(Record::Meta(meta.clone()))?;
    for listing in session.field.listings.clone() {
        session.log.add(Record::Contestant(listing))?;
    }
    memory::run(&mut session)?;
    loopback::run(&mut session)?;
    idle::run(&mut session)?;
    kernels::run(&mut session)?;
    instructions::run(&mut session)?;
    deflate::run(&mut session)?;
    meta.seconds = session.progress.seconds();
    session.log.add(Record::Meta(meta))?;
    session.progress.say("measured; writing the report");
    report(folder)
}

/// Writes tables and charts from the raw data of a folder.
fn report(folder: &Path) -> Outcome<Summary> {
    let summary = Summary::new(&records::read(folder)?);
    report::write(&summary, folder)?;
    report::save(&folder.join("table.md"), &report::latest(&summary))?;
    charts::write(&summary, &folder.join("charts"))?;
    Ok(summary)
}

/// Makes a run the latest one: its table and charts are those of the README.
fn publish(summary: &Summary, folder: &Path, results: &Path) -> Outcome<()> {
    report::save(&results.join("latest.md"), &report::latest(summary))?;
    let charts = fs::read_dir(folder.join("charts")).map_err(|error| error.to_string())?;
    for chart in charts.flatten() {
        let name = format!("latest-{}", chart.file_name().to_string_lossy());
        fs::copy(chart.path(), results.join(name)).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The folder of the workspace: that of `cargo run`, or found from the current folder upwards.
fn workspace() -> Outcome<PathBuf> {
    let here = env::current_dir().map_err(|error| error.to_string())?;
    let given = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let above = given
        .iter()
        .chain([&here])
        .flat_map(|folder| folder.ancestors());
    let candidates =
        above.flat_map(|folder| [folder.to_path_buf(), folder.join("benches/compare")]);
    let mut found = candidates.filter(|folder| folder.join("contestants").is_dir());
    found
        .next()
        .ok_or_else(|| "run it inside the repository".into())
}

/// `DATE-COMMIT`, with a number if there has been a run already.
fn free_folder(results: &Path, meta: &Meta) -> PathBuf {
    let name = format!("{}-{}", meta.date, meta.commit);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    let free = names.find(|name| !results.join(name).exists());
    results.join(free.unwrap_or(name))
}
