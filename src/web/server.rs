//! `web-server`: the files below a folder, over HTTP/1.1, to any number of clients at once.
//!
//! Sheet: CSE3214, assignment 1 and its first optional exercise. Read [`super::basic`] first, which is
//! the assignment itself; here each connection has a thread, and may carry many requests.
//!
//! ```text
//! Python                                          here
//! while True:
//!     connectionSocket, addr = s.accept()         kit::serve::serve
//!     Thread(target=answer, args=(…)).start()     connection::converse, in a thread of its own
//! ```
//!
//! The exercise says that the connection is then set up "through another port". It is not: an accepted
//! connection keeps the listener's port, and connections differ by the address and port of the client.
//! It also wants a connection for each request; HTTP/1.1 keeps one open, because the handshake costs a
//! round trip each time, and so do we, unless a side says `Connection: close`.
//!
//! On the wire, two requests on one connection:
//!
//! ```text
//! client → server   GET / HTTP/1.1\r\nHost: a\r\n\r\n
//! server → client   HTTP/1.1 200 OK\r\n…\r\nContent-Length: 1234\r\n\r\n…
//! client → server   GET /style.css HTTP/1.1\r\nHost: a\r\nIf-None-Match: "…"\r\n\r\n
//! server → client   HTTP/1.1 304 Not Modified\r\n…\r\n\r\n
//! ```
//!
//! Limits: no TLS, no virtual hosts, no compression, no uploads; several ranges at once are answered
//! with the whole file. A listing is made in memory. When nobody reads the access log (`| less`), it
//! fills the pipe and the server waits; `--quiet` has none. The numbers are in [`limits`].

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;

use super::connection::{converse, Service};
use super::site::Site;
use super::{basic, limits};
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::serve::{serve, Limits};
use crate::kit::sys::socket;
use crate::kit::usage::{self, Flag, Kind, Operand, Usage};
use crate::kit::{screen, stop, tcp};

/// What the sheet listens on.
const PORT: u16 = 6789;

const OPERANDS: &[Operand] = &[usage::port("6789")];
const FLAGS: &[Flag] = &[
    usage::switch(
        "--one-at-a-time",
        "the sheet's own program: one request at a time; of the other flags only --root and --bind count",
    ),
    Flag {
        name: "--root",
        short: "",
        value: "FOLDER",
        kind: Kind::Path,
        default: Some("."),
        help: "serve the files below this folder",
    },
    usage::switch("--quiet", "no access log"),
    usage::bind("0.0.0.0"),
    usage::MAX_CLIENTS,
    usage::idle("15"),
];

/// What `web-server` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, notes: limits::NOTES, ..Usage::NONE };

/// Runs `web-server`.
pub fn run(args: &Args) -> Result<(), Error> {
    let site = Site::open(args.path("--root"))?;
    let listener = tcp::listen(args.text("--bind"), args.port("PORT"), PORT)?;
    if args.has("--one-at-a-time") {
        return one_at_a_time(listener, &site);
    }
    let limits = Limits::from_args(args);
    let service = Arc::new(Service {
        site,
        idle: limits.idle,
        log: !args.has("--quiet"),
        requests: AtomicU64::new(0),
        sent: AtomicU64::new(0),
        log_failed: AtomicBool::new(false),
    });
    let shared = Arc::clone(&service);
    serve(listener, limits, move |stream, client| converse(&shared, stream, client))?;
    let (requests, sent) = (service.requests.load(Ordering::Relaxed), service.sent.load(Ordering::Relaxed));
    let plural = if requests == 1 { "" } else { "s" };
    screen::note(&format!("served {requests} request{plural} with {sent} bytes of content"));
    Ok(())
}

/// The basic assignment, ended by a signal as all servers are.
fn one_at_a_time(listener: TcpListener, site: &Site) -> Result<(), Error> {
    let listener = Arc::new(listener);
    let woken = Arc::clone(&listener);
    stop::graceful(stop::GRACE, move || {
        let _ = socket::shut_reading(&*woken);
    });
    tcp::announce(&listener)?;
    let clients = basic::serve(&listener, site)?;
    let plural = if clients == 1 { "" } else { "s" };
    screen::note(&format!("served {clients} client{plural}, one at a time"));
    Ok(())
}
