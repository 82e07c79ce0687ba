//! The few calls of epoll, safe to use.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

/// An epoll instance.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

/// Ready descriptors.
pub type Events = [libc::epoll_event; 256];

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub enum Interest {
    Read,
    Write,
}

impl Interest {
    fn bits(self) -> u32 {
        match self {
            Self::Read => libc::EPOLLIN as u32,
            Self::Write => libc::EPOLLOUT as u32,
        }
    }
}

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked before it is owned.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the kernel just made this descriptor for us.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub fn add(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, Interest::Read)
    }

    pub fn change(&self, fd: RawFd, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, interest)
    }

    fn control(&self, op: i32, fd: RawFd, interest: Interest) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: interest.bits(),
            u64: fd as u64,
        };
        // SAFETY: the event lives through the call.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), op, fd, &raw mut event) })?;
        Ok(())
    }

    /// Waits, and returns the ready descriptors.
    pub fn wait<'a>(&self, events: &'a mut Events) -> io::Result<impl Iterator<Item = RawFd> + 'a> {
        let (room, len) = (events.as_mut_ptr(), events.len() as i32);
        // SAFETY: `room` has place for `len` events.
        let n = match check(unsafe { libc::epoll_wait(self.0.as_raw_fd(), room, len, -1) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            n => n?,
        };
        Ok(events[..n as usize].iter().map(|event| event.u64 as RawFd))
    }
}

/// Returns room for events.
pub fn events() -> Events {
    [libc::epoll_event { events: 0, u64: 0 }; 256]
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
