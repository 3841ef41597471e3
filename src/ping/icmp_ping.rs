//! `ping`: echo requests, one a second, and what came of each.
//!
//! Sheet: CSE3214, assignment 4, with optional exercises 1 (statistics) and 2 (errors by name).
//!
//! ```text
//! Python                                       here
//! socket(AF_INET, SOCK_RAW, icmp)              kit::sys::icmp::IcmpSocket::open
//! struct.pack("bbHHh", 8, 0, 0, ID, 1)         icmp_packet::request, in network byte order
//! struct.pack("d", time.time())                icmp_pings::Pings::stamp
//! select.select([mySocket], [], [], timeLeft)  set_read_timeout and recvmsg, in icmp_link
//! recPacket[20:28]                             icmp_packet::ipv4: the header has no fixed length
//! ```
//!
//! On the wire: type 8 out, type 0 back with the same identifier, sequence number and data; or an
//! error from somebody on the way, which quotes the request. [`super::icmp_packet`] draws them.
//!
//! Output, flags and exit codes (0 replies came, 1 none, 2 something else) are those of iputils
//! `ping`, and one line is the sheet's: `Request timed out: icmp_seq=N` when a reply has not come
//! within `-W`. One that comes after all is shown with `(late)` and counts, as it does for iputils.
//! [`super::icmp_lines`] has the lines.
//!
//! Limits: no broadcast or multicast, no record route. The wait is rounded to the kernel's tick (1 to
//! 10 ms), so intervals below that come in bursts. A program file with capabilities (`setcap`) would
//! keep them; sudo or `ping_group_range` is the way. IPv6 redirects are not shown, as with iputils.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::icmp_lines::{heading, Lines, Reply};
use super::icmp_link::{Event, Link, LARGEST_PAYLOAD};
use super::icmp_names::is_advice;
use super::icmp_pings::{round_trip, Answer, Pings};
use crate::kit::address::{resolve, Family};
use crate::kit::args::Args;
use crate::kit::error::{reason, Error};
use crate::kit::random::Random;
use crate::kit::screen::{note, say};
use crate::kit::stats::Stats;
use crate::kit::stop;
use crate::kit::sys::privilege;
use crate::kit::usage::{switch, Flag, Kind, Operand, Usage};

/// `HOST` of `ping` and `trace`.
pub const HOST: Operand =
    Operand { name: "HOST", kind: Kind::Host, default: None, help: "a name or an address" };

const fn seconds(name: &'static str, short: &'static str, default: &'static str, help: &'static str) -> Flag {
    Flag { name, short, value: "SECONDS", kind: Kind::Seconds(86_400), default: Some(default), help }
}

const FLAGS: &[Flag] = &[
    Flag {
        name: "--count",
        short: "-c",
        value: "N",
        kind: Kind::Count(1, u64::MAX),
        default: None,
        help: "end after so many requests (default: at Ctrl-C)",
    },
    seconds("--interval", "-i", "1", "send a request each so many seconds"),
    seconds("--wait", "-W", "1", "wait so long for each reply (0: for ever)"),
    Flag {
        name: "--size",
        short: "-s",
        value: "BYTES",
        kind: Kind::Count(0, LARGEST_PAYLOAD),
        default: Some("56"),
        help: "send so many bytes of data",
    },
    Flag {
        name: "--ttl",
        short: "-t",
        value: "N",
        kind: Kind::Count(1, 255),
        default: None,
        help: "let requests pass so many routers",
    },
    Flag { short: "-q", ..switch("--quiet", "show the statistics only") },
    Flag { short: "-n", ..switch("--numeric", "show addresses, do not look for their names") },
    Flag { short: "-D", ..switch("--stamps", "begin each line with the time of day") },
    Flag { short: "-f", ..switch("--flood", "as fast as replies come, or 100 a second (root only)") },
    switch("--user-clock", "take times in this program instead of the kernel, to compare them"),
    switch("-4", "IPv4 only"),
    switch("-6", "IPv6 only"),
];

/// What `ping` takes.
pub const USAGE: Usage = Usage {
    operands: &[HOST],
    flags: FLAGS,
    notes: "Ctrl-C ends it with the statistics; Ctrl-\\ shows them in between.\n\
            Exit code: 0 replies came, 1 none did, 2 something else went wrong.",
    ..Usage::NONE
};

/// The shortest interval for users other than root, as in iputils: a host must not be flooded.
const SHORTEST_FOR_USERS: Duration = Duration::from_millis(2);

/// How long a wait may be without a look at what else is due.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// What `-W 0` means in iputils: no limit.
const FOR_EVER: Duration = Duration::from_secs(1_000 * 86_400);

/// The shortest payload whose round trip is timed. iputils keeps the time of sending in the payload, 16
/// bytes, and shows no times when there is no room for it. We know it all the same, but whoever reads the
/// output of the one should be able to read the other's.
const SHORTEST_TIMED: usize = 16;

/// One run.
pub struct Run {
    pub(super) link: Link,
    pub(super) pings: Pings,
    /// Shared with the thread that shows them at SIGQUIT.
    stats: Arc<Mutex<Stats>>,
    pub(super) patience: Duration,
    pub(super) quiet: bool,
    flood: bool,
    timed: bool,
    user_clock: bool,
    target: IpAddr,
    lines: Lines,
}

/// Runs `ping`. Whatever goes wrong but the host's silence is exit code 2.
pub fn run(args: &Args) -> Result<(), Error> {
    match ping(args) {
        Err(error @ (Error::Failed(_) | Error::Io(_))) => {
            note(&format!("socklab ping: {error}"));
            Err(Error::Exit(2))
        }
        other => other,
    }
}

/// The address family that `-4` and `-6` ask for.
pub fn family(args: &Args) -> Result<Family, Error> {
    match (args.has("-4"), args.has("-6")) {
        (true, true) => Err(Error::Usage("-4 and -6 exclude each other".to_string())),
        (true, false) => Ok(Family::V4),
        (false, true) => Ok(Family::V6),
        (false, false) => Ok(Family::V4First),
    }
}

fn ping(args: &Args) -> Result<(), Error> {
    let (host, flood, interval) = (args.text("HOST"), args.has("--flood"), args.seconds("--interval"));
    if !privilege::is_root() && (flood || interval < SHORTEST_FOR_USERS) {
        return Err(Error::Usage("only root may flood; -i 0.002 is the least for others".to_string()));
    }
    let target = resolve(host, 0, family(args)?)?[0];
    let mut random = Random::new(None);
    let link = Link::open(target, random.bits() as u16)?;
    if args.has("--ttl") {
        link.set_ttl(args.count("--ttl") as u8)?;
    }
    let size = args.count("--size") as usize;
    let stats = Arc::new(Mutex::new(Stats::default()));
    let shown = Arc::clone(&stats);
    stop::on_quit(move || note(&lock(&shown).so_far()));
    // A link-local address names its interface: fe80::1%eth0.
    let address = host.trim_matches(['[', ']']).split('%').next().unwrap_or_default();
    let typed_address = address.parse::<IpAddr>().is_ok();
    let (quiet, numeric) = (args.has("--quiet"), args.has("--numeric") || typed_address);
    let lines = Lines {
        target: target.ip(),
        silent: quiet || flood,
        stamps: args.has("--stamps"),
        names: (!numeric).then(HashMap::new),
    };
    let mut run = Run {
        link,
        pings: Pings::new(size, random.bits()),
        stats,
        patience: Some(args.seconds("--wait")).filter(|wait| !wait.is_zero()).unwrap_or(FOR_EVER),
        quiet,
        flood,
        timed: size >= SHORTEST_TIMED,
        user_clock: args.has("--user-clock"),
        target: target.ip(),
        lines,
    };
    say(&heading(host, target, size, typed_address))?;
    let count = args.count_if("--count").unwrap_or(u64::MAX);
    let ended = if flood { run.flood(count) } else { run.paced(count, interval) };
    ended?;
    run.summary(host)
}

/// The statistics, even after a panic elsewhere: they are whole between any two statements.
fn lock(stats: &Mutex<Stats>) -> MutexGuard<'_, Stats> {
    stats.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Run {
    pub(super) fn stats(&self) -> MutexGuard<'_, Stats> {
        lock(&self.stats)
    }

    /// A request each `interval`, and in between whatever comes back.
    fn paced(&mut self, count: u64, interval: Duration) -> Result<(), Error> {
        let mut due = Instant::now();
        while !stop::requested() {
            let now = Instant::now();
            let more = self.pings.sent() < count;
            if more && now >= due {
                self.send()?;
                // Counted from when it was due: one a second stays one a second.
                due = (due + interval).max(now);
            }
            let more = self.pings.sent() < count;
            let oldest = self.pings.oldest().map(|sent| sent + self.patience);
            let until = match (oldest, more.then_some(due)) {
                (None, None) => break,
                (one, other) => one.into_iter().chain(other).min().unwrap_or(due),
            };
            self.take(until.saturating_duration_since(Instant::now()).min(LONGEST_WAIT))?;
            self.give_up()?;
        }
        Ok(())
    }

    /// Sends one request. That the system refuses to is told and counted as a request lost, as in
    /// iputils: there may be a route again in a second. Only where there is no route for the very first,
    /// nothing can be learnt about the host, and the program ends. Returns when it was sent.
    pub(super) fn send(&mut self) -> Result<Instant, Error> {
        let now = Instant::now();
        let sequence = self.pings.next(now);
        if !self.flood {
            self.link.rehearse(sequence, self.pings.payload());
        }
        // As late as possible, since the kernel's stamp of the reply is compared with it.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let outcome = self.link.send(sequence, self.pings.stamp(wall));
        self.stats().sent(now);
        if let Err(why) = outcome {
            self.pings.fail(sequence);
            if why.raw_os_error() == Some(libc::ENETUNREACH) && self.stats().transmitted == 1 {
                let what = format!("cannot send to {}: {}", self.target, reason(&why));
                return Err(Error::Failed(format!("{what} (no way there from here: see `ip route`)")));
            }
            if why.raw_os_error() == Some(libc::EMSGSIZE) {
                note(&format!("socklab ping: the request is too long: {}", reason(&why)));
            } else if !self.quiet {
                note(&format!("socklab ping: cannot send to {}: {}", self.target, reason(&why)));
            }
        }
        Ok(now)
    }

    /// Says which requests have waited long enough.
    pub(super) fn give_up(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let Some(limit) = now.checked_sub(self.patience) else { return Ok(()) };
        while let Some(number) = self.pings.give_up(limit) {
            self.lines.timed_out(number)?;
        }
        Ok(())
    }

    /// Waits for one event and deals with it; true if a request was answered by it.
    pub(super) fn take(&mut self, patience: Duration) -> Result<bool, Error> {
        let event = match self.link.receive(patience) {
            Ok(event) => event,
            Err(_) if stop::requested() => return Ok(false),
            Err(why) => return Err(Error::io("cannot receive", &why)),
        };
        let now = Instant::now();
        match event {
            Event::Nothing => Ok(false),
            Event::Reply { from, ttl, sequence, payload, intact, stamp } => {
                let Some(answer) = self.pings.judge(sequence, payload, intact) else { return Ok(false) };
                let stamp = stamp.filter(|_| !self.user_clock);
                let rtt = round_trip(answer.sent, answer.wall, stamp, now);
                let first = intact && !answer.duplicate;
                let overdue = first && !answer.late && rtt > self.patience;
                if overdue {
                    // It came while the kernel's tick was rounding our wait up.
                    self.lines.timed_out(answer.number)?;
                }
                let rtt = self.timed.then_some(rtt);
                count(&mut lock(&self.stats), &answer, rtt);
                let late = answer.late || overdue;
                self.lines.reply(&Reply { from, ttl, payload, answer, rtt, late })?;
                Ok(first)
            }
            Event::Report { from, sequence, kind, code, rest, .. } => {
                let advice = is_advice(self.target.is_ipv6(), kind);
                if advice && !self.pings.knows(sequence) {
                    return Ok(false);
                }
                if !advice {
                    let Some(number) = self.pings.fail(sequence) else { return Ok(false) };
                    let mut stats = lock(&self.stats);
                    stats.errors += 1;
                    under_way(&mut stats, number);
                }
                self.lines.report(from, sequence, (kind, code, rest), advice)?;
                Ok(false)
            }
        }
    }

    /// The statistics; exit code 1 when no reply came.
    fn summary(&self, host: &str) -> Result<(), Error> {
        let stats = self.stats().clone();
        say(&format!("\n--- {host} ping statistics ---\n{}", stats.counts()))?;
        if let Some(times) = stats.times(self.flood) {
            say(&times)?;
        }
        if stats.received > 0 {
            Ok(())
        } else {
            Err(Error::Exit(1))
        }
    }
}

/// Enters a reply into the statistics, without its time if `rtt` is `None`.
fn count(stats: &mut Stats, answer: &Answer, rtt: Option<Duration>) {
    if !answer.intact {
        // Which request it answers cannot be trusted, so none counts as answered.
        stats.corrupted += 1;
        return;
    }
    match (answer.duplicate, rtt) {
        (false, Some(rtt)) => stats.replied(rtt),
        (true, Some(rtt)) => stats.replied_again(rtt),
        (false, None) => stats.received += 1,
        (true, None) => stats.duplicates += 1,
    }
    under_way(stats, answer.number);
}

/// `pipe` of the statistics: how many requests were under way when the one with this number ended.
fn under_way(stats: &mut Stats, number: u64) {
    stats.pipe = stats.pipe.max(stats.transmitted.saturating_sub(number) + 1);
}
