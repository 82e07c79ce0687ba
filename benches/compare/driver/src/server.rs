//! A contestant's server as a child process: started, pinned, checked to own its port. Its CPU time and
//! memory are read from outside.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Seek},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use contestant::Settings;
use nix::{
    errno::Errno,
    sched::{CpuSet, sched_setaffinity},
    sys::{
        memfd::{MFdFlags, memfd_create},
        prctl::set_pdeathsig,
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, kill},
    },
    time::ClockId,
    unistd::Pid,
};

use crate::{
    Outcome,
    contestants::Contestant,
    instructions::{CALLGRIND, collected},
    machine,
};

/// A line of a server that takes longer than this is missing.
const PATIENCE: Duration = Duration::from_secs(10);
const PORT: &str = "listening ";
const ALLOCATIONS: &str = "allocations ";

/// The conditions that a server is started in.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    pub runtime: &'a str,
    pub core: Option<usize>,
    pub deflate: Option<&'a Settings>,
    /// Whether callgrind counts its instructions.
    pub counted: bool,
}

impl Start<'_> {
    pub const CURRENT: Self = Self {
        runtime: "current",
        core: None,
        deflate: None,
        counted: false,
    };
}

#[derive(Debug)]
pub struct Server {
    child: Child,
    stderr: File,
    answers: Receiver<String>,
    pub port: u16,
}

impl Server {
    pub fn start(contestant: &Contestant, start: Start<'_>) -> Outcome<Self> {
        let mut command = if start.counted {
            let mut command = Command::new("valgrind");
            command.args(CALLGRIND).arg(&contestant.path);
            command
        } else {
            Command::new(&contestant.path)
        };
        command.arg("serve");
        if !contestant.extra {
            command.args(["--runtime", start.runtime]);
        }
        if let Some(settings) = start.deflate {
            command.args(["--deflate", &settings.to_string()]);
        }
        let stderr = memfd_create("stderr", MFdFlags::MFD_CLOEXEC).map_err(sentence)?;
        let stderr = File::from(stderr);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr.try_clone().map_err(|error| error.to_string())?);
        prepare(&mut command, start.core);
        let child = command.spawn();
        let mut child = child.map_err(|error| format!("does not start: {error}"))?;
        let answers = answers(child.stdout.take());
        let mut server = Self {
            child,
            stderr,
            answers,
            port: 0,
        };
        let port = server.answer(PORT);
        let port = port.and_then(|port| port.trim().parse().ok());
        server.port = port.ok_or_else(|| server.explain("printed no `listening PORT`"))?;
        server.check()?;
        Ok(server)
    }

    /// Returns the rest of the next line that begins with `word`.
    fn answer(&self, word: &str) -> Option<String> {
        loop {
            let line = self.answers.recv_timeout(PATIENCE).ok()?;
            if let Some(rest) = line.strip_prefix(word) {
                return Some(rest.into());
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn nix_pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Checks that the process is alive and that it, no other process, listens on the port.
    pub fn check(&mut self) -> Outcome<()> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Err(self.explain(&format!("the server died ({status})")));
        }
        let inode = listener_inode(self.port).ok_or("no process listens on the port")?;
        let wanted = format!("socket:[{inode}]");
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.pid()));
        let owns = descriptors
            .map_err(|error| error.to_string())?
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .any(|target| target == Path::new(&wanted));
        if owns {
            Ok(())
        } else {
            Err("another process listens on the port".into())
        }
    }

    fn errors(&mut self) -> String {
        let mut text = String::new();
        let _ = self.stderr.rewind();
        let _ = self.stderr.read_to_string(&mut text);
        text
    }

    /// Returns a failure, with the last line that the server wrote to stderr.
    pub fn explain(&mut self, failure: &str) -> String {
        match self.errors().lines().rfind(|line| !line.is_empty()) {
            Some(last) => format!("{failure}: {last}"),
            None => failure.into(),
        }
    }

    /// Starts or stops the count of allocations. Returns their number and their bytes.
    pub fn toggle_allocations(&self) -> Outcome<(f64, f64)> {
        kill(self.nix_pid(), Signal::SIGUSR1).map_err(sentence)?;
        let answer = self.answer(ALLOCATIONS).unwrap_or_default();
        let mut numbers = answer.split_whitespace().map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(count)), Some(Ok(bytes))) => Ok((count, bytes)),
            _ => Err("printed no `allocations COUNT BYTES`".into()),
        }
    }

    /// Ends a server whose instructions are counted. Returns their number.
    pub fn instructions(mut self) -> Outcome<f64> {
        self.check()?;
        kill(self.nix_pid(), Signal::SIGTERM).map_err(sentence)?;
        self.child.wait().map_err(|error| error.to_string())?;
        collected(&self.errors()).ok_or_else(|| "callgrind printed no count".into())
    }

    /// Returns the CPU nanoseconds of all its threads, from its CPU clock.
    pub fn cpu(&self) -> Outcome<f64> {
        let clock = ClockId::pid_cpu_clock_id(self.nix_pid()).map_err(sentence)?;
        let time = clock.now().map_err(sentence)?;
        Ok(time.tv_sec() as f64 * 1e9 + time.tv_nsec() as f64)
    }

    /// Returns the resident bytes.
    pub fn memory(&self) -> Outcome<f64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid()));
        let rollup = rollup.map_err(|error| error.to_string())?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        let kilobytes: Option<f64> = number.and_then(|number| number.parse().ok());
        Ok(kilobytes.ok_or("smaps_rollup has no Rss")? * 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sentence(error: Errno) -> String {
    error.to_string()
}

/// Pins a child to a core, and lets it die with this process.
pub fn prepare(command: &mut Command, core: Option<usize>) {
    let setup = move || {
        set_pdeathsig(Signal::SIGKILL)?;
        core.map_or(Ok(()), |core| pin(&[core]))?;
        Ok(())
    };
    // SAFETY: the closure makes two system calls and allocates nothing.
    unsafe { command.pre_exec(setup) };
}

fn pin(cores: &[usize]) -> nix::Result<()> {
    let mut set = CpuSet::new();
    cores.iter().try_for_each(|core| set.set(*core))?;
    sched_setaffinity(Pid::from_raw(0), &set)
}

/// Pins this process to a core, and returns the core of the program under test. Does neither on a single
/// core.
pub fn pin_apart() -> Option<usize> {
    let apart = machine::cores() >= 2 && pin(&[0]).is_ok();
    apart.then_some(1)
}

/// Lets this process run on any core again.
pub fn unpin() {
    let all: Vec<usize> = (0..machine::cores()).collect();
    let _ = pin(&all);
}

/// Returns the lines of a child's stdout that are answers. Other lines are dropped.
fn answers(stdout: Option<ChildStdout>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let lines = stdout.into_iter().flat_map(|it| BufReader::new(it).lines());
        for line in lines.map_while(Result::ok) {
            if line.starts_with(PORT) || line.starts_with(ALLOCATIONS) {
                let _ = sender.send(line);
            }
        }
    });
    receiver
}

/// Returns the inode of the socket that listens on a port, from `/proc/net/tcp`.
fn listener_inode(port: u16) -> Option<String> {
    let mut table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.push_str(&fs::read_to_string("/proc/net/tcp6").unwrap_or_default());
    let wanted = format!(":{port:04X}");
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&wanted) && *fields.get(3)? == "0A";
        listens.then(|| fields.get(9).map(|inode| (*inode).to_string()))?
    })
}

/// Raises the limit on open files, for this process and its children.
pub fn raise_open_files(wanted: u64) -> Outcome<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(sentence)?;
    if soft >= wanted {
        return Ok(());
    }
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted))
        .map_err(|_| format!("{wanted} open files are not allowed"))
}
