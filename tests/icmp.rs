//! CSE3214, assignment 4 and its optional exercises: `ping` and `trace`, in networks of their own.

mod common;

use common::lab::{can_build, Lab};
use common::netns::{namespaces, Net};
use common::{can_run, installed, is_root, socklab};

#[test]
fn silence_is_loss_also_on_loopback() {
    if !namespaces() {
        return;
    }
    let net = Net::new();
    net.silence("a");
    for host in ["127.0.0.1", "::1"] {
        let ended = net.socklab("a", &["ping", "-c3", "-i0.05", "-W0.2", host]).finish();
        assert_eq!(ended.code, 1);
        assert!(ended
            .out
            .iter()
            .any(|line| line.contains("3 packets transmitted, 0 received, 100% packet loss")));
        assert!(
            !ended.out.iter().any(|line| line.contains("bytes from") || line.contains("rtt")),
            "{ended:#?}"
        );
        let timed_out = ended.out.iter().filter(|line| line.starts_with("Request timed out: icmp_seq="));
        assert_eq!(timed_out.count(), 3);
    }
}

#[test]
fn without_rights_the_kernels_ping_socket_or_a_line_that_helps() {
    if !namespaces() || !can_run(installed("setpriv"), "setpriv is not installed") {
        return;
    }
    let net = Net::new();
    let folder = common::system::Folder::new();
    let copy = folder.copy_of_socklab();
    let user = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", &copy];
    let ping = |words: &[&str]| net.start("a", &[&user[..], words].concat()).finish();

    net.on("a", "sysctl -qw net.ipv4.ping_group_range='1 0'");
    let ended = ping(&["ping", "-c1", "10.0.2.2"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err[0].contains("Operation not permitted (run it with sudo, or"), "{ended:#?}");
    let ended = ping(&["trace", "10.0.2.2"]);
    assert_eq!((ended.code, ended.out.len()), (0, 3), "UDP probes need no rights: {ended:#?}");

    net.on("a", "sysctl -qw net.ipv4.ping_group_range='0 2147483647'");
    for host in ["10.0.2.2", "fd02::2"] {
        let ended = ping(&["ping", "-c2", "-i0.05", host]);
        assert_eq!(ended.code, 0, "{ended:#?}");
        let ended = ping(&["ping", "-c2", "-i0.05", "-t1", host]);
        let name = if host.contains(':') { "Time exceeded: Hop limit" } else { "Time to live exceeded" };
        assert_eq!(ended.out.iter().filter(|line| line.ends_with(name)).count(), 2, "{ended:#?}");
        let ended = ping(&["trace", "--icmp", host]);
        assert_eq!((ended.code, ended.out.len()), (0, 3), "{ended:#?}");
    }
    let ended = ping(&["ping", "-f", "10.0.2.2"]);
    assert_eq!(ended.code, 2, "{ended:#?}");
}

#[test]
fn trace_names_each_router_and_marks_dead_ends() {
    if !namespaces() {
        return;
    }
    let net = Net::new();
    for words in [&["trace", "10.0.2.2"][..], &["trace", "-I", "10.0.2.2"]] {
        let ended = net.socklab("a", words).finish();
        assert_eq!(ended.code, 0, "{ended:#?}");
        assert!(ended.out[1].starts_with(" 1  10.0.1.1  ") && ended.out[2].starts_with(" 2  10.0.2.2  "));
    }
    for words in [&["trace", "fd02::2"][..], &["trace", "-I", "fd02::2"]] {
        let ended = net.socklab("a", words).finish();
        let hops = [" 1  fd01::1  ", " 2  fd02::2  "];
        assert!(ended.out[1].starts_with(hops[0]) && ended.out[2].starts_with(hops[1]), "{ended:#?}");
    }
    // A router that knows a better way says so (see tests/ping_iputils.rs), and sends the probe on.
    net.on("r", "ip route add 10.8.0.0/24 via 10.0.1.3");
    net.on("r", "ip neighbour add 10.0.1.3 lladdr 02:00:00:00:00:03 dev left nud permanent");
    let ended = net.socklab("a", &["trace", "-I", "-m2", "-q1", "-W0.5", "10.8.0.1"]).finish();
    assert_eq!((ended.code, ended.out[2].as_str()), (1, " 2  *"), "{ended:#?}");
    net.on("r", "ip route add prohibit 10.9.0.0/24");
    let ended = net.socklab("a", &["trace", "10.9.0.1"]).finish();
    // One of three is enough: a router limits its errors.
    assert!(ended.code == 1 && ended.out[1].contains(" ms !X"), "{ended:#?}");
    let ended = net.socklab("a", &["trace", "-m2", "-q1", "-W0.1", "10.0.1.77"]).finish();
    assert_eq!(ended.code, 1, "{ended:#?}");
}

#[test]
fn rights_are_given_up_once_the_socket_is_open() {
    if !namespaces() {
        return;
    }
    let net = Net::new();
    let mut ping = net.socklab("a", &["ping", "10.0.2.2"]);
    ping.wait_out("icmp_seq=1");
    let status = std::fs::read_to_string(format!("/proc/{}/status", ping.pid())).unwrap();
    let field = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap().to_string();
    assert_eq!(field("Uid:"), "Uid:\t65534\t65534\t65534\t65534");
    for capabilities in ["CapPrm:", "CapEff:"] {
        assert!(field(capabilities).ends_with("\t0000000000000000"), "{status}");
    }
    // The line in between, then the statistics. (The next request may be under way: no word on loss.)
    ping.signal("QUIT");
    ping.wait_err("% loss, min/avg/ewma/max = ");
    ping.signal("INT");
    let ended = ping.finish();
    assert_eq!(ended.code, 0);
    assert!(ended.out.iter().any(|line| line.starts_with("rtt min/avg/max/mdev = ")), "{ended:#?}");
}

#[test]
fn a_flood_answers_to_ctrl_c() {
    if !namespaces() {
        return;
    }
    let net = Net::new();
    let ended = net.socklab("a", &["ping", "-f", "-q", "-c5000", "10.0.2.2"]).finish();
    assert!(ended.out.join("\n").contains("5000 packets transmitted, 5000 received, 0% packet loss"));
    assert!(ended.out.last().unwrap().contains(", ipg/ewma "));
    let mut flood = net.socklab("a", &["ping", "-f", "10.0.2.2"]);
    flood.wait_out("PING");
    // Code 0 takes a reply: ask until one has been counted (" 0/0 packets, 0% loss" has no times yet).
    loop {
        flood.signal("QUIT");
        if flood.wait_err(" packets, ").contains("min/avg") {
            break;
        }
    }
    flood.signal("INT");
    assert_eq!(flood.finish().code, 0);
}

#[test]
fn a_network_that_no_route_leads_to_is_exit_code_2() {
    if !namespaces() {
        return;
    }
    let net = Net::new();
    net.on("a", "ip route del default");
    let ended = net.socklab("a", &["ping", "-c", "1", "10.99.0.1"]).finish();
    assert_eq!((ended.code, ended.out.len()), (2, 1), "{ended:#?}");
    assert!(ended.err[0].contains("cannot send to 10.99.0.1: Network is unreachable"), "{ended:#?}");
    if can_run(installed("ping"), "iputils-ping is not installed") {
        assert_eq!(net.start("a", &["ping", "-c", "1", "10.99.0.1"]).finish().code, 2, "iputils");
    }
}

#[test]
fn what_cannot_be_pinged_is_exit_code_2() {
    if !can_run(is_root(), "raw sockets need root") {
        return;
    }
    for words in [&["ping"][..], &["ping", "-4", "-6", "::1"], &["ping", "no..such.host"]] {
        let ended = socklab(words, b"");
        assert_eq!((ended.code, ended.out.len()), (2, 0), "{ended:#?}");
    }
}

/// The least of the times in an `rtt min/avg/max/mdev = …` line.
fn least(line: &str) -> f64 {
    line.split(" = ").nth(1).unwrap().split('/').next().unwrap().parse().unwrap()
}

/// The sheet's four hosts, as the plan has them: number of the network, name, and one way from home in
/// milliseconds, with what it may vary by.
const FAR: [(u32, &str, f64, f64); 4] =
    [(1, "america", 50.0, 1.0), (2, "asia", 90.0, 2.0), (3, "oceania", 145.0, 3.0), (4, "africa", 85.0, 4.0)];

#[test]
fn four_hosts_on_other_continents() {
    if !can_build() {
        return;
    }
    let mut lab = Lab::start(&["continents"]);
    for (_, name, delay, jitter) in FAR {
        lab.program
            .type_line(&format!("link {name} r1 loss 0\nhome socklab ping -q -c 4 -i 0.1 -W 20 {name}"));
        let shown = least(&lab.program.wait_out("rtt min/avg/max/mdev = "));
        // Not below what the cables take; above it comes what a busy machine takes.
        let (shortest, longest) = (2.0 * (delay - jitter), 2.0 * (delay + jitter) + 500.0);
        assert!((shortest..longest).contains(&shown), "{shown} ms to {name}");
    }
    assert_eq!(lab.finish().code, 0);
}

/// The page's transcript is played without its times (tests/docs.rs); here they are compared with the plan.
#[test]
fn the_times_on_the_page_are_those_of_the_plan() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cse3214-ping.md")).unwrap();
    let page = page.split("### Four hosts").nth(1).expect("their place on the page");
    for (number, name, delay, jitter) in FAR {
        let transcript = page.split(&format!("--- 10.{number}.0.2 ping statistics ---")).nth(1).expect(name);
        let shown = least(transcript.lines().find(|line| line.starts_with("rtt ")).expect(name));
        let (shortest, longest) = (2.0 * (delay - jitter), 2.0 * (delay + jitter) + 2.0);
        assert!((shortest..longest).contains(&shown), "the page shows {shown} ms to {name}");
    }
}
