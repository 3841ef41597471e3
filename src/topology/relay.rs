//! A running cable: two TAP devices and, for each direction, a thread that reads and one that writes.
//!
//! ```text
//!  h1-eth0 ─▶ [reader] ─▶ on the wire, by time of arrival ─▶ [writer] ─▶ s1-eth1
//!               asks Cable::take: when, or never
//! ```
//!
//! The reader must never wait for anything but the next frame, or frames would queue up in the
//! kernel instead of in our queue; so a second thread does the waiting until a frame is due.
//!
//! Limits: delays are kept to about a tenth of a millisecond, because a thread that sleeps is woken
//! late by a scheduler that has others to serve; the last stretch is therefore not slept but spun.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::cable::{Cable, Fate};
use super::plan::Quality;
use crate::kit::random::Random;
use crate::kit::sys::tap;

/// The longest frame: an Ethernet header, a payload of 1,500 bytes and two VLAN tags; far more room
/// than that, because the interface's MTU is the user's to change.
const LONGEST: usize = 65_536;

/// How many bytes may be on the wire in one direction: what 1 Gbit/s sends in half a second. A cable
/// without a rate takes any number, and with a long delay they would fill the memory.
const ON_THE_WIRE: usize = 64 << 20;

/// What a frame costs in memory beside its bytes.
const BESIDE: usize = 64;

/// How long before a frame is due the writer stops sleeping and spins, at least.
const SPIN: Duration = Duration::from_micros(60);

/// And a thousandth of the time it sleeps, up to this: a processor that has been idle for longer has
/// fallen asleep more deeply and wakes later.
const MOST_SPIN: Duration = Duration::from_micros(300);

/// With more frames than this due within that time the link is busy, and nothing is spun: it would take a
/// processor from those who send and receive. Some frames are then late together by less than a tenth of
/// a millisecond, which is what they wait for each other anyway.
const MANY: usize = 4;
const SOON: Duration = Duration::from_millis(1);

/// How long to wait when the interface is not up yet.
const RETRY: Duration = Duration::from_millis(20);

/// What one direction has done so far.
#[derive(Debug, Default)]
pub struct Counters {
    /// Frames that came out at the other end.
    pub delivered: AtomicU64,
    /// Frames that were lost by chance.
    pub lost: AtomicU64,
    /// Frames that found the queue full or an end unplugged, or were on a cable that was replaced.
    pub dropped: AtomicU64,
}

/// The frames on their way, the next one to arrive in front, and the memory they take.
#[derive(Debug, Default)]
struct Wire {
    frames: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
}

/// One direction of a running cable.
#[derive(Debug)]
pub struct Direction {
    cable: Mutex<Cable>,
    plugged: AtomicBool,
    wire: Mutex<Wire>,
    came: Condvar,
    /// What it has done so far.
    pub counters: Counters,
}

impl Direction {
    /// Starts moving frames from one TAP device to the other, until the process ends.
    pub fn start(
        name: &str,
        from: File,
        to: File,
        quality: Quality,
        random: Random,
    ) -> io::Result<Arc<Direction>> {
        let direction = Arc::new(Direction {
            cable: Mutex::new(Cable::new(quality, random)),
            plugged: AtomicBool::new(true),
            wire: Mutex::default(),
            came: Condvar::new(),
            counters: Counters::default(),
        });
        let (reader, writer) = (Arc::clone(&direction), Arc::clone(&direction));
        thread::Builder::new().name(format!("{name} in")).spawn(move || reader.read(from))?;
        thread::Builder::new().name(format!("{name} out")).spawn(move || writer.write(to))?;
        Ok(direction)
    }

    /// Changes what the cable does to frames that come from now on. Where that takes another cable
    /// ([`Cable::change`]), frames on the old one are lost.
    pub fn change(&self, quality: Quality) {
        let mut cable = lock(&self.cable);
        if cable.change(quality) {
            let mut wire = lock(&self.wire);
            self.counters.dropped.fetch_add(wire.frames.len() as u64, Relaxed);
            *wire = Wire::default();
            // The writer may be waiting for a frame that is not there any more.
            self.came.notify_one();
        }
    }

    /// Plugs the cable in or out. What is on the wire still arrives.
    pub fn plug(&self, plugged: bool) {
        self.plugged.store(plugged, Relaxed);
    }

    /// The reading thread.
    fn read(&self, mut from: File) {
        let start = Instant::now();
        let mut frame = vec![0; LONGEST];
        loop {
            let length = match from.read(&mut frame) {
                Ok(length) => length,
                Err(error) if is_not_up(&error) => {
                    thread::sleep(RETRY);
                    continue;
                }
                // The device is gone: the network is being taken down.
                Err(_) => return,
            };
            let now = start.elapsed();
            // Held until the frame is on the wire, so that it is not put on another cable's.
            let mut cable = lock(&self.cable);
            let fate = match self.plugged.load(Relaxed) {
                true => cable.take(now, length),
                false => Fate::Dropped,
            };
            match fate {
                Fate::Arrives(at) => self.send(start + at, &frame[..length]),
                Fate::Lost => drop(self.counters.lost.fetch_add(1, Relaxed)),
                Fate::Dropped => drop(self.counters.dropped.fetch_add(1, Relaxed)),
            }
        }
    }

    /// Puts a frame on the wire.
    fn send(&self, at: Instant, frame: &[u8]) {
        let mut wire = lock(&self.wire);
        if wire.bytes >= ON_THE_WIRE {
            self.counters.dropped.fetch_add(1, Relaxed);
            return;
        }
        wire.bytes += frame.len() + BESIDE;
        wire.frames.push_back((at, frame.to_vec()));
        // A writer that waits for an earlier frame need not know.
        if wire.frames.len() == 1 {
            self.came.notify_one();
        }
    }

    /// The writing thread.
    fn write(&self, mut to: File) {
        // Without it frames are up to 50 microseconds later; nothing else depends on it.
        let _ = tap::wake_precisely();
        loop {
            let frame = self.next();
            let counter = match to.write(&frame) {
                Ok(_) => &self.counters.delivered,
                // An interface that is down takes nothing (EIO), as in real life.
                Err(_) => &self.counters.dropped,
            };
            counter.fetch_add(1, Relaxed);
        }
    }

    /// Waits until a frame is due and takes it off the wire: sleeps until shortly before, and spins for
    /// the rest.
    fn next(&self) -> Vec<u8> {
        let mut wire = lock(&self.wire);
        loop {
            let Some(&(due, _)) = wire.frames.front() else {
                wire = self.came.wait(wire).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let now = Instant::now();
            let left = due.saturating_duration_since(now);
            let dense = wire.frames.get(MANY).is_some_and(|(at, _)| *at < now + SOON);
            let spin = if dense { Duration::ZERO } else { (SPIN + left / 1000).min(MOST_SPIN) };
            if left > spin {
                let (again, slept) =
                    self.came.wait_timeout(wire, left - spin).unwrap_or_else(PoisonError::into_inner);
                wire = again;
                if !slept.timed_out() {
                    continue;
                }
            }
            if !left.is_zero() {
                drop(wire);
                while Instant::now() < due {
                    std::hint::spin_loop();
                }
                wire = lock(&self.wire);
            }
            // Another cable may have been put in its place meanwhile.
            let is_due = wire.frames.front().is_some_and(|(at, _)| *at <= due);
            if let Some((_, frame)) = is_due.then(|| wire.frames.pop_front()).flatten() {
                wire.bytes -= frame.len() + BESIDE;
                return frame;
            }
        }
    }
}

/// Whether a TAP device only says that its interface is not up yet, or that nothing was read.
fn is_not_up(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBADFD | libc::EIO | libc::EINTR | libc::EAGAIN))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
