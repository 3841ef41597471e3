//! Reliable UDP and floods: more strangers than can be answered, more conversations than there are places. Packets are
//! made by hand; `docs/reliable-udp.md` is the specification.

#[path = "common/network.rs"]
mod network;

use std::net::SocketAddr;
use std::time::Instant;

use network::{ms, packet};
use socklab::reliable::packet::{decode, Body, Reason};
use socklab::reliable::{Event, Failure, Key, Listener, Settings};

const SESSION: u64 = 0x0123_4567_89ab_cdef;

/// A listener, whose peers are this test.
struct Port {
    listener: Listener,
    now: Instant,
}

impl Port {
    fn new(most: usize) -> Port {
        Port { listener: Listener::new(Settings::default(), [9; 16], most), now: Instant::now() }
    }

    /// Gives it a datagram and returns what it sends then.
    fn ask(&mut self, from: SocketAddr, datagram: &[u8]) -> Vec<(SocketAddr, Vec<u8>)> {
        self.listener.receive(from, datagram, self.now);
        self.sent()
    }

    fn sent(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let (mut all, mut datagram) = (Vec::new(), Vec::new());
        while let Some(to) = self.listener.transmit(&mut datagram, self.now) {
            all.push((to, datagram.clone()));
            assert!(all.len() < 10_000, "no end of sending");
        }
        all
    }

    fn cookie(&mut self, from: SocketAddr, session: u64) -> u64 {
        let answers = self.ask(from, &open(session, 0));
        let [(to, answer)] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!(*to, from);
        let Some((_, Body::Cookie(cookie))) = decode(answer) else { panic!("{answer:?}") };
        cookie
    }

    /// The only answer to a datagram.
    fn answer(&mut self, from: SocketAddr, datagram: &[u8]) -> Vec<u8> {
        let mut answers = self.ask(from, datagram);
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.remove(0).1
    }
}

fn open(session: u64, cookie: u64) -> Vec<u8> {
    packet(session, &Body::Open { cookie, window: 100 })
}
fn address(number: u16) -> SocketAddr {
    ([192, 0, 2, 1], 1024 + number).into()
}

/// While strangers ask more than can be answered, those who are in conversation are still sent to.
#[test]
fn a_flood_of_strangers_does_not_silence_a_conversation() {
    let mut port = Port::new(10);
    let peer = address(1);
    let cookie = port.cookie(peer, SESSION);
    port.ask(peer, &open(SESSION, cookie));
    let key = Key { peer, session: SESSION };
    for _ in 0..50 {
        port.listener.connection(&key).unwrap().send(b"word").unwrap();
    }
    let (mut datagram, mut ours) = (Vec::new(), 0);
    for turn in 0..10 {
        // A turn of the driver: so many in, so many out.
        for stranger in 0..64 {
            port.listener.receive(address(100 + stranger), &open(turn, 0), port.now);
        }
        for _ in 0..64 {
            let to = port.listener.transmit(&mut datagram, port.now);
            ours += usize::from(to == Some(peer));
        }
    }
    assert!(ours >= 10, "{ours} datagrams to the peer in ten turns");
}

/// Conversations that are opened properly and then say nothing take all places, but not for ever.
#[test]
fn a_flood_of_conversations_ends_at_the_cap_and_passes() {
    let mut port = Port::new(50);
    for number in 0..60 {
        let (peer, session) = (address(number), SESSION + u64::from(number));
        let cookie = port.cookie(peer, session);
        let answer = port.answer(peer, &open(session, cookie));
        let full = decode(&answer) == Some((session, Body::Reset(Reason::Full)));
        assert_eq!(full, number >= 50, "number {number}");
    }
    assert_eq!(port.listener.len(), 50);
    let end = port.now + Settings::default().give_up + ms(100);
    while let Some(wake) = port.listener.wake().filter(|wake| *wake < end) {
        port.now = port.now.max(wake);
        port.sent();
        while let Some((_, event)) = port.listener.event() {
            assert!(matches!(event, Event::Opened | Event::Failed(Failure::Silent)), "{event:?}");
        }
    }
    assert_eq!(port.listener.len(), 0, "all given up");
}
