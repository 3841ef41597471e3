//! `udp-echo-server`: sends back every datagram to where it came from.
//!
//! Sheet: IoT lab 1, task 1.3: the TCP echo again, over UDP.
//!
//! ```text
//! Python                                 here
//! data, addr = s.recvfrom(65507)         kit::udp::receive
//! s.sendto(data, addr)                   socket.send_to
//! ```
//!
//! On the wire: two datagrams, and that is all. No handshake, no acknowledgement, no close.
//!
//! One thread serves everybody, because there is nothing to wait for between two datagrams: each is
//! answered at once, and the server remembers nothing about its sender.
//!
//! Limits: a source address can be forged, and an echo goes to whoever is named there. It is no
//! larger than its request, so this server does not amplify, but it does reflect; datagrams that
//! claim to come from another server's port are not answered (see
//! [`looks_like_a_server`](crate::kit::udp::looks_like_a_server)). Keep it off the open internet.

use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::udp;
use crate::kit::usage::{self, Flag, Operand, Usage};

/// Next to the TCP server's port.
const PORT: u16 = 65433;

const OPERANDS: &[Operand] = &[usage::port("65433")];
const FLAGS: &[Flag] = &[usage::bind("127.0.0.1")];

/// What `udp-echo-server` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// Runs `udp-echo-server`.
pub fn run(args: &Args) -> Result<(), Error> {
    let socket = udp::serve_on(args.text("--bind"), args.port("PORT"), PORT)?;
    let mut buffer = vec![0; udp::LARGEST];
    let mut received = 0;
    while let Some((length, sender)) = udp::receive(&socket, &mut buffer)? {
        received += 1;
        if !udp::looks_like_a_server(sender, &socket) {
            // A reply that cannot be sent (no route back, buffer full) is lost, as any datagram may
            // be; the sender's timeout covers it.
            let _ = socket.send_to(&buffer[..length], sender);
        }
    }
    udp::say_received(received);
    Ok(())
}
