//! How long a poll of a connection holds its thread, for the input and output that cost the most.
//!
//! Each case runs twice over a stream in memory. `call` is a poll of one `recv` or `send`, which only the
//! connection bounds. `task` is a poll of a task that repeats the call, which tokio's budget bounds as well.
//! The time is CPU time of the thread on Linux, so that other programs do not count.
//!
//! `cargo bench --bench work -- WORD` runs the cases with this word in their name.

#[path = "common/hostile.rs"]
mod hostile;

use std::{
    cell::RefCell,
    env,
    future::poll_fn,
    io, iter,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hostile::{Flood, floods, text};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Builder,
    task::{coop, unconstrained},
};
use wsimd::{
    Config, Message, Offer, Parts, Policy,
    Role::{self, Client, Server},
    WebSocket,
    extension::{Deflate, Extensions},
    handshake::{Target, client, server},
};

/// The use of a connection.
enum Action {
    Receive(Flood),
    Send(Message),
    /// A handle sends 64 messages, and the task of the connection receives.
    Inbox(Message),
}

/// Runs a case, which has a name.
type Run<'a> = &'a dyn Fn(&str, Role, &Config, &Action);

fn main() {
    let (mib, time) = match hostile::is_measured() {
        true => (1 << 20, Duration::from_secs(1)),
        false => (1 << 10, Duration::from_millis(1)),
    };
    let word = env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let run = |name: &str, role, config: &Config, action: &Action| {
        for scope in ["call", "task"] {
            if word.as_ref().is_none_or(|word| name.contains(word)) {
                let timer = Timer(scope == "call", RefCell::default());
                measure(&timer, role, config, action, Instant::now() + time);
                timer.print(&format!("{name:46} {scope}"));
            }
        }
    };
    println!("{:51}    polls  mean ms   p99 ms  longest", "");
    for flood in floods(16 * mib) {
        let mut config = Config::new().max_message_size(64 << 20);
        if !flood.first.is_empty() {
            config = config.extension(Deflate::new());
        }
        run(flood.name, Server, &config, &Action::Receive(flood));
    }
    // A block is longer than a window, so that its repetition is not found.
    let block = mib.min(64 << 10);
    let text = text(block);
    let random = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let random = iter::successors(Some(1), random).map(|state| state.to_be_bytes()[0]);
    let noise: Vec<u8> = random.take(block).collect();
    let letters: Vec<u8> = noise.iter().map(|byte| b'a' + byte % 2).collect();
    let large = |block: &[u8], size: usize| -> Message {
        block.repeat((size * mib).div_ceil(block.len())).into()
    };
    compress(&run, "16 MiB of text", large(&text, 16));
    compress(&run, "64 MiB of text", large(&text, 64));
    compress(&run, "16 MiB of noise", large(&noise, 16));
    // The slowest content: level 9 takes seconds for 1 MiB.
    compress(&run, "1 MiB of two letters", large(&letters, 1));
    send(&run, large(&text, 1), large(&text, 64));
}

fn compress(run: Run<'_>, content: &str, message: Message) {
    let action = Action::Send(message);
    for level in [1, 6, 9] {
        let config = Config::new().extension(Deflate::new().level(level));
        let name = format!("send {content}, level {level}");
        run(&name, Server, &config, &action);
        let config = config.outgoing_frame_size(None);
        run(&format!("{name}, one frame"), Server, &config, &action);
    }
}

fn send(run: Run<'_>, message: Message, large: Message) {
    let plain = Config::new().inbox_bytes(None);
    let deflate = plain.clone().extension(Deflate::new());
    let small = Action::Send("16 bytes to send".into());
    let (large, inbox) = (Action::Send(large), Action::Inbox(message));
    run("send 16 B", Server, &plain, &small);
    run("send 64 MiB", Server, &plain, &large);
    run("send 64 MiB, client", Client, &plain, &large);
    run("inbox of 64 × 1 MiB", Server, &plain, &inbox);
    run("inbox of 64 × 1 MiB, client", Client, &plain, &inbox);
    run("inbox of 64 × 1 MiB, level 1", Server, &deflate, &inbox);
}

/// Uses a connection until `end`.
fn measure(timer: &Timer, role: Role, config: &Config, action: &Action, end: Instant) {
    let (first, input) = match action {
        Action::Receive(flood) => (&flood.first[..], flood.again.clone()),
        _ => (&[][..], Vec::new()),
    };
    let io = Memory {
        input,
        at: 0,
        end,
        written: 0,
    };
    let mut parts = Parts::new(io, role, config).extensions(extensions(role, config));
    parts.read_buf.extend_from_slice(first);
    let mut ws = WebSocket::from_parts(parts);
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    let task = timer.time(false, act(&mut ws, action, timer));
    match timer.0 {
        true => runtime.block_on(unconstrained(task)),
        false => runtime.block_on(task),
    }
}

async fn act(ws: &mut WebSocket<Memory>, action: &Action, timer: &Timer) {
    let mut is_over = false;
    while !is_over {
        is_over = Instant::now() >= ws.get_ref().end;
        match action {
            Action::Receive(_) => {
                is_over = !matches!(timer.time(true, ws.recv()).await, Ok(Some(_)));
            }
            Action::Send(message) => {
                let sent = timer.time(true, ws.send(message.clone())).await;
                sent.expect("the stream takes everything");
            }
            Action::Inbox(message) => {
                let handle = ws.handle();
                for _ in 0..64 {
                    let sent = handle.try_send(message.clone());
                    sent.expect("the inbox has room");
                }
                timer.time(true, poll_fn(|cx| poll_idle(ws, cx))).await;
            }
        }
    }
}

/// Receives until the connection writes nothing more.
fn poll_idle(ws: &mut WebSocket<Memory>, cx: &mut Context<'_>) -> Poll<()> {
    let written = ws.get_ref().written;
    assert!(ws.poll_recv(cx).is_pending(), "the input is silent");
    match ws.get_ref().written == written {
        true => Poll::Ready(()),
        false => Poll::Pending,
    }
}

fn extensions(role: Role, config: &Config) -> Extensions {
    let target = Target::parse("ws://a").expect("a valid address");
    let request = client::request(&target, &Offer::new(), config).expect("a valid request");
    let accepted = server::accept(&request, &Policy::new(), config).expect("a valid request");
    let verified = client::verify(&request, config, &accepted.0).expect("a valid response");
    match role {
        Server => accepted.1.into_extensions(),
        Client => verified.into_extensions(),
    }
}

/// The times of polls: of each call, or of the task.
struct Timer(bool, RefCell<Vec<Duration>>);

impl Timer {
    async fn time<F: Future>(&self, is_call: bool, future: F) -> F::Output {
        if self.0 != is_call {
            return future.await;
        }
        let mut future = pin!(future);
        poll_fn(|cx| {
            let begin = cpu_time();
            let polled = future.as_mut().poll(cx);
            let time = cpu_time().saturating_sub(begin);
            self.1.borrow_mut().push(time);
            polled
        })
        .await
    }

    fn print(self, name: &str) {
        let times = self.1.into_inner();
        let polls = times.len();
        let sum: Duration = times.iter().sum();
        let [_, p99, longest] = hostile::percentiles(times);
        let [sum, p99, longest] = [sum, p99, longest].map(|time| 1e3 * time.as_secs_f64());
        let mean = sum / polls as f64;
        println!("{name:51} {polls:8} {mean:8.3} {p99:8.3} {longest:8.3}");
    }
}

#[cfg(target_os = "linux")]
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.try_into().expect("a time is not negative")
}

#[cfg(not(target_os = "linux"))]
fn cpu_time() -> Duration {
    static BEGIN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    BEGIN.elapsed()
}

/// A stream that takes everything and repeats its input until the end. It uses tokio's budget as a socket does.
struct Memory {
    input: Vec<u8>,
    at: usize,
    end: Instant,
    written: usize,
}

impl AsyncRead for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.input.is_empty() {
            // The next poll finds out that nothing is left to write.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        ready!(coop::poll_proceed(cx)).made_progress();
        if Instant::now() < self.end {
            let rest = &self.input[self.at..];
            let len = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..len]);
            self.at = (self.at + len) % self.input.len();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(coop::poll_proceed(cx)).made_progress();
        self.written += buf.len();
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
