//! The messages that a measurement runs over: distinct, and lying in memory as frames do in a read
//! buffer, six bytes of header (the last four are the masking key) before each payload.
//!
//! A branch predictor learns half a megabyte of text when it sees the text again and again, and megabytes
//! do not fit the caches that a read buffer is in. So there are windows of megabytes together. One at a time is
//! copied to the place where the contenders find it, as the bytes of a socket are.

use std::ops::Range;

use contestant::{
    Content,
    corpus::{self, cut},
    random::Random,
};

/// The bytes of all windows.
const IMAGE: usize = 4 << 20;
/// The bytes that arrive at once, unless one message has more.
const WINDOW: usize = 256 << 10;
/// The fewest messages, where one takes more than its share of the image.
const MIN_MESSAGES: usize = 2;
/// Bytes of a masked frame's header.
const HEADER: usize = 6;
const LINE: usize = 64;
/// Loads are held up by stores to the same place of another page.
const PAGE: usize = 4 << 10;
/// The shortest and the longest payload of random length.
const SHORTEST: usize = 4;
const LONGEST: usize = 125;

/// Distinct frames.
#[derive(Debug)]
pub struct Pool {
    windows: Vec<Window>,
    arrived: Vec<u8>,
    arrived_start: usize,
}

#[derive(Debug, Default)]
struct Window {
    bytes: Vec<u8>,
    /// The length of each frame's payload, and of the frame with its padding.
    frames: Vec<(usize, usize)>,
}

impl Pool {
    /// Creates messages of one size, each frame at the start of a cache line.
    pub fn slots(content: &str, size: usize) -> Self {
        let stride = (HEADER + size).next_multiple_of(LINE);
        let count = (IMAGE / stride).max(MIN_MESSAGES);
        Self::new(content, (0..count).map(|_| (size, stride)))
    }

    /// Creates messages of 4 to 125 bytes, frame after frame.
    pub fn contiguous(content: &str) -> Self {
        // The lengths have a sequence of their own, so that they are the same for all contents.
        let mut lengths = Random::new(1);
        let mut left = IMAGE;
        let frames = std::iter::from_fn(move || {
            let size = SHORTEST + lengths.next() as usize % (LONGEST - SHORTEST + 1);
            left = left.checked_sub(HEADER + size)?;
            Some((size, HEADER + size))
        });
        Self::new(content, frames)
    }

    fn new(content: &str, frames: impl Iterator<Item = (usize, usize)>) -> Self {
        let mut random = Random::new(2);
        let mut windows = vec![Window::default()];
        let mut window = 0;
        for (size, stride) in frames {
            if !windows[window].bytes.is_empty() && windows[window].bytes.len() + stride > WINDOW {
                windows.push(Window::default());
                window += 1;
            }
            let Window { bytes, frames } = &mut windows[window];
            let end = bytes.len() + stride;
            let key = (random.next() as u32).to_le_bytes();
            let mut message = message(content, size, &mut random);
            xor(&mut message, key);
            bytes.extend([0x81, 0x80]);
            bytes.extend(key);
            bytes.append(&mut message);
            bytes.resize(end, 0);
            frames.push((size, stride));
        }
        // A short last window is left out, because the clock is too coarse for it.
        let longest = windows.iter().map(|it| it.bytes.len()).max().unwrap_or(0);
        windows.retain(|window| window.bytes.len() >= longest / 2);
        let arrived = vec![0; longest + LINE + PAGE];
        Self {
            arrived_start: arrived.as_ptr().align_offset(LINE),
            windows,
            arrived,
        }
    }

    /// Returns the number of windows.
    pub fn windows(&self) -> usize {
        self.windows.len()
    }

    /// Returns the number of messages in a window.
    pub fn count(&self, window: usize) -> usize {
        self.windows[window].frames.len()
    }

    /// Returns the length of the longest payload.
    pub fn longest(&self) -> usize {
        let frames = self.windows.iter().flat_map(|it| &it.frames);
        frames.map(|(size, _)| *size).max().unwrap_or(0)
    }

    /// Returns the place of a window: each at another offset of a page, so that none is lucky.
    fn place(&self, window: usize) -> Range<usize> {
        let start = self.arrived_start + window * 5 * LINE % PAGE;
        start..start + self.windows[window].bytes.len()
    }

    /// Copies a window to its place.
    pub fn load(&mut self, window: usize) {
        let place = self.place(window);
        self.arrived[place].copy_from_slice(&self.windows[window].bytes);
    }

    /// Returns whether the bytes that have arrived are those of the window.
    pub fn is_intact(&self, window: usize) -> bool {
        self.arrived[self.place(window)] == self.windows[window].bytes
    }

    /// Calls `visit` with each payload of a window that has arrived, and with its key. Returns how many times
    /// it answered true.
    pub fn visit(
        &mut self,
        window: usize,
        mut visit: impl FnMut(&mut [u8], [u8; 4]) -> bool,
    ) -> usize {
        let place = self.place(window);
        let mut rest = &mut self.arrived[place];
        let mut count = 0;
        for (size, stride) in &self.windows[window].frames {
            let (frame, after) = rest.split_at_mut(*stride);
            let (header, payload) = frame.split_at_mut(HEADER);
            let key = *header.last_chunk().expect("a whole header");
            count += usize::from(visit(&mut payload[..*size], key));
            rest = after;
        }
        count
    }
}

/// Masks byte by byte.
pub fn xor(payload: &mut [u8], key: [u8; 4]) {
    for (i, byte) in payload.iter_mut().enumerate() {
        *byte ^= key[i & 3];
    }
}

/// Creates one message of exactly `size` bytes. Dense texts have characters of two, three and four bytes.
fn message(content: &str, size: usize, random: &mut Random) -> Vec<u8> {
    fn push(text: &mut String, random: &mut Random, block: usize) {
        /// The first of some characters, and their number.
        const BLOCKS: [(u32, u32); 4] = [(0x20, 95), (0x0430, 32), (0x4E00, 0x5000), (0x1F600, 64)];
        let (first, count) = BLOCKS[block];
        text.push(char::from_u32(first + random.below(count)).expect("no surrogate"));
    }
    match content {
        "cyrillic" => cut(size, random, |text, random| {
            (0..2 + random.below(8)).for_each(|_| push(text, random, 1));
            text.push(' ');
        }),
        "cjk" => cut(size, random, |text, random| push(text, random, 2)),
        "emoji" => cut(size, random, |text, random| push(text, random, 3)),
        "mixed" => cut(size, random, |text, random| {
            let block = random.below(6).saturating_sub(2) as usize;
            push(text, random, block);
        }),
        _ => {
            let content: Content = content.parse().expect("a content");
            corpus::message(content, size, random)
        }
    }
}
