//! The client's side of reliable UDP: a conversation that is made anew when it breaks.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::link::{connect_again, left, network_header, Cost, Event, Link};
use crate::kit::address::Family;
use crate::kit::error::Error;
use crate::reliable::driver::Client;
use crate::reliable::loss::Loss;
use crate::reliable::settings::{Refused, Settings, State};

/// How long the answer to a reading may take: longer than it takes to find out that the server has gone.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long the end of a conversation may take.
const CLOSING: Duration = Duration::from_secs(1);

/// Messages that may wait in each direction; a sensor that waits for each answer needs one.
const BUFFER: usize = 64;

/// Bytes of the UDP header.
const HEADER: u64 = 8;

/// A conversation and what its predecessors cost.
#[derive(Debug)]
pub struct ReliableLink {
    host: String,
    port: u16,
    family: Family,
    client: Client,
    /// Kept, for the summary.
    server: SocketAddr,
    conversations: u64,
    packets_out: u64,
    packets_in: u64,
    /// Bytes of all datagrams.
    bytes: u64,
    /// Of these the messages', each counted once.
    messages: u64,
}

/// Opens a conversation, and waits until it is open: a wrong address should not look like a slow network.
fn open(host: &str, port: u16, family: Family) -> Result<Client, Error> {
    let settings = Settings { buffer: BUFFER, ..Settings::default() };
    let mut client = Client::connect(host, port, family, settings, Loss::none())?;
    loop {
        match client.connection.state() {
            State::Opening => client.turn(None)?,
            State::Failed(failure) => return Err(client.explain(failure)),
            _ => return Ok(client),
        }
    }
}

impl ReliableLink {
    /// Opens a conversation with the server.
    pub fn open(host: &str, port: u16, family: Family) -> Result<ReliableLink, Error> {
        let client = open(host, port, family)?;
        let server = client.peer();
        let (packets_out, packets_in, bytes, messages) = (0, 0, 0, 0);
        let (host, conversations) = (host.to_string(), 1);
        Ok(ReliableLink {
            host,
            port,
            family,
            client,
            server,
            conversations,
            packets_out,
            packets_in,
            bytes,
            messages,
        })
    }

    /// Adds what the conversation that ends has counted.
    fn count(&mut self) {
        let counts = self.client.connection.counts();
        self.packets_out += counts.datagrams_out;
        self.packets_in += counts.datagrams_in;
        self.bytes += counts.bytes_out + counts.bytes_in;
    }

    /// Why the conversation is over, if it is.
    fn broken(&self) -> Option<String> {
        match self.client.connection.state() {
            State::Failed(failure) => Some(self.client.explain(failure).to_string()),
            _ if self.client.connection.peer_closed() => {
                Some("the server closed the conversation".to_string())
            }
            _ => None,
        }
    }
}

impl Link for ReliableLink {
    fn send(&mut self, message: &[u8]) -> Result<Option<String>, Error> {
        match self.client.connection.send(message) {
            Ok(()) => {
                self.messages += message.len() as u64;
                Ok(None)
            }
            Err(Refused::Full) => Ok(Some("the server takes no more messages".to_string())),
            Err(Refused::Closed) => Ok(Some(self.broken().unwrap_or_else(|| "it is closed".to_string()))),
            Err(Refused::TooLong) => Err(Error::Failed("the message is too long".to_string())),
        }
    }

    fn receive(&mut self, deadline: Instant) -> Result<Event, Error> {
        loop {
            if let Some(message) = self.client.connection.take() {
                self.messages += message.len() as u64;
                return Ok(Event::Message(message));
            }
            if let Some(why) = self.broken() {
                return Ok(Event::Broken(why));
            }
            if Instant::now() >= deadline {
                return Ok(Event::Silence);
            }
            self.client.turn(Some(deadline))?;
        }
    }

    /// What TCP's kernel does behind a sensor's back: acknowledge, and answer the server's question
    /// whether it is still there. Whether the conversation has broken meanwhile the next reading finds out.
    fn rest(&mut self, until: Instant) {
        while !self.client.connection.state().is_over() && Instant::now() < until {
            // An error of the socket's comes again, where it is looked at.
            if self.client.turn(Some(until)).is_err() {
                break;
            }
        }
        thread::sleep(left(until));
    }

    fn mend(&mut self, why: &str, again: u32) -> Result<(), Error> {
        self.count();
        let (host, port, family) = (&self.host, self.port, self.family);
        self.client = connect_again(why, again, || open(host, port, family))?;
        self.conversations += 1;
        Ok(())
    }

    fn finish(&mut self) -> Cost {
        self.client.close(CLOSING);
        self.count();
        let (network, name) = network_header(self.server);
        let packets = self.packets_out + self.packets_in;
        // Headers, handshake, acknowledgements; and whole messages that were sent more than once.
        let own = self.bytes.saturating_sub(self.messages);
        let conversations = match self.conversations {
            1 => String::new(),
            many => format!(" in {many} conversations"),
        };
        Cost {
            packets_out: self.packets_out,
            packets_in: self.packets_in,
            counted: "a datagram each, acknowledgements included",
            headers: packets * (network + HEADER) + own,
            estimate: format!(
                "{packets} packets of {name} and UDP {HEADER}, {own} of reliable UDP itself{conversations}"
            ),
        }
    }
}
