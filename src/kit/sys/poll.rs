//! Readiness: wait until one of several descriptors can be read or written. See poll(2).
//!
//! The sheets use `select(2)`. Its sets are bit maps of 1,024 places, and a descriptor beyond them
//! is undefined behaviour in C (an exception in Python); `poll` takes a list and has no such limit.
//! `ppoll` is the same call with its timeout in nanoseconds instead of milliseconds.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;
use std::time::Duration;

/// Bytes, a new connection or the end of the stream can be read without waiting.
pub const READABLE: i16 = libc::POLLIN;
/// At least one byte can be written without waiting.
pub const WRITABLE: i16 = libc::POLLOUT;
/// The peer has shut its sending side (or the connection is gone), even while unread bytes lie in
/// front of the end of the stream.
pub const PEER_ENDED: i16 = libc::POLLRDHUP;

/// One descriptor and what to wait for on it; after [`poll`], also what was found.
#[repr(transparent)]
pub struct Watched(libc::pollfd);

impl Watched {
    /// Waits on `descriptor` for `events`, a sum of [`READABLE`], [`WRITABLE`], [`PEER_ENDED`].
    /// The caller keeps the descriptor open until the `poll` it hands this to has returned.
    pub fn new(descriptor: &impl AsFd, events: i16) -> Watched {
        Watched(libc::pollfd { fd: descriptor.as_fd().as_raw_fd(), events, revents: 0 })
    }

    /// Whether the last [`poll`] found any of `events`. An error or a hang-up counts as each of
    /// them: the read or write that follows then reports it.
    pub fn found(&self, events: i16) -> bool {
        let failed = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
        self.0.revents & (events | failed) != 0
    }
}

/// Waits until something is found on one of `watched` or `timeout` (without one: never) passes.
/// Returns how many have something to tell; 0 after the timeout or a signal, so callers loop.
pub fn poll(watched: &mut [Watched], timeout: Option<Duration>) -> io::Result<usize> {
    let limit = timeout.map(timespec);
    let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
    let count = watched.len() as libc::nfds_t;
    // SAFETY: `Watched` is a transparent pollfd, so pointer and length describe the slice, which is
    // exclusively ours; `limit` is null or points to a live timespec; a null mask changes no signals.
    // A descriptor that was closed meanwhile is answered with POLLNVAL, not undefined behaviour.
    let found = unsafe { libc::ppoll(watched.as_mut_ptr().cast(), count, limit, ptr::null()) };
    match super::check(found) {
        Ok(found) => Ok(usize::try_from(found).unwrap_or(0)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(error) => Err(error),
    }
}

/// A duration as C calls take it.
pub(super) fn timespec(duration: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(duration.subsec_nanos()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_byte_makes_one_end_readable_and_a_close_ends_it() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut watched = [Watched::new(&near, READABLE | PEER_ENDED)];
        assert_eq!(poll(&mut watched, Some(Duration::ZERO)).unwrap(), 0);
        far.write_all(b"x").unwrap();
        assert_eq!(poll(&mut watched, None).unwrap(), 1);
        assert!(watched[0].found(READABLE));
        assert!(!watched[0].found(PEER_ENDED));
        drop(far);
        assert_eq!(poll(&mut watched, None).unwrap(), 1);
        assert!(watched[0].found(PEER_ENDED));
    }
}
