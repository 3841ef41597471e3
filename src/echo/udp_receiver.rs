//! `udp-receiver`: shows each datagram it receives.
//!
//! Sheet: IoT lab 1, "UDP sockets", task 1.2.
//!
//! ```text
//! Python                                 here
//! s = socket.socket(AF_INET, SOCK_DGRAM)
//! s.bind(("localhost", 5005))            UdpSocket::bind, in kit::udp::serve_on
//! data = s.recv(512)                     kit::udp::receive: recvfrom, because we show the sender
//! print(data)                            127.0.0.1:40000: Hello, world!
//! ```
//!
//! No `listen` and no `accept`: there is no connection. One socket takes the datagrams of every
//! sender, each whole or not at all, in whatever order they arrive.
//!
//! Limits: it answers nobody, so it need not fear reflection, and shows datagrams from every port. While
//! this program prints, datagrams wait in the socket's buffer; what does not fit is dropped by the kernel
//! without a word (`netstat -su` counts it as "receive buffer errors").

use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::usage::{self, Flag, Kind, Operand, Usage};
use crate::kit::{address, screen, udp};

/// What the sheet listens on.
const PORT: u16 = 5005;

const OPERANDS: &[Operand] = &[usage::port("5005")];
const FLAGS: &[Flag] = &[
    usage::bind("127.0.0.1"),
    Flag {
        name: "--count",
        short: "-c",
        value: "N",
        kind: Kind::Count(1, u64::MAX),
        default: None,
        help: "end after so many datagrams",
    },
];

/// What `udp-receiver` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// Runs `udp-receiver`.
pub fn run(args: &Args) -> Result<(), Error> {
    let socket = udp::serve_on(args.text("--bind"), args.port("PORT"), PORT)?;
    let wanted = args.count_if("--count").unwrap_or(u64::MAX);
    // The sheet's 512 bytes would cut a longer datagram off, and nobody would notice.
    let mut buffer = vec![0; udp::LARGEST];
    let mut shown = 0;
    while shown < wanted {
        let Some((length, sender)) = udp::receive(&socket, &mut buffer)? else { break };
        screen::say(&format!("{}: {}", address::show(sender), screen::escape(&buffer[..length])))?;
        shown += 1;
    }
    udp::say_received(shown);
    Ok(())
}
