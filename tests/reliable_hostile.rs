//! Reliable UDP and peers who hold a conversation by the letter of `docs/reliable-udp.md` but lie in it, and whoever
//! plays back what was said. Packets are made by hand; no sockets.

#[path = "common/network.rs"]
mod network;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use network::{client_address, ms, packet, Nature, Network};
use socklab::kit::random::Random;
use socklab::kit::wire::crc32;
use socklab::reliable::packet::{decode, Ack, Body, Content};
use socklab::reliable::seq::Seq;
use socklab::reliable::{Connection, Control, Event, Failure, Key, Settings, State};

const SESSION: u64 = 0x0123_4567_89ab_cdef;
/// The first numbers of both directions: the halves of the session (docs/reliable-udp.md, handshake).
const OPENERS: Seq = Seq(0x89ab_cdef);
const LISTENERS: Seq = Seq(0x0123_4567);

fn content(number: Seq, content: Content) -> Vec<u8> {
    packet(SESSION, &Body::Stream { ack: None, content: Some((number, content)) })
}

fn ack(next: Seq, latest: Seq, arrived: u64, window: u16) -> Vec<u8> {
    packet(
        SESSION,
        &Body::Stream { ack: Some(Ack { next, latest, arrived, window, delay: 0 }), content: None },
    )
}

/// An end that opens, whose peer is this test, and the time of both.
struct Victim {
    connection: Connection,
    now: Instant,
    settings: Settings,
}

impl Victim {
    /// With a conversation that is open, the test having room for `window` messages.
    fn new(settings: Settings, window: u16) -> Victim {
        let now = Instant::now();
        let mut victim = Victim { connection: Connection::connect(settings, SESSION, now), now, settings };
        assert_eq!(victim.sent().len(), 1, "OPEN");
        victim.receive(&ack(OPENERS, OPENERS.before(), 0, window));
        assert_eq!(victim.connection.state(), State::Open);
        victim
    }

    fn receive(&mut self, datagram: &[u8]) {
        self.connection.receive(datagram, self.now);
    }

    /// What it sends now.
    fn sent(&mut self) -> Vec<Vec<u8>> {
        let (mut datagrams, mut datagram) = (Vec::new(), Vec::new());
        while self.connection.transmit(&mut datagram, self.now) {
            datagrams.push(datagram.clone());
            assert!(datagrams.len() < 10_000, "no end of sending");
        }
        datagrams
    }

    /// The same, and then sleeps until it wants to be woken, at most for `most`.
    fn sent_in(&mut self, most: Duration) -> Vec<Vec<u8>> {
        let (end, mut datagrams) = (self.now + most, self.sent());
        while let Some(wake) = self.connection.wake().filter(|wake| *wake <= end) {
            self.now = self.now.max(wake);
            datagrams.extend(self.sent());
        }
        self.now = end;
        datagrams
    }

    fn within_bounds(&self) {
        let counts = self.connection.counts();
        let buffer = self.settings.buffer;
        assert!(counts.waiting_in <= buffer && counts.waiting_out <= buffer + 1, "{counts:?}");
        // What is under way, what an acknowledgement can still name, and the probes of `give_up`.
        assert!(counts.tracked <= buffer + 64 + 100, "{counts:?}");
    }
}

fn numbers(datagrams: &[Vec<u8>]) -> Vec<Seq> {
    let number = |datagram: &Vec<u8>| match decode(datagram) {
        Some((SESSION, Body::Stream { content: Some((number, _)), .. })) => Some(number),
        _ => None,
    };
    datagrams.iter().filter_map(number).collect()
}

fn address(number: u16) -> SocketAddr {
    ([192, 0, 2, 1], 1024 + number).into()
}

/// Random numbers near those that matter, and far from them.
fn near(random: &mut Random, number: Seq) -> Seq {
    match random.below(8) {
        0 => Seq(random.bits() as u32),
        1 => number.plus((1 << 31) - random.below(3) as usize),
        2 => Seq(number.0.wrapping_sub(random.below(100) as u32)),
        _ => number.plus(random.below(40) as usize),
    }
}

/// Any packet that a peer could send whose messages say their own number.
fn any_packet(random: &mut Random, first: Seq, next: Seq, latest: Seq) -> Vec<u8> {
    let window = [0, 1, 50, 32_768, u16::MAX][random.below(5) as usize];
    let arrived = random.bits() & if random.chance(50.0) { u64::MAX } else { random.bits() };
    let (next_wanted, latest, delay) = (near(random, first), near(random, latest), random.bits() as u16);
    let ack = Ack { next: next_wanted, latest, arrived, window, delay };
    let ack = random.chance(60.0).then_some(ack);
    let sequence = near(random, next);
    let text = sequence.0.to_be_bytes();
    let content = match random.below(300) {
        0 => Content::End(sequence),
        1..20 => Content::Ping,
        _ => Content::Message(sequence, &text),
    };
    let content = (ack.is_none() || random.chance(80.0)).then_some((near(random, next), content));
    packet(SESSION, &Body::Stream { ack, content })
}

/// 100,000 packets of a peer that says whatever comes to its mind, correct in form: nothing panics, no number
/// overflows, memory stays bounded, and what comes out is in order and once each. Acknowledgements may
/// be lies, messages may not contradict each other.
#[test]
fn a_hundred_thousand_lies() {
    let (mut taken_in_all, mut acknowledged, mut ended) = (0, 0, 0);
    for seed in 0..100 {
        let mut random = Random::new(Some(seed));
        let control = [Control::Rate, Control::Classic, Control::Fixed(20)][seed as usize % 3];
        let settings = Settings { control, buffer: 1 + random.below(60) as usize, ..Settings::default() };
        let mut victim = Victim::new(settings, 10);
        let (mut taken, mut last_sent) = (0, OPENERS);
        for _ in 0..1_000 {
            let next = LISTENERS.plus(taken);
            let mut datagram = any_packet(&mut random, OPENERS, next, last_sent);
            if random.chance(10.0) {
                // Any bytes at all, with a correct checksum.
                let at = random.below(datagram.len() as u64 - 4) as usize;
                datagram[at] = random.bits() as u8;
                let end = datagram.len() - 4;
                let crc = crc32(&datagram[..end]);
                datagram[end..].copy_from_slice(&crc.to_be_bytes());
                // Not the messages' text: who may change that in a sealed packet may write it, too.
                if matches!(decode(&datagram), Some((_, Body::Stream { content: Some(_), .. }))) {
                    continue;
                }
            }
            victim.receive(&datagram);
            if random.chance(50.0) {
                let _ = victim.connection.send(b"something to acknowledge");
            }
            if random.chance(0.2) {
                victim.connection.close();
            }
            let most = ms(random.below(30));
            let datagrams = victim.sent_in(most);
            last_sent = numbers(&datagrams).last().copied().unwrap_or(last_sent);
            while let Some(message) = victim.connection.take() {
                assert_eq!(message, LISTENERS.plus(taken).0.to_be_bytes(), "seed {seed}: message {taken}");
                taken += 1;
            }
            victim.within_bounds();
        }
        taken_in_all += taken;
        acknowledged += victim.connection.counts().messages_out;
        ended += usize::from(victim.connection.peer_closed());
    }
    // It would be no test if the first lie ended each conversation.
    assert!(taken_in_all > 2_000 && acknowledged > 500 && ended > 0, "{taken_in_all} {acknowledged} {ended}");
}

/// As `Network::exchange`, and keeps what either end sends.
fn exchange(network: &mut Network, up: &mut Vec<Vec<u8>>, down: &mut Vec<Vec<u8>>) {
    let (now, mut datagram) = (network.now, Vec::new());
    while let Some(datagram) = network.up.receive(now) {
        network.listener.receive(client_address(), &datagram, now);
    }
    while let Some(datagram) = network.down.receive(now) {
        network.client.receive(&datagram, now);
    }
    while network.client.transmit(&mut datagram, now) {
        network.up.send_datagram(&datagram, now);
        up.push(datagram.clone());
    }
    while let Some(peer) = network.listener.transmit(&mut datagram, now) {
        if peer == client_address() {
            network.down.send_datagram(&datagram, now);
            // A refusal ends what it is about: who could play one back could write one.
            if !matches!(decode(&datagram), Some((_, Body::Reset(_)))) {
                down.push(datagram.clone());
            }
        }
    }
}

/// Between two honest ends over a bad network: packets of other sessions from their own addresses, their own
/// packets from other addresses, and any packet of theirs again, however old. Still exactly once, in order.
#[test]
fn strangers_and_old_packets_change_nothing() {
    let bad = Nature { delay: ms(10), loss: 10.0, reorder: 20.0, held: ms(30), ..Nature::default() };
    for seed in 0..20 {
        let mut random = Random::new(Some(seed));
        let settings = Settings { buffer: 20, linger: Duration::from_secs(5), ..Settings::default() };
        let mut network = Network::new(settings, SESSION, bad, bad, seed);
        let (mut up, mut down) = (Vec::new(), Vec::new());
        let (mut given, mut there, mut back, mut over) = (0u32, 0u32, 0u32, None);
        while over.is_none() || !network.client.state().is_over() {
            assert!(
                network.elapsed() < Duration::from_secs(600),
                "seed {seed}: {:?}",
                network.client.counts()
            );
            while given < 500 && network.client.send(&given.to_be_bytes()).is_ok() {
                given += 1;
            }
            if given == 500 {
                network.client.close();
            }
            while let Some((key, event)) = network.listener.event() {
                assert_eq!(key, Key { peer: client_address(), session: SESSION }, "seed {seed}");
                let connection = network.listener.connection(&key);
                match (event, connection) {
                    (Event::Message(message), Some(connection)) => {
                        assert_eq!(message, there.to_be_bytes(), "seed {seed}");
                        there += 1;
                        let _ = connection.send(&message);
                    }
                    (Event::Closed, Some(connection)) => connection.close(),
                    (Event::Opened, _) => assert_eq!(there, 0, "seed {seed}: opened twice"),
                    (event, _) => over = Some(event),
                }
            }
            while let Some(message) = network.client.take() {
                // What had no room to be sent back is missing, but nothing is out of order.
                let number = u32::from_be_bytes(message.try_into().unwrap());
                assert!(number >= back, "seed {seed}");
                back = number + 1;
            }
            for _ in 0..random.below(3) {
                let now = network.now;
                // Never any is like one that is cut.
                let old = |random: &mut Random, kept: &[Vec<u8>]| {
                    kept.get(random.below(1 + kept.len() as u64) as usize).cloned().unwrap_or_default()
                };
                let forged = any_packet(&mut random, OPENERS, LISTENERS, OPENERS);
                let Some((_, body)) = decode(&forged) else { panic!("{forged:?}") };
                let forged = packet(SESSION ^ 1 << random.below(64), &body);
                network.listener.receive(client_address(), &forged, now);
                network.client.receive(&forged, now);
                network.listener.receive(address(7), &old(&mut random, &up), now);
                network.listener.receive(client_address(), &old(&mut random, &up), now);
                network.client.receive(&old(&mut random, &down), now);
                // Reflected: their own packets back to them.
                network.listener.receive(client_address(), &old(&mut random, &down), now);
                network.client.receive(&old(&mut random, &up), now);
            }
            exchange(&mut network, &mut up, &mut down);
            let before = network.now;
            network.advance(None);
            network.now = network.now.max(before + ms(1));
        }
        assert_eq!((there, over), (500, Some(Event::Ended)), "seed {seed}");
        assert_eq!(network.client.state(), State::Ended, "seed {seed}");
    }
}

/// "Optimistic" acknowledgements: of packets and messages that have not been sent yet.
#[test]
fn what_was_never_sent_cannot_be_acknowledged() {
    let mut victim = Victim::new(Settings::default(), 100);
    for _ in 0..5 {
        victim.connection.send(b"word").unwrap();
    }
    let sent = victim.sent();
    assert_eq!(numbers(&sent), (0..5).map(|number| OPENERS.plus(number)).collect::<Vec<_>>());
    let before = victim.connection.counts();
    for (next, latest) in [(6, 4), (0, 5), (5, 5), (6, 5), (0, 1 << 30), (1 << 30, 4), ((1 << 31) - 1, 4)] {
        victim.receive(&ack(OPENERS.plus(next), OPENERS.plus(latest), u64::MAX, 100));
        let after = victim.connection.counts();
        assert_eq!((after.messages_out, after.waiting_out, after.rtt), (0, 5, before.rtt), "{next} {latest}");
    }
    victim.receive(&ack(OPENERS.plus(5), OPENERS.plus(4), 0b1_1111, 100));
    assert_eq!(victim.connection.counts().messages_out, 5);
}

/// A window of zero is asked about, not obeyed for ever; one of 65,535 is used as far as our buffer goes.
#[test]
fn windows_of_nothing_and_of_everything() {
    let mut victim = Victim::new(Settings::default(), 0);
    victim.connection.send(b"word").unwrap();
    let asked = victim.sent_in(Duration::from_secs(5));
    assert!((2..30).contains(&asked.len()), "{}", asked.len());
    for question in &asked {
        let question = decode(question);
        assert!(
            matches!(question, Some((_, Body::Stream { content: Some((_, Content::Ping)), .. }))),
            "{question:?}"
        );
    }
    let settings = Settings { control: Control::Fixed(100_000), buffer: 300, ..Settings::default() };
    let mut victim = Victim::new(settings, u16::MAX);
    while victim.connection.send(b"word").is_ok() {}
    assert_eq!(victim.sent().len(), 300);
    victim.within_bounds();
}

/// Somebody who talks all the time but never says that anything has arrived is not there for us either.
#[test]
fn who_talks_but_acknowledges_nothing_is_given_up() {
    for latest in [None, Some(OPENERS.before())] {
        let mut victim = Victim::new(Settings::default(), 100);
        victim.connection.send(b"word").unwrap();
        let began = victim.now;
        let mut number = 0;
        while !victim.connection.state().is_over() {
            assert!(victim.now < began + Duration::from_secs(60), "{:?}", victim.connection.counts());
            victim.sent_in(ms(500));
            victim.receive(&content(LISTENERS.plus(number), Content::Ping));
            if let Some(latest) = latest {
                victim.receive(&ack(OPENERS, latest, 0, 100));
            }
            number += 1;
            victim.within_bounds();
        }
        assert_eq!(victim.connection.state(), State::Failed(Failure::Silent));
        let took = victim.now - began;
        assert!(took >= victim.settings.give_up && took < Duration::from_secs(12), "{took:?}");
    }
}

/// An acknowledgement of long ago that arrives only now, asked for by a probe: it says that the packet has arrived, and
/// nothing about the round trip. Taken for one, it would put off the next probe until the peer is given up.
#[test]
fn a_late_answer_is_no_round_trip() {
    let mut victim = Victim::new(Settings::default(), 100);
    let word = |victim: &mut Victim, later: u64, delay: u16| {
        victim.connection.send(b"word").unwrap();
        let latest = *numbers(&victim.sent()).last().unwrap();
        victim.sent_in(ms(later));
        let next = OPENERS.plus(1 + victim.connection.counts().messages_out as usize);
        let body = Ack { next, latest, arrived: 1, window: 100, delay };
        victim.receive(&packet(SESSION, &Body::Stream { ack: Some(body), content: None }));
        victim.connection.counts().rtt
    };
    let before = word(&mut victim, 45, 5_000);
    assert_eq!(word(&mut victim, 4_000, u16::MAX), before);
    assert_eq!(word(&mut victim, 104, 64_000), (7 * before + ms(40)) / 8, "though it has waited for 64 ms");
}

/// An end before messages that have come already, and a second one elsewhere: the first that can be
/// true counts, and nothing comes out behind it.
#[test]
fn ends_that_contradict_what_was_said() {
    let mut victim = Victim::new(Settings::default(), 100);
    for place in [1, 2, 3] {
        let text = [place as u8];
        victim.receive(&content(LISTENERS.plus(place), Content::Message(LISTENERS.plus(place), &text)));
    }
    victim.receive(&content(LISTENERS.plus(4), Content::End(LISTENERS.plus(2))));
    victim.receive(&content(LISTENERS.plus(5), Content::End(LISTENERS.plus(5))));
    victim.receive(&content(LISTENERS.plus(6), Content::End(LISTENERS.plus(4))));
    for place in [0, 4, 5] {
        let text = [place as u8];
        victim.receive(&content(LISTENERS.plus(10 + place), Content::Message(LISTENERS.plus(place), &text)));
    }
    let taken: Vec<u8> = std::iter::from_fn(|| victim.connection.take()).map(|message| message[0]).collect();
    assert_eq!(taken, [0, 1, 2, 3, 4], "up to the first end that was possible");
    assert!(victim.connection.peer_closed());
}

/// What lies outside the window, by a little and by half the number space, is dropped and takes no memory.
#[test]
fn numbers_far_outside_the_window() {
    let settings = Settings { buffer: 8, ..Settings::default() };
    let mut victim = Victim::new(settings, 100);
    let far = [8, 9, 100, 65_536, 1 << 30, (1 << 31) - 1, 1 << 31, u32::MAX as usize];
    for (number, place) in far.into_iter().enumerate() {
        let text = Content::Message(LISTENERS.plus(place), b"far");
        victim.receive(&content(LISTENERS.plus(number), text));
        assert_eq!(victim.connection.counts().waiting_in, 0, "{place}");
    }
    // A packet's number may jump, but not where no peer could have come.
    let table = [(1_000, 1_000), (1 << 20, 1_000), (1 << 31, 1_000), (50_000, 50_000), (5, 50_000)];
    for (place, (jump, latest)) in table.into_iter().enumerate() {
        let text = Content::Message(LISTENERS.plus(place), b"near");
        victim.receive(&content(LISTENERS.plus(jump), text));
        victim.connection.take();
        victim.receive(&content(LISTENERS.plus(latest), Content::Ping));
        let answers = victim.sent();
        let Some((_, Body::Stream { ack: Some(ack), .. })) = answers.last().and_then(|last| decode(last))
        else {
            panic!("{answers:?}")
        };
        assert_eq!(ack.latest, LISTENERS.plus(latest), "{jump}");
    }
}
