//! One UDP probe of `trace`. Needs no rights: the answer, an ICMP error, is taken from the socket's
//! error queue (IP_RECVERR in ip(7)), where the kernel puts it with the router's address.
//!
//! Each probe has a socket of its own, and so a source port of its own: the kernel finds the socket
//! by the ports that the error quotes, and a late answer to an earlier probe finds none.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::icmp_names::mark;
use super::trace::Probe;
use crate::kit::error::{is_timeout, Error};
use crate::kit::stop;
use crate::kit::sys::icmp::{set_ttl, take_error, watch_errors};

/// Where traceroute begins: nobody is likely to listen from here on.
const FIRST_PORT: u16 = 33_434;

/// How many ports are used in turn.
const PORTS: u16 = 1_000;

/// What is sent; nobody should ever read it.
const PAYLOAD: [u8; 32] = *b"socklab trace: is the port open?";

/// How long a wait lasts at most before Ctrl-C is looked for: nothing else wakes this socket.
const STEP: Duration = Duration::from_millis(100);

/// Sends datagram number `sent` to `target` with this time to live and waits for the answer; `None`
/// when there was none. Errs when it cannot be sent.
pub fn probe(target: SocketAddr, sent: u16, ttl: u8, patience: Duration) -> Result<Option<Probe>, Error> {
    let (v6, mut target) = (target.is_ipv6(), target);
    target.set_port(FIRST_PORT + (sent - 1) % PORTS);
    let socket = UdpSocket::bind(if v6 { "[::]:0" } else { "0.0.0.0:0" })?;
    let cannot_send = |why: std::io::Error| Error::io(format!("cannot send to {}", target.ip()), &why);
    watch_errors(&socket, v6)?;
    set_ttl(&socket, v6, ttl)?;
    socket.connect(target).map_err(cannot_send)?;
    let began = Instant::now();
    // EHOSTUNREACH and its like may come from an answer that was faster than this call's return.
    let outcome = socket.send(&PAYLOAD);
    let mut buffer = [0; 512];
    let answered = |from, rtt, mark, last| Ok(Some(Probe { from, rtt, mark, last }));
    loop {
        let rtt = began.elapsed();
        if let Ok(entry) = take_error(&socket, &mut buffer) {
            let Some(error) = entry.error else { continue };
            if !error.by_icmp {
                return Err(cannot_send(std::io::Error::from_raw_os_error(error.errno)));
            }
            let on_the_way = error.kind == if v6 { 3 } else { 11 };
            let from = error.offender.unwrap_or(target.ip());
            return answered(from, rtt, mark(v6, error.kind, error.code), !on_the_way);
        }
        if let Err(why) = outcome {
            return Err(cannot_send(why));
        }
        if rtt >= patience || stop::requested() {
            return Ok(None);
        }
        socket.set_read_timeout(Some((patience - rtt).min(STEP)))?;
        match socket.recv(&mut buffer) {
            // Somebody listens there after all, and has answered.
            Ok(_) => return answered(target.ip(), began.elapsed(), None, true),
            Err(why) if is_timeout(&why) => {}
            // The errors of the queue also end the wait; the next round takes them from there.
            Err(_) => {}
        }
    }
}
