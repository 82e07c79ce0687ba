//! zlib in C by itself: raw DEFLATE, a sync flush after each message, contexts reset in place. In
//! memory only.

use std::{
    ffi::{c_int, c_void},
    future,
    process::ExitCode,
    ptr,
};

use contestant::{
    BoxError,
    deflate::{Deflating, Info, Job, Meter, Pipe, Settings, TAIL, put_frame},
};
use libz_sys as z;

/// The longest that a message of nothing but literals gets, beyond its length.
const SLACK: usize = 1024;

struct Zlib;

/// A context that compresses, or inflates.
struct Context {
    // zlib keeps a pointer to it.
    stream: Box<z::z_stream>,
    compresses: bool,
}

// SAFETY: what it points to belongs to it alone.
unsafe impl Send for Context {}

extern "C" fn allocate(_: z::voidpf, items: z::uInt, size: z::uInt) -> z::voidpf {
    // SAFETY: a plain call.
    unsafe { libc::malloc(items as usize * size as usize) }
}

extern "C" fn free(_: z::voidpf, address: z::voidpf) {
    // SAFETY: zlib gives back what it was given.
    unsafe { libc::free(address) }
}

impl Context {
    fn compressing(settings: &Settings) -> Result<Self, BoxError> {
        let mut stream = Box::new(stream());
        // SAFETY: the stream is set up as the function wants it, and stays where it is.
        check(unsafe {
            z::deflateInit2_(
                &raw mut *stream,
                settings.level.into(),
                z::Z_DEFLATED,
                -i32::from(settings.window_bits),
                settings.memory_level.into(),
                z::Z_DEFAULT_STRATEGY,
                z::zlibVersion(),
                size_of::<z::z_stream>() as c_int,
            )
        })?;
        Ok(Self {
            stream,
            compresses: true,
        })
    }

    fn inflating(settings: &Settings) -> Result<Self, BoxError> {
        let mut stream = Box::new(stream());
        let bits = -i32::from(settings.window_bits);
        let size = size_of::<z::z_stream>() as c_int;
        // SAFETY: as above.
        check(unsafe { z::inflateInit2_(&raw mut *stream, bits, z::zlibVersion(), size) })?;
        Ok(Self {
            stream,
            compresses: false,
        })
    }

    /// Compresses or inflates a message into `output`, which is long enough. Returns the length.
    fn pass(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize, BoxError> {
        let stream = &mut *self.stream;
        stream.next_in = input.as_ptr().cast_mut();
        stream.avail_in = input.len() as z::uInt;
        stream.next_out = output.as_mut_ptr();
        stream.avail_out = output.len() as z::uInt;
        // SAFETY: pointers and lengths are those of two slices.
        check(unsafe {
            if self.compresses {
                z::deflate(&raw mut *stream, z::Z_SYNC_FLUSH)
            } else {
                z::inflate(&raw mut *stream, z::Z_SYNC_FLUSH)
            }
        })?;
        if stream.avail_in > 0 || stream.avail_out == 0 {
            return Err("the message does not fit".into());
        }
        Ok(output.len() - stream.avail_out as usize)
    }

    fn reset(&mut self) -> Result<(), BoxError> {
        // SAFETY: the stream is one of the kind that the function wants.
        check(unsafe {
            if self.compresses {
                z::deflateReset(&raw mut *self.stream)
            } else {
                z::inflateReset(&raw mut *self.stream)
            }
        })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: as above, and it is not used afterwards.
        unsafe {
            if self.compresses {
                z::deflateEnd(&raw mut *self.stream);
            } else {
                z::inflateEnd(&raw mut *self.stream);
            }
        }
    }
}

fn stream() -> z::z_stream {
    z::z_stream {
        next_in: ptr::null_mut(),
        avail_in: 0,
        total_in: 0,
        next_out: ptr::null_mut(),
        avail_out: 0,
        total_out: 0,
        msg: ptr::null_mut(),
        state: ptr::null_mut(),
        zalloc: allocate,
        zfree: free,
        opaque: ptr::null_mut::<c_void>(),
        data_type: 0,
        adler: 0,
        reserved: 0,
    }
}

fn check(code: c_int) -> Result<(), BoxError> {
    if code == z::Z_OK {
        Ok(())
    } else {
        Err(format!("zlib answered {code}").into())
    }
}

impl Deflating for Zlib {
    fn info() -> Info {
        Info {
            name: "zlib-deflate",
            package: "libz-sys",
            limit: true,
            takeover: true,
            validates_text: false,
            note: "zlib 1.3 in C as libz-sys brings it, by itself: no frames, no masking, no text",
        }
    }

    async fn serve(_: Settings) {
        future::pending().await
    }

    async fn compress(job: &Job, io: Pipe) -> Result<Meter, BoxError> {
        let mut meter = job.meter(&io);
        let mut context = Context::compressing(&job.settings)?;
        let longest = job.messages.iter().map(|it| it.len()).max();
        let mut output = vec![0; longest.unwrap_or(0) + SLACK];
        let mut frame = Vec::with_capacity(output.len());
        while meter.pass() {
            for message in &job.messages {
                let length = context.pass(message, &mut output)? - TAIL.len();
                frame.clear();
                put_frame(&mut frame, job.text, &output[..length], None);
                io.put(&frame);
                if !job.settings.takeover {
                    context.reset()?;
                }
            }
        }
        Ok(meter)
    }

    async fn inflate(job: &Job, io: Pipe) -> Result<Meter, BoxError> {
        let mut meter = job.meter(&io);
        let mut context = Context::inflating(&job.settings)?;
        let longest = job.messages.iter().map(|it| it.len()).max();
        let mut output = vec![0; longest.unwrap_or(0) + SLACK];
        while meter.pass() {
            for message in &job.compressed {
                let length = context.pass(message, &mut output)?;
                meter.take(&output[..length]);
                if !job.settings.takeover {
                    context.reset()?;
                }
            }
        }
        Ok(meter)
    }
}

fn main() -> ExitCode {
    contestant::deflate::run::<Zlib>()
}
