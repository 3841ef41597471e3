//! How fast packets arrive: a delivery-rate sample for each acknowledgement. Pure.
//!
//! Each packet takes along how much had arrived when it left, and when that was. Once it is acknowledged,
//! what has arrived in between, divided by the time in between, is how fast the path delivered. Both
//! the time between sendings and the time between acknowledgements are upper limits of the rate, so the longer one
//! counts: acknowledgements that were held up on their way and then come all at once would otherwise look
//! like a fast path. (Cheng and Cardwell, draft-cheng-iccrg-delivery-rate-estimation.)

use std::time::{Duration, Instant};

/// What a packet takes along.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// How many packets had arrived, and when the last of them was acknowledged.
    delivered: u64,
    lost: u64,
    delivered_at: Instant,
    /// When the packet left whose acknowledgement that was.
    first_sent: Instant,
    /// The sender had less to send than it was allowed to.
    limited: bool,
}

impl Stamp {
    /// That of a first packet.
    pub fn new(now: Instant) -> Stamp {
        Stamp { delivered: 0, lost: 0, delivered_at: now, first_sent: now, limited: false }
    }

    /// How many packets had arrived when it left.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }
}

/// One sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// Packets per second that arrived.
    pub rate: f64,
    /// With those that were lost on the way.
    pub carried: f64,
    /// Whether the sender, not the path, was what limited it: then the path may be faster.
    pub limited: bool,
}

/// The meter.
#[derive(Debug)]
pub struct Meter {
    delivered: u64,
    lost: u64,
    delivered_at: Instant,
    first_sent: Instant,
    /// Packets sent until this many have arrived are marked as limited by the sender.
    limited_until: u64,
    /// Of the packets acknowledged at once, the stamp of the one sent last, and when it was sent.
    latest: Option<(Stamp, Instant)>,
}

impl Meter {
    /// A meter at rest.
    pub fn new(now: Instant) -> Meter {
        Meter { delivered: 0, lost: 0, delivered_at: now, first_sent: now, limited_until: 0, latest: None }
    }

    /// How many packets have arrived.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// The stamp of a packet that leaves now, `flying` others being under way.
    pub fn stamp(&mut self, flying: usize, now: Instant) -> Stamp {
        if flying == 0 {
            self.restart(now);
        }
        Stamp {
            delivered: self.delivered,
            lost: self.lost,
            delivered_at: self.delivered_at,
            first_sent: self.first_sent,
            limited: self.limited_until > self.delivered,
        }
    }

    /// After a silence time begins anew, for packets that leave from now on; or the silence would count as
    /// slowness.
    pub fn restart(&mut self, now: Instant) {
        (self.first_sent, self.delivered_at) = (now, now);
    }

    /// Notes that there is nothing to send although more would be allowed.
    pub fn limit(&mut self, flying: usize) {
        self.limited_until = (self.delivered + flying as u64).max(1);
    }

    /// A packet, sent at `sent`, is acknowledged.
    pub fn arrived(&mut self, stamp: Stamp, sent: Instant, now: Instant) {
        self.delivered += 1;
        self.delivered_at = now;
        if self.latest.is_none_or(|(latest, _)| stamp.delivered >= latest.delivered) {
            self.latest = Some((stamp, sent));
            self.first_sent = sent;
        }
    }

    /// A packet of which only this much is known is acknowledged.
    pub fn settled(&mut self, now: Instant) {
        self.delivered += 1;
        self.delivered_at = now;
    }

    /// So many packets are found lost.
    pub fn lost(&mut self, packets: usize) {
        self.lost += packets as u64;
    }

    /// The sample of the packets acknowledged since the last call; `least` is the shortest round
    /// trip, and nothing shorter makes a sample.
    pub fn speed(&mut self, least: Duration, now: Instant) -> Option<Speed> {
        let (stamp, sent) = self.latest.take()?;
        let sending = sent.saturating_duration_since(stamp.first_sent);
        let arriving = now.saturating_duration_since(stamp.delivered_at);
        let elapsed = sending.max(arriving);
        if elapsed < least || elapsed.is_zero() {
            return None;
        }
        let packets = self.delivered - stamp.delivered;
        let lost = self.lost - stamp.lost;
        let per_second = |packets: u64| packets as f64 / elapsed.as_secs_f64();
        Some(Speed { rate: per_second(packets), carried: per_second(packets + lost), limited: stamp.limited })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_a_steady_path_is_found_and_a_burst_of_acknowledgements_does_not_raise_it() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut meter = Meter::new(start);
        // One packet a millisecond, each acknowledged 40 ms later; from 100 on acknowledgements
        // are held up and come ten at once.
        let mut stamps = Vec::new();
        for now in 0..200u64 {
            if now >= 40 {
                let held = now >= 100;
                if !held || now % 10 == 0 {
                    let from = if held { now - 49 } else { now - 40 };
                    for packet in from..=now - 40 {
                        let (stamp, sent): (Stamp, Instant) = stamps[packet as usize];
                        meter.arrived(stamp, sent, at(now));
                    }
                    let speed = meter.speed(Duration::from_millis(40), at(now));
                    if let Some(speed) = speed.filter(|_| now > 85) {
                        assert!((800.0..1_260.0).contains(&speed.rate), "{speed:?} at {now}");
                    }
                }
            }
            stamps.push((meter.stamp(now.min(40) as usize, at(now)), at(now)));
        }
    }

    #[test]
    fn a_sender_with_nothing_to_send_marks_its_samples() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        meter.limit(0);
        let stamp = meter.stamp(0, start);
        let later = start + Duration::from_millis(50);
        meter.arrived(stamp, start, later);
        let speed = meter.speed(Duration::from_millis(40), later).unwrap();
        assert_eq!(speed, Speed { rate: 20.0, carried: 20.0, limited: true });
        assert!(!meter.stamp(0, later).limited, "all that was under way has arrived");
        assert_eq!(meter.speed(Duration::ZERO, later), None);
    }
}
