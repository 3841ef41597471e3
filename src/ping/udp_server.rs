//! `udp-ping-server`: returns each datagram in capitals, and loses some on purpose.
//!
//! Sheet: CSE3214, assignment 2, the server it gives.
//!
//! ```text
//! Python                                       here
//! serverSocket.bind(('', 12000))               kit::udp::serve_on
//! message, address = recvfrom(1024)            kit::udp::receive_until
//! message = message.upper()                    to_ascii_uppercase
//! if rand < 4: continue                        random.chance(30.0)
//! serverSocket.sendto(message, address)        socket.send_to, when its time has come
//! ```
//!
//! On the wire, from the client's side:
//!
//! ```text
//! > Ping 1 1763715600.123456
//! < PING 1 1763715600.123456
//! > Ping 2 1763715600.123789            (lost: nothing comes back)
//! ```
//!
//! The sheet says 30 % and draws `randint(0, 10) < 4`, which is 4 cases of 11: 36.4 %. `--loss 30` is
//! 30 %, and `--loss 36.4` is the sheet's.
//!
//! Limits: a source address can be forged, and the reply goes to whoever is named there; it is no
//! larger than the request. Datagrams from another server's port are not answered. Everybody shares
//! one sequence of random numbers, so a seed repeats a run only for one client at a time.

use std::time::Instant;

use super::udp_faults::Faults;
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::random::Random;
use crate::kit::udp::{self, Arrival};
use crate::kit::usage::{self, Flag, Kind, Operand, Usage};

/// The sheet's port.
const PORT: u16 = 12_000;

const OPERANDS: &[Operand] = &[usage::port("12000")];
const FLAGS: &[Flag] = &[
    usage::bind("0.0.0.0"),
    Flag {
        name: "--loss",
        short: "",
        value: "PERCENT",
        kind: Kind::Percent,
        default: Some("30"),
        help: "leave so many of 100 datagrams unanswered",
    },
    Flag {
        name: "--delay",
        short: "",
        value: "SECONDS",
        kind: Kind::Seconds(3_600),
        default: Some("0"),
        help: "answer so much later; more than the client waits makes every reply late",
    },
    Flag {
        name: "--reorder",
        short: "",
        value: "PERCENT",
        kind: Kind::Percent,
        default: Some("0"),
        help: "hold so many of 100 replies back until the next one has gone",
    },
    super::udp_client::SEED,
];

/// What `udp-ping-server` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// Runs `udp-ping-server`.
pub fn run(args: &Args) -> Result<(), Error> {
    let socket = udp::serve_on(args.text("--bind"), args.port("PORT"), PORT)?;
    let (loss, reorder) = (args.number("--loss"), args.number("--reorder"));
    let mut random = Random::new(args.count_if("--seed"));
    let mut faults = Faults::new(args.seconds("--delay"));
    // The sheet's 1,024 bytes would cut a longer datagram off, and the reply would not match it.
    let mut buffer = vec![0; udp::LARGEST];
    let mut received = 0;
    loop {
        while let Some((reply, client)) = faults.due(Instant::now()) {
            // A reply that cannot be sent is lost, as any datagram may be; the client's deadline
            // covers it.
            let _ = socket.send_to(&reply, client);
        }
        match udp::receive_until(&socket, &mut buffer, faults.next())? {
            Arrival::Stopped => break,
            Arrival::Timeout => {}
            Arrival::Datagram(length, client) => {
                received += 1;
                // Both numbers are drawn for every datagram, so that a seed loses the same ones
                // whatever else is asked for.
                let (lost, held) = (random.chance(loss), random.chance(reorder));
                if !lost && !udp::looks_like_a_server(client, &socket) {
                    let reply = buffer[..length].to_ascii_uppercase();
                    faults.add(reply, client, held, Instant::now());
                }
            }
        }
    }
    udp::say_received(received);
    Ok(())
}
