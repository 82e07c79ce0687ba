//! A stream whose polls follow a script.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The outcome of one poll of a read.
#[derive(Clone, Debug)]
pub(crate) enum Read {
    Data(Vec<u8>),
    Pending,
    Error(io::ErrorKind),
}

/// The outcome of one poll of a write. The last one of the script repeats.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Write {
    /// Takes at most this number of bytes.
    Some(usize),
    Pending,
    Error(io::ErrorKind),
}

/// The stream. It ends after the last read. A poll that is pending wakes its task at once.
#[derive(Debug)]
pub(crate) struct Script {
    reads: VecDeque<Read>,
    writes: VecDeque<Write>,
    /// Whether the stream stays open, silent, after the last read.
    silent: bool,
    is_vectored: bool,
    pub(crate) seen: Seen,
}

/// The view of the other end. It is shared, so that a test can read it while a connection owns the
/// stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<Mutex<SeenState>>);

#[derive(Debug, Default)]
struct SeenState {
    written: Vec<u8>,
    /// The number of bytes of each write.
    writes: Vec<usize>,
    reads: usize,
    shut_down: bool,
}

impl Seen {
    pub(crate) fn written(&self) -> Vec<u8> {
        self.0.lock().unwrap().written.clone()
    }

    /// The number of polls that wrote bytes.
    pub(crate) fn writes(&self) -> usize {
        self.0.lock().unwrap().writes.len()
    }

    /// The number of bytes of each poll that wrote bytes.
    pub(crate) fn written_by_write(&self) -> Vec<usize> {
        self.0.lock().unwrap().writes.clone()
    }

    /// The number of polls that read.
    pub(crate) fn reads(&self) -> usize {
        self.0.lock().unwrap().reads
    }

    pub(crate) fn shut_down(&self) -> bool {
        self.0.lock().unwrap().shut_down
    }
}

impl Script {
    pub(crate) fn new(reads: impl IntoIterator<Item = Read>) -> Self {
        Self {
            reads: reads.into_iter().collect(),
            writes: VecDeque::from([Write::Some(usize::MAX)]),
            silent: false,
            is_vectored: true,
            seen: Seen::default(),
        }
    }

    /// Returns the bytes in one read.
    pub(crate) fn whole(bytes: &[u8]) -> Self {
        Self::new([Read::Data(bytes.to_vec())])
    }

    /// Returns the chunks one by one, and is pending before each.
    pub(crate) fn chunks<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let reads = chunks
            .into_iter()
            .filter(|chunk| !chunk.is_empty())
            .flat_map(|chunk| [Read::Pending, Read::Data(chunk.to_vec())]);
        Self::new(reads)
    }

    pub(crate) fn writes(mut self, writes: impl IntoIterator<Item = Write>) -> Self {
        self.writes = writes.into_iter().collect();
        self
    }

    /// Keeps the stream open after the last read.
    pub(crate) fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Disables vectored writes, which a TLS stream lacks.
    pub(crate) fn plain(mut self) -> Self {
        self.is_vectored = false;
        self
    }
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.seen.0.lock().unwrap().reads += 1;
        match self.reads.pop_front() {
            None if self.silent => Poll::Pending,
            None => Poll::Ready(Ok(())),
            Some(Read::Pending) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Read::Error(kind)) => Poll::Ready(Err(kind.into())),
            Some(Read::Data(data)) => {
                let len = data.len().min(buf.remaining());
                buf.put_slice(&data[..len]);
                if len < data.len() {
                    self.reads.push_front(Read::Data(data[len..].to_vec()));
                }
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = match self.writes.len() {
            1 => self.writes[0],
            _ => self.writes.pop_front().expect("a script has writes"),
        };
        match write {
            Write::Pending => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Write::Error(kind) => Poll::Ready(Err(kind.into())),
            Write::Some(most) => {
                let len = most.min(buf.len());
                let mut seen = self.seen.0.lock().unwrap();
                seen.written.extend(&buf[..len]);
                seen.writes.push(len);
                Poll::Ready(Ok(len))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.seen.0.lock().unwrap().shut_down = true;
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.is_vectored
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        assert!(self.is_vectored);
        let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        self.poll_write(cx, &all)
    }
}
