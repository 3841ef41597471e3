//! CSE3214, assignment 2, optional exercise 2: `heartbeat-server` and `heartbeat-client`.

mod common;

use std::net::UdpSocket;
use std::time::{SystemTime, UNIX_EPOCH};

use common::clients::assert_escaped;
use common::Program;
use socklab::kit::random::Random;

const WARNING: &str = "time differences compare two clocks";

/// A server, and a socket that sends to it.
fn server(words: &[&str]) -> (Program, UdpSocket) {
    let mut server = Program::socklab(&[&["heartbeat-server", "0"], words].concat());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", server.port())).unwrap();
    (server, socket)
}

#[test]
fn beats_then_stopped_then_back() {
    let (mut server, socket) = server(&["--timeout", "0.5"]);
    let port = socket.peer_addr().unwrap().port().to_string();
    let client = ["heartbeat-client", "127.0.0.1", &port, "-i", "0.05", "-c", "4"];
    let ended = Program::socklab(&client).finish();
    assert_eq!((ended.code, ended.out.len(), ended.err.len()), (0, 4, 0), "{ended:#?}");
    assert!(ended.out[3].starts_with("Heartbeat 4 "));
    for number in 1..=4 {
        let line = server.wait_out(&format!(" heartbeat {number}, time difference "));
        let seconds: f64 = line.split(' ').nth(5).unwrap().parse().unwrap();
        assert!((0.0..5.0).contains(&seconds), "one machine, one clock: {line}");
    }
    server.wait_out(" stopped");
    server.stop_cleanly(&[WARNING]);
}

#[test]
fn lost_late_doubled_restarted_stopped_and_back() {
    let (mut server, socket) = server(&["--timeout", "0.6"]);
    let send = |sequence: u64, second: u64| {
        socket.send(format!("Heartbeat {sequence} {}.5", 1_763_715_600 + second).as_bytes()).unwrap();
    };
    for (sequence, second) in [(1, 1), (2, 2), (4, 4), (9, 9), (3, 3), (9, 9), (1, 10), (20_000, 11)] {
        send(sequence, second);
    }
    let name = socket.local_addr().unwrap().to_string();
    for text in [
        " heartbeat 1, ",
        " heartbeat 2, ",
        " lost 3",
        " heartbeat 4, ",
        " lost 5..8 (4)",
        " heartbeat 9, ",
        " s (late: not lost after all)",
        " s (duplicate)",
        " restarted with 1",
        " heartbeat 1, ",
        " restarted with 20000",
        " heartbeat 20000, ",
        " stopped",
    ] {
        let line = server.wait_out(text);
        assert!(line.starts_with(&name), "{line}");
    }
    send(20_001, 20);
    assert_eq!(server.wait_out(" is back"), format!("{name} is back"));
    let ended = server.stop_cleanly(&[WARNING]);
    assert!(!ended.out.iter().any(|line| line.contains("..19999")), "a restart is no loss: {ended:#?}");
}

#[test]
fn a_client_that_is_killed_is_missed_after_the_timeout_and_not_before() {
    let (mut server, socket) = server(&["--timeout", "1"]);
    let port = socket.peer_addr().unwrap().port().to_string();
    let mut client = Program::socklab(&["heartbeat-client", "127.0.0.1", &port, "-i", "0.1"]);
    client.wait_out("Heartbeat 2 ");
    client.signal("INT");
    let ended = client.finish();
    assert_eq!(ended.code, 130);
    // `Heartbeat SEQ EPOCH`: when the last one was sent, by the clock that this test reads too.
    let last: Vec<&str> = ended.out.last().unwrap().split(' ').collect();
    let sent: f64 = last[2].parse().unwrap();
    server.wait_out(&format!(" heartbeat {}, ", last[1]));
    server.wait_out(" stopped");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(now - sent >= 1.0, "missed {} s after its last beat", now - sent);
    server.stop_cleanly(&[WARNING]);
}

#[test]
fn rubbish_is_shown_escaped_and_harms_nobody() {
    let (mut server, socket) = server(&[]);
    let mut random = Random::new(Some(12_001));
    for length in 0..200 {
        let bytes: Vec<u8> = (0..length).map(|_| random.bits() as u8).collect();
        socket.send(&bytes).unwrap();
    }
    socket.send(b"Heartbeat 7 1.0").unwrap();
    server.wait_out(" heartbeat 7, time difference ");
    let ended = server.stop_cleanly(&[WARNING]);
    assert_escaped(&ended.out);
    assert_eq!(ended.out.iter().filter(|line| line.contains(" sent no heartbeat: ")).count(), 200);
}

#[test]
fn a_client_goes_on_when_nobody_listens() {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let client = ["heartbeat-client", "127.0.0.1", &port, "-i", "0.05", "-c", "4"];
    let ended = Program::socklab(&client).finish();
    assert_eq!((ended.code, ended.out.len(), ended.err.len()), (0, 4, 1), "{ended:#?}");
    assert!(ended.err[0].starts_with("nobody listens on 127.0.0.1:"));
}
