//! A contestant's server as a child process: started, pinned, checked to be the one that answers, and
//! its CPU time and memory read.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Seek},
    os::{fd::FromRawFd, unix::process::CommandExt},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use contestant::deflate::Settings;

use crate::{
    Outcome,
    contestants::Contestant,
    instructions::{CALLGRIND, collected},
};

/// A line of a server that does not come for so long is missing.
const PATIENCE: Duration = Duration::from_secs(10);
/// What lines begin with that a server is asked for.
const PORT: &str = "listening ";
const ALLOCATIONS: &str = "allocations ";

/// CPU time of a process: the sum from its CPU clock (nanoseconds, exact also for a thread that is
/// running), the parts from `/proc/PID/stat` (ticks; the kernel samples them).
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    pub total: f64,
    pub user_ticks: f64,
    pub system_ticks: f64,
}

impl Cpu {
    /// Nanoseconds of user and of system time since `before`: the exact sum, divided as sampled.
    pub fn since(self, before: Self) -> (f64, f64) {
        let total = self.total - before.total;
        let user = self.user_ticks - before.user_ticks;
        let system = self.system_ticks - before.system_ticks;
        let share = if user + system > 0.0 {
            user / (user + system)
        } else {
            0.5
        };
        (total * share, total * (1.0 - share))
    }
}

/// Bytes of physical memory: resident, and resident with shared pages divided among their users.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub resident: f64,
    pub proportional: f64,
}

#[derive(Debug)]
pub struct Server {
    child: Child,
    stderr: File,
    answers: Receiver<String>,
    pub port: u16,
}

impl Server {
    pub fn start(contestant: &Contestant, runtime: &str, core: Option<usize>) -> Outcome<Self> {
        let command = Command::new(&contestant.path);
        Self::spawn(command, contestant, runtime, core, None)
    }

    /// Starts a server that agrees to compress.
    pub fn start_compressed(
        contestant: &Contestant,
        runtime: &str,
        core: Option<usize>,
        settings: &Settings,
    ) -> Outcome<Self> {
        let command = Command::new(&contestant.path);
        Self::spawn(command, contestant, runtime, core, Some(settings))
    }

    /// Starts a server whose instructions are counted; [`instructions`](Self::instructions) ends it.
    pub fn start_counted(contestant: &Contestant, runtime: &str) -> Outcome<Self> {
        let mut command = Command::new("valgrind");
        command.args(CALLGRIND).arg(&contestant.path);
        Self::spawn(command, contestant, runtime, None, None)
    }

    fn spawn(
        mut command: Command,
        contestant: &Contestant,
        runtime: &str,
        core: Option<usize>,
        deflate: Option<&Settings>,
    ) -> Outcome<Self> {
        command.arg("serve");
        if !contestant.extra {
            command.args(["--runtime", runtime]);
        }
        if let Some(settings) = deflate {
            command.args(["--deflate", &settings.to_string()]);
        }
        let stderr = memory_file().map_err(|error| error.to_string())?;
        let for_child = stderr.try_clone().map_err(|error| error.to_string())?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(for_child);
        prepare(&mut command, core);
        let mut child = command
            .spawn()
            .map_err(|error| format!("does not start: {error}"))?;
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

    /// What follows `word` on the next line that begins with it.
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

    /// Whether the process lives and it, no other, listens on the port.
    pub fn check(&mut self) -> Outcome<()> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Err(self.explain(&format!("the server died ({status})")));
        }
        let inode = listener_inode(self.port).ok_or("nobody listens on the port")?;
        let wanted = format!("socket:[{inode}]");
        let folder = format!("/proc/{}/fd", self.pid());
        let descriptors = fs::read_dir(folder).map_err(|error| error.to_string())?;
        let owns = descriptors
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .any(|target| target == Path::new(&wanted));
        if owns {
            Ok(())
        } else {
            Err("another process listens on the port".into())
        }
    }

    /// What the server wrote to stderr.
    fn errors(&mut self) -> String {
        let mut text = String::new();
        let _ = self.stderr.rewind();
        let _ = self.stderr.read_to_string(&mut text);
        text
    }

    /// A failure, with the end of what the server wrote to stderr.
    pub fn explain(&mut self, failure: &str) -> String {
        let text = self.errors();
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(3)..];
        if last.is_empty() {
            failure.into()
        } else {
            format!("{failure}: {}", last.join(" / "))
        }
    }

    /// Starts or stops the count of allocations. Returns how many there were, and of how many bytes.
    pub fn toggle_allocations(&self) -> Outcome<(f64, f64)> {
        self.signal(libc::SIGUSR1);
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
        self.signal(libc::SIGTERM);
        self.child.wait().map_err(|error| error.to_string())?;
        collected(&self.errors()).ok_or_else(|| "callgrind printed no count".into())
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: a plain system call; the child has not been waited for, so the id is its own.
        unsafe { libc::kill(self.pid() as libc::pid_t, signal) };
    }

    pub fn cpu(&self) -> Outcome<Cpu> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()))
            .map_err(|error| error.to_string())?;
        // The name, in parentheses, may hold spaces; `utime` and `stime` are the 12th and 13th after it.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let mut fields = after_name.split_whitespace().skip(11).map(str::parse);
        let (Some(Ok(user_ticks)), Some(Ok(system_ticks))) = (fields.next(), fields.next()) else {
            return Err("/proc/PID/stat reads otherwise".into());
        };
        Ok(Cpu {
            total: cpu_clock(self.pid()).map_err(|error| error.to_string())?,
            user_ticks,
            system_ticks,
        })
    }

    pub fn memory(&self) -> Outcome<Memory> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid()))
            .map_err(|error| error.to_string())?;
        let field = |name: &str| -> Outcome<f64> {
            let line = rollup.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            let kilobytes: f64 = number
                .and_then(|number| number.parse().ok())
                .ok_or("smaps_rollup reads otherwise")?;
            Ok(kilobytes * 1024.0)
        };
        Ok(Memory {
            resident: field("Rss:")?,
            proportional: field("Pss:")?,
        })
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
        // SAFETY: a plain system call.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        core.map_or(Ok(()), |core| pin(&[core]))
    };
    // SAFETY: the closure makes two system calls and allocates nothing.
    unsafe { command.pre_exec(setup) };
}

/// Pins the calling thread to these cores.
pub fn pin(cores: &[usize]) -> io::Result<()> {
    // SAFETY: a set of cores is plain bits, none set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for core in cores {
        // SAFETY: writes into `set`, bounded by its length.
        unsafe { libc::CPU_SET(*core, &mut set) };
    }
    // SAFETY: the pointer and the length are those of `set`.
    let answer =
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The lines of a child's stdout that are answers; others are read and dropped.
fn answers(stdout: Option<ChildStdout>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let lines = stdout
            .into_iter()
            .flat_map(|stdout| BufReader::new(stdout).lines());
        for line in lines.map_while(Result::ok) {
            if [PORT, ALLOCATIONS]
                .iter()
                .any(|word| line.starts_with(word))
            {
                let _ = sender.send(line);
            }
        }
    });
    receiver
}

/// The socket that listens on a port of IPv4, from `/proc/net/tcp`.
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

/// CPU nanoseconds of all threads of a process, up to now.
fn cpu_clock(pid: u32) -> io::Result<f64> {
    let mut clock = 0;
    // SAFETY: the pointer is that of a local.
    let answer = unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &mut clock) };
    if answer != 0 {
        return Err(io::Error::from_raw_os_error(answer));
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is that of a local.
    if unsafe { libc::clock_gettime(clock, &mut time) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(time.tv_sec as f64 * 1e9 + time.tv_nsec as f64)
}

/// A file without a name, for a child's stderr.
fn memory_file() -> io::Result<File> {
    // SAFETY: the name is a C string; the descriptor, if there is one, is owned by nobody else.
    let descriptor = unsafe { libc::memfd_create(c"stderr".as_ptr(), libc::MFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

/// Raises the limit on open files, for this process and its children; returns what it is then.
pub fn raise_open_files(wanted: u64) -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is that of a local.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    let mut raised = limit;
    raised.rlim_cur = wanted.max(limit.rlim_cur);
    raised.rlim_max = wanted.max(limit.rlim_max);
    // SAFETY: as above.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) } == 0 {
        return raised.rlim_cur;
    }
    raised.rlim_max = limit.rlim_max;
    raised.rlim_cur = raised.rlim_cur.min(limit.rlim_max);
    // SAFETY: as above.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) };
    raised.rlim_cur
}
