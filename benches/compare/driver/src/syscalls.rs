//! System calls of a server, counted by the kernel's tracepoint `raw_syscalls:sys_enter` through
//! `perf_event_open`. The count is exact and costs the server next to nothing. It needs root, or a relaxed
//! `perf_event_paranoid`.

use std::{
    fs,
    io::{self, Read},
    os::fd::{FromRawFd, OwnedFd},
    process::Command,
};

use crate::Outcome;

/// The number of the tracepoint.
#[derive(Clone, Copy, Debug)]
pub struct Tracepoint(u64);

/// A running count: a counter for each thread.
#[derive(Debug)]
pub struct Counting(Vec<OwnedFd>);

impl Tracepoint {
    /// Finds the tracepoint, if this process may use it.
    pub fn find() -> Option<Self> {
        let id = tracepoint().filter(|id| open_counter(*id, std::process::id()).is_ok());
        if id.is_none() {
            eprintln!("system calls are not counted: no access to the tracepoint");
        }
        id.map(Self)
    }

    pub fn start(&self, pid: u32) -> Outcome<Counting> {
        let threads = fs::read_dir(format!("/proc/{pid}/task"));
        let threads = threads.map_err(|error| error.to_string())?.flatten();
        let threads = threads.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        threads
            .map(|thread| open_counter(self.0, thread))
            .collect::<io::Result<Vec<_>>>()
            .map(Counting)
            .map_err(|error| error.to_string())
    }
}

impl Counting {
    /// Returns the system calls since the start.
    pub fn finish(self) -> Outcome<f64> {
        let counts = self.0.into_iter().map(|counter| {
            let mut bytes = [0; 8];
            let read = fs::File::from(counter).read_exact(&mut bytes);
            read.map(|()| u64::from_ne_bytes(bytes) as f64)
        });
        let sum = counts.sum::<io::Result<f64>>();
        sum.map_err(|error| error.to_string())
    }
}

/// Returns the tracepoint's number. Where tracefs is not mounted, it is mounted for one process alone.
fn tracepoint() -> Option<u64> {
    let path = "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id";
    let text = fs::read_to_string(path).ok().or_else(|| {
        let script = format!("mount -t tracefs none /sys/kernel/tracing && cat {path}");
        let output = Command::new("unshare")
            .args(["-m", "sh", "-c", &script])
            .output()
            .ok()?;
        String::from_utf8(output.stdout).ok()
    })?;
    text.trim().parse().ok()
}

/// The head of the kernel's `struct perf_event_attr`, version 0.
#[repr(C)]
#[derive(Default)]
struct EventAttributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    breakpoint_address: u64,
}

const TRACEPOINT: u32 = 2;

fn open_counter(id: u64, thread: u32) -> io::Result<OwnedFd> {
    let attributes = EventAttributes {
        kind: TRACEPOINT,
        size: size_of::<EventAttributes>() as u32,
        config: id,
        ..EventAttributes::default()
    };
    let (any_cpu, no_group, no_flags) = (-1, -1, 0);
    // SAFETY: the structure is as long as it says, and lives across the call.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            thread as libc::pid_t,
            any_cpu,
            no_group,
            no_flags,
        )
    };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just handed it out.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as libc::c_int) })
}
