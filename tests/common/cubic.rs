//! A TCP sender with CUBIC (RFC 9438), for a test to share a link with: endless data, selective
//! acknowledgement of every packet, no pacing. Its loss detection is ideal, three packets behind in send order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// RFC 9438: the factor of a cut, and the speed of growth in packets per second cubed.
const BETA: f64 = 0.7;
const C: f64 = 0.4;
/// A probe timer like Linux': without news for so long, all is taken for lost.
const TIMEOUT: Duration = Duration::from_millis(250);

/// The sender.
pub struct Cubic {
    window: f64,
    threshold: f64,
    peak: f64,
    /// When the present growth began, and with which window.
    epoch: Option<Instant>,
    start: f64,
    /// Packets under way: number and when it left.
    flying: VecDeque<(u64, Instant)>,
    next: u64,
    recovered: u64,
    least: Duration,
    last_news: Instant,
    pub delivered: u64,
}

impl Cubic {
    pub fn new(now: Instant) -> Cubic {
        Cubic {
            window: 10.0,
            threshold: f64::INFINITY,
            peak: 0.0,
            epoch: None,
            start: 0.0,
            flying: VecDeque::new(),
            next: 0,
            recovered: 0,
            least: Duration::MAX,
            last_news: now,
            delivered: 0,
        }
    }

    /// The next packet, if one may leave.
    pub fn transmit(&mut self, now: Instant) -> Option<u64> {
        if self.flying.len() >= self.window as usize {
            return None;
        }
        if self.flying.is_empty() {
            self.last_news = now;
        }
        self.flying.push_back((self.next, now));
        self.next += 1;
        Some(self.next - 1)
    }

    pub fn wake(&self) -> Instant {
        self.last_news + TIMEOUT
    }

    pub fn tick(&mut self, now: Instant) {
        if now >= self.wake() && !self.flying.is_empty() {
            self.flying.clear();
            self.threshold = self.window / 2.0;
            self.window = 1.0;
            self.epoch = None;
            self.last_news = now;
        }
    }

    /// An acknowledgement of one packet.
    pub fn acknowledge(&mut self, number: u64, now: Instant) {
        self.last_news = now;
        let Some(place) = self.flying.iter().position(|(flying, _)| *flying == number) else { return };
        let rtt = now - self.flying[place].1;
        self.least = self.least.min(rtt);
        self.flying.remove(place);
        self.delivered += 1;
        let mut lost = None;
        while self.flying.front().is_some_and(|(flying, _)| flying + 3 <= number) {
            lost = self.flying.pop_front().map(|(flying, _)| flying);
        }
        if lost.is_some_and(|lost| lost >= self.recovered) {
            self.recovered = self.next;
            // Fast convergence, then the cut.
            self.peak = if self.window < self.peak { self.window * (1.0 + BETA) / 2.0 } else { self.window };
            self.window = (self.window * BETA).max(2.0);
            self.threshold = self.window;
            self.epoch = None;
        } else if number >= self.recovered {
            self.grow(rtt, now);
        }
    }

    fn grow(&mut self, rtt: Duration, now: Instant) {
        if self.window < self.threshold {
            self.window += 1.0;
            // HyStart: leave slow start when the queue can be felt.
            if rtt > self.least + (self.least / 8).max(Duration::from_millis(4)) && self.window > 16.0 {
                self.threshold = self.window;
            }
            return;
        }
        if self.peak == 0.0 {
            self.peak = self.window;
        }
        let epoch = *self.epoch.get_or_insert(now);
        if epoch == now {
            self.start = self.window;
        }
        let start = self.start;
        let k = ((self.peak - start).max(0.0) / C).cbrt();
        let t = (now - epoch).as_secs_f64();
        let target = C * (t + rtt.as_secs_f64() - k).powi(3) + self.peak;
        let reno = start + 3.0 * (1.0 - BETA) / (1.0 + BETA) * t / rtt.as_secs_f64();
        let goal = target.max(reno).min(1.5 * self.window);
        if goal > self.window {
            self.window += (goal - self.window) / self.window;
        } else {
            self.window += 0.01 / self.window;
        }
    }
}
