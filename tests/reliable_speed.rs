//! How fast reliable UDP is, under a virtual clock: goodput by control, loss and delay, beside a
//! TCP flow, and what it costs.

#[path = "common/cubic.rs"]
mod cubic;
#[path = "common/network.rs"]
mod network;

use std::time::{Duration, Instant};

use cubic::Cubic;
use network::{wire_size, Link, Nature, Network, STAND_IN};
use socklab::reliable::{Connection, Control, Event, Settings};

const fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// 100 Mbit/s, so long each way, a queue of 150 packets.
fn nature(rate: f64, delay: Duration, loss: f64) -> Nature {
    Nature { rate: rate / 8.0, delay, queue: 150, loss, ..Nature::default() }
}

/// What a transfer came to.
#[derive(Debug)]
struct Outcome {
    /// Mbit/s of messages of 1,400 bytes.
    goodput: f64,
    /// Bytes on the wire, both ways, per byte delivered.
    wire: f64,
}

/// A transfer for so long, from the handshake on; measured from `warm` on.
fn transfer(control: Control, nature: Nature, warm: Duration, time: Duration, seed: u64) -> Outcome {
    let settings = Settings { control, ..Settings::default() };
    let mut network = Network::new(settings, seed << 32 | 7, nature, nature, seed);
    let (mut received, mut at_warm) = (0u64, None);
    let verbose = std::env::var("V").is_ok();
    let mut report = network.now;
    while network.elapsed() < warm + time {
        while network.client.send(&[0; STAND_IN]).is_ok() {}
        while let Some((_, event)) = network.listener.event() {
            received += u64::from(matches!(event, Event::Message(_)));
        }
        if at_warm.is_none() && network.elapsed() >= warm {
            at_warm = Some((received, network.up.bytes + network.down.bytes));
        }
        if verbose && network.now >= report {
            report += ms(40);
            let counts = network.client.counts();
            println!(
                "{:?} {received} rtt {:?} window {} again {} out {} drop {} {}",
                network.elapsed(),
                counts.rtt,
                counts.window,
                counts.retransmissions,
                counts.waiting_out,
                network.up.dropped,
                ""
            );
        }
        network.exchange();
        network.advance(None);
    }
    let (received_warm, bytes_warm) = at_warm.unwrap();
    let bytes = ((received - received_warm) * 1_400) as f64;
    let wire = (network.up.bytes + network.down.bytes - bytes_warm) as f64;
    Outcome { goodput: bytes * 8.0 / time.as_secs_f64() / 1e6, wire: wire / bytes }
}

/// Us beside a TCP flow on one link; which one starts how much later. Mbit/s of each, from `warm` on.
fn beside(
    control: Control,
    tcp_later: Duration,
    ours_later: Duration,
    warm: Duration,
    time: Duration,
) -> (f64, f64, f64) {
    enum Packet {
        Ours(Vec<u8>),
        Tcp(u64),
    }
    let start = Instant::now();
    let nature = nature(100e6, ms(20), 0.0);
    let (mut up, mut down) = (Link::new(nature, 1, start), Link::new(nature, 2, start));
    let settings = Settings { control, ..Settings::default() };
    let mut listener = socklab::reliable::Listener::new(settings, [7; 16], 1);
    let mut ours: Option<Connection> = None;
    let mut cubic: Option<Cubic> = None;
    let (mut now, mut datagram) = (start, Vec::new());
    let (mut received, mut at_warm) = (0u64, None);
    let verbose = std::env::var("V").is_ok();
    let mut report = start;
    while now < start + warm + time {
        if ours.is_none() && now >= start + ours_later {
            ours = Some(Connection::connect(settings, 7, now));
        }
        if cubic.is_none() && now >= start + tcp_later {
            cubic = Some(Cubic::new(now));
        }
        while let Some(packet) = up.receive(now) {
            match packet {
                Packet::Ours(bytes) => listener.receive(network::client_address(), &bytes, now),
                Packet::Tcp(number) => down.send(Packet::Tcp(number), 66, now),
            }
        }
        while let Some((_, event)) = listener.event() {
            received += u64::from(matches!(event, Event::Message(_)));
        }
        while listener.transmit(&mut datagram, now).is_some() {
            down.send(Packet::Ours(datagram.clone()), wire_size(datagram.len()), now);
        }
        while let Some(packet) = down.receive(now) {
            match (packet, &mut ours, &mut cubic) {
                (Packet::Ours(bytes), Some(ours), _) => ours.receive(&bytes, now),
                (Packet::Tcp(number), _, Some(cubic)) => cubic.acknowledge(number, now),
                _ => {}
            }
        }
        let mut wakes = vec![
            up.due(),
            down.due(),
            listener.wake(),
            Some(start + ours_later.max(tcp_later)).filter(|at| *at > now),
        ];
        if let Some(ours) = &mut ours {
            while ours.send(&[0; STAND_IN]).is_ok() {}
            while ours.transmit(&mut datagram, now) {
                up.send(Packet::Ours(datagram.clone()), wire_size(datagram.len()), now);
            }
            wakes.push(ours.wake());
        }
        if let Some(cubic) = &mut cubic {
            cubic.tick(now);
            while let Some(number) = cubic.transmit(now) {
                up.send(Packet::Tcp(number), 1_514, now);
            }
            wakes.push(Some(cubic.wake()));
        }
        let tcp = cubic.as_ref().map_or(0, |cubic| cubic.delivered);
        if at_warm.is_none() && now >= start + warm {
            at_warm = Some((received, tcp));
        }
        if verbose && now >= report {
            report += ms(200);
            if let Some(ours) = &ours {
                println!("{:?} ours {received} tcp {tcp} {:?} {}", now - start, ours.counts().rtt, "");
            }
        }
        now = wakes.into_iter().flatten().min().unwrap_or(now).max(now + Duration::from_micros(1));
    }
    let (received_warm, tcp_warm) = at_warm.unwrap();
    let tcp = cubic.unwrap().delivered - tcp_warm;
    let rate = |packets: u64, size: f64| packets as f64 * size * 8.0 / time.as_secs_f64() / 1e6;
    (rate(received - received_warm, 1_400.0), rate(tcp, 1_448.0), up.dropped as f64)
}

fn number(name: &str, default: f64) -> f64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn one() {
    let loss = number("LOSS", 0.0);
    println!(
        "{:?}",
        transfer(
            Control::Rate,
            nature(100e6, ms(20), loss),
            ms(0),
            ms(number("TIME", 2000.0) as u64),
            number("SEED", 1.0) as u64
        )
    );
}

#[test]
fn two() {
    println!(
        "{:?}",
        beside(
            Control::Rate,
            ms(number("TCP", 0.0) as u64),
            ms(number("OURS", 0.0) as u64),
            ms(5000),
            ms(30_000)
        )
    );
}

#[test]
fn explore() {
    for control in [Control::Rate] {
        for loss in [0.0, 1.0, 5.0] {
            for (warm, time) in [(0, 10_000), (2_000, 20_000)] {
                let (mut ratio, mut wire) = (0.0, 0.0);
                for seed in 1..=6 {
                    let outcome = transfer(control, nature(100e6, ms(20), loss), ms(warm), ms(time), seed);
                    ratio += outcome.goodput / 96.3 / (1.0 - loss / 100.0) / 6.0;
                    wire += outcome.wire / 6.0;
                }
                print!("{loss}: {ratio:.3} {wire:.3}; ");
            }
        }
        for (tcp, ours) in [(0, 0), (0, 3000), (3000, 0)] {
            let (ours, tcp, _) = beside(control, ms(tcp), ms(ours), ms(5000), ms(30_000));
            print!("| {ours:.0}:{tcp:.0} ");
        }
        println!("ratio");
    }
}

#[test]
fn fair() {
    let mut shares = Vec::new();
    for offset in [0, 100, 333, 700, 1_500, 2_500, 4_000] {
        for (tcp, ours) in [(0, offset), (offset, 0)] {
            let (ours, tcp, _) = beside(Control::Rate, ms(tcp), ms(ours), ms(6000), ms(30_000));
            shares.push((100.0 * ours / (ours + tcp)).round() as i32);
        }
    }
    println!("{:?} mean {} ratio", shares, shares.iter().sum::<i32>() / shares.len() as i32);
}
