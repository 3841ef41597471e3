//! A sequence diagram of a flow's first packets, as text.
//!
//! ```text
//!            127.0.0.1:51918                                127.0.0.1:7001
//!  0.000000  |----------------------- SYN seq 0 ----------------------->|
//!  0.000011  |<------------------ SYN ACK seq 0 ack 1 ------------------|
//!  0.000209  |------------- PSH ACK seq 1 ack 1, 47 bytes ------------->|
//! ```

use super::flow::Flow;
use super::packet::{flags, Packet};
use super::report::end;
use super::segments::{Order, Segments};

/// How many packets of a flow are drawn.
pub const MOST: usize = 60;

/// Characters between the two sides.
const WIDTH: usize = 56;

/// One packet of the diagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    side: usize,
    /// Nanoseconds since the flow's first packet.
    after: u64,
    label: String,
}

impl Event {
    /// Describes a packet.
    pub fn new(side: usize, after: u64, packet: &Packet, order: Order, segments: &Segments) -> Event {
        let mut label = String::new();
        if let Some(segment) = packet.segment {
            let names = [
                (flags::SYN, "SYN "),
                (flags::FIN, "FIN "),
                (flags::RST, "RST "),
                (flags::PSH, "PSH "),
                (flags::ACK, "ACK "),
            ];
            label.extend(names.iter().filter(|(flag, _)| segment.flags & flag != 0).map(|(_, name)| *name));
            label += &format!("seq {}", segments.relative(side, segment.seq));
            if segment.flags & flags::ACK != 0 {
                label += &format!(" ack {}", segments.relative(1 - side, segment.ack));
            }
            if packet.application > 0 {
                label += ", ";
            }
        }
        if packet.application > 0 || packet.segment.is_none() {
            label += &format!("{} bytes", packet.application);
        }
        label += match order {
            Order::InOrder => "",
            Order::Retransmission => " (again)",
            Order::OutOfOrder => " (overtaken)",
        };
        Event { side, after, label }
    }
}

/// The lines of the diagram.
pub fn draw(flow: &Flow) -> Vec<String> {
    let (left, right) = (end(flow.ends[0]), end(flow.ends[1]));
    let mut lines = vec![format!("           {left:<28}{right:>30}")];
    for Event { side, after, label } in &flow.events {
        let (seconds, micros) = (after / 1_000_000_000, after / 1000 % 1_000_000);
        let middle = format!(" {label} ");
        let arrow = if *side == 0 {
            format!("|{middle:-^width$}>|", width = WIDTH - 1)
        } else {
            format!("|<{middle:-^width$}|", width = WIDTH - 1)
        };
        lines.push(format!("{seconds:>3}.{micros:06} {arrow}"));
    }
    let packets = flow.sums[0].packets + flow.sums[1].packets;
    let more = packets - flow.events.len() as u64;
    if more > 0 {
        lines.push(format!("           … and {more} packets more"));
    }
    lines
}
