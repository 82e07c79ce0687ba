//! The largest work of a poll, for the input and output that cost the most.

use std::{
    cell::Cell,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Builder,
    task::coop,
};

use super::super::{Parts, WebSocket};
use crate::{
    config::Config,
    extension::{Compress, Deflate, Extensions},
    frame::{CloseCode, Role, Rsv},
    message::Message,
    protocol::Work,
};

#[expect(dead_code, reason = "the benches use the rest")]
#[path = "../../../benches/common/hostile.rs"]
mod hostile;

use hostile::{floods, text};

thread_local! {
    /// The largest work of a poll of a connection.
    static OF_A_POLL: Cell<usize> = const { Cell::new(0) };
    /// The work since the poll of the task began.
    static OF_A_TASK: Cell<usize> = const { Cell::new(0) };
}

/// Records the work of a poll of a connection.
pub(super) fn record(work: &Work) {
    OF_A_POLL.set(OF_A_POLL.get().max(work.done()));
    OF_A_TASK.set(OF_A_TASK.get() + work.done());
}

/// The budget of a poll is 8 MiB. The largest step is 4 MiB, for a piece of a message that is encoded.
const MAX_OF_A_POLL: usize = 13 << 20;

/// A task may begin an operation while it has some of tokio's budget left.
const MAX_OF_A_TASK: usize = 24 << 20;

/// Runs a task on the connection of a server over this input, and asserts the limits.
#[track_caller]
fn check<F: Future<Output = ()>>(
    name: &str,
    role: Role,
    config: &Config,
    input: &[u8],
    task: impl FnOnce(WebSocket<Memory>) -> F,
) {
    let io = Memory {
        input: input.to_vec(),
        at: 0,
    };
    let parts = Parts::new(io, role, config).extensions(extensions(role, config));
    let task = task(WebSocket::from_parts(parts));
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let (mut polls, mut of_a_task) = (0, 0);
    OF_A_POLL.set(0);
    runtime.block_on(async {
        let mut task = pin!(task);
        poll_fn(|cx| {
            polls += 1;
            OF_A_TASK.set(0);
            let polled = task.as_mut().poll(cx);
            of_a_task = of_a_task.max(OF_A_TASK.get());
            polled
        })
        .await;
    });
    let of_a_poll = OF_A_POLL.get();
    println!("{name}: {of_a_poll} of a poll, {of_a_task} of a task, {polls} polls");
    assert!(of_a_poll > 0, "{name}");
    assert!(of_a_poll <= MAX_OF_A_POLL, "{name}: {of_a_poll} of a poll");
    assert!(of_a_task <= MAX_OF_A_TASK, "{name}: {of_a_task} of a task");
}

/// Returns the extensions that two sides with this configuration agree on.
fn extensions(role: Role, config: &Config) -> Extensions {
    let mut extensions = Extensions::default();
    for extension in config.extensions() {
        let (response, server) = extension.accept(&extension.offers()[0]).unwrap();
        let coders = match role {
            Role::Server => server,
            Role::Client => extension.confirm(&response).unwrap(),
        };
        extensions.push(extension.name(), extension.rsv(), coders);
    }
    assert!(extensions.rsv() == Rsv::NONE || extensions.rsv() == Rsv::RSV1);
    extensions
}

/// Receives until the end of the input or a violation.
async fn receive(mut ws: WebSocket<Memory>) {
    while let Ok(Some(_)) = ws.recv().await {}
}

#[test]
fn hostile_input() {
    for flood in floods(16 << 20) {
        let mut config = Config::new().max_message_size(64 << 20);
        if !flood.first.is_empty() {
            config = config.extension(Deflate::new());
        }
        let input = [flood.first, flood.again].concat();
        check(flood.name, Role::Server, &config, &input, receive);
    }
}

#[test]
fn compressed_output() {
    let letters: Vec<u8> = (0_u32..16 << 10)
        .map(|n| b'a' + (n.wrapping_mul(2_654_435_761) >> 31) as u8)
        .collect();
    let contents = [
        ("16 MiB of text", text(16 << 20), &[1, 6, 9][..]),
        ("64 MiB of zeros", vec![0; 64 << 20], &[1, 6, 9]),
        ("1 MiB of text", text(1 << 20), &[2, 3, 4, 5, 7, 8]),
        (
            "16 KiB of two letters",
            letters,
            &[1, 2, 3, 4, 5, 6, 7, 8, 9],
        ),
    ];
    for (content, message, levels) in contents {
        let message = Message::from(message);
        let settings = levels
            .iter()
            .flat_map(|level| [(*level, Some(256 << 10)), (*level, None)]);
        for (level, frame_size) in settings {
            let config = Config::new()
                .extension(Deflate::new().level(level))
                .outgoing_frame_size(frame_size);
            let name = format!("{content}, level {level}, frames of {frame_size:?}");
            check(&name, Role::Server, &config, &[], async |mut ws| {
                for _ in 0..2 {
                    ws.send(message.clone()).await.unwrap();
                }
            });
        }
    }
}

#[test]
fn output_of_a_client() {
    let message = Message::from(vec![7; 64 << 20]);
    check(
        "masking",
        Role::Client,
        &Config::new(),
        &[],
        async |mut ws| {
            for _ in 0..2 {
                ws.send(message.clone()).await.unwrap();
            }
        },
    );
}

#[test]
fn a_full_inbox() {
    let plain = Config::new().inbox_bytes(None);
    let plain = plain.close_timeout(Duration::from_secs(3600));
    let level = |level| plain.clone().extension(Deflate::new().level(level));
    for (coding, len, config) in [
        ("plain", 1 << 20, plain.clone()),
        ("level 1", 1 << 20, level(1)),
        ("level 1", 1000, level(1)),
        ("level 9", 100_000, level(9)),
        ("level 9", 500, level(9)),
    ] {
        let message = Message::from(text(len));
        for role in [Role::Client, Role::Server] {
            let name = format!("inbox of messages of {len} B, {coding}");
            check(&name, role, &config, &[], async |mut ws| {
                let handle = ws.handle();
                for _ in 0..64 {
                    handle.try_send(message.clone()).unwrap();
                }
                ws.send_close(CloseCode::NORMAL, "").await.unwrap();
            });
        }
    }
}

#[test]
fn messages_that_stay_as_they_are_are_no_work_of_encoding() {
    let message = Message::from(text(16 << 10));
    let never = Config::new().extension(Deflate::new());
    let short = Config::new().extension(Deflate::new().threshold(1 << 20));
    for (name, config, compress) in [
        ("never compressed", never, Compress::Never),
        ("below the threshold", short, Compress::Auto),
    ] {
        check(name, Role::Server, &config, &[], async |mut ws| {
            ws.set_compress(compress);
            ws.send(message.clone()).await.unwrap();
        });
        let work = OF_A_POLL.get();
        assert!(work < 256 << 10, "{name}: {work}");
    }
}

#[test]
fn a_task_that_only_sends() {
    for (name, deflate) in [
        ("plain", None),
        ("compressed", Some(Deflate::new().level(6))),
    ] {
        let mut config = Config::new();
        if let Some(deflate) = deflate {
            config = config.extension(deflate);
        }
        for len in [16, 4000, 60_000] {
            let message = Message::from(text(len));
            let name = format!("{name}, {len} B");
            check(&name, Role::Server, &config, &[], async |mut ws| {
                for _ in 0..1000 {
                    ws.send(message.clone()).await.unwrap();
                }
            });
        }
    }
}

/// A stream that takes everything. It ends behind its input, or is silent if that is empty. It uses tokio's
/// budget as a socket does.
struct Memory {
    input: Vec<u8>,
    at: usize,
}

impl AsyncRead for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.input.is_empty() {
            return Poll::Pending;
        }
        ready!(coop::poll_proceed(cx)).made_progress();
        let rest = self.input.get(self.at..).unwrap_or_default();
        let len = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..len]);
        self.at += len;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(coop::poll_proceed(cx)).made_progress();
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
