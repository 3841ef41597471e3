//! Many conversations on one port.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use super::connection::Connection;
use super::settings::{Failure, Settings};

/// Which conversation: the peer's address and the session it chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The peer's address and port.
    pub peer: SocketAddr,
    /// The session's identifier.
    pub session: u64,
}

/// What happened in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A peer has opened it.
    Opened,
    /// The next message.
    Message(Vec<u8>),
    /// The peer sends no more; what is sent from here still reaches it, until `Connection::close`.
    Closed,
    /// Both ends have closed and all was delivered. The key is forgotten.
    Ended,
    /// It failed. The key is forgotten.
    Failed(Failure),
}

/// Many conversations on one port, at most `most` at once.
#[derive(Debug)]
pub struct Listener {
    conversations: HashMap<Key, Connection>,
}

impl Listener {
    /// A listener whose cookies are made with `secret`, which nobody else must know.
    pub fn new(_settings: Settings, _secret: [u8; 16], _most: usize) -> Listener {
        Listener { conversations: HashMap::new() }
    }

    /// Takes a datagram from a peer.
    pub fn receive(&mut self, _from: SocketAddr, _datagram: &[u8], _now: Instant) {}

    /// Writes the next datagram that may leave now, and says to whom; call it until `None`.
    pub fn transmit(&mut self, _datagram: &mut Vec<u8>, _now: Instant) -> Option<SocketAddr> {
        None
    }

    /// When `transmit` has to be asked again even though nothing was received or sent.
    pub fn wake(&self) -> Option<Instant> {
        None
    }

    /// The next event. Each call with a `Message` frees a place in that peer's window, so call it
    /// only as often as messages can be handled.
    pub fn event(&mut self) -> Option<(Key, Event)> {
        None
    }

    /// One conversation, to send on it or close it. Call `transmit` afterwards.
    pub fn connection(&mut self, key: &Key) -> Option<&mut Connection> {
        self.conversations.get_mut(key)
    }

    /// How many conversations there are, ended ones that linger included.
    pub fn len(&self) -> usize {
        self.conversations.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.conversations.is_empty()
    }
}
