//! Everything that needs `unsafe`: the calls of the C library that std does not wrap.
//!
//! One file a subject. Each wrapper takes and returns safe types, checks the call's result, and
//! carries a SAFETY line that says why the call is sound. Nothing outside this folder is `unsafe`.

pub mod dl;
pub mod event;
pub mod file;
pub mod file_lock;
pub mod icmp;
pub mod limits;
pub mod names;
mod openssl;
pub mod poll;
pub mod privilege;
pub mod process;
pub mod send;
pub mod signal;
pub mod socket;
pub mod tap;
pub mod tcp_info;
pub mod terminal;
pub mod tls;

use std::io;

/// Turns the C convention "-1 means look at `errno`" into an [`io::Result`].
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
