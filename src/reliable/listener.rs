//! Many conversations on one port.
//!
//! A packet is for the conversation of its sender's address *and* its session; one that fits none is
//! answered with RESET, so that the peer of a listener that was restarted learns of it at once. OPEN is
//! answered with a cookie, and only its return makes a conversation (`cookie`). An old
//! OPEN, delivered late or replayed, could make one that ended begin again and deliver its messages
//! twice; so ended sessions are remembered for as long as their cookies are good.
//!
//! No answer to a stranger is longer than its question.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use super::connection::Connection;
use super::cookie::{Jar, LIFE};
use super::packet::{decode, encode, Body, Reason};
use super::settings::{Failure, Settings, State};

/// Answers to strangers that may wait for `transmit`; when there are more, those who ask have to ask again.
const MOST_ANSWERS: usize = 256;
/// How many ended sessions are remembered, at most. When more end within their cookies' life, the oldest
/// are forgotten early.
const MOST_ENDED: usize = 65_536;

/// Which conversation: the peer's address and the session it chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The peer's address and port.
    pub peer: SocketAddr,
    /// The session's identifier.
    pub session: u64,
}

/// What happened in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A peer has opened it.
    Opened,
    /// The next message.
    Message(Vec<u8>),
    /// The peer sends no more; what is sent from here still reaches it, until `Connection::close`.
    Closed,
    /// Both ends have closed and all was delivered. The key is forgotten.
    Ended,
    /// It failed. The key is forgotten.
    Failed(Failure),
}

/// A conversation, and what the listener keeps for it.
#[derive(Debug)]
struct Entry {
    connection: Connection,
    /// When it has to be asked again, as noted in `Listener::timers`.
    timer: Option<Instant>,
    /// Whether it stands in `Listener::ready`, and in `Listener::news`.
    ready: bool,
    news: bool,
    /// What has been told about it.
    told_opened: bool,
    told_closed: bool,
}

/// Many conversations on one port, at most `most` at once.
#[derive(Debug)]
pub struct Listener {
    settings: Settings,
    most: usize,
    jar: Jar,
    conversations: HashMap<Key, Entry>,
    /// When each waiting conversation has to be asked again, the earliest first.
    timers: BTreeSet<(Instant, Key)>,
    /// Those that may have something to send, in turn.
    ready: VecDeque<Key>,
    /// Those that may have something to tell, in turn.
    news: VecDeque<Key>,
    /// Answers to strangers, and whether it is their turn: however many there are, every other
    /// datagram is for those who are in conversation.
    answers: VecDeque<(SocketAddr, u64, Body<'static>)>,
    strangers: bool,
    /// Sessions that ended, the oldest first.
    ended: VecDeque<(Instant, Key)>,
    ended_keys: HashSet<Key>,
    /// Datagrams that were cut, changed, or no question.
    damaged: u64,
    now: Option<Instant>,
}

impl Listener {
    /// A listener whose cookies are made with `secret`, which nobody else must know.
    pub fn new(settings: Settings, secret: [u8; 16], most: usize) -> Listener {
        Listener {
            settings,
            most,
            jar: Jar::new(secret),
            conversations: HashMap::new(),
            timers: BTreeSet::new(),
            ready: VecDeque::new(),
            news: VecDeque::new(),
            answers: VecDeque::new(),
            strangers: true,
            ended: VecDeque::new(),
            ended_keys: HashSet::new(),
            damaged: 0,
            now: None,
        }
    }

    /// Takes a datagram from a peer.
    pub fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        self.now = Some(now);
        let Some((session, body)) = decode(datagram) else {
            self.damaged += 1;
            return;
        };
        let key = Key { peer: from, session };
        if let Some(entry) = self.conversations.get_mut(&key) {
            entry.connection.receive(datagram, now);
            self.touch(key);
            return;
        }
        match body {
            Body::Open { cookie, window } => self.open(key, cookie, window, now),
            Body::Stream { .. } => self.answer(key, Body::Reset(Reason::Unknown)),
            // Never an answer to an answer: two listeners could keep each other busy.
            Body::Cookie(_) | Body::Reset(_) => self.damaged += 1,
        }
    }

    fn open(&mut self, key: Key, cookie: u64, window: u16, now: Instant) {
        if !self.jar.accepts(cookie, key.peer, key.session, now) {
            let cookie = self.jar.cookie(key.peer, key.session, now);
            return self.answer(key, Body::Cookie(cookie));
        }
        if self.has_ended(&key, now) {
            return self.answer(key, Body::Reset(Reason::Unknown));
        }
        if self.conversations.len() >= self.most {
            return self.answer(key, Body::Reset(Reason::Full));
        }
        let connection = Connection::accept(self.settings, key.session, window, now);
        self.conversations.insert(
            key,
            Entry {
                connection,
                timer: None,
                ready: false,
                news: false,
                told_opened: false,
                told_closed: false,
            },
        );
        self.touch(key);
    }

    fn answer(&mut self, key: Key, body: Body<'static>) {
        if self.answers.len() < MOST_ANSWERS {
            self.answers.push_back((key.peer, key.session, body));
        }
    }

    /// Notes that a conversation may have something to send and to tell.
    fn touch(&mut self, key: Key) {
        let Some(entry) = self.conversations.get_mut(&key) else { return };
        if !std::mem::replace(&mut entry.ready, true) {
            self.ready.push_back(key);
        }
        if !std::mem::replace(&mut entry.news, true) {
            self.news.push_back(key);
        }
    }

    /// Writes the next datagram that may leave now, and says to whom; call it until `None`.
    pub fn transmit(&mut self, datagram: &mut Vec<u8>, now: Instant) -> Option<SocketAddr> {
        self.now = Some(now);
        self.strangers = !self.strangers;
        if self.strangers {
            self.next_answer(datagram).or_else(|| self.next_of_conversations(datagram, now))
        } else {
            self.next_of_conversations(datagram, now).or_else(|| self.next_answer(datagram))
        }
    }

    fn next_answer(&mut self, datagram: &mut Vec<u8>) -> Option<SocketAddr> {
        let (peer, session, body) = self.answers.pop_front()?;
        encode(session, &body, datagram);
        Some(peer)
    }

    fn next_of_conversations(&mut self, datagram: &mut Vec<u8>, now: Instant) -> Option<SocketAddr> {
        while let Some(&(_, key)) = self.timers.first().filter(|(at, _)| *at <= now) {
            self.timers.pop_first();
            if let Some(entry) = self.conversations.get_mut(&key) {
                entry.timer = None;
            }
            self.touch(key);
        }
        while let Some(key) = self.ready.pop_front() {
            let Some(entry) = self.conversations.get_mut(&key) else { continue };
            if entry.connection.transmit(datagram, now) {
                // Others first, then it again.
                self.ready.push_back(key);
                return Some(key.peer);
            }
            entry.ready = false;
            let wake = entry.connection.wake();
            if entry.timer != wake {
                if let Some(old) = entry.timer.take() {
                    self.timers.remove(&(old, key));
                }
                if let Some(at) = wake {
                    self.timers.insert((at, key));
                }
                entry.timer = wake;
            }
            if entry.connection.state().is_over() && !std::mem::replace(&mut entry.news, true) {
                self.news.push_back(key);
            }
        }
        None
    }

    /// When `transmit` has to be asked again even though nothing was received or sent.
    pub fn wake(&self) -> Option<Instant> {
        if !self.ready.is_empty() || !self.answers.is_empty() {
            return self.now;
        }
        self.timers.first().map(|(at, _)| *at)
    }

    /// Whether `event` may have something to tell: `transmit` too can bring an event about, by a timer. Who
    /// handles all events at once looks here before it waits; who leaves some for later does not, or
    /// would never wait.
    pub fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// The next event, the conversations taking turns. Each `Message` frees a place in that peer's window, so
    /// call this only as often as messages can be handled; and `transmit` afterwards.
    pub fn event(&mut self) -> Option<(Key, Event)> {
        while let Some(&key) = self.news.front() {
            let event = self.conversations.get_mut(&key).and_then(Entry::event);
            self.news.pop_front();
            match event {
                None => {
                    if let Some(entry) = self.conversations.get_mut(&key) {
                        entry.news = false;
                    }
                }
                Some(event) => {
                    if matches!(event, Event::Ended | Event::Failed(_)) {
                        self.forget(key);
                    } else {
                        self.news.push_back(key);
                        self.touch(key);
                    }
                    return Some((key, event));
                }
            }
        }
        None
    }

    /// Drops a conversation at once, without a word and without an event: for a peer that does not close.
    /// It is told that it is unknown when it speaks again.
    pub fn abandon(&mut self, key: &Key) {
        self.forget(*key);
    }

    /// Drops a conversation, but remembers that it was.
    fn forget(&mut self, key: Key) {
        let Some(entry) = self.conversations.remove(&key) else { return };
        if let Some(at) = entry.timer {
            self.timers.remove(&(at, key));
        }
        let Some(now) = self.now else { return };
        if self.ended.len() >= MOST_ENDED {
            self.forget_oldest();
        }
        self.ended.push_back((now, key));
        self.ended_keys.insert(key);
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.ended.pop_front() {
            self.ended_keys.remove(&key);
        }
    }

    /// Whether a session ended so lately that its handshake could come again.
    fn has_ended(&mut self, key: &Key, now: Instant) -> bool {
        while self.ended.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > LIFE) {
            self.forget_oldest();
        }
        self.ended_keys.contains(key)
    }

    /// One conversation, to send on it or close it. Call `transmit` afterwards.
    pub fn connection(&mut self, key: &Key) -> Option<&mut Connection> {
        self.touch(*key);
        self.conversations.get_mut(key).map(|entry| &mut entry.connection)
    }

    /// The conversations there are, in no order.
    pub fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.conversations.keys().copied()
    }

    /// How many conversations there are, ended ones that linger included.
    pub fn len(&self) -> usize {
        self.conversations.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.conversations.is_empty()
    }

    /// How many datagrams fitted no conversation and were no question either.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }
}

impl Entry {
    /// What is to be told next.
    fn event(&mut self) -> Option<Event> {
        if !std::mem::replace(&mut self.told_opened, true) {
            return Some(Event::Opened);
        }
        if let Some(message) = self.connection.take() {
            return Some(Event::Message(message));
        }
        if self.connection.peer_closed() && !std::mem::replace(&mut self.told_closed, true) {
            return Some(Event::Closed);
        }
        match self.connection.state() {
            State::Ended => Some(Event::Ended),
            State::Failed(failure) => Some(Event::Failed(failure)),
            _ => None,
        }
    }
}
