//! A bell between threads that `poll` can wait for. See eventfd(2).
//!
//! A thread that waits in `poll` for its socket cannot wait for a `Condvar` too. An eventfd is a
//! counter in the kernel with a descriptor: adding to it makes the descriptor readable, reading it
//! sets it back to zero, so it goes into the same `poll` as the socket.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd};

/// The bell. Ringing it twice before it is heard counts as once.
#[derive(Debug)]
pub struct Event(File);

impl Event {
    /// A silent bell; takes one descriptor.
    pub fn new() -> io::Result<Event> {
        // SAFETY: eventfd takes two plain numbers.
        let descriptor = super::check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the descriptor is new and nobody else's; File closes it.
        Ok(Event(unsafe { File::from_raw_fd(descriptor) }))
    }

    /// Makes the descriptor readable.
    pub fn ring(&self) {
        // It can fail only when the counter is full, and then the bell has long been ringing.
        let _ = (&self.0).write(&1u64.to_ne_bytes());
    }

    /// Makes it silent again. Call it before looking at what the bell announces, or an announcement
    /// that comes in between is lost.
    pub fn heard(&self) {
        // It fails with EAGAIN when the bell has not been rung.
        let _ = (&self.0).read(&mut [0; 8]);
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::poll::{poll, Watched, READABLE};
    use super::*;
    use std::time::Duration;

    #[test]
    fn rung_twice_and_heard_once() {
        let event = Event::new().unwrap();
        let ringing = || poll(&mut [Watched::new(&event, READABLE)], Some(Duration::ZERO)).unwrap() == 1;
        assert!(!ringing());
        event.ring();
        event.ring();
        assert!(ringing());
        event.heard();
        assert!(!ringing());
        event.heard();
    }
}
