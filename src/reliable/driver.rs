//! Conversations on real sockets: a loop of sending what may leave, waiting, and taking what has come.
//!
//! ```text
//!          ┌─▶ transmit ─▶ send ─┐      until nothing may leave, or the kernel has no room
//!  turn ───┤   ppoll             │      for a datagram, the state machine's next timer, or the bell
//!          └── receive ◀─ recv ◀─┘      what has come, but at most a batch: then it is sending's turn
//! ```
//!
//! The protocol itself is in [`super::connection`]; here are only the socket, the clock and the randomness
//! that it is given. One thread does all of it: there is nothing to lock.
//!
//! `ppoll` and not a read timeout: `set_read_timeout` is rounded up to the kernel's tick, so that a wait of 1 ms
//! takes 8. For packets that are to leave a tenth of a millisecond apart that is no clock at all.
//!
//! Limits: a datagram takes a system call of its own each way. `sendmmsg` and UDP_SEGMENT would save
//! calls on links faster than a gigabit.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::listener::Listener;
use super::loss::Loss;
use super::settings::{Failure, Settings, State};
use crate::kit::address::{show, Family};
use crate::kit::error::Error;
use crate::kit::sys::event::Event;
use crate::kit::sys::poll::{poll, Watched, READABLE, WRITABLE};
use crate::kit::sys::{socket, tap};
use crate::kit::udp;

/// How many datagrams are sent, or received, before the other direction has its turn: a peer that
/// floods must not keep us from sending, nor we ourselves from listening.
const BATCH: usize = 64;

/// What is asked of the kernel for each direction, in bytes: a burst that arrives while this process waits
/// for a processor must not be lost. It grants what `net.core.rmem_max` allows.
const BUFFER: i32 = 4 << 20;

/// Bytes of the longest datagram that is looked at. A longer one is cut, and then its checksum is wrong.
const LONGEST: usize = 2048;

/// How often a datagram is handed over again when the call only reported an earlier one's fate.
const ATTEMPTS: usize = 3;

/// A socket, and a datagram that could not leave yet.
#[derive(Debug)]
struct Wire {
    socket: UdpSocket,
    /// Rung when there is something to look at besides datagrams.
    bell: Arc<Event>,
    loss: Loss,
    /// The last datagram that was written, and where to (`None`: where the socket is connected to).
    datagram: Vec<u8>,
    to: Option<SocketAddr>,
    /// Whether it waits for room in the kernel's buffer.
    blocked: bool,
    /// Whether sending stopped only because a batch was full.
    more: bool,
    /// The last failure that was about a datagram and not about the socket.
    trouble: Option<io::Error>,
    buffer: Vec<u8>,
}

impl Wire {
    /// Takes over a socket.
    fn new(socket: UdpSocket, bell: Arc<Event>, loss: Loss) -> Result<Wire, Error> {
        socket.set_nonblocking(true)?;
        socket::set_buffers(&socket, BUFFER)?;
        // Without it a packet leaves up to 50 microseconds late; nothing else depends on it.
        let _ = tap::wake_precisely();
        Ok(Wire {
            socket,
            bell,
            loss,
            datagram: Vec::with_capacity(LONGEST),
            to: None,
            blocked: false,
            more: false,
            trouble: None,
            buffer: vec![0; LONGEST],
        })
    }

    /// Sends what `next` writes, until it has nothing more, the kernel has no room, or it has been a batch.
    fn send(&mut self, mut next: impl FnMut(&mut Vec<u8>) -> Option<Option<SocketAddr>>) {
        self.more = false;
        for _ in 0..BATCH {
            if !self.blocked {
                match next(&mut self.datagram) {
                    Some(to) => self.to = to,
                    None => return,
                }
                if self.loss.strikes() {
                    continue;
                }
            }
            self.blocked = !self.hand_over();
            if self.blocked {
                return;
            }
        }
        self.more = true;
    }

    /// Hands the datagram to the kernel; false when its buffer is full. Whatever else goes wrong, the
    /// datagram is lost, as any may be, and will be sent again if it matters.
    fn hand_over(&mut self) -> bool {
        for _ in 0..ATTEMPTS {
            let sent = match self.to {
                Some(to) => self.socket.send_to(&self.datagram, to),
                None => self.socket.send(&self.datagram),
            };
            match sent {
                Ok(_) => return true,
                Err(why) if why.kind() == ErrorKind::WouldBlock => return false,
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                // The ICMP answer to an earlier datagram took the place of this call.
                Err(why) if why.kind() == ErrorKind::ConnectionRefused => self.trouble = Some(why),
                // For a moment there is no memory; that says nothing about the peer.
                Err(why) if is_shortage(&why) => return true,
                // No route, a firewall's EPERM.
                Err(why) => {
                    self.trouble = Some(why);
                    return true;
                }
            }
        }
        true
    }

    /// Waits for a datagram, for room to send, for the bell, for `wake` (the protocol's next timer), but not
    /// beyond `deadline`. A blocked sender has no use for timers that would make it send.
    fn wait(&mut self, wake: Option<Instant>, deadline: Option<Instant>) -> Result<(), Error> {
        let (events, until) = match self.blocked {
            true => (READABLE | WRITABLE, deadline),
            false if self.more => (READABLE, Some(Instant::now())),
            false => (READABLE, [wake, deadline].into_iter().flatten().min()),
        };
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        let mut watched = [Watched::new(&self.socket, events), Watched::new(&*self.bell, READABLE)];
        poll(&mut watched, timeout)?;
        if watched[1].found(READABLE) {
            self.bell.heard();
        }
        Ok(())
    }

    /// Hands what has come to `take`, at most a batch of it.
    fn receive(&mut self, mut take: impl FnMut(SocketAddr, &[u8], &UdpSocket)) -> Result<(), Error> {
        for _ in 0..BATCH {
            match self.socket.recv_from(&mut self.buffer) {
                Ok((length, from)) => take(from, &self.buffer[..length], &self.socket),
                Err(why) if why.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) if is_shortage(&why) => return Ok(()),
                Err(why) if is_about_a_datagram(&why) => self.trouble = Some(why),
                Err(why) => return Err(Error::io("cannot receive", &why)),
            }
        }
        Ok(())
    }
}

/// The kernel has no memory for the moment. No server should end over that.
fn is_shortage(why: &io::Error) -> bool {
    matches!(why.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM))
}

/// Errors that tell what became of a datagram, and nothing about the socket: mostly ICMP messages.
fn is_about_a_datagram(why: &io::Error) -> bool {
    // All that Linux makes of ICMP's "unreachable" (icmp_err_convert) and ICMPv6's, and of a cable pulled out.
    const CODES: [i32; 11] = [
        libc::ECONNREFUSED,
        libc::EHOSTUNREACH,
        libc::ENETUNREACH,
        libc::EHOSTDOWN,
        libc::ENETDOWN,
        libc::ENONET,
        libc::ENOPROTOOPT,
        libc::EOPNOTSUPP,
        libc::EPROTO,
        libc::EACCES,
        libc::EMSGSIZE,
    ];
    why.raw_os_error().is_some_and(|code| CODES.contains(&code))
}

/// A client's end: one conversation on a socket of its own.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
    peer: SocketAddr,
    /// Send on it, take from it, close it; the next turn carries it out.
    pub connection: Connection,
    give_up: u64,
}

impl Client {
    /// Begins a conversation with `host`. Nothing is sent before the first [`Client::turn`].
    pub fn connect(
        host: &str,
        port: u16,
        family: Family,
        settings: Settings,
        loss: Loss,
    ) -> Result<Client, Error> {
        let socket = udp::connect(host, port, family)?;
        let peer = socket.peer_addr()?;
        let wire = Wire::new(socket, Arc::new(Event::new()?), loss)?;
        let connection = Connection::connect(settings, u64::from_be_bytes(unguessable()?), Instant::now());
        Ok(Client { wire, peer, connection, give_up: settings.give_up.as_secs() })
    }

    /// Whom it talks to.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// A bell that ends the wait of a [`Client::turn`].
    pub fn bell(&self) -> Arc<Event> {
        Arc::clone(&self.wire.bell)
    }

    /// Sends what may leave, waits until something happens, but not beyond `deadline`, and takes what
    /// has come. Then look at the connection, and call it again unless that is over.
    ///
    /// Errs when the peer's machine says that nobody listens there, but only while the conversation
    /// opens: later anyone who can forge an ICMP message could end it, so silence alone does (RFC 5927).
    pub fn turn(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        let connection = &mut self.connection;
        self.wire.send(|datagram| connection.transmit(datagram, Instant::now()).then_some(None));
        if connection.state().is_over() {
            // Given up just now, for instance: nothing more will happen.
            return Ok(());
        }
        self.wire.wait(connection.wake(), deadline)?;
        self.wire.receive(|_, datagram, _| connection.receive(datagram, Instant::now()))?;
        match self.wire.trouble.take() {
            Some(why) if self.connection.state() == State::Opening => {
                Err(udp::failed("cannot reach", self.peer, &why))
            }
            _ => Ok(()),
        }
    }

    /// Closes this end and goes on until everything is delivered both ways, or for at most `time`. What
    /// still comes is dropped. That it could not be finished is no error: whoever calls this has what he wanted.
    pub fn close(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        self.connection.close();
        loop {
            while self.connection.take().is_some() {}
            let state = self.connection.state();
            if state.is_over() || state.is_delivered() || Instant::now() >= deadline {
                break;
            }
            if self.turn(Some(deadline)).is_err() {
                return;
            }
        }
        // The acknowledgement of what came last.
        let connection = &mut self.connection;
        self.wire.send(|datagram| connection.transmit(datagram, Instant::now()).then_some(None));
    }

    /// What a failure means, and what to do.
    pub fn explain(&self, failure: Failure) -> Error {
        explain(failure, self.peer, self.give_up)
    }
}

/// A failed conversation as an error. `give_up` is the setting, in seconds.
pub fn explain(failure: Failure, peer: SocketAddr, give_up: u64) -> Error {
    let peer = show(peer);
    Error::Failed(match failure {
        Failure::NoAnswer => {
            format!("no answer from {peer} in {give_up} s (is it started, does a firewall drop UDP?)")
        }
        Failure::Full => format!("{peer} has no place for another conversation: try again later"),
        Failure::Silent => format!("nothing from {peer} for {give_up} s: given up"),
        Failure::Unknown => format!("{peer} does not know this conversation any more: was it restarted?"),
    })
}

/// A server's end: many conversations on one socket.
#[derive(Debug)]
pub struct Port {
    wire: Wire,
    /// Its events, and its connections to send on.
    pub listener: Listener,
}

impl Port {
    /// Listens on `host` and `port` as [`udp::serve_by_poll`] does, for at most `most` conversations.
    pub fn open(
        host: &str,
        port: u16,
        usual: u16,
        settings: Settings,
        most: usize,
        loss: Loss,
    ) -> Result<Port, Error> {
        let secret = unguessable()?;
        let (socket, bell) = udp::serve_by_poll(host, port, usual)?;
        let wire = Wire::new(socket, bell, loss)?;
        Ok(Port { wire, listener: Listener::new(settings, secret, most) })
    }

    /// A bell that ends the wait of a [`Port::turn`]; a stop rings it too.
    pub fn bell(&self) -> Arc<Event> {
        Arc::clone(&self.wire.bell)
    }

    /// Sends what may leave, waits until something happens, but not beyond `deadline`, and takes what has
    /// come; then look at the events, and call it again. Datagrams of another protocol go to `other`,
    /// with the socket to answer on.
    pub fn turn(
        &mut self,
        deadline: Option<Instant>,
        mut other: impl FnMut(SocketAddr, &[u8], &UdpSocket),
    ) -> Result<(), Error> {
        let listener = &mut self.listener;
        self.wire.send(|datagram| listener.transmit(datagram, Instant::now()).map(Some));
        let wake = if listener.has_news() { Some(Instant::now()) } else { listener.wake() };
        self.wire.wait(wake, deadline)?;
        self.wire.receive(|from, datagram, socket| {
            if !super::ours(datagram) {
                other(from, datagram, socket);
            } else if !udp::looks_like_a_server(from, socket) {
                listener.receive(from, datagram, Instant::now());
            }
        })
    }
}

/// Random bytes that nobody can guess; [`Random`] is not for secrets. See urandom(4).
fn unguessable<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|why| Error::io("cannot read /dev/urandom", &why))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5927: an ICMP message can be forged by anyone who guesses two ports. icmp_err_convert of Linux, in the order of
    /// the codes of "destination unreachable", and what ICMPv6 adds.
    #[test]
    fn no_icmp_message_is_a_failure_of_the_socket() {
        let codes = [
            libc::ENETUNREACH,
            libc::EHOSTUNREACH,
            libc::ENOPROTOOPT,
            libc::ECONNREFUSED,
            libc::EMSGSIZE,
            libc::EOPNOTSUPP,
            libc::EHOSTDOWN,
            libc::ENONET,
            libc::EPROTO,
            libc::EACCES,
        ];
        for code in codes {
            let why = io::Error::from_raw_os_error(code);
            assert!(is_about_a_datagram(&why) && !is_shortage(&why), "{why}");
        }
        assert!(!is_about_a_datagram(&io::Error::from_raw_os_error(libc::EBADF)));
    }
}
