//! A network under a virtual clock: links with rate, delay and queue, hostile as much as a test wants, and
//! two ends of the reliable protocol on it. All chance comes from a seed.

#![allow(dead_code)]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socklab::kit::random::Random;
use socklab::reliable::packet::{encode, Body};
use socklab::reliable::{Connection, Event, Key, Listener, Settings, State};

/// What one direction of a link does to datagrams. Chances are in percent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nature {
    /// Bytes a second; 0: as fast as they come.
    pub rate: f64,
    pub delay: Duration,
    /// Packets that wait for a link with a rate; more are dropped.
    pub queue: usize,
    pub loss: f64,
    pub duplicate: f64,
    pub corrupt: f64,
    pub truncate: f64,
    /// How many are held up, and by how much at most.
    pub reorder: f64,
    pub held: Duration,
    /// From time to time nothing passes: how often, and for how long.
    pub pause_every: Duration,
    pub pause: Duration,
}

/// One direction. `T` is what travels.
#[derive(Debug)]
pub struct Link<T> {
    pub nature: Nature,
    random: Random,
    start: Instant,
    free: Instant,
    leaving: VecDeque<Instant>,
    arriving: BinaryHeap<Reverse<(Instant, u64, Item<T>)>>,
    sent: u64,
    /// Packets and bytes given to it, and packets dropped because its queue was full.
    pub packets: u64,
    pub bytes: u64,
    pub dropped: u64,
}

/// Ordered by nothing: the time and the running number before it decide.
#[derive(Debug)]
struct Item<T>(T);

impl<T> PartialEq for Item<T> {
    fn eq(&self, _: &Item<T>) -> bool {
        true
    }
}
impl<T> Eq for Item<T> {}
impl<T> PartialOrd for Item<T> {
    fn partial_cmp(&self, other: &Item<T>) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Item<T> {
    fn cmp(&self, _: &Item<T>) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl<T> Link<T> {
    pub fn new(nature: Nature, seed: u64, start: Instant) -> Link<T> {
        Link {
            nature,
            random: Random::new(Some(seed)),
            start,
            free: start,
            leaving: VecDeque::new(),
            arriving: BinaryHeap::new(),
            sent: 0,
            packets: 0,
            bytes: 0,
            dropped: 0,
        }
    }

    /// Gives it something of `size` bytes.
    pub fn send(&mut self, item: T, size: usize, now: Instant) {
        self.packets += 1;
        self.bytes += size as u64;
        while self.leaving.front().is_some_and(|at| *at <= now) {
            self.leaving.pop_front();
        }
        let mut leaves = now;
        if self.nature.rate > 0.0 {
            if self.leaving.len() >= self.nature.queue {
                self.dropped += 1;
                return;
            }
            leaves = self.free.max(now) + Duration::from_secs_f64(size as f64 / self.nature.rate);
            self.free = leaves;
            self.leaving.push_back(leaves);
        }
        // Loss by chance is on the cable: what is lost has used the link.
        if self.random.chance(self.nature.loss) || self.is_paused(leaves) {
            return;
        }
        let mut arrives = leaves + self.nature.delay;
        if self.random.chance(self.nature.reorder) {
            arrives += self.nature.held.mul_f64(self.random.fraction());
        }
        self.sent += 1;
        self.arriving.push(Reverse((arrives, self.sent, Item(item))));
    }

    fn is_paused(&self, at: Instant) -> bool {
        let every = self.nature.pause_every.as_nanos();
        every > 0 && at.duration_since(self.start).as_nanos() % every < self.nature.pause.as_nanos()
    }

    /// When the next one arrives.
    pub fn due(&self) -> Option<Instant> {
        self.arriving.peek().map(|Reverse((at, _, _))| *at)
    }

    /// What has arrived.
    pub fn receive(&mut self, now: Instant) -> Option<T> {
        if self.due()? > now {
            return None;
        }
        self.arriving.pop().map(|Reverse((_, _, Item(item)))| item)
    }
}

impl Link<Vec<u8>> {
    /// Gives it a datagram, which it may change, cut or double.
    pub fn send_datagram(&mut self, datagram: &[u8], now: Instant) {
        let mut copies = vec![datagram.to_vec()];
        if self.random.chance(self.nature.duplicate) {
            copies.push(datagram.to_vec());
        }
        for mut copy in copies {
            if self.random.chance(self.nature.corrupt) && !copy.is_empty() {
                for _ in 0..=self.random.below(8) {
                    let bit = self.random.below(copy.len() as u64 * 8) as usize;
                    copy[bit / 8] ^= 1 << (bit % 8);
                }
            }
            if self.random.chance(self.nature.truncate) {
                copy.truncate(self.random.below(copy.len() as u64 + 1) as usize);
            }
            let size = wire_size(copy.len());
            self.send(copy, size, now);
        }
    }
}

/// How long the messages are that stand for messages of 1,400 bytes where only time matters: a checksum over
/// all of them is most of what a debug build does.
pub const STAND_IN: usize = 40;

/// A datagram's bytes on the wire, with UDP, IPv4 and Ethernet; one with a message of `STAND_IN` bytes or
/// more counts as if it had 1,400.
pub fn wire_size(datagram: usize) -> usize {
    let counted =
        if (24 + STAND_IN..1_400).contains(&datagram) { datagram + 1_400 - STAND_IN } else { datagram };
    counted + 8 + 20 + 14
}

/// An end that opens, a listener, and a link for each direction.
pub struct Network {
    pub start: Instant,
    pub now: Instant,
    pub client: Connection,
    pub listener: Listener,
    pub up: Link<Vec<u8>>,
    pub down: Link<Vec<u8>>,
    datagram: Vec<u8>,
}

/// Where the client is.
pub fn client_address() -> SocketAddr {
    "192.0.2.1:40000".parse().unwrap()
}

impl Network {
    pub fn new(settings: Settings, session: u64, up: Nature, down: Nature, seed: u64) -> Network {
        let start = Instant::now();
        Network {
            start,
            now: start,
            client: Connection::connect(settings, session, start),
            listener: Listener::new(settings, *b"a secret of ours", 4),
            up: Link::new(up, seed, start),
            down: Link::new(down, !seed, start),
            datagram: Vec::new(),
        }
    }

    /// Delivers what has arrived and sends what may leave. What the applications do comes before this.
    pub fn exchange(&mut self) {
        let now = self.now;
        while let Some(datagram) = self.up.receive(now) {
            self.listener.receive(client_address(), &datagram, now);
        }
        while let Some(datagram) = self.down.receive(now) {
            self.client.receive(&datagram, now);
        }
        while self.client.transmit(&mut self.datagram, now) {
            self.up.send_datagram(&self.datagram, now);
        }
        while let Some(peer) = self.listener.transmit(&mut self.datagram, now) {
            if peer == client_address() {
                self.down.send_datagram(&self.datagram, now);
            }
        }
    }

    /// When something happens next by itself.
    pub fn next(&self) -> Option<Instant> {
        [self.up.due(), self.down.due(), self.client.wake(), self.listener.wake()].into_iter().flatten().min()
    }

    /// Goes on to then, or at least a microsecond, so that no two ends can keep time from passing.
    pub fn advance(&mut self, until: Option<Instant>) {
        let next = self.next().into_iter().chain(until).min();
        let least = self.now + Duration::from_micros(1);
        self.now = next.map_or(least, |next| next.max(least));
    }

    /// How long it has been going on.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }
}

/// Its halves are the first numbers of both directions, one of which wraps around soon.
pub const SESSION: u64 = 0x0000_0007_ffff_fffe;

pub const fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// 20 ms each way, and nothing goes wrong unless a test makes it.
pub fn quiet_network(settings: Settings) -> Network {
    let quiet = Nature { delay: ms(20), ..Nature::default() };
    Network::new(settings, SESSION, quiet, quiet, 1)
}

/// The conversation of such a network.
pub fn key() -> Key {
    Key { peer: client_address(), session: SESSION }
}

/// Lets time pass until something is true; returns all events until then.
pub fn run(network: &mut Network, what: &str, mut until: impl FnMut(&mut Network) -> bool) -> Vec<Event> {
    let mut events = Vec::new();
    for _ in 0..1_000_000 {
        network.exchange();
        while let Some((_, event)) = network.listener.event() {
            events.push(event);
        }
        if until(network) {
            return events;
        }
        network.advance(None);
    }
    panic!("{what} did not come about: {:?}, {:?}", network.client.state(), network.client.counts());
}

/// The handshake.
pub fn open(network: &mut Network) {
    let events = run(network, "opening", |network| network.client.state() == State::Open);
    assert_eq!(events, [Event::Opened]);
}

/// A packet's bytes.
pub fn packet(session: u64, body: &Body) -> Vec<u8> {
    let mut datagram = Vec::new();
    encode(session, body, &mut datagram);
    datagram
}
