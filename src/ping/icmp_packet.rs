//! ICMP packets: built and read. Pure: bytes in, fields out. RFC 792 (IPv4), RFC 4443 (IPv6).
//!
//! An echo request or reply:
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+-------------------------------+
//! |     Type      |     Code      |           Checksum            |
//! +---------------+---------------+-------------------------------+
//! |          Identifier           |        Sequence Number        |
//! +-------------------------------+-------------------------------+
//! |     Data ...
//! +---------------------
//! ```
//!
//! An error about a packet of ours quotes that packet, so that we can tell which one it was:
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |     Type      |     Code      |           Checksum            |
//! +---------------+---------------+-------------------------------+
//! |       next hop's MTU, address of a gateway, pointer, or 0     |
//! +---------------------------------------------------------------+
//! |  the IP header of the packet and at least 8 bytes after it    |
//! +---------------------------------------------------------------+
//! ```
//!
//! The sheet's `struct.pack("bbHHh", …)` is signed and in the machine's own byte order; both work
//! until a number has its highest bit set or the two hosts differ.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::kit::checksum::internet;

/// The length of the ICMP header.
pub const HEADER: usize = 8;

/// Type of an echo request: IPv4 and IPv6.
const REQUEST: [u8; 2] = [8, 128];
/// Type of an echo reply: IPv4 and IPv6.
const REPLY: [u8; 2] = [0, 129];
/// Types of errors. (4, source quench, is IPv4's, 2, packet too big, is IPv6's.)
const V4_ERRORS: [u8; 5] = [3, 4, 5, 11, 12];
const V6_ERRORS: [u8; 4] = [1, 2, 3, 4];

/// IP's numbers for ICMP: IPv4 and IPv6.
const PROTOCOL: [u8; 2] = [1, 58];

/// What is read from an IPv4 header. RFC 791, section 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4Header {
    /// Where the packet comes from.
    pub source: Ipv4Addr,
    /// Where it goes.
    pub destination: Ipv4Addr,
    /// How many more routers it may pass.
    pub ttl: u8,
    /// What is behind the header: 1 is ICMP.
    pub protocol: u8,
}

/// An echo request or reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Which pinger.
    pub identifier: u16,
    /// Which of its pings.
    pub sequence: u16,
    /// What came along.
    pub payload: &'a [u8],
}

/// An error and the request of ours that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The ICMP type.
    pub kind: u8,
    /// The ICMP code.
    pub code: u8,
    /// Bytes 4 to 7: a gateway, an MTU, a pointer, by type.
    pub rest: u32,
    /// Where the request was going.
    pub destination: IpAddr,
    /// The request's identifier.
    pub identifier: u16,
    /// The request's sequence number.
    pub sequence: u16,
}

/// An ICMP packet that concerns a pinger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// An echo reply.
    Reply(Echo<'a>),
    /// An error about an echo request.
    Report(Report),
}

/// Makes an echo request in `packet`, whose memory serves for one request after the other. The checksum of
/// IPv6 covers the addresses too, so the kernel fills it in.
pub fn request(v6: bool, identifier: u16, sequence: u16, payload: &[u8], packet: &mut Vec<u8>) {
    packet.clear();
    packet.extend([REQUEST[usize::from(v6)], 0, 0, 0]);
    packet.extend(identifier.to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.extend(payload);
    if !v6 {
        let sum = internet(packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
}

/// Reads an IPv4 header and returns it with what follows. `None` if there is no whole header, or the
/// packet is shorter than the header says; what lies behind the packet's end is cut off.
pub fn ipv4(packet: &[u8]) -> Option<(Ipv4Header, &[u8])> {
    let (header, rest) = quoted_ipv4(packet)?;
    let total = usize::from(be16(packet, 2)?);
    Some((header, rest.get(..total.checked_sub(packet.len() - rest.len())?)?))
}

/// The same for a packet quoted in an error, which is cut short on purpose.
fn quoted_ipv4(packet: &[u8]) -> Option<(Ipv4Header, &[u8])> {
    let first = *packet.first()?;
    // IHL counts 32-bit words and is 5 without options. The sheet takes bit 160 for granted.
    let length = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || length < 20 || packet.len() < length {
        return None;
    }
    let at = |place: usize| -> Option<Ipv4Addr> {
        Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(place..place + 4)?).ok()?))
    };
    let header =
        Ipv4Header { source: at(12)?, destination: at(16)?, ttl: *packet.get(8)?, protocol: packet[9] };
    Some((header, &packet[length..]))
}

/// Whether the checksum of an ICMPv4 packet is right. A raw socket is handed wrong ones too.
pub fn intact(packet: &[u8]) -> bool {
    internet(packet) == 0
}

/// Reads an ICMP packet, without the IP header. `None` if it does not concern a pinger: another type,
/// a request, too short, or an error about something else than an echo request.
pub fn parse(v6: bool, packet: &[u8]) -> Option<Message<'_>> {
    let (kind, code) = (*packet.first()?, *packet.get(1)?);
    let body = packet.get(HEADER..)?;
    if kind == REPLY[usize::from(v6)] {
        // An echo reply has code 0; RFC 792 knows no other.
        let echo = Echo { identifier: be16(packet, 4)?, sequence: be16(packet, 6)?, payload: body };
        return (code == 0).then_some(Message::Reply(echo));
    }
    let errors: &[u8] = if v6 { &V6_ERRORS } else { &V4_ERRORS };
    if !errors.contains(&kind) {
        return None;
    }
    let (destination, protocol, ours) = if v6 { quoted_ipv6(body)? } else { quoted(body)? };
    let request = *ours.first()? == REQUEST[usize::from(v6)] && protocol == PROTOCOL[usize::from(v6)];
    let rest = u32::from(be16(packet, 4)?) << 16 | u32::from(be16(packet, 6)?);
    let (identifier, sequence) = (be16(ours, 4)?, be16(ours, 6)?);
    request.then_some(Message::Report(Report { kind, code, rest, destination, identifier, sequence }))
}

fn quoted(body: &[u8]) -> Option<(IpAddr, u8, &[u8])> {
    let (header, rest) = quoted_ipv4(body)?;
    // Of a later fragment the first bytes are no ICMP header.
    let fragment = be16(body, 6)? & 0x1fff;
    (fragment == 0).then_some((header.destination.into(), header.protocol, rest))
}

/// A quoted IPv6 packet. Ours have no extension headers, so the next header is ICMPv6. RFC 8200, 3.
fn quoted_ipv6(body: &[u8]) -> Option<(IpAddr, u8, &[u8])> {
    let destination: [u8; 16] = body.get(24..40)?.try_into().ok()?;
    let version = body.first()? >> 4;
    (version == 6).then_some((Ipv6Addr::from(destination).into(), body[6], &body[40..]))
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::random::Random;

    /// A reply with four bytes of data, as a raw socket hands it over: the IP header, then ICMP.
    const REPLY_SEEN: [u8; 32] = [
        0x45, 0x00, 0x00, 0x20, 0x12, 0x34, 0x00, 0x00, 0x40, 0x01, 0x6a, 0xa7, 0x7f, 0, 0, 1, 0x7f, 0, 0,
        1, // IP
        0x00, 0x00, 0xeb, 0xca, 0x12, 0x34, 0x00, 0x01, 0x00, 0x01, 0x01, 0xff, // ICMP
    ];

    fn reply() -> Vec<u8> {
        let mut packet = REPLY_SEEN.to_vec();
        packet[22..24].fill(0);
        let sum = internet(&packet[20..]);
        packet[22..24].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    fn request(v6: bool, identifier: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![9; 3];
        super::request(v6, identifier, sequence, payload, &mut packet);
        packet
    }

    /// An error about `request`, quoted behind an IPv4 header with `options` words of options.
    fn error(kind: u8, code: u8, options: usize, request: &[u8]) -> Vec<u8> {
        let mut packet = vec![kind, code, 0, 0, 10, 0, 0, 9];
        packet.extend([0x45 + options as u8, 0, 0, 84, 0, 0, 0x40, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 2, 2]);
        packet.extend(vec![1; options * 4]);
        packet.extend(request);
        let sum = internet(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    #[test]
    fn a_golden_request_and_its_reply() {
        let packet = request(false, 0x1234, 1, &[0, 1, 2, 3]);
        assert_eq!(packet, [8, 0, 0xe3, 0xc6, 0x12, 0x34, 0, 1, 0, 1, 2, 3]);
        assert!(intact(&packet));
        assert_eq!(parse(false, &packet), None, "our own request, as loopback shows it, is no reply");
        assert_eq!(request(true, 0x1234, 1, &[7]), [128, 0, 0, 0, 0x12, 0x34, 0, 1, 7]);

        let packet = reply();
        let (header, icmp) = ipv4(&packet).unwrap();
        assert_eq!((header.source, header.ttl, header.protocol), (Ipv4Addr::LOCALHOST, 64, 1));
        assert!(intact(icmp));
        let echo = Echo { identifier: 0x1234, sequence: 1, payload: &[0, 1, 1, 0xff] };
        assert_eq!(parse(false, icmp), Some(Message::Reply(echo)));
    }

    #[test]
    fn ip_options_are_stepped_over() {
        let mut packet = reply();
        packet[0] = 0x47;
        packet[3] += 8;
        packet.splice(20..20, [1; 8]);
        let (_, icmp) = ipv4(&packet).unwrap();
        assert!(matches!(parse(false, icmp), Some(Message::Reply(echo)) if echo.identifier == 0x1234));
    }

    #[test]
    fn an_error_names_the_request_it_quotes() {
        let ours = request(false, 0xabcd, 0xfffe, &[0; 20]);
        for options in [0, 3, 10] {
            let packet = error(3, 1, options, &ours[..8]);
            let destination = IpAddr::from([10, 0, 2, 2]);
            let report = Report {
                kind: 3,
                code: 1,
                rest: 0x0a00_0009,
                destination,
                identifier: 0xabcd,
                sequence: 0xfffe,
            };
            assert_eq!(parse(false, &packet), Some(Message::Report(report)));
        }
        let mut udp = error(3, 3, 0, &ours[..8]);
        udp[HEADER + 9] = 17;
        assert_eq!(parse(false, &udp), None, "an error about a UDP packet is not ours");
        let mut fragment = error(3, 1, 0, &ours[..8]);
        fragment[HEADER + 7] = 9;
        assert_eq!(parse(false, &fragment), None);
        assert_eq!(parse(false, &error(3, 1, 0, &reply()[20..28])), None, "nor one about a reply");
    }

    #[test]
    fn an_ipv6_error_names_the_request_it_quotes() {
        let mut packet = vec![1, 4, 0, 0, 0, 0, 0, 0, 0x60, 0, 0, 0, 0, 12, 58, 64];
        packet.extend(Ipv6Addr::LOCALHOST.octets());
        packet.extend(Ipv6Addr::LOCALHOST.octets());
        packet.extend(request(true, 5, 6, &[]));
        let Some(Message::Report(report)) = parse(true, &packet) else { panic!("no report") };
        assert_eq!((report.kind, report.code, report.identifier, report.sequence), (1, 4, 5, 6));
        assert_eq!(report.destination, IpAddr::from(Ipv6Addr::LOCALHOST));
        for length in 0..packet.len() {
            assert_eq!(parse(true, &packet[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn every_truncation_and_lying_length_is_refused() {
        let packet = reply();
        for length in 0..packet.len() {
            assert_eq!(ipv4(&packet[..length]), None, "{length} bytes");
        }
        for length in 0..HEADER {
            assert_eq!(parse(false, &packet[20..20 + length]), None);
        }
        let quoting = error(11, 0, 2, &request(false, 1, 2, &[]));
        for length in 0..quoting.len() {
            assert_eq!(parse(false, &quoting[..length]), None, "{length} bytes");
        }
        for lie in [0u8, 19, 33, 255] {
            let mut packet = reply();
            packet[3] = lie;
            assert_eq!(ipv4(&packet), None, "total length {lie}");
        }
        for first in 0..=255u8 {
            let mut packet = reply();
            packet[0] = first;
            let allowed = first >> 4 == 4 && (5..=8).contains(&(first & 15));
            assert_eq!(ipv4(&packet).is_some(), allowed, "first byte {first:#x}");
        }
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut random = Random::new(Some(792));
        for round in 0..200_000 {
            let length = random.below(100) as usize;
            let mut bytes: Vec<u8> = (0..length).map(|_| random.bits() as u8).collect();
            if round % 2 == 0 && length > 0 {
                bytes[0] = [0x45, 3, 11, 0, 0x4f][random.below(5) as usize];
            }
            let _ = ipv4(&bytes).map(|(_, rest)| parse(false, rest));
            let _ = (parse(false, &bytes), parse(true, &bytes));
        }
    }

    #[test]
    fn a_single_wrong_bit_is_found() {
        let packet = request(false, 7, 8, &[9; 30]);
        for bit in 0..packet.len() * 8 {
            let mut damaged = packet.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(!intact(&damaged), "bit {bit}");
        }
    }
}
