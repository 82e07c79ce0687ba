//! The messages that a measurement runs over: distinct, and lying in memory as frames do in a read
//! buffer, six bytes of header (the last four are the masking key) before each payload.
//!
//! A branch predictor learns half a megabyte of text by heart when it sees it again and again, and
//! megabytes do not fit the caches that a read buffer is in. So there is an image of megabytes, and
//! a window of it at a time is copied to where the contenders find it, as a socket's bytes are.

use std::ops::Range;

use contestant::corpus::Random;

use crate::content::Content;

/// The bytes that arrive at once, unless one message has more.
const WINDOW: usize = 256 << 10;
/// The bytes that are visited before the next message arrives, where one is visited many times.
const HOT: usize = 256 << 10;
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
    repeats: usize,
    arrived: Vec<u8>,
    arrived_start: usize,
}

#[derive(Clone, Debug)]
struct Window {
    range: Range<usize>,
    count: usize,
}

impl Pool {
    /// Makes messages of one size, about `bytes` altogether, masked or not.
    pub fn slots(content: Content, size: usize, bytes: usize, masked: bool) -> Self {
        let stride = (HEADER + size).next_multiple_of(LINE);
        let count = (bytes / stride).max(MIN_MESSAGES);
        let mut random = Random::new(size as u64);
        let mut pool = Self::empty(Layout::Slots { size, stride });
        for _ in 0..count {
            let key = (random.next() as u32).to_le_bytes();
            pool.push(content.message(size, &mut random), key, masked);
            pool.image
                .resize(pool.image.len().next_multiple_of(LINE), 0);
            pool.extend_window(stride);
        }
        pool.finish()
    }

    /// Makes messages of 4 to 125 bytes, about `bytes` altogether, masked.
    pub fn contiguous(content: Content, bytes: usize) -> Self {
        // A sequence of their own: the lengths are the same whatever the content.
        let mut lengths = Random::new(1);
        let mut random = Random::new(2);
        let mut pool = Self::empty(Layout::Contiguous);
        while pool.image.len() < bytes {
            let size = SHORTEST + lengths.next() as usize % (LONGEST - SHORTEST + 1);
            let key = (random.next() as u32).to_le_bytes();
            pool.push(content.message(size, &mut random), key, true);
            pool.extend_window(HEADER + size);
        }
        pool.finish()
    }

    /// Makes one message at a time of ASCII, masked with ASCII, so that it stays valid text however
    /// often it is unmasked. It is visited many times in turn, out of the nearest cache.
    pub fn hot(size: usize, bytes: usize) -> Self {
        let stride = HEADER + size;
        let mut random = Random::new(3);
        let mut pool = Self::empty(Layout::Slots { size, stride });
        for _ in 0..(bytes / HOT).max(MIN_MESSAGES) {
            let key = (random.next() as u32 & 0x1F1F_1F1F).to_le_bytes();
            pool.push(Content::Ascii.message(size, &mut random), key, true);
            pool.windows.push(Window {
                range: pool.image.len() - stride..pool.image.len(),
                count: 1,
            });
        }
        pool.repeats = HOT / size;
        pool.finish()
    }

    fn empty(layout: Layout) -> Self {
        Self {
            layout,
            image: Vec::new(),
            windows: Vec::new(),
            messages: 0,
            payload: 0,
            repeats: 1,
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

    /// Makes room for a window, at the start of a cache line. A short last window is left out: the
    /// clock is too coarse for it.
    fn finish(mut self) -> Self {
        let longest = self.windows.iter().map(|window| window.range.len()).max();
        let longest = longest.unwrap_or(0);
        self.windows
            .retain(|window| window.range.len() >= longest / 2);
        self.arrived = vec![0; longest + LINE + PAGE];
        self.arrived_start = self.arrived.as_ptr().align_offset(LINE);
        self
    }

    /// How many windows there are.
    pub fn windows(&self) -> usize {
        self.windows.len()
    }

    /// How many messages are in a window.
    pub fn count(&self, window: usize) -> usize {
        self.windows[window].count
    }

    /// The bytes of payload of a message, on average.
    pub fn mean_size(&self) -> usize {
        self.payload / self.messages
    }

    /// How often the messages of a window are visited before others arrive.
    pub fn repeats(&self) -> usize {
        self.repeats
    }

    /// Where the bytes of a window arrive: each at another place of a page, lest one be lucky.
    fn place(&self, window: usize) -> Range<usize> {
        let start = self.arrived_start + window * 5 * LINE % PAGE;
        start..start + self.windows[window].range.len()
    }

    /// Lets the bytes of a window arrive.
    pub fn load(&mut self, window: usize) {
        let range = self.windows[window].range.clone();
        let place = self.place(window);
        self.arrived[place].copy_from_slice(&self.image[range]);
    }

    /// Returns whether what has arrived is still what the window's bytes were.
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

/// Masks byte by byte; the compiler makes of it what it can.
pub fn xor(payload: &mut [u8], key: [u8; 4]) {
    for (i, byte) in payload.iter_mut().enumerate() {
        *byte ^= key[i & 3];
    }
}
