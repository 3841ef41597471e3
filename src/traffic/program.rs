//! `traffic FILE.pcap`: what a capture holds, flow by flow and layer by layer.
//!
//! Sheet: IoT lab 1, deliverable: the analysis of the generated traffic, "with comments about the
//! overhead introduced by each protocol of the transport layer".
//!
//! ```text
//! by hand in Wireshark                                  here
//! Statistics > Conversations                            the rows -> and <-
//! Statistics > Protocol Hierarchy                       the columns
//! tcp.analysis.retransmission                           the last line of a TCP flow
//! Statistics > Flow Graph                               --diagram
//! ```
//!
//! Captures are made by tcpdump: `tcpdump -i lo -w FILE.pcap port 7001`. This program only reads the
//! file, and needs no privilege.
//!
//! Limits: the classic format only (not pcapng); IPv4 and IPv6 over Ethernet, Linux "any" captures, raw IP
//! and loopback; everything else is counted as "not IP".

use std::fs::File;
use std::io::{BufReader, Read};

use super::flow::Flows;
use super::pcap::{Capture, End, Next};
use super::{diagram, packet, report};
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::screen;
use crate::kit::usage::{switch, Flag, Kind, Operand, Usage};

const OPERANDS: &[Operand] = &[Operand {
    name: "FILE",
    kind: Kind::Path,
    default: None,
    help: "a capture in the classic pcap format, as `tcpdump -w FILE` writes it",
}];
const FLAGS: &[Flag] = &[switch("--diagram", "draw the first 60 packets of each flow as a sequence diagram")];

/// What `traffic` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// Runs `traffic`.
pub fn run(args: &Args) -> Result<(), Error> {
    let path = args.path("FILE");
    let shown = screen::escape(args.bytes("FILE"));
    let file = File::open(path).map_err(|why| Error::io(format!("cannot open {shown}"), &why))?;
    let drawn = args.has("--diagram");
    let remember = if drawn { diagram::MOST } else { 0 };
    let mut capture =
        Capture::open(BufReader::new(file)).map_err(|why| Error::Failed(format!("{shown}: {why}")))?;
    let Some(link) = packet::link_name(capture.link_type) else {
        let number = capture.link_type;
        return Err(Error::Failed(format!("{shown}: link type {number} is not read here (Ethernet is 1)")));
    };
    let mut flows = Flows::new(remember);
    let (packets, other, end) = read(&mut capture, &mut flows)?;
    screen::say(&format!("{shown}: {packets} packets, {link}"))?;
    for flow in &flows.list {
        screen::say("")?;
        let lines =
            report::flow(flow).into_iter().chain(drawn.then(|| diagram::draw(flow)).into_iter().flatten());
        for line in lines {
            screen::say(&line)?;
        }
    }
    let total = report::total(&flows, other);
    if !total.is_empty() {
        screen::say("")?;
    }
    for line in total {
        screen::say(&line)?;
    }
    match end {
        End::Whole => Ok(()),
        End::Torn => {
            Err(Error::Failed(format!("{shown}: the last packet is not whole; the above is what there is")))
        }
        End::Damaged => {
            Err(Error::Failed(format!("{shown}: damaged after packet {packets}; the above is what there is")))
        }
    }
}

/// Reads all packets. Returns how many there were, how many of them (and their bytes) are not IP, and
/// how the file ended.
fn read<R: Read>(capture: &mut Capture<R>, flows: &mut Flows) -> Result<(u64, (u64, u64), End), Error> {
    let (mut packets, mut other) = (0, (0, 0));
    loop {
        let record = match capture.packet().map_err(|why| Error::io("cannot read the capture", &why))? {
            Next::Packet(record) => record,
            Next::End(end) => return Ok((packets, other, end)),
        };
        packets += 1;
        match packet::parse(capture.link_type, record.length, &record.data) {
            Some(packet) => flows.take(record.time, packet),
            None => other = (other.0 + 1, other.1 + u64::from(record.length)),
        }
    }
}
