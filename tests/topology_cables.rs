//! SCC.231, part 2: what the cables do to packets, measured by iputils ping and iperf3 inside the network:
//! delay, loss, rate, and that a seed loses the same packets each time. How exactly, `make bench` tells.
//! They need root, and each test has a network of its own.

mod common;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use common::lab::{can_build, run, Lab};
use common::{can_run, installed};
use socklab::kit::random::Random;
use socklab::topology::cable::{Cable, Fate};
use socklab::topology::networks;
use socklab::topology::plan::Quality;

/// The sheet's delays add up: 2 × (30 + 10 + 100 + 100) ms, within 1 %.
#[test]
fn the_round_trip_time_is_the_sum_of_the_delays() {
    if !can_build() {
        return;
    }
    // The machine may be busy, and then every packet is late; a cable that is wrong is wrong each time.
    let mut medians = Vec::new();
    for _ in 0..3 {
        let mut lab = Lab::without_loss();
        lab.program.type_line("h1 ping -c 15 -i 0.1 h4");
        lab.program.wait_out("15 packets");
        let ended = lab.finish();
        let times = ended.out.iter().filter(|line| line.contains("bytes from")).skip(1);
        let mut times: Vec<f64> =
            times.filter_map(|line| line.split("time=").nth(1)?.split(' ').next()?.parse().ok()).collect();
        times.sort_by(f64::total_cmp);
        medians.push(times[times.len() / 2]);
        if (480.0..484.8).contains(medians.last().unwrap()) {
            return;
        }
    }
    panic!("the median is {medians:?} ms, not 480");
}

/// The sheet's loss: 1 - 0.99⁴ = 3.9 % of the round trips; and as much as `link A B loss` asks for.
#[test]
fn loss_is_what_was_asked_for() {
    if !can_build() {
        return;
    }
    let mut lab = Lab::start(&["--seed", "7"]);
    lab.program.type_line("h1 ping -c 3 -i 1 h4\nh1 ping -c 600 -i 0.01 -W 1 -q h4");
    lab.program.type_line("link s1 h1 loss 30\nlink s1 h2 loss 0\nh1 ping -c 600 -i 0.01 -W 1 -q h2");
    lab.program.wait_out("3 packets");
    let lost = |line: String| -> u32 {
        let received = line.split(", ").nth(1).and_then(|part| part.split(' ').next()).unwrap();
        600 - received.parse::<u32>().unwrap()
    };
    // Five standard deviations to either side: 4.8 of 23.6, and 12.2 of 306 (1 - 0.7² = 51 %).
    let first = lost(lab.program.wait_out("600 packets"));
    assert!((1..=48).contains(&first), "{first} of 600 lost, not about 24");
    let second = lost(lab.program.wait_out("600 packets"));
    assert!((245..=367).contains(&second), "{second} of 600 lost, not about 306");
    lab.finish();
}

/// `--seed`: which packets are lost is known beforehand, and the same each time. The echo requests and the
/// answers of a ping from h1 to h2 are put through the four directions that they cross, on paper; iputils
/// ping then has to miss exactly those.
#[test]
fn a_seed_loses_the_packets_that_arithmetic_says() {
    if !can_build() {
        return;
    }
    const SEED: u64 = 231;
    // More are sent than are compared: ping does not wait long for the last answers.
    const COMPARED: usize = 300;
    let plan = networks::tutorial();
    let mut random = Random::new(Some(SEED));
    let mut directions: Vec<[Cable; 2]> = Vec::new();
    for link in &plan.links {
        directions.push([(); 2].map(|()| Cable::new(link.quality, Random::new(Some(random.bits())))));
    }
    let [first, second] = [("h1", "s1"), ("s1", "h2")].map(|(a, b)| plan.link_between(a, b).unwrap());
    // Both links are described from the host to the switch.
    let way = [(first, 0), (second, 1), (second, 0), (first, 1)];
    for link in [first, second] {
        let name = &plan.nodes[plan.links[link].ends[1].0].name;
        assert_eq!(name, "s1");
        for cable in &mut directions[link] {
            cable.change(Quality { loss: 5.0, ..plan.links[link].quality });
        }
    }
    let mut expected = BTreeSet::new();
    for ping in 1..=COMPARED {
        let now = Duration::from_secs(ping as u64);
        let arrives = |&(link, direction): &(usize, usize)| {
            matches!(directions[link][direction].take(now, 98), Fate::Arrives(_))
        };
        if way.iter().all(arrives) {
            expected.insert(ping);
        }
    }
    assert!(expected.len() < COMPARED);

    let mut lab = Lab::start(&["--seed", &SEED.to_string()]);
    lab.program.type_line("link h1 s1 loss 5\nlink s1 h2 loss 5");
    // Neighbours that are known need no ARP, which would be lost as well, and then come when it likes.
    for (host, other, address) in [("h1", "h2", "10.0.0.1"), ("h2", "h1", "10.0.0.2")] {
        let device = format!("{host}-eth0");
        let about = ["-n", &lab.namespace(other), "-o", "link", "show", "dev", &format!("{other}-eth0")];
        let about = Command::new("ip").args(about).output().unwrap().stdout;
        let about = String::from_utf8(about).unwrap();
        let hardware = about.split("link/ether ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        let namespace = lab.namespace(host);
        let enter = ["neigh", "replace", address, "lladdr", hardware, "dev", &device, "nud", "permanent"];
        run("ip", &[&["-n", &namespace], &enter[..]].concat());
    }
    lab.program.type_line(&format!("h1 ping -c {} -i 0.01 h2", COMPARED + 100));
    lab.program.wait_out("packets transmitted");
    let ended = lab.finish();
    let numbers = ended.out.iter().filter_map(|line| line.split("icmp_seq=").nth(1)?.split(' ').next());
    let came: BTreeSet<usize> = numbers.map(|number| number.parse().unwrap()).collect();
    let came: BTreeSet<usize> = came.into_iter().filter(|number| *number <= COMPARED).collect();
    assert_eq!(came, expected);
}

/// A value mistyped, and mended: the cable of a minute's delay, or of a bit per second, does not keep
/// the one that replaces it from carrying.
#[test]
fn a_mistyped_delay_or_rate_is_mended_at_once() {
    if !can_build() {
        return;
    }
    let mut lab = Lab::without_loss();
    for (wrong, right) in [("delay 60000", "delay 30"), ("rate 0.000001", "rate 100")] {
        lab.program.type_line(&format!("link h1 s1 {wrong}\nh1 ping -c 1 -W 1 h2"));
        lab.program.wait_out("0 received");
        lab.program.type_line(&format!("link h1 s1 {right}\nh1 ping -c 1 -W 5 h2"));
        lab.program.wait_out("1 received");
    }
    lab.finish();
}

/// The slowest cable on the way carries 10 Mbit/s: of 1,514 bytes 1,448 are TCP's payload.
#[test]
fn the_rate_is_that_of_the_slowest_cable() {
    if !can_build() || !can_run(installed("iperf3"), "needs iperf3") {
        return;
    }
    let expected = 10_000.0 * 1448.0 / 1514.0;
    let mut rates: Vec<f64> = Vec::new();
    for _ in 0..3 {
        let mut lab = Lab::without_loss();
        lab.program.type_line("h2 iperf3 -s -1 --forceflush &");
        lab.program.wait_out("Server listening");
        lab.program.type_line("h1 iperf3 -c h2 -t 4 -O 2 -f k");
        let line = lab.program.wait_out("receiver");
        lab.finish();
        let words: Vec<&str> = line.split_whitespace().collect();
        let unit = words.iter().position(|word| *word == "Kbits/sec").expect("a rate");
        rates.push(words[unit - 1].parse().unwrap());
        if (rates.last().unwrap() / expected - 1.0).abs() < 0.03 {
            return;
        }
    }
    panic!("{rates:?} kbit/s, not {expected}");
}

/// A cable that is out carries nothing, and one that is in carries at once: no packet has to wait until
/// the kernel has noticed.
#[test]
fn a_cable_is_pulled_out_and_put_in() {
    if !can_build() {
        return;
    }
    let mut lab = Lab::without_loss();
    for _ in 0..3 {
        lab.program.type_line("link h1 s1 down\nh1 ip -o link show h1-eth0\nh1 ping -c 1 -W 1 h2");
        lab.program.wait_out("NO-CARRIER");
        lab.program.wait_out("0 received");
        lab.program.type_line("link h1 s1 up\nh1 ping -c 1 -W 5 h2");
        lab.program.wait_out("1 received");
    }
    lab.program.type_line("link h1 h4 up\nlink h1 s1 loss 200");
    let ended = lab.finish();
    assert_eq!(ended.code, 1, "the ping that failed came first");
    assert!(
        ended.err.contains(&"there is no cable between h1 and h4: see `links`".to_string()),
        "{ended:#?}"
    );
}
