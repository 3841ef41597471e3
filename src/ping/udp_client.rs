//! `udp-ping-client`: ten pings over UDP, the time each took, and the statistics.
//!
//! Sheet: CSE3214, assignment 2, with optional exercise 1.
//!
//! ```text
//! Python                                  here
//! s = socket(AF_INET, SOCK_DGRAM)         kit::udp::connect (a connected socket hears of refusals)
//! s.settimeout(1)                         set_read_timeout, with what is left until the deadline
//! s.sendto(b"Ping 1 …", (host, 12000))    socket.send
//! reply, address = s.recvfrom(1024)       socket.recv
//! time.time() - start                     Instant: the wall clock may be set in between
//! except timeout:                         ErrorKind::WouldBlock
//! ```
//!
//! On the wire: see [`super::udp_server`].
//!
//! Each ping has one deadline, fixed when it is sent. Setting the timeout anew after each datagram,
//! as `settimeout(1)` in a loop does, lets a host that keeps sending rubbish hold the client for ever.
//! A ping without a reply at its deadline is lost for the statistics, as the sheet says, and a reply
//! that still comes is told on standard error as a late one, never as the next ping's.
//!
//! Limits: the time includes this program's and the server's own, some 50 µs. Replies older than 4,096
//! pings count as foreign.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::udp_message::{Sent, Verdict};
use crate::kit::address::{show, Family};
use crate::kit::args::Args;
use crate::kit::clock::epoch;
use crate::kit::error::{is_timeout, Error};
use crate::kit::screen::{escape, note, say};
use crate::kit::stats::Stats;
use crate::kit::sys::socket::shut_reading;
use crate::kit::usage::{self, Flag, Kind, Operand, Usage};
use crate::kit::{stop, udp};

const OPERANDS: &[Operand] = &[usage::HOST, usage::server_port("12000")];
const FLAGS: &[Flag] = &[
    Flag {
        name: "--count",
        short: "-c",
        value: "N",
        kind: Kind::Count(1, u64::MAX),
        default: Some("10"),
        help: "send so many pings",
    },
    Flag {
        name: "--wait",
        short: "-W",
        value: "SECONDS",
        kind: Kind::Seconds(86_400),
        default: Some("1"),
        help: "wait so long for each reply",
    },
    Flag {
        name: "--interval",
        short: "-i",
        value: "SECONDS",
        kind: Kind::Seconds(86_400),
        default: None,
        help: "begin each ping so long after the one before (default: as soon as that one is done)",
    },
    usage::V6,
];

/// What `udp-ping-client` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// `--seed N` of the programs of this room that draw random numbers.
pub const SEED: Flag = Flag {
    name: "--seed",
    short: "",
    value: "N",
    kind: Kind::Count(0, u64::MAX),
    default: None,
    help: "repeat the run with this number",
};

/// How many bytes of a datagram that is no reply are shown.
const SHOWN: usize = 80;

/// One run.
struct Client {
    socket: UdpSocket,
    server: SocketAddr,
    patience: Duration,
    sent: Sent,
    /// When each ping that is still remembered was sent; the last is the current one.
    times: std::collections::HashMap<u64, Instant>,
    stats: Stats,
    buffer: Vec<u8>,
}

/// How the wait for a reply ended.
enum Outcome {
    /// The current ping's reply came.
    Replied,
    /// The host says that nobody listens on that port.
    Refused,
    /// The time is over, or Ctrl-C was pressed.
    Over,
}

/// Runs `udp-ping-client`.
pub fn run(args: &Args) -> Result<(), Error> {
    let family = if args.has("-6") { Family::V6 } else { Family::V4First };
    let socket = udp::connect(args.text("HOST"), args.port("PORT"), family)?;
    let (woken, server) = (socket.try_clone()?, socket.peer_addr()?);
    // Ctrl-C ends the waiting, not the program: the statistics are still to come.
    stop::graceful(stop::GRACE, move || drop(shut_reading(&woken)));
    let mut client = Client {
        socket,
        server,
        patience: args.seconds("--wait"),
        sent: Sent::default(),
        times: std::collections::HashMap::new(),
        stats: Stats::default(),
        buffer: vec![0; udp::LARGEST],
    };
    let pause = args.seconds_if("--interval");
    let pings = args.count("--count");
    for number in 1..=pings {
        let began = Instant::now();
        client.ping()?;
        if let (Some(pause), true) = (pause, number < pings) {
            // Listening and not sleeping, so that late replies are met when they come.
            client.listen(began + pause, None)?;
        }
        if stop::requested() {
            break;
        }
    }
    client.summary()
}

impl Client {
    /// One ping: send it, wait for its reply until its deadline, and say what came of it.
    fn ping(&mut self) -> Result<(), Error> {
        let (sequence, text) = self.sent.next(&epoch());
        let began = Instant::now();
        if self.times.len() > 4_096 {
            self.times.retain(|&number, _| number + 4_096 > sequence);
        }
        self.times.insert(sequence, began);
        let mut outcome = self.socket.send(text.as_bytes());
        if outcome.as_ref().is_err_and(is_refused) {
            // The refusal belongs to an earlier ping, and this one has not been sent.
            outcome = self.socket.send(text.as_bytes());
        }
        self.stats.sent(began);
        match outcome {
            Err(why) if !is_refused(&why) => return Err(udp::failed("cannot send to", self.server, &why)),
            _ => {}
        }
        match self.listen(began + self.patience, Some(sequence))? {
            Outcome::Replied => Ok(()),
            Outcome::Refused => {
                self.stats.errors += 1;
                say(&format!("Connection refused: nobody listens on {}", show(self.server)))
            }
            Outcome::Over if stop::requested() => Ok(()),
            Outcome::Over => say("Request timed out"),
        }
    }

    /// Receives until `deadline`, or until the reply to `awaited` has come.
    fn listen(&mut self, deadline: Instant, awaited: Option<u64>) -> Result<Outcome, Error> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || stop::requested() {
                return Ok(Outcome::Over);
            }
            // Rounded up to the kernel's tick, so the clock is asked again below.
            self.socket.set_read_timeout(Some(left))?;
            let received = udp::answer(&self.socket, &mut self.buffer);
            let now = Instant::now();
            match received {
                // What recv returns after shut_reading; also an empty datagram, which is foreign.
                Ok(0) if stop::requested() => return Ok(Outcome::Over),
                Ok(length) => {
                    if self.take(length, now, now <= deadline, awaited)? {
                        return Ok(Outcome::Replied);
                    }
                }
                Err(why) if is_timeout(&why) => {}
                Err(why) if is_refused(&why) && awaited.is_some() => return Ok(Outcome::Refused),
                Err(why) if is_refused(&why) => {}
                Err(why) => return Err(udp::failed("no reply from", self.server, &why)),
            }
        }
    }

    /// Judges a datagram; true when it is the reply to `awaited`, in time.
    fn take(
        &mut self,
        length: usize,
        now: Instant,
        in_time: bool,
        awaited: Option<u64>,
    ) -> Result<bool, Error> {
        let bytes = &self.buffer[..length];
        let verdict = self.sent.judge(bytes);
        let shown = escape(&bytes[..length.min(SHOWN)]);
        let rtt_of = |sequence: u64| self.times.get(&sequence).map(|&sent| now - sent).unwrap_or_default();
        match verdict {
            Verdict::Reply(sequence) if awaited == Some(sequence) && in_time => {
                let rtt = rtt_of(sequence);
                self.stats.replied(rtt);
                // What was judged equals a ping of ours, so it is shown whole.
                say(&format!("{} rtt={:.6} s", escape(bytes), rtt.as_secs_f64()))?;
                return Ok(true);
            }
            Verdict::Reply(sequence) => {
                let rtt = rtt_of(sequence).as_secs_f64();
                note(&format!("late reply to ping {sequence}, after {rtt:.6} s: {shown}"));
            }
            Verdict::Duplicate(sequence) => {
                self.stats.duplicates += 1;
                note(&format!("duplicate reply to ping {sequence}: {shown}"));
            }
            Verdict::Damaged(sequence) => {
                self.stats.corrupted += 1;
                note(&format!("damaged reply to ping {sequence}: {shown}"));
            }
            Verdict::Foreign => note(&format!("no reply to any of our pings: {shown}")),
        }
        Ok(false)
    }

    /// The statistics; errs when no reply came.
    fn summary(self) -> Result<(), Error> {
        say(&format!("\n--- {} ping statistics ---\n{}", show(self.server), self.stats.counts()))?;
        if let Some(times) = self.stats.times(false) {
            say(&times)?;
        }
        if self.stats.received > 0 {
            return Ok(());
        }
        let server = show(self.server);
        Err(Error::Failed(if self.stats.errors == self.stats.transmitted {
            format!("nobody listens on {server} (is the server running?)")
        } else if stop::requested() {
            format!("no reply from {server} before the end")
        } else {
            format!("no reply from {server} in {} s", self.patience.as_secs_f64())
        }))
    }
}

fn is_refused(why: &std::io::Error) -> bool {
    why.kind() == std::io::ErrorKind::ConnectionRefused
}
