//! What the system allows this process: descriptors, mappings, and how it is scheduled.

use std::fs;
use std::io;

/// Raises the soft limit of open descriptors to the hard one and returns it.
///
/// Shells hand out 1,024 for the sake of old programs that use `select(2)`; a server that uses
/// `poll` and threads may take what it is allowed. See getrlimit(2).
pub fn raise_descriptors() -> io::Result<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit that the call fills in.
    super::check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: `limit` is a valid rlimit that the call only reads.
        super::check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    }
    Ok(usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

/// How many threads the limit on memory mappings (`vm.max_map_count`) leaves room for.
///
/// A thread of Rust's std takes four mappings: its stack, the guard page below it, and the same two
/// for the stack on which an overflow is reported. When they run out, std panics in the new thread.
/// A tenth is left for everything else; where the limit cannot be read, Linux's default counts.
pub fn most_threads() -> usize {
    const DEFAULT_MAPPINGS: usize = 65_530;
    const MAPPINGS_A_THREAD: usize = 4;
    let mappings = fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(DEFAULT_MAPPINGS);
    mappings / 10 * 9 / MAPPINGS_A_THREAD
}

/// Asks the scheduler to treat this process, and the threads it starts, as a batch job.
///
/// An ordinary thread that wakes up preempts the running one. With a thread a client, each message
/// wakes a thread, so a busy server is interrupted thousands of times a second in the middle of a
/// reply. Under SCHED_BATCH the woken thread waits for its turn: fewer switches, more replies. It
/// needs no privilege and changes neither priority nor share. See sched(7).
pub fn schedule_as_batch() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 means the calling thread; `parameters` is valid and only read.
    super::check(unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &parameters) })?;
    Ok(())
}

/// Whether this process acts as root. See geteuid(2).
pub fn is_root() -> bool {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}
