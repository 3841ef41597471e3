//! What the client asks of a transport.
//!
//! The client measures, numbers and counts; a [`Link`] carries messages. What differs between the
//! transports is exactly what stands here: TCP can break and be mended and has its packets counted by
//! the kernel; a datagram can only be sent, and every one is one packet; reliable UDP can break and be
//! mended as TCP, counts its own packets, and has no kernel that looks after it while the sensor rests.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::kit::error::Error;
use crate::kit::screen;

/// The wait before the first attempt to connect again.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// How many attempts are made, each after twice the wait of the one before: about 6 s in all.
const ATTEMPTS: u32 = 6;

/// What came of waiting for a message.
#[derive(Debug)]
pub enum Event {
    /// A message's bytes, unchecked.
    Message(Vec<u8>),
    /// Nothing until the deadline, or it is certain that nothing will come.
    Silence,
    /// The connection is gone, and why.
    Broken(String),
}

/// One transport, the client's side.
pub trait Link {
    /// Sends one message. `Some`: the connection is gone, and why.
    fn send(&mut self, message: &[u8]) -> Result<Option<String>, Error>;

    /// Waits for a message until `deadline`.
    fn receive(&mut self, deadline: Instant) -> Result<Event, Error>;

    /// Makes a broken connection anew. `again` counts how often it has broken over the reading that
    /// is being sent, this time included. Errs when it breaks too often, or cannot be had for long.
    fn mend(&mut self, why: &str, again: u32) -> Result<(), Error>;

    /// Nothing is sent or waited for until then.
    fn rest(&mut self, until: Instant) {
        thread::sleep(left(until));
    }

    /// Ends the conversation and tells what it cost.
    fn finish(&mut self) -> Cost;
}

/// Packets of a conversation and the headers they had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Packets sent.
    pub packets_out: u64,
    /// Packets received.
    pub packets_in: u64,
    /// Where the two numbers come from.
    pub counted: &'static str,
    /// Bytes of the transport's and the network's headers, estimated.
    pub headers: u64,
    /// How they were estimated.
    pub estimate: String,
}

/// Bytes of the IP header without options, and its name.
pub fn network_header(peer: SocketAddr) -> (u64, &'static str) {
    if peer.ip().to_canonical().is_ipv4() {
        (20, "IPv4 20")
    } else {
        (40, "IPv6 40")
    }
}

/// Connects again, for [`Link::mend`], with pauses in front of the attempts. Errs as the last one does.
pub fn connect_again<T>(
    why: &str,
    again: u32,
    mut connect: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    let mut last = Error::Failed(format!("lost the server {again} times over one reading: {why}"));
    screen::note(&format!("lost the server: {why}; connecting again"));
    for attempt in again..=ATTEMPTS {
        // Longer each time: when a server comes back, all its sensors want it at once. And a
        // server that takes every connection only to close it is not besieged either.
        thread::sleep(FIRST_WAIT * 2u32.pow(attempt - 1));
        match connect() {
            Ok(connection) => return Ok(connection),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The time until a deadline.
pub fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
