//! The command line that every contestant has.

use std::{
    env,
    future::Future,
    pin::pin,
    process::ExitCode,
    task::{Context, Poll, Waker},
};

use serde_json::json;

use crate::{
    BoxError, Contestant, Info, Job, Measured, Mode, Op, Scenario, alloc, corpus, serve, version,
};

const USAGE: &str = "usage: info | serve [--runtime current|multi2] [--deflate SETTINGS | --tls] | \
                     memory SCENARIO | instructions SCENARIO\n\
                     SCENARIO is op:role:size:content:chunk:0:messages[:SETTINGS], \
                     SETTINGS is level:window_bits:takeover|alone:keepalive_ms";

/// The payload of the pool when instructions are counted. The pool is small because callgrind is slow.
const INSTRUCTION_POOL: usize = 1 << 20;

/// A library that is not done after so many polls waits for an event that never comes.
const MAX_POLLS: u64 = 1 << 26;

/// Runs a contestant as the command line says.
pub fn run<C: Contestant>() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match dispatch::<C>(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", C::INFO.package);
            ExitCode::FAILURE
        }
    }
}

fn dispatch<C: Contestant>(args: &[&str]) -> Result<(), BoxError> {
    match args {
        ["info"] => print_info(&C::INFO),
        ["serve"] => serve("current", C::serve(None))?,
        ["serve", "--runtime", runtime] => serve(runtime, C::serve(None))?,
        ["serve", "--runtime", runtime, "--deflate", settings] => {
            serve(runtime, C::serve(Some(settings.parse()?)))?;
        }
        ["serve", "--runtime", runtime, "--tls"] => serve(runtime, C::serve_tls())?,
        ["memory", scenario] => memory::<C>(&scenario.parse()?)?,
        ["instructions", scenario] => instructions::<C>(&scenario.parse()?)?,
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

fn serve(runtime: &str, server: impl Future<Output = ()>) -> Result<(), BoxError> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    alloc::answer_signals();
    Ok(serve::block_on(runtime, server)?)
}

fn print_info(info: &Info) {
    println!(
        "{}",
        json!({
            "version": version(info.package),
            "validates_text": info.validates_text,
            "raw": info.raw,
            "in_memory": info.in_memory,
            "takeover": info.takeover,
            "lends": info.lends,
            "tls": info.tls,
            "note": info.note,
        })
    );
}

/// Runs a scenario on some of the messages and checks every byte. Then runs it on all and prints a line.
fn memory<C: Contestant>(scenario: &Scenario) -> Result<(), BoxError> {
    let mut job = Job::new(scenario, corpus::POOL_BYTES, Mode::Verify)?;
    job.messages = job.checked_messages();
    let checked = run_once::<C>(scenario.op, &job)?;
    job.mode = Mode::Measure;
    job.messages = job.timed_messages();
    let mut measured = run_once::<C>(scenario.op, &job)?;
    measured.bytes = checked.bytes;
    println!("{}", json!(measured));
    Ok(())
}

/// Runs a scenario once, for callgrind to count.
fn instructions<C: Contestant>(scenario: &Scenario) -> Result<(), BoxError> {
    let job = Job::new(scenario, INSTRUCTION_POOL, Mode::Bare)?;
    run_once::<C>(scenario.op, &job).map(drop)
}

fn run_once<C: Contestant>(op: Op, job: &Job) -> Result<Measured, BoxError> {
    let io = job.io();
    let written = io.written();
    let measured = match op {
        Op::Decode => drive(C::decode(job, io))?,
        Op::Encode => drive(C::encode(job, io))?,
    };
    job.check(measured, &written)
}

/// Polls a future until it is ready. The future may use the runtime's timer. It runs outside of the
/// scheduler, so that there is no budget and no system call.
pub fn drive<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let _inside = runtime.enter();
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..MAX_POLLS {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
    }
    panic!("the library waits, although the transport is always ready");
}
