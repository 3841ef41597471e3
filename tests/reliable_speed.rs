//! How fast reliable UDP is, under a virtual clock: what each step from stop-and-wait on gains, goodput by loss
//! and delay, and who gets how much beside TCP. The tables of `docs/reliable-udp.md` are made here, and
//! a test fails if they differ from what comes out.

#[path = "common/cubic.rs"]
mod cubic;
#[path = "common/go_back_n.rs"]
mod go_back_n;
#[path = "common/network.rs"]
mod network;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use cubic::Cubic;
use network::{client_address, ms, wire_size, Link, Nature, Network, STAND_IN};
use socklab::reliable::{Connection, Control, Event, Listener, Settings};

/// So many Mbit/s, so long each way, a queue of 150 packets.
fn path(rate: f64, delay: Duration, loss: f64) -> Nature {
    Nature { rate: rate * 1e6 / 8.0, delay, queue: 150, loss, ..Nature::default() }
}

/// What 1,400-byte messages could make of 100 Mbit/s with 12 bytes of header, UDP, IPv4 and Ethernet: the
/// yardstick, in Mbit/s.
const CEILING: f64 = 96.3;

/// What a transfer came to.
struct Outcome {
    /// Mbit/s of messages of 1,400 bytes.
    goodput: f64,
    /// Bytes on the wire, both ways, for each byte delivered.
    wire: f64,
}

/// Mbit/s of so many messages.
fn goodput(messages: u64, time: Duration) -> f64 {
    messages as f64 * 1_400.0 * 8.0 / time.as_secs_f64() / 1e6
}

/// A transfer for so long, handshake and start-up included.
fn transfer(control: Control, nature: Nature, time: Duration, seed: u64) -> Outcome {
    let settings = Settings { control, ..Settings::default() };
    let mut network = Network::new(settings, seed, nature, nature, seed);
    let mut received = 0;
    while network.elapsed() < time {
        while network.client.send(&[0; STAND_IN]).is_ok() {}
        while let Some((_, event)) = network.listener.event() {
            received += u64::from(matches!(event, Event::Message(_)));
        }
        network.exchange();
        network.advance(None);
    }
    let wire = (network.up.bytes + network.down.bytes) as f64 / (received * 1_400) as f64;
    Outcome { goodput: goodput(received, time), wire }
}

/// A table of the page, which has to be there as it comes out.
fn on_the_page(head: &[&str], rows: Vec<Vec<String>>) {
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let mut lines = vec![line(head.iter().map(|cell| cell.to_string()).collect())];
    lines.push(format!("|{}", "---|".repeat(head.len())));
    lines.extend(rows.into_iter().map(line));
    let table = lines.join("\n");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliable-udp.md");
    let page = fs::read_to_string(page).expect("the page");
    assert!(page.contains(&table), "docs/reliable-udp.md should say:\n\n{table}\n");
}

#[test]
fn what_each_step_gains() {
    const LOSSES: [f64; 3] = [0.0, 1.0, 5.0];
    const TIME: Duration = ms(20_000);
    let cell = |goodput: f64| if goodput < 10.0 { format!("{goodput:.2}") } else { format!("{goodput:.1}") };
    let row = |name: &str, each: &dyn Fn(f64) -> f64| {
        let cells = LOSSES.map(|loss| cell(each(loss)));
        [vec![name.to_string()], cells.to_vec()].concat()
    };
    let textbook = |window: u64| {
        move |loss: f64| {
            let (arrived, _) = go_back_n::transfer(window, path(100.0, ms(20), loss), ms(60), TIME, 1);
            goodput(arrived, TIME)
        }
    };
    let ours =
        |control: Control| move |loss: f64| transfer(control, path(100.0, ms(20), loss), TIME, 1).goodput;
    let mut rows = vec![
        row("stop-and-wait", &textbook(1)),
        row("go-back-N, window 345", &textbook(345)),
        row("selective repeat, window 345", &ours(Control::Fixed(345))),
        row("… with slow start and additive increase", &ours(Control::Classic)),
    ];
    // The last step is what is used, so it has targets.
    let mut last = vec!["… with a model of the path".to_string()];
    let mut wire = Vec::new();
    for (loss, least) in LOSSES.into_iter().zip([0.97, 0.96, 0.94]) {
        let outcome = transfer(Control::Rate, path(100.0, ms(20), loss), TIME, 1);
        let share = outcome.goodput / CEILING / (1.0 - loss / 100.0);
        assert!(share >= least, "{share:.3} of the ceiling at {loss} % loss");
        assert!(
            outcome.wire <= 1.08 + loss / 100.0,
            "{:.3} bytes for each byte at {loss} % loss",
            outcome.wire
        );
        last.push(cell(outcome.goodput));
        wire.push(format!("{:.2}", outcome.wire));
    }
    rows.push(last);
    rows.push([vec!["its bytes on the wire for each byte".to_string()], wire].concat());
    on_the_page(&["Mbit/s", "no loss", "1 % each way", "5 % each way"], rows);
}

#[test]
fn goodput_by_loss_and_delay() {
    let mut rows = Vec::new();
    for loss in [0.0, 1.0, 5.0, 10.0, 20.0, 30.0, 50.0] {
        let mut row = vec![format!("{loss} %")];
        for delay in [1, 20, 100] {
            let [rate, classic] = [Control::Rate, Control::Classic]
                .map(|control| transfer(control, path(10.0, ms(delay), loss), ms(10_000), 3).goodput);
            row.push(format!("{rate:.2} / {classic:.2}"));
        }
        rows.push(row);
    }
    on_the_page(&["loss each way", "1 ms each way", "20 ms", "100 ms"], rows);
}

/// What travels on a link that we share.
enum Packet {
    Ours(Vec<u8>),
    Tcp(u64),
}

/// Us beside a TCP flow on one link of 100 Mbit/s; which one starts how much later. The Mbit/s of each, from
/// the fifth second on.
fn beside(tcp_later: Duration, ours_later: Duration) -> (f64, f64) {
    let (warm, time) = (ms(5_000), ms(25_000));
    let start = Instant::now();
    let nature = path(100.0, ms(20), 0.0);
    let (mut up, mut down) = (Link::new(nature, 1, start), Link::new(nature, 2, start));
    let mut listener = Listener::new(Settings::default(), [7; 16], 1);
    let (mut ours, mut tcp): (Option<Connection>, Option<Cubic>) = (None, None);
    let (mut now, mut datagram) = (start, Vec::new());
    let (mut received, mut before) = (0, None);
    while now < start + warm + time {
        if ours.is_none() && now >= start + ours_later {
            ours = Some(Connection::connect(Settings::default(), 7, now));
        }
        if tcp.is_none() && now >= start + tcp_later {
            tcp = Some(Cubic::new(now));
        }
        while let Some(packet) = up.receive(now) {
            match packet {
                Packet::Ours(bytes) => listener.receive(client_address(), &bytes, now),
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
            match (packet, &mut ours, &mut tcp) {
                (Packet::Ours(bytes), Some(ours), _) => ours.receive(&bytes, now),
                (Packet::Tcp(number), _, Some(tcp)) => tcp.acknowledge(number, now),
                _ => {}
            }
        }
        let later = Some(start + ours_later.max(tcp_later)).filter(|at| *at > now);
        let mut wakes = vec![up.due(), down.due(), listener.wake(), later];
        if let Some(ours) = &mut ours {
            while ours.send(&[0; STAND_IN]).is_ok() {}
            while ours.transmit(&mut datagram, now) {
                up.send(Packet::Ours(datagram.clone()), wire_size(datagram.len()), now);
            }
            wakes.push(ours.wake());
        }
        if let Some(tcp) = &mut tcp {
            tcp.tick(now);
            while let Some(number) = tcp.transmit(now) {
                up.send(Packet::Tcp(number), 1_514, now);
            }
            wakes.push(Some(tcp.wake()));
        }
        if before.is_none() && now >= start + warm {
            before = Some((received, tcp.as_ref().map_or(0, |tcp| tcp.delivered)));
        }
        now = wakes.into_iter().flatten().min().unwrap_or(now).max(now + Duration::from_micros(1));
    }
    let (ours_before, tcp_before) = before.expect("it took longer than that");
    let segments = tcp.map_or(0, |tcp| tcp.delivered) - tcp_before;
    (goodput(received - ours_before, time), goodput(segments, time) * 1_448.0 / 1_400.0)
}

#[test]
fn beside_tcp_neither_starves() {
    let mut shares = Vec::new();
    for (tcp_later, ours_later) in [(0, 0), (0, 3_000), (3_000, 0)] {
        let (ours, tcp) = beside(ms(tcp_later), ms(ours_later));
        assert!(ours + tcp > 90.0, "the link is used: {ours} and {tcp}");
        shares.push(ours / (ours + tcp));
    }
    // Who gets a little more depends on whose packets a full queue happens to drop. This TCP is gentler than the
    // kernel's, beside which the figures of docs/performance.md are measured, and by which ours is set.
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    assert!((0.35..0.65).contains(&mean), "{shares:.2?}");
    assert!(shares.iter().all(|share| (0.3..0.7).contains(share)), "{shares:.2?}");
}
