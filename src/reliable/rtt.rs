//! How long an answer takes, and how long to wait for one. RFC 6298; the probe timeout is RFC 9002's.
//!
//! The smoothed round trip follows each sample by an eighth, the variation by a quarter. A wait of the
//! mean alone would be too short every other time, so four times the variation is added. Samples of
//! packets sent twice would be ambiguous (Karn); ours never are, for each transmission has its own number.

use std::time::Duration;

/// How long the first answer is waited for, before anything is known (RFC 6298, 2.1).
pub const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait between two attempts. RFC 6298 asks for no less than 60 s, for a whole network of
/// senders that never give up; ours do after seconds, and in these it should have tried more than three
/// times.
pub const MOST_WAIT: Duration = Duration::from_secs(1);
/// No variation is taken to be smaller: clocks and schedulers are not that good (RFC 9002, 6.1.2).
pub const GRANULARITY: Duration = Duration::from_millis(1);

/// The estimate.
#[derive(Debug, Clone, Default)]
pub struct Rtt {
    smoothed: Option<Duration>,
    variation: Duration,
    latest: Duration,
    least: Option<Duration>,
}

impl Rtt {
    /// One more sample.
    pub fn sample(&mut self, sample: Duration) {
        self.latest = sample;
        self.least = Some(self.least.map_or(sample, |least| least.min(sample)));
        match &mut self.smoothed {
            None => {
                self.smoothed = Some(sample);
                self.variation = sample / 2;
            }
            Some(smoothed) => {
                self.variation = (3 * self.variation + smoothed.abs_diff(sample)) / 4;
                *smoothed = (7 * *smoothed + sample) / 8;
            }
        }
    }

    /// The smoothed round trip; 0 before the first sample.
    pub fn smoothed(&self) -> Duration {
        self.smoothed.unwrap_or_default()
    }

    /// The shortest so far; 0 before the first sample.
    pub fn least(&self) -> Duration {
        self.least.unwrap_or_default()
    }

    /// How long to wait for an answer that the peer may delay by `delay`, at the `attempt`-th time: twice
    /// as long each time (0 is the first).
    pub fn wait(&self, delay: Duration, attempt: u32) -> Duration {
        let first = match self.smoothed {
            None => FIRST_WAIT,
            Some(smoothed) => smoothed + (4 * self.variation).max(GRANULARITY) + delay,
        };
        first.saturating_mul(1 << attempt.min(16)).min(first.max(MOST_WAIT))
    }

    /// How much longer than usual a packet may be under way before it counts as lost, given that a later
    /// one has arrived: an eighth of the round trip (RFC 9002, 6.1.2).
    pub fn loss_delay(&self) -> Duration {
        let longest = self.smoothed().max(self.latest);
        (longest * 9 / 8).max(GRANULARITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn the_estimate_of_rfc_6298() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.wait(ms(5), 0), FIRST_WAIT);
        rtt.sample(ms(40));
        assert_eq!((rtt.smoothed(), rtt.variation), (ms(40), ms(20)));
        assert_eq!(rtt.wait(ms(5), 0), ms(40 + 80 + 5));
        rtt.sample(ms(80));
        assert_eq!((rtt.smoothed(), rtt.variation), (ms(45), ms(25)));
        assert_eq!(rtt.loss_delay(), ms(90), "the latest counts if it is longer");
        for _ in 0..100 {
            rtt.sample(ms(40));
        }
        assert!(rtt.smoothed() < ms(41));
        assert!(rtt.wait(ms(5), 0) < ms(48), "{:?}", rtt.wait(ms(5), 0));
    }

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_the_longest() {
        let mut rtt = Rtt::default();
        rtt.sample(ms(40));
        let waits: Vec<u128> = (0..6).map(|attempt| rtt.wait(ms(5), attempt).as_millis()).collect();
        assert_eq!(waits, [125, 250, 500, 1000, 1000, 1000]);
        rtt.sample(Duration::from_secs(8));
        assert!(rtt.wait(ms(5), u32::MAX) > MOST_WAIT, "a path that is slower than that is waited for");
    }
}
