//! `heartbeat-client`: says "I am here" at regular times, and never waits for an answer.
//!
//! Sheet: CSE3214, assignment 2, optional exercise 2.
//!
//! ```text
//! Python                                       here
//! s.sendto(b"Heartbeat 1 …", (host, 12001))    socket.send
//! time.sleep(1)                                thread::sleep until the next beat's own time
//! ```
//!
//! On the wire: `Heartbeat SEQ EPOCH`, one datagram a beat, nothing back.
//!
//! Beats are due at start + n × interval. Sleeping for the interval after each one would add the time
//! that sending takes, and the beats would drift.
//!
//! Limits: the client cannot know whether anybody hears it. That a port is closed it learns from an
//! ICMP error, says so once, and goes on: the server may come back. The sequence starts at 1 each time.

use std::thread;
use std::time::Instant;

use super::heartbeat_table::beat;
use crate::kit::address::{show, Family};
use crate::kit::args::Args;
use crate::kit::clock::epoch;
use crate::kit::error::Error;
use crate::kit::screen::{note, say};
use crate::kit::udp;
use crate::kit::usage::{self, Flag, Kind, Operand, Usage};

const OPERANDS: &[Operand] = &[usage::HOST, usage::server_port("12001")];
const FLAGS: &[Flag] = &[
    Flag {
        name: "--interval",
        short: "-i",
        value: "SECONDS",
        kind: Kind::Seconds(86_400),
        default: Some("1"),
        help: "a heartbeat each so many seconds; 0.001 is the least",
    },
    Flag {
        name: "--count",
        short: "-c",
        value: "N",
        kind: Kind::Count(1, u64::MAX),
        default: None,
        help: "end after so many",
    },
    usage::V6,
];

/// What `heartbeat-client` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// Below this a heartbeat would be a flood.
const SHORTEST: std::time::Duration = std::time::Duration::from_millis(1);

/// Runs `heartbeat-client`.
pub fn run(args: &Args) -> Result<(), Error> {
    let family = if args.has("-6") { Family::V6 } else { Family::V4First };
    let interval = args.seconds("--interval").max(SHORTEST);
    let socket = udp::connect(args.text("HOST"), args.port("PORT"), family)?;
    let server = socket.peer_addr()?;
    let mut due = Instant::now();
    let mut refused = false;
    for sequence in 1..=args.count_if("--count").unwrap_or(u64::MAX) {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // A machine that slept does not make up for the beats it missed.
        due = (due + interval).max(Instant::now());
        let text = beat(sequence, &epoch());
        let mut outcome = socket.send(text.as_bytes());
        let was_refused = matches!(&outcome, Err(why) if why.kind() == std::io::ErrorKind::ConnectionRefused);
        if was_refused {
            // The refusal of an earlier beat; this one has not been sent yet.
            outcome = socket.send(text.as_bytes());
            if !std::mem::replace(&mut refused, true) {
                note(&format!("nobody listens on {}; going on", show(server)));
            }
        }
        outcome.map_err(|why| udp::failed("cannot send to", server, &why))?;
        say(&text)?;
    }
    Ok(())
}
