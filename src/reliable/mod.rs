//! Reliable UDP: messages in order, exactly once, whatever the network does.
//!
//! A state machine without I/O: datagrams and the time go in, datagrams and messages come out. It has
//! no sockets, no clock and no randomness of its own, so a test can lead it through a thousand hours
//! of bad network in a second, and the same seed gives the same run.
//!
//! Read `docs/reliable-udp.md` first, which walks from stop-and-wait to this; then the files in this order.
//!
//! | file | what it adds |
//! |---|---|
//! | [`settings`] | what a conversation can be told, and what it tells |
//! | [`seq`] | numbers that wrap around |
//! | [`packet`] | packets to bytes and back |
//! | [`inbox`] | the receiving side: order, duplicates, what to acknowledge and when |
//! | [`outbox`] | the sending side: what waits, what the peer has room for |
//! | [`rtt`] | how long to wait for an answer |
//! | [`flight`] | what is under way, and when it counts as lost |
//! | [`meter`] | how fast packets arrive |
//! | [`congestion`] | how much may be under way: the question, and a fixed answer |
//! | [`classic`] | the answer of 1990: slow start, additive increase |
//! | [`rate`] | the answer of today: a model of the path |
//! | [`pace`] | packets spread over time |
//! | [`sender`] | the sending side together: what leaves next, and three timers |
//! | [`connection`] | one end of a conversation: handshake, both sides, the end |
//! | [`cookie`] | who asks twice has an address |
//! | [`listener`] | many conversations on one port |
//! | [`loss`] | datagrams lost on purpose, to see the repair |
//! | [`driver`] | sockets, the clock, randomness: the loop that runs all of this |
//! | [`send`], [`receive`] | the programs `reliable-send` and `reliable-receive` |
//! | [`parcel`], [`sum`] | a file as messages; the sum by which both ends compare it |

pub mod classic;
pub mod congestion;
pub mod connection;
pub mod cookie;
pub mod flight;
pub mod inbox;
pub mod listener;
pub mod loss;
pub mod meter;
pub mod outbox;
pub mod pace;
pub mod packet;
pub mod rate;
pub mod rtt;
pub mod sender;
pub mod seq;
pub mod settings;

pub mod driver;
pub mod parcel;
pub mod receive;
pub mod send;
pub mod sum;

pub use connection::Connection;
pub use listener::{Event, Key, Listener};
pub use settings::{Control, Counts, Failure, Refused, Settings, State};

/// The longest message in bytes: with our header, UDP's and IPv6's it fits the 1,500 bytes of Ethernet.
/// A message is one datagram; there is no fragmentation.
pub const MESSAGE: usize = 1400;

/// What every datagram of this protocol begins with: "RU".
pub const MAGIC: [u8; 2] = [0x52, 0x55];

/// Whether a datagram claims to be of this protocol; another one may share the port.
pub fn ours(datagram: &[u8]) -> bool {
    datagram.starts_with(&MAGIC)
}
