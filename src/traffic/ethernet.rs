//! What the same packets would take on a real Ethernet.
//!
//! A capture on the loopback interface shows an Ethernet header that never existed, packets of up to
//! 64 KiB, and neither the checksum nor the silence that every frame has on a cable:
//!
//! ```text
//! +----------+--------+-----------------------------+-----+---------+
//! | preamble | header |  packet, padded to 46 bytes | FCS | silence |      IEEE 802.3
//! |    8     |   14   |          46 to 1500         |  4  |   12    |
//! +----------+--------+-----------------------------+-----+---------+
//! ```
//!
//! Limits: a segment or datagram of over 1,500 bytes is cut as the sender would cut it. That a sender
//! with smaller segments would also get more acknowledgements is not counted.

use super::packet::{Packet, Protocol};

/// The largest packet in a frame.
const MTU: u64 = 1500;
/// The smallest; a shorter one is padded.
const LEAST: u64 = 46;
/// Everything around it.
const AROUND: u64 = 8 + 14 + 4 + 12;
/// A fragment's header in IPv6 (RFC 8200, 4.5).
const FRAGMENT_HEADER: u64 = 8;

/// Frames of a packet, and the bytes they occupy on the cable.
pub fn cost(packet: &Packet) -> (u64, u64) {
    let Packet { network, transport, application, .. } = *packet;
    if network + transport + application <= MTU {
        return (1, frame(network + transport + application));
    }
    // TCP cuts its data into segments, each with all headers; IP cuts everything else, and repeats
    // only its own header. Fragments hold a multiple of 8 bytes (RFC 791).
    let room = |header: u64| MTU.saturating_sub(header) / 8 * 8;
    let (header, data, room) = match packet.protocol {
        Protocol::Tcp => (network + transport, application, MTU.saturating_sub(network + transport)),
        _ if packet.from.0.is_ipv4() => (network, transport + application, room(network)),
        _ => (network + FRAGMENT_HEADER, transport + application, room(network + FRAGMENT_HEADER)),
    };
    let room = room.max(8);
    let (full, last) = (data / room, data % room);
    let bytes = full * frame(header + room) + if last > 0 { frame(header + last) } else { 0 };
    (full + u64::from(last > 0), bytes)
}

/// A frame with one packet.
fn frame(packet: u64) -> u64 {
    packet.max(LEAST) + AROUND
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn packet(protocol: Protocol, network: u64, transport: u64, application: u64) -> Packet {
        let end: (IpAddr, u16) = (if network < 40 { "10.0.0.1" } else { "::1" }.parse().unwrap(), 1);
        let (from, to, segment, fragment) = (end, end, None, None);
        Packet { protocol, from, to, link: 0, network, transport, application, segment, fragment }
    }

    #[test]
    fn small_packets_are_padded_and_large_ones_cut() {
        for (packet, expected) in [
            (packet(Protocol::Udp, 20, 8, 12), (1, 46 + 38)),
            (packet(Protocol::Tcp, 20, 32, 12), (1, 64 + 38)),
            (packet(Protocol::Tcp, 20, 20, 1460), (1, 1538)),
            (packet(Protocol::Tcp, 20, 32, 2 * 1448), (2, 2 * 1538)),
            (packet(Protocol::Tcp, 20, 32, 2 * 1448 + 1), (3, 2 * 1538 + 53 + 38)),
            (packet(Protocol::Udp, 20, 8, 1473), (2, 1538 + 46 + 38)),
            // With 8 bytes of options.
            (packet(Protocol::Udp, 28, 8, 1473), (2, 1538 + 46 + 38)),
            (packet(Protocol::Udp, 40, 8, 1453), (2, 1496 + 38 + 61 + 38)),
        ] {
            assert_eq!(cost(&packet), expected, "{packet:?}");
        }
    }
}
