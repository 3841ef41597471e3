//! Giving up root's rights once the one thing that needed them is done. See credentials(7).

use std::io;
use std::ptr;

/// The user and the group that own nothing, by long habit.
const NOBODY: u32 = 65_534;

/// Whether this process has root's rights.
pub fn is_root() -> bool {
    // SAFETY: geteuid has no arguments and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Becomes an ordinary user for good: the one who started the program if it is set-user-id, `nobody`
/// if root did. Open sockets stay open. A program without root's rights is left as it is.
///
/// The C library changes the user of every thread, which a bare system call would not. In a user
/// namespace that knows no other user root is already nobody outside; EINVAL says so and is no error.
pub fn drop_root() -> io::Result<()> {
    if !is_root() {
        return Ok(());
    }
    // SAFETY: getuid and getgid have no arguments and cannot fail.
    let (user, group) = unsafe { (libc::getuid(), libc::getgid()) };
    let (user, group) = if user == 0 { (NOBODY, NOBODY) } else { (user, group) };
    let unmapped = |why: &io::Error| why.raw_os_error() == Some(libc::EINVAL);
    // SAFETY: a length of 0 makes the list of groups unused, and null is allowed for it.
    match super::check(unsafe { libc::setgroups(0, ptr::null()) }) {
        // A user namespace may forbid the call altogether: user_namespaces(7).
        Err(why) if why.raw_os_error() != Some(libc::EPERM) => return Err(why),
        _ => {}
    }
    // SAFETY: setresgid takes three plain numbers.
    match super::check(unsafe { libc::setresgid(group, group, group) }) {
        Err(why) if unmapped(&why) => return Ok(()),
        other => other?,
    };
    // SAFETY: setresuid takes three plain numbers.
    match super::check(unsafe { libc::setresuid(user, user, user) }) {
        Err(why) if unmapped(&why) => Ok(()),
        other => other.map(drop),
    }
}
