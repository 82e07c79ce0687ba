//! Which sockets are ready.

use std::{
    io::{self, ErrorKind},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use crate::Outcome;

const EVENTS: usize = 256;

#[derive(Debug)]
pub struct Epoll(OwnedFd);

/// What a socket, known by its index, is ready for.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    pub index: usize,
    pub write: bool,
    pub read: bool,
}

impl Epoll {
    pub fn new() -> Outcome<Self> {
        // SAFETY: no pointers; the answer is checked, and the descriptor is owned by nobody else.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 {
            return Err(format!("epoll_create1: {}", io::Error::last_os_error()));
        }
        // SAFETY: as above.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(epoll) }))
    }

    /// Watches a socket for the first time, or otherwise than before.
    pub fn watch(
        &self,
        socket: &impl AsRawFd,
        index: usize,
        first: bool,
        write: bool,
    ) -> Outcome<()> {
        let operation = if first {
            libc::EPOLL_CTL_ADD
        } else {
            libc::EPOLL_CTL_MOD
        };
        let write = if write { libc::EPOLLOUT } else { 0 };
        let mut event = libc::epoll_event {
            events: (libc::EPOLLIN | write) as u32,
            u64: index as u64,
        };
        let socket = socket.as_raw_fd();
        // SAFETY: both descriptors are open, and the event lives across the call.
        let answer = unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, socket, &mut event) };
        if answer < 0 {
            return Err(format!("epoll_ctl: {}", io::Error::last_os_error()));
        }
        Ok(())
    }

    /// Waits up to so many milliseconds.
    pub fn wait(&self, milliseconds: i32) -> Outcome<Vec<Ready>> {
        // SAFETY: an array of plain integers may be zero.
        let mut events: [libc::epoll_event; EVENTS] = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer and the length are those of one array.
        let ready = unsafe {
            libc::epoll_wait(
                self.0.as_raw_fd(),
                events.as_mut_ptr(),
                EVENTS as libc::c_int,
                milliseconds,
            )
        };
        match usize::try_from(ready) {
            Ok(ready) => Ok(events[..ready].iter().map(of_event).collect()),
            Err(_) if io::Error::last_os_error().kind() == ErrorKind::Interrupted => Ok(Vec::new()),
            Err(_) => Err(format!("epoll_wait: {}", io::Error::last_os_error())),
        }
    }
}

fn of_event(event: &libc::epoll_event) -> Ready {
    let write = libc::EPOLLOUT as u32;
    Ready {
        index: event.u64 as usize,
        write: event.events & write != 0,
        read: event.events & !write != 0,
    }
}
