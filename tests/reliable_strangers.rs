//! Reliable UDP and strangers: floods, forgeries, replays, peers that were restarted, peers that make no sense. Under
//! a virtual clock; `docs/reliable-udp.md` is the specification.

#[path = "common/network.rs"]
mod network;

use std::time::{Duration, Instant};

use network::{client_address, ms, open, packet, quiet_network, run, SESSION};
use socklab::kit::random::Random;
use socklab::reliable::packet::{decode, Ack, Body, Content, Reason};
use socklab::reliable::seq::Seq;
use socklab::reliable::{ours, Connection, Event, Failure, Listener, Settings, State};

/// Everything that the listener wants to send.
fn answers(listener: &mut Listener, now: Instant) -> Vec<Vec<u8>> {
    let mut datagram = Vec::new();
    let mut all = Vec::new();
    while listener.transmit(&mut datagram, now).is_some() {
        all.push(datagram.clone());
    }
    all
}

#[test]
fn the_handshake_takes_two_round_trips_and_keeps_nothing_before_the_cookie_returns() {
    let mut network = quiet_network(Settings::default());
    run(&mut network, "the cookie", |network| network.down.due().is_some());
    assert!(network.listener.is_empty());
    open(&mut network);
    assert_eq!(network.elapsed().as_millis(), 80);
    let counts = network.client.counts();
    assert_eq!((counts.datagrams_out, counts.datagrams_in, counts.bytes_out), (2, 2, 2 * 28));
}

#[test]
fn no_stranger_is_answered_with_more_than_he_sent_and_a_flood_leaves_nothing_behind() {
    let now = Instant::now();
    let mut listener = Listener::new(Settings::default(), [1; 16], 10);
    let ack = Ack { next: Seq(0), latest: Seq(0), arrived: 0, window: 0, delay: 0 };
    let content = Some((Seq(1), Content::Ping));
    for (body, answered) in [
        (Body::Open { cookie: 0, window: 9 }, true),
        (Body::Open { cookie: 77, window: 9 }, true),
        (Body::Stream { ack: None, content }, true),
        (Body::Stream { ack: Some(ack), content: None }, true),
        (Body::Cookie(5), false),
        (Body::Reset(Reason::Unknown), false),
    ] {
        let question = packet(5, &body);
        listener.receive(client_address(), &question, now);
        let answers = answers(&mut listener, now);
        assert_eq!(answers.len(), usize::from(answered), "{body:?}");
        assert!(answers.iter().all(|answer| answer.len() <= question.len() && ours(answer)), "{body:?}");
    }
    for session in 0..10_000 {
        listener.receive(client_address(), &packet(session, &Body::Open { cookie: 0, window: 9 }), now);
    }
    assert!(listener.is_empty() && listener.event().is_none());
    assert!(answers(&mut listener, now).len() <= 256);
}

#[test]
fn a_full_listener_says_so() {
    let mut network = quiet_network(Settings::default());
    network.listener = Listener::new(Settings::default(), [2; 16], 0);
    run(&mut network, "the refusal", |network| network.client.state() == State::Failed(Failure::Full));
    assert_eq!(network.elapsed().as_millis(), 80);
}

#[test]
fn packets_of_another_session_change_nothing() {
    let mut network = quiet_network(Settings::default());
    open(&mut network);
    let ack = Ack { next: Seq(0x50), latest: Seq(0x50), arrived: !0, window: 500, delay: 0 };
    for session in [SESSION ^ 1, SESSION.swap_bytes(), 0] {
        for body in [
            Body::Reset(Reason::Unknown),
            Body::Cookie(1),
            Body::Stream { ack: Some(ack), content: Some((Seq(8), Content::Message(Seq(7), b"forged"))) },
            Body::Stream { ack: None, content: Some((Seq(7), Content::End(Seq(7)))) },
        ] {
            network.client.receive(&packet(session, &body), network.now);
            network.listener.receive(client_address(), &packet(session, &body), network.now);
        }
    }
    assert_eq!(network.client.counts().foreign, 12);
    network.client.receive(b"noise", network.now);
    assert_eq!(network.client.counts().damaged, 1);
    // The same session from elsewhere is another conversation.
    let elsewhere = "198.51.100.7:40000".parse().unwrap();
    network.listener.receive(elsewhere, &packet(SESSION, &Body::Reset(Reason::Unknown)), network.now);
    network.client.send(b"genuine").unwrap();
    let events = run(&mut network, "delivery", |network| network.client.counts().messages_out == 1);
    assert_eq!(events, [Event::Message(b"genuine".to_vec())]);
    assert_eq!((network.listener.len(), network.client.take()), (1, None));
}

#[test]
fn a_recorded_conversation_played_again_does_nothing() {
    let mut network = quiet_network(Settings::default());
    let mut recorded = Vec::new();
    let mut datagram = Vec::new();
    let mut events = Vec::new();
    for message in [&b"one"[..], b"two"] {
        network.client.send(message).unwrap();
    }
    network.client.close();
    while !network.client.state().is_delivered() {
        let now = network.now;
        while network.client.transmit(&mut datagram, now) {
            recorded.push(datagram.clone());
            network.listener.receive(client_address(), &datagram, now);
        }
        while let Some((key, event)) = network.listener.event() {
            if event == Event::Closed {
                network.listener.connection(&key).unwrap().close();
            }
            events.push(event);
        }
        while network.listener.transmit(&mut datagram, now).is_some() {
            network.client.receive(&datagram, now);
        }
        // An old handshake in the middle of it.
        for old in recorded.iter().filter(|old| matches!(decode(old), Some((_, Body::Open { .. })))) {
            network.listener.receive(client_address(), old, now);
        }
        network.now += ms(1);
    }
    while network.client.transmit(&mut datagram, network.now) {
        recorded.push(datagram.clone());
        network.listener.receive(client_address(), &datagram, network.now);
    }
    events.extend(std::iter::from_fn(|| network.listener.event().map(|(_, event)| event)));
    let message = |text: &[u8]| Event::Message(text.to_vec());
    assert_eq!(events, [Event::Opened, message(b"one"), message(b"two"), Event::Closed, Event::Ended]);
    // At once, while the cookie is good, and when it no longer is.
    for seconds in [0, 1, 7, 9, 15, 17, 100] {
        let later = network.now + Duration::from_secs(seconds);
        for old in &recorded {
            network.listener.receive(client_address(), old, later);
        }
        assert!(network.listener.is_empty() && network.listener.event().is_none(), "after {seconds} s");
    }
}

#[test]
fn a_listener_that_was_restarted_says_so_and_a_new_conversation_works() {
    let mut network = quiet_network(Settings::default());
    open(&mut network);
    network.client.send(b"before").unwrap();
    run(&mut network, "delivery", |network| network.client.counts().messages_out == 1);
    network.listener = Listener::new(Settings::default(), [9; 16], 4);
    let restarted = network.now;
    network.client.send(b"after").unwrap();
    run(&mut network, "the news", |network| network.client.state() == State::Failed(Failure::Unknown));
    assert_eq!((network.now - restarted).as_millis(), 40, "one round trip");
    network.client = Connection::connect(Settings::default(), 99, network.now);
    network.client.send(b"after").unwrap();
    let events = run(&mut network, "delivery", |network| network.client.counts().messages_out == 1);
    assert_eq!(events, [Event::Opened, Event::Message(b"after".to_vec())]);
}

#[test]
fn a_listener_restarted_within_the_handshake_hands_out_another_cookie() {
    let mut network = quiet_network(Settings::default());
    run(&mut network, "the cookie", |network| network.client.counts().datagrams_in == 1);
    network.listener = Listener::new(Settings::default(), [9; 16], 4);
    open(&mut network);
    assert_eq!(network.elapsed().as_millis(), 120);
}

#[test]
fn a_client_that_was_restarted_at_its_old_port_begins_anew_and_the_old_one_is_given_up() {
    let mut network = quiet_network(Settings::default());
    open(&mut network);
    network.client.send(b"first life").unwrap();
    let mut events = run(&mut network, "delivery", |network| network.client.counts().messages_out == 1);
    network.client = Connection::connect(Settings::default(), 99, network.now);
    network.client.send(b"second life").unwrap();
    let start = network.now;
    events.extend(run(&mut network, "giving up", |network| {
        network.listener.len() == 1 && network.now > start + ms(100)
    }));
    let message = |text: &[u8]| Event::Message(text.to_vec());
    let expected =
        [message(b"first life"), Event::Opened, message(b"second life"), Event::Failed(Failure::Silent)];
    assert_eq!(events, expected);
    assert!(network.now - start <= Settings::default().give_up);
    assert_eq!(network.client.state(), State::Open);
}

/// Who knows the session can end the conversation or garble it; but nothing grows, and nothing panics.
#[test]
fn a_peer_that_makes_no_sense_harms_only_itself() {
    for seed in 0..40 {
        let mut random = Random::new(Some(seed));
        let mut network = quiet_network(Settings { buffer: 16, ..Settings::default() });
        open(&mut network);
        for _ in 0..2_000 {
            let near = |random: &mut Random, base: u32| {
                Seq(if random.chance(90.0) {
                    base.wrapping_add(random.below(80) as u32).wrapping_sub(20)
                } else {
                    random.bits() as u32
                })
            };
            let ack = Ack {
                next: near(&mut random, SESSION as u32),
                latest: near(&mut random, SESSION as u32),
                arrived: random.bits(),
                window: random.bits() as u16,
                delay: random.bits() as u16,
            };
            let number = near(&mut random, (SESSION >> 32) as u32);
            let message = near(&mut random, (SESSION >> 32) as u32);
            let content = match random.below(5) {
                0 => None,
                1 => Some((number, Content::Ping)),
                2 if random.chance(3.0) => Some((number, Content::End(message))),
                _ => Some((number, Content::Message(message, b"nonsense"))),
            };
            let ack = (content.is_none() || random.chance(50.0)).then_some(ack);
            network.client.receive(&packet(SESSION, &Body::Stream { ack, content }), network.now);
            let _ = network.client.send(b"sense");
            network.exchange();
            if random.chance(50.0) {
                network.client.take();
            }
            network.advance(None);
            let counts = network.client.counts();
            assert!(counts.waiting_in <= 16 && counts.waiting_out <= 17, "seed {seed}: {counts:?}");
            assert!(counts.tracked <= 2 * 16 + 256, "seed {seed}: {counts:?}");
        }
    }
}
