//! What is under way, and when it counts as lost. RFC 9002, 6. Pure.
//!
//! ```text
//! packets   90 91 92 93 94 95 96 97 98         98 arrived, 92 and 96 have not
//!            +  +  ?  +  +  +  ?  +  +         92 is 6 behind: lost. 96 is 2 behind: may have been overtaken
//! ```
//!
//! Packets are numbered in the order they were sent, so a packet three behind one that has arrived is lost,
//! or was overtaken by three. One that is closer counts as lost when an eighth of a round trip more
//! than usual has passed. What is behind the last packet that arrived nobody can judge: for that there is
//! the probe timer (`sender`).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::meter::Stamp;
use super::packet::BITMAP;
use super::seq::Seq;

/// How many packets behind one that arrived a packet is lost (RFC 9002, 6.1.1) …
const THRESHOLD: usize = 3;
/// … and the most it may grow to where packets do overtake each other.
const MOST_THRESHOLD: usize = BITMAP;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Flying,
    Arrived,
    Lost,
}

/// One packet that was sent.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// The message it carried, if any.
    pub message: Option<Seq>,
    /// When it left.
    pub time: Instant,
    /// What had arrived by then.
    pub stamp: Stamp,
    fate: Fate,
}

/// All packets that may still be heard of, in the order they were sent.
#[derive(Debug)]
pub struct Flight {
    sent: VecDeque<Sent>,
    /// The number of the packet at the front, and of the next to be sent.
    first: Seq,
    next: Seq,
    /// The latest that arrived.
    latest: Option<Seq>,
    /// No packet before this one is still flying.
    settled: Seq,
    flying: usize,
    threshold: usize,
    /// How many packets are remembered at most.
    most: usize,
}

impl Flight {
    /// Nothing is under way; the first packet will have the number `first`, and at most `most` are remembered.
    pub fn new(first: Seq, most: usize) -> Flight {
        Flight {
            sent: VecDeque::new(),
            first,
            next: first,
            latest: None,
            settled: first,
            flying: 0,
            threshold: THRESHOLD,
            most,
        }
    }

    /// The number of the next packet.
    pub fn next(&self) -> Seq {
        self.next
    }

    /// How many packets are under way, as far as is known.
    pub fn flying(&self) -> usize {
        self.flying
    }

    /// Whether none is.
    pub fn is_idle(&self) -> bool {
        self.flying == 0
    }

    /// How many packets are remembered.
    pub fn len(&self) -> usize {
        self.sent.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Notes the packet `next`, which carries `message`.
    pub fn send(&mut self, message: Option<Seq>, stamp: Stamp, now: Instant) {
        if self.sent.len() >= self.most {
            // An honest peer lets it never come to this: too much would have to be under way.
            self.pop();
        }
        self.sent.push_back(Sent { message, time: now, stamp, fate: Fate::Flying });
        self.next = self.next.plus(1);
        self.flying += 1;
    }

    /// Notes that a packet arrived. What it was, if this is news.
    pub fn arrive(&mut self, packet: Seq) -> Option<Sent> {
        let sent = self.sent.get_mut(packet.place(self.first)?)?;
        let behind = self.latest.and_then(|latest| latest.place(packet)).unwrap_or(0);
        if self.latest.is_none_or(|latest| packet.after(latest) > 0) {
            self.latest = Some(packet);
        }
        match sent.fate {
            Fate::Arrived => return None,
            Fate::Flying => self.flying -= 1,
            // It was only late. Packets do overtake each other here: be slower to judge.
            Fate::Lost => self.threshold = self.threshold.max(behind + 1).min(MOST_THRESHOLD),
        }
        sent.fate = Fate::Arrived;
        Some(*sent)
    }

    /// The message that a packet carried has arrived, with this packet or with an earlier one: nothing can be
    /// learned from it. Whether it was still under way.
    pub fn settle(&mut self, packet: Seq) -> bool {
        let sent = packet.place(self.first).and_then(|place| self.sent.get_mut(place));
        let Some(sent) = sent.filter(|sent| sent.fate == Fate::Flying) else { return false };
        sent.fate = Fate::Arrived;
        self.flying -= 1;
        true
    }

    /// Judges what is behind the latest that arrived; `delay` is how long a packet may take. Calls
    /// `each` with every packet found lost, and returns when the next would be if nothing arrives.
    pub fn judge(
        &mut self,
        delay: Duration,
        now: Instant,
        mut each: impl FnMut(Seq, &Sent),
    ) -> Option<Instant> {
        let latest = self.latest?;
        let mut next = None;
        let mut packet = self.settled;
        // Every packet is passed once, except the few within the threshold, which are seen again.
        while packet.after(latest) < 0 {
            let behind = latest.place(packet).unwrap_or(0);
            let sent = packet.place(self.first).and_then(|place| self.sent.get_mut(place));
            if let Some(sent) = sent.filter(|sent| sent.fate == Fate::Flying) {
                let due = sent.time + delay;
                if behind >= self.threshold || due <= now {
                    sent.fate = Fate::Lost;
                    self.flying -= 1;
                    each(packet, sent);
                } else {
                    next.get_or_insert((packet, due));
                }
            }
            packet = packet.plus(1);
        }
        self.settled = next.map_or(packet, |(first_flying, _)| first_flying);
        self.forget(latest);
        next.map(|(_, due)| due)
    }

    /// Forgets packets too old for any acknowledgement to name. Lost ones are kept until then, to learn
    /// whether they were only late.
    fn forget(&mut self, latest: Seq) {
        while self.sent.front().is_some_and(|sent| sent.fate != Fate::Flying)
            && latest.after(self.first) >= BITMAP as i32
        {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some(sent) = self.sent.pop_front() {
            self.flying -= usize::from(sent.fate == Fate::Flying);
            self.first = self.first.plus(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Seq = Seq(u32::MAX - 1);
    const DELAY: Duration = Duration::from_millis(45);

    /// `count` packets, a millisecond apart, and when the first left.
    fn flight(count: usize) -> (Flight, Instant) {
        let start = Instant::now();
        let mut flight = Flight::new(FIRST, 1_000);
        for number in 0..count {
            let now = start + Duration::from_millis(number as u64);
            flight.send(Some(Seq(number as u32)), Stamp::new(now), now);
        }
        (flight, start)
    }

    fn lost(flight: &mut Flight, now: Instant) -> (Vec<i32>, Option<Instant>) {
        let mut lost = Vec::new();
        let next = flight.judge(DELAY, now, |packet, _| lost.push(packet.after(FIRST)));
        (lost, next)
    }

    #[test]
    fn three_behind_is_lost_and_closer_ones_when_their_time_has_passed() {
        let (mut flight, start) = flight(9);
        for packet in [0, 1, 3, 4, 5, 7] {
            assert!(flight.arrive(FIRST.plus(packet)).is_some());
        }
        let due = start + Duration::from_millis(6) + DELAY;
        assert_eq!(lost(&mut flight, start), (vec![2], Some(due)));
        assert_eq!(flight.flying(), 2);
        assert_eq!(lost(&mut flight, due - Duration::from_nanos(1)), (vec![], Some(due)));
        assert_eq!(lost(&mut flight, due), (vec![6], None));
        assert_eq!(flight.flying(), 1, "8 is behind the latest: nobody knows");
        assert!(flight.arrive(FIRST.plus(5)).is_none(), "no news");
        assert!(flight.arrive(FIRST.plus(9)).is_none(), "never sent");
    }

    #[test]
    fn one_that_was_only_late_makes_the_judgement_slower() {
        let (mut flight, start) = flight(40);
        flight.arrive(FIRST.plus(9));
        assert_eq!(lost(&mut flight, start).0, [0, 1, 2, 3, 4, 5, 6]);
        assert!(flight.arrive(FIRST.plus(1)).is_some());
        assert_eq!(flight.flying(), 32);
        flight.arrive(FIRST.plus(17));
        assert_eq!(lost(&mut flight, start).0, [7, 8], "nine behind, from now on");
    }

    #[test]
    fn memory_is_what_is_under_way_and_what_can_still_be_named() {
        let (mut flight, start) = flight(0);
        for number in 0..10_000 {
            flight.send(None, Stamp::new(start), start);
            if number % 3 > 0 {
                flight.arrive(FIRST.plus(number));
            }
            flight.judge(DELAY, start, |_, _| ());
            assert!(flight.len() <= BITMAP + 3, "{}", flight.len());
        }
        assert!(flight.flying() < 4);
        for _ in 0..10_000 {
            flight.send(None, Stamp::new(start), start);
        }
        assert_eq!((flight.len(), flight.flying()), (1_000, 1_000), "though nothing is acknowledged");
    }
}
