//! `trace`: the routers on the way to a host.
//!
//! Sheet: none asks for it; a static-routing lab (SCC.231) wants to see its routers, and CSE3214,
//! assignment 4, has all that it takes.
//!
//! Every router lowers a packet's time to live by one, and the one that would make it 0 drops the
//! packet and says so: ICMP type 11. Packets sent with 1, 2, 3 … make each router on the way name
//! itself. They are UDP datagrams to ports where nobody listens (`Port Unreachable` then says that the
//! host is reached), or echo requests with `--icmp`.
//!
//! ```text
//! trace to 10.0.2.2 (10.0.2.2), 30 hops at most
//!  1  10.0.0.1  0.045 ms  0.021 ms  0.019 ms
//!  2  10.0.1.2  0.052 ms  *  0.030 ms
//!  3  10.0.2.2  0.060 ms  0.041 ms  0.044 ms
//! ```
//!
//! `*` is silence; `!H`, `!N`, `!X` … are what "destination unreachable" said.
//!
//! Limits: probes go one after another, so a silent router costs three waits. The way may change
//! between probes, and the way back is not seen. UDP probes need no rights at all.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::icmp_link::{Event, Link};
use super::icmp_names::{is_advice, mark};
use super::icmp_ping::{family, HOST};
use super::icmp_pings::{round_trip, Pings};
use super::trace_udp;
use crate::kit::address::resolve;
use crate::kit::args::Args;
use crate::kit::error::{reason, Error};
use crate::kit::random::Random;
use crate::kit::screen::{escape, say};
use crate::kit::stats::micros;
use crate::kit::stop;
use crate::kit::sys::names::name_of;
use crate::kit::usage::{switch, Flag, Kind, Usage};

const fn number(
    name: &'static str,
    short: &'static str,
    most: u64,
    default: &'static str,
    help: &'static str,
) -> Flag {
    Flag { name, short, value: "N", kind: Kind::Count(1, most), default: Some(default), help }
}

const FLAGS: &[Flag] = &[
    number("--hops", "-m", 255, "30", "go so many routers far at most"),
    number("--probes", "-q", 10, "3", "ask each router so often"),
    Flag {
        name: "--wait",
        short: "-W",
        value: "SECONDS",
        kind: Kind::Seconds(3_600),
        default: Some("1"),
        help: "wait so long for each answer",
    },
    Flag { short: "-I", ..switch("--icmp", "send echo requests instead of UDP datagrams") },
    Flag { short: "-N", ..switch("--names", "look for the routers' names") },
    switch("-4", "IPv4 only"),
    switch("-6", "IPv6 only"),
];

/// What `trace` takes.
pub const USAGE: Usage = Usage { operands: &[HOST], flags: FLAGS, ..Usage::NONE };

/// The answer to one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Who answered.
    pub from: IpAddr,
    /// After what time.
    pub rtt: Duration,
    /// What was said, if it was not "time exceeded" on the way or the host's own answer.
    pub mark: Option<String>,
    /// Whether the way ends here: the host is reached, or declared unreachable.
    pub last: bool,
}

/// Runs `trace`. Errs with exit code 1 when the host is not reached.
pub fn run(args: &Args) -> Result<(), Error> {
    let host = args.text("HOST");
    let target = resolve(host, 0, family(args)?)?[0];
    let (hops, probes, patience) = (args.count("--hops"), args.count("--probes"), args.seconds("--wait"));
    let mut prober = match args.has("--icmp") {
        true => Prober::Icmp(Box::new(IcmpProber::open(target)?)),
        false => {
            stop::graceful(stop::GRACE, || {});
            Prober::Udp(target, 0)
        }
    };
    say(&format!("trace to {host} ({}), {hops} hops at most", target.ip()))?;
    for hop in 1..=hops {
        let mut answers = Vec::new();
        for _ in 0..probes {
            if stop::requested() {
                return Err(Error::Exit(130));
            }
            answers.push(prober.probe(hop as u8, patience)?);
        }
        let names = args.has("--names");
        say(&line(hop, &answers, |address| names.then(|| name_of(address)).flatten()))?;
        let mut heard = answers.iter().flatten();
        if let Some(end) = heard.find(|answer| answer.last) {
            if end.from == target.ip() && end.mark.is_none() {
                return Ok(());
            }
            return Err(Error::Failed(format!("{} says that {host} cannot be reached", end.from)));
        }
    }
    Err(Error::Failed(format!("{host} is not reached within {hops} hops")))
}

/// One line: the hop, then each answer behind the address that gave it.
fn line(hop: u64, answers: &[Option<Probe>], name: impl Fn(IpAddr) -> Option<Vec<u8>>) -> String {
    let mut line = format!("{hop:2}");
    let mut shown = None;
    for answer in answers {
        let Some(answer) = answer else {
            line += "  *";
            continue;
        };
        if shown != Some(answer.from) {
            line += &match name(answer.from) {
                Some(name) => format!("  {} ({})", escape(&name), answer.from),
                None => format!("  {}", answer.from),
            };
            shown = Some(answer.from);
        }
        let micros = micros(answer.rtt);
        line += &format!("  {}.{:03} ms", micros / 1_000, micros % 1_000);
        line += &answer.mark.as_ref().map_or(String::new(), |mark| format!(" {mark}"));
    }
    line
}

/// The two kinds of probes.
enum Prober {
    Icmp(Box<IcmpProber>),
    /// The target and how many datagrams have been sent.
    Udp(SocketAddr, u16),
}

impl Prober {
    fn probe(&mut self, ttl: u8, patience: Duration) -> Result<Option<Probe>, Error> {
        match self {
            Prober::Icmp(prober) => prober.probe(ttl, patience),
            Prober::Udp(target, sent) => {
                *sent = sent.wrapping_add(1);
                trace_udp::probe(*target, *sent, ttl, patience)
            }
        }
    }
}

/// Probes that are echo requests.
struct IcmpProber {
    link: Link,
    pings: Pings,
    target: SocketAddr,
}

impl IcmpProber {
    fn open(target: SocketAddr) -> Result<IcmpProber, Error> {
        let mut random = Random::new(None);
        let link = Link::open(target, random.bits() as u16)?;
        Ok(IcmpProber { link, pings: Pings::new(56, random.bits()), target })
    }

    fn probe(&mut self, ttl: u8, patience: Duration) -> Result<Option<Probe>, Error> {
        self.link.set_ttl(ttl)?;
        let v6 = self.target.is_ipv6();
        let began = Instant::now();
        let wanted = self.pings.next(began);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let sent = self.link.send(wanted, self.pings.stamp(wall));
        sent.map_err(|why| Error::io(format!("cannot send to {}", self.target.ip()), &why))?;
        loop {
            let left = (began + patience).saturating_duration_since(Instant::now());
            if left.is_zero() || stop::requested() {
                return Ok(None);
            }
            let event = self.link.receive(left).map_err(|why| Error::Failed(reason(&why)))?;
            let now = Instant::now();
            // A late answer to an earlier probe has another number and is passed over.
            match event {
                Event::Reply { from, sequence, payload, intact: true, stamp, .. } if sequence == wanted => {
                    if self.pings.judge(sequence, payload, true).is_none() {
                        continue;
                    }
                    let rtt = round_trip(began, wall, stamp, now);
                    return Ok(Some(Probe { from, rtt, mark: None, last: true }));
                }
                // A redirect is no answer: the probe has been sent on.
                Event::Report { from, sequence, kind, code, stamp, .. }
                    if sequence == wanted && !is_advice(v6, kind) =>
                {
                    let rtt = round_trip(began, wall, stamp, now);
                    let last = kind != if v6 { 3 } else { 11 };
                    return Ok(Some(Probe { from, rtt, mark: mark(v6, kind, code), last }));
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_silence_marks_and_two_routers() {
        let probe = |last_byte, micros, mark: Option<&str>| {
            let (from, rtt) = (IpAddr::from([10, 0, 0, last_byte]), Duration::from_micros(micros));
            Some(Probe { from, rtt, mark: mark.map(str::to_string), last: false })
        };
        let unnamed = |_| None;
        let answers = [probe(1, 45, None), None, probe(1, 1_020, None)];
        assert_eq!(line(1, &answers, unnamed), " 1  10.0.0.1  0.045 ms  *  1.020 ms");
        let answers = [probe(1, 45, Some("!X")), probe(2, 46, None)];
        assert_eq!(line(12, &answers, unnamed), "12  10.0.0.1  0.045 ms !X  10.0.0.2  0.046 ms");
        assert_eq!(line(3, &[None, None, None], unnamed), " 3  *  *  *");
        let named = |_| Some(b"r\x1b1".to_vec());
        assert_eq!(line(3, &answers[..1], named), " 3  r\\x1b1 (10.0.0.1)  0.045 ms !X");
    }
}
