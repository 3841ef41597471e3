//! The sending side: messages that wait, or whose acknowledgement is awaited. Pure.
//!
//! ```text
//! messages    ... 40 41 42 43 44 45 46 47 48 49
//!                    ^first   ^arrived    ^fresh    ^edge
//!                    |<-- were sent ----->|<------->|   may be sent, by what the peer has room for
//! ```
//!
//! A message stays until it is acknowledged. Acknowledgements come in two forms: "all before 41"
//! empties the queue from its front; "packet 98", which carried 44, keeps 44 from being sent again and
//! frees its bytes, but its place is kept until all before it have arrived.

use std::collections::VecDeque;

use super::seq::Seq;

/// What stands at a place of the queue.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// A message.
    Message(Vec<u8>),
    /// The end, behind the last message.
    End,
}

#[derive(Debug)]
struct Entry {
    item: Item,
    arrived: bool,
    /// The packet that carried it last; `None` before the first.
    packet: Option<Seq>,
}

/// The sending side of a conversation.
#[derive(Debug)]
pub struct Outbox {
    entries: VecDeque<Entry>,
    /// The number of the entry at the front.
    first: Seq,
    /// The number of the first that was never sent.
    fresh: Seq,
    /// The first number that the peer has no room for.
    edge: Seq,
    capacity: usize,
    closed: bool,
    /// Messages to be sent again, as they were found lost; some may have arrived since.
    lost: VecDeque<Seq>,
}

impl Outbox {
    /// An empty one, whose first message has the number `first`. The peer has room for `window`.
    pub fn new(first: Seq, capacity: usize, window: u16) -> Outbox {
        Outbox {
            entries: VecDeque::new(),
            first,
            fresh: first,
            edge: first.plus(window.into()),
            capacity,
            closed: false,
            lost: VecDeque::new(),
        }
    }

    /// How many messages it takes now.
    pub fn room(&self) -> usize {
        if self.closed {
            return 0;
        }
        self.capacity.saturating_sub(self.entries.len())
    }

    /// Adds a message; there must be room.
    pub fn push(&mut self, message: &[u8]) {
        let item = Item::Message(message.to_vec());
        self.entries.push_back(Entry { item, arrived: false, packet: None });
    }

    /// Drops what was never sent; nobody will know that it was there.
    pub fn discard(&mut self) {
        if let Some(sent) = self.fresh.place(self.first).filter(|_| !self.closed) {
            self.entries.truncate(sent);
        }
    }

    /// Adds the end.
    pub fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            self.entries.push_back(Entry { item: Item::End, arrived: false, packet: None });
        }
    }

    /// Whether `close` was called.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether all has arrived, the end included.
    pub fn is_done(&self) -> bool {
        self.closed && self.entries.is_empty()
    }

    /// Whether every message has arrived, and only the end may be left.
    pub fn is_delivered(&self) -> bool {
        self.entries.front().is_none_or(|entry| entry.item == Item::End)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn entry(&mut self, number: Seq) -> Option<&mut Entry> {
        self.entries.get_mut(number.place(self.first)?)
    }

    /// What stands at a number, if it has not arrived.
    pub fn item(&self, number: Seq) -> Option<&Item> {
        let entry = self.entries.get(number.place(self.first)?)?;
        (!entry.arrived).then_some(&entry.item)
    }

    /// The next message to be sent again.
    pub fn next_lost(&mut self) -> Option<Seq> {
        while let Some(&number) = self.lost.front() {
            if self.item(number).is_some() {
                return Some(number);
            }
            self.lost.pop_front();
        }
        None
    }

    /// The next that was never sent, if the peer has room for it. The end needs none.
    pub fn next_fresh(&self) -> Option<Seq> {
        let entry = self.entries.get(self.fresh.place(self.first)?)?;
        (self.fresh.after(self.edge) < 0 || entry.item == Item::End).then_some(self.fresh)
    }

    /// Whether there is something to send, as far as can be said at a glance: what counted as lost may have
    /// arrived since.
    pub fn has_more(&self) -> bool {
        !self.lost.is_empty() || self.next_fresh().is_some()
    }

    /// Whether messages wait for nothing but the peer's window.
    pub fn is_blocked(&self) -> bool {
        let waits = self.fresh.place(self.first).is_some_and(|place| place < self.entries.len());
        waits && self.next_fresh().is_none()
    }

    /// The oldest that was sent and has not arrived.
    pub fn oldest(&self) -> Option<Seq> {
        // An entry that has arrived is never at the front for long: "all before" follows at once.
        let sent = self.fresh.place(self.first)?;
        let place = self.entries.iter().take(sent).position(|entry| !entry.arrived)?;
        Some(self.first.plus(place))
    }

    /// Notes that `number` leaves in a packet; returns whether it had left before.
    pub fn sent(&mut self, number: Seq, packet: Seq) -> bool {
        if self.lost.front() == Some(&number) {
            self.lost.pop_front();
        }
        let again = number != self.fresh;
        if !again {
            self.fresh = number.plus(1);
        }
        if let Some(entry) = self.entry(number) {
            entry.packet = Some(packet);
        }
        again
    }

    /// Notes that a packet with `number` arrived.
    pub fn arrived(&mut self, number: Seq) {
        if let Some(entry) = self.entry(number) {
            entry.arrived = true;
            if let Item::Message(bytes) = &mut entry.item {
                *bytes = Vec::new();
            }
        }
    }

    /// Notes that `packet`, which carried `number`, is lost; it is sent again unless a later
    /// packet carries it too.
    pub fn lose(&mut self, number: Seq, packet: Seq) {
        if self.entry(number).is_some_and(|entry| !entry.arrived && entry.packet == Some(packet)) {
            self.lost.push_back(number);
        }
    }

    /// Whether all before `next` has been sent: else nobody can have it.
    pub fn has_sent(&self, next: Seq) -> bool {
        next.after(self.fresh) <= 0
    }

    /// The peer has all before `next`, and room for `window` from there. Calls `each` with the packet that
    /// last carried each message that this says for the first time of; returns how many messages left the
    /// queue.
    pub fn acknowledge(&mut self, next: Seq, window: u16, mut each: impl FnMut(Seq)) -> usize {
        let mut messages = 0;
        while next.after(self.first) > 0 {
            let Some(entry) = self.entries.pop_front() else { break };
            self.first = self.first.plus(1);
            messages += usize::from(entry.item != Item::End);
            if let Some(packet) = entry.packet.filter(|_| !entry.arrived) {
                each(packet);
            }
        }
        let edge = next.plus(window.into());
        // An old acknowledgement that was overtaken must not take room back.
        if edge.after(self.edge) > 0 {
            self.edge = edge;
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Seq = Seq(u32::MAX);

    fn outbox(messages: u8, window: u16) -> Outbox {
        let mut outbox = Outbox::new(FIRST, 4, window);
        for message in 0..messages {
            outbox.push(&[message]);
        }
        outbox
    }

    #[test]
    fn messages_leave_in_order_as_far_as_the_peer_has_room() {
        let mut outbox = outbox(4, 2);
        assert_eq!(outbox.room(), 0);
        for place in 0..2 {
            assert_eq!(outbox.next_fresh(), Some(FIRST.plus(place)));
            assert!(!outbox.sent(FIRST.plus(place), Seq(place as u32)));
        }
        assert_eq!(outbox.next_fresh(), None);
        assert!(outbox.is_blocked());
        assert_eq!(outbox.acknowledge(FIRST.plus(1), 2, |packet| assert_eq!(packet, Seq(0))), 1);
        assert_eq!(outbox.next_fresh(), Some(FIRST.plus(2)));
        assert_eq!(outbox.acknowledge(FIRST, 0, |_| panic!("an old one")), 0);
        assert_eq!(outbox.next_fresh(), Some(FIRST.plus(2)), "no room is taken back");
        assert!(outbox.has_sent(FIRST.plus(2)) && !outbox.has_sent(FIRST.plus(3)));
    }

    #[test]
    fn only_the_last_transmission_makes_a_message_lost_and_an_arrived_one_is_not_sent_again() {
        let mut outbox = outbox(3, 9);
        for place in 0..3 {
            outbox.sent(FIRST.plus(place), Seq(place as u32));
        }
        assert!(outbox.sent(FIRST, Seq(3)), "sent again");
        outbox.lose(FIRST, Seq(0));
        assert_eq!(outbox.next_lost(), None);
        outbox.lose(FIRST.plus(1), Seq(1));
        outbox.lose(FIRST.plus(2), Seq(2));
        assert_eq!(outbox.next_lost(), Some(FIRST.plus(1)));
        outbox.arrived(FIRST.plus(1));
        assert_eq!(outbox.next_lost(), Some(FIRST.plus(2)));
        outbox.sent(FIRST.plus(2), Seq(4));
        assert_eq!(outbox.next_lost(), None);
        assert_eq!(outbox.oldest(), Some(FIRST));
    }

    #[test]
    fn what_was_never_sent_can_be_taken_back() {
        let mut outbox = outbox(4, 9);
        outbox.sent(FIRST, Seq(0));
        outbox.discard();
        assert_eq!((outbox.len(), outbox.next_fresh(), outbox.item(FIRST).is_some()), (1, None, true));
        outbox.push(b"last words");
        assert_eq!(outbox.next_fresh(), Some(FIRST.plus(1)));
        outbox.close();
        outbox.discard();
        assert_eq!(outbox.len(), 3, "closed is closed");
    }

    #[test]
    fn the_end_comes_last_and_needs_no_room() {
        let mut outbox = outbox(1, 1);
        outbox.close();
        outbox.close();
        assert_eq!((outbox.room(), outbox.len()), (0, 2));
        outbox.sent(FIRST, Seq(0));
        assert_eq!(outbox.next_fresh(), Some(FIRST.plus(1)));
        assert_eq!(outbox.item(FIRST.plus(1)), Some(&Item::End));
        outbox.sent(FIRST.plus(1), Seq(1));
        assert_eq!(outbox.acknowledge(FIRST.plus(1), 0, |_| ()), 1);
        assert!(outbox.is_delivered() && !outbox.is_done());
        assert_eq!(outbox.acknowledge(FIRST.plus(2), 0, |_| ()), 0);
        assert!(outbox.is_done());
    }
}
