//! What a pinger says at the end: how many, how many lost, and how long they took.
//!
//! The definitions and the two lines are those of iputils `ping`, to the digit:
//!
//! ```text
//! 10 packets transmitted, 7 received, 30% packet loss, time 9ms
//! rtt min/avg/max/mdev = 0.052/0.071/0.110/0.018 ms
//! ```
//!
//! `mdev` is the standard deviation of the round-trip times, √(mean of squares − square of mean). It
//! is neither the mean deviation, as the name suggests, nor the "deviation of the mean" of sheet
//! CSE3214. Sums are kept in whole microseconds, as iputils does, so that the digits agree.

use std::time::{Duration, Instant};

/// Counts and times of one run.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Requests sent.
    pub transmitted: u64,
    /// Requests answered; a request counts once however often it is answered.
    pub received: u64,
    /// Answers beyond the first.
    pub duplicates: u64,
    /// Answers whose checksum is wrong; they are not received.
    pub corrupted: u64,
    /// Errors that routers or hosts reported.
    pub errors: u64,
    /// How many requests were under way at once, at most.
    pub pipe: u64,
    first: Option<Instant>,
    last: Option<Instant>,
    /// Round-trip times: how many, their sum and the sum of their squares, in microseconds.
    times: u64,
    sum: u128,
    squares: u128,
    least: u64,
    most: u64,
    /// Eight times the moving average in which each new time weighs an eighth (RFC 793, 3.7).
    moving: u64,
}

impl Stats {
    /// A request has been sent at `now`.
    pub fn sent(&mut self, now: Instant) {
        self.transmitted += 1;
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// A request has been answered for the first time after `rtt`.
    pub fn replied(&mut self, rtt: Duration) {
        self.received += 1;
        self.time(rtt);
    }

    /// A request has been answered once more. Its time counts, as in iputils.
    pub fn replied_again(&mut self, rtt: Duration) {
        self.duplicates += 1;
        self.time(rtt);
    }

    fn time(&mut self, rtt: Duration) {
        let micros = micros(rtt);
        self.least = if self.times == 0 { micros } else { self.least.min(micros) };
        self.most = self.most.max(micros);
        self.moving = match self.times {
            0 => micros * 8,
            _ => self.moving - self.moving / 8 + micros,
        };
        self.times += 1;
        self.sum += u128::from(micros);
        self.squares += u128::from(micros) * u128::from(micros);
    }

    /// From the first request to the last one: with iputils the wait for the last reply does not count.
    pub fn elapsed(&self) -> Duration {
        match (self.first, self.last) {
            (Some(first), Some(last)) => last.saturating_duration_since(first),
            _ => Duration::ZERO,
        }
    }

    /// The mean round-trip time in microseconds, rounded down; `None` when there is none: everything
    /// may be lost, and nothing is divided by zero.
    pub fn average(&self) -> Option<u64> {
        (self.times > 0).then(|| (self.sum / u128::from(self.times)) as u64)
    }

    /// The standard deviation in microseconds, rounded down.
    pub fn deviation(&self) -> Option<u64> {
        let count = u128::from(self.times);
        if count == 0 {
            return None;
        }
        // In this order iputils keeps the digits of small times.
        let variance = (self.squares - self.sum * self.sum / count) / count;
        Some(variance.isqrt() as u64)
    }

    /// `10 packets transmitted, 7 received, 30% packet loss, time 9ms`.
    pub fn counts(&self) -> String {
        let mut line = format!("{} packets transmitted, {} received", self.transmitted, self.received);
        let extras =
            [("duplicates", self.duplicates), ("corrupted", self.corrupted), ("errors", self.errors)];
        for (name, number) in extras {
            if number > 0 {
                line += &format!(", +{number} {name}");
            }
        }
        if self.transmitted > 0 {
            let millis = (self.elapsed().as_nanos() + 500_000) / 1_000_000;
            line += &format!(", {}% packet loss, time {millis}ms", general(self.loss()));
        }
        line
    }

    /// `rtt min/avg/max/mdev = 0.052/0.071/0.110/0.018 ms`, with `, pipe 3` when that many were under
    /// way at once, and for a `flood` the gap between packets and the moving average. `None` when
    /// there is none of these to tell.
    pub fn times(&self, flood: bool) -> Option<String> {
        let mut parts = Vec::new();
        if let (Some(average), Some(deviation), 1..) = (self.average(), self.deviation(), self.received) {
            let figures = [self.least, average, self.most, deviation].map(millis).join("/");
            parts.push(format!("rtt min/avg/max/mdev = {figures} ms"));
        }
        if self.pipe > 1 {
            parts.push(format!("pipe {}", self.pipe));
        }
        if flood && self.received > 0 && self.transmitted > 1 {
            let gap = self.elapsed().as_micros() / u128::from(self.transmitted - 1);
            parts.push(format!("ipg/ewma {}/{} ms", millis(gap as u64), millis(self.moving / 8)));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// The line in between, on SIGQUIT: `3/4 packets, 25% loss, min/avg/ewma/max = … ms`.
    pub fn so_far(&self) -> String {
        let mut line =
            format!("{}/{} packets, {}% loss", self.received, self.transmitted, self.loss() as u64);
        if let (Some(average), 1..) = (self.average(), self.received) {
            let figures = [self.least, average, self.moving / 8, self.most].map(millis).join("/");
            line += &format!(", min/avg/ewma/max = {figures} ms");
        }
        line
    }

    /// Requests without an answer, in percent; 0 when nothing was sent.
    pub fn loss(&self) -> f64 {
        if self.transmitted == 0 {
            return 0.0;
        }
        self.transmitted.saturating_sub(self.received) as f64 * 100.0 / self.transmitted as f64
    }
}

/// A duration in whole microseconds, rounded as iputils rounds; at most thirty years, so that sums of
/// squares stay within 128 bits.
pub fn micros(time: Duration) -> u64 {
    const THIRTY_YEARS: u128 = 1_000_000_000_000_000;
    ((time.as_nanos() + 500) / 1_000).min(THIRTY_YEARS) as u64
}

/// Microseconds as milliseconds with three decimals.
fn millis(micros: u64) -> String {
    format!("{}.{:03}", micros / 1_000, micros % 1_000)
}

/// A percentage as C's `%g` prints it: six significant digits, no zeros at the end.
fn general(percent: f64) -> String {
    if percent <= 0.0 {
        return "0".to_string();
    }
    let exponent = format!("{percent:.5e}");
    let Some((digits, exponent)) = exponent.split_once('e') else { return exponent };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text.to_string(),
    };
    if exponent < -4 {
        return format!("{}e-{:02}", trimmed(digits), -exponent);
    }
    trimmed(&format!("{percent:.*}", usize::try_from(5 - exponent).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run in which these times, in microseconds, came back of `transmitted` requests.
    fn run(transmitted: u64, times: &[u64]) -> Stats {
        let mut stats = Stats { transmitted, ..Stats::default() };
        times.iter().for_each(|&time| stats.replied(Duration::from_micros(time)));
        stats
    }

    #[test]
    fn the_two_lines() {
        // The deviation of 1, 2, 3, 4 ms is the square root of 1.25: 1.118.
        let stats = run(5, &[1_000, 2_000, 3_000, 4_000]);
        assert_eq!(stats.counts(), "5 packets transmitted, 4 received, 20% packet loss, time 0ms");
        let line = "rtt min/avg/max/mdev = 1.000/2.500/4.000/1.118 ms";
        assert_eq!(stats.times(false).as_deref(), Some(line));
    }

    #[test]
    fn all_lost_and_nothing_sent_divide_by_nothing() {
        assert_eq!(run(3, &[]).counts(), "3 packets transmitted, 0 received, 100% packet loss, time 0ms");
        assert_eq!(run(3, &[]).times(true), None);
        assert_eq!(run(3, &[]).so_far(), "0/3 packets, 100% loss");
        assert_eq!(run(0, &[]).counts(), "0 packets transmitted, 0 received");
        assert_eq!(run(0, &[]).so_far(), "0/0 packets, 0% loss");
    }

    #[test]
    fn duplicates_errors_and_the_moving_average() {
        let mut stats = run(2, &[1_000]);
        stats.replied_again(Duration::from_micros(9_000));
        stats.errors = 1;
        stats.corrupted = 2;
        let counts = "2 packets transmitted, 1 received, +1 duplicates, +2 corrupted, +1 errors, 50% packet loss, time 0ms";
        assert_eq!(stats.counts(), counts);
        assert_eq!(stats.so_far(), "1/2 packets, 50% loss, min/avg/ewma/max = 1.000/5.000/2.000/9.000 ms");
        stats.pipe = 3;
        let line = "rtt min/avg/max/mdev = 1.000/5.000/9.000/4.000 ms, pipe 3";
        assert_eq!(stats.times(false).as_deref(), Some(line));
    }

    #[test]
    fn percent_as_c_prints_it() {
        let of = |lost: f64, sent: f64| general(lost * 100.0 / sent);
        assert_eq!(of(1.0, 3.0), "33.3333");
        assert_eq!(of(2.0, 3.0), "66.6667");
        assert_eq!(of(1.0, 1_000.0), "0.1");
        assert_eq!(of(1.0, 30_000.0), "0.00333333");
        assert_eq!(of(1.0, 10_000_000.0), "1e-05");
        assert_eq!(of(0.0, 3.0), "0");
        assert_eq!(of(9_999_999.0, 10_000_000.0), "100");
    }

    #[test]
    fn huge_times_do_not_overflow() {
        let mut stats = run(2, &[u64::MAX / 16, u64::MAX / 16]);
        stats.replied(Duration::MAX);
        assert!(stats.times(true).is_some());
        assert!(stats.so_far().contains("loss"));
    }
}
