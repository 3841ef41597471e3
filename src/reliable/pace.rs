//! Packets spread over time. Pure.
//!
//! A window alone lets a whole burst go when an acknowledgement arrives, and a burst fills a queue that the
//! mean rate never would. So packets leave one after another, as fast as the rate says. A thread that wakes
//! for each of 8,500 packets a second would do little else; so what fits a millisecond may leave together.

use std::time::{Duration, Instant};

/// How much may leave ahead of its time, so that one wake-up serves several packets.
const SLACK: Duration = Duration::from_millis(1);
/// How much a late wake-up may catch up: what a busy machine keeps a thread waiting. More would be a burst.
const LATE: Duration = Duration::from_millis(4);

/// When the next packet is due.
#[derive(Debug)]
pub struct Pace {
    due: Instant,
}

impl Pace {
    /// The first packet may leave at once.
    pub fn new(now: Instant) -> Pace {
        Pace { due: now }
    }

    /// Whether a packet may leave now.
    pub fn allows(&self, now: Instant) -> bool {
        self.due <= now + SLACK
    }

    /// When the next one is due: by then there is place for a millisecond's worth.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// A packet leaves; the next is due `1 / rate` seconds later. `None`: at once.
    pub fn leave(&mut self, rate: Option<f64>, now: Instant) {
        let earliest = now.checked_sub(LATE).unwrap_or(now);
        self.due = self.due.max(earliest);
        if let Some(rate) = rate {
            // At least one packet a second, or a wrong estimate could never be put right.
            self.due += Duration::from_secs_f64(1.0 / rate.max(1.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_though_every_wake_up_is_late() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let (mut now, mut left, mut wakes) = (start, 0, 0);
        while now < start + Duration::from_secs(1) {
            while pace.allows(now) {
                pace.leave(Some(8_000.0), now);
                left += 1;
            }
            now = pace.due() + Duration::from_micros(300);
            wakes += 1;
        }
        assert!((7_990..8_030).contains(&left), "{left}");
        assert!(wakes < 1_100, "{wakes}");
    }

    #[test]
    fn a_silence_is_not_made_up_for() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let later = start + Duration::from_secs(10);
        let burst = (0..1_000).take_while(|_| {
            let allowed = pace.allows(later);
            pace.leave(Some(8_000.0), later);
            allowed
        });
        // 4 ms late and 1 ms ahead, at 8 packets a millisecond.
        assert!((40..=42).contains(&burst.count()));
    }
}
