//! The messages that a measurement runs over: distinct, and lying in memory as frames do in a read
//! buffer, six bytes of header (the last four are the masking key) before each payload.
//!
//! A branch predictor learns half a megabyte of text when it sees the text again and again, and megabytes
//! do not fit the caches that a read buffer is in. So there is an image of megabytes. A window of it at a
//! time is copied to the place where the contenders find it, as the bytes of a socket are.

use std::ops::Range;

use contestant::{
    Content,
    corpus::{self, Random, cut},
};

/// The bytes of an image.
const IMAGE: usize = 4 << 20;

/// The bytes that arrive at once, unless one message has more.
const WINDOW: usize = 256 << 10;
/// The fewest messages, where one takes more than its share of the image.
const MIN_MESSAGES: usize = 2;
/// Bytes of a masked frame's header; in a short frame the second is the payload's length.
const HEADER: usize = 6;
const LINE: usize = 64;
/// Loads are held up by stores to the same place of another page.
const PAGE: usize = 4 << 10;
/// The shortest payload of random length.
const SHORTEST: usize = 4;
/// The longest payload of random length.
const LONGEST: usize = 125;

/// How the frames lie.
#[derive(Clone, Copy, Debug)]
enum Layout {
    /// Payloads of one size, each frame at the start of a cache line.
    Slots { size: usize, stride: usize },
    /// Payloads of 4 to 125 bytes, frame after frame.
    Contiguous,
}

/// Distinct frames.
#[derive(Debug)]
pub struct Pool {
    layout: Layout,
    image: Vec<u8>,
    windows: Vec<Window>,
    messages: usize,
    payload: usize,
    arrived: Vec<u8>,
    arrived_start: usize,
}

#[derive(Clone, Debug)]
struct Window {
    range: Range<usize>,
    count: usize,
}

impl Pool {
    /// Creates messages of one size, masked or not.
    pub fn slots(content: &str, size: usize, masked: bool) -> Self {
        let stride = (HEADER + size).next_multiple_of(LINE);
        let count = (IMAGE / stride).max(MIN_MESSAGES);
        let mut random = Random::new(size as u64);
        let mut pool = Self::empty(Layout::Slots { size, stride });
        for _ in 0..count {
            let key = (random.next() as u32).to_le_bytes();
            pool.push(message(content, size, &mut random), key, masked);
            pool.image
                .resize(pool.image.len().next_multiple_of(LINE), 0);
            pool.extend_window(stride);
        }
        pool.finish()
    }

    /// Creates messages of 4 to 125 bytes, masked.
    pub fn contiguous(content: &str) -> Self {
        // The lengths have a sequence of their own, so that they are the same for all contents.
        let mut lengths = Random::new(1);
        let mut random = Random::new(2);
        let mut pool = Self::empty(Layout::Contiguous);
        while pool.image.len() < IMAGE {
            let size = SHORTEST + lengths.next() as usize % (LONGEST - SHORTEST + 1);
            let key = (random.next() as u32).to_le_bytes();
            pool.push(message(content, size, &mut random), key, true);
            pool.extend_window(HEADER + size);
        }
        pool.finish()
    }

    fn empty(layout: Layout) -> Self {
        Self {
            layout,
            image: Vec::new(),
            windows: Vec::new(),
            messages: 0,
            payload: 0,
            arrived: Vec::new(),
            arrived_start: 0,
        }
    }

    fn push(&mut self, mut message: Vec<u8>, key: [u8; 4], masked: bool) {
        let length = u8::try_from(message.len()).unwrap_or(u8::MAX);
        self.image.extend([0x81, length]);
        self.image.extend(key);
        if masked {
            xor(&mut message, key);
        }
        self.messages += 1;
        self.payload += message.len();
        self.image.append(&mut message);
    }

    /// Gives the last frame, of so many bytes, to the last window or a new one.
    fn extend_window(&mut self, frame: usize) {
        let end = self.image.len();
        match self.windows.last_mut() {
            Some(window) if end - window.range.start <= WINDOW => {
                window.range.end = end;
                window.count += 1;
            }
            _ => self.windows.push(Window {
                range: end - frame..end,
                count: 1,
            }),
        }
    }

    /// Reserves room for a window, at the start of a cache line. A short last window is left out, because
    /// the clock is too coarse for it.
    fn finish(mut self) -> Self {
        let longest = self.windows.iter().map(|window| window.range.len()).max();
        let longest = longest.unwrap_or(0);
        self.windows
            .retain(|window| window.range.len() >= longest / 2);
        self.arrived = vec![0; longest + LINE + PAGE];
        self.arrived_start = self.arrived.as_ptr().align_offset(LINE);
        self
    }

    /// Returns the number of windows.
    pub fn windows(&self) -> usize {
        self.windows.len()
    }

    /// Returns the number of messages in a window.
    pub fn count(&self, window: usize) -> usize {
        self.windows[window].count
    }

    /// Returns the mean length of a payload.
    pub fn mean_size(&self) -> usize {
        self.payload / self.messages
    }

    /// Returns the place of a window: each at another offset of a page, so that none is lucky.
    fn place(&self, window: usize) -> Range<usize> {
        let start = self.arrived_start + window * 5 * LINE % PAGE;
        start..start + self.windows[window].range.len()
    }

    /// Copies a window to its place.
    pub fn load(&mut self, window: usize) {
        let range = self.windows[window].range.clone();
        let place = self.place(window);
        self.arrived[place].copy_from_slice(&self.image[range]);
    }

    /// Returns whether the bytes that have arrived are those of the window.
    pub fn is_intact(&self, window: usize) -> bool {
        let image = &self.image[self.windows[window].range.clone()];
        self.arrived[self.place(window)] == *image
    }

    /// Calls `visit` with each payload of a window that has arrived, and with its key. Returns how
    /// many times it answered true.
    pub fn visit(&mut self, window: usize, visit: impl FnMut(&mut [u8], [u8; 4]) -> bool) -> usize {
        let place = self.place(window);
        let bytes = &mut self.arrived[place];
        match self.layout {
            Layout::Slots { size, stride } => visit_slots(bytes, size, stride, visit),
            Layout::Contiguous => visit_frames(bytes, visit),
        }
    }
}

fn visit_slots(
    bytes: &mut [u8],
    size: usize,
    stride: usize,
    mut visit: impl FnMut(&mut [u8], [u8; 4]) -> bool,
) -> usize {
    let mut count = 0;
    for slot in bytes.chunks_exact_mut(stride) {
        let (header, payload) = slot.split_at_mut(HEADER);
        count += usize::from(visit(&mut payload[..size], key(header)));
    }
    count
}

fn visit_frames(mut bytes: &mut [u8], mut visit: impl FnMut(&mut [u8], [u8; 4]) -> bool) -> usize {
    let mut count = 0;
    while let Some((header, rest)) = bytes.split_first_chunk_mut::<HEADER>() {
        let (payload, rest) = rest.split_at_mut(usize::from(header[1]));
        count += usize::from(visit(payload, key(header)));
        bytes = rest;
    }
    count
}

fn key(header: &[u8]) -> [u8; 4] {
    *header[..HEADER].last_chunk().expect("a whole header")
}

/// Masks byte by byte.
pub fn xor(payload: &mut [u8], key: [u8; 4]) {
    for (i, byte) in payload.iter_mut().enumerate() {
        *byte ^= key[i & 3];
    }
}

/// The contents, and whether they are text. Dense texts have characters of two, three and four bytes.
pub const CONTENTS: [(&str, bool); 7] = [
    ("ascii", true),
    ("json", true),
    ("cyrillic", true),
    ("cjk", true),
    ("emoji", true),
    ("mixed", true),
    ("binary", false),
];

/// Creates one message of exactly `size` bytes.
fn message(content: &str, size: usize, random: &mut Random) -> Vec<u8> {
    /// The first of some characters, and their number.
    const BLOCKS: [(u32, u32); 6] = [
        (0x20, 95),
        (0x20, 95),
        (0x20, 95),
        (0x0430, 32),
        (0x4E00, 0x5000),
        (0x1F600, 64),
    ];
    fn push(text: &mut String, random: &mut Random, block: usize) {
        let (first, count) = BLOCKS[block];
        text.push(char::from_u32(first + random.below(count)).expect("no surrogate"));
    }
    match content {
        "ascii" => corpus::message(Content::Ascii, size, random),
        "json" => corpus::message(Content::Json, size, random),
        "cyrillic" => cut(size, random, |text, random| {
            (0..2 + random.below(8)).for_each(|_| push(text, random, 3));
            text.push(' ');
        }),
        "cjk" => cut(size, random, |text, random| push(text, random, 4)),
        "emoji" => cut(size, random, |text, random| push(text, random, 5)),
        "mixed" => cut(size, random, |text, random| {
            let block = random.below(6) as usize;
            push(text, random, block);
        }),
        _ => corpus::message(Content::Binary, size, random),
    }
}
