//! Locks on files that the kernel releases when their holder ends, however it ends. See flock(2).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Takes the lock if nobody else has it and returns whether it is ours now. It is released when the
/// last descriptor of this open file is closed, also by `kill -9`.
pub fn try_lock(file: &File) -> io::Result<bool> {
    // SAFETY: the descriptor is open for as long as `file` is borrowed.
    match super::check(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}
