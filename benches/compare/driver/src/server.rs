//! A contestant's server as a child process: started, pinned, checked to own its port. Its CPU time and
//! memory are read from outside.

use std::{
    fmt::Display,
    fs::File,
    io::{BufRead, BufReader, Read, Seek},
    os::unix::process::CommandExt,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use contestant::{BoxError, Settings};
use nix::{
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
use procfs::{
    net::{TcpState, tcp, tcp6},
    process::{FDTarget, Process},
};

use crate::{
    Outcome,
    callgrind::{CALLGRIND, collected},
    contestants::Contestant,
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
    pub tls: bool,
    /// Whether callgrind counts its instructions.
    pub counted: bool,
}

impl Start<'_> {
    pub const CURRENT: Self = Self {
        runtime: "current",
        core: None,
        deflate: None,
        tls: false,
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
        let mut command = Command::new(&contestant.path);
        if start.counted {
            command = Command::new("valgrind");
            command.args(CALLGRIND).arg(&contestant.path);
        }
        command.arg("serve");
        if !contestant.extra {
            command.args(["--runtime", start.runtime]);
        }
        if let Some(settings) = start.deflate {
            command.args(["--deflate", &settings.to_string()]);
        }
        if start.tls {
            command.arg("--tls");
        }
        let stderr = File::from(memfd_create("stderr", MFdFlags::MFD_CLOEXEC)?);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr.try_clone()?);
        prepare(&mut command, start.core);
        let mut child = command.spawn()?;
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

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Checks that the process is alive and that it, no other process, listens on the port.
    pub fn check(&mut self) -> Outcome<()> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Err(self.explain(format!("the server died ({status})")));
        }
        let mut sockets = tcp()?.into_iter().chain(tcp6().unwrap_or_default());
        let listener = sockets
            .find(|it| it.state == TcpState::Listen && it.local_address.port() == self.port)
            .ok_or("no process listens on the port")?;
        let listens = |target| matches!(target, FDTarget::Socket(inode) if inode == listener.inode);
        let mut descriptors = Process::new(self.pid())?.fd()?.flatten();
        match descriptors.any(|it| listens(it.target)) {
            true => Ok(()),
            false => Err("another process listens on the port".into()),
        }
    }

    fn errors(&mut self) -> String {
        let mut text = String::new();
        let _ = self.stderr.rewind();
        let _ = self.stderr.read_to_string(&mut text);
        text
    }

    /// Returns a failure, with the last line that the server wrote to stderr.
    pub fn explain(&mut self, failure: impl Display) -> BoxError {
        match self.errors().lines().rfind(|line| !line.is_empty()) {
            Some(last) => format!("{failure}: {last}").into(),
            None => failure.to_string().into(),
        }
    }

    /// Starts or stops the count of allocations. Returns their number and their bytes.
    pub fn toggle_allocations(&self) -> Outcome<(f64, f64)> {
        kill(Pid::from_raw(self.pid()), Signal::SIGUSR1)?;
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
        kill(Pid::from_raw(self.pid()), Signal::SIGTERM)?;
        self.child.wait()?;
        Ok(collected(&self.errors()).ok_or("callgrind printed no count")?)
    }

    /// Returns the CPU nanoseconds of all its threads, from its CPU clock.
    pub fn cpu(&self) -> Outcome<f64> {
        let time = ClockId::pid_cpu_clock_id(Pid::from_raw(self.pid()))?.now()?;
        Ok(time.tv_sec() as f64 * 1e9 + time.tv_nsec() as f64)
    }

    /// Returns the resident bytes.
    pub fn memory(&self) -> Outcome<f64> {
        let rollup = Process::new(self.pid())?.smaps_rollup()?.memory_map_rollup;
        let resident = rollup.iter().find_map(|map| map.extension.map.get("Rss"));
        Ok(*resident.ok_or("smaps_rollup has no Rss")? as f64)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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

/// Raises the limit on open files, for this process and its children.
pub fn raise_open_files(wanted: u64) -> Outcome<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted))?;
    }
    Ok(())
}
