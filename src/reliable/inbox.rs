//! The receiving side: messages put in order, duplicates dropped, and what the peer is told about it. Pure.
//!
//! ```text
//! messages    ... 40 41 42 43 44 45 46 47 48 ...        capacity 8
//!                    ^taken   ^next    ^ has come early, and waits
//!                    |<------- room ------>|             the window that is told: 49 - 44 = 5
//! ```
//!
//! From `taken` to `next` messages are complete and wait for the application; behind `next` those wait that
//! came before an earlier one. Both count against the capacity, so memory is bounded, and a peer
//! whose messages nobody takes is stopped by its own window.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::packet::{Ack, Content, BITMAP};
use super::seq::Seq;

/// How many packets one acknowledgement may stand for. TCP has 2; each acknowledgement takes a packet of
/// its own on the way back, and with 4 they take 1.4 % of what the data takes.
const PACKETS_PER_ACK: usize = 4;
/// How long an acknowledgement may wait for more packets, or for a message to ride on.
pub const ACK_DELAY: Duration = Duration::from_millis(5);

/// No packet of an honest peer is further from the latest one: twice the largest window.
const FARTHEST: u32 = 65_536;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It brought something new, or was a question for a sign of life.
    New,
    /// Its message had come before.
    Duplicate,
    /// There is no room for its message: as if it had never come.
    NoRoom,
    /// Its number is none that the peer could have reached: not its packet.
    Foreign,
}

/// The receiving side of a conversation.
#[derive(Debug)]
pub struct Inbox {
    /// Messages from `taken` on; `None` has not come yet.
    messages: VecDeque<Option<Vec<u8>>>,
    taken: Seq,
    next: Seq,
    capacity: usize,
    /// The number behind the last message, once it is known.
    end: Option<Seq>,
    /// The latest packet and which of the 64 up to it have come.
    latest: Seq,
    arrived: u64,
    /// When the latest came.
    latest_at: Option<Instant>,
    /// Packets not acknowledged yet.
    owed: usize,
    /// When the acknowledgement has to leave; and whether it has to at once.
    due: Option<Instant>,
    urgent: bool,
    /// The first message that the peer was told there is no room for.
    promised: Seq,
}

impl Inbox {
    /// An empty one that expects messages and packets from number `first` on.
    pub fn new(first: Seq, capacity: usize) -> Inbox {
        Inbox {
            messages: VecDeque::new(),
            taken: first,
            next: first,
            capacity,
            end: None,
            latest: first.before(),
            arrived: 0,
            latest_at: None,
            owed: 0,
            due: None,
            urgent: false,
            promised: first.plus(capacity),
        }
    }

    /// Takes a numbered packet.
    pub fn accept(&mut self, number: Seq, content: Content, now: Instant) -> Verdict {
        // Our own packets, thrown back at us, for one: taken for the latest, it would make nonsense of every
        // acknowledgement that follows.
        if number.after(self.latest).unsigned_abs() > FARTHEST {
            return Verdict::Foreign;
        }
        let verdict = match content {
            Content::Ping => Verdict::New,
            Content::End(sequence) => self.end(sequence),
            Content::Message(sequence, message) => self.message(sequence, message),
        };
        if verdict == Verdict::NoRoom {
            // Not acknowledged, so it will come again. But the peer knows less than it should: tell it.
            self.urgent = true;
            return verdict;
        }
        let in_order = number == self.latest.plus(1);
        self.record(number, now);
        self.owed += 1;
        self.due.get_or_insert(now + ACK_DELAY);
        // A gap, a duplicate, a question, the end: the peer wants to know at once.
        let plain = matches!(content, Content::Message(..)) && verdict == Verdict::New;
        self.urgent |= !in_order || !plain || self.owed >= PACKETS_PER_ACK;
        verdict
    }

    fn message(&mut self, sequence: Seq, message: &[u8]) -> Verdict {
        let beyond_end = self.end.is_some_and(|end| sequence.after(end) >= 0);
        let Some(place) = sequence.place(self.taken).filter(|_| !beyond_end) else {
            return Verdict::Duplicate;
        };
        if place >= self.capacity {
            return Verdict::NoRoom;
        }
        if self.messages.len() <= place {
            self.messages.resize(place + 1, None);
        }
        if self.messages[place].is_some() {
            return Verdict::Duplicate;
        }
        self.messages[place] = Some(message.to_vec());
        while let Some(Some(_)) = self.next.place(self.taken).and_then(|place| self.messages.get(place)) {
            self.next = self.next.plus(1);
        }
        Verdict::New
    }

    /// The end takes no room, so it may stand one behind the window. One before a message that has come is a
    /// lie: taken for true, it could never be reached.
    fn end(&mut self, sequence: Seq) -> Verdict {
        let behind_all = sequence.after(self.taken.plus(self.messages.len())) >= 0;
        if self.end.is_some() || !behind_all {
            return Verdict::Duplicate;
        }
        if sequence.place(self.taken).is_some_and(|place| place > self.capacity) {
            return Verdict::NoRoom;
        }
        self.end = Some(sequence);
        Verdict::New
    }

    /// Remembers that a packet has come.
    fn record(&mut self, number: Seq, now: Instant) {
        match number.place(self.latest) {
            Some(ahead) if ahead > 0 => {
                self.arrived = if ahead < BITMAP { self.arrived << ahead | 1 } else { 1 };
                self.latest = number;
                self.latest_at = Some(now);
            }
            _ => {
                let behind = self.latest.place(number).unwrap_or(BITMAP);
                self.arrived |= 1u64.checked_shl(behind as u32).unwrap_or(0);
            }
        }
    }

    /// The next message in order.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let message = self.messages.front_mut()?.take()?;
        self.messages.pop_front();
        self.taken = self.taken.plus(1);
        // Half the capacity free again that the peer does not know of: it may be waiting for this.
        // Telling of each place would make a packet of every one ("silly window", RFC 9293, 3.8.6.2.2).
        let untold = self.taken.plus(self.capacity).after(self.promised);
        if untold as usize >= self.capacity.div_ceil(2) && self.end.is_none() {
            self.urgent = true;
        }
        Some(message)
    }

    /// Acknowledges at once, whatever was owed.
    pub fn tell(&mut self) {
        self.urgent = true;
    }

    /// When an acknowledgement has to leave by itself: `now` if at once.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        if self.urgent {
            Some(now)
        } else {
            self.due
        }
    }

    /// Whether there is anything to acknowledge, in case a packet leaves that it can ride on.
    pub fn owes(&self) -> bool {
        self.urgent || self.owed > 0
    }

    /// The acknowledgement, which the caller sends.
    pub fn acknowledge(&mut self, now: Instant) -> Ack {
        (self.owed, self.due, self.urgent) = (0, None, false);
        self.promised = self.taken.plus(self.capacity);
        let next = if self.is_complete() { self.next.plus(1) } else { self.next };
        let window = self.promised.after(self.next).clamp(0, i32::from(u16::MAX)) as u16;
        let waited = self.latest_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let delay = waited.as_micros().min(u16::MAX.into()) as u16;
        Ack { next, latest: self.latest, arrived: self.arrived, window, delay }
    }

    /// Whether the peer has closed and all its messages have come.
    pub fn is_complete(&self) -> bool {
        self.end == Some(self.next)
    }

    /// Whether all of them have been taken, too.
    pub fn is_drained(&self) -> bool {
        self.end == Some(self.taken)
    }

    /// How many places messages take, those that wait for an earlier one included.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three before the numbers wrap around.
    const FIRST: Seq = Seq(u32::MAX - 2);

    fn accept(inbox: &mut Inbox, packet: usize, message: usize) -> Verdict {
        let bytes = [message as u8];
        inbox.accept(FIRST.plus(packet), Content::Message(FIRST.plus(message), &bytes), Instant::now())
    }

    #[test]
    fn messages_come_out_in_order_and_once() {
        let mut inbox = Inbox::new(FIRST, 8);
        for (packet, message, verdict) in [
            (0, 0, Verdict::New),
            (2, 2, Verdict::New),
            (3, 5, Verdict::New),
            (4, 2, Verdict::Duplicate),
            (5, 8, Verdict::NoRoom),
        ] {
            assert_eq!(accept(&mut inbox, packet, message), verdict);
        }
        assert_eq!(inbox.take(), Some(vec![0]));
        assert_eq!(inbox.take(), None);
        assert_eq!(accept(&mut inbox, 6, 1), Verdict::New);
        assert_eq!((inbox.take(), inbox.take(), inbox.take()), (Some(vec![1]), Some(vec![2]), None));
        assert_eq!(accept(&mut inbox, 7, 1), Verdict::Duplicate);
        assert_eq!(accept(&mut inbox, 8, 8), Verdict::New);
        let ack = inbox.acknowledge(Instant::now());
        // Packet 5 was not taken, packet 1 never came.
        assert_eq!((ack.next, ack.latest, ack.arrived), (FIRST.plus(3), FIRST.plus(8), 0b1_0111_0111));
        assert_eq!(ack.window, 8);
    }

    #[test]
    fn the_window_is_what_is_free_and_reopening_is_told_at_half() {
        let now = Instant::now();
        let mut inbox = Inbox::new(FIRST, 4);
        for number in 0..4 {
            accept(&mut inbox, number, number);
        }
        assert_eq!(inbox.due(now), Some(now), "four packets");
        assert_eq!(inbox.acknowledge(Instant::now()).window, 0);
        assert_eq!(accept(&mut inbox, 4, 4), Verdict::NoRoom);
        assert!(inbox.owes());
        assert_eq!(inbox.acknowledge(Instant::now()).window, 0);
        inbox.take();
        assert!(!inbox.owes());
        inbox.take();
        assert_eq!(inbox.due(now), Some(now), "half is free");
        assert_eq!(inbox.acknowledge(Instant::now()).window, 2);
    }

    #[test]
    fn a_lone_packet_is_acknowledged_after_the_delay_and_a_gap_at_once() {
        let now = Instant::now();
        let mut inbox = Inbox::new(FIRST, 100);
        inbox.accept(FIRST, Content::Message(FIRST, b""), now);
        assert_eq!(inbox.due(now), Some(now + ACK_DELAY));
        assert_eq!(accept(&mut inbox, 2, 2), Verdict::New);
        assert_eq!(inbox.due(now), Some(now));
    }

    #[test]
    fn the_end_takes_a_number_and_nothing_follows_it() {
        let mut inbox = Inbox::new(FIRST, 2);
        let end = Content::End(FIRST.plus(2));
        assert_eq!(inbox.accept(FIRST.plus(9), end, Instant::now()), Verdict::New, "behind a full window");
        assert!(!inbox.is_complete());
        accept(&mut inbox, 10, 0);
        accept(&mut inbox, 11, 1);
        assert!(inbox.is_complete() && !inbox.is_drained());
        assert_eq!(inbox.acknowledge(Instant::now()).next, FIRST.plus(3));
        assert_eq!(accept(&mut inbox, 12, 2), Verdict::Duplicate);
        assert_eq!(inbox.accept(FIRST.plus(13), end, Instant::now()), Verdict::Duplicate);
        assert_eq!((inbox.take(), inbox.take()), (Some(vec![0]), Some(vec![1])));
        assert!(inbox.is_drained());
    }
}
