//! The answer of today: a model of the path, after BBR (Cardwell and others, 2016; draft-ietf-ccwg-bbr).
//!
//! A path has two properties: how many packets a second pass its narrowest link, and how long a packet takes when
//! nobody waits in a queue. Their product is how many packets fit the *pipe*. With fewer under way the link
//! idles; with more they wait in a queue, and nothing arrives sooner. So both are measured all the time
//! (the highest delivery rate of the last ten round trips, the shortest round trip of the last ten seconds), and packets
//! are sent at that rate, at most two pipes full. Losses do not come into it: of what chance takes, the
//! rest arrives as fast as before.
//!
//! ```text
//! rate     start-up   drain   cruise: eight round trips, again and again
//!              /|
//!             / |               +--+                  +--+        a quarter more: is there more to have?
//!   link ----/--|---------------|  |  +---------------|  |  +---
//!           /   |       +-------+  |  |               |  |  |     a quarter less: away with the
//!        __/    |_______|          +--+               +--+        queue that this has made
//! ```
//!
//! Who never yields takes all from those who do. TCP yields when a queue overflows, so this has to, too: packets
//! lost *while there is a queue*, and more of them than are usual on this path, are taken for that. Then the
//! window is cut as TCP CUBIC cuts its own, and grows again as slowly.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::congestion::{News, LEAST_WINDOW};
use super::seq::Seq;

/// How much a sender begins with, paced over a round trip. RFC 6928 allows 10 in one burst; QUIC as
/// Chromium speaks it, 32.
const FIRST_WINDOW: usize = 32;
/// In start-up the rate has to double with each round trip. What is measured in one lags behind what is sent in
/// it, so the factor is 4 ln 2, not 2.
const START_UP: f64 = 2.77;
/// Start-up is over when the rate has not grown by a quarter in three round trips.
const GROWTH: f64 = 1.25;
const DULL_ROUNDS: u32 = 3;
/// Half the rate, until the queue that start-up made is gone.
const DRAIN: f64 = 0.5;
/// The eight round trips of cruising.
const CYCLE: [f64; 8] = [1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
/// How many round trips a measured rate counts.
const RATE_ROUNDS: u64 = 10;
/// How long a shortest round trip counts. Then the window is halved for two round trips, so that the queue empties
/// and it can be seen again.
const LEAST_LIFE: Duration = Duration::from_secs(10);
/// There is a queue when the round trip is longer by more than our own probing explains.
const QUEUE: f64 = 1.25;
/// The most loss that is put down to chance.
const MOST_CHANCE: f64 = 0.2;
/// A handful of packets more than two pipes, for the smallest ones.
const SPARE: f64 = 8.0;
/// What is left of the packets under way after a cut (CUBIC's factor), but never less than a pipe: what is
/// given up is the share of the queue. And never less than so many packets: the smallest pipes need them between
/// two acknowledgements.
const CUT: f64 = 0.7;
const FLOOR: f64 = 12.0;
/// By how many packets the window may grow in each round trip after a cut, and how much more in each than in the
/// one before: slowly while others want the link too, faster when nobody takes what is left of it.
const GROW: f64 = 0.3;
const GROW_MORE: f64 = 0.002;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    StartUp,
    Drain,
    /// Since the round of this number.
    Cruise(u64),
    /// Until then the window is small, and the shortest round trip is measured anew.
    Look(Instant),
}

/// The model.
#[derive(Debug)]
pub struct Model {
    phase: Phase,
    first_window: usize,
    /// The highest rates: round and packets a second, each lower and later than the one before it.
    rates: VecDeque<(u64, f64)>,
    /// The shortest round trip, and when something near it was seen last.
    least: Option<Duration>,
    least_at: Instant,
    /// The shortest since the present look began.
    looked: Option<Duration>,
    /// The round trip as of late.
    rtt: Duration,
    /// Round trips are counted in packets: one ends when a packet arrives that was sent after it began.
    round: u64,
    round_end: u64,
    /// The rate that start-up has to surpass, and for how many rounds it has not.
    best: f64,
    dull: u32,
    /// What arrived and what was lost in this round, and whether the window was cut in it.
    arrived: usize,
    lost: usize,
    cut: bool,
    /// The round of the last cut.
    cut_round: u64,
    /// The share of packets that chance takes.
    chance: f64,
    /// The most that may be under way, after a cut.
    ceiling: f64,
    /// The first packet sent after the last cut: what was sent before is of the same event, and counts once.
    recovered: Option<Seq>,
}

impl Model {
    /// Knows nothing yet.
    pub fn new(now: Instant) -> Model {
        Model {
            phase: Phase::StartUp,
            first_window: FIRST_WINDOW,
            rates: VecDeque::new(),
            least: None,
            least_at: now,
            looked: None,
            rtt: Duration::ZERO,
            round: 0,
            round_end: 0,
            best: 0.0,
            dull: 0,
            arrived: 0,
            lost: 0,
            cut: false,
            cut_round: 0,
            chance: 0.0,
            ceiling: f64::INFINITY,
            recovered: None,
        }
    }

    /// Packets a second.
    fn bandwidth(&self) -> f64 {
        self.rates.front().map_or(0.0, |(_, rate)| *rate)
    }

    /// How many packets fit the path.
    fn pipe(&self) -> f64 {
        self.bandwidth() * self.least.unwrap_or_default().as_secs_f64()
    }

    /// Learns from what happened.
    pub fn learn(&mut self, news: &News) {
        if let Some(rtt) = news.rtt {
            self.measure_rtt(rtt, news.now);
        }
        if news.arrived > 0 && news.delivered_then >= self.round_end {
            self.round_end = news.delivered;
            self.end_round();
        }
        if let Some(speed) = news.speed {
            // What chance took on the way has used the link as well, within limits.
            let rate = speed.carried.min(speed.rate / (1.0 - MOST_CHANCE));
            if !speed.limited || rate > self.bandwidth() {
                self.measure_rate(rate);
            }
        }
        self.arrived += news.arrived;
        let old =
            news.last_lost.is_some_and(|lost| self.recovered.is_some_and(|first| lost.after(first) < 0));
        if !old {
            self.lost += news.lost;
        }
        if !old && self.overflows(news) {
            self.cut = true;
            self.cut_round = self.round;
            self.recovered = Some(news.next);
            let left = (news.flying_before as f64).min(self.ceiling) * CUT;
            self.ceiling = left.max(self.pipe()).max(FLOOR);
            if self.phase == Phase::StartUp {
                self.phase = Phase::Drain;
            }
        }
        self.next_phase(news);
    }

    fn measure_rtt(&mut self, rtt: Duration, now: Instant) {
        self.rtt = if self.rtt.is_zero() { rtt } else { (3 * self.rtt + rtt) / 4 };
        let least = self.least.map_or(rtt, |least| least.min(rtt));
        self.least = Some(least);
        if rtt <= least + least / 16 {
            self.least_at = now;
        }
        self.looked = Some(self.looked.map_or(rtt, |looked| looked.min(rtt)));
    }

    fn measure_rate(&mut self, rate: f64) {
        while self.rates.back().is_some_and(|(_, lower)| *lower <= rate) {
            self.rates.pop_back();
        }
        self.rates.push_back((self.round, rate));
    }

    /// Whether what is found lost now shows that a queue has overflowed.
    fn overflows(&self, news: &News) -> bool {
        if news.lost == 0 {
            return false;
        }
        let round = news.flying_before.max(self.arrived + self.lost) as f64;
        // More than three standard deviations above what chance takes from a round.
        let unusual = |chance: f64| self.lost as f64 > round * chance + 3.0 * (round * chance).sqrt();
        let queue = self.least.is_some_and(|least| self.rtt > least.mul_f64(QUEUE));
        (queue && unusual(self.chance.min(MOST_CHANCE))) || unusual(MOST_CHANCE)
    }

    fn end_round(&mut self) {
        self.round += 1;
        while self.rates.len() > 1 && self.rates.front().is_some_and(|(at, _)| at + RATE_ROUNDS < self.round)
        {
            self.rates.pop_front();
        }
        if !self.cut {
            let packets = (self.arrived + self.lost).max(1) as f64;
            // Small rounds say little: a thousand packets count as four rounds.
            let weight = (packets / 1000.0).min(0.25);
            self.chance += (self.lost as f64 / packets - self.chance) * weight;
            self.ceiling += GROW + GROW_MORE * (self.round - self.cut_round) as f64;
        }
        (self.arrived, self.lost, self.cut) = (0, 0, false);
        if self.phase == Phase::StartUp {
            self.dull += 1;
            if self.bandwidth() > self.best * GROWTH {
                (self.best, self.dull) = (self.bandwidth(), 0);
            } else if self.dull >= DULL_ROUNDS {
                self.phase = Phase::Drain;
            }
        }
    }

    fn next_phase(&mut self, news: &News) {
        match self.phase {
            Phase::Drain if news.flying as f64 <= self.pipe() => self.phase = Phase::Cruise(self.round),
            Phase::Cruise(_) if news.now > self.least_at + LEAST_LIFE => {
                self.phase = Phase::Look(news.now + 2 * self.rtt);
                self.looked = None;
            }
            Phase::Look(until) if news.now > until => {
                self.phase = Phase::Cruise(self.round);
                self.least = self.looked.or(self.least);
                self.least_at = news.now;
            }
            _ => {}
        }
    }

    /// Begins anew, more carefully: nothing has arrived for several timeouts.
    pub fn stall(&mut self, next: Seq) {
        let (first_window, recovered) = (2 * LEAST_WINDOW, Some(next));
        *self = Model { first_window, recovered, round_end: self.round_end, ..Model::new(self.least_at) };
    }

    /// How many packets may be under way.
    pub fn window(&self) -> usize {
        if self.rates.is_empty() {
            return self.first_window;
        }
        let window = match self.phase {
            Phase::Look(_) => self.pipe() / 2.0,
            // A second pipe is for what was lost and is not known to be, and for acknowledgements on
            // their way.
            _ => (2.0 * self.pipe() + SPARE).min(self.ceiling),
        };
        (window as usize).max(2 * LEAST_WINDOW)
    }

    /// How many packets may leave in a second, `rtt` being the round trip if one is known.
    pub fn pace(&self, rtt: Duration) -> Option<f64> {
        let gain = match self.phase {
            Phase::StartUp => START_UP,
            Phase::Drain => DRAIN,
            Phase::Cruise(since) => CYCLE[(self.round - since) as usize % CYCLE.len()],
            Phase::Look(_) => 1.0,
        };
        if self.rates.is_empty() {
            return (!rtt.is_zero()).then(|| START_UP * self.first_window as f64 / rtt.as_secs_f64());
        }
        Some(gain * self.bandwidth())
    }
}

#[cfg(test)]
mod tests {
    use super::super::meter::Speed;
    use super::*;

    /// A model that has found a path of 8,000 packets a second and 40 ms: a pipe of 320.
    struct Path {
        model: Model,
        now: Instant,
        sent: u32,
        delivered: u64,
    }

    impl Path {
        fn new() -> Path {
            let now = Instant::now();
            let mut path = Path { model: Model::new(now), now, sent: 0, delivered: 0 };
            for _ in 0..20 {
                path.round(320, 0, 40);
            }
            path
        }

        /// One round trip of so many milliseconds, in which so many packets arrived and were lost.
        fn round(&mut self, arrived: usize, lost: usize, rtt: u64) {
            let rtt = Duration::from_millis(rtt);
            self.now += rtt;
            self.sent += (arrived + lost) as u32;
            let rate = arrived as f64 / rtt.as_secs_f64();
            let carried = (arrived + lost) as f64 / rtt.as_secs_f64();
            let then = self.delivered;
            self.delivered += arrived as u64;
            self.model.learn(&News {
                now: self.now,
                arrived,
                lost,
                last_lost: (lost > 0).then_some(Seq(self.sent)),
                next: Seq(self.sent + 320),
                flying_before: arrived + lost,
                flying: 300,
                rtt: Some(rtt),
                speed: Some(Speed { rate, carried, limited: false }),
                delivered_then: then,
                delivered: self.delivered,
            });
        }
    }

    #[test]
    fn the_path_is_found_and_losses_by_chance_do_not_count() {
        let mut path = Path::new();
        assert_eq!(path.model.pipe() as usize, 320);
        assert!(matches!(path.model.phase, Phase::Cruise(_)), "{:?}", path.model.phase);
        for _ in 0..20 {
            path.round(304, 16, 40);
        }
        assert_eq!(path.model.window(), 2 * 320 + 8);
        assert!((7_900.0..8_100.0).contains(&path.model.bandwidth()), "{}", path.model.bandwidth());
        assert!((0.04..0.06).contains(&path.model.chance), "{}", path.model.chance);
    }

    #[test]
    fn an_overflowing_queue_cuts_the_window_once_and_it_grows_again() {
        let mut path = Path::new();
        for _ in 0..8 {
            path.round(460, 0, 57);
        }
        path.round(440, 20, 57);
        let cut = path.model.window();
        assert!((318..324).contains(&cut), "0.7 of 460 under way, and a pipe has 320: {cut}");
        path.round(300, 0, 45);
        path.round(300, 0, 45);
        assert!((cut..cut + 3).contains(&path.model.window()));
    }

    #[test]
    fn more_than_a_fifth_is_never_chance() {
        let mut path = Path::new();
        path.round(200, 120, 40);
        assert!(path.model.window() <= 320, "no more than a pipe: {}", path.model.window());
        for _ in 0..12 {
            path.round(200, 120, 40);
        }
        assert!(path.model.pipe() < 251.0, "and the pipe is not what is lost: {}", path.model.pipe());
    }

    #[test]
    fn a_shortest_round_trip_that_is_not_seen_again_is_looked_for_and_a_longer_one_believed() {
        let mut path = Path::new();
        let mut halved = 0;
        for _ in 0..250 {
            path.round(480, 0, 60);
            halved += usize::from(path.model.window() <= 240);
        }
        assert!((1..5).contains(&halved), "{halved} of 250 rounds");
        assert_eq!(path.model.least, Some(Duration::from_millis(60)));
    }

    #[test]
    fn after_a_stall_it_begins_anew_and_carefully() {
        let mut path = Path::new();
        path.model.stall(Seq(u32::MAX / 2));
        assert_eq!((path.model.window(), path.model.phase), (2 * LEAST_WINDOW, Phase::StartUp));
        path.round(4, 300, 40);
        assert_eq!(path.model.phase, Phase::StartUp, "what was lost belongs to the time before");
    }
}
