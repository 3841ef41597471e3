//! The client's side of UDP: a message is a datagram, and what is lost stays lost.

use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use super::link::{left, network_header, Cost, Event, Link};
use super::message::LONGEST;
use crate::kit::address::{show, Family};
use crate::kit::error::{is_timeout, Error};
use crate::kit::{screen, tcp, udp};

/// Bytes of the UDP header.
const HEADER: u64 = 8;

/// A connected socket and what went through it.
#[derive(Debug)]
pub struct UdpLink {
    socket: UdpSocket,
    server: SocketAddr,
    sent: u64,
    received: u64,
    /// Whether the user has been told that nobody listens there.
    told: bool,
}

impl UdpLink {
    /// A socket for `host`. Nothing is sent yet.
    pub fn open(host: &str, port: u16, family: Family) -> Result<UdpLink, Error> {
        let socket = udp::connect(host, port, family)?;
        let server = socket.peer_addr()?;
        Ok(UdpLink { socket, server, sent: 0, received: 0, told: false })
    }

    /// Says once that the last datagram was refused by the server's machine.
    fn tell(&mut self, why: &std::io::Error) {
        if !self.told {
            screen::note(&udp::failed("no answer from", self.server, why).to_string());
            self.told = true;
        }
    }
}

impl Link for UdpLink {
    fn send(&mut self, message: &[u8]) -> Result<Option<String>, Error> {
        // ECONNREFUSED here is the ICMP answer to an earlier datagram; it takes the place of this call,
        // so the datagram is handed over once more.
        let outcome = self.socket.send(message).or_else(|why| {
            self.tell(&why);
            self.socket.send(message)
        });
        // A full buffer, no route: this datagram is lost, as any may be.
        self.sent += u64::from(outcome.is_ok());
        Ok(None)
    }

    fn receive(&mut self, deadline: Instant) -> Result<Event, Error> {
        // One byte more than the longest message: a datagram that fills it is too long to be one.
        let mut buffer = [0; LONGEST + 1];
        let left = left(deadline);
        if left.is_zero() {
            // Asked first: a server that floods would otherwise keep the client here for ever.
            return Ok(Event::Silence);
        }
        self.socket.set_read_timeout(tcp::patience(left))?;
        match udp::answer(&self.socket, &mut buffer) {
            Ok(length) => {
                self.received += 1;
                Ok(Event::Message(buffer[..length].to_vec()))
            }
            Err(why) if is_timeout(&why) => Ok(Event::Silence),
            Err(why) => {
                self.tell(&why);
                Ok(Event::Silence)
            }
        }
    }

    fn mend(&mut self, _why: &str, _again: u32) -> Result<(), Error> {
        // There is no connection that could be gone.
        Ok(())
    }

    fn finish(&mut self) -> Cost {
        let (network, name) = network_header(self.server);
        let packets = self.sent + self.received;
        Cost {
            packets_out: self.sent,
            packets_in: self.received,
            counted: "a datagram each",
            headers: packets * (network + HEADER),
            estimate: format!(
                "{packets} packets of {name} and UDP {HEADER}, to and from {}",
                show(self.server)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise a server that always has one more datagram on its way would keep the client for ever.
    #[test]
    fn after_the_deadline_what_waits_is_left() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let mut link = UdpLink::open("127.0.0.1", port, Family::V4First).unwrap();
        server.send_to(b"noise", link.socket.local_addr().unwrap()).unwrap();
        assert!(matches!(link.receive(Instant::now()).unwrap(), Event::Silence));
    }
}
