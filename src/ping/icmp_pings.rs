//! Which request a reply belongs to. Pure: the caller brings packets and times.
//!
//! Identifier and sequence number are 32 bits that every pinger on a host shares with every other,
//! and the sequence begins again after 65,536. So the payload takes part:
//!
//! ```text
//! +----------------+----------------+------------------------ - - -
//! | time of sending|  run's nonce   | 0x10 0x11 0x12 … counting on
//! | 8 bytes, µs    |  8 bytes       | up to the size asked for
//! +----------------+----------------+------------------------ - - -
//! ```
//!
//! A reply with another nonce answers somebody else; one that differs otherwise is damaged, and is
//! shown with the first byte that is wrong. The round-trip time is taken from our own table and not
//! from the payload, which the other side could write as it likes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Sequence numbers, and therefore requests that can be told apart.
const NUMBERS: u64 = 65_536;

/// Where the nonce lies in the payload.
const NONCE: std::ops::Range<usize> = 8..16;

/// Two random nonces agree in four bytes or more once in a hundred million; a damaged one nearly
/// always does.
const NONCE_MAY_DIFFER: usize = 4;

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    TimedOut,
    Failed,
    Answered,
}

/// One request.
#[derive(Debug)]
struct Slot {
    state: State,
    sent: Instant,
    /// By the wall clock, since 1970: what kernel time stamps are compared with.
    wall: Duration,
}

/// The requests of a run.
#[derive(Debug)]
pub struct Pings {
    /// The payload of each request, except for the time in front.
    template: Vec<u8>,
    slots: VecDeque<Slot>,
    /// The number of the first slot; the first request has number 1.
    first: u64,
    /// Requests below this one wait no more.
    settled: u64,
}

/// What a reply to one of our requests is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The number of the request, counted from 1 without wrapping.
    pub number: u64,
    /// When it was sent.
    pub sent: Instant,
    /// The same by the wall clock.
    pub wall: Duration,
    /// Whether it had been answered before.
    pub duplicate: bool,
    /// Whether it had been given up.
    pub late: bool,
    /// The first wrong byte of the payload: its place, what it should be, what it is.
    pub wrong: Option<(usize, u8, u8)>,
    /// Whether the payload is shorter than what was sent.
    pub truncated: bool,
}

impl Pings {
    /// Payloads of `size` bytes that carry `nonce`.
    pub fn new(size: usize, nonce: u64) -> Pings {
        let head = [0; NONCE.start].into_iter().chain(nonce.to_be_bytes());
        let template = head.chain((0x10..=0xff).chain(0..=0x0f).cycle()).take(size).collect();
        Pings { template, slots: VecDeque::new(), first: 1, settled: 1 }
    }

    /// A new request, sent now: its sequence number and its payload.
    pub fn next(&mut self, sent: Instant, wall: Duration) -> (u16, Vec<u8>) {
        if self.slots.len() as u64 == NUMBERS {
            self.slots.pop_front();
            self.first += 1;
            self.settled = self.settled.max(self.first);
        }
        self.slots.push_back(Slot { state: State::Waiting, sent, wall });
        (self.sent() as u16, self.payload(wall))
    }

    /// How many requests there were.
    pub fn sent(&self) -> u64 {
        self.first + self.slots.len() as u64 - 1
    }

    fn payload(&self, wall: Duration) -> Vec<u8> {
        let micros = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX).to_be_bytes();
        let mut payload = self.template.clone();
        payload.iter_mut().zip(micros).for_each(|(place, byte)| *place = byte);
        payload
    }

    /// The number of the latest request with this sequence number, if it is still known.
    fn number(&self, sequence: u16) -> Option<u64> {
        let latest = self.sent();
        let behind = u64::from((latest as u16).wrapping_sub(sequence));
        latest.checked_sub(behind).filter(|&number| number >= self.first)
    }

    /// What a reply with this sequence number and payload is; `None` if it answers no request of ours.
    pub fn judge(&mut self, sequence: u16, payload: &[u8]) -> Option<Answer> {
        let number = self.number(sequence)?;
        let (sent, wall) = {
            let slot = &self.slots[(number - self.first) as usize];
            (slot.sent, slot.wall)
        };
        let expected = self.payload(wall);
        if payload.len() > expected.len() {
            return None;
        }
        let differs = |place: &usize| payload[*place] != expected[*place];
        let common = 0..payload.len();
        let nonce = NONCE.start.min(common.end)..NONCE.end.min(common.end);
        if nonce.filter(differs).count() > NONCE_MAY_DIFFER {
            return None;
        }
        let wrong = common.clone().find(differs).map(|place| (place, expected[place], payload[place]));
        if number > NUMBERS && wrong.is_some_and(|(place, ..)| place < NONCE.start) {
            // The sequence has wrapped, and the time is another's: a reply to the request of 65,536 ago.
            return None;
        }
        let truncated = payload.len() < expected.len();
        let slot = &mut self.slots[(number - self.first) as usize];
        let (duplicate, late) = (slot.state == State::Answered, slot.state == State::TimedOut);
        slot.state = State::Answered;
        Some(Answer { number, sent, wall, duplicate, late, wrong, truncated })
    }

    /// An error about the request with this sequence number has come: nothing more is waited for.
    /// Returns its number; `None` if there is no such request.
    pub fn fail(&mut self, sequence: u16) -> Option<u64> {
        let number = self.number(sequence)?;
        let slot = &mut self.slots[(number - self.first) as usize];
        if slot.state == State::Waiting {
            slot.state = State::Failed;
        }
        Some(number)
    }

    /// When the request that waits longest was sent; `None` when none waits.
    pub fn oldest(&mut self) -> Option<Instant> {
        while let Some(slot) = self.slots.get((self.settled - self.first) as usize) {
            if slot.state == State::Waiting {
                return Some(slot.sent);
            }
            self.settled += 1;
        }
        None
    }

    /// Gives up the request that waits longest, if it was sent at or before `limit`; returns its number.
    pub fn give_up(&mut self, limit: Instant) -> Option<u64> {
        self.oldest().filter(|&sent| sent <= limit)?;
        let number = self.settled;
        self.slots[(number - self.first) as usize].state = State::TimedOut;
        Some(number)
    }
}

/// The round-trip time: by the kernel's stamp of the reply, if there is one that makes sense.
///
/// The stamp excludes what this program takes to wake up, so it is the better figure; but it is the
/// wall clock's, which may be set while the packet travels. The monotonic clock bounds it.
pub fn round_trip(answer: &Answer, stamp: Option<Duration>, now: Instant) -> Duration {
    let most = now.saturating_duration_since(answer.sent);
    let by_kernel = stamp.and_then(|stamp| stamp.checked_sub(answer.wall));
    by_kernel.filter(|&time| time <= most).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::random::Random;

    const WALL: Duration = Duration::new(1_763_715_600, 123_456_000);

    #[test]
    fn a_golden_payload() {
        let mut pings = Pings::new(20, 0x0102_0304_0506_0708);
        let (sequence, payload) = pings.next(Instant::now(), WALL);
        let time = 1_763_715_600_123_456u64.to_be_bytes();
        assert_eq!(sequence, 1);
        assert_eq!(payload, [&time[..], &[1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0x11, 0x12, 0x13]].concat());
        assert_eq!(Pings::new(0, 1).next(Instant::now(), WALL), (1, vec![]));
        assert_eq!(Pings::new(600, 1).next(Instant::now(), WALL).1[16 + 239..][..3], [0xff, 0, 1]);
    }

    #[test]
    fn replies_out_of_order_doubled_and_late() {
        let mut pings = Pings::new(56, 9);
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let sent: Vec<_> = (0..3).map(|number| pings.next(start + second * number, WALL)).collect();
        let judge = |pings: &mut Pings, place: usize| pings.judge(sent[place].0, &sent[place].1).unwrap();
        let second_reply = judge(&mut pings, 1);
        assert_eq!((second_reply.number, second_reply.duplicate, second_reply.late), (2, false, false));
        assert!(judge(&mut pings, 1).duplicate);
        assert_eq!(pings.give_up(start), Some(1));
        assert_eq!(pings.give_up(start + second), None, "the second was answered, the third still waits");
        assert_eq!(pings.oldest(), Some(start + second * 2));
        let late = judge(&mut pings, 0);
        assert_eq!((late.number, late.duplicate, late.late), (1, false, true));
        assert!(judge(&mut pings, 0).duplicate);
        assert_eq!(pings.fail(3), Some(3));
        assert_eq!(pings.oldest(), None);
    }

    #[test]
    fn damage_is_shown_and_strangers_are_not_ours() {
        let mut pings = Pings::new(56, 0xdead_beef_dead_beef);
        let (sequence, payload) = pings.next(Instant::now(), WALL);
        for place in 0..56 {
            let mut damaged = payload.clone();
            damaged[place] ^= 0x40;
            let answer = pings.judge(sequence, &damaged).unwrap();
            assert_eq!(answer.wrong, Some((place, payload[place], payload[place] ^ 0x40)));
        }
        assert!(pings.judge(sequence, &payload[..50]).unwrap().truncated);
        assert_eq!(pings.judge(sequence, &[&payload[..], &[0]].concat()), None, "longer than was sent");
        assert_eq!(pings.judge(sequence + 1, &payload), None, "not sent yet");
        assert_eq!(pings.judge(0, &payload), None);
        let (_, foreign) = Pings::new(56, 0x0123_4567_89ab_cdef).next(Instant::now(), WALL);
        assert_eq!(pings.judge(sequence, &foreign), None);
    }

    #[test]
    fn random_payloads_never_match() {
        let mut random = Random::new(Some(9));
        let mut pings = Pings::new(56, random.bits());
        pings.next(Instant::now(), WALL);
        for _ in 0..100_000 {
            let bytes: Vec<u8> = (0..16 + random.below(60)).map(|_| random.bits() as u8).collect();
            assert_eq!(pings.judge(1, &bytes), None);
        }
    }

    #[test]
    fn the_sequence_wraps_and_an_old_reply_is_not_a_new_pings() {
        let mut pings = Pings::new(56, 7);
        let now = Instant::now();
        let (old, payload) = pings.next(now, WALL);
        (0..NUMBERS).for_each(|_| drop(pings.next(now, WALL + Duration::from_secs(60))));
        assert_eq!((pings.sent(), pings.slots.len() as u64, old), (NUMBERS + 1, NUMBERS, 1));
        // Sequence 1 is now request 65,537, whose time differs.
        assert_eq!(pings.judge(old, &payload), None);
        let current = pings.payload(WALL + Duration::from_secs(60));
        assert_eq!(pings.judge(old, &current).unwrap().number, NUMBERS + 1);
    }

    #[test]
    fn a_kernel_stamp_is_believed_while_it_makes_sense() {
        let mut pings = Pings::new(56, 7);
        let sent = Instant::now();
        let (sequence, payload) = pings.next(sent, WALL);
        let answer = pings.judge(sequence, &payload).unwrap();
        let (now, micros) = (sent + Duration::from_micros(90), Duration::from_micros);
        assert_eq!(round_trip(&answer, Some(WALL + micros(50)), now), micros(50));
        assert_eq!(round_trip(&answer, None, now), micros(90));
        // The clock was set forward, or back, while the packet travelled.
        assert_eq!(round_trip(&answer, Some(WALL + Duration::from_secs(9)), now), micros(90));
        assert_eq!(round_trip(&answer, Some(WALL - Duration::from_secs(9)), now), micros(90));
    }
}
