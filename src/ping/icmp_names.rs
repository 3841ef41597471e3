//! What the codes of ICMP errors mean, in the words of iputils `ping`.
//!
//! Sheet: CSE3214, assignment 4, optional exercise 2. The sheet's "0: Destination Network
//! Unreachable, 1: Destination Host Unreachable" holds under type 3 only; under type 11 code 0 is
//! "Time to live exceeded".

use std::net::Ipv4Addr;

/// Type 3, destination unreachable: RFC 792, RFC 1122 (3.2.2.1), RFC 1812 (5.2.7.1).
const UNREACHABLE: [&str; 16] = [
    "Destination Net Unreachable",
    "Destination Host Unreachable",
    "Destination Protocol Unreachable",
    "Destination Port Unreachable",
    "Frag needed and DF set",
    "Source Route Failed",
    "Destination Net Unknown",
    "Destination Host Unknown",
    "Source Host Isolated",
    "Destination Net Prohibited",
    "Destination Host Prohibited",
    "Destination Net Unreachable for Type of Service",
    "Destination Host Unreachable for Type of Service",
    "Packet filtered",
    "Precedence Violation",
    "Precedence Cutoff",
];

/// Type 5, redirect.
const REDIRECT: [&str; 4] = [
    "Redirect Network",
    "Redirect Host",
    "Redirect Type of Service and Network",
    "Redirect Type of Service and Host",
];

/// Type 5 tells of a better way; the packet itself has been forwarded, so it is no failure.
pub fn is_advice(v6: bool, kind: u8) -> bool {
    !v6 && matches!(kind, 4 | 5)
}

/// An ICMPv4 error by name; `rest` is what bytes 4 to 7 hold.
pub fn v4(kind: u8, code: u8, rest: u32) -> String {
    match (kind, code) {
        (3, 4) => format!("{} (mtu = {})", UNREACHABLE[4], rest & 0xffff),
        (3, _) => match UNREACHABLE.get(usize::from(code)) {
            Some(name) => name.to_string(),
            None => format!("Dest Unreachable, Bad Code: {code}"),
        },
        (4, _) => "Source Quench".to_string(),
        (5, _) => {
            let name = REDIRECT.get(usize::from(code));
            let name = name.map_or(format!("Redirect, Bad Code: {code}"), |name| name.to_string());
            format!("{name}(New nexthop: {})", Ipv4Addr::from(rest))
        }
        (11, 0) => "Time to live exceeded".to_string(),
        (11, 1) => "Frag reassembly time exceeded".to_string(),
        (11, _) => format!("Time exceeded, Bad Code: {code}"),
        // The pointer is the first of the four bytes. RFC 792; codes 1 and 2 are RFC 1122's, 1108's.
        (12, 1) => "Parameter problem: a required option is missing".to_string(),
        (12, 2) => "Parameter problem: bad length".to_string(),
        (12, _) => format!("Parameter problem: pointer = {}", rest >> 24),
        _ => format!("Bad ICMP type: {kind}"),
    }
}

/// An ICMPv6 error by name. RFC 4443, section 3.
pub fn v6(kind: u8, code: u8, rest: u32) -> String {
    match (kind, code) {
        (1, _) => {
            let name = match code {
                0 => "No route",
                1 => "Administratively prohibited",
                2 => "Beyond scope of source address",
                3 => "Address unreachable",
                4 => "Port unreachable",
                5 => "Source address failed ingress/egress policy",
                6 => "Reject route to destination",
                _ => return format!("Destination unreachable: Unknown code {code}"),
            };
            format!("Destination unreachable: {name}")
        }
        (2, 0) => format!("Packet too big: mtu={rest}"),
        (2, _) => format!("Packet too big: mtu={rest}, code={code}"),
        (3, 0) => "Time exceeded: Hop limit".to_string(),
        (3, 1) => "Time exceeded: Defragmentation failure".to_string(),
        (3, _) => format!("Time exceeded: code {code}"),
        (4, 0) => format!("Parameter problem: Wrong header field at {rest}"),
        (4, 1) => format!("Parameter problem: Unknown header at {rest}"),
        (4, 2) => format!("Parameter problem: Unknown option at {rest}"),
        (4, _) => format!("Parameter problem: code {code} at {rest}"),
        _ => format!("Bad ICMP type: {kind}"),
    }
}

/// The mark that traceroute puts behind a probe that was answered with "unreachable": `!H` host, `!N`
/// network, `!P` protocol, `!F` fragmentation needed, `!S` source route, `!X` prohibited, `!V`
/// precedence violation, `!C` precedence cutoff, `!N` code number. `None` when the probe ended well:
/// it was only on its way, or it reached a closed port, which is what a UDP probe looks for.
pub fn mark(v6: bool, kind: u8, code: u8) -> Option<String> {
    let mark = match (v6, kind, code) {
        (false, 11, _) | (true, 3, _) | (false, 3, 3) | (true, 1, 4) => return None,
        (false, 3, 0 | 6 | 11) | (true, 1, 0) => "!N",
        (false, 3, 1 | 7 | 8 | 12) | (true, 1, 3) => "!H",
        (false, 3, 2) => "!P",
        (false, 3, 4) | (true, 2, _) => "!F",
        (false, 3, 5) => "!S",
        (false, 3, 9 | 10 | 13) | (true, 1, 1 | 5 | 6) => "!X",
        (false, 3, 14) => "!V",
        (false, 3, 15) => "!C",
        _ => return Some(format!("!{code}")),
    };
    Some(mark.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_their_type_says() {
        assert_eq!(v4(3, 0, 0), "Destination Net Unreachable");
        assert_eq!(v4(11, 0, 0), "Time to live exceeded");
        assert_eq!(v4(3, 4, 1_400), "Frag needed and DF set (mtu = 1400)");
        assert_eq!(v4(5, 1, 0x0a00_0003), "Redirect Host(New nexthop: 10.0.0.3)");
        assert_eq!(v4(12, 0, 20 << 24), "Parameter problem: pointer = 20");
        assert_eq!(v4(3, 16, 0), "Dest Unreachable, Bad Code: 16");
        assert_eq!(v6(1, 0, 0), "Destination unreachable: No route");
        assert_eq!(v6(2, 0, 1_280), "Packet too big: mtu=1280");
    }

    #[test]
    fn every_type_and_code_has_a_name_and_none_panics() {
        for kind in 0..=255 {
            for code in 0..=255 {
                assert!(!v4(kind, code, u32::MAX).is_empty() && !v6(kind, code, u32::MAX).is_empty());
                let _ = (mark(false, kind, code), mark(true, kind, code));
            }
        }
    }

    #[test]
    fn marks_of_traceroute() {
        assert_eq!(mark(false, 11, 0), None);
        assert_eq!(mark(false, 3, 3), None);
        assert_eq!(mark(false, 3, 13).as_deref(), Some("!X"));
        assert_eq!(mark(false, 3, 77).as_deref(), Some("!77"));
        assert_eq!(mark(true, 1, 3).as_deref(), Some("!H"));
    }
}
