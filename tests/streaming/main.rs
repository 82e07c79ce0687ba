//! The memory of a connection that streams a message: less than 1 MiB on each side for a message of any size.
//!
//! A message of `STREAMED_MIB` (default: 64) goes from the client to the server, then back, and then there and back
//! at once. Each side has a thread, so that the allocator of the tests counts the memory of each side: the peak of the
//! live heap bytes above those of the connection when it was opened. They are the queue, the chunks and the contexts of
//! permessage-deflate. The spare buffers of the thread, which its connections share, exist before: a read buffer of
//! 512 KiB, and a write queue. `make streaming-memory` streams 1 GiB.

#![cfg(all(unix, feature = "client", feature = "deflate", feature = "server"))]

#[path = "../it/support/memory.rs"]
mod memory;

use std::{env, io::Write, os::unix, thread, time::Instant};

use tokio::{
    net::UnixStream,
    runtime::{Builder, Runtime},
    try_join,
};
use wsimd::{
    ClientBuilder, Config, Error, Message, MessageReader, ReadHalf, Role, ServerBuilder, WebSocket,
    WriteHalf, extension::Deflate,
};

/// The limit of the memory of a side, in bytes.
const LIMIT: isize = 1 << 20;

/// The size of the block that a message repeats. The window of DEFLATE is smaller.
const BLOCK: usize = 64 << 10;

/// A message that both sides transfer.
#[derive(Clone, Copy, Debug)]
enum Transfer {
    ToServer,
    ToClient,
    /// The server sends back each chunk as it arrives.
    ThereAndBack,
}

const TRANSFERS: [Transfer; 3] = [
    Transfer::ToServer,
    Transfer::ToClient,
    Transfer::ThereAndBack,
];

/// A side of a connection, with the only task of its runtime.
struct Side {
    runtime: Runtime,
    reader: ReadHalf<UnixStream>,
    writer: WriteHalf<UnixStream>,
    block: Message,
    blocks: usize,
    /// The memory that the thread held when the connection had been opened.
    idle: isize,
}

impl Side {
    fn new(
        stream: unix::net::UnixStream,
        block: Message,
        open: impl AsyncFnOnce(UnixStream) -> Result<WebSocket<UnixStream>, Error>,
    ) -> Self {
        stream.set_nonblocking(true).unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let ws = runtime.block_on(async {
            let mut ws = open(UnixStream::from_std(stream)?).await?;
            // Creates the spare buffers of the thread. The first message may arrive with the opening handshake.
            for _ in 0..2 {
                ws.send("Hello").await?;
                ws.recv().await?;
            }
            Ok::<_, Error>(ws)
        });
        let (reader, writer) = ws.unwrap().split();
        Self {
            runtime,
            reader,
            writer,
            block,
            blocks: blocks(),
            idle: memory::held(),
        }
    }

    fn client(stream: unix::net::UnixStream, config: Config, block: Message) -> Self {
        Self::new(stream, block, async |stream| {
            let client = ClientBuilder::new().config(config);
            Ok(client.handshake("ws://localhost/", stream).await?.0)
        })
    }

    fn server(stream: unix::net::UnixStream, config: Config, block: Message) -> Self {
        Self::new(stream, block, async |stream| {
            ServerBuilder::new().config(config).accept(stream).await
        })
    }

    /// Runs a transfer. Returns the peak of the memory since the connection was opened, without that of before.
    fn run(&mut self, transfer: Transfer, is_client: bool) -> isize {
        let Self {
            reader,
            writer,
            block,
            blocks,
            ..
        } = self;
        let run = async {
            match (transfer, is_client) {
                (Transfer::ToServer, true) | (Transfer::ToClient, false) => {
                    send(writer, block, *blocks).await
                }
                (Transfer::ToServer, false) | (Transfer::ToClient, true) => {
                    receive(reader, block, *blocks).await
                }
                (Transfer::ThereAndBack, true) => {
                    let sent = send(writer, block, *blocks);
                    try_join!(sent, receive(reader, block, *blocks)).map(|_| ())
                }
                (Transfer::ThereAndBack, false) => echo(reader, writer).await,
            }
        };
        let before = memory::held() - self.idle;
        let (result, peak) = memory::peak(|| self.runtime.block_on(run));
        result.unwrap();
        before + peak
    }
}

/// Returns the number of blocks of a message.
fn blocks() -> usize {
    let mebibytes = env::var("STREAMED_MIB").map_or(64, |size| size.parse().unwrap());
    (mebibytes << 20) / BLOCK
}

async fn send(
    writer: &mut WriteHalf<UnixStream>,
    block: &Message,
    blocks: usize,
) -> Result<(), Error> {
    let mut message = match block {
        Message::Text(_) => writer.text_writer(),
        Message::Binary(_) => writer.binary_writer(),
    };
    for _ in 0..blocks {
        message.write_chunk(block.clone()).await?;
    }
    message.finish().await
}

async fn next(reader: &mut ReadHalf<UnixStream>) -> Result<MessageReader<'_, UnixStream>, Error> {
    let message = reader.recv_stream().await?;
    message.ok_or_else(|| Error::other("the connection has ended"))
}

/// Receives a message, and compares it with its blocks.
async fn receive(
    reader: &mut ReadHalf<UnixStream>,
    block: &Message,
    blocks: usize,
) -> Result<(), Error> {
    let block = block.as_bytes();
    let mut message = next(reader).await?;
    let mut received = 0;
    while let Some(chunk) = message.chunk().await? {
        let mut rest = chunk.as_bytes();
        while !rest.is_empty() {
            let expected = &block[received % BLOCK..];
            let len = expected.len().min(rest.len());
            assert!(rest[..len] == expected[..len], "after {received} bytes");
            rest = &rest[len..];
            received += len;
        }
    }
    assert_eq!(received, blocks * BLOCK);
    Ok(())
}

async fn echo(
    reader: &mut ReadHalf<UnixStream>,
    writer: &mut WriteHalf<UnixStream>,
) -> Result<(), Error> {
    let mut message = next(reader).await?;
    let mut answer = match message.is_text() {
        true => writer.text_writer(),
        false => writer.binary_writer(),
    };
    while let Some(chunk) = message.chunk().await? {
        answer.write_chunk(chunk).await?;
    }
    answer.finish().await
}

/// Runs all transfers of messages that repeat a block, and checks the memory of both sides.
fn check(name: &str, config: &Config, block: &Message) {
    assert_eq!(block.len(), BLOCK);
    let (near, far) = unix::net::UnixStream::pair().unwrap();
    let (server_config, server_block) = (config.clone(), block.clone());
    let server = thread::spawn(move || {
        let mut server = Side::server(far, server_config, server_block);
        TRANSFERS.map(|transfer| server.run(transfer, false))
    });
    let mut client = Side::client(near, config.clone(), block.clone());
    let client = TRANSFERS.map(|transfer| {
        let start = Instant::now();
        (client.run(transfer, true), start.elapsed())
    });
    let server = server.join().unwrap();
    for ((transfer, (client, elapsed)), server) in TRANSFERS.iter().zip(client).zip(server) {
        let (client_kib, server_kib) = (client >> 10, server >> 10);
        println!(
            "{name:18} {transfer:13?} client {client_kib:4} KiB, server {server_kib:4} KiB, {elapsed:.1?}"
        );
        assert!(client < LIMIT && server < LIMIT);
    }
}

/// Returns a block that does not compress.
fn random() -> Message {
    let mut state = 1_u64;
    let bytes = (0..BLOCK).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    });
    Message::from(bytes.collect::<Vec<u8>>())
}

/// Returns a text that compresses, with characters of several bytes.
fn text() -> Message {
    let mut text = String::new();
    for number in 0.. {
        let line = format!("{{\"number\":{number},\"name\":\"Γειά σου, κόσμε 🌍\"}}\n");
        if text.len() + line.len() > BLOCK {
            break;
        }
        text.push_str(&line);
    }
    text.push_str(&" ".repeat(BLOCK - text.len()));
    Message::from(text)
}

fn compressed() -> Config {
    Config::new().extension(Deflate::new())
}

#[test]
fn plain() {
    check("plain", &Config::new(), &random());
}

#[test]
fn compressed_text() {
    check("compressed text", &compressed(), &text());
}

#[test]
fn compressed_random_bytes() {
    check("compressed random", &compressed(), &random());
}

/// DEFLATE makes a thousandth of these bytes.
#[test]
fn compressed_zeros() {
    let block = Message::from(vec![0; BLOCK]);
    check("compressed zeros", &compressed(), &block);
}

/// A peer may send a message of any size in one frame.
#[test]
fn one_frame() {
    let block = random();
    let (stream, mut peer) = unix::net::UnixStream::pair().unwrap();
    let bytes = block.clone().into_bytes();
    thread::spawn(move || {
        for _ in 0..2 {
            peer.write_all(b"\x81\x85\0\0\0\0Hello").unwrap();
        }
        let size = (blocks() * BLOCK) as u64;
        let header = [&[0x82, 0xFF][..], &size.to_be_bytes(), &[0; 4]].concat();
        peer.write_all(&header).unwrap();
        for _ in 0..blocks() {
            peer.write_all(&bytes).unwrap();
        }
    });
    let mut server = Side::new(stream, block, async |stream| {
        Ok(WebSocket::new(stream, Role::Server, &Config::new()))
    });
    let peak = server.run(Transfer::ToServer, false);
    println!("one frame: {} KiB", peak >> 10);
    assert!(peak < LIMIT);
}
