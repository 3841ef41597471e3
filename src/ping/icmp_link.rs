//! The socket below `ping` and `trace`: sends requests, and turns whatever comes back (packets of a
//! raw socket, or packets and an error queue of the kernel's ping socket) into one kind of event.
//!
//! Which of the two sockets it is makes no difference above this file. A raw socket sees the ICMP
//! packets of every pinger on the host, so identifier and destination are compared here; the kernel
//! does that for a ping socket, whose identifier it chooses.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::icmp_packet::{self as packet, Message};
use crate::kit::error::{is_timeout, Error};
use crate::kit::sys::icmp::{self, IcmpSocket};
use crate::kit::sys::{privilege, socket};
use crate::kit::{stop, udp};

/// The longest packet: an IP header with all its options, then as much as UDP could carry and more.
const LONGEST: usize = 65_535;

/// Room for requests and replies on their way through the socket.
pub const LARGEST_PAYLOAD: u64 = udp::LARGEST as u64;

/// An open link to one host.
#[derive(Debug)]
pub struct Link {
    icmp: IcmpSocket,
    target: SocketAddr,
    /// The identifier of our requests.
    pub identifier: u16,
    buffer: Vec<u8>,
    /// The request that was sent last.
    request: Vec<u8>,
    /// The read timeout that the socket has, so that it is set only when it changes.
    timeout: Option<Duration>,
}

/// What came back.
#[derive(Debug)]
pub enum Event<'a> {
    /// An echo reply with our identifier.
    Reply {
        /// Who sent it.
        from: IpAddr,
        /// Its time to live on arrival.
        ttl: Option<u8>,
        /// Its sequence number.
        sequence: u16,
        /// Its payload.
        payload: &'a [u8],
        /// Whether its checksum is right.
        intact: bool,
        /// When the kernel took it in, since 1970.
        stamp: Option<Duration>,
    },
    /// A router or a host says that a request went wrong.
    Report {
        /// Who says so.
        from: IpAddr,
        /// The request's sequence number.
        sequence: u16,
        /// The ICMP type.
        kind: u8,
        /// The ICMP code.
        code: u8,
        /// A gateway, an MTU, a pointer, by type.
        rest: u32,
        /// When the kernel took it in, since 1970.
        stamp: Option<Duration>,
    },
    /// Nothing that concerns us: time passed, a signal came, or a packet was somebody else's.
    Nothing,
}

impl Link {
    /// Opens the socket for `target`, gives up the rights that this needed, and arranges that Ctrl-C
    /// wakes [`Link::receive`]. `identifier` marks our requests where the kernel does not choose.
    pub fn open(mut target: SocketAddr, identifier: u16) -> Result<Link, Error> {
        target.set_port(0);
        let opened = IcmpSocket::open(target.is_ipv6());
        // At once, before anything else is done, and also when opening has failed.
        privilege::drop_root().map_err(|why| Error::io("cannot give up root's rights", &why))?;
        let icmp = opened.map_err(|why| cannot_open(&why))?;
        let identifier = if icmp.raw { identifier } else { icmp.socket.local_addr()?.port() };
        let woken = icmp.socket.try_clone()?;
        stop::graceful(stop::GRACE, move || drop(socket::shut_reading(&woken)));
        let (buffer, request) = (vec![0; LONGEST], Vec::new());
        Ok(Link { icmp, target, identifier, buffer, request, timeout: None })
    }

    /// Sets the time to live of the requests from now on.
    pub fn set_ttl(&self, ttl: u8) -> Result<(), Error> {
        icmp::set_ttl(&self.icmp.socket, self.icmp.v6, ttl)
            .map_err(|why| Error::io(format!("cannot set the time to live to {ttl}"), &why))
    }

    /// Makes a request without sending it. The real one is then made of code and memory that are at hand,
    /// and less of our own time is measured with the network's: some 5 % on loopback, after a second's sleep.
    pub fn rehearse(&mut self, sequence: u16, payload: &[u8]) {
        packet::request(self.icmp.v6, self.identifier, sequence, payload, &mut self.request);
    }

    /// Sends one request. Errs with what the system says: no route, prohibited, too long.
    pub fn send(&mut self, sequence: u16, payload: &[u8]) -> io::Result<()> {
        packet::request(self.icmp.v6, self.identifier, sequence, payload, &mut self.request);
        let sent = self.icmp.socket.send_to(&self.request, self.target);
        match sent {
            // The ping socket reports an error about an earlier request here, and has not sent this
            // one. The error's details stay in the queue for `receive`.
            Err(_) if !self.icmp.raw => self.icmp.socket.send_to(&self.request, self.target).map(drop),
            other => other.map(drop),
        }
    }

    /// Waits for an event, at most for `patience`, which the kernel rounds up to its tick.
    pub fn receive(&mut self, patience: Duration) -> io::Result<Event<'_>> {
        let patience = patience.max(Duration::from_micros(1));
        if self.timeout != Some(patience) {
            self.icmp.socket.set_read_timeout(Some(patience))?;
            self.timeout = Some(patience);
        }
        let received = match self.icmp.receive(&mut self.buffer) {
            Ok(received) => received,
            Err(why) if is_timeout(&why) => return Ok(Event::Nothing),
            // What made it fail stands in the error queue; an empty queue means an old error.
            Err(why) if !self.icmp.raw => return self.queued(&why),
            Err(why) => return Err(why),
        };
        let bytes = &self.buffer[..received.length];
        if !self.icmp.raw || self.icmp.v6 {
            let Some(from) = received.from else { return Ok(Event::Nothing) };
            // For these the kernel has checked the checksum (ICMPv6 always; ping sockets too).
            let context = Context { from, ttl: received.ttl, intact: true, stamp: received.stamp };
            return Ok(self.event(bytes, context));
        }
        let Some((header, rest)) = packet::ipv4(bytes) else { return Ok(Event::Nothing) };
        let context = Context {
            from: header.source.into(),
            ttl: Some(header.ttl),
            intact: packet::intact(rest),
            stamp: received.stamp,
        };
        Ok(self.event(rest, context))
    }

    /// What an ICMP packet means to us.
    fn event<'a>(&self, bytes: &'a [u8], context: Context) -> Event<'a> {
        let Context { from, ttl, intact, stamp } = context;
        match packet::parse(self.icmp.v6, bytes) {
            Some(Message::Reply(echo)) if echo.identifier == self.identifier => {
                let (sequence, payload) = (echo.sequence, echo.payload);
                Event::Reply { from, ttl, sequence, payload, intact, stamp }
            }
            // An error whose checksum is wrong may quote anything, so it is not believed.
            Some(Message::Report(report))
                if intact
                    && report.identifier == self.identifier
                    && report.destination == self.target.ip() =>
            {
                let (sequence, kind, code, rest) = (report.sequence, report.kind, report.code, report.rest);
                Event::Report { from, sequence, kind, code, rest, stamp }
            }
            _ => Event::Nothing,
        }
    }

    /// The oldest entry of the error queue; the packet it is about is the request as we sent it.
    fn queued(&mut self, why: &io::Error) -> io::Result<Event<'static>> {
        let entry = match icmp::take_error(&self.icmp.socket, &mut self.buffer) {
            Err(empty) if is_timeout(&empty) => return Ok(Event::Nothing),
            other => other?,
        };
        let request = &self.buffer[..entry.length];
        match (entry.error, request) {
            (Some(error), [_, _, _, _, _, _, high, low, ..]) if error.by_icmp => Ok(Event::Report {
                from: error.offender.unwrap_or(self.target.ip()),
                sequence: u16::from_be_bytes([*high, *low]),
                kind: error.kind,
                code: error.code,
                rest: error.info,
                stamp: entry.stamp,
            }),
            // This host's own verdict; the send that it is about has failed with it too.
            (Some(_), _) => Ok(Event::Nothing),
            (None, _) => Err(io::Error::new(why.kind(), why.to_string())),
        }
    }
}

/// What is known of a packet beside its bytes.
struct Context {
    from: IpAddr,
    ttl: Option<u8>,
    intact: bool,
    stamp: Option<Duration>,
}

fn cannot_open(why: &io::Error) -> Error {
    let hint = match why.kind() {
        io::ErrorKind::PermissionDenied => {
            " (run it with sudo, or let everybody's ping through: \
             sudo sysctl -w net.ipv4.ping_group_range='0 2147483647')"
        }
        _ => "",
    };
    Error::Failed(format!("cannot open an ICMP socket: {}{hint}", crate::kit::error::reason(why)))
}
