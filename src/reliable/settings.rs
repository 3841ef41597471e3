//! What a conversation can be told, and what it tells: settings, states, failures, counts.

use std::time::Duration;

/// How the sender decides how much may be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Always this many packets, whatever the network does. Not for networks that others use too: it
    /// is here so that the page can show what a window is worth. 1 is stop-and-wait.
    Fixed(usize),
    /// Slow start, then one packet more each round trip, half at a loss: TCP as of 1990.
    Classic,
    /// A model of the path, bandwidth and shortest round trip, and packets paced after it.
    Rate,
}

/// What can be set. Both ends may differ in all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Which congestion control this end sends by.
    pub control: Control,
    /// The most messages that wait here in each direction: sent and not yet acknowledged, or received
    /// and not yet taken. From 1 to 32,768; memory is taken as it is needed.
    pub buffer: usize,
    /// A peer from which nothing has come for so long is given up, while opening too.
    pub give_up: Duration,
    /// After so long without a sign of the peer it is asked for one. Well below its and our `give_up`,
    /// or an idle conversation ends with nobody at fault.
    pub keep_alive: Duration,
    /// How long the end that closed first answers a peer that may not know that all has arrived.
    pub linger: Duration,
}

impl Default for Settings {
    /// What suits a file at 100 Mbit/s over 40 ms: five times what is under way there may wait, for a
    /// message can be lost more than once while those behind it arrive.
    fn default() -> Settings {
        Settings {
            control: Control::Rate,
            buffer: 2048,
            give_up: Duration::from_secs(10),
            keep_alive: Duration::from_secs(3),
            linger: Duration::from_secs(1),
        }
    }
}

/// Where a conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The handshake is under way; messages may be given to it already.
    Opening,
    /// Messages go both ways.
    Open,
    /// `close` was called here; what was sent is still being delivered, and the peer may still send.
    Closing,
    /// All has arrived in both directions and both ends know it of themselves. This end stays for
    /// `Settings::linger` to answer a peer whose last acknowledgement was lost; nothing can fail any more.
    Lingering,
    /// Over, everything delivered.
    Ended,
    /// Over, and what was not acknowledged may or may not have arrived.
    Failed(Failure),
}

impl State {
    /// Whether nothing will be sent or received any more.
    pub fn is_over(self) -> bool {
        matches!(self, State::Ended | State::Failed(_))
    }

    /// Whether all that either end sent has arrived: lingering, or ended.
    pub fn is_delivered(self) -> bool {
        matches!(self, State::Lingering | State::Ended)
    }
}

/// Why a conversation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nobody answered the handshake for `Settings::give_up`.
    NoAnswer,
    /// The listener has no place for another conversation.
    Full,
    /// Nothing has come from the peer, or nothing of what is under way has been acknowledged, for
    /// `Settings::give_up`.
    Silent,
    /// The peer does not know this conversation: it was restarted, or has given it up.
    Unknown,
}

/// Why a message was not taken for sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// `Settings::buffer` messages wait already: transmit, and ask again.
    Full,
    /// `close` was called, or the conversation is over.
    Closed,
    /// The message is longer than `MESSAGE`.
    TooLong,
}

/// What has happened so far. Bytes are those of datagrams, without IP and UDP headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams sent, of every kind.
    pub datagrams_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Datagrams received, of this conversation and undamaged.
    pub datagrams_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Messages that the peer has acknowledged.
    pub messages_out: u64,
    /// Messages that the application has taken.
    pub messages_in: u64,
    /// Messages sent again.
    pub retransmissions: u64,
    /// Messages received again, and dropped.
    pub duplicates: u64,
    /// Datagrams dropped because they were cut, changed or never ours.
    pub damaged: u64,
    /// Intact datagrams dropped because they belong to another conversation, or came after the end.
    pub foreign: u64,
    /// The smoothed round-trip time; 0 before the first sample.
    pub rtt: Duration,
    /// The shortest round trip seen lately; 0 before the first sample.
    pub least_rtt: Duration,
    /// How many packets the congestion control allows to be under way.
    pub window: usize,
    /// Places that messages from the peer take here: at most `Settings::buffer`.
    pub waiting_in: usize,
    /// Places that messages to the peer take here: at most `Settings::buffer`, and one for the end.
    pub waiting_out: usize,
    /// Packets about whose fate something may still be learned.
    pub tracked: usize,
}
