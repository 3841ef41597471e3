//! Waiting awake: a moment of asking before a thread goes to sleep in `read`.
//!
//! To wake a sleeping thread, and a processor that had nothing else to do, takes longer than all the
//! rest of an echo. So while a server has fewer clients than there are processors, the thread of a
//! client asks for the next bytes for a moment before it lies down. A program at the other end, which
//! answers at once, then finds it awake; for a person who types it makes no difference.
//!
//! What it costs: up to that moment of processor time after each message (in strace, a run of `ppoll`
//! and `sched_yield` before the `recvfrom`); and on a machine whose processors are all busy with other
//! programs, a worse turn in the queue than a thread that was asleep would get. With more clients than
//! processors everybody sleeps: who waits awake then takes the processor from another client. The
//! figures are in docs/performance.md.

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use super::sys::poll::{poll, Watched, READABLE};

/// How long a thread waits awake: about as long as two processes on one machine take to answer.
const AWAKE: Duration = Duration::from_micros(50);

/// How many clients this process serves, each in a thread; counted by the places. 0 in a client.
pub(super) static CLIENTS: AtomicUsize = AtomicUsize::new(0);

/// Returns when something has arrived on `stream`, or after a moment, or at once where waiting awake
/// does not help. The read that follows finds out which, and sleeps if it must.
pub(super) fn wait(stream: &TcpStream) {
    let clients = CLIENTS.load(Relaxed);
    if clients > 0 && clients < processors() {
        wait_awake(stream, AWAKE);
    }
}

/// The same, whoever else there is, for at most `moment`.
fn wait_awake(stream: &TcpStream, moment: Duration) {
    let mut watched = [Watched::new(stream, READABLE)];
    let began = Instant::now();
    // An error ends the wait as well: the read will report it.
    while matches!(poll(&mut watched, Some(Duration::ZERO)), Ok(0)) && began.elapsed() < moment {
        // Whoever else wants this processor goes first, most of all a client on this machine.
        thread::yield_now();
    }
}

/// How many processors this process may use; asked once, since the answer takes several calls.
fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    #[test]
    fn it_ends_with_the_moment_or_with_the_first_byte() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        wait_awake(&far, Duration::from_millis(1));
        near.write_all(b"x").unwrap();
        let began = Instant::now();
        wait_awake(&far, Duration::from_secs(60));
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}
