//! One packet taken apart: how many of its bytes belong to which layer.
//!
//! ```text
//! |<-------------------- length on the wire (of the capture) ------------------->|
//! +-------------+----------------+-----------------+--------------------+---------+
//! |  Ethernet   |  IPv4 or IPv6  |  TCP, UDP, ICMP |  the application's |(padding)|
//! +-------------+----------------+-----------------+--------------------+---------+
//!      link          network          transport        application         link
//! ```
//!
//! The lengths come from the headers, not from what was captured: `tcpdump -s 96` keeps the beginning
//! of each packet only. Padding up to Ethernet's minimum counts as the link's.
//!
//! Limits: tunnels are not looked into; what they carry is the outer packet's application.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::kit::wire::Reader;

/// Link types: see tcpdump.org/linktypes.html.
const NULL: u32 = 0;
const ETHERNET: u32 = 1;
const RAW: [u32; 5] = [12, 14, 101, 228, 229];
const COOKED: u32 = 113;
const COOKED2: u32 = 276;

/// The protocol above IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// 6.
    Tcp,
    /// 17.
    Udp,
    /// 1 and 58.
    Icmp,
    /// Any other.
    Other(u8),
}

/// One end of a conversation; the port is 0 where the protocol has none.
pub type End = (IpAddr, u16);

/// What a TCP header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Number of the first byte.
    pub seq: u32,
    /// The byte that is expected next from the other side.
    pub ack: u32,
    /// The flags, as in the header.
    pub flags: u8,
    /// How much the sender would take, unscaled.
    pub window: u16,
}

/// Flags of TCP.
pub mod flags {
    /// The sender has nothing more to send.
    pub const FIN: u8 = 1;
    /// The first segment.
    pub const SYN: u8 = 2;
    /// The connection is broken off.
    pub const RST: u8 = 4;
    /// Hand this to the application at once.
    pub const PSH: u8 = 8;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 16;
}

/// A packet of IP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// What is above IP.
    pub protocol: Protocol,
    /// Who sent it.
    pub from: End,
    /// For whom.
    pub to: End,
    /// Bytes of the frame that are not the network's: header, trailer, padding.
    pub link: u64,
    /// Bytes of the IP header with its options and extensions.
    pub network: u64,
    /// Bytes of the transport's header.
    pub transport: u64,
    /// The rest.
    pub application: u64,
    /// For TCP, if its header was captured.
    pub segment: Option<Segment>,
    /// Of a packet that was cut into fragments: its number, the same for all of them. Only the first
    /// has ports.
    pub fragment: Option<Fragment>,
}

/// A fragment of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// The packet's identification.
    pub id: u32,
    /// Whether it is the first, with the transport's header.
    pub first: bool,
}

/// What is known after the IP header.
struct Network {
    protocol: u8,
    from: IpAddr,
    to: IpAddr,
    header: u64,
    /// Bytes after the header.
    rest: u64,
    fragment: Option<Fragment>,
}

/// A name for a link type; `None` for one that cannot be read here.
pub fn link_name(link_type: u32) -> Option<&'static str> {
    match link_type {
        NULL => Some("BSD loopback"),
        ETHERNET => Some("Ethernet"),
        COOKED | COOKED2 => Some("Linux cooked"),
        raw if RAW.contains(&raw) => Some("raw IP"),
        _ => None,
    }
}

/// Takes a frame apart. `length` is how long it was on the wire, `data` what was captured of it.
/// `None`: no IP (ARP, for one), or too little captured to tell.
pub fn parse(link_type: u32, length: u32, data: &[u8]) -> Option<Packet> {
    let mut reader = Reader::new(data);
    skip_link(link_type, &mut reader)?;
    let header = data.len() - reader.rest().len();
    let version = reader.rest().first()? >> 4;
    let offered = u64::from(length).saturating_sub(header as u64);
    let network = match version {
        4 => ipv4(&mut reader, offered)?,
        6 => ipv6(&mut reader, offered)?,
        _ => return None,
    };
    let later = network.fragment.is_some_and(|fragment| !fragment.first);
    let protocol = match network.protocol {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        1 | 58 => Protocol::Icmp,
        other => Protocol::Other(other),
    };
    let (ports, transport, segment) = if later { ((0, 0), 0, None) } else { transport(protocol, reader) };
    let transport = transport.min(network.rest);
    Some(Packet {
        protocol,
        from: (network.from, ports.0),
        to: (network.to, ports.1),
        link: u64::from(length).saturating_sub(network.header + network.rest),
        network: network.header,
        transport,
        application: network.rest - transport,
        segment,
        fragment: network.fragment,
    })
}

/// Moves behind the link's header if IP follows it.
fn skip_link(link_type: u32, reader: &mut Reader) -> Option<()> {
    const IPV4: u16 = 0x0800;
    const IPV6: u16 = 0x86dd;
    /// 802.1Q and 802.1ad: four bytes more, and the type again.
    const VLANS: [u16; 2] = [0x8100, 0x88a8];
    let mut ethertype = match link_type {
        // The address family, whose numbers differ; the IP version tells more.
        NULL => return reader.bytes(4).map(|_| ()),
        ETHERNET => reader.bytes(12).and_then(|_| reader.u16())?,
        COOKED => reader.bytes(14).and_then(|_| reader.u16())?,
        COOKED2 => {
            let ethertype = reader.u16()?;
            reader.bytes(18)?;
            ethertype
        }
        raw if RAW.contains(&raw) => return Some(()),
        _ => return None,
    };
    while VLANS.contains(&ethertype) {
        reader.u16()?;
        ethertype = reader.u16()?;
    }
    (ethertype == IPV4 || ethertype == IPV6).then_some(())
}

/// RFC 791. `offered` is what the frame has room for.
fn ipv4(reader: &mut Reader, offered: u64) -> Option<Network> {
    let header = 4 * u64::from(reader.u8()? & 15);
    reader.u8()?;
    let total = match u64::from(reader.u16()?) {
        // The network card was to cut it into segments, and the capture came first.
        0 => offered,
        total => total.min(offered),
    };
    let id = u32::from(reader.u16()?);
    let place = reader.u16()?;
    reader.u8()?;
    let protocol = reader.u8()?;
    reader.u16()?;
    let (from, to) = (Ipv4Addr::from(reader.u32()?), Ipv4Addr::from(reader.u32()?));
    if header < 20 || total < header {
        return None;
    }
    // Options that were not captured leave nothing to read behind them.
    let options = header as usize - 20;
    reader.bytes(options.min(reader.rest().len()))?;
    let (more, offset) = (place & 0x2000 != 0, place & 0x1fff);
    let fragment = (more || offset > 0).then_some(Fragment { id, first: offset == 0 });
    Some(Network { protocol, from: from.into(), to: to.into(), header, rest: total - header, fragment })
}

/// RFC 8200, its extension headers included.
fn ipv6(reader: &mut Reader, offered: u64) -> Option<Network> {
    reader.u32()?;
    let payload = match u64::from(reader.u16()?) {
        0 => offered.saturating_sub(40),
        payload => payload.min(offered.saturating_sub(40)),
    };
    let mut protocol = reader.u8()?;
    reader.u8()?;
    let from = Ipv6Addr::from(reader.array::<16>()?);
    let to = Ipv6Addr::from(reader.array::<16>()?);
    let (mut extensions, mut fragment) = (0, None);
    // Hop-by-hop, routing, fragment, destination options. Each is at least 8 bytes long, so this ends.
    while let 0 | 43 | 44 | 60 = protocol {
        let mut header = *reader;
        let next = header.u8()?;
        let length = 8 * (1 + usize::from(header.u8()?));
        let length = if protocol == 44 { 8 } else { length };
        if protocol == 44 {
            let place = header.u16()?;
            fragment = Some(Fragment { id: header.u32()?, first: place & 0xfff8 == 0 });
        }
        reader.bytes(length)?;
        extensions += length as u64;
        protocol = next;
        if fragment.is_some_and(|fragment| !fragment.first) {
            break;
        }
    }
    let rest = payload.checked_sub(extensions)?;
    Some(Network { protocol, from: from.into(), to: to.into(), header: 40 + extensions, rest, fragment })
}

/// Ports, the length of the header, and what a TCP header says.
fn transport(protocol: Protocol, mut reader: Reader) -> ((u16, u16), u64, Option<Segment>) {
    let nothing = ((0, 0), 0, None);
    match protocol {
        Protocol::Udp => {
            let ports = reader.u16().zip(reader.u16());
            ports.map_or(nothing, |ports| (ports, 8, None))
        }
        Protocol::Icmp => ((0, 0), 8, None),
        Protocol::Tcp => {
            let mut header = || {
                let ports = (reader.u16()?, reader.u16()?);
                let (seq, ack) = (reader.u32()?, reader.u32()?);
                let (length, flags) = (4 * u64::from(reader.u8()? >> 4), reader.u8()?);
                let window = reader.u16()?;
                Some((ports, length.max(20), Some(Segment { seq, ack, flags, window })))
            };
            header().unwrap_or(nothing)
        }
        Protocol::Other(_) => nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Ethernet frame of IPv4 and UDP with four bytes, padded to 60.
    fn frame() -> Vec<u8> {
        let mut bytes = [&[0; 12][..], &[8, 0]].concat();
        bytes.extend([0x45, 0, 0, 32, 0, 7, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        bytes.extend([0x30, 0x39, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4]);
        bytes.resize(60, 0);
        bytes
    }

    fn layers(packet: &Packet) -> [u64; 4] {
        [packet.application, packet.transport, packet.network, packet.link]
    }

    #[test]
    fn each_byte_belongs_to_one_layer() {
        let packet = parse(ETHERNET, 60, &frame()).unwrap();
        assert_eq!(layers(&packet), [4, 8, 20, 28]);
        assert_eq!(packet.from, ("10.0.0.1".parse().unwrap(), 12345));
        assert_eq!((packet.to.1, packet.protocol), (53, Protocol::Udp));
        // The same behind a VLAN tag, raw, and cooked.
        let ip = &frame()[14..];
        let tagged = [&frame()[..12], &[0x81, 0, 0, 5, 8, 0], ip].concat();
        assert_eq!(layers(&parse(ETHERNET, 64, &tagged).unwrap()), [4, 8, 20, 32]);
        assert_eq!(layers(&parse(101, 32, ip).unwrap()), [4, 8, 20, 0]);
        let cooked = [&[0; 14][..], &[8, 0], ip].concat();
        assert_eq!(layers(&parse(COOKED, 48, &cooked).unwrap()), [4, 8, 20, 16]);
        let cooked = [&[8, 0][..], &[0; 18], ip].concat();
        assert_eq!(layers(&parse(COOKED2, 52, &cooked).unwrap()), [4, 8, 20, 20]);
    }

    #[test]
    fn a_packet_of_which_only_the_beginning_was_captured_counts_whole() {
        let bytes = frame();
        for cut in 0..bytes.len() {
            if let Some(packet) = parse(ETHERNET, 60, &bytes[..cut]) {
                assert_eq!(layers(&packet).iter().sum::<u64>(), 60, "cut at {cut}");
            } else {
                assert!(cut < 34, "cut at {cut}");
            }
        }
    }

    #[test]
    fn lengths_that_lie_do_not_add_up_to_more_than_the_frame() {
        let mut bytes = frame();
        for at in 14..42 {
            for value in [0, 1, 0x40, 0x4f, 0x65, 0x7f, 0xff] {
                let was = std::mem::replace(&mut bytes[at], value);
                if let Some(packet) = parse(ETHERNET, 60, &bytes) {
                    assert_eq!(layers(&packet).iter().sum::<u64>(), 60, "byte {at} is {value}");
                }
                bytes[at] = was;
            }
        }
    }

    #[test]
    fn ipv6_with_extensions_and_fragments() {
        let addresses = [1u8; 32];
        let head = |next: u8, length: u8| [&[0x60, 0, 0, 0, 0, length, next, 64][..], &addresses].concat();
        let udp = [0, 9, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4];
        let packet = parse(101, 52, &[head(17, 12), udp.to_vec()].concat()).unwrap();
        assert_eq!(layers(&packet), [4, 8, 40, 0]);
        let hop = [17, 0, 1, 4, 0, 0, 0, 0];
        let packet = parse(101, 60, &[head(0, 20), hop.to_vec(), udp.to_vec()].concat()).unwrap();
        assert_eq!(layers(&packet), [4, 8, 48, 0]);
        let later = [17, 0, 0, 8, 0, 0, 0, 9];
        let packet = parse(101, 60, &[head(44, 20), later.to_vec(), udp.to_vec()].concat()).unwrap();
        assert_eq!(layers(&packet), [12, 0, 48, 0]);
        assert_eq!(packet.fragment, Some(Fragment { id: 9, first: false }));
        assert_eq!(packet.from.1, 0);
    }
}
