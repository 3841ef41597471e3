//! Replies that wait: the server's `--delay` and `--reorder`. No socket and no clock in here; the
//! caller brings the time.
//!
//! A real network delays and reorders because of queues and of paths of different length. Here each
//! reply has a time at which it is due, and one that is to be overtaken is held until the next has
//! gone, or until [`HELD_AT_MOST`] has passed and there was no next one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a reply is held back for one that overtakes it: longer than the client's second, so that
/// with one ping at a time it arrives late instead of merely slow.
pub const HELD_AT_MOST: Duration = Duration::from_millis(1_500);

/// How many replies, and how many bytes of them, wait at most; a reply beyond is lost, as in a router
/// whose queue is full.
const MOST_REPLIES: usize = 10_000;
const MOST_BYTES: usize = 16 << 20;

/// A reply, to whom, and its number in order of arrival, which decides between equal times.
type Waiting = Reverse<(Instant, u64, Vec<u8>, SocketAddr)>;

/// The replies that wait.
#[derive(Debug)]
pub struct Faults {
    delay: Duration,
    waiting: BinaryHeap<Waiting>,
    /// The reply that is to be overtaken, and when it goes if nothing overtakes it.
    held: Option<(Instant, Vec<u8>, SocketAddr)>,
    arrivals: u64,
    bytes: usize,
}

impl Faults {
    /// Every reply waits for `delay`.
    pub fn new(delay: Duration) -> Faults {
        Faults { delay, waiting: BinaryHeap::new(), held: None, arrivals: 0, bytes: 0 }
    }

    /// Takes a reply in at `now`; with `overtaken` the next one goes before it. One at a time is held:
    /// while it is, `overtaken` has no effect.
    pub fn add(&mut self, reply: Vec<u8>, client: SocketAddr, overtaken: bool, now: Instant) {
        if self.waiting.len() >= MOST_REPLIES || self.bytes + reply.len() > MOST_BYTES {
            return;
        }
        self.bytes += reply.len();
        let due = now + self.delay;
        match self.held.take() {
            None if overtaken => self.held = Some((due + HELD_AT_MOST, reply, client)),
            None => self.enter(due, reply, client),
            Some((_, held, earlier)) => {
                self.enter(due, reply, client);
                self.enter(due, held, earlier);
            }
        }
    }

    fn enter(&mut self, due: Instant, reply: Vec<u8>, client: SocketAddr) {
        self.arrivals += 1;
        self.waiting.push(Reverse((due, self.arrivals, reply, client)));
    }

    /// The next reply whose time has come at `now`, and to whom it goes.
    pub fn due(&mut self, now: Instant) -> Option<(Vec<u8>, SocketAddr)> {
        if let Some((due, reply, client)) = self.held.take_if(|(due, ..)| *due <= now) {
            self.enter(due, reply, client);
        }
        if self.waiting.peek().is_none_or(|Reverse((due, ..))| *due > now) {
            return None;
        }
        let Reverse((_, _, reply, client)) = self.waiting.pop()?;
        self.bytes -= reply.len();
        Some((reply, client))
    }

    /// When to call [`Faults::due`] again; `None` when nothing waits.
    pub fn next(&self) -> Option<Instant> {
        let waiting = self.waiting.peek().map(|Reverse((due, ..))| *due);
        let held = self.held.as_ref().map(|(due, ..)| *due);
        waiting.into_iter().chain(held).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> SocketAddr {
        "127.0.0.1:40000".parse().unwrap()
    }

    fn all_due(faults: &mut Faults, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| faults.due(now)).map(|(reply, _)| String::from_utf8(reply).unwrap()).collect()
    }

    #[test]
    fn without_faults_a_reply_goes_at_once_and_in_order() {
        let (mut faults, now) = (Faults::new(Duration::ZERO), Instant::now());
        assert_eq!(faults.next(), None);
        for text in ["a", "b", "c"] {
            faults.add(text.into(), client(), false, now);
        }
        assert_eq!(all_due(&mut faults, now), ["a", "b", "c"]);
        assert_eq!((faults.next(), faults.bytes), (None, 0));
    }

    #[test]
    fn delayed_replies_go_when_they_are_due() {
        let (mut faults, now) = (Faults::new(Duration::from_secs(2)), Instant::now());
        faults.add("a".into(), client(), false, now);
        faults.add("b".into(), client(), false, now + Duration::from_secs(1));
        assert_eq!(faults.next(), Some(now + Duration::from_secs(2)));
        assert!(all_due(&mut faults, now + Duration::from_millis(1_999)).is_empty());
        assert_eq!(all_due(&mut faults, now + Duration::from_secs(2)), ["a"]);
        assert_eq!(all_due(&mut faults, now + Duration::from_secs(9)), ["b"]);
    }

    #[test]
    fn a_held_reply_is_overtaken_or_goes_in_the_end() {
        let (mut faults, now) = (Faults::new(Duration::ZERO), Instant::now());
        faults.add("a".into(), client(), true, now);
        assert!(all_due(&mut faults, now).is_empty());
        faults.add("b".into(), client(), true, now);
        assert_eq!(all_due(&mut faults, now), ["b", "a"]);
        faults.add("c".into(), client(), true, now);
        assert_eq!(faults.next(), Some(now + HELD_AT_MOST));
        assert_eq!(all_due(&mut faults, now + HELD_AT_MOST), ["c"]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut faults, now) = (Faults::new(Duration::from_secs(9)), Instant::now());
        for _ in 0..MOST_REPLIES + 10 {
            faults.add(vec![0; 1_000], client(), false, now);
        }
        assert_eq!(faults.waiting.len(), MOST_REPLIES);
        let mut faults = Faults::new(Duration::from_secs(9));
        for _ in 0..1_000 {
            faults.add(vec![0; 60_000], client(), false, now);
        }
        assert!(faults.bytes <= MOST_BYTES);
    }
}
