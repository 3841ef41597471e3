//! Signals, taken synchronously: blocked everywhere, waited for in one thread.
//!
//! A signal *handler* interrupts a thread at any instruction, so it may touch almost nothing (no
//! lock, no allocation: signal-safety(7)). A thread that *waits* for the signal is ordinary code.
//! See pthread_sigmask(3), sigwait(3), sigtimedwait(2).

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::Duration;

/// Ctrl-C at the terminal.
pub const SIGINT: i32 = libc::SIGINT;
/// The polite request to end: what `kill PID` sends.
pub const SIGTERM: i32 = libc::SIGTERM;
/// The terminal has gone: its window was closed, or the connection to it broke.
pub const SIGHUP: i32 = libc::SIGHUP;
/// The request that cannot be refused.
pub const SIGKILL: i32 = libc::SIGKILL;
/// Ctrl-\ at the terminal. Ends a program by default; a pinger says how it is doing.
pub const SIGQUIT: i32 = libc::SIGQUIT;

/// The set that holds exactly `signals`.
fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the whole set; sigaddset then changes an initialised one. Both
    // can fail only for a number that is no signal, and the callers pass constants of libc.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for &signal in signals {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

/// Whether this process was started with `number` ignored, as nohup(1) does with SIGHUP.
pub fn is_ignored(number: i32) -> io::Result<bool> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a null pointer says that nothing is to be changed, so the call only fills in `action`.
    super::check(unsafe { libc::sigaction(number, ptr::null(), action.as_mut_ptr()) })?;
    // SAFETY: the call has succeeded, so the whole of it is filled in.
    Ok(unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN)
}

/// Blocks `signals` in the calling thread and in every thread it starts later, so that they stay
/// pending until [`wait`] takes them. Also restores their default disposition: a shell starts
/// background jobs with SIGINT ignored, and an ignored signal never becomes pending.
pub fn block(signals: &[i32]) -> io::Result<()> {
    let set = set_of(signals);
    // SAFETY: `set` is initialised, and a null pointer says that the old mask is not wanted.
    let error = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, ptr::null_mut()) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    for &signal in signals {
        // SAFETY: SIG_DFL installs no code of ours, so there is nothing that could run unsafely.
        if unsafe { libc::signal(signal, libc::SIG_DFL) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Takes back every [`block`] of the calling thread: for a child, before it becomes another program.
pub fn unblock() -> io::Result<()> {
    let set = set_of(&[]);
    // SAFETY: `set` is initialised, and a null pointer says that the old mask is not wanted.
    match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &set, ptr::null_mut()) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Waits until one of the blocked `signals` arrives and returns its number; `None` when `timeout`
/// (without one: never) passes first.
pub fn wait(signals: &[i32], timeout: Option<Duration>) -> io::Result<Option<i32>> {
    let set = set_of(signals);
    let limit = timeout.map(super::poll::timespec);
    let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `set` is initialised, null means "no details wanted", and `limit` is null or points to
    // a timespec that lives until the end of this function.
    let signal = unsafe { libc::sigtimedwait(&set, ptr::null_mut(), limit) };
    match super::check(signal) {
        Ok(signal) => Ok(Some(signal)),
        Err(error) => match error.raw_os_error() {
            // EINTR: the process was stopped and continued (Ctrl-Z, fg). Nothing has arrived.
            Some(libc::EAGAIN | libc::EINTR) => Ok(None),
            _ => Err(error),
        },
    }
}

/// Ends the process as a signal that was never blocked would: the parent sees that it was killed by
/// `signal`. Errs when the signal cannot be let through; its default must be to end a process.
pub fn die_of(signal: i32) -> io::Result<()> {
    let set = set_of(&[signal]);
    // SAFETY: `set` is initialised, and a null pointer says that the old mask is not wanted.
    let error = unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, ptr::null_mut()) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    // SAFETY: raise takes a plain number; no handler of ours runs.
    super::check(unsafe { libc::raise(signal) })?;
    Ok(())
}
