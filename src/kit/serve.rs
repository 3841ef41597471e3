//! The accept loop: one thread per client, a cap, an idle limit, an orderly end.
//!
//! This is the sheets' `while True: conn, addr = s.accept(); Thread(target=…).start()` with what that
//! loop leaves out: somebody has to count the threads, wait when there are too many, survive the
//! errors of `accept`, keep one client's panic away from the others, and end.
//!
//! Starting a thread costs more than a short answer, so one whose client has left stays for a moment and
//! takes the next (`crew.rs`). The rest is as on the sheets.
//!
//! The cap works by *not* accepting: the kernel completes the handshake and keeps the connection in
//! its queue (see [`super::tcp::QUEUE`]), and the client simply waits until a place is free.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::address::canonical;
use super::args::Args;
use super::crew::Crew;
use super::error::{is_timeout, Error};
use super::places::{Place, Places};
use super::sys::{limits, process, socket};
use super::{screen, stop, tcp};

/// Stack of a client's thread. Only pages that are touched take memory; the rest is address space.
const STACK: usize = 128 * 1024;

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
    let service = Arc::new(Service { handle, limits, crew: Crew::new() });
    let (woken, gate) = (Arc::clone(&listener), Arc::clone(&places));
    stop::graceful(stop::GRACE, move || {
        let _ = socket::shut_reading(&*woken);
        gate.changed.notify_all();
    });
    tcp::announce(&listener)?;

    while places.wait_for_room(limits.clients) {
        match listener.accept() {
            Ok((stream, address)) => start(&places, &service, stream, canonical(address)),
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

/// What the threads of a server share.
struct Service<H> {
    handle: H,
    limits: Limits,
    crew: Crew<Client>,
}

/// One client. The order counts: the connection is closed before its place is free again.
struct Client {
    address: SocketAddr,
    stream: Arc<TcpStream>,
    _place: Place,
}

/// Gives one client a thread: one whose client has left, or a new one. Waits when the system has none to
/// give.
fn start<H>(places: &Arc<Places>, service: &Arc<Service<H>>, stream: TcpStream, address: SocketAddr)
where
    H: Fn(&TcpStream, SocketAddr) -> Result<(), Error> + Send + Sync + 'static,
{
    let stream = Arc::new(stream);
    let _place = Place::take(places, &stream);
    service.crew.add(Client { address, stream, _place });
    while service.crew.needs_another() {
        let shared = Arc::clone(service);
        let thread = thread::Builder::new().name("client".to_string()).stack_size(STACK);
        let Err(error) = thread.spawn(move || live(&shared)) else { continue };
        service.crew.less();
        if stop::requested() {
            return service.crew.clear();
        }
        // A thread whose client leaves may take this one meanwhile; until then it keeps its place and waits.
        if let Err(error) = places.wait_out("cannot start a thread", &error) {
            service.crew.clear();
            screen::note(&format!("{address}: {error}"));
        }
    }
}

/// A thread's life: one client after the other, as long as they come.
fn live<H>(service: &Service<H>)
where
    H: Fn(&TcpStream, SocketAddr) -> Result<(), Error>,
{
    while let Some(client) = service.crew.next() {
        // For whoever looks with top or ps; the kernel keeps 15 characters.
        let _ = process::name_thread(&client.address.to_string());
        converse(&service.handle, service.limits, &client.stream, client.address);
        service.crew.more();
    }
}

/// One client's conversation: runs the handler and reports how it ended, unless it ended well.
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
    match panic::catch_unwind(AssertUnwindSafe(conversation)) {
        Ok(Ok(())) => {}
        // What it was about has been reported by std's hook.
        Err(_) => screen::note(&format!("{client}: the conversation ended in a panic, a mistake of ours")),
        Ok(Err(Error::OutputClosed)) => stop::request(),
        Ok(Err(Error::Io(error))) if is_timeout(&error) => {
            let limit = limits.idle.unwrap_or_default().as_secs_f64();
            screen::note(&format!("{client}: let go after {limit} s of silence"));
        }
        Ok(Err(error)) => screen::note(&format!("{client}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_panic_ends_its_own_conversation_and_frees_its_place() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, address) = listener.accept().unwrap();
        let places = Arc::new(Places::default());
        let handle = |_: &TcpStream, _: SocketAddr| -> Result<(), Error> { panic!("on purpose") };
        let limits = Limits { clients: 1, idle: None };
        start(&places, &Arc::new(Service { handle, limits, crew: Crew::new() }), stream, address);
        assert!(places.wait_for_room(1));
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "the connection is closed");
        assert_eq!(places.lock().served, 1);
    }
}
