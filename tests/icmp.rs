//! CSE3214, assignment 4 and its optional exercises: `ping` and `trace`, in networks of their own,
//! beside iputils `ping`.

mod common;

use common::netns::Net;
use common::{can_run, installed, is_root, socklab, Ended};

/// The host that answers badly.
const ANSWER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/answer.py");

/// Whether a test with namespaces may run.
fn namespaces() -> bool {
    can_run(is_root() && installed("ip"), "network namespaces need root and iproute2")
}

/// What a pinger's output says, without times, and without the lines that only one of the two has:
/// our `Request timed out` and the blank lines.
fn said(ended: &Ended) -> Vec<String> {
    let lines = ended.out.iter().filter(|line| !line.is_empty() && !line.starts_with("Request timed out"));
    lines.map(|line| without_times(line)).collect()
}

/// A line with its times taken out, and `pipe`, which depends on them.
fn without_times(line: &str) -> String {
    let line = line.split(", pipe").next().unwrap_or_default();
    let words = line.split(' ').map(|word| match word.split_once("time=") {
        Some((before, _)) => format!("{before}time="),
        None if word.contains('/') && word.contains('.') => "…".to_string(),
        None if word.ends_with("ms") && word.len() > 2 => "…ms".to_string(),
        None => word.to_string(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Runs `ping` with these words on host a, ours and iputils', and compares what they say. Returns ours.
fn compare(net: &Net, words: &[&str]) -> Ended {
    let mut iputils = net.start("a", &[&["ping"], words].concat()).finish();
    let ours = net.socklab("a", &[&["ping"], words].concat()).finish();
    // When everything is lost iputils may say `pipe 3` on a line of its own.
    iputils.out.retain(|line| !line.starts_with("pipe "));
    let mut own = said(&ours);
    own.retain(|line| !line.starts_with("pipe "));
    // iputils sets "wrong data" and the bytes around it off by an indented dump.
    let theirs: Vec<String> =
        said(&iputils).into_iter().filter(|line| !line.starts_with(['#', '\t'])).collect();
    assert_eq!(own, theirs, "ping {words:?}\nours {ours:#?}\niputils {iputils:#?}");
    assert_eq!(ours.code, iputils.code, "ping {words:?}");
    ours
}

#[test]
fn the_same_lines_as_iputils_over_a_router() {
    if !namespaces() || !can_run(installed("ping"), "iputils ping is not installed") {
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
        &["-c2", "-i0.05", "127.0.0.1"],
        &["-c1", "::1"],
        // 0 is no limit.
        &["-c1", "-W0", "10.0.2.2"],
        // A time to live of 1 ends at the router.
        &["-c2", "-i0.05", "-t1", "-W1", "10.0.2.2"],
        &["-c1", "-t1", "-W1", "fd02::2"],
    ] {
        let ours = compare(&net, words);
        assert!(ours.err.is_empty(), "{ours:#?}");
    }
    // Routes that end at the router, each with its own code.
    for (kind, code) in
        [("unreachable", "Destination Host Unreachable"), ("prohibit", "Packet filtered"), ("blackhole", "")]
    {
        net.on("r", &format!("ip route add {kind} 10.9.0.0/24"));
        // The router's routing table limits such errors to five at once, then one a second.
        let ours = compare(&net, &["-c1", "-W0.3", "10.9.0.1"]);
        assert_eq!(ours.code, 1);
        assert!(ours.out.iter().any(|line| line.contains(code)), "{ours:#?}");
        net.on("r", &format!("ip route del {kind} 10.9.0.0/24"));
    }
    net.on("r", "ip -6 route add prohibit fd09::/64");
    let ours = compare(&net, &["-c1", "-W0.3", "fd09::1"]);
    assert!(ours.out.iter().any(|line| line.ends_with("Administratively prohibited")), "{ours:#?}");
}

#[test]
fn hosts_that_answer_late_twice_or_with_damage() {
    let here = namespaces() && can_run(installed("python3"), "python3 is not installed");
    if !here || !can_run(installed("ping"), "iputils ping is not installed") {
        return;
    }
    let net = Net::new();
    net.on("b", "sysctl -qw net.ipv4.icmp_echo_ignore_all=1");
    let answer = |mode: &str| {
        let mut program = net.start("b", &["python3", ANSWER, mode]);
        program.wait_out("ready");
        program
    };
    let text = |ended: &Ended| ended.out.join("\n");
    let three = ["-c3", "-i0.05", "-W0.4", "10.0.2.2"];

    let _host = answer("twice");
    let ours = net.socklab("a", &[&["ping"], &three[..]].concat()).finish();
    assert_eq!(ours.code, 0);
    assert_eq!(
        text(&ours).matches(" (DUP!)").count(),
        2,
        "the third's second comes after the end: {ours:#?}"
    );
    assert!(text(&ours).contains("3 received, +2 duplicates, 0% packet loss"), "{ours:#?}");
    drop(_host);

    let _host = answer("damaged");
    let ours = net.socklab("a", &[&["ping"], &three[..]].concat()).finish();
    assert_eq!(text(&ours).matches("wrong data byte #40 should be 0x28 but was 0x8").count(), 3, "{ours:#?}");
    drop(_host);

    let _host = answer("checksum");
    let ours = net.socklab("a", &[&["ping"], &three[..]].concat()).finish();
    assert_eq!(ours.code, 1);
    assert!(text(&ours).contains("0 received, +3 corrupted, 100% packet loss"), "{ours:#?}");
    assert_eq!(text(&ours).matches("(BAD CHECKSUM!)").count(), 3);
    drop(_host);

    let _host = answer("foreign");
    let ours = net.socklab("a", &[&["ping"], &three[..]].concat()).finish();
    assert_eq!(ours.code, 1);
    assert!(text(&ours).contains("3 packets transmitted, 0 received, 100% packet loss"), "{ours:#?}");
    assert_eq!(text(&ours).matches("Request timed out: icmp_seq=").count(), 3, "{ours:#?}");
    drop(_host);

    let _host = answer("late");
    let ours = net.socklab("a", &["ping", "-c3", "-i0.3", "-W0.2", "10.0.2.2"]).finish();
    let late = ours.out.iter().find(|line| line.ends_with("(late)")).expect("a late reply");
    assert!(late.contains("icmp_seq=1 "), "{ours:#?}");
    assert!(text(&ours).contains("Request timed out: icmp_seq=1"), "{ours:#?}");
    let time: f64 = late.split("time=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(time >= 500.0, "it is not taken for a later ping's: {late}");
    drop(_host);

    // `time` is from the first request to the last, and waiting for the reply does not count.
    let _host = answer("late");
    let ours = net.socklab("a", &["ping", "-c1", "-W2", "10.0.2.2"]).finish();
    assert!(text(&ours).contains("1 received, 0% packet loss, time 0ms"), "{ours:#?}");
}

#[test]
fn silence_is_loss_also_on_loopback() {
    if !namespaces() {
        return;
    }
    let net = Net::new();
    net.on("a", "sysctl -qw net.ipv4.icmp_echo_ignore_all=1 net.ipv6.icmp.echo_ignore_all=1");
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
    let copy = folder.0.join("socklab");
    // By cp and not by us: a child that another test forks meanwhile would keep our copy open for
    // writing, and a file that is open for writing cannot be run (ETXTBSY).
    let copied = std::process::Command::new("cp").arg(common::SOCKLAB).arg(&copy).status();
    assert!(copied.is_ok_and(|status| status.success()), "a copy that others can reach");
    let copy = copy.to_str().unwrap();
    let user = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", copy];
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
    // The line in between, then the statistics.
    ping.signal("QUIT");
    assert!(ping.wait_err(" packets, 0% loss, min/avg/ewma/max = ").contains('/'));
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
