//! The lines that wait for one member of the room: a queue with a bound, and a bell.
//!
//! Whoever speaks puts the line into every other member's outbox and goes on; it never waits for a
//! socket. The member's own thread takes it from there. A member that does not read has a full outbox
//! one day, and then it is dropped: waiting for it would make it the one that sets everybody's pace,
//! and keeping its lines for ever would fill the memory.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::kit::sys::event::Event;

/// How many lines may wait for one member.
pub const MOST_LINES: usize = 4096;

/// How many bytes may wait for one member. A line is stored once, however many it waits for.
pub const MOST_BYTES: usize = 1 << 20;

/// The queue of one member.
#[derive(Debug)]
pub struct Outbox {
    queue: Mutex<Queue>,
    bell: Event,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Arc<[u8]>>,
    bytes: usize,
    /// It did not fit once; since then nothing is kept.
    overflowed: bool,
    /// The bell has been rung since the queue was last emptied or looked at.
    rung: bool,
}

impl Outbox {
    /// An empty one; takes one descriptor.
    pub fn new() -> io::Result<Outbox> {
        Ok(Outbox { queue: Mutex::default(), bell: Event::new()? })
    }

    /// Adds a line, newline included. If it does not fit, the queue is given up; see
    /// [`Outbox::overflowed`]. The member's thread hears of it by [`Outbox::ring`], which can wait
    /// until more has been added: to wake a thread costs more than to add a line.
    pub fn push(&self, line: &Arc<[u8]>) {
        let mut queue = self.lock();
        if queue.overflowed {
            return;
        }
        if queue.lines.len() >= MOST_LINES || queue.bytes + line.len() > MOST_BYTES {
            *queue = Queue { overflowed: true, ..Queue::default() };
            return;
        }
        queue.bytes += line.len();
        queue.lines.push_back(Arc::clone(line));
    }

    /// Wakes the member's thread if it has not heard yet of what waits.
    pub fn ring(&self) {
        let mut queue = self.lock();
        if !queue.rung && (queue.overflowed || !queue.lines.is_empty()) {
            queue.rung = true;
            self.bell.ring();
        }
    }

    /// Moves lines to the end of `bytes`, until that has `enough` or none is left.
    pub fn take(&self, bytes: &mut Vec<u8>, enough: usize) {
        let mut queue = self.lock();
        queue.rung = false;
        while bytes.len() < enough {
            let Some(line) = queue.lines.pop_front() else { return };
            queue.bytes -= line.len();
            bytes.extend_from_slice(&line);
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lock().lines.is_empty()
    }

    /// Whether the member has read too slowly.
    pub fn overflowed(&self) -> bool {
        self.lock().overflowed
    }

    /// Whether so much waits that the member should read before it says more.
    pub fn is_half_full(&self) -> bool {
        let queue = self.lock();
        queue.lines.len() > MOST_LINES / 2 || queue.bytes > MOST_BYTES / 2
    }

    /// Makes the bell silent, before the queue is looked at.
    pub fn heard(&self) {
        self.bell.heard();
    }

    /// The queue, even after a panic elsewhere: it is whole between any two of its statements.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bell, for `poll`: readable when something has been put into an empty outbox.
impl AsFd for Outbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::sys::poll::{poll, Watched, READABLE};
    use std::time::Duration;

    fn ringing(outbox: &Outbox) -> bool {
        poll(&mut [Watched::new(outbox, READABLE)], Some(Duration::ZERO)).unwrap() == 1
    }

    #[test]
    fn in_order_with_one_ring() {
        let outbox = Outbox::new().unwrap();
        assert!(!ringing(&outbox));
        for line in [&b"one\n"[..], b"two\n", b"three\n"] {
            outbox.push(&line.into());
        }
        assert!(!ringing(&outbox));
        outbox.ring();
        assert!(ringing(&outbox));
        outbox.heard();
        let mut bytes = Vec::new();
        outbox.take(&mut bytes, 5);
        assert_eq!(bytes, b"one\ntwo\n");
        outbox.take(&mut bytes, 1000);
        assert_eq!(bytes, b"one\ntwo\nthree\n");
        assert!(!ringing(&outbox));
    }

    #[test]
    fn both_bounds() {
        for (line, fits) in [(&b"\n"[..], MOST_LINES), (&[b'x'; 4096][..], MOST_BYTES / 4096)] {
            let outbox = Outbox::new().unwrap();
            let line: Arc<[u8]> = line.into();
            for number in 0..fits {
                assert_eq!(outbox.is_half_full(), number > fits / 2, "{number}");
                outbox.push(&line);
            }
            assert!(!outbox.overflowed());
            outbox.push(&line);
            outbox.ring();
            assert!(outbox.overflowed() && ringing(&outbox));
            outbox.push(&line);
            let mut bytes = Vec::new();
            outbox.take(&mut bytes, 1);
            assert!(bytes.is_empty(), "nothing is kept for a member that is dropped");
        }
    }
}
