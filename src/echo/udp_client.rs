//! `udp-echo-client`: sends a datagram and shows what comes back, or that nothing does.
//!
//! Sheet: IoT lab 1, task 1.3.
//!
//! ```text
//! Python                                 here
//! s.settimeout(1)                        socket.set_read_timeout
//! s.sendto(b"Hello, world", (HOST, PORT)) socket.send
//! data = s.recv(65507)                   socket.recv
//! except socket.timeout                  Request timed out
//! ```
//!
//! The timeout is what a UDP client cannot do without: either datagram may be lost, and nobody will
//! say so. The exception is a port that nobody listens on, where the other machine answers with an
//! ICMP error; a *connected* UDP socket reports it at once as "Connection refused".
//!
//! Limits: one attempt. Whether the request or the reply was lost, it cannot tell.

use crate::kit::address::{show, Family};
use crate::kit::args::Args;
use crate::kit::error::{is_timeout, Error};
use crate::kit::usage::{self, Flag, Kind, Operand, Usage};
use crate::kit::{screen, tcp, udp};

const OPERANDS: &[Operand] = &[
    usage::HOST,
    usage::server_port("65433"),
    Operand {
        name: "MESSAGE",
        kind: Kind::Bytes,
        default: Some("Hello, world"),
        help: "what to send: 0 to 65507 bytes",
    },
];
const FLAGS: &[Flag] = &[usage::timeout("1"), usage::V6];

/// What `udp-echo-client` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// Runs `udp-echo-client`.
pub fn run(args: &Args) -> Result<(), Error> {
    let family = if args.has("-6") { Family::V6 } else { Family::V4First };
    let patience = args.seconds("--timeout");
    let socket = udp::connect(args.text("HOST"), args.port("PORT"), family)?;
    let server = socket.peer_addr()?;
    socket.set_read_timeout(tcp::patience(patience))?;
    socket.send(args.bytes("MESSAGE")).map_err(|why| udp::failed("cannot send to", server, &why))?;

    let mut buffer = vec![0; udp::LARGEST];
    match udp::answer(&socket, &mut buffer) {
        Ok(length) => screen::say(&format!("Received '{}'", screen::escape(&buffer[..length]))),
        Err(why) if is_timeout(&why) => {
            screen::say("Request timed out")?;
            let seconds = patience.as_secs_f64();
            Err(Error::Failed(format!("no answer from {} in {seconds} s: lost, or no server", show(server))))
        }
        Err(why) => Err(udp::failed("no answer from", server, &why)),
    }
}
