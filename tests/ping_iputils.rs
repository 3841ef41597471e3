//! CSE3214, assignment 4: what `ping` says is what iputils `ping` says, line for line.
//!
//! Both are run in the same network, one after the other, and their lines are compared once the times are
//! taken out. What differs on purpose is this, and nothing else:
//!
//! | ours | iputils | why |
//! |---|---|---|
//! | `Request timed out: icmp_seq=N` | says nothing | the sheet asks for it |
//! | a late reply ends with ` (late)` | shows it as any other | its request has been given up on screen |
//! | a wrong checksum: `(BAD CHECKSUM!)`, not received | computes it, and counts the reply | it may answer anything |
//! | a reply with a nonce that is not ours is ignored | a reply like any other | two pingers may share an identifier |
//! | damage to the first 16 bytes is shown | shows another time | we keep the time, and read none from the payload |
//! | some rare codes have names | `pointer = 0`, `Unknown code 5`, nothing | RFC 1122, RFC 4443 name them |
//!
//! tests/ping_hostile.rs tests these.

mod common;

use common::netns::{namespaces, Net};
use common::system::Folder;
use common::{can_run, installed, Ended};

/// What a pinger's output says: without times, and without what is ours on purpose.
fn said(ended: &Ended) -> Vec<String> {
    let lines = ended.out.iter().map(|line| without_times(line));
    // `pipe 3`, how many were under way at once, depends on times; when all is lost it stands alone.
    let ours_or_empty = |line: &str| line.is_empty() || line.starts_with("Request timed out: icmp_seq=");
    lines.filter(|line| !ours_or_empty(line) && !line.starts_with("pipe ")).collect()
}

/// A line with its times taken out, and `pipe`, and the mark that is ours alone.
fn without_times(line: &str) -> String {
    let line = line.split(", pipe").next().unwrap_or_default();
    let words = line.trim_end_matches(" (late)").split(' ').map(|word| match word.split_once("time=") {
        Some((before, _)) => format!("{before}time="),
        None if word.starts_with('[') && word.ends_with(']') => "[…]".to_string(),
        None if word.contains('/') && word.contains('.') => "…".to_string(),
        None if word.ends_with("ms") && word.len() > 2 => "…ms".to_string(),
        None => word.to_string(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Whether iputils can be compared with.
fn iputils() -> bool {
    namespaces() && can_run(installed("ping"), "iputils ping is not installed")
}

/// Runs `ping` with these words on host a, ours and iputils', and compares what they say. Returns ours.
fn compare(net: &Net, words: &[&str]) -> Ended {
    let iputils = net.start("a", &[&["ping"], words].concat()).finish();
    let ours = net.socklab("a", &[&["ping"], words].concat()).finish();
    assert_eq!(said(&ours), said(&iputils), "ping {words:?}\nours {ours:#?}\niputils {iputils:#?}");
    assert_eq!(ours.code, iputils.code, "ping {words:?}");
    ours
}

/// The same where both have the kernel's ping socket and no raw one: as nobody in particular.
fn compare_as_user(net: &Net, copy: &str, words: &[&str]) -> Ended {
    let user = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", "--no-new-privs"];
    let iputils = net.start("a", &[&user[..], &["ping"], words].concat()).finish();
    let ours = net.start("a", &[&user[..], &[copy, "ping"], words].concat()).finish();
    assert_eq!(said(&ours), said(&iputils), "ping {words:?}\nours {ours:#?}\niputils {iputils:#?}");
    assert_eq!(ours.code, iputils.code, "ping {words:?}");
    ours
}

fn count(ended: &Ended, text: &str) -> usize {
    ended.out.iter().filter(|line| line.contains(text)).count()
}

#[test]
fn a_good_host_behind_a_router() {
    if !iputils() {
        return;
    }
    let net = Net::new();
    for words in [
        &["-c3", "-i0.05", "10.0.2.2"][..],
        &["-c2", "-i0.05", "-s16", "-q", "10.0.2.2"],
        &["-c1", "-s1400", "10.0.2.2"],
        &["-c1", "-s4000", "10.0.2.2"],
        &["-c2", "-i0.05", "-n", "fd02::2"],
        &["-c1", "-6", "-s2000", "fd02::2"],
        &["-c2", "-i0.05", "-D", "127.0.0.1"],
        &["-c1", "-4", "localhost"],
        &["-c1", "::1"],
        &["-c50", "-f", "-q", "10.0.2.2"],
        // Too short for a time stamp: no times, and no line of them at the end.
        &["-c2", "-i0.05", "-s15", "10.0.2.2"],
        &["-c1", "-s8", "fd02::2"],
        &["-c2", "-f", "-q", "-s0", "10.0.2.2"],
        // 0 is no limit.
        &["-c1", "-W0", "10.0.2.2"],
    ] {
        let ours = compare(&net, words);
        assert_eq!((ours.code, ours.err.len()), (0, 0), "{ours:#?}");
    }
}

#[test]
fn a_way_that_ends_at_the_router() {
    if !iputils() {
        return;
    }
    let net = Net::new();
    for words in [&["-c2", "-i0.05", "-t1", "-W5", "10.0.2.2"][..], &["-c1", "-t1", "-W5", "fd02::2"]] {
        assert_eq!(compare(&net, words).code, 1);
    }
    // The router's routing table limits such errors to five at once, then one a second: hence -c1.
    for (kind, code) in [("unreachable", "Destination Host Unreachable"), ("prohibit", "Packet filtered")] {
        net.on("r", &format!("ip route add {kind} 10.9.0.0/24"));
        let ours = compare(&net, &["-c1", "-W5", "10.9.0.1"]);
        assert_eq!((ours.code, count(&ours, code)), (1, 1), "{ours:#?}");
        net.on("r", &format!("ip route del {kind} 10.9.0.0/24"));
    }
    net.on("r", "ip -6 route add prohibit fd09::/64");
    let ours = compare(&net, &["-c1", "-W5", "fd09::1"]);
    assert!(ours.out.iter().any(|line| line.ends_with("Administratively prohibited")), "{ours:#?}");
}

#[test]
fn without_rights_the_kernels_ping_socket() {
    if !iputils() || !can_run(installed("setpriv"), "setpriv is not installed") {
        return;
    }
    let net = Net::new();
    let folder = Folder::new();
    let copy = folder.copy_of_socklab();
    net.on("a", "sysctl -qw net.ipv4.ping_group_range='0 2147483647'");
    net.on("r", "ip route add unreachable 10.9.0.0/24");
    for words in [
        &["-c3", "-i0.05", "10.0.2.2"][..],
        &["-c2", "-i0.05", "fd02::2"],
        &["-c1", "-s2000", "10.0.2.2"],
        &["-c2", "-i0.05", "-t1", "-W5", "10.0.2.2"],
        &["-c1", "-t1", "-W5", "fd02::2"],
        &["-c1", "-W5", "10.9.0.1"],
    ] {
        compare_as_user(&net, &copy, words);
    }
}

#[test]
fn silence_on_the_way_and_at_its_end() {
    if !iputils() {
        return;
    }
    let net = Net::new();
    net.on("r", "ip route add blackhole 10.9.0.0/24");
    net.silence("b");
    for host in ["10.9.0.1", "10.0.2.2", "fd02::2"] {
        let ours = compare(&net, &["-c3", "-i0.05", "-W0.3", host]);
        assert_eq!((ours.code, count(&ours, "Request timed out: icmp_seq=")), (1, 3), "{ours:#?}");
    }
}

#[test]
fn a_router_that_knows_a_better_way() {
    if !iputils() {
        return;
    }
    let net = Net::new();
    // The router sends the request on to a neighbour on the link that it came from, and says so. That
    // neighbour is nobody, so nothing comes back; and host a keeps its route, or it would ask it itself.
    net.on("a", "sysctl -qw net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.eth0.accept_redirects=0");
    net.on("r", "ip route add 10.9.0.0/24 via 10.0.1.3");
    net.on("r", "ip neighbour add 10.0.1.3 lladdr 02:00:00:00:00:03 dev left nud permanent");
    let ours = compare(&net, &["-c1", "-W0.5", "10.9.0.1"]);
    let line = "From 10.0.1.1: icmp_seq=1 Redirect Host(New nexthop: 10.0.1.3)";
    assert_eq!((ours.code, count(&ours, line)), (1, 1), "{ours:#?}");
}

/// Runs both against a host that answers in this mode of answer.py. A request each 0.5 s: iputils waits
/// no longer than that for the last reply, once it knows that replies come fast.
fn against(net: &Net, version: &str, mode: &str, words: &[&str]) -> Ended {
    let _host = net.answer(version, mode);
    let host = if version == "4" { "10.0.2.2" } else { "fd02::2" };
    compare(net, &[&["-W5"], words, &[host]].concat())
}

#[test]
fn hosts_that_answer_twice_or_late() {
    if !iputils() || !can_run(installed("python3"), "python3 is not installed") {
        return;
    }
    let net = Net::new();
    net.silence("b");
    for version in ["4", "6"] {
        let ours = against(&net, version, "twice", &["-c3", "-i0.5"]);
        // The third one's second comes after the end.
        assert_eq!((ours.code, count(&ours, " (DUP!)")), (0, 2), "{ours:#?}");
        assert_eq!(count(&ours, "3 received, +2 duplicates, 0% packet loss"), 1);

        let ours = against(&net, version, "late", &["-c2", "-i1.5", "-W1"]);
        assert_eq!((ours.code, count(&ours, "Request timed out: icmp_seq=1")), (0, 1), "{ours:#?}");
        let late = ours.out.iter().find(|line| line.contains("icmp_seq=1 ttl=63 ")).expect("a late reply");
        assert!(late.ends_with(" ms (late)"), "{ours:#?}");
        let time: f64 = late.split("time=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(time >= 1_500.0, "it is not taken for a later ping's: {late}");
    }
}

#[test]
fn hosts_that_answer_with_damage() {
    if !iputils() || !can_run(installed("python3"), "python3 is not installed") {
        return;
    }
    let net = Net::new();
    net.silence("b");
    for version in ["4", "6"] {
        let ours = against(&net, version, "damaged", &["-c2", "-i0.5"]);
        assert_eq!(count(&ours, "wrong data byte #40 should be 0x28 but was 0x8"), 2, "{ours:#?}");
        let ours = against(&net, version, "truncated", &["-c2", "-i0.5"]);
        assert_eq!(count(&ours, "38 bytes from "), 2, "{ours:#?}");
    }
}

#[test]
fn every_error_by_its_name() {
    if !iputils() || !can_run(installed("python3"), "python3 is not installed") {
        return;
    }
    let net = Net::new();
    net.silence("b");
    // No reply comes at all, so that iputils waits as long as -W says.
    let ours = against(&net, "4", "errors", &["-c18", "-i0.05"]);
    assert_eq!((ours.code, count(&ours, "From 10.0.2.2 icmp_seq=")), (1, 18), "{ours:#?}");
    assert_eq!(count(&ours, "18 packets transmitted, 0 received, +18 errors, 100% packet loss"), 1);
    let ours = against(&net, "6", "errors", &["-c11", "-i0.05"]);
    assert_eq!((ours.code, count(&ours, "From fd02::2 icmp_seq=")), (1, 11), "{ours:#?}");
    let ours = against(&net, "4", "advice", &["-c5", "-i0.3"]);
    assert_eq!((ours.code, count(&ours, "(New nexthop: 10.0.2.9)")), (0, 4), "{ours:#?}");
}
