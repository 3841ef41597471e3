//! Who is being served: the counting gate of [`super::serve`](mod@super::serve).
//!
//! Each client has a [`Place`]; the accept loop waits here while all are taken, while the system has
//! run out of something, and at the end for the last clients to leave.

use std::collections::HashMap;
use std::io;
use std::net::TcpStream;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::error::{reason, Error};
use super::sys::socket;
use super::{awake, screen, stop};

/// How long to wait when descriptors, memory or threads have run out, unless a client leaves first.
pub(super) const PATIENCE: Duration = Duration::from_millis(200);

/// How long a server that has run out of something stays silent about it.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// Who is being served.
#[derive(Default)]
pub(super) struct Places {
    state: Mutex<State>,
    /// Notified when a client leaves and when the server is asked to stop.
    pub(super) changed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    /// The connections, by the number of their place. They belong to their threads.
    live: HashMap<u64, Weak<TcpStream>>,
    pub(super) served: u64,
    /// The most that were served at once.
    pub(super) most: usize,
    trouble: Trouble,
}

impl Places {
    /// The state, even after a panic elsewhere: it is whole between any two of its statements.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until fewer than `cap` clients are served; false when the server shall stop instead.
    pub(super) fn wait_for_room(&self, cap: usize) -> bool {
        let mut state = self.lock();
        while state.live.len() >= cap && !stop::requested() {
            // The timeout covers a stop request that came between the test and the wait.
            state = self.changed.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner).0;
        }
        !stop::requested()
    }

    /// Survives a failed accept or spawn: says so once, then waits until a client has left or a
    /// moment has passed. Errs only for a listener that can never work again. See accept(2).
    pub(super) fn wait_out(&self, what: &str, why: &io::Error) -> Result<(), Error> {
        let mut state = self.lock();
        if state.trouble.is_passing(what, why)? {
            return Ok(());
        }
        drop(self.changed.wait_timeout(state, PATIENCE));
        Ok(())
    }

    /// Gives every reply under way `grace` to finish. Clients see the end of their stream: a thread
    /// that waits for its client reads 0 bytes, as if the client had closed, and ends.
    pub(super) fn let_finish(&self, grace: Duration) {
        let deadline = Instant::now() + grace;
        let mut state = self.lock();
        for stream in state.live.values().filter_map(Weak::upgrade) {
            let _ = socket::shut_reading(&*stream);
        }
        while !state.live.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                say_unfinished(state.live.len());
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The line about clients that were still being served when the grace was over.
pub(super) fn say_unfinished(clients: usize) {
    let plural = if clients == 1 { "" } else { "s" };
    screen::note(&format!("{clients} client{plural} did not finish in time"));
}

/// Something that a server has run out of: said once a minute at most, not at every attempt.
#[derive(Default)]
pub(super) struct Trouble {
    said: Option<Instant>,
}

impl Trouble {
    /// Judges a failed `accept` or spawn. True: only that client is lost, go on at once. False: the
    /// system has run out of something, wait a moment. Err: this listener can never work again.
    pub(super) fn is_passing(&mut self, what: &str, why: &io::Error) -> Result<bool, Error> {
        match why.raw_os_error() {
            // What accept(2) says to expect from Linux: the error is the newcomer's own, met on its way.
            Some(
                libc::ECONNABORTED
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::ENONET
                | libc::EOPNOTSUPP
                | libc::EPERM,
            ) => return Ok(true),
            Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK) => return Err(Error::io(what, why)),
            _ => {}
        }
        if self.said.is_none_or(|said| said.elapsed() > SAY_AGAIN) {
            let reason = match why.raw_os_error() {
                // Its text is "temporarily unavailable", which does not say what.
                Some(libc::EAGAIN) => {
                    "no more threads or no memory for one (see `ulimit -u` and `-v`)".to_string()
                }
                _ => reason(why),
            };
            screen::note(&format!("{what}: {reason}; new clients wait until one leaves"));
            self.said = Some(Instant::now());
        }
        Ok(false)
    }
}

/// One client's place, free again when it is dropped, also by a panic.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
}

impl Place {
    pub(super) fn take(places: &Arc<Places>, stream: &Arc<TcpStream>) -> Place {
        let mut state = places.lock();
        let number = state.served;
        state.served += 1;
        state.live.insert(number, Arc::downgrade(stream));
        state.most = state.most.max(state.live.len());
        awake::CLIENTS.fetch_add(1, Relaxed);
        Place { places: Arc::clone(places), number }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        awake::CLIENTS.fetch_sub(1, Relaxed);
        self.places.lock().live.remove(&self.number);
        self.places.changed.notify_all();
    }
}
