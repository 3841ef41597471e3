//! One end of a conversation, without sockets, clock or randomness of its own.
//!
//! ```text
//!    the end that opens                                the listener
//!         |  OPEN, cookie 0                                 |
//!         |------------------------------------------------>|  remembers nothing
//!         |                              COOKIE, 4711       |
//!         |<------------------------------------------------|
//!         |  OPEN, cookie 4711                              |
//!         |------------------------------------------------>|  has an address; the conversation exists
//!         |                              STREAM, ACK        |
//!         |<------------------------------------------------|
//!         |  STREAM, MESSAGE 0 … and so on, both ways       |
//!         |                                                 |
//!         |  STREAM, END 9                                  |
//!         |------------------------------------------------>|  the rest may still be sent that way
//!         |                              STREAM, ACK, END 3 |
//!         |<------------------------------------------------|
//!         |  STREAM, ACK                                    |
//!         |------------------------------------------------>|  ended: its END is acknowledged
//!         lingers, in case this last packet is lost, then ends
//! ```
//!
//! The caller's loop: give `receive` what came, call `transmit` until it says no and send what it wrote,
//! then wait for the next datagram, but not longer than `wake`.

use std::time::{Duration, Instant};

use super::inbox::{Inbox, Verdict};
use super::outbox::Item;
use super::packet::{decode, encode, Body, Content, Reason};
use super::sender::{Next, Sender};
use super::seq::Seq;
use super::settings::{Counts, Failure, Refused, Settings, State};
use super::MESSAGE;

/// The largest `Settings::buffer`: half of what a window can say.
const MOST_BUFFER: usize = 32_768;
/// How long the first answer to OPEN is waited for. RFC 6298 asks for 1 s, and half of all conversations that lose
/// their first packet would be felt to hang; what is risked is a second packet of 28 bytes.
const KNOCK_WAIT: Duration = Duration::from_millis(300);
/// How many attempts to say goodbye fit the time that a peer lingers.
const LINGER_ATTEMPTS: u32 = 8;

/// The handshake, as long as it is under way.
#[derive(Debug)]
struct Opening {
    cookie: u64,
    /// When OPEN is due again, when it left last, and how often it has with this cookie.
    due: Instant,
    sent: Instant,
    attempts: u32,
}

/// One end of a conversation.
#[derive(Debug)]
pub struct Connection {
    settings: Settings,
    session: u64,
    state: State,
    opening: Option<Opening>,
    inbox: Inbox,
    sender: Sender,
    /// When the peer was last heard of; while opening, when that began.
    heard: Instant,
    /// When lingering ends.
    linger: Option<Instant>,
    /// Our END went out with the acknowledgement of the peer's: once it is acknowledged, the peer knows all.
    answered: bool,
    /// The time, as far as it is known here.
    now: Instant,
    counts: Counts,
}

/// The first message and packet numbers of the two directions are the halves of the session's identifier:
/// nobody has to be told them, and who does not know the session does not know them either.
fn first_numbers(session: u64) -> (Seq, Seq) {
    (Seq(session as u32), Seq((session >> 32) as u32))
}

impl Connection {
    /// Begins a conversation. `random` must be unpredictable: it is the session's identifier, which
    /// strangers must not guess, and its halves are the first sequence numbers of the two directions.
    pub fn connect(settings: Settings, random: u64, now: Instant) -> Connection {
        let (ours, theirs) = first_numbers(random);
        let mut connection = Connection::new(settings, random, (ours, theirs), 0, now);
        connection.state = State::Opening;
        connection.opening = Some(Opening { cookie: 0, due: now, sent: now, attempts: 0 });
        connection
    }

    /// The listener's end of a conversation that a peer with room for `window` messages has opened.
    pub(super) fn accept(settings: Settings, session: u64, window: u16, now: Instant) -> Connection {
        let (theirs, ours) = first_numbers(session);
        let mut connection = Connection::new(settings, session, (ours, theirs), window, now);
        connection.inbox.tell();
        connection
    }

    fn new(
        settings: Settings,
        session: u64,
        (ours, theirs): (Seq, Seq),
        window: u16,
        now: Instant,
    ) -> Connection {
        let settings = Settings { buffer: settings.buffer.clamp(1, MOST_BUFFER), ..settings };
        Connection {
            settings,
            session,
            state: State::Open,
            opening: None,
            inbox: Inbox::new(theirs, settings.buffer),
            sender: Sender::new(settings.control, ours, settings.buffer, window, now),
            heard: now,
            linger: None,
            answered: false,
            now,
            counts: Counts::default(),
        }
    }

    /// Takes a datagram that came from the peer's address. One that is damaged or belongs to
    /// another conversation is counted and dropped.
    pub fn receive(&mut self, datagram: &[u8], now: Instant) {
        self.now = now;
        let Some((session, body)) = decode(datagram) else {
            self.counts.damaged += 1;
            return;
        };
        if session != self.session || self.state.is_over() {
            self.counts.foreign += 1;
            return;
        }
        self.counts.datagrams_in += 1;
        self.counts.bytes_in += datagram.len() as u64;
        match body {
            Body::Cookie(cookie) => self.cookie(cookie, now),
            Body::Reset(reason) => self.reset(reason),
            // From the end that opens, once more: its acknowledgement was lost.
            Body::Open { .. } => self.inbox.tell(),
            Body::Stream { ack, content } => {
                self.heard = now;
                self.opened(now);
                if let Some(messages) = ack.and_then(|ack| self.sender.acknowledge(&ack, now)) {
                    self.counts.messages_out += messages as u64;
                }
                if let Some((number, content)) = content {
                    self.accept_content(number, content, now);
                }
                self.settle(now);
            }
        }
    }

    fn accept_content(&mut self, number: Seq, content: Content, now: Instant) {
        match self.inbox.accept(number, content, now) {
            Verdict::New | Verdict::NoRoom => {}
            Verdict::Duplicate => self.counts.duplicates += 1,
            Verdict::Foreign => self.counts.foreign += 1,
        }
        if self.inbox.is_complete() {
            // Several attempts must fit the time that a lingering peer stays.
            self.sender.hurry(self.settings.linger / LINGER_ATTEMPTS);
        }
        // The peer repeats itself, so it does not know yet: stay for it.
        self.linger = self.linger.map(|_| now + self.settings.linger);
    }

    /// A cookie: knock again, with it.
    fn cookie(&mut self, cookie: u64, now: Instant) {
        let Some(opening) = self.opening.as_mut().filter(|opening| opening.cookie != cookie) else { return };
        if opening.attempts == 1 {
            self.sender.rtt.sample(now.saturating_duration_since(opening.sent));
        }
        *opening = Opening { cookie, due: now, sent: now, attempts: 0 };
    }

    /// The listener has answered.
    fn opened(&mut self, now: Instant) {
        let Some(opening) = self.opening.take() else { return };
        if opening.attempts == 1 {
            self.sender.rtt.sample(now.saturating_duration_since(opening.sent));
        }
        self.state = if self.sender.outbox.is_closed() { State::Closing } else { State::Open };
    }

    fn reset(&mut self, reason: Reason) {
        match (reason, self.state) {
            (Reason::Full, State::Opening) => self.state = State::Failed(Failure::Full),
            // An old one, of a time before the listener knew us: it will know us soon.
            (_, State::Opening) => {}
            _ => self.lose(Failure::Unknown),
        }
    }

    /// Ends without the peer. That is no failure if all that can be missing is its last acknowledgement.
    fn lose(&mut self, failure: Failure) {
        let delivered = self.sender.outbox.is_closed() && self.sender.outbox.is_delivered();
        self.state =
            if delivered && self.inbox.is_complete() { State::Ended } else { State::Failed(failure) };
    }

    /// Ends, or begins to linger, when both directions are complete.
    fn settle(&mut self, now: Instant) {
        if self.state == State::Closing && self.sender.outbox.is_done() && self.inbox.is_complete() {
            if self.answered {
                self.state = State::Ended;
            } else {
                self.state = State::Lingering;
                self.linger = Some(now + self.settings.linger);
            }
        }
    }

    /// When the peer, or lingering, is given up. A peer that talks but acknowledges nothing is none.
    fn deadline(&self) -> Instant {
        let silent = self.sender.unanswered().map_or(self.heard, |since| since.min(self.heard));
        self.linger.unwrap_or(silent + self.settings.give_up)
    }

    /// Writes the next datagram that may leave now into `datagram` (its old content is dropped) and
    /// returns true; call it until it returns false.
    pub fn transmit(&mut self, datagram: &mut Vec<u8>, now: Instant) -> bool {
        self.now = now;
        if !self.state.is_over() && now >= self.deadline() {
            match self.state {
                State::Lingering => self.state = State::Ended,
                State::Opening => self.state = State::Failed(Failure::NoAnswer),
                _ => self.lose(Failure::Silent),
            }
        }
        if self.state.is_over() {
            return false;
        }
        let sends =
            if self.opening.is_some() { self.knock(datagram, now) } else { self.stream(datagram, now) };
        if sends {
            self.counts.datagrams_out += 1;
            self.counts.bytes_out += datagram.len() as u64;
        }
        sends
    }

    /// OPEN, if it is due.
    fn knock(&mut self, datagram: &mut Vec<u8>, now: Instant) -> bool {
        let Some(opening) = self.opening.as_mut().filter(|opening| opening.due <= now) else { return false };
        opening.due = now
            + self
                .sender
                .rtt
                .wait(Duration::ZERO, opening.attempts)
                .min(KNOCK_WAIT * (1 << opening.attempts.min(8)));
        opening.sent = now;
        opening.attempts += 1;
        let body = Body::Open { cookie: opening.cookie, window: self.settings.buffer as u16 };
        encode(self.session, &body, datagram);
        true
    }

    /// A message, the end, a question, or an acknowledgement alone.
    fn stream(&mut self, datagram: &mut Vec<u8>, now: Instant) -> bool {
        self.sender.tick(now);
        if self.state != State::Lingering && now >= self.heard + self.settings.keep_alive {
            self.sender.ask();
        }
        let Some(next) = self.sender.next(now) else {
            if self.inbox.due(now).is_none_or(|due| due > now) {
                return false;
            }
            let body = Body::Stream { ack: Some(self.inbox.acknowledge(now)), content: None };
            encode(self.session, &body, datagram);
            return true;
        };
        let (packet, again) = self.sender.sent(next, now);
        self.counts.retransmissions += u64::from(again);
        let mut owes = self.inbox.owes();
        let content = match next {
            Next::Ping => Content::Ping,
            Next::Item(number) => match self.sender.outbox.item(number) {
                Some(Item::Message(message)) => Content::Message(number, message),
                Some(Item::End) => {
                    // Always with an acknowledgement, so that who has this packet knows what we have.
                    self.answered |= !again && self.inbox.is_complete();
                    owes = true;
                    Content::End(number)
                }
                // `next` names only what has not arrived.
                None => Content::Ping,
            },
        };
        let ack = owes.then(|| self.inbox.acknowledge(now));
        encode(self.session, &Body::Stream { ack, content: Some((packet, content)) }, datagram);
        true
    }

    /// When `transmit` has to be asked again even though nothing was received or sent; `None` once
    /// the conversation is over.
    pub fn wake(&self) -> Option<Instant> {
        if self.state.is_over() {
            return None;
        }
        let mut wake = self.deadline();
        if let Some(opening) = &self.opening {
            return Some(wake.min(opening.due));
        }
        if self.state != State::Lingering && self.sender.is_idle() {
            wake = wake.min(self.heard + self.settings.keep_alive);
        }
        let others = [self.sender.wake(self.now), self.inbox.due(self.now)];
        others.into_iter().flatten().chain([wake]).min()
    }

    /// Takes a message of up to [`MESSAGE`] bytes for sending; an empty one is a message too.
    pub fn send(&mut self, message: &[u8]) -> Result<(), Refused> {
        if self.state.is_over() || self.sender.outbox.is_closed() {
            Err(Refused::Closed)
        } else if message.len() > MESSAGE {
            Err(Refused::TooLong)
        } else if self.sender.outbox.room() == 0 {
            Err(Refused::Full)
        } else {
            self.sender.outbox.push(message);
            Ok(())
        }
    }

    /// Drops the messages that have not been sent even once, for who has something to say that they would only
    /// delay. Those that have been are still delivered.
    pub fn discard(&mut self) {
        self.sender.outbox.discard();
    }

    /// How many messages `send` will take now.
    pub fn room(&self) -> usize {
        if self.state.is_over() {
            return 0;
        }
        self.sender.outbox.room()
    }

    /// The next message in order; `None` if it has not come yet. What is not taken counts against
    /// the peer's window: who does not take stops the peer. Works after the end too.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let message = self.inbox.take()?;
        self.counts.messages_in += 1;
        Some(message)
    }

    /// Says that no more messages follow from here. What was sent is still delivered, and the peer may
    /// go on sending: the conversation ends when both have closed.
    pub fn close(&mut self) {
        self.sender.outbox.close();
        if self.state == State::Open {
            self.state = State::Closing;
        }
    }

    /// Where the conversation stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// The session's identifier.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// Whether the peer has closed and all its messages have been taken.
    pub fn peer_closed(&self) -> bool {
        self.inbox.is_drained()
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        Counts {
            rtt: self.sender.rtt.smoothed(),
            least_rtt: self.sender.rtt.least(),
            window: self.sender.window(),
            waiting_in: self.inbox.len(),
            waiting_out: self.sender.outbox.len(),
            tracked: self.sender.tracked(),
            ..self.counts
        }
    }
}
