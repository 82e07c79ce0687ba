//! The command line that every contestant has.

use std::{
    env,
    future::Future,
    pin::pin,
    process::ExitCode,
    task::{Context, Poll, Waker},
};

use crate::{
    BoxError, Contestant, Info, Measured, Op, Role, Runtime, Scenario, alloc, corpus, json,
    meter::{Mode, Prepared},
    serve, version,
};

const USAGE: &str = "usage: info | serve [--runtime current|multi2] | memory SCENARIO... | \
                     instructions SCENARIO\n\
                     SCENARIO is op:role:size:content:chunk:keep:messages";

/// The payload of the pool when instructions are counted: making it is slow there, and caches have
/// no part in the result.
const INSTRUCTION_POOL: usize = 1 << 20;

/// So many polls without an end mean that a library waits for something that never comes.
const MAX_POLLS: u64 = 1 << 26;

/// Runs a contestant as the command line says.
pub fn run<C: Contestant>() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        ["info"] => {
            println!("{}", info(&C::info()));
            Ok(())
        }
        ["serve"] => serve::<C>("current"),
        ["serve", "--runtime", runtime] => serve::<C>(runtime),
        ["memory", ref scenarios @ ..] => memory::<C>(scenarios),
        ["instructions", scenario] => instructions::<C>(scenario),
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", C::info().name);
            ExitCode::FAILURE
        }
    }
}

fn info(info: &Info) -> String {
    let roles = |roles: &[Role]| json::list(roles.iter().map(|role| role.name()));
    format!(
        "{{\"name\":{},\"version\":{},\"validates_text\":{},\"raw\":{},\"decode\":{},\
         \"encode\":{},\"note\":{}}}",
        json::string(info.name),
        json::string(version(info.package)),
        info.validates_text,
        info.raw,
        roles(info.decode),
        roles(info.encode),
        json::string(info.note),
    )
}

fn serve<C: Contestant>(runtime: &str) -> Result<(), BoxError> {
    let runtime: Runtime = runtime.parse()?;
    serve::raise_descriptor_limit();
    alloc::answer_signals();
    C::serve_on(runtime);
    Ok(())
}

/// Runs scenarios and prints a line for each. One that fails does not stop the others.
fn memory<C: Contestant>(scenarios: &[&str]) -> Result<(), BoxError> {
    let mut failed = false;
    for text in scenarios {
        let scenario: Scenario = text.parse()?;
        let name = json::string(text);
        if let Some(reason) = C::unsupported(&scenario) {
            let reason = json::string(reason);
            println!("{{\"scenario\":{name},\"unsupported\":{reason}}}");
            continue;
        }
        match measure::<C>(&scenario) {
            Ok(Measured {
                ns,
                allocs,
                alloc_bytes,
                checksum,
            }) => println!(
                "{{\"scenario\":{name},\"messages\":{},\"ns\":{ns},\"allocs\":{allocs},\
                 \"alloc_bytes\":{alloc_bytes},\"checksum\":{checksum}}}",
                scenario.messages
            ),
            Err(error) => {
                failed = true;
                let error = json::string(&error.to_string());
                println!("{{\"scenario\":{name},\"error\":{error}}}");
            }
        }
    }
    if failed {
        return Err("a scenario failed".into());
    }
    Ok(())
}

/// Runs a scenario on a tenth of the messages, checking every byte, then on all of them.
fn measure<C: Contestant>(scenario: &Scenario) -> Result<Measured, BoxError> {
    let prepared = Prepared::new(scenario, corpus::POOL_BYTES);
    once::<C>(
        scenario.op,
        &prepared,
        scenario.messages.div_ceil(10),
        Mode::Verify,
    )?;
    once::<C>(scenario.op, &prepared, scenario.messages, Mode::Measure)
}

/// Runs a scenario once: callgrind counts this.
fn instructions<C: Contestant>(scenario: &str) -> Result<(), BoxError> {
    let scenario: Scenario = scenario.parse()?;
    let name = json::string(&scenario.to_string());
    if let Some(reason) = C::unsupported(&scenario) {
        let reason = json::string(reason);
        println!("{{\"scenario\":{name},\"unsupported\":{reason}}}");
        return Ok(());
    }
    let prepared = Prepared::new(&scenario, INSTRUCTION_POOL);
    let io = prepared.io(scenario.op);
    let measured = drive(async {
        match scenario.op {
            Op::Decode => C::decode(&prepared.decode(scenario.messages, Mode::Bare), io).await,
            Op::Encode => C::encode(&prepared.encode(scenario.messages, Mode::Bare), io).await,
        }
    })?;
    println!(
        "{{\"scenario\":{name},\"messages\":{},\"checksum\":{}}}",
        scenario.messages, measured.checksum
    );
    Ok(())
}

/// Runs a job of so many messages and checks what came of it.
fn once<C: Contestant>(
    op: Op,
    prepared: &Prepared,
    messages: u64,
    mode: Mode,
) -> Result<Measured, BoxError> {
    let io = prepared.io(op);
    let written = io.written();
    match op {
        Op::Decode => {
            let measured = drive(C::decode(&prepared.decode(messages, mode), io))?;
            prepared.check_decoded(messages, &measured)?;
            Ok(measured)
        }
        Op::Encode => {
            let mut measured = drive(C::encode(&prepared.encode(messages, mode), io))?;
            prepared.check_encoded(messages, &written)?;
            measured.checksum = written.checksum();
            Ok(measured)
        }
    }
}

/// Polls a future to its end, inside a runtime for those who want its timer, but outside its
/// scheduler: no budget, no system call.
fn drive<T>(future: impl Future<Output = T>) -> T {
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
