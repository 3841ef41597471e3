//! What a cable does to a frame, as arithmetic: time and length go in, the time of arrival comes out.
//!
//! ```text
//!   frame ──▶ [ queue ] ──▶ transmitter ───────── wire ─────────▶ other end
//!             full: dropped  length ÷ rate         delay ± jitter, lost by chance
//! ```
//!
//! Pure: the clock is passed in, so that a minute of traffic is tested in a moment and a seed gives the
//! same losses each time. [`super::relay`] moves real frames by it.

use std::collections::VecDeque;
use std::time::Duration;

use super::plan::Quality;
use crate::kit::random::Random;

/// What happens to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It comes out at the other end at this time.
    Arrives(Duration),
    /// It is lost on the wire. It has taken its time at the transmitter all the same.
    Lost,
    /// The queue is full; it is dropped before it is sent.
    Dropped,
}

/// One direction of a cable. All times count from a start that the caller chooses.
#[derive(Debug)]
pub struct Cable {
    quality: Quality,
    random: Random,
    /// When the transmitter has sent everything it has taken so far.
    free: Duration,
    /// When each frame that is still at the transmitter will have left it: the queue. Frames on the
    /// wire are not in it; a long delay does not fill a queue.
    leaving: VecDeque<Duration>,
    /// When the last frame arrives: jitter does not let frames overtake each other.
    last: Duration,
}

impl Cable {
    /// A cable without traffic.
    pub fn new(quality: Quality, random: Random) -> Cable {
        let (free, leaving, last) = (Duration::ZERO, VecDeque::new(), Duration::ZERO);
        Cable { quality, random, free, leaving, last }
    }

    /// Changes what it does to frames that come from now on. Returns whether that took another cable: a
    /// rate or a delay is how a cable is made, and what was on the old one must not hold up the new one
    /// (a frame at 1 bit per second takes hours). A change of loss leaves the traffic alone.
    pub fn change(&mut self, quality: Quality) -> bool {
        let made_like = |quality: Quality| (quality.rate, quality.delay, quality.jitter);
        let another = made_like(quality) != made_like(self.quality);
        self.quality = quality;
        if another {
            (self.free, self.last) = (Duration::ZERO, Duration::ZERO);
            self.leaving.clear();
        }
        another
    }

    /// Takes a frame of `length` bytes at `now`, which never goes back.
    pub fn take(&mut self, now: Duration, length: usize) -> Fate {
        while self.leaving.front().is_some_and(|leaves| *leaves <= now) {
            self.leaving.pop_front();
        }
        if self.leaving.len() >= self.quality.queue {
            return Fate::Dropped;
        }
        let sending = match self.quality.rate {
            Some(rate) => Duration::from_nanos(nanoseconds(length, rate)),
            None => Duration::ZERO,
        };
        let leaves = self.free.max(now) + sending;
        self.free = leaves;
        if !sending.is_zero() {
            self.leaving.push_back(leaves);
        }
        if self.random.chance(self.quality.loss) {
            return Fate::Lost;
        }
        let arrives = (leaves + self.quality.delay + self.shift()).saturating_sub(self.quality.jitter);
        self.last = self.last.max(arrives).max(leaves);
        Fate::Arrives(self.last)
    }

    /// A random part of twice the jitter.
    fn shift(&mut self) -> Duration {
        if self.quality.jitter.is_zero() {
            return Duration::ZERO;
        }
        self.quality.jitter.mul_f64(2.0 * self.random.fraction())
    }
}

/// How long `length` bytes take at `rate` bits per second.
fn nanoseconds(length: usize, rate: u64) -> u64 {
    let bits = length as u128 * 8;
    u64::try_from(bits * 1_000_000_000 / u128::from(rate.max(1))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::plan::{cable, PLAIN};

    const MS: Duration = Duration::from_millis(1);

    fn new(quality: Quality) -> Cable {
        Cable::new(quality, Random::new(Some(1)))
    }

    #[test]
    fn a_frame_takes_its_time_at_the_transmitter_and_on_the_wire() {
        // 1,250 bytes at 10 Mbit/s take 1 ms; two at once go one after the other.
        let mut cable = new(cable(10, 30, 0.0));
        assert_eq!(cable.take(Duration::ZERO, 1250), Fate::Arrives(31 * MS));
        assert_eq!(cable.take(Duration::ZERO, 1250), Fate::Arrives(32 * MS));
        assert_eq!(cable.take(10 * MS, 1250), Fate::Arrives(41 * MS));
    }

    #[test]
    fn a_plain_cable_does_nothing() {
        let mut cable = new(PLAIN);
        for step in 0..10_000 {
            assert_eq!(cable.take(step * MS, 1514), Fate::Arrives(step * MS));
        }
    }

    #[test]
    fn the_queue_counts_what_waits_and_not_what_flies() {
        let mut cable = new(Quality { queue: 3, ..cable(10, 1000, 0.0) });
        for _ in 0..3 {
            assert!(matches!(cable.take(Duration::ZERO, 1250), Fate::Arrives(_)));
        }
        assert_eq!(cable.take(Duration::ZERO, 1250), Fate::Dropped);
        // 3 ms later all three are on the wire, for a second, and the queue is empty.
        assert!(matches!(cable.take(3 * MS, 1250), Fate::Arrives(_)));
    }

    #[test]
    fn a_slow_cable_does_not_hold_up_the_one_that_replaces_it() {
        let fast = cable(10, 30, 0.0);
        let mut cable = new(Quality { rate: Some(1), delay: 60_000 * MS, ..PLAIN });
        assert_eq!(cable.take(MS, 1250), Fate::Arrives(MS + Duration::from_secs(10_000 + 60)));
        assert!(!cable.change(Quality { loss: 5.0, rate: Some(1), delay: 60_000 * MS, ..PLAIN }));
        assert!(cable.change(fast));
        assert_eq!(cable.take(2 * MS, 1250), Fate::Arrives(33 * MS));
    }

    #[test]
    fn loss_is_as_asked_and_the_same_for_the_same_seed() {
        let run = |seed| {
            let quality = Quality { loss: 5.0, ..PLAIN };
            let mut cable = Cable::new(quality, Random::new(Some(seed)));
            (0..100_000).map(|step| cable.take(step * MS, 100)).collect::<Vec<_>>()
        };
        let lost = run(7).iter().filter(|fate| **fate == Fate::Lost).count();
        assert!((4_700..5_300).contains(&lost), "{lost} of 100,000 at 5 %");
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_in_order() {
        let mut cable = new(Quality { delay: 20 * MS, jitter: 5 * MS, ..PLAIN });
        let mut last = Duration::ZERO;
        let (mut early, mut late) = (false, false);
        for step in 0..10_000 {
            let now = step * 11 * MS;
            let Fate::Arrives(at) = cable.take(now, 100) else { panic!("nothing is lost here") };
            let took = at - now;
            assert!(took >= 15 * MS && took <= 25 * MS, "{took:?}");
            early |= took < 18 * MS;
            late |= took > 22 * MS;
            assert!(at >= last);
            last = at;
        }
        assert!(early && late);
    }

    #[test]
    fn the_rate_is_kept_over_a_minute() {
        // A sender that always has a frame ready: 1,514 bytes at 100 Mbit/s is 8,256 frames a second.
        let mut cable = new(Quality { queue: 50, ..cable(100, 5, 0.0) });
        let mut delivered = 0_u64;
        let mut now = Duration::ZERO;
        while now < Duration::from_secs(60) {
            match cable.take(now, 1514) {
                Fate::Arrives(_) => delivered += 1514 * 8,
                _ => now += MS / 10,
            }
        }
        let rate = delivered as f64 / now.as_secs_f64() / 1e6;
        assert!((99.9..100.1).contains(&rate), "{rate} Mbit/s");
    }
}
