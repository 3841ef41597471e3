//! Where readings are handed in: a message goes in, the answer comes out, whatever the transport.
//!
//! ```text
//! tcp       thread per client ─┐
//! udp       one thread        ─┼─→ Desk::answer ─→ judge, show, log ─→ reply
//! reliable  the same thread   ─┘
//! ```
//!
//! One lock for all of it. A reading is judged, stored and remembered in one step: between two of these
//! another thread could store the same reading, sent again over a second connection.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::log::{self, Log};
use super::message::{code, kind, write, Body, Fault, Head, Noise, DUPLICATE, MICROSECONDS, VERSION};
use super::reading::Reading;
use super::session::{Sessions, Verdict};
use super::statistics::Statistics;
use super::{message, stamp};
use crate::kit::address::show;
use crate::kit::error::{reason, Error};
use crate::kit::screen;

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Over a connection.
    Tcp,
    /// As a datagram.
    Udp,
    /// Over a conversation of reliable UDP.
    Reliable,
}

impl Transport {
    /// As the log writes it.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
            Transport::Reliable => "reliable",
        }
    }
}

/// What a message gets.
#[derive(Debug)]
pub enum Answer {
    /// These bytes.
    Reply(Vec<u8>),
    /// No answer: it comes from a server.
    Nothing,
    /// It is no message. Over a connection [`answer_to_noise`] says so; a datagram gets no answer.
    Noise(Noise),
}

/// Where every thread of a server hands its messages in.
#[derive(Debug)]
pub struct Desk {
    /// What `--interval` asks every sensor for, in milliseconds.
    interval: Option<u32>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// A table for each transport: what anyone can send from a forged address must not push a
    /// connected sensor's session out.
    sessions: [Sessions; 3],
    log: Option<Log>,
    counts: Counts,
}

/// What a server has had to do with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Readings stored.
    pub stored: u64,
    /// Readings that came again.
    pub duplicates: u64,
    /// Messages refused, and bytes that were none.
    pub refused: u64,
    /// Readings that could not be stored.
    pub failed: u64,
}

impl Desk {
    /// A desk that logs to `log`, if there is one.
    pub fn new(log: Option<Log>, interval: Option<u32>) -> Desk {
        let (sessions, counts) = Default::default();
        Desk { interval, state: Mutex::new(State { sessions, log, counts }) }
    }

    /// Takes a message that arrived from `peer` and returns the answer, if it gets one.
    ///
    /// Errs with [`Error::OutputClosed`] when there is nobody left to show readings to.
    pub fn answer(&self, bytes: &[u8], peer: SocketAddr, transport: Transport) -> Result<Answer, Error> {
        let now = stamp::now();
        let (head, fields) = match message::open(bytes) {
            Ok(opened) => opened,
            Err(noise) => {
                self.refuse(peer, noise.0);
                return Ok(Answer::Noise(noise));
            }
        };
        if (kind::ACKNOWLEDGEMENT..=kind::COMMAND).contains(&head.kind) {
            // A server's message, so its sender is one, or wants us to talk to one. To answer
            // would begin a conversation of two servers that never ends. Whatever its version: two
            // servers that refuse each other's would go on for ever too.
            self.refuse(peer, "a server's message");
            return Ok(Answer::Nothing);
        }
        let taken = check(&head, fields).map_err(Failure::Fault).and_then(|(reading, interval)| {
            let taken = self.take(&head, &reading, peer, transport, now)?;
            Ok(self.acknowledge(taken, interval))
        });
        let (kind, flags, body) = match taken {
            Ok(taken) => taken,
            Err(Failure::Fault(fault)) => {
                self.refuse(peer, fault.why);
                (kind::ERROR, 0, error(fault.code, fault.why))
            }
            Err(Failure::Storage(why)) => (kind::ERROR, 0, error(code::STORAGE, &reason(&why))),
            Err(Failure::Ended(error)) => return Err(error),
        };
        let head = Head { version: VERSION, kind, flags, time_unit: MICROSECONDS, timestamp: now, ..head };
        Ok(Answer::Reply(write(&head, &body)))
    }

    /// Judges, shows and stores one reading; returns whether it came again, and the statistics of its kind.
    fn take(
        &self,
        head: &Head,
        reading: &Reading,
        peer: SocketAddr,
        transport: Transport,
        now: u64,
    ) -> Result<Taken, Failure> {
        let mut state = self.lock();
        let State { sessions, log, counts } = &mut *state;
        let session = sessions[transport as usize].get(head.device, head.session);
        let verdict = session.judge(head.sequence);
        match verdict {
            Verdict::Stale => {
                return Err(Failure::Fault(Fault { code: code::STALE, why: "sequence too old" }));
            }
            Verdict::Duplicate => counts.duplicates += 1,
            Verdict::New => {
                let (time, peer) = (stamp::text(now), show(peer));
                let (device, sequence) = (head.device, head.sequence);
                if let Some(log) = log {
                    let line = log::line(&time, &peer, transport.name(), device, sequence, reading);
                    if let Err(why) = log.append(&line) {
                        counts.failed += 1;
                        note_failure(counts.failed, &why);
                        return Err(Failure::Storage(why));
                    }
                }
                let (name, shown) = (transport.name(), reading.show());
                let clock = stamp::difference(now, head);
                screen::say(&format!(
                    "{peer} {name} device {device} seq {sequence}: {shown} (clock {clock})"
                ))
                .map_err(Failure::Ended)?;
                session.record(head.sequence, reading);
                counts.stored += 1;
            }
        }
        let statistics = session.statistics(reading.kind).filter(|_| reading.number().is_some());
        Ok(Taken { again: verdict == Verdict::Duplicate, statistics })
    }

    /// The answer's type, flags and fields for a reading that is stored. `interval` is the sensor's.
    fn acknowledge(&self, taken: Taken, interval: Option<u32>) -> (u8, u8, Body) {
        let flags = if taken.again { DUPLICATE } else { 0 };
        // Only to a sensor that says which interval it has: another would not know what to do.
        let command = self.interval.filter(|&wanted| interval.is_some_and(|has| has != wanted));
        let kind = if command.is_some() { kind::COMMAND } else { kind::ACKNOWLEDGEMENT };
        (kind, flags, Body { statistics: taken.statistics, interval: command, ..Body::default() })
    }

    /// Counts something refused, and says so at the 1st, 10th, 100th, …: an attacker must not be able
    /// to fill the screen, or a disk through it.
    pub fn refuse(&self, peer: SocketAddr, why: &str) {
        let mut state = self.lock();
        state.counts.refused += 1;
        let count = state.counts.refused;
        if is_milestone(count) {
            screen::note(&format!("{}: refused: {why} ({count} refused so far)", show(peer)));
        }
    }

    /// What there was, for the last line.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// The state, even after a panic elsewhere: a reading that was being stored may then be stored
    /// twice, nothing worse.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reading that is stored: whether it was before, and the statistics of its kind.
struct Taken {
    again: bool,
    statistics: Option<(u8, Statistics)>,
}

/// Why a reading is not stored.
enum Failure {
    /// The sensor's fault.
    Fault(Fault),
    /// The log cannot be written.
    Storage(io::Error),
    /// The server ends.
    Ended(Error),
}

/// The reading of a message that may be taken (version, type, fields), and the sensor's interval.
fn check(head: &Head, fields: &[u8]) -> Result<(Reading, Option<u32>), Fault> {
    if head.version != VERSION {
        return Err(Fault { code: code::VERSION, why: "version not supported" });
    }
    if head.kind != kind::READING {
        return Err(Fault { code: code::TYPE, why: "type not supported" });
    }
    let body = Body::read(fields)?;
    let reading = body.reading.ok_or(Fault { code: code::MALFORMED, why: "no reading" })?;
    Ok((reading, body.interval))
}

/// An error's field.
fn error(code: u8, why: &str) -> Body {
    Body { error: Some((code, why.as_bytes().to_vec())), ..Body::default() }
}

/// Says that storing failed, as often as [`Desk::refuse`] does.
fn note_failure(count: u64, why: &io::Error) {
    if is_milestone(count) {
        let why = reason(why);
        screen::note(&format!(
            "cannot write the log: {why} ({count} readings not stored, their sensors were told)"
        ));
    }
}

/// 1, 10, 100, …
fn is_milestone(count: u64) -> bool {
    count > 0 && 10u64.checked_pow(count.ilog10()) == Some(count)
}

/// The answer to bytes that are no message, where there is somebody to answer.
pub fn answer_to_noise(noise: Noise) -> Vec<u8> {
    let (version, kind, timestamp) = (VERSION, kind::ERROR, stamp::now());
    let head = Head { version, kind, time_unit: MICROSECONDS, timestamp, ..Head::default() };
    write(&head, &error(code::MALFORMED, noise.0))
}
