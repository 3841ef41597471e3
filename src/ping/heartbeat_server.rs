//! `heartbeat-server`: listens for heartbeats, and says which are lost and which clients stopped.
//!
//! Sheet: CSE3214, assignment 2, optional exercise 2: the ping server, changed.
//!
//! ```text
//! Python                                  here
//! message, address = s.recvfrom(1024)     kit::udp::receive_until
//! s.settimeout(…)                         the same: until the next client will have stopped
//! rand < 4: continue                      gone: a heartbeat is to be lost by the network only
//! ```
//!
//! A sample, after two beats were lost on the way and the client then ended:
//!
//! ```text
//! 127.0.0.1:40000 heartbeat 1, time difference 0.000153 s
//! 127.0.0.1:40000 lost 2..3 (2)
//! 127.0.0.1:40000 heartbeat 4, time difference 0.000148 s
//! 127.0.0.1:40000 stopped
//! ```
//!
//! The difference is this clock's time of arrival less the client's time of sending. It is the time
//! on the way *plus* whatever the two clocks differ by, which is usually more, and may be negative.
//! Between two programs on one machine there is one clock, and the difference is real.
//!
//! Limits: at most 10,000 clients; see [`super::heartbeat_table`]. A sender can name any source
//! address, so nothing here should decide anything that matters.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::heartbeat_table::{parse, Beat, Event, Table, MOST_CLIENTS};
use crate::kit::address::show;
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::screen::{escape, note, say};
use crate::kit::udp::{self, Arrival};
use crate::kit::usage::{self, Flag, Kind, Operand, Usage};

/// Next to the ping server's port.
const PORT: u16 = 12_001;

const OPERANDS: &[Operand] = &[usage::port("12001")];
const FLAGS: &[Flag] = &[
    usage::bind("127.0.0.1"),
    Flag {
        name: "--timeout",
        short: "",
        value: "SECONDS",
        kind: Kind::Seconds(86_400),
        default: Some("3"),
        help: "a client that is silent for so long has stopped",
    },
];

/// What `heartbeat-server` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// The longest heartbeat: a word and two numbers. One that is longer is none.
const LONGEST: usize = 128;

/// Below this every client would have stopped before its next beat.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);

/// Runs `heartbeat-server`.
pub fn run(args: &Args) -> Result<(), Error> {
    let socket = udp::serve_on(args.text("--bind"), args.port("PORT"), PORT)?;
    let timeout = args.seconds("--timeout").max(SHORTEST_TIMEOUT);
    let mut table = Table::new(timeout, MOST_CLIENTS);
    let mut buffer = [0; LONGEST + 1];
    let (mut received, mut full, mut warned) = (0, false, false);
    loop {
        for address in table.expire(Instant::now()) {
            say(&format!("{} stopped", show(address)))?;
        }
        let (length, address) = match udp::receive_until(&socket, &mut buffer, table.next())? {
            Arrival::Stopped => break,
            Arrival::Timeout => continue,
            Arrival::Datagram(length, address) => (length, address),
        };
        received += 1;
        let Some(beat) = parse(&buffer[..length]).filter(|_| length <= LONGEST) else {
            say(&format!("{} sent no heartbeat: {}", show(address), escape(&buffer[..length])))?;
            continue;
        };
        match table.beat(address, beat, Instant::now()) {
            Ok(events) => {
                if !std::mem::replace(&mut warned, true) {
                    note("time differences compare two clocks: without synchronisation they say little");
                }
                tell(&show(address), beat, &events)?;
            }
            Err(_) if !std::mem::replace(&mut full, true) => {
                note(&format!("{MOST_CLIENTS} clients are known and running; others are not watched"));
            }
            Err(_) => {}
        }
    }
    udp::say_received(received);
    Ok(())
}

/// Says what a beat brought: first what happened before it, then the beat.
fn tell(client: &str, beat: Beat, events: &[Event]) -> Result<(), Error> {
    let mut mark = String::new();
    for event in events {
        match event {
            Event::New => {}
            Event::Back => say(&format!("{client} is back"))?,
            Event::Lost(first, last) if first == last => say(&format!("{client} lost {first}"))?,
            Event::Lost(first, last) => {
                say(&format!("{client} lost {first}..{last} ({})", last - first + 1))?;
            }
            Event::Restarted(sequence) => say(&format!("{client} restarted with {sequence}"))?,
            Event::Late(_) => mark = " (late: not lost after all)".to_string(),
            Event::Duplicate(_) => mark = " (duplicate)".to_string(),
            Event::Stopped => say(&format!("{client} stopped"))?,
        }
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as i128;
    let difference = (now - i128::from(beat.sent)) as f64 / 1e6;
    say(&format!("{client} heartbeat {}, time difference {difference:.6} s{mark}", beat.sequence))
}
