//! The network of SCC.231, part 2, run for real: what its commands say. What its cables do to packets is in
//! `tests/topology_cables.rs`, the other exercises across it in `tests/topology_exercises.rs`, and that it
//! leaves nothing behind in `tests/topology_ends.rs` and `tests/topology_terminal.rs`.
//!
//! Each test has a network of its own (`tutorial`, `tutorial2`, …), so they run side by side. They need
//! root. Networks that others run are left alone.

mod common;

use common::lab::{a_sleep, can_build, runs, wait_until, Lab};
use common::{socklab, Program, SOCKLAB};

/// SCC.231 part 2, the walk-through: names, cables, routes, TTL 62, and both ways explained.
#[test]
fn the_walk_through() {
    if !can_build() {
        return;
    }
    let mut lab = Lab::start(&["tutorial"]);
    lab.program.type_line("nodes\ndump\nroutes\nexplain h1 h4\n# a comment\n\nhelp");
    for expected in [
        "h2       router",
        "h1-eth0      10.0.0.2/24",
        "h2-eth1      192.168.0.2/24",
        "h2-eth0 - s1-eth2  10 Mbit/s, 10 ms, 1 % loss",
        "h2-eth1 - h3-eth1  no limits",
        "default via 10.0.0.1 dev h1-eth0",
        "10.1.0.0/24 via 192.168.0.1 dev h2-eth1",
        "h2: to 10.1.0.2, 10.1.0.0/24 is the longest match: via 192.168.0.1 on h2-eth1",
        "both ways lead to their end",
        "HOST COMMAND",
    ] {
        lab.program.wait_out(expected);
    }
    // A ping may be lost; the TTL of those that come says that two routers were passed.
    lab.program.type_line("h1 ping -c 10 -i 0.2 h4");
    assert!(lab.program.wait_out("bytes from 10.1.0.2").contains("ttl=62"));
    lab.program.type_line("exit");
    let ended = lab.finish();
    assert_eq!(ended.code, 0, "{ended:#?}");
}

/// errata: h3's and h4's addresses the other way round, as the sheet's link parameters have them. The
/// default route of h4 then points to h4 itself.
#[test]
fn the_sheets_mistake_is_found() {
    if !can_build() {
        return;
    }
    let mut lab = Lab::start(&[]);
    for line in [
        "h3 ip addr del 10.1.0.1/24 dev h3-eth0",
        "h3 ip addr add 10.1.0.2/24 dev h3-eth0",
        "h4 ip addr add 10.1.0.1/32 dev h4-eth0",
        "h4 ip addr del 10.1.0.2/24 dev h4-eth0",
        "h4 ip addr add 10.1.0.1/24 dev h4-eth0",
        "h4 ip addr del 10.1.0.1/32 dev h4-eth0",
        "explain h1 h4",
    ] {
        lab.program.type_line(line);
    }
    lab.program.wait_out("WRONG: 10.1.0.1 is h4's own address; a route must name a neighbour");
    lab.program.wait_out("packets reach h4, but its answers do not come back");
    // Other mistakes: a router that does not forward, an interface that is down, a cable that is out.
    lab.program.type_line("h2 sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'\nexplain h1 h3");
    lab.program.wait_out("h2: WRONG: it is a host and does not forward");
    lab.program.type_line("link h1 s1 down\nexplain h1 h2");
    lab.program.wait_out("no cable leads there");
    lab.program.type_line("explain h1 s1");
    let ended = lab.finish();
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains(&"s1 has no address".to_string()), "{ended:#?}");
}

/// What is down is named: a router's interface, and a switch, which is as if its cables were out.
#[test]
fn explain_sees_what_is_down() {
    if !can_build() {
        return;
    }
    let mut lab = Lab::start(&[]);
    lab.program.type_line("h3 ip link set h3-eth1 down\nexplain h2 h3");
    lab.program.wait_out("WRONG: h3 has 192.168.0.1, but its interface h3-eth1 is down");
    lab.program.type_line("s1 ip link set s1 down\nexplain h1 h2");
    lab.program.wait_out("WRONG: h2 has 10.0.0.1, but no cable leads there from h1-eth0");
    lab.program.type_line("s1 ip link set s1 up\nexplain h1 h2");
    lab.program.wait_out("both ways lead to their end");
    assert_eq!(lab.finish().code, 0);
}

/// The contract: from a pipe the commands run on after a failure, and the exit code is the first
/// failure's; whole words that are names of hosts become addresses; no shell; `socklab` is this binary.
#[test]
fn commands_from_a_pipe() {
    if !can_build() {
        return;
    }
    let mut lab = Lab::start(&[]);
    lab.program.type_line("h1 echo h4 h4x xh4 h1 h4.example socklab $HOME '| cat' * ; > /tmp/x");
    lab.program.wait_out(&format!("10.1.0.2 h4x xh4 10.0.0.2 h4.example {SOCKLAB} $HOME | cat * ; > /tmp/x"));
    lab.program.type_line("h1 cat\nh1 sh -c 'exit 7'\nh9 ls\nh1 false\nh1 sh -c 'kill -9 $$'");
    lab.program.wait_err("h1: sh -c exit 7: exit code 7");
    lab.program.wait_err("h9 is neither a command nor a node");
    lab.program.wait_err("h1: sh -c kill -9 $$: exit code 137");
    lab.program.type_line("h4 socklab --version\nh1 sh -c 'socklab --version'\nh1 ip -o -4 addr");
    lab.program.wait_out("socklab 0.");
    lab.program.wait_out("socklab 0.");
    lab.program.wait_out("10.0.0.2/24");
    lab.program.type_line("exit\nh1 echo never");
    let ended = lab.finish();
    assert_eq!(ended.code, 7, "{ended:#?}");
    assert!(!ended.out.contains(&"never".to_string()));
}

/// `pingall` shows everybody's round-trip times, and who is out of reach.
#[test]
fn everybody_pings_everybody() {
    if !can_build() {
        return;
    }
    let mut lab = Lab::without_loss();
    lab.program.type_line("pingall");
    lab.program.wait_out("12 of 12 pairs reach each other");
    lab.program.type_line("link h1 s1 down\npingall");
    lab.program.wait_out("6 of 12 pairs reach each other");
    let ended = lab.finish();
    assert_eq!(ended.code, 1, "{ended:#?}");
    let row = ended.out.iter().find(|line| line.trim_start().starts_with("h4 ")).expect("a row for h4");
    let first: f64 = row.split_whitespace().nth(1).and_then(|time| time.parse().ok()).expect("a time");
    assert!(first > 480.0, "{row}");
}

/// `continents`: delays, jitter within its bounds, from one far host to another.
#[test]
fn continents() {
    if !can_build() {
        return;
    }
    let mut lab = Lab::start(&["continents", "--seed", "1"]);
    lab.program.type_line("home ping -c 5 -i 0.2 america\nexplain oceania africa");
    let reply = lab.program.wait_out("bytes from 10.1.0.2");
    assert!(reply.contains("ttl=63"), "{reply}");
    lab.program.wait_out("both ways lead to their end");
    lab.finish();
}

/// From another terminal, and with several networks at once.
#[test]
fn exec_in_the_network_that_is_meant() {
    if !can_build() {
        return;
    }
    let (one, mut two) = (Lab::start(&[]), Lab::start(&["continents"]));
    let exec = |words: &[&str]| socklab(&[&["topology", "exec"], words].concat(), b"");
    let ended = exec(&["--net", &one.id, "h1", "sh", "-c", "echo $1; ip -o -4 addr; exit 5", "-", "h4"]);
    assert_eq!(ended.code, 5, "{ended:#?}");
    assert_eq!(ended.out[0], "10.1.0.2");
    assert!(ended.out.iter().any(|line| line.contains("10.0.0.2/24")), "{ended:#?}");
    let ended = exec(&["--net", &two.id, "asia", "socklab", "--version"]);
    assert!(ended.out[0].starts_with("socklab "), "{ended:#?}");
    let several = exec(&["h1", "true"]);
    assert_eq!(several.code, 2, "{several:#?}");
    assert!(several.err[0].contains("say which with --net"), "{several:#?}");
    for (words, code, why) in [
        (vec!["--net", "no-such", "h1", "true"], 1, "there is no such network; running: "),
        (vec!["--net", &one.id, "h9", "true"], 1, "has no node h9"),
        (vec!["h1"], 2, "and which command?"),
        (vec![], 2, "topology exec [--net ID] HOST COMMAND"),
    ] {
        let ended = exec(&words);
        assert_eq!(ended.code, code, "{ended:#?}");
        assert!(ended.err[0].contains(why), "{ended:#?}");
    }
    // What was started from outside ends with the network as well.
    let sleep = a_sleep(7);
    let words: Vec<&str> = sleep.split(' ').collect();
    let mut guest =
        Program::socklab(&[&["topology", "exec", "--net", &two.id, "africa"], &words[..]].concat());
    wait_until("it runs", || runs(&sleep));
    two.program.signal("TERM");
    two.finish();
    guest.end_input();
    assert_eq!(guest.finish().code, 128 + 15);
    one.finish();
}

/// Wrong usage; and the picture, for which nobody has to be root.
#[test]
fn words_that_make_no_sense() {
    for (words, why) in [
        (vec!["tutorail"], "there is no network tutorail: did you mean tutorial?"),
        (vec!["moon"], "there is no network moon: there are tutorial and continents"),
        (vec!["tutorial", "h1"], "one argument too many: h1"),
        (vec!["clean", "all"], "one argument too many: all"),
        (vec!["picture", "moon"], "there is no network moon"),
        (vec!["tutorial", "--seed", "x"], "--seed x: not a whole number"),
        (vec!["tutorial", "--seed="], "--seed : not a whole number"),
        (vec!["--seed", "1", "clean"], "--seed is for a network that is built, not for clean"),
    ] {
        let ended = socklab(&[&["topology"], &words[..]].concat(), b"");
        assert_eq!(ended.code, 2, "{ended:#?}");
        assert!(ended.err[0].contains(why), "{ended:#?}");
    }
    let ended = socklab(&["topology", "picture", "continents"], b"");
    assert_eq!(ended.code, 0);
    assert!(ended.out[0].starts_with("<svg ") && ended.out.last().unwrap() == "</svg>");
}
