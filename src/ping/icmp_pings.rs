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
    /// The payload of the request that was sent or compared last: only the time in front differs.
    payload: Vec<u8>,
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
    /// Whether its checksum was right.
    pub intact: bool,
    /// Whether the request had been answered before.
    pub duplicate: bool,
    /// Whether the request had been given up.
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
        let payload = head.chain((0x10..=0xff).chain(0..=0x0f).cycle()).take(size).collect();
        Pings { payload, slots: VecDeque::new(), first: 1, settled: 1 }
    }

    /// A new request: its sequence number. [`Pings::stamp`] is to follow.
    pub fn next(&mut self, sent: Instant) -> u16 {
        if self.slots.len() as u64 == NUMBERS {
            self.slots.pop_front();
            self.first += 1;
            self.settled = self.settled.max(self.first);
        }
        self.slots.push_back(Slot { state: State::Waiting, sent, wall: Duration::ZERO });
        self.sent() as u16
    }

    /// A payload like that of every request, with some other time in front.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The latest request is sent at `wall`, by the wall clock: its payload.
    pub fn stamp(&mut self, wall: Duration) -> &[u8] {
        if let Some(slot) = self.slots.back_mut() {
            slot.wall = wall;
        }
        stamped(&mut self.payload, wall)
    }

    /// How many requests there were.
    pub fn sent(&self) -> u64 {
        self.first + self.slots.len() as u64 - 1
    }

    /// The number of the latest request with this sequence number, if it is still known.
    fn number(&self, sequence: u16) -> Option<u64> {
        let latest = self.sent();
        let behind = u64::from((latest as u16).wrapping_sub(sequence));
        latest.checked_sub(behind).filter(|&number| number >= self.first)
    }

    /// Whether there is a request with this sequence number that is still known.
    pub fn knows(&self, sequence: u16) -> bool {
        self.number(sequence).is_some()
    }

    /// What a reply with this sequence number and payload is; `None` if it answers no request of ours.
    /// One that is not `intact` (its checksum is wrong) is compared, but leaves its request waiting.
    pub fn judge(&mut self, sequence: u16, payload: &[u8], intact: bool) -> Option<Answer> {
        let number = self.number(sequence)?;
        let slot = &mut self.slots[(number - self.first) as usize];
        let expected = stamped(&mut self.payload, slot.wall);
        // A reply that is cut before the end of the nonce could be anybody's.
        if payload.len() > expected.len() || payload.len() < NONCE.end.min(expected.len()) {
            return None;
        }
        let wrong = first_difference(expected, payload);
        if let Some((place, ..)) = wrong {
            let nonces = expected.iter().zip(payload).take(NONCE.end).skip(NONCE.start);
            if nonces.filter(|(ours, theirs)| ours != theirs).count() > NONCE_MAY_DIFFER {
                return None;
            }
            if number > NUMBERS && place < NONCE.start {
                // The sequence has wrapped, and the time is another's: it answers the request of 65,536 ago.
                return None;
            }
        }
        let answer = Answer {
            number,
            sent: slot.sent,
            wall: slot.wall,
            intact,
            duplicate: intact && slot.state == State::Answered,
            late: slot.state == State::TimedOut,
            wrong,
            truncated: payload.len() < expected.len(),
        };
        if intact {
            slot.state = State::Answered;
        }
        Some(answer)
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

/// The payload of the request sent at `wall`: writes that time to the front of `payload`.
fn stamped(payload: &mut [u8], wall: Duration) -> &[u8] {
    let micros = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX).to_be_bytes();
    payload.iter_mut().zip(micros).for_each(|(place, byte)| *place = byte);
    payload
}

/// The first byte in which a payload differs, as far as it goes: its place, what it should be, what it is.
fn first_difference(expected: &[u8], payload: &[u8]) -> Option<(usize, u8, u8)> {
    // Nearly always all are equal, and comparing them all at once takes no time in a flood.
    if expected == payload {
        return None;
    }
    let place = expected.iter().zip(payload).position(|(ours, theirs)| ours != theirs)?;
    Some((place, expected[place], payload[place]))
}

/// The round-trip time of a request sent at `sent` (by the wall clock: `wall`) whose answer is in our
/// hands at `now`: by the kernel's stamp of the answer, if there is one that makes sense.
///
/// The stamp excludes what this program takes to wake up, so it is the better figure; but it is the
/// wall clock's, which may be set while the packet travels. The monotonic clock bounds it.
pub fn round_trip(sent: Instant, wall: Duration, stamp: Option<Duration>, now: Instant) -> Duration {
    let most = now.saturating_duration_since(sent);
    let by_kernel = stamp.and_then(|stamp| stamp.checked_sub(wall));
    by_kernel.filter(|&time| time <= most).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::random::Random;

    const WALL: Duration = Duration::new(1_763_715_600, 123_456_000);

    /// A new request: its sequence number and its payload.
    fn send(pings: &mut Pings, sent: Instant, wall: Duration) -> (u16, Vec<u8>) {
        (pings.next(sent), pings.stamp(wall).to_vec())
    }

    #[test]
    fn a_golden_payload() {
        let mut pings = Pings::new(20, 0x0102_0304_0506_0708);
        let (sequence, payload) = send(&mut pings, Instant::now(), WALL);
        let time = 1_763_715_600_123_456u64.to_be_bytes();
        assert_eq!(sequence, 1);
        assert_eq!(payload, [&time[..], &[1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0x11, 0x12, 0x13]].concat());
        assert_eq!(send(&mut Pings::new(0, 1), Instant::now(), WALL), (1, vec![]));
        assert_eq!(Pings::new(600, 1).payload()[16 + 239..][..3], [0xff, 0, 1]);
    }

    #[test]
    fn replies_out_of_order_doubled_and_late() {
        let mut pings = Pings::new(56, 9);
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let sent: Vec<_> = (0..3).map(|number| send(&mut pings, start + second * number, WALL)).collect();
        let judge = |pings: &mut Pings, place: usize| {
            let (sequence, payload) = &sent[place];
            pings.judge(*sequence, payload, true).unwrap()
        };
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
        let (sequence, payload) = send(&mut pings, Instant::now(), WALL);
        for place in 0..56 {
            let mut damaged = payload.clone();
            damaged[place] ^= 0x40;
            let answer = pings.judge(sequence, &damaged, true).unwrap();
            assert_eq!(answer.wrong, Some((place, payload[place], payload[place] ^ 0x40)));
        }
        for cut in 0..NONCE.end {
            assert!(pings.judge(sequence, &payload[..cut], true).is_none(), "cut at {cut}: anybody's");
        }
        assert!(pings.judge(sequence, &payload[..50], true).unwrap().truncated);
        assert_eq!(pings.judge(sequence, &[&payload[..], &[0]].concat(), true), None, "longer than was sent");
        assert_eq!(pings.judge(sequence + 1, &payload, true), None, "not sent yet");
        assert_eq!(pings.judge(0, &payload, true), None);
        let mut others = Pings::new(56, 0x0123_4567_89ab_cdef);
        let (_, foreign) = send(&mut others, Instant::now(), WALL);
        assert_eq!(pings.judge(sequence, &foreign, true), None);
    }

    #[test]
    fn random_payloads_never_match() {
        let mut random = Random::new(Some(9));
        let mut pings = Pings::new(56, random.bits());
        send(&mut pings, Instant::now(), WALL);
        for _ in 0..100_000 {
            let bytes: Vec<u8> = (0..16 + random.below(60)).map(|_| random.bits() as u8).collect();
            assert_eq!(pings.judge(1, &bytes, true), None);
        }
    }

    #[test]
    fn the_sequence_wraps_and_an_old_reply_is_not_a_new_pings() {
        let mut pings = Pings::new(56, 7);
        let now = Instant::now();
        let (old, payload) = send(&mut pings, now, WALL);
        let later = WALL + Duration::from_secs(60);
        (0..NUMBERS).for_each(|_| drop(send(&mut pings, now, later)));
        assert_eq!((pings.sent(), pings.slots.len() as u64, old), (NUMBERS + 1, NUMBERS, 1));
        // Sequence 1 is now request 65,537, whose time differs.
        assert_eq!(pings.judge(old, &payload, true), None);
        let current = pings.stamp(later).to_vec();
        assert_eq!(pings.judge(old, &current, true).unwrap().number, NUMBERS + 1);
    }

    #[test]
    fn a_wrong_checksum_is_shown_and_answers_nothing() {
        let mut pings = Pings::new(56, 9);
        let start = Instant::now();
        let (sequence, payload) = send(&mut pings, start, WALL);
        let damaged = pings.judge(sequence, &payload, false).unwrap();
        assert_eq!((damaged.intact, damaged.duplicate), (false, false));
        assert_eq!(pings.oldest(), Some(start), "it still waits");
        assert!(!pings.judge(sequence, &payload, true).unwrap().duplicate);
        assert!(!pings.judge(sequence, &payload, false).unwrap().duplicate, "damaged, and that is all");
        assert_eq!(pings.judge(sequence, &[0xff; 56], false), None, "nor is it ours whatever it holds");
    }

    #[test]
    fn a_kernel_stamp_is_believed_while_it_makes_sense() {
        let sent = Instant::now();
        let (now, micros) = (sent + Duration::from_micros(90), Duration::from_micros);
        assert_eq!(round_trip(sent, WALL, Some(WALL + micros(50)), now), micros(50));
        assert_eq!(round_trip(sent, WALL, None, now), micros(90));
        // The clock was set forward, or back, while the packet travelled.
        assert_eq!(round_trip(sent, WALL, Some(WALL + Duration::from_secs(9)), now), micros(90));
        assert_eq!(round_trip(sent, WALL, Some(WALL - Duration::from_secs(9)), now), micros(90));
    }
}
