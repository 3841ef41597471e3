//! TCP inside a flow: handshake, data, bare acknowledgements, close, retransmissions. Pure.
//!
//! A retransmission cannot be seen in one packet; it is a segment that brings nothing new. So the
//! ranges of sequence numbers that have passed are remembered for each direction:
//!
//! ```text
//! seen    [0 ........ 1448 ......... 2896]            [4344 ....... 5792]
//! 1448 to 2896  all of it seen            → retransmission
//! 5792 to 7240  begins at the end or after → new
//! 2896 to 4344  before the end, not seen   → out of order, if it comes at once;
//!                                            else sent again after a loss before our eyes
//! ```
//!
//! "At once" is within the handshake's round trip, and at least 3 ms, as Wireshark has it.
//!
//! Limits: seen from one place. A segment lost behind us and sent again counts, one lost in front of us
//! is seen only once.

use super::packet::{flags, Segment};

/// How many separate ranges a direction remembers; beyond it the oldest is forgotten.
const MOST_RANGES: usize = 256;

/// The least time within which a late segment counts as overtaken, in nanoseconds.
const OVERTAKEN_WITHIN: u64 = 3_000_000;

/// What a segment is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// SYN, SYN with ACK, and the first ACK after them.
    Handshake,
    /// Brings bytes of the application.
    Data,
    /// Only acknowledges.
    Acknowledgement,
    /// FIN, RST, and what acknowledges a FIN.
    Close,
}

/// How a segment relates to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As it should be.
    InOrder,
    /// Its bytes had passed before.
    Retransmission,
    /// It was overtaken.
    OutOfOrder,
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Direction {
    /// What has passed, as unwrapped numbers, in order, not touching.
    seen: Vec<(i64, i64)>,
    /// The end of the farthest segment, and when it passed.
    end: Option<(i64, u64)>,
    finished: bool,
}

/// A connection's state.
#[derive(Debug, Default)]
pub struct Segments {
    directions: [Direction; 2],
    /// When the first SYN passed, and the handshake's round trip.
    begun: Option<(u64, u32)>,
    round_trip: Option<u64>,
    /// The handshake's last ACK is still to come.
    opening: bool,
    /// The numbers in the initial segments, for the diagram.
    initial: [Option<u32>; 2],
    reset: bool,
}

impl Segments {
    /// Takes a segment of `length` bytes, sent by the side that began (0) or the other (1).
    pub fn take(&mut self, side: usize, time: u64, segment: Segment, length: u64) -> (Role, Order) {
        let Segment { seq, flags, .. } = segment;
        let is = |flag: u8| flags & flag != 0;
        self.initial[side].get_or_insert(seq.wrapping_sub(u32::from(!is(flags::SYN))));
        let closing = self.directions.iter().any(|direction| direction.finished);
        let role = if is(flags::SYN) {
            match (self.begun, is(flags::ACK)) {
                (None, false) => self.begun = Some((time, seq)),
                (Some((begun, _)), true) if self.round_trip.is_none() => {
                    self.round_trip = Some(time.saturating_sub(begun))
                }
                _ => {}
            }
            self.opening = true;
            Role::Handshake
        } else if is(flags::FIN | flags::RST) {
            self.reset |= is(flags::RST);
            Role::Close
        } else if length > 0 {
            Role::Data
        } else if std::mem::take(&mut self.opening) {
            Role::Handshake
        } else if closing {
            Role::Close
        } else {
            Role::Acknowledgement
        };
        if length > 0 {
            self.opening = false;
        }
        let occupied = length + u64::from(is(flags::SYN)) + u64::from(is(flags::FIN));
        let limit = self.round_trip.unwrap_or(0).max(OVERTAKEN_WITHIN);
        let plain = !is(flags::SYN | flags::FIN | flags::RST);
        let direction = &mut self.directions[side];
        direction.finished |= is(flags::FIN);
        (role, direction.take(seq, occupied, plain, time, limit))
    }

    /// Whether a SYN with this number begins another connection between the same ports.
    pub fn is_another(&self, seq: u32) -> bool {
        self.begun.is_some_and(|(_, first)| first != seq) || self.begun.is_none() && self.initial[0].is_some()
    }

    /// How it ended, in words.
    pub fn ending(&self) -> &'static str {
        match (self.reset, self.directions.iter().filter(|direction| direction.finished).count()) {
            (true, _) => "reset",
            (false, 2) => "closed by both sides",
            (false, 1) => "closed by one side",
            (false, _) => "not closed",
        }
    }

    /// A sequence number as it is counted from the beginning of the connection, for people.
    pub fn relative(&self, side: usize, number: u32) -> u32 {
        number.wrapping_sub(self.initial[side].unwrap_or(0))
    }
}

impl Direction {
    /// Judges a segment that occupies `length` numbers and remembers it.
    fn take(&mut self, seq: u32, length: u64, plain: bool, time: u64, limit: u64) -> Order {
        let length = length.min(u64::from(u32::MAX / 2)) as i64;
        let Some((end, advanced)) = self.end else {
            self.end = Some((i64::from(seq) + length, time));
            self.see(i64::from(seq), i64::from(seq) + length);
            return Order::InOrder;
        };
        // Numbers wrap around at 2^32: the nearest one to the end so far is meant.
        let start = end + i64::from(seq.wrapping_sub(end as u32) as i32);
        // A keep-alive asks for an acknowledgement with a number that has passed (RFC 9293, 3.8.4).
        let keep_alive = plain && length <= 1 && start == end - 1;
        let order = if length == 0 || start >= end || keep_alive || length > 1 && start == end - 1 {
            Order::InOrder
        } else if self.seen.iter().any(|&(from, to)| from <= start && start + length <= to) {
            Order::Retransmission
        } else if time.saturating_sub(advanced) < limit && start + length != end {
            Order::OutOfOrder
        } else {
            Order::Retransmission
        };
        if length > 0 {
            self.see(start, start + length);
            if start + length > end {
                self.end = Some((start + length, time));
            }
        }
        order
    }

    /// Adds a range and joins it with those it touches.
    fn see(&mut self, mut from: i64, mut to: i64) {
        self.seen.retain(|&(start, end)| {
            let apart = end < from || to < start;
            if !apart {
                (from, to) = (from.min(start), to.max(end));
            }
            apart
        });
        let place = self.seen.partition_point(|&(start, _)| start < from);
        self.seen.insert(place, (from, to));
        if self.seen.len() > MOST_RANGES {
            self.seen.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn orders(segments: &[(u32, u64, u64)]) -> Vec<Order> {
        let mut direction = Direction::default();
        segments
            .iter()
            .map(|&(seq, length, time)| direction.take(seq, length, true, time * MS, 3 * MS))
            .collect()
    }

    #[test]
    fn what_is_new_again_or_late() {
        use Order::{InOrder, OutOfOrder, Retransmission};
        type Case<'a> = (&'a [(u32, u64, u64)], &'a [Order]);
        let table: [Case; 7] = [
            (&[(100, 10, 0), (110, 10, 1), (100, 10, 300)], &[InOrder, InOrder, Retransmission]),
            (&[(100, 10, 0), (120, 10, 1), (110, 10, 2)], &[InOrder, InOrder, OutOfOrder]),
            (&[(100, 10, 0), (120, 10, 1), (110, 10, 9)], &[InOrder, InOrder, Retransmission]),
            (&[(100, 10, 0), (100, 10, 1)], &[InOrder, Retransmission]),
            // Bare acknowledgements and keep-alives.
            (&[(100, 10, 0), (110, 0, 1), (109, 0, 2), (109, 1, 3)], &[InOrder; 4]),
            // Around 2^32.
            (
                &[(u32::MAX - 4, 10, 0), (5, 10, 1), (u32::MAX - 4, 10, 9)],
                &[InOrder, InOrder, Retransmission],
            ),
            // Half of it is new, and its beginning is not.
            (&[(100, 10, 0), (105, 10, 9)], &[InOrder, Retransmission]),
        ];
        for (segments, expected) in table {
            assert_eq!(orders(segments), expected, "{segments:?}");
        }
    }

    #[test]
    fn a_whole_connection() {
        let mut connection = Segments::default();
        let mut take =
            |side, flags, seq, ack, length| connection.take(side, 0, Segment { seq, ack, flags }, length).0;
        let story = [
            take(0, flags::SYN, 9, 0, 0),
            take(1, flags::SYN | flags::ACK, 99, 10, 0),
            take(0, flags::ACK, 10, 100, 0),
            take(0, flags::ACK | flags::PSH, 10, 100, 5),
            take(1, flags::ACK, 100, 15, 0),
            take(1, flags::ACK, 100, 15, 7),
            take(0, flags::ACK | flags::FIN, 15, 107, 0),
            take(1, flags::ACK | flags::FIN, 107, 16, 0),
            take(0, flags::ACK, 16, 108, 0),
        ];
        use Role::{Acknowledgement, Close, Data, Handshake};
        assert_eq!(
            story,
            [Handshake, Handshake, Handshake, Data, Acknowledgement, Data, Close, Close, Close]
        );
        assert_eq!(connection.ending(), "closed by both sides");
        assert_eq!((connection.relative(0, 15), connection.relative(1, 107)), (6, 8));
        assert!(connection.is_another(1000) && !connection.is_another(9));
    }

    #[test]
    fn hostile_segments_do_not_fill_the_memory() {
        let mut direction = Direction::default();
        for step in 0..10_000u32 {
            direction.take(step.wrapping_mul(2_654_435_761), 3, true, u64::from(step), 1);
        }
        assert!(direction.seen.len() <= MOST_RANGES);
    }
}
