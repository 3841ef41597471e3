//! The two textbook protocols before selective repeat, for comparison: go-back-N, and with a window of one
//! packet stop-and-wait. Its receiver keeps nothing that comes out of order; its sender has one timer,
//! and when that expires sends everything again from the first packet that is not acknowledged. It sends no
//! faster than the link, or its window would overflow the queue at once.

use std::time::{Duration, Instant};

use super::network::{Link, Nature};

/// A packet of 1,400 bytes with 24 of header, on the wire; and an acknowledgement.
const PACKET: usize = 1_400 + 24 + 42;
const ACKNOWLEDGEMENT: usize = 36 + 42;

/// Transfers for so long; returns how many packets arrived in order, and how many were sent.
pub fn transfer(window: u64, nature: Nature, timeout: Duration, time: Duration, seed: u64) -> (u64, u64) {
    let start = Instant::now();
    let (mut up, mut down) = (Link::new(nature, seed, start), Link::new(nature, !seed, start));
    let (mut base, mut next, mut expected, mut sent) = (0, 0, 0, 0);
    let (mut expires, mut paced, mut now) = (start + timeout, start, start);
    while now < start + time {
        while let Some(number) = up.receive(now) {
            if number == expected {
                expected += 1;
            }
            down.send(expected, ACKNOWLEDGEMENT, now);
        }
        while let Some(arrived) = down.receive(now) {
            if arrived > base {
                base = arrived;
                next = next.max(base);
                expires = now + timeout;
            }
        }
        if now >= expires {
            next = base;
            expires = now + timeout;
        }
        while next < base + window && paced <= now {
            up.send(next, PACKET, now);
            next += 1;
            sent += 1;
            paced = now + Duration::from_secs_f64(PACKET as f64 / nature.rate);
        }
        let ready = (next < base + window).then_some(paced);
        now = [up.due(), down.due(), ready, Some(expires)].into_iter().flatten().min().unwrap_or(expires);
    }
    (expected, sent)
}
