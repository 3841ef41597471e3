//! The answer of 1990: probe until something is lost, then halve. RFC 5681 in packets instead of bytes;
//! recovery as in RFC 9002, 7.
//!
//! ```text
//! window    slow start        congestion avoidance
//!            |     /|            /|
//!            |    / |  /|      /  |         each loss halves it; one packet more a round trip until
//!            |   /  | / |    /    |  /      the next. The mean is 0.75 of the peak, if the peak fills
//!            |__/   |/  |__/      |/        the queue, and 1.22 / sqrt(loss) if chance decides.
//! ```
//!
//! It takes each loss for a full queue. Where losses come by chance it is wrong nearly every time: at 1 %
//! the mean window is 12 packets, which over 40 ms is 3.4 Mbit/s of whatever the link could carry.

use super::congestion::{News, FIRST_WINDOW, LEAST_WINDOW};
use super::seq::Seq;

/// The window and where it stands.
#[derive(Debug)]
pub struct Classic {
    /// In packets; its fraction is what additive increase has gathered.
    window: f64,
    /// Below this, slow start.
    threshold: f64,
    /// The first packet sent after the last cut: losses of earlier ones are the same event.
    recovered: Option<Seq>,
}

impl Classic {
    /// In slow start.
    pub fn new() -> Classic {
        Classic { window: FIRST_WINDOW as f64, threshold: f64::INFINITY, recovered: None }
    }

    /// How many packets may be under way.
    pub fn window(&self) -> usize {
        self.window as usize
    }

    /// Grows with what arrived, or is cut.
    pub fn learn(&mut self, news: &News) {
        let before_cut = |packet: Seq| self.recovered.is_some_and(|recovered| packet.after(recovered) < 0);
        if news.last_lost.is_some_and(|packet| !before_cut(packet)) {
            self.recovered = Some(news.next);
            self.window = (self.window / 2.0).max(LEAST_WINDOW as f64);
            self.threshold = self.window;
            return;
        }
        // A window that is not used says nothing about the network, so it does not grow (RFC 9002, 7.8).
        if news.flying_before + 1 < self.window() {
            return;
        }
        let arrived = news.arrived as f64;
        // One more for each packet that arrived doubles the window in a round trip; a window-th of one
        // makes one more in a round trip.
        self.window += if self.window < self.threshold { arrived } else { arrived / self.window };
    }

    /// Begins anew from the least window (RFC 9002, 7.6: persistent congestion).
    pub fn stall(&mut self, next: Seq) {
        self.recovered = Some(next);
        self.threshold = (self.window / 2.0).max(LEAST_WINDOW as f64);
        self.window = LEAST_WINDOW as f64;
    }
}

impl Default for Classic {
    fn default() -> Classic {
        Classic::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn news(arrived: usize, lost: Option<u32>, flying_before: usize) -> News {
        News {
            now: Instant::now(),
            arrived,
            lost: usize::from(lost.is_some()),
            last_lost: lost.map(Seq),
            next: Seq(500),
            flying_before,
            flying: 0,
            rtt: None,
            speed: None,
            delivered_then: 0,
            delivered: 0,
        }
    }

    #[test]
    fn doubled_each_round_trip_then_halved_then_one_more() {
        let mut classic = Classic::new();
        for window in [10, 20, 40, 80] {
            assert_eq!(classic.window(), window);
            classic.learn(&news(window, None, window));
        }
        classic.learn(&news(1, Some(400), 160));
        assert_eq!(classic.window(), 80);
        classic.learn(&news(1, Some(499), 159));
        assert_eq!(classic.window(), 80, "sent before the cut: the same event");
        for _ in 0..79 {
            classic.learn(&news(1, None, 80));
        }
        assert_eq!(classic.window(), 80, "its fraction is not complete yet");
        for _ in 0..2 {
            classic.learn(&news(1, None, 80));
        }
        assert_eq!(classic.window(), 81);
        classic.learn(&news(50, None, 50));
        assert_eq!(classic.window(), 81, "not used, so it says nothing");
        classic.learn(&news(1, Some(500), 81));
        assert_eq!(classic.window(), 40);
        classic.stall(Seq(600));
        assert_eq!(classic.window(), LEAST_WINDOW);
    }
}
