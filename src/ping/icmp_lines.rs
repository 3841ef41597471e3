//! The lines that `ping` shows: those of iputils `ping`, to the digit, and two of our own.
//!
//! ```text
//! PING 10.0.2.2 (10.0.2.2) 56(84) bytes of data.
//! 64 bytes from 10.0.2.2: icmp_seq=1 ttl=63 time=0.045 ms
//! 64 bytes from 10.0.2.2: icmp_seq=1 ttl=63 time=0.061 ms (DUP!)
//! 64 bytes from 10.0.2.2: icmp_seq=2 ttl=63 time=0.052 ms (BAD CHECKSUM!)
//! 64 bytes from 10.0.2.2: icmp_seq=2 ttl=63 time=0.058 ms
//! wrong data byte #40 should be 0x28 but was 0x8
//! #16     10 11 12 13 14 15 16 17 …
//! From 10.0.1.1 icmp_seq=3 Time to live exceeded
//! Request timed out: icmp_seq=4                                      the sheet's; iputils is silent
//! 64 bytes from 10.0.2.2: icmp_seq=4 ttl=63 time=1204 ms (late)      ours: iputils does not say "late"
//! ```

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::icmp_names as names;
use super::icmp_packet::HEADER;
use super::icmp_pings::Answer;
use crate::kit::clock::epoch;
use crate::kit::error::Error;
use crate::kit::screen::{escape, say};
use crate::kit::stats::micros;
use crate::kit::sys::names::name_of;

/// How many names are remembered.
const MOST_NAMES: usize = 256;

/// Where a dump of a payload begins, and how many bytes each of its lines has: both are iputils'. What
/// is in front is the time of sending and the nonce.
const DUMPED_FROM: usize = 16;
const DUMPED_LINE: usize = 32;

/// Where the lines go.
#[derive(Debug)]
pub struct Lines {
    /// The host that is asked.
    pub target: IpAddr,
    /// Nothing but the statistics: `-q`, and `-f`, which has dots instead.
    pub silent: bool,
    /// Whether each line begins with the time of day: `-D`.
    pub stamps: bool,
    /// The names of addresses that have been looked up; `None` when names are not wanted.
    pub names: Option<HashMap<IpAddr, String>>,
}

/// A reply as it is shown.
#[derive(Debug)]
pub struct Reply<'a> {
    /// Who sent it.
    pub from: IpAddr,
    /// Its time to live on arrival.
    pub ttl: Option<u8>,
    /// Its data.
    pub payload: &'a [u8],
    /// What it answers.
    pub answer: Answer,
    /// Its round-trip time, if it is to be shown.
    pub rtt: Option<Duration>,
    /// Whether it has come after the wait for it was over.
    pub late: bool,
}

impl Lines {
    /// A request has waited for its reply long enough.
    pub fn timed_out(&self, number: u64) -> Result<(), Error> {
        self.line(&format!("Request timed out: icmp_seq={}", number as u16))
    }

    /// A reply to a request of ours has come.
    pub fn reply(&mut self, reply: &Reply) -> Result<(), Error> {
        if self.silent {
            return Ok(());
        }
        let who = self.name(reply.from);
        let elsewhere = reply.from != self.target && !reply.from.is_loopback();
        self.line(&reply_line(reply, &who, elsewhere))
    }

    /// Somebody says that a request went wrong, or (`advice`) that there is a better way.
    pub fn report(
        &mut self,
        from: IpAddr,
        sequence: u16,
        (kind, code, rest): (u8, u8, u32),
        advice: bool,
    ) -> Result<(), Error> {
        if self.silent {
            return Ok(());
        }
        let what =
            if self.target.is_ipv6() { names::v6(kind, code, rest) } else { names::v4(kind, code, rest) };
        // The colon is iputils': it reads advice from a packet, and errors from the socket's error queue.
        let colon = if advice { ":" } else { "" };
        let who = self.name(from);
        self.line(&format!("From {who}{colon} icmp_seq={sequence} {what}"))
    }

    /// One line of the transcript, unless only the statistics are wanted.
    fn line(&self, text: &str) -> Result<(), Error> {
        match (self.silent, self.stamps) {
            (true, _) => Ok(()),
            (false, true) => say(&format!("[{}] {text}", epoch())),
            (false, false) => say(text),
        }
    }

    /// An address as it is shown: `name (address)` where names are wanted and there is one.
    fn name(&mut self, address: IpAddr) -> String {
        let Some(known) = &mut self.names else { return address.to_string() };
        if known.len() >= MOST_NAMES {
            known.clear();
        }
        let found = known.entry(address).or_insert_with(|| match name_of(address) {
            Some(name) => format!("{} ({address})", escape(&name)),
            None => address.to_string(),
        });
        found.clone()
    }
}

/// The first line: IPv4 counts the headers too, in brackets. iputils words IPv6's differently.
pub fn heading(host: &str, target: SocketAddr, size: usize, typed_address: bool) -> String {
    match (target.ip(), typed_address) {
        (IpAddr::V4(ip), _) => format!("PING {host} ({ip}) {size}({}) bytes of data.", size + HEADER + 20),
        (IpAddr::V6(ip), true) => format!("PING {host}({ip}) {size} data bytes"),
        (IpAddr::V6(ip), false) => format!("PING {host}({host} ({ip})) {size} data bytes"),
    }
}

/// The line of a reply; with wrong data, the lines that show them.
fn reply_line(reply: &Reply, who: &str, elsewhere: bool) -> String {
    let Reply { answer, payload, .. } = reply;
    let mut text = format!("{} bytes from {who}: icmp_seq={}", HEADER + payload.len(), answer.number as u16);
    if let Some(ttl) = reply.ttl {
        text += &format!(" ttl={ttl}");
    }
    if let (Some(rtt), false) = (reply.rtt, answer.truncated) {
        text += &format!(" time={} ms", milliseconds(rtt));
    }
    for (holds, mark) in [
        (answer.truncated, " (truncated)"),
        (answer.duplicate, " (DUP!)"),
        (!answer.intact, " (BAD CHECKSUM!)"),
        (elsewhere, " (DIFFERENT ADDRESS!)"),
        (reply.late, " (late)"),
    ] {
        text += if holds { mark } else { "" };
    }
    if let (Some((place, should, was)), false) = (answer.wrong, answer.truncated) {
        text += &format!("\nwrong data byte #{place} should be 0x{should:x} but was 0x{was:x}");
        text += &dump(payload, if place < DUMPED_FROM { 0 } else { DUMPED_FROM });
    }
    text
}

/// The payload from byte `first` on, in lines that begin with the number of their first byte.
fn dump(payload: &[u8], first: usize) -> String {
    let mut text = String::new();
    for (place, byte) in payload.iter().enumerate().skip(first) {
        if place == first || place % DUMPED_LINE == DUMPED_FROM {
            text += &format!("\n#{place}\t");
        }
        text += &format!("{byte:x} ");
    }
    text
}

/// A time in milliseconds with the digits that iputils gives it: three below 1 ms, fewer above.
fn milliseconds(time: Duration) -> String {
    let micros = micros(time);
    match micros {
        99_950.. => format!("{}", (micros + 500) / 1_000),
        9_995.. => format!("{}.{}", (micros + 50) / 1_000, (micros + 50) % 1_000 / 100),
        1_000.. => format!("{}.{:02}", (micros + 5) / 1_000, (micros + 5) % 1_000 / 10),
        _ => format!("0.{micros:03}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn digits_of_a_time() {
        for (micros, shown) in [
            (0, "0.000"),
            (23, "0.023"),
            (999, "0.999"),
            (1_234, "1.23"),
            (9_994, "9.99"),
            (9_995, "10.0"),
            (12_345, "12.3"),
            (99_949, "99.9"),
            (99_950, "100"),
            (1_234_567, "1235"),
        ] {
            assert_eq!(milliseconds(Duration::from_micros(micros)), shown);
        }
    }

    #[test]
    fn headings_of_iputils() {
        let v4 = "127.0.0.1:0".parse().unwrap();
        let v6 = "[::1]:0".parse().unwrap();
        assert_eq!(heading("localhost", v4, 56, false), "PING localhost (127.0.0.1) 56(84) bytes of data.");
        assert_eq!(heading("::1", v6, 56, true), "PING ::1(::1) 56 data bytes");
        assert_eq!(heading("localhost", v6, 56, false), "PING localhost(localhost (::1)) 56 data bytes");
    }

    /// The line of a good reply to request 65,537, after `change`.
    fn line(change: impl Fn(&mut Reply)) -> String {
        let payload: Vec<u8> = (0..56).collect();
        let (sent, wall) = (Instant::now(), Duration::ZERO);
        let (number, intact, duplicate, late, truncated) = (65_537, true, false, false, false);
        let answer = Answer { number, sent, wall, intact, duplicate, late, wrong: None, truncated };
        let from = IpAddr::from([10, 0, 2, 2]);
        let rtt = Some(Duration::from_micros(45));
        let mut reply = Reply { from, ttl: Some(63), payload: &payload, answer, rtt, late };
        change(&mut reply);
        reply_line(&reply, "b", false)
    }

    #[test]
    fn lines_of_replies() {
        let good = "64 bytes from b: icmp_seq=1 ttl=63 time=0.045 ms";
        assert_eq!(line(|_| {}), good);
        assert_eq!(line(|reply| reply.answer.duplicate = true), format!("{good} (DUP!)"));
        assert_eq!(line(|reply| reply.answer.intact = false), format!("{good} (BAD CHECKSUM!)"));
        assert_eq!(line(|reply| reply.late = true), format!("{good} (late)"));
        assert_eq!(line(|reply| reply.rtt = None), "64 bytes from b: icmp_seq=1 ttl=63");
        assert_eq!(line(|reply| reply.ttl = None), "64 bytes from b: icmp_seq=1 time=0.045 ms");
        let truncated = line(|reply| {
            reply.payload = &reply.payload[..30];
            reply.answer.truncated = true;
        });
        assert_eq!(truncated, "38 bytes from b: icmp_seq=1 ttl=63 (truncated)");
    }

    #[test]
    fn wrong_data_are_shown_in_lines_of_32_bytes() {
        let shown = line(|reply| reply.answer.wrong = Some((40, 0x28, 8)));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1], "wrong data byte #40 should be 0x28 but was 0x8");
        assert!(lines[2].starts_with("#16\t10 11 12 ") && lines[2].ends_with(" 2e 2f "), "{shown}");
        assert_eq!(lines[3..], ["#48\t30 31 32 33 34 35 36 37 "]);
        // Damage to the time or the nonce, which iputils does not look at.
        let shown = line(|reply| reply.answer.wrong = Some((3, 0, 3)));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!((lines.len(), lines[2]), (5, "#0\t0 1 2 3 4 5 6 7 8 9 a b c d e f "));
    }
}
