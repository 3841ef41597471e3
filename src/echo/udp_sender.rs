//! `udp-sender`: sends one datagram and ends.
//!
//! Sheet: IoT lab 1, "UDP sockets", task 1.2.
//!
//! ```text
//! Python                                        here
//! s.bind(("localhost", 0))                      UdpSocket::bind, port 0: any free one
//! s.sendto(b"Hello, world!", ("localhost", 5005))  connect + send, in kit::udp::connect
//! ```
//!
//! The `bind` is not needed: the first `sendto` binds by itself. `connect` sends no packet for UDP; it
//! only notes the destination.
//!
//! Limits: "sent" means that the kernel has taken the datagram. Whether anybody received it, this
//! program cannot know, and it ends well when nobody did.

use crate::kit::address::Family;
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::udp;
use crate::kit::usage::{self, Flag, Kind, Operand, Usage};

const OPERANDS: &[Operand] = &[
    usage::HOST,
    usage::server_port("5005"),
    Operand {
        name: "MESSAGE",
        kind: Kind::Bytes,
        default: Some("Hello, world!"),
        help: "what to send: 0 to 65507 bytes",
    },
];
const FLAGS: &[Flag] = &[usage::V6];

/// What `udp-sender` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// Runs `udp-sender`.
pub fn run(args: &Args) -> Result<(), Error> {
    let family = if args.has("-6") { Family::V6 } else { Family::V4First };
    let socket = udp::connect(args.text("HOST"), args.port("PORT"), family)?;
    let peer = socket.peer_addr()?;
    socket.send(args.bytes("MESSAGE")).map_err(|why| udp::failed("cannot send to", peer, &why))?;
    Ok(())
}
