//! zlib-rs by itself: raw DEFLATE, a sync flush after each message, contexts reset in place. In memory
//! only.

use std::{future, process::ExitCode};

use contestant::{
    BoxError,
    deflate::{Deflating, Info, Job, Meter, Pipe, Settings, TAIL, put_frame},
};
use zlib_rs::{
    Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Method, Status, Strategy,
};

/// The longest that a message of nothing but literals gets, beyond its length.
const SLACK: usize = 1024;

struct ZlibRs;

/// Room for the longest message, compressed or not.
fn room(job: &Job) -> Vec<u8> {
    let longest = job.messages.iter().map(|it| it.len()).max();
    vec![0; longest.unwrap_or(0) + SLACK]
}

/// What a call took in and put out, if that is all of the input.
fn all(input: &[u8], read: u64, written: u64) -> Result<usize, BoxError> {
    if read == input.len() as u64 {
        Ok(written as usize)
    } else {
        Err("the message does not fit".into())
    }
}

fn deflate(context: &mut Deflate, input: &[u8], output: &mut [u8]) -> Result<usize, BoxError> {
    let before = (context.total_in(), context.total_out());
    match context.compress(input, output, DeflateFlush::SyncFlush) {
        Ok(Status::Ok) => {}
        other => return Err(format!("{other:?}").into()),
    }
    let after = (context.total_in(), context.total_out());
    all(input, after.0 - before.0, after.1 - before.1)
}

fn inflate(context: &mut Inflate, input: &[u8], output: &mut [u8]) -> Result<usize, BoxError> {
    let before = (context.total_in(), context.total_out());
    match context.decompress(input, output, InflateFlush::SyncFlush) {
        Ok(Status::Ok) => {}
        other => return Err(format!("{other:?}").into()),
    }
    let after = (context.total_in(), context.total_out());
    all(input, after.0 - before.0, after.1 - before.1)
}

impl Deflating for ZlibRs {
    fn info() -> Info {
        Info {
            name: "zlib-rs-deflate",
            package: "zlib-rs",
            limit: true,
            takeover: true,
            validates_text: false,
            note: "zlib-rs with its default features, by itself: no frames, no masking, no text",
        }
    }

    async fn serve(_: Settings) {
        future::pending().await
    }

    async fn compress(job: &Job, io: Pipe) -> Result<Meter, BoxError> {
        let mut meter = job.meter(&io);
        let mut context = Deflate::new_with_config(DeflateConfig {
            level: job.settings.level.into(),
            method: Method::Deflated,
            window_bits: -i32::from(job.settings.window_bits),
            mem_level: job.settings.memory_level.into(),
            strategy: Strategy::Default,
        });
        let mut output = room(job);
        let mut frame = Vec::with_capacity(output.len());
        while meter.pass() {
            for message in &job.messages {
                let length = deflate(&mut context, message, &mut output)? - TAIL.len();
                frame.clear();
                put_frame(&mut frame, job.text, &output[..length], None);
                io.put(&frame);
                if !job.settings.takeover {
                    context.reset();
                }
            }
        }
        Ok(meter)
    }

    async fn inflate(job: &Job, io: Pipe) -> Result<Meter, BoxError> {
        let mut meter = job.meter(&io);
        let mut context = Inflate::new(false, job.settings.window_bits);
        let mut output = room(job);
        while meter.pass() {
            for message in &job.compressed {
                let length = inflate(&mut context, message, &mut output)?;
                meter.take(&output[..length]);
                if !job.settings.takeover {
                    context.reset(false);
                }
            }
        }
        Ok(meter)
    }
}

fn main() -> ExitCode {
    contestant::deflate::run::<ZlibRs>()
}
