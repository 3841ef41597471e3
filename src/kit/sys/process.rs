//! Other processes: a child that hears signals and ends with its parent, and a signal that cannot
//! reach the wrong one; and what a thread of this process is called. See PR_SET_PDEATHSIG(2const),
//! pidfd_open(2), pidfd_send_signal(2).

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

/// Lets the kernel kill the child that `command` will start as soon as the thread that starts it has
/// ended, however it ends: nobody can clean up after his own `kill -9`.
pub fn die_with_parent(command: &mut Command) {
    let parent = std::process::id();
    let tie = move || {
        // SAFETY: prctl with PR_SET_PDEATHSIG takes one number and concerns the calling process only.
        super::check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong) })?;
        // The parent may have ended before that call. SAFETY: getppid takes nothing and cannot fail.
        let parent_now = unsafe { libc::getppid() };
        if u32::try_from(parent_now) != Ok(parent) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        Ok(())
    };
    // SAFETY: what runs between fork and exec makes two system calls and touches neither the heap nor
    // a lock, which another thread might have held at the fork.
    unsafe { command.pre_exec(tie) };
}

/// Gives the calling thread a name, for ps and top; the kernel keeps 15 bytes. See PR_SET_NAME(2const).
pub fn name_thread(name: &str) -> io::Result<()> {
    let name = CString::new(name)?;
    // SAFETY: prctl with PR_SET_NAME reads a C string, which outlives the call.
    super::check(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) }).map(drop)
}

/// Lets the program that `command` will start hear SIGINT, SIGTERM and SIGHUP. This process blocks them
/// ([`super::signal::block`]), and a program inherits what is blocked.
pub fn with_signals(command: &mut Command) {
    // SAFETY: what runs between fork and exec makes one system call and touches neither the heap nor a
    // lock.
    unsafe { command.pre_exec(super::signal::unblock) };
}

/// A hold on one process. A number may be given to another process as soon as its owner has ended;
/// this stays with the one that had the number when it was made.
#[derive(Debug)]
pub struct Hold(File);

impl Hold {
    /// Takes hold of the process that has the number now. Errs when there is none.
    pub fn of(pid: u32) -> io::Result<Hold> {
        // SAFETY: pidfd_open takes two numbers and returns a new descriptor or -1.
        let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(pid), 0) };
        let descriptor = super::check(descriptor as RawFd)?;
        // SAFETY: the descriptor is open and nobody else's.
        Ok(Hold(unsafe { File::from_raw_fd(descriptor) }))
    }

    /// Sends it a signal. Errs when it has ended.
    pub fn signal(&self, number: i32) -> io::Result<()> {
        let (none, descriptor) = (ptr::null::<libc::siginfo_t>(), self.0.as_raw_fd());
        // SAFETY: the descriptor is open; a null pointer says that the signal is like that of kill(2).
        let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, descriptor, number, none, 0) };
        super::check(sent as libc::c_int).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn a_signal_reaches_the_one_that_is_held_and_nobody_after_it() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let hold = Hold::of(child.id()).unwrap();
        hold.signal(libc::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
        assert!(hold.signal(libc::SIGTERM).is_err(), "it has gone");
        assert!(Hold::of(child.id()).is_err());
    }

    #[test]
    fn a_program_hears_what_its_parent_has_blocked() {
        let status = std::thread::spawn(|| {
            super::super::signal::block(&[libc::SIGTERM]).unwrap();
            let mut command = Command::new("sh");
            with_signals(command.args(["-c", "kill -s TERM $$"]));
            command.status().unwrap()
        });
        assert_eq!(status.join().unwrap().signal(), Some(libc::SIGTERM));
    }

    #[test]
    fn a_child_ends_with_the_thread_that_started_it() {
        let mut child = std::thread::spawn(|| {
            let mut command = Command::new("sleep");
            die_with_parent(command.arg("60"));
            command.spawn().unwrap()
        })
        .join()
        .unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }
}
