//! CSE3214, assignment 4: what a hostile host on the network can make `ping` and `trace` believe. Nothing.
//!
//! The host stands two hops away and answers every request with rubbish made for it: truncations, random
//! bytes behind every type, lying lengths, and packets that are nearly right. tests/common/answer.py makes
//! them. A good reply follows when all else must have been looked at.

mod common;

use common::netns::{namespaces, Net};
use common::{can_run, installed, Ended};

/// Whether these tests may run.
fn hostile() -> bool {
    namespaces() && can_run(installed("python3"), "python3 is not installed")
}

#[test]
fn rubbish_never_matches() {
    if !hostile() {
        return;
    }
    let net = Net::new();
    net.silence("b");
    for (version, host) in [("4", "10.0.2.2"), ("6", "fd02::2")] {
        let _host = net.answer(version, "fuzz");
        // Each of the 40 has an eighth of the rubbish before its reply. The reply alone answers it: had
        // anything before been taken for it, the reply would be a duplicate, or its time another's.
        let ended = net.socklab("a", &["ping", "-c40", "-i0.02", "-W20", host]).finish();
        assert_eq!((ended.code, ended.err.len()), (0, 0), "{ended:#?}");
        let damaged = ended.out.iter().filter(|line| line.ends_with(" (truncated) (BAD CHECKSUM!)")).count();
        let good = ended.out.iter().filter(|line| line.starts_with(&format!("64 bytes from {host}: ")));
        let numbers: Vec<String> = good
            .map(|line| line.split("icmp_seq=").nth(1).unwrap().split(' ').next().unwrap().to_string())
            .collect();
        assert_eq!(numbers, (1..=40).map(|number| number.to_string()).collect::<Vec<_>>(), "{ended:#?}");
        // The heading, the replies, the damaged ones, an empty line and the three of the statistics.
        assert_eq!(ended.out.len(), 1 + 40 + damaged + 4, "{ended:#?}");
        let corrupted = if damaged > 0 { format!(", +{damaged} corrupted") } else { String::new() };
        let counts = format!("40 packets transmitted, 40 received{corrupted}, 0% packet loss");
        assert!(ended.out.iter().any(|line| line.starts_with(&counts)), "{counts}: {ended:#?}");
        // The kernel throws damaged ICMPv6 packets away; of IPv4 we have seen each truncation that is long
        // enough for a nonce, 40 of them, five times (40 requests, an eighth each).
        assert_eq!(damaged, if version == "4" { 40 * 5 } else { 0 }, "{ended:#?}");
    }
}

#[test]
fn other_peoples_packets_are_not_ours() {
    if !hostile() {
        return;
    }
    let net = Net::new();
    net.silence("b");
    let _host = net.answer("4", "foreign");
    let ended = net.socklab("a", &["ping", "-c3", "-i0.05", "-W0.5", "10.0.2.2"]).finish();
    assert_eq!((ended.code, ended.err.len()), (1, 0), "{ended:#?}");
    let starts = |text: &str| ended.out.iter().filter(|line| line.starts_with(text)).count();
    assert_eq!(starts("Request timed out: icmp_seq="), 3, "{ended:#?}");
    assert_eq!(starts("3 packets transmitted, 0 received, 100% packet loss"), 1, "{ended:#?}");
}

#[test]
fn a_wrong_checksum_answers_nothing() {
    if !hostile() {
        return;
    }
    let net = Net::new();
    net.silence("b");
    let _host = net.answer("4", "checksum");
    let ended = net.socklab("a", &["ping", "-c2", "-i0.05", "-W1", "10.0.2.2"]).finish();
    let damaged =
        |ended: &Ended| ended.out.iter().filter(|line| line.ends_with(" ms (BAD CHECKSUM!)")).count();
    assert_eq!((ended.code, damaged(&ended)), (1, 2), "{ended:#?}");
    let counts = "2 packets transmitted, 0 received, +2 corrupted, 100% packet loss";
    assert!(ended.out.iter().any(|line| line.starts_with(counts)), "{ended:#?}");
    // The good reply after the damaged one is the first, and no duplicate.
    let ended = net.socklab("a", &["ping", "-c3", "-i0.05", "-W1", "10.0.2.2"]).finish();
    assert_eq!((ended.code, damaged(&ended)), (0, 3), "{ended:#?}");
    let counts = "3 packets transmitted, 1 received, +3 corrupted, 66.6667% packet loss";
    assert!(ended.out.iter().any(|line| line.starts_with(counts)), "{ended:#?}");
}

#[test]
fn a_reply_begins_where_its_ip_header_ends() {
    if !hostile() {
        return;
    }
    let net = Net::new();
    net.silence("b");
    let _host = net.answer("4", "options");
    let ended = net.socklab("a", &["ping", "-c2", "-i0.05", "-W20", "10.0.2.2"]).finish();
    let good = ended.out.iter().filter(|line| line.starts_with("64 bytes from 10.0.2.2: icmp_seq="));
    assert_eq!((ended.code, good.count(), ended.out.len()), (0, 2, 7), "{ended:#?}");
}

#[test]
fn damage_to_the_nonce_is_damage_and_no_other_time() {
    if !hostile() {
        return;
    }
    let net = Net::new();
    net.silence("b");
    let _host = net.answer("4", "nonce");
    let ended = net.socklab("a", &["ping", "-c1", "-W20", "10.0.2.2"]).finish();
    assert_eq!(ended.code, 0, "{ended:#?}");
    assert!(ended.out.iter().any(|line| line.starts_with("wrong data byte #9 should be 0x")), "{ended:#?}");
}

#[test]
fn a_trace_is_not_led_astray() {
    if !hostile() {
        return;
    }
    let net = Net::new();
    net.silence("b");
    for (version, host, router) in [("4", "10.0.2.2", "10.0.1.1"), ("6", "fd02::2", "fd01::1")] {
        let _host = net.answer(version, "fuzz");
        let ended = net.socklab("a", &["trace", "--icmp", "-q", "10", "-W", "20", host]).finish();
        assert_eq!((ended.code, ended.out.len(), ended.err.len()), (0, 3, 0), "{ended:#?}");
        assert!(ended.out[1].starts_with(&format!(" 1  {router}  ")), "{ended:#?}");
        assert!(ended.out[2].starts_with(&format!(" 2  {host}  ")), "{ended:#?}");
        assert!(!ended.out.iter().any(|line| line.contains(['*', '!'])), "{ended:#?}");
    }
}
