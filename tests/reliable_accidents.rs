//! Reliable UDP and what goes wrong besides packets: restarts, strangers, replays, silence, closed windows, peers
//! that make no sense. Under a virtual clock; `docs/reliable-udp.md` is the specification.

#[path = "common/network.rs"]
mod network;

use std::time::{Duration, Instant};

use network::{client_address, Nature, Network};
use socklab::kit::random::Random;
use socklab::reliable::packet::{decode, encode, Ack, Body, Content, Reason};
use socklab::reliable::seq::Seq;
use socklab::reliable::{ours, Connection, Event, Failure, Key, Listener, Settings, State};

/// Its halves are the first numbers of both directions.
const SESSION: u64 = 0x0000_0007_ffff_fffe;
const KEY_SESSION: u64 = SESSION;

const fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn quiet(delay: Duration) -> Nature {
    Nature { delay, ..Nature::default() }
}

fn network(settings: Settings) -> Network {
    Network::new(settings, SESSION, quiet(ms(20)), quiet(ms(20)), 1)
}

fn key() -> Key {
    Key { peer: client_address(), session: KEY_SESSION }
}

/// Lets time pass until something is true; returns all events until then.
fn run(network: &mut Network, what: &str, mut until: impl FnMut(&mut Network) -> bool) -> Vec<Event> {
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

fn open(network: &mut Network) {
    let events = run(network, "opening", |network| network.client.state() == State::Open);
    assert_eq!(events, [Event::Opened]);
}

fn packet(session: u64, body: &Body) -> Vec<u8> {
    let mut datagram = Vec::new();
    encode(session, body, &mut datagram);
    datagram
}

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
    let mut network = network(Settings::default());
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
    let mut network = network(Settings::default());
    network.listener = Listener::new(Settings::default(), [2; 16], 0);
    run(&mut network, "the refusal", |network| network.client.state() == State::Failed(Failure::Full));
    assert_eq!(network.elapsed().as_millis(), 80);
}

#[test]
fn nobody_there_is_given_up_after_the_stated_time() {
    let mut network = network(Settings::default());
    network.up.nature.loss = 100.0;
    run(&mut network, "giving up", |network| network.client.state() == State::Failed(Failure::NoAnswer));
    assert_eq!(network.elapsed(), Settings::default().give_up);
    // 0.3, 0.6, 1, 1, … seconds apart.
    assert_eq!(network.client.counts().datagrams_out, 12);
}

#[test]
fn a_peer_that_falls_silent_is_given_up_by_both_ends_after_the_stated_time() {
    let mut network = network(Settings::default());
    open(&mut network);
    network.client.send(b"the last").unwrap();
    run(&mut network, "delivery", |network| network.client.counts().messages_out == 1);
    let heard = network.now;
    (network.up.nature.loss, network.down.nature.loss) = (100.0, 100.0);
    let give_up = Settings::default().give_up;
    let mut failed = None;
    let events = run(&mut network, "giving up", |network| {
        if network.client.state() == State::Failed(Failure::Silent) {
            failed.get_or_insert(network.now);
        }
        failed.is_some() && network.listener.is_empty()
    });
    assert_eq!(events, [Event::Failed(Failure::Silent)]);
    assert_eq!(failed, Some(heard + give_up));
    assert!(network.now <= heard + give_up, "the listener heard the client earlier than the client heard it");
    assert_eq!(network.next(), None, "nobody sends any more");
}

#[test]
fn an_idle_conversation_stays_open_for_an_hour_at_little_cost() {
    let mut network = network(Settings::default());
    open(&mut network);
    let hour = network.now + Duration::from_secs(3_600);
    run(&mut network, "an hour", |network| network.now >= hour);
    assert_eq!(network.client.state(), State::Open);
    let packets = network.up.packets + network.down.packets;
    // A question and an answer every three seconds, from either end.
    assert!((2_000..5_000).contains(&packets), "{packets}");
    network.client.send(b"still here").unwrap();
    let events = run(&mut network, "delivery", |network| network.client.counts().messages_out == 1);
    assert_eq!(events, [Event::Message(b"still here".to_vec())]);
}

#[test]
fn after_a_pause_shorter_than_giving_up_it_goes_on() {
    let mut network = network(Settings::default());
    open(&mut network);
    for _ in 0..500 {
        network.client.send(b"message").unwrap();
    }
    run(&mut network, "the first ones", |network| network.client.counts().messages_out > 20);
    let back = network.now + Duration::from_secs(8);
    (network.up.nature.loss, network.down.nature.loss) = (100.0, 100.0);
    run(&mut network, "the pause", |network| network.now >= back);
    (network.up.nature.loss, network.down.nature.loss) = (0.0, 0.0);
    run(&mut network, "delivery", |network| network.client.counts().messages_out == 500);
    let late = network.now - back;
    assert!(late < Duration::from_millis(1_500), "the next attempt is at most a second away: {late:?}");
}

#[test]
fn half_closed_the_other_direction_goes_on() {
    let mut network = network(Settings::default());
    open(&mut network);
    network.client.send(b"question").unwrap();
    network.client.close();
    assert!(network.client.send(b"more").is_err());
    let events = run(&mut network, "the end", |network| network.client.counts().messages_out == 1);
    assert_eq!(events, [Event::Message(b"question".to_vec()), Event::Closed]);
    for _ in 0..100 {
        let server = network.listener.connection(&key()).unwrap();
        server.send(b"answer").unwrap();
        let hour = network.now + Duration::from_secs(9);
        run(&mut network, "waiting", |network| network.now >= hour);
        assert_eq!(network.client.take(), Some(b"answer".to_vec()));
    }
    assert_eq!((network.client.state(), network.client.peer_closed()), (State::Closing, false));
    network.listener.connection(&key()).unwrap().close();
    let events = run(&mut network, "the end", |network| network.listener.is_empty());
    assert_eq!(events, [Event::Ended]);
    assert_eq!((network.client.state(), network.client.peer_closed()), (State::Lingering, true));
    let lingers = network.now;
    run(&mut network, "the end of lingering", |network| network.client.state() == State::Ended);
    assert!(network.now - lingers <= Settings::default().linger);
}

#[test]
fn who_lingers_answers_until_the_other_end_knows() {
    for lost in 0..6 {
        let mut network = network(Settings::default());
        open(&mut network);
        network.client.close();
        run(&mut network, "the end", |network| {
            network.listener.connection(&key()).is_some_and(|server| server.peer_closed())
        });
        network.listener.connection(&key()).unwrap().close();
        run(&mut network, "lingering", |network| network.client.state() == State::Lingering);
        // Its last acknowledgements are lost.
        let mut answers = 0;
        network.up.nature.loss = 100.0;
        let mut seen = network.client.counts().datagrams_out;
        let events = run(&mut network, "the end", |network| {
            let sent = network.client.counts().datagrams_out;
            answers += sent - seen;
            seen = sent;
            if answers >= lost {
                network.up.nature.loss = 0.0;
            }
            network.listener.is_empty()
        });
        assert_eq!(events, [Event::Ended], "{lost} lost");
    }
}

#[test]
fn a_closed_window_opens_again_though_the_news_of_it_is_lost() {
    let settings = Settings { buffer: 8, ..Settings::default() };
    let mut network = network(settings);
    open(&mut network);
    while network.client.room() > 0 {
        network.client.send(b"message").unwrap();
    }
    // Nobody takes a message: eight arrive, and then the window is closed.
    let until = network.now + Duration::from_secs(60);
    let mut sent = 8;
    while network.now < until {
        network.exchange();
        while network.client.send(b"message").is_ok() {
            sent += 1;
        }
        network.advance(None);
    }
    assert_eq!(network.listener.connection(&key()).unwrap().counts().waiting_in, 8);
    assert_eq!((sent, network.client.counts().messages_out), (16, 8));
    assert_eq!(network.client.state(), State::Open, "a closed window is no silence");
    // Now they are taken, but the acknowledgement that says so does not arrive.
    network.down.nature.loss = 100.0;
    let mut taken = 0;
    while network.listener.event().is_some() {
        taken += 1;
    }
    assert_eq!(taken, 8);
    network.exchange();
    network.down.nature.loss = 0.0;
    let opened = network.now;
    run(&mut network, "delivery", |network| network.client.counts().messages_out == 16);
    assert!(network.now - opened < Duration::from_millis(1_300), "{:?}", network.now - opened);
}

#[test]
fn packets_of_another_session_change_nothing() {
    let mut network = network(Settings::default());
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
    let mut network = network(Settings::default());
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
    let mut network = network(Settings::default());
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
    let mut network = network(Settings::default());
    run(&mut network, "the cookie", |network| network.client.counts().datagrams_in == 1);
    network.listener = Listener::new(Settings::default(), [9; 16], 4);
    open(&mut network);
    assert_eq!(network.elapsed().as_millis(), 120);
}

#[test]
fn a_client_that_was_restarted_at_its_old_port_begins_anew_and_the_old_one_is_given_up() {
    let mut network = network(Settings::default());
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
        let mut network = network(Settings { buffer: 16, ..Settings::default() });
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

/// The packets of the page's example: `>` from the end that opens, `<` from the listener.
fn example() -> Vec<(bool, Vec<u8>)> {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliable-udp.md");
    let page = std::fs::read_to_string(page).unwrap();
    let lines = page.lines().filter(|line| line.starts_with("> 5255") || line.starts_with("< 5255"));
    lines
        .map(|line| {
            let hex: String = line[1..].split(';').next().unwrap().split_whitespace().collect();
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            (line.starts_with('>'), (0..hex.len()).step_by(2).map(byte).collect())
        })
        .collect()
}

/// The same conversation, as our own two ends have it.
fn played() -> Vec<(bool, Vec<u8>)> {
    let now = Instant::now();
    let settings = Settings::default();
    let mut client = Connection::connect(settings, 0x0123_4567_89ab_cdef, now);
    let mut listener = Listener::new(settings, *b"the page's own..", 1);
    client.send(b"Hello").unwrap();
    client.close();
    let mut packets = Vec::new();
    let mut datagram = Vec::new();
    while !client.state().is_delivered() || client.wake() == Some(now) {
        while client.transmit(&mut datagram, now) {
            packets.push((true, datagram.clone()));
            listener.receive(client_address(), &datagram, now);
        }
        while let Some((key, event)) = listener.event() {
            if event == Event::Closed {
                let server = listener.connection(&key).unwrap();
                server.send(b"Hi").unwrap();
                server.close();
            }
        }
        while listener.transmit(&mut datagram, now).is_some() {
            packets.push((false, datagram.clone()));
            client.receive(&datagram, now);
        }
    }
    packets
}

#[test]
fn the_example_of_the_page_is_what_is_sent() {
    let played = played();
    let lines = played.iter().map(|(ours, bytes)| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} {hex}\n", if *ours { '>' } else { '<' })
    });
    // std may change the hash that makes the cookie: it may differ, and with it the CRC.
    let essential = |packets: &[(bool, Vec<u8>)]| {
        let parts = packets.iter().map(|(ours, bytes)| match decode(bytes) {
            Some((session, Body::Cookie(_))) => format!("{ours} {session:x} cookie"),
            Some((session, Body::Open { cookie, window })) => {
                format!("{ours} {session:x} {} {window}", cookie > 0)
            }
            Some(_) => format!("{ours} {bytes:x?}"),
            None => format!("{ours} damaged: {bytes:x?}"),
        });
        parts.collect::<Vec<_>>()
    };
    assert_eq!(
        essential(&example()),
        essential(&played),
        "the page should say:\n{}",
        lines.collect::<String>()
    );
}
