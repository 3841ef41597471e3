//! Reliable UDP and what goes wrong besides packets: silence, pauses, closed windows, a last acknowledgement that is
//! lost; and the example of its page. Under a virtual clock; `docs/reliable-udp.md` is the specification.

#[path = "common/network.rs"]
mod network;

use std::time::{Duration, Instant};

use network::{client_address, key, open, quiet_network, run};
use socklab::reliable::packet::{decode, Body};
use socklab::reliable::{Connection, Event, Failure, Listener, Settings, State};

#[test]
fn nobody_there_is_given_up_after_the_stated_time() {
    let mut network = quiet_network(Settings::default());
    network.up.nature.loss = 100.0;
    run(&mut network, "giving up", |network| network.client.state() == State::Failed(Failure::NoAnswer));
    assert_eq!(network.elapsed(), Settings::default().give_up);
    // 0.3, 0.6, 1, 1, … seconds apart.
    assert_eq!(network.client.counts().datagrams_out, 12);
}

#[test]
fn a_peer_that_falls_silent_is_given_up_by_both_ends_after_the_stated_time() {
    let mut network = quiet_network(Settings::default());
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
    let mut network = quiet_network(Settings::default());
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
    let mut network = quiet_network(Settings::default());
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
    let mut network = quiet_network(Settings::default());
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
        let mut network = quiet_network(Settings::default());
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
    let mut network = quiet_network(settings);
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
