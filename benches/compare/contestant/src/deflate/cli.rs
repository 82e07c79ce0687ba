//! The command line of a contestant that compresses.

use std::{
    env, fs,
    future::Future,
    path::Path,
    pin::pin,
    process::ExitCode,
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{Deflating, Info, Job, Meter, Pipe, read_list};
use crate::{BoxError, alloc, json, serve, version};

const USAGE: &str = "usage: info | serve --runtime current|multi2 --deflate SETTINGS | \
                     compress SETTINGS text|binary MESSAGES OUTPUT MS | \
                     inflate SETTINGS text|binary MESSAGES COMPRESSED MS\n\
                     SETTINGS is level:window:memory:takeover|alone:keepalive_ms";

/// What a server without a word on it compresses with.
const DEFAULT: &str = "6:15:8:takeover:0";

/// So many polls without an end mean that a library waits for something that never comes.
const MAX_POLLS: u64 = 1 << 26;

/// Runs a contestant as the command line says.
pub fn run<C: Deflating>() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        ["info"] => {
            println!("{}", info(&C::info()));
            Ok(())
        }
        ["serve"] => serve::<C>("current", DEFAULT),
        ["serve", "--runtime", runtime] => serve::<C>(runtime, DEFAULT),
        ["serve", "--runtime", runtime, "--deflate", settings] => serve::<C>(runtime, settings),
        ["compress", settings, kind, messages, output, ms] => {
            compress::<C>(settings, kind, messages, output, ms)
        }
        ["inflate", settings, kind, messages, compressed, ms] => {
            inflate::<C>(settings, kind, messages, compressed, ms)
        }
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
    format!(
        "{{\"name\":{},\"version\":{},\"validates_text\":{},\"raw\":{},\"deflate\":true,\
         \"takeover\":{},\"note\":{}}}",
        json::string(info.name),
        json::string(version(info.package)),
        info.validates_text,
        info.limit,
        info.takeover,
        json::string(info.note),
    )
}

fn serve<C: Deflating>(runtime: &str, settings: &str) -> Result<(), BoxError> {
    let settings = settings.parse()?;
    serve::raise_descriptor_limit();
    alloc::answer_signals();
    serve::block_on(runtime.parse()?, C::serve(settings));
    Ok(())
}

fn compress<C: Deflating>(
    settings: &str,
    kind: &str,
    messages: &str,
    output: &str,
    ms: &str,
) -> Result<(), BoxError> {
    let job = job(settings, kind, messages, None, ms)?;
    let meter = drive(C::compress(&job, Pipe::new(bytes::Bytes::new())))?;
    fs::write(output, &meter.first)?;
    print(&meter);
    Ok(())
}

fn inflate<C: Deflating>(
    settings: &str,
    kind: &str,
    messages: &str,
    compressed: &str,
    ms: &str,
) -> Result<(), BoxError> {
    let job = job(settings, kind, messages, Some(compressed), ms)?;
    print(&drive(C::inflate(&job, Pipe::new(job.wire())))?);
    Ok(())
}

fn job(
    settings: &str,
    kind: &str,
    messages: &str,
    compressed: Option<&str>,
    ms: &str,
) -> Result<Job, BoxError> {
    Ok(Job {
        settings: settings.parse()?,
        messages: read_list(Path::new(messages))?,
        text: kind == "text",
        compressed: match compressed {
            Some(path) => read_list(Path::new(path))?,
            None => Vec::new(),
        },
        patience: Duration::from_millis(ms.parse()?),
    })
}

fn print(meter: &Meter) {
    println!(
        "{{\"messages\":{},\"ns\":{},\"allocs\":{},\"alloc_bytes\":{}}}",
        meter.count(),
        meter.ns,
        meter.allocs.0,
        meter.allocs.1
    );
}

/// Polls a future to its end, inside a runtime for those who want its timer.
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
