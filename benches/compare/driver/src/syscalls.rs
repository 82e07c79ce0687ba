//! System calls of a server, counted while it works.
//!
//! The kernel's tracepoint `raw_syscalls:sys_enter`, through `perf_event_open`, counts exactly and costs
//! the server next to nothing. It wants root (or a relaxed `perf_event_paranoid`). Otherwise `strace -c`
//! counts; it slows the server down, so batches grow and the number per message may be too small.

use std::{
    fs,
    io::{self, Read},
    os::fd::{FromRawFd, OwnedFd},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::Outcome;

/// How system calls are counted on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    Tracepoint(u64),
    Strace,
    None,
}

impl Method {
    pub fn find() -> Self {
        let id = tracepoint().filter(|id| open_counter(*id, std::process::id()).is_ok());
        if let Some(id) = id {
            return Self::Tracepoint(id);
        }
        if super::tools::ensure("strace", "strace") {
            Self::Strace
        } else {
            Self::None
        }
    }

    pub fn describe(&self) -> &'static str {
        match self {
            Self::Tracepoint(_) => "tracepoint raw_syscalls:sys_enter (exact)",
            Self::Strace => "strace -c (slows the server: batches may be larger)",
            Self::None => "not counted: neither a tracepoint nor strace can be used",
        }
    }

    pub fn start(&self, pid: u32) -> Outcome<Counting> {
        match self {
            Self::Tracepoint(id) => threads(pid)?
                .into_iter()
                .map(|thread| open_counter(*id, thread).map_err(|error| error.to_string()))
                .collect::<Outcome<Vec<_>>>()
                .map(Counting::Tracepoint),
            Self::Strace => attach(pid).map(Counting::Strace),
            Self::None => Err("no way to count".into()),
        }
    }
}

/// A count that runs.
#[derive(Debug)]
pub enum Counting {
    /// One counter for each thread.
    Tracepoint(Vec<OwnedFd>),
    Strace(Child),
}

impl Counting {
    /// System calls since the start.
    pub fn finish(self) -> Outcome<f64> {
        match self {
            Self::Tracepoint(counters) => {
                let counts = counters.into_iter().map(|counter| {
                    let mut bytes = [0; 8];
                    let read = fs::File::from(counter).read_exact(&mut bytes);
                    read.map(|()| u64::from_ne_bytes(bytes) as f64)
                });
                counts
                    .sum::<io::Result<f64>>()
                    .map_err(|error| error.to_string())
            }
            Self::Strace(child) => detach(child),
        }
    }
}

/// The tracepoint's number. Where tracefs is not mounted, it is mounted for one short-lived process only.
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

fn threads(pid: u32) -> Outcome<Vec<u32>> {
    let folder = fs::read_dir(format!("/proc/{pid}/task")).map_err(|error| error.to_string())?;
    let names = folder.flatten().map(|entry| entry.file_name());
    Ok(names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect())
}

fn attach(pid: u32) -> Outcome<Child> {
    let child = Command::new("strace")
        .args(["-c", "-f", "-p", &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("strace: {error}"))?;
    thread::sleep(Duration::from_millis(300));
    Ok(child)
}

/// Ends strace and reads the count from the last line of its table.
fn detach(mut child: Child) -> Outcome<f64> {
    // SAFETY: a plain system call; the child has not been waited for, so the id is its own.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    let mut table = String::new();
    let mut stderr = child.stderr.take().ok_or("strace without stderr")?;
    stderr
        .read_to_string(&mut table)
        .map_err(|error| error.to_string())?;
    child.wait().map_err(|error| error.to_string())?;
    total_calls(&table).ok_or_else(|| "strace printed no table".into())
}

/// The calls in strace's line `100.00 SECONDS USECS CALLS [ERRORS] total`.
fn total_calls(table: &str) -> Option<f64> {
    let line = table
        .lines()
        .rev()
        .find(|line| line.trim_end().ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_strace() {
        let table = "% time seconds usecs/call calls errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            60.00    0.001000          13        80        18 read\n\
            100.00    0.001891          13       144        18 total\n";
        assert_eq!(total_calls(table), Some(144.0));
        assert_eq!(total_calls("nothing"), None);
    }

    #[test]
    fn the_tracepoint_counts_exactly() {
        let Method::Tracepoint(id) = Method::find() else {
            return;
        };
        let thread = unsafe { libc::gettid() } as u32;
        let counter = open_counter(id, thread).expect("a counter");
        for _ in 0..1000 {
            unsafe { libc::getppid() };
        }
        let count = Counting::Tracepoint(vec![counter])
            .finish()
            .expect("a count");
        assert!((1000.0..1010.0).contains(&count), "{count}");
    }
}
