//! One end of a conversation, without sockets, clock or randomness of its own.
//!
//! The caller's loop: give `receive` what came, call `transmit` until it says no and send what it
//! wrote, then wait for the next datagram, but not longer than `wake`.

use std::time::Instant;

use super::settings::{Counts, Refused, Settings, State};
use super::MESSAGE;

/// One end of a conversation.
#[derive(Debug)]
pub struct Connection {
    state: State,
    counts: Counts,
}

impl Connection {
    /// Begins a conversation. `random` must be unpredictable: it is the session's identifier, which
    /// strangers must not guess, and its halves are the first sequence numbers of the two directions.
    pub fn connect(_settings: Settings, _random: u64, _now: Instant) -> Connection {
        Connection { state: State::Opening, counts: Counts::default() }
    }

    /// Takes a datagram that came from the peer's address. One that is damaged or belongs to
    /// another conversation is counted and dropped.
    pub fn receive(&mut self, _datagram: &[u8], _now: Instant) {}

    /// Writes the next datagram that may leave now into `datagram` (its old content is dropped) and
    /// returns true; call it until it returns false.
    pub fn transmit(&mut self, _datagram: &mut Vec<u8>, _now: Instant) -> bool {
        false
    }

    /// When `transmit` has to be asked again even though nothing was received or sent; `None` once
    /// the conversation is over.
    pub fn wake(&self) -> Option<Instant> {
        None
    }

    /// Takes a message of up to [`MESSAGE`] bytes for sending; an empty one is a message too.
    pub fn send(&mut self, message: &[u8]) -> Result<(), Refused> {
        if message.len() > MESSAGE {
            return Err(Refused::TooLong);
        }
        Err(Refused::Full)
    }

    /// How many messages `send` will take now.
    pub fn room(&self) -> usize {
        0
    }

    /// The next message in order; `None` if it has not come yet. What is not taken counts against
    /// the peer's window: who does not take stops the peer. Works after the end too.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// Says that no more messages follow from here. What was sent is still delivered, and the peer may
    /// go on sending: the conversation ends when both have closed.
    pub fn close(&mut self) {}

    /// Where the conversation stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether the peer has closed and all its messages have been taken.
    pub fn peer_closed(&self) -> bool {
        false
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}
