//! Reliable UDP under a virtual clock: whatever a seeded hostile network does, messages arrive in order,
//! exactly once, byte for byte, and memory stays within its buffers. `docs/reliable-udp.md` is the
//! specification. `SOCKLAB_RUNS=100000` makes more runs than `make test` has time for.

#[path = "common/network.rs"]
mod network;

use std::collections::HashMap;
use std::time::Duration;

use network::{client_address, ms, Nature, Network};
use socklab::kit::random::Random;
use socklab::reliable::{Connection, Control, Event, Key, Listener, Settings, State};

/// How many seeded runs each test makes.
fn runs(few: u64) -> u64 {
    std::env::var("SOCKLAB_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(few)
}

/// The message of a number, in one direction: any length, 0 included.
fn message(direction: u8, number: usize) -> Vec<u8> {
    let mut random = Random::new(Some((number as u64) << 8 | u64::from(direction)));
    let length = if random.chance(2.0) { 1_400 } else { random.below(60) as usize };
    (0..length).map(|_| random.bits() as u8).collect()
}

/// One end's application: sends so many messages, and checks what comes.
struct Application {
    direction: u8,
    to_send: usize,
    sent: usize,
    received: usize,
    closed: bool,
}

impl Application {
    fn new(direction: u8, to_send: usize) -> Application {
        Application { direction, to_send, sent: 0, received: 0, closed: false }
    }

    /// Sends what there is room for, and closes after the last.
    fn send(&mut self, connection: &mut Connection) {
        while self.sent < self.to_send && connection.send(&message(self.direction, self.sent)).is_ok() {
            self.sent += 1;
        }
        if self.sent == self.to_send && !self.closed {
            connection.close();
            self.closed = true;
        }
    }

    fn check(&mut self, bytes: &[u8], seed: u64) {
        let expected = message(1 - self.direction, self.received);
        assert!(
            bytes == expected,
            "seed {seed}: message {} of direction {}",
            self.received,
            1 - self.direction
        );
        self.received += 1;
    }
}

/// A random network, anywhere between good and hopeless.
fn nature(random: &mut Random, most_loss: f64) -> Nature {
    let mut often =
        |percent: f64, most: f64| if random.chance(percent) { random.fraction() * most } else { 0.0 };
    let (loss, duplicate, corrupt) = (often(70.0, most_loss), often(50.0, 30.0), often(50.0, 10.0));
    let (truncate, reorder, pause) = (often(50.0, 5.0), often(50.0, 50.0), often(30.0, 1.0));
    let rate = often(40.0, 1e6);
    Nature {
        rate: if rate > 0.0 { rate + 20_000.0 } else { 0.0 },
        delay: Duration::from_micros(random.below(100_000)),
        queue: 5 + random.below(100) as usize,
        loss,
        duplicate,
        corrupt,
        truncate,
        reorder,
        held: Duration::from_micros(random.below(200_000)),
        pause_every: ms(5_000),
        pause: ms((pause * 1_500.0) as u64),
    }
}

/// Settings with a random small buffer and control.
fn settings(random: &mut Random) -> Settings {
    let control = match random.below(3) {
        0 => Control::Fixed(1 + random.below(40) as usize),
        1 => Control::Classic,
        _ => Control::Rate,
    };
    // Long enough that no run of bad luck looks like a dead peer.
    let (give_up, linger) = (Duration::from_secs(60), Duration::from_secs(5));
    Settings { control, buffer: 1 + random.below(200) as usize, give_up, linger, ..Settings::default() }
}

/// A session whose numbers wrap around during the run, in both directions.
fn session(random: &mut Random) -> u64 {
    let near = |random: &mut Random| u64::from(u32::MAX) - random.below(50);
    near(random) << 32 | near(random)
}

/// One conversation to its end.
fn converse(seed: u64, most_loss: f64) -> Network {
    let mut random = Random::new(Some(seed));
    let (up, down) = (nature(&mut random, most_loss), nature(&mut random, most_loss));
    let settings = settings(&mut random);
    let session = session(&mut random);
    let mut network = Network::new(settings, session, up, down, seed);
    let mut client = Application::new(0, random.below(150) as usize);
    let mut server = Application::new(1, random.below(150) as usize);
    // How often the applications look for messages; 0: always.
    let looks = if random.chance(30.0) { ms(random.below(300)) } else { Duration::ZERO };
    let mut look = network.now;
    let mut ended = None;
    let mut steps = 0;
    while ended.is_none() || !network.client.state().is_over() {
        steps += 1;
        assert!(steps < 2_000_000, "seed {seed}: no end; {:?}", network.client.counts());
        assert!(network.elapsed() < Duration::from_secs(3_600), "seed {seed}: {:?}", network.client.counts());
        client.send(&mut network.client);
        if network.now >= look {
            look = network.now + looks;
            while let Some(bytes) = network.client.take() {
                client.check(&bytes, seed);
            }
            while let Some((key, event)) = network.listener.event() {
                assert_eq!(key, Key { peer: client_address(), session }, "seed {seed}");
                match event {
                    Event::Message(bytes) => server.check(&bytes, seed),
                    Event::Ended => ended = Some(State::Ended),
                    Event::Failed(failure) => ended = Some(State::Failed(failure)),
                    Event::Opened | Event::Closed => {}
                }
            }
        }
        let key = Key { peer: client_address(), session };
        if let Some(connection) = network.listener.connection(&key) {
            server.send(connection);
            within_bounds(connection, &settings, seed);
        }
        within_bounds(&network.client, &settings, seed);
        network.exchange();
        let waits = network.client.counts().waiting_in > 0 || ended.is_none();
        network.advance(Some(look).filter(|_| waits && looks > Duration::ZERO));
    }
    while let Some(bytes) = network.client.take() {
        client.check(&bytes, seed);
    }
    assert_eq!((ended, network.client.state()), (Some(State::Ended), State::Ended), "seed {seed}");
    assert_eq!((client.received, server.received), (server.to_send, client.to_send), "seed {seed}");
    network
}

/// Memory: never more than the buffers and what is under way.
fn within_bounds(connection: &Connection, settings: &Settings, seed: u64) {
    let counts = connection.counts();
    assert!(counts.waiting_in <= settings.buffer, "seed {seed}: {counts:?}");
    assert!(counts.waiting_out <= settings.buffer + 1, "seed {seed}: {counts:?}");
    assert!(counts.tracked <= settings.buffer + 64 + 200, "seed {seed}: {counts:?}");
}

#[test]
fn exactly_once_and_in_order_whatever_the_network_does() {
    for seed in 0..runs(1_000) {
        converse(seed, 30.0);
    }
}

#[test]
fn up_to_half_of_all_packets_lost() {
    for seed in 0..runs(300) {
        converse(1_000_000 + seed, 50.0);
    }
}

/// Either end is restarted a few times at any moment; whoever lost the other begins anew, until one
/// conversation came to its end. In each, messages came in order, once, from the first.
fn converse_with_restarts(seed: u64) {
    let mut random = Random::new(Some(seed));
    let (up, down) = (nature(&mut random, 30.0), nature(&mut random, 30.0));
    let settings = settings(&mut random);
    let mut network = Network::new(settings, session(&mut random), up, down, seed);
    let messages = 1 + random.below(100) as usize;
    let mut client = Application::new(0, messages);
    let mut servers: HashMap<u64, Application> = HashMap::new();
    let restart = |random: &mut Random| ms(random.below(2_000));
    let mut restarts: Vec<_> = (0..random.below(5)).map(|_| network.now + restart(&mut random)).collect();
    while !network.client.state().is_delivered() {
        // Before any end dies: what an application had not looked at when it died is lost for it, though it arrived.
        while let Some((key, event)) = network.listener.event() {
            match event {
                Event::Opened => {
                    let before = servers.insert(key.session, Application::new(1, messages));
                    // By a listener that died before the other end knew, at most.
                    assert!(
                        before.is_none_or(|before| before.received == 0),
                        "seed {seed}: a conversation was opened twice"
                    );
                }
                Event::Message(bytes) => servers.get_mut(&key.session).unwrap().check(&bytes, seed),
                Event::Closed | Event::Ended | Event::Failed(_) => {}
            }
        }
        assert!(network.elapsed() < Duration::from_secs(3_600), "seed {seed}: {:?}", network.client.counts());
        let due = restarts.iter().position(|at| *at <= network.now);
        let listener_dies = due.is_some() && random.chance(50.0);
        if listener_dies {
            network.listener =
                Listener::new(settings, random.bits().to_be_bytes().repeat(2).try_into().unwrap(), 50);
        }
        if due.is_some_and(|_| !listener_dies) || network.client.state().is_over() {
            network.client = Connection::connect(settings, session(&mut random), network.now);
            client = Application::new(0, messages);
        }
        due.map(|due| restarts.remove(due));
        client.send(&mut network.client);
        while let Some(bytes) = network.client.take() {
            client.check(&bytes, seed);
        }
        for key in network.listener.keys().collect::<Vec<_>>() {
            let connection = network.listener.connection(&key).unwrap();
            if let Some(server) = servers.get_mut(&key.session) {
                server.send(connection);
            }
        }
        network.exchange();
        network.advance(restarts.iter().min().copied());
    }
    while let Some(bytes) = network.client.take() {
        client.check(&bytes, seed);
    }
    let server = &servers[&network.client.session()];
    assert_eq!((client.received, server.received), (messages, messages), "seed {seed}");
}

#[test]
fn either_end_restarted_at_any_time() {
    for seed in 0..runs(300) {
        converse_with_restarts(2_000_000 + seed);
    }
}
