//! Input that costs a server the most time. The benches `work` and `neighbour` share this file.

use std::{env, time::Duration};

use flate2::{Compress, Compression, FlushCompress};

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const BINARY: u8 = FIN | 2;

/// At least so many bytes are repeated: as many as a connection reads at a time.
const READ: usize = 512 << 10;

/// An endless input of a server.
pub(crate) struct Flood {
    pub(crate) name: &'static str,
    /// The text that comes once and that compressed messages may refer to. Empty if none are compressed.
    pub(crate) first: Vec<u8>,
    /// Whole messages, which are repeated.
    pub(crate) again: Vec<u8>,
}

/// Returns whether to measure. Otherwise a bench runs as a test, with small messages and for a short time.
pub(crate) fn is_measured() -> bool {
    env::args().any(|arg| arg == "--bench") && !env::args().any(|arg| arg == "--test")
}

/// Returns the median, the 99th percentile and the longest time.
pub(crate) fn percentiles(mut times: Vec<Duration>) -> [Duration; 3] {
    times.sort_unstable();
    let last = times.len() - 1;
    [last / 2, last * 99 / 100, last].map(|at| times[at])
}

/// Returns all floods. The messages of the largest one are `largest` bytes.
pub(crate) fn floods(largest: usize) -> impl Iterator<Item = Flood> {
    let plain = |first, len| frame(first, &vec![b'x'; len]);
    let ends = |count| frame(BINARY | RSV1, &[3, 0].repeat(count));
    let messages = [
        ("bombs of zeros", compressed(&vec![0; largest])),
        ("compressed text", compressed(&text(largest / 16))),
        ("stream ends, one a message", ends(1)),
        ("stream ends, 8192 a message", ends(8 << 10)),
        ("text messages, 1 B", plain(FIN | 1, 1)),
        ("binary messages, 0 B", plain(BINARY, 0)),
        ("binary messages, 125 B", plain(BINARY, 125)),
        ("binary messages, 1 MiB", plain(BINARY, largest / 16)),
        ("binary messages, 16 MiB", plain(BINARY, largest)),
        ("fragments, 1 B", fragments(1)),
        ("fragments, 64 B", fragments(64)),
        ("pings, 0 B", plain(FIN | 9, 0)),
        ("pings, 125 B", plain(FIN | 9, 125)),
        ("pongs, 0 B", plain(FIN | 10, 0)),
    ];
    messages.into_iter().map(|(name, message)| Flood {
        name,
        first: match message[0] & RSV1 {
            0 => Vec::new(),
            _ => compressed(&text(64 << 10)),
        },
        again: message.repeat(READ.div_ceil(message.len())),
    })
}

/// Returns a masked frame.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let len = payload.len();
    let header = match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..126), _) => vec![first, 0x80 | len],
        (_, Ok(len)) => [&[first, 0xfe][..], &len.to_be_bytes()].concat(),
        _ => [&[first, 0xff][..], &(len as u64).to_be_bytes()].concat(),
    };
    let masked = payload.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k);
    header.into_iter().chain(key).chain(masked).collect()
}

/// Returns a text message of fewer fragments than the default limit.
fn fragments(len: usize) -> Vec<u8> {
    let [begin, next, end] = [1, 0, FIN].map(|first| frame(first, &vec![b'x'; len]));
    [begin, next.repeat(4000), end].concat()
}

/// Returns a compressed message.
pub(crate) fn compressed(message: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(message.len() + 1024);
    Compress::new(Compression::best(), false)
        .compress_vec(message, &mut payload, FlushCompress::Sync)
        .expect("all bytes can be compressed");
    payload.truncate(payload.len() - 4);
    frame(BINARY | RSV1, &payload)
}

/// Returns ASCII text like JSON. The text is repeated after 64 KiB, which is more than a window.
pub(crate) fn text(len: usize) -> Vec<u8> {
    let row = |number| format!(r#"{{"price":{},"id":[{number},2]}} "#, number * 37 % 1009);
    let rows = (0..2800).map(row).collect::<String>();
    let bytes = rows.as_bytes().iter().copied();
    bytes.take(64 << 10).cycle().take(len).collect()
}
