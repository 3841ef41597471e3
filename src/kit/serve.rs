//! The accept loop: one thread per client, a cap, an idle limit, an orderly end.
//!
//! This is the sheets' `while True: conn, addr = s.accept(); Thread(target=…).start()` with what that
//! loop leaves out: somebody has to count the threads, wait when there are too many, survive the
//! errors of `accept`, keep one client's panic away from the others, and end.
//!
//! The cap works by *not* accepting: the kernel completes the handshake and keeps the connection in
//! its queue (see [`super::tcp::QUEUE`]), and the client simply waits until a place is free.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::address::canonical;
use super::args::Args;
use super::error::{is_timeout, Error};
use super::sys::{limits, socket};
use super::{screen, stop, tcp};

/// Stack of a client's thread. Only pages that are touched take memory; the rest is address space.
const STACK: usize = 128 * 1024;

/// How long to wait when descriptors, memory or threads have run out, unless a client leaves first.
pub(super) const PATIENCE: Duration = Duration::from_millis(200);

/// How long a server that has run out of something stays silent about it.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// Descriptors kept for everything that is not a client.
const RESERVED_DESCRIPTORS: usize = 64;

/// The default of `--max-clients`, where descriptors and threads allow it.
pub const MAX_CLIENTS: usize = 10_000;

/// The limits of a server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many clients are served at once.
    pub clients: usize,
    /// How long one read or write of a client may wait; `None`: for ever.
    pub idle: Option<Duration>,
}

impl Limits {
    /// From `--max-clients` and `--idle` (0: for ever). Also raises the limit of descriptors.
    pub fn from_args(args: &Args) -> Limits {
        // A limit that cannot be raised is no reason not to serve.
        let descriptors = limits::raise_descriptors().unwrap_or(1024);
        let allowed = descriptors.saturating_sub(RESERVED_DESCRIPTORS).min(limits::most_threads());
        let asked = args.count_if("--max-clients").map(|asked| asked as usize);
        let clients = asked.unwrap_or(MAX_CLIENTS.min(allowed)).clamp(1, limits::most_threads());
        let idle = args.seconds_if("--idle").filter(|idle| !idle.is_zero());
        Limits { clients, idle }
    }
}

/// Serves every client of `listener` with `handle` in a thread of its own, until SIGINT or SIGTERM;
/// then lets replies under way finish and says what was served.
///
/// `handle` gets the connection, with the idle limit set on reads and writes, and the client's
/// address. An error it returns is reported under that address and ends that conversation only.
pub fn serve<H>(listener: TcpListener, limits: Limits, handle: H) -> Result<(), Error>
where
    H: Fn(&TcpStream, SocketAddr) -> Result<(), Error> + Send + Sync + 'static,
{
    // Refused by some sandboxes; then it is only slower.
    let _ = limits::schedule_as_batch();
    let listener = Arc::new(listener);
    let places = Arc::new(Places::default());
    let handle = Arc::new(handle);
    let (woken, gate) = (Arc::clone(&listener), Arc::clone(&places));
    stop::graceful(stop::GRACE, move || {
        let _ = socket::shut_reading(&*woken);
        gate.changed.notify_all();
    });
    tcp::announce(&listener)?;

    while places.wait_for_room(limits.clients) {
        match listener.accept() {
            Ok((stream, client)) => start(&places, &handle, limits, stream, canonical(client)),
            Err(_) if stop::requested() => break,
            Err(error) => places.wait_out("cannot accept a client", &error)?,
        }
    }
    places.let_finish(stop::GRACE);
    let state = places.lock();
    say_served(state.served, state.most);
    Ok(())
}

/// The line with which a server ends.
pub(super) fn say_served(clients: u64, most: usize) {
    let plural = if clients == 1 { "" } else { "s" };
    screen::note(&format!("served {clients} client{plural}, at most {most} at once"));
}

/// Starts one client's thread; waits when the system has no thread to give.
fn start<H>(places: &Arc<Places>, handle: &Arc<H>, limits: Limits, stream: TcpStream, client: SocketAddr)
where
    H: Fn(&TcpStream, SocketAddr) -> Result<(), Error> + Send + Sync + 'static,
{
    let stream = Arc::new(stream);
    let place = Arc::new(Place::take(places, &stream));
    loop {
        let (handle, stream, kept) = (Arc::clone(handle), Arc::clone(&stream), Arc::clone(&place));
        let body = move || {
            let _place = kept;
            converse(&*handle, limits, &stream, client);
        };
        let thread = thread::Builder::new().name(client.to_string()).stack_size(STACK);
        match thread.spawn(body) {
            Ok(_) => return,
            Err(_) if stop::requested() => return,
            // Threads come back as clients leave; this one keeps its place and waits.
            Err(error) => drop(places.wait_out("cannot start a thread", &error)),
        }
    }
}

/// One client's thread: runs the handler and reports how it ended, unless it ended well.
fn converse<H>(handle: &H, limits: Limits, stream: &TcpStream, client: SocketAddr)
where
    H: Fn(&TcpStream, SocketAddr) -> Result<(), Error>,
{
    let conversation = || {
        stream.set_read_timeout(limits.idle)?;
        stream.set_write_timeout(limits.idle)?;
        // A reply goes out at once instead of waiting for the ACK of the one before (Nagle, RFC 896).
        stream.set_nodelay(true)?;
        handle(stream, client)
    };
    // A panic has been reported by std's hook, under the thread's name, which is the client's address.
    match panic::catch_unwind(AssertUnwindSafe(conversation)) {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(Error::OutputClosed)) => stop::request(),
        Ok(Err(Error::Io(error))) if is_timeout(&error) => {
            let limit = limits.idle.unwrap_or_default().as_secs_f64();
            screen::note(&format!("{client}: let go after {limit} s of silence"));
        }
        Ok(Err(error)) => screen::note(&format!("{client}: {error}")),
    }
}

/// Who is being served.
#[derive(Default)]
struct Places {
    state: Mutex<State>,
    /// Notified when a client leaves and when the server is asked to stop.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    live: HashMap<u64, Arc<TcpStream>>,
    served: u64,
    most: usize,
    trouble: Trouble,
}

impl Places {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until fewer than `cap` clients are served; false when the server shall stop instead.
    fn wait_for_room(&self, cap: usize) -> bool {
        let mut state = self.lock();
        while state.live.len() >= cap && !stop::requested() {
            // The timeout covers a stop request that came between the test and the wait.
            state = self.changed.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner).0;
        }
        !stop::requested()
    }

    /// Survives a failed accept or spawn: says so once, then waits until a client has left or a
    /// moment has passed. Errs only for a listener that can never work again. See accept(2).
    fn wait_out(&self, what: &str, why: &io::Error) -> Result<(), Error> {
        let mut state = self.lock();
        if state.trouble.is_passing(what, why)? {
            return Ok(());
        }
        drop(self.changed.wait_timeout(state, PATIENCE));
        Ok(())
    }

    /// Gives every reply under way `grace` to finish. Clients see the end of their stream: a thread
    /// that waits for its client reads 0 bytes, as if the client had closed, and ends.
    fn let_finish(&self, grace: Duration) {
        let deadline = Instant::now() + grace;
        let mut state = self.lock();
        for stream in state.live.values() {
            let _ = socket::shut_reading(&**stream);
        }
        while !state.live.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                screen::note(&format!("{} clients did not finish in time", state.live.len()));
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
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
            Some(libc::ECONNABORTED) => return Ok(true),
            Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK) => return Err(Error::io(what, why)),
            _ => {}
        }
        if self.said.is_none_or(|said| said.elapsed() > SAY_AGAIN) {
            screen::note(&format!("{}; new clients wait until one leaves", Error::io(what, why)));
            self.said = Some(Instant::now());
        }
        Ok(false)
    }
}

/// One client's place, free again when it is dropped, also by a panic.
struct Place {
    places: Arc<Places>,
    number: u64,
}

impl Place {
    fn take(places: &Arc<Places>, stream: &Arc<TcpStream>) -> Place {
        let mut state = places.lock();
        let number = state.served;
        state.served += 1;
        state.live.insert(number, Arc::clone(stream));
        state.most = state.most.max(state.live.len());
        Place { places: Arc::clone(places), number }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let closed = self.places.lock().live.remove(&self.number);
        // The last owner closes the connection: here, in the client's own thread, outside the lock.
        drop(closed);
        self.places.changed.notify_all();
    }
}
