//! `sensor-client`: measures now and then, and reports each reading to the server.
//!
//! Sheet: IoT lab 1, deliverable task 1, over TCP and over UDP; second optional one, over reliable UDP.
//!
//! ```text
//! Python                                               here
//! random.uniform(a, b)                                 source::Source, seeded
//! struct.pack(">2sBBBBHIIIQ", …) + fields + crc        message::write
//! sock.sendall(message); sock.recv(n)                  a Link: tcp_link, udp_link, reliable_link
//! time.sleep(interval)                                 the rest of the interval, by a clock that never jumps
//! ```
//!
//! On the wire: a READING, an ACKNOWLEDGEMENT, and so on (`docs/sensor-protocol.md`).
//!
//! The session's number comes from the system, also with `--seed`: two runs with one seed measure the same, but
//! the second is not the first one sent again, for which the server would take it otherwise.
//!
//! Limits: it waits for the answer to one reading before it sends the next, so a reading takes at least
//! a round trip. Over UDP a lost reading stays lost, and is counted. What is measured while the server
//! is away for longer than about 6 s is given up: a real sensor would keep it.

use std::time::{Duration, Instant};

use super::ledger::{Ledger, Reply};
use super::link::{Event, Link};
use super::message::{kind, write, Body, Head, MICROSECONDS, RESENT, VERSION};
use super::reliable_link::{self, ReliableLink};
use super::source::Source;
use super::tcp_link::TcpLink;
use super::udp_link::UdpLink;
use super::{stamp, LEAST_INTERVAL, MOST_INTERVAL};
use crate::kit::address::Family;
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::random::Random;
use crate::kit::screen;
use crate::kit::usage::{self, Flag, Kind, Operand, Usage};

const OPERANDS: &[Operand] = &[usage::HOST, usage::server_port("7001")];
const FLAGS: &[Flag] = &[
    flag("--transport", "-t", "T", Kind::Text, Some("tcp"), "tcp, udp or reliable (reliable UDP)"),
    flag("--count", "-c", "N", Kind::Count(1, u32::MAX as u64), Some("10"), "end after so many readings"),
    flag("--interval", "-i", "SECONDS", Kind::Seconds(3600), Some("1"), "time between two readings"),
    flag("--device", "", "N", Kind::Count(0, u32::MAX as u64), Some("1"), "the sensor's number"),
    flag("--seed", "", "N", Kind::Count(0, u64::MAX), None, "measure the same each time"),
    flag(
        "--timeout",
        "",
        "SECONDS",
        Kind::Seconds(1_000_000),
        None,
        "wait so long for an answer (default 1; reliable: until the server is given up)",
    ),
    usage::V6,
];

/// How long the answer to a reading may take, unless told.
const ANSWER: Duration = Duration::from_secs(1);

/// What `sensor-client` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

const fn flag(
    name: &'static str,
    short: &'static str,
    value: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    help: &'static str,
) -> Flag {
    Flag { name, short, value, kind, default, help }
}

/// Runs `sensor-client`.
pub fn run(args: &Args) -> Result<(), Error> {
    let (host, port) = (args.text("HOST"), args.port("PORT"));
    let family = if args.has("-6") { Family::V6 } else { Family::V4First };
    let link: Box<dyn Link> = match args.text("--transport") {
        "tcp" => Box::new(TcpLink::open(host, port)?),
        "udp" => Box::new(UdpLink::open(host, port, family)?),
        "reliable" => Box::new(ReliableLink::open(host, port, family)?),
        _ => return Err(Error::Usage("--transport is tcp, udp or reliable".to_string())),
    };
    // What reliable UDP has taken it delivers, or it breaks; to go on before that would gain nothing.
    let patience = if args.text("--transport") == "reliable" { reliable_link::PATIENCE } else { ANSWER };
    let (device, session) = (args.count("--device") as u32, Random::new(None).bits() as u32);
    let mut sensor = Sensor {
        link,
        ledger: Ledger::new(device, session),
        head: Head { version: VERSION, time_unit: MICROSECONDS, device, session, ..Head::default() },
        interval: args.seconds("--interval"),
        patience: args.seconds_if("--timeout").unwrap_or(patience),
    };
    let outcome = sensor.report(Source::new(args.count_if("--seed")), args.count("--count") as u32);
    sensor.summary()?;
    outcome?;
    let Ledger { acknowledged, refused, .. } = sensor.ledger;
    match (acknowledged, refused) {
        (0, 0) => Err(Error::Failed("no reading was answered: is the server there?".to_string())),
        (0, _) => Err(Error::Failed("the server refused every reading".to_string())),
        _ => Ok(()),
    }
}

/// A sensor and its server.
struct Sensor {
    link: Box<dyn Link>,
    ledger: Ledger,
    /// The header of every message, but for what differs.
    head: Head,
    interval: Duration,
    /// How long the answer to a reading may take.
    patience: Duration,
}

impl Sensor {
    /// Measures and reports `count` times.
    fn report(&mut self, mut source: Source, count: u32) -> Result<(), Error> {
        let mut due = Instant::now();
        for sequence in 1..=count {
            let reading = source.measure();
            let shown = format!("seq {sequence}: {}", reading.show());
            self.head = Head { kind: kind::READING, sequence, timestamp: stamp::now(), ..self.head };
            let interval = Some(u32::try_from(self.interval.as_millis()).unwrap_or(u32::MAX));
            let body = Body { reading: Some(reading), interval, ..Body::default() };
            let before = Instant::now();
            let told = match self.deliver(&body)? {
                None => "no answer".to_string(),
                Some(reply) => self.take(reply, before.elapsed()),
            };
            screen::say(&format!("{shown}: {told}"))?;
            if sequence < count {
                // From the time it was due, so that the rate is kept; but what was missed during
                // a long wait is not made up for in a burst.
                due = (due + self.interval).max(Instant::now());
                self.link.rest(due);
            }
        }
        Ok(())
    }

    /// Sends one reading and waits for its answer; `None` when none came in time. On the way it
    /// mends the connection and takes late answers to earlier readings.
    fn deliver(&mut self, body: &Body) -> Result<Option<Reply>, Error> {
        let sequence = self.head.sequence;
        self.ledger.send(sequence);
        let mut flags = 0;
        let mut breaks = 0;
        'sending: loop {
            let message = write(&Head { flags, ..self.head }, body);
            self.ledger.bytes_out += message.len() as u64;
            let mut broken = self.link.send(&message)?;
            let deadline = Instant::now() + self.patience;
            loop {
                if let Some(why) = broken {
                    breaks += 1;
                    self.link.mend(&why, breaks)?;
                    flags = RESENT;
                    continue 'sending;
                }
                broken = match self.link.receive(deadline)? {
                    Event::Silence => return Ok(None),
                    Event::Broken(why) => Some(why),
                    Event::Message(bytes) => match self.ledger.receive(&bytes) {
                        Some((answered, reply)) if answered == sequence => return Ok(Some(reply)),
                        Some((late, _)) => {
                            screen::say(&format!("seq {late}: acknowledged late"))?;
                            None
                        }
                        None => None,
                    },
                };
            }
        }
    }

    /// Acts on an answer and says what it was.
    fn take(&mut self, reply: Reply, after: Duration) -> String {
        let (duplicate, statistics, interval) = match reply {
            Reply::Acknowledged { duplicate, statistics, interval } => (duplicate, statistics, interval),
            Reply::Refused(code, why) => {
                return format!("refused, error {code}: {}", screen::escape(&why));
            }
        };
        let mut told = format!("acknowledged in {:.6} s", after.as_secs_f64());
        if duplicate {
            told += ", the server had it already";
        }
        if let Some(statistics) = statistics {
            told += &format!(", mean {} of {}", statistics.show_mean(), statistics.count);
        }
        if let Some(wanted) = interval {
            // Whatever it says: a server must not silence a sensor, or make it flood.
            let wanted = Duration::from_millis(u64::from(wanted));
            self.interval = wanted.clamp(LEAST_INTERVAL, MOST_INTERVAL);
            told += &format!(", interval now {} s", self.interval.as_secs_f64());
        }
        told
    }

    /// The closing lines.
    fn summary(&mut self) -> Result<(), Error> {
        let cost = self.link.finish();
        let Ledger { sent, acknowledged, refused, bytes_out, bytes_in, .. } = self.ledger;
        let lost = self.ledger.lost();
        let refused = if refused == 0 { String::new() } else { format!(", {refused} refused") };
        let plural = if sent == 1 { "" } else { "s" };
        screen::say(&format!(
            "{sent} reading{plural} sent, {acknowledged} acknowledged, {lost} lost{refused}"
        ))?;
        let application = bytes_out + bytes_in;
        screen::say(&format!("application bytes: {application} ({bytes_out} sent, {bytes_in} received)"))?;
        let (out, back) = (cost.packets_out, cost.packets_in);
        screen::say(&format!("packets: {} ({out} sent, {back} received; {})", out + back, cost.counted))?;
        screen::say(&format!("header bytes: about {} (estimated: {})", cost.headers, cost.estimate))
    }
}
