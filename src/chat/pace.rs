//! How fast a member may speak: a token bucket. No I/O; the time is passed in.
//!
//! ```text
//!   rate tokens a second, up to `BURST` seconds' worth
//!            │
//!        ┌───▼───┐
//!        │ bucket│──► a line takes one token, and one more for each `PIECE` bytes
//!        └───────┘
//! ```
//!
//! A line may be said while the bucket is not in debt; a long one may leave it in debt. A member that
//! speaks faster is not read from for a while, its kernel's buffers fill up, and its own `send` waits
//! (TCP's flow control, RFC 9293, 3.8.6). So it loses nothing while its connection stands, its sending
//! side closed or not; what lies in the buffers when the connection is reset, or the room closes, may be lost.

use std::time::{Duration, Instant};

/// How many seconds' worth of tokens can be saved up: what may be said at once after a silence.
const BURST: f64 = 2.0;

/// A line takes one token more for each so many bytes.
const PIECE: usize = 256;

/// One member's bucket.
#[derive(Debug)]
pub struct Pace {
    /// Tokens a second; 0 means no limit.
    rate: f64,
    tokens: f64,
    filled: Instant,
}

impl Pace {
    /// A full bucket that gets `rate` tokens a second; 0 is no limit.
    pub fn new(rate: u64, now: Instant) -> Pace {
        let rate = rate as f64;
        Pace { rate, tokens: rate * BURST, filled: now }
    }

    /// How long to wait before the next line may be said; zero means it may be said now.
    pub fn wait(&mut self, now: Instant) -> Duration {
        if self.rate == 0.0 {
            return Duration::ZERO;
        }
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.rate * BURST);
        self.filled = now;
        if self.tokens >= 1.0 {
            return Duration::ZERO;
        }
        // Rounded up, or a wait of less than a millionth would be repeated a million times.
        Duration::from_secs_f64((1.0 - self.tokens) / self.rate) + Duration::from_millis(1)
    }

    /// Takes what a line of so many bytes costs.
    pub fn spend(&mut self, bytes: usize) {
        self.tokens -= 1.0 + (bytes / PIECE) as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let start = Instant::now();
        let mut pace = Pace::new(10, start);
        let mut now = start;
        let mut said = 0;
        while now < start + Duration::from_secs(10) {
            let wait = pace.wait(now);
            if wait.is_zero() {
                pace.spend(5);
                said += 1;
            }
            now += wait;
        }
        // 20 at once, then 10 a second for 10 seconds.
        assert!((115..=121).contains(&said), "{said}");
    }

    #[test]
    fn long_lines_cost_more_and_no_rate_costs_nothing() {
        let start = Instant::now();
        let mut pace = Pace::new(10, start);
        assert_eq!(pace.wait(start), Duration::ZERO);
        pace.spend(8192);
        assert!(pace.wait(start) > Duration::from_secs(1));
        assert!(pace.wait(start + Duration::from_secs(2)).is_zero());
        let mut free = Pace::new(0, start);
        for _ in 0..1000 {
            assert!(free.wait(start).is_zero());
            free.spend(8192);
        }
    }
}
