//! TCP inside a flow: handshake, data, bare acknowledgements, close, retransmissions. Pure.
//!
//! Whether a segment is a retransmission cannot be seen in it; it is one that brings nothing new. Two
//! judgements are made of each segment that begins before the end of what its side has sent so far:
//!
//! - **Wireshark's** (version 4.0), so that both programs show the same numbers. It remembers only the
//!   end, and guesses: what has been acknowledged already, or was asked for just now by two duplicate
//!   acknowledgements, or comes later than a round trip after the farthest segment, is sent again;
//!   anything else is "out of order".
//! - **what has passed**: here the ranges of sequence numbers are remembered. A segment all of whose
//!   bytes have passed this place before is certainly sent again, however soon.
//!
//! ```text
//! seen    [0 ........ 1448 ......... 2896]            [4344 ....... 5792]
//! 1448 to 2896   has passed before
//! 2896 to 4344   has not: lost before our eyes, or overtaken
//! 5792 to 7240   new
//! ```
//!
//! The two differ where a sender repairs a loss within a round trip, as every modern one does: in a
//! capture beside the sender Wireshark calls that "out of order".

use super::packet::{flags, Segment};

/// How many separate ranges a direction remembers; beyond it the oldest is forgotten.
const MOST_RANGES: usize = 256;

/// Within which time a late segment counts as overtaken if the handshake was not seen, in nanoseconds.
const OVERTAKEN_WITHIN: u64 = 3_000_000;

/// How long after a duplicate acknowledgement a late segment counts as its answer.
const ANSWERED_WITHIN: u64 = 20_000_000;

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

/// How a segment relates to those before it, as Wireshark judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As it should be.
    InOrder,
    /// Sent again.
    Retransmission,
    /// Overtaken.
    OutOfOrder,
}

/// What came of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// What it is there for.
    pub role: Role,
    /// How it relates to those before it.
    pub order: Order,
    /// Whether it brings bytes, and all of them had passed before.
    pub repeated: bool,
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Direction {
    /// What has passed, as unwrapped numbers, in order, not touching.
    seen: Vec<(i64, i64)>,
    /// The end of the farthest segment, and when it passed.
    end: Option<(i64, u64)>,
    finished: bool,
    /// The last acknowledgement number and window, and when they passed.
    acknowledged: Option<(u32, u16, u64)>,
    /// How many bare acknowledgements have repeated them since.
    duplicates: u32,
}

/// A connection's state.
#[derive(Debug, Default)]
pub struct Segments {
    directions: [Direction; 2],
    /// When the last SYN without ACK passed, and the number of the first.
    begun: Option<(u64, u32)>,
    /// From that SYN to the last segment of the handshake.
    round_trip: Option<u64>,
    /// The handshake's last ACK is still to come.
    opening: bool,
    /// The numbers in the initial segments, for the diagram.
    initial: [Option<u32>; 2],
    reset: bool,
}

impl Segments {
    /// Takes a segment of `length` bytes, sent by the side that began (0) or the other (1).
    pub fn take(&mut self, side: usize, time: u64, segment: Segment, length: u64) -> Judgement {
        let Segment { seq, flags, .. } = segment;
        let is = |flag: u8| flags & flag != 0;
        self.initial[side].get_or_insert(seq.wrapping_sub(u32::from(!is(flags::SYN))));
        let closing = self.directions.iter().any(|direction| direction.finished);
        if self.opening && !is(flags::SYN) {
            // The handshake's last segment, or data if that one was lost.
            self.round_trip = self.round_trip.or(self.begun.map(|(begun, _)| time.saturating_sub(begun)));
        }
        let role = if is(flags::SYN) {
            if !is(flags::ACK) {
                self.begun = Some((time, self.begun.map_or(seq, |(_, first)| first)));
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
        let limit = self.round_trip.unwrap_or(OVERTAKEN_WITHIN);
        let plain = !is(flags::SYN | flags::FIN | flags::RST);
        let (acknowledged, asked_for) = self.directions[1 - side].asked(segment, length, time);
        let direction = &mut self.directions[side];
        direction.finished |= is(flags::FIN);
        direction.acknowledge(segment, occupied, time);
        let limit = if asked_for { 0 } else { limit };
        let (mut order, repeated) = direction.take(seq, occupied, plain, time, limit);
        if acknowledged {
            order = Order::Retransmission;
        }
        Judgement { role, order, repeated }
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
    /// Whether this side has acknowledged the bytes of a segment of the other side already; whether it
    /// has just asked for it with two or more duplicate acknowledgements.
    fn asked(&self, segment: Segment, length: u64, time: u64) -> (bool, bool) {
        let Some((ack, _, at)) = self.acknowledged else { return (false, false) };
        let end = segment.seq.wrapping_add(length as u32);
        // A single byte may be a keep-alive, which is meant to be acknowledged already.
        let acknowledged = length > 1 && end.wrapping_sub(ack) as i32 <= 0;
        let soon = time.saturating_sub(at) < ANSWERED_WITHIN;
        (acknowledged, soon && self.duplicates >= 2 && ack == segment.seq)
    }

    /// Takes note of the acknowledgement in a segment.
    fn acknowledge(&mut self, segment: Segment, length: u64, time: u64) {
        let Segment { ack, window, flags, .. } = segment;
        if flags & flags::ACK == 0 {
            return;
        }
        let bare = length == 0 && flags & flags::RST == 0 && window > 0;
        let at_end = self.end.is_some_and(|(end, _)| end as u32 == segment.seq);
        // Data, or a larger window, is no duplicate, but does not end a row of them either.
        match self.acknowledged {
            Some((last, size, _)) if last == ack => {
                self.duplicates += u32::from(bare && at_end && size == window)
            }
            _ => self.duplicates = 0,
        }
        self.acknowledged = Some((ack, window, time));
    }

    /// Judges a segment that occupies `length` numbers and remembers it. Within `limit` after the
    /// farthest one it counts as overtaken.
    fn take(&mut self, seq: u32, length: u64, plain: bool, time: u64, limit: u64) -> (Order, bool) {
        let length = length.min(u64::from(u32::MAX / 2)) as i64;
        let Some((end, advanced)) = self.end else {
            self.end = Some((i64::from(seq) + length, time));
            self.see(i64::from(seq), i64::from(seq) + length);
            return (Order::InOrder, false);
        };
        // Numbers wrap around at 2^32: the nearest one to the end so far is meant.
        let start = end + i64::from(seq.wrapping_sub(end as u32) as i32);
        // A keep-alive asks for an acknowledgement with a number that has passed (RFC 9293, 3.8.4).
        let keep_alive = plain && length <= 1 && start == end - 1;
        let order = if length == 0 || start >= end || keep_alive || length > 1 && start == end - 1 {
            Order::InOrder
        } else if time.saturating_sub(advanced) < limit && start + length != end {
            Order::OutOfOrder
        } else {
            Order::Retransmission
        };
        let passed = self.seen.iter().any(|&(from, to)| from <= start && start + length <= to);
        let repeated = passed && order != Order::InOrder;
        if length > 0 {
            self.see(start, start + length);
        }
        // A bare acknowledgement, too, tells how far its sender has come, if what it sent was lost.
        if start + length > end {
            self.end = Some((start + length, time));
        }
        (order, repeated)
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
            .map(|&(seq, length, time)| direction.take(seq, length, true, time * MS, 3 * MS).0)
            .collect()
    }

    #[test]
    fn what_is_new_again_or_late() {
        use Order::{InOrder, OutOfOrder, Retransmission};
        type Case<'a> = (&'a [(u32, u64, u64)], &'a [Order]);
        let table: [Case; 8] = [
            (&[(100, 10, 0), (110, 10, 1), (100, 10, 300)], &[InOrder, InOrder, Retransmission]),
            (&[(100, 10, 0), (120, 10, 1), (110, 10, 2)], &[InOrder, InOrder, OutOfOrder]),
            (&[(100, 10, 0), (120, 10, 1), (110, 10, 9)], &[InOrder, InOrder, Retransmission]),
            (&[(100, 10, 0), (100, 10, 1)], &[InOrder, Retransmission]),
            // Again, but so soon that Wireshark calls it something else.
            (&[(100, 10, 0), (110, 10, 1), (100, 10, 2)], &[InOrder, InOrder, OutOfOrder]),
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
    fn what_has_passed_before_is_known_for_certain() {
        let mut direction = Direction::default();
        let mut take = |seq, length, time| direction.take(seq, length, true, time * MS, 3 * MS);
        let story = [take(0, 10, 0), take(20, 10, 1), take(10, 10, 2), take(10, 10, 2), take(0, 30, 9)];
        use Order::{InOrder, OutOfOrder, Retransmission};
        let expected = [
            (InOrder, false),
            (InOrder, false),
            (OutOfOrder, false),
            (OutOfOrder, true),
            (Retransmission, true),
        ];
        assert_eq!(story, expected);
    }

    #[test]
    fn a_whole_connection() {
        let mut connection = Segments::default();
        let mut take = |side, flags, seq, ack, length| {
            connection.take(side, 0, Segment { seq, ack, flags, window: 1 }, length).role
        };
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
