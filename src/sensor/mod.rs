//! A sensor system: readings in a protocol of our own, over TCP, UDP and reliable UDP. Read `docs/sensor-protocol.md`
//! first, as the sheet asks for; then the files in this order.
//!
//! | file | program | sheet | what it adds |
//! |---|---|---|---|
//! | [`message`], [`reading`] | | IoT lab, deliverable | the protocol: messages to bytes and back |
//! | [`client`] | `sensor-client` | IoT lab, deliverable | measures, reports, waits for the answer |
//! | [`server`] | `sensor-server` | IoT lab, deliverable and both optional ones | TCP, a thread per client |
//! | [`datagrams`] | | | UDP and reliable UDP, one thread for all |
//! | [`desk`] | | | a message in, its answer out: the same for every transport |
//! | [`session`], [`statistics`] | | | which readings have been seen; their statistics |
//! | [`log`] | | | readings as CSV |
//! | [`stream`] | | | messages out of a TCP stream |
//! | [`link`], [`tcp_link`], [`udp_link`], [`reliable_link`] | | | the client's side of each transport |
//! | [`ledger`] | | | what was sent, answered, lost |
//! | [`source`], [`stamp`] | | | made-up measurements; time stamps |

use std::time::Duration;

pub mod client;
pub mod datagrams;
pub mod desk;
pub mod ledger;
pub mod link;
pub mod log;
pub mod message;
pub mod reading;
pub mod reliable_link;
pub mod server;
pub mod session;
pub mod source;
pub mod stamp;
pub mod statistics;
pub mod stream;
pub mod tcp_link;
pub mod udp_link;

/// The shortest interval that a server may command.
pub const LEAST_INTERVAL: Duration = Duration::from_millis(50);
/// The longest one.
pub const MOST_INTERVAL: Duration = Duration::from_secs(3600);
