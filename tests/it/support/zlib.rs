//! zlib, the C library, which most peers use.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Compresses messages.
pub(crate) struct Zlib(Compress);

impl Zlib {
    /// A level from 1 to 9, and a window of 9 to 15 bits.
    pub(crate) fn new(level: u32, bits: u8) -> Self {
        let level = Compression::new(level);
        Self(Compress::new_with_window_bits(level, false, bits))
    }

    /// Compresses a message: its payload without the tail.
    pub(crate) fn message(&mut self, message: &[u8]) -> Vec<u8> {
        if message.is_empty() {
            // zlib does not flush twice.
            return vec![0];
        }
        let mut output = self.part(message);
        let tail = output.split_off(output.len() - 4);
        assert_eq!(tail, [0, 0, 0xff, 0xff]);
        output
    }

    /// Compresses the first part of a message.
    pub(crate) fn part(&mut self, part: &[u8]) -> Vec<u8> {
        self.flush(part, FlushCompress::Sync, Status::Ok)
    }

    /// Compresses a message to a stream that ends with it.
    pub(crate) fn last_message(&mut self, message: &[u8]) -> Vec<u8> {
        let output = self.flush(message, FlushCompress::Finish, Status::StreamEnd);
        self.0.reset();
        output
    }

    fn flush(&mut self, message: &[u8], flush: FlushCompress, end: Status) -> Vec<u8> {
        let before = self.0.total_in();
        let mut output = Vec::with_capacity(message.len() * 2 + 1000);
        let status = self.0.compress_vec(message, &mut output, flush).unwrap();
        assert_eq!(status, end);
        assert_eq!(self.0.total_in() - before, message.len() as u64);
        output
    }
}

/// Inflates messages with a window of 9 to 15 bits.
pub(crate) struct Unzlib(Decompress);

impl Unzlib {
    pub(crate) fn new(bits: u8) -> Self {
        Self(Decompress::new_with_window_bits(false, bits))
    }

    /// Inflates a message.
    pub(crate) fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        self.part(&[payload, &[0, 0, 0xff, 0xff]].concat())
    }

    /// Inflates a part of a message, as far as its bytes reach.
    pub(crate) fn part(&mut self, input: &[u8]) -> Vec<u8> {
        let before = self.0.total_in();
        let mut read = 0;
        let mut inflated = Vec::new();
        loop {
            // So small that zlib has to use its window.
            let mut output = Vec::with_capacity(100);
            self.0
                .decompress_vec(&input[read..], &mut output, FlushDecompress::Sync)
                .unwrap();
            read = usize::try_from(self.0.total_in() - before).unwrap();
            inflated.extend(&output);
            if output.len() < 100 {
                assert_eq!(read, input.len());
                return inflated;
            }
        }
    }
}
