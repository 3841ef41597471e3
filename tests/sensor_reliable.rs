//! IoT lab 1, second optional deliverable: the sensor system over reliable UDP. "Guarantee the reception and
//! the order": through a network that loses a third of all datagrams, and a server that is started anew.

mod common;
#[path = "common/relay.rs"]
mod relay;
#[path = "common/sensor.rs"]
mod sensors;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{socklab, Program};
use relay::{Faults, Relay};
use sensors::{ask, client, connect, datagrams, next_message, reading, scratch, server};
use socklab::kit::address::Family;
use socklab::reliable::driver::Client;
use socklab::reliable::loss::Loss;
use socklab::reliable::settings::{Settings, State};
use socklab::sensor::message::{kind, open, Body};

/// A client over reliable UDP.
fn reliable(port: u16, more: &[&str]) -> common::Ended {
    client(port, &[&["--transport", "reliable"], more].concat())
}

fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// The sequence numbers in a log, which must be all of one transport.
fn logged(log: &Path) -> Vec<u32> {
    let text = fs::read_to_string(log).unwrap();
    let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    rows.map(|row| {
        assert_eq!(row[2], "reliable", "{row:?}");
        row[4].parse().unwrap()
    })
    .collect()
}

#[test]
fn readings_are_shown_logged_answered_and_summed_up() {
    let log = scratch("reliable");
    let (mut server, port) = server(&["--log", log.to_str().unwrap()]);
    let ended = reliable(port, &["--count", "9"]);
    assert_eq!(ended.code, 0, "{ended:#?}");
    assert_eq!(ended.out[9], "9 readings sent, 9 acknowledged, 0 lost");
    let packets = &ended.out[11];
    assert!(packets.ends_with("; a datagram each, acknowledgements included)"), "{packets}");
    let number = |text: &str| text.split(' ').next().unwrap().parse::<u64>().unwrap();
    let count = number(packets.strip_prefix("packets: ").unwrap());
    // A reading and its answer are two; the handshake, the end and acknowledgements come on top.
    assert!((18 + 4..200).contains(&count), "{packets}");
    let headers = &ended.out[12];
    let about = number(headers.strip_prefix("header bytes: about ").unwrap());
    assert!(about > count * 28, "{headers}");
    assert!(headers.contains(&format!("estimated: {count} packets of IPv4 20 and UDP 8, ")), "{headers}");
    assert!(headers.ends_with(" of reliable UDP itself)"), "{headers}");
    for sequence in 1..=9 {
        server.wait_out(&format!(" reliable device 1 seq {sequence}: "));
    }
    let ended = server.stop_cleanly(&[]);
    assert_eq!(ended.err.last().unwrap(), "received 9 readings, 0 of them again; refused 0; not stored 0");
    assert_eq!(logged(&log), (1..=9).collect::<Vec<_>>());
    fs::remove_file(log).unwrap();
}

#[test]
fn the_three_transports_at_once_on_one_port_and_over_ipv6() {
    let mut server = Program::socklab(&["sensor-server", "0", "--bind", "::1"]);
    let port = server.port().to_string();
    let clients = ["tcp", "udp", "reliable"].map(|transport| {
        let words = ["sensor-client", "::1", &port, "-c", "20", "-i", "0.01", "-6", "-t", transport];
        Program::socklab(&words)
    });
    for client in clients {
        let ended = client.finish();
        assert_eq!(ended.code, 0, "{ended:#?}");
        assert_eq!(ended.out[20], "20 readings sent, 20 acknowledged, 0 lost");
    }
    let ended = server.stop_cleanly(&[]);
    for transport in ["tcp", "udp", "reliable"] {
        let shown = ended.out.iter().filter(|line| line.contains(&format!(" {transport} device ")));
        assert_eq!(shown.count(), 20);
    }
}

/// Every reading is stored, once, in order: of a plain datagram and its answer only half would come back.
#[test]
fn a_third_of_all_datagrams_is_lost_and_no_reading() {
    let log = scratch("lossy");
    let (server, port) = server(&["--log", log.to_str().unwrap()]);
    let faults = Faults { loss: 30.0, duplicate: 10.0, reorder: 10.0, corrupt: 3.0, ..Faults::default() };
    let relay = Relay::new(loopback(port), faults, 30);
    let ended = reliable(relay.port, &["--count", "20", "--interval", "0"]);
    assert_eq!(ended.code, 0, "{ended:#?}");
    assert_eq!(ended.out[20], "20 readings sent, 20 acknowledged, 0 lost");
    drop(relay);
    server.stop_cleanly(&["given up"]);
    assert_eq!(logged(&log), (1..=20).collect::<Vec<_>>());
    fs::remove_file(log).unwrap();
}

#[test]
fn a_commanded_interval() {
    let (server, port) = server(&["--interval", "0.05"]);
    let ended = reliable(port, &["--count", "3", "--interval", "5"]);
    assert!(ended.out[0].ends_with(", interval now 0.05 s"), "{ended:#?}");
    assert_eq!(ended.out[3], "3 readings sent, 3 acknowledged, 0 lost");
    server.stop_cleanly(&[]);
}

/// The server is killed while the sensor rests, and started again: the sensor notices, opens a new
/// conversation, and nothing is missing.
#[test]
fn a_server_that_is_started_again() {
    let log = scratch("restart");
    let words = ["--log", log.to_str().unwrap()];
    let (mut first, port) = server(&words);
    let port_text = port.to_string();
    let words = ["sensor-client", "127.0.0.1", &port_text, "-t", "reliable", "-c", "4", "-i", "3"];
    let mut sensor = Program::socklab(&words);
    sensor.wait_out("seq 1: ");
    first.wait_out("seq 1: ");
    drop(first);
    let mut second = Program::socklab(&["sensor-server", &port_text, "--log", log.to_str().unwrap()]);
    assert_eq!(second.port(), port);
    second.wait_out("seq 4: ");
    let ended = sensor.finish();
    assert_eq!(ended.code, 0, "{ended:#?}");
    assert!(ended.err[0].starts_with("lost the server: "), "{ended:#?}");
    assert!(ended.err[0]
        .ends_with("does not know this conversation any more: was it restarted?; connecting again"));
    assert_eq!(ended.out[4], "4 readings sent, 4 acknowledged, 0 lost");
    assert!(ended.out.last().unwrap().contains(" in 2 conversations"), "{ended:#?}");
    second.stop_cleanly(&[]);
    assert_eq!(logged(&log), [1, 2, 3, 4]);
    fs::remove_file(log).unwrap();
}

#[test]
fn a_server_that_is_not_there_is_said_at_once() {
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ended = reliable(port, &["--count", "1"]);
    assert_eq!(ended.code, 1, "{ended:#?}");
    assert!(ended.err[0].ends_with("Connection refused (nothing listens there: is the server started?)"));
    assert!(ended.out.is_empty(), "{ended:#?}");
    let ended = socklab(&["sensor-client", "--transport", "pigeon"], b"");
    assert_eq!(ended.code, 2, "{ended:#?}");
}

/// A sensor that is silent for longer than the protocol gives up after is kept alive by its own side.
#[test]
fn a_long_rest_is_no_silence() {
    let (server, port) = server(&[]);
    let ended = reliable(port, &["--count", "2", "--interval", "12"]);
    assert_eq!(ended.code, 0, "{ended:#?}");
    assert!(ended.err.is_empty(), "the conversation has not broken: {ended:#?}");
    assert!(ended.out[4].starts_with("packets: "), "{ended:#?}");
    server.stop_cleanly(&[]);
}

/// A conversation by hand, to say what `sensor-client` never says.
fn converse(port: u16, messages: &[Vec<u8>]) -> (Client, Vec<Vec<u8>>) {
    let mut client =
        Client::connect("127.0.0.1", port, Family::V4, Settings::default(), Loss::none()).unwrap();
    for message in messages {
        client.connection.send(message).unwrap();
    }
    let mut answers = Vec::new();
    let deadline = Instant::now() + common::PATIENCE;
    while answers.len() < messages.len() && !client.connection.peer_closed() {
        assert!(Instant::now() < deadline, "no answer");
        client.turn(Some(deadline)).unwrap();
        answers.extend(std::iter::from_fn(|| client.connection.take()));
    }
    (client, answers)
}

/// "A reading whose device, session and sequence it has seen is not stored again", "128 or more behind";
/// and the three transports' readings are remembered apart.
#[test]
fn duplicates_noise_and_transports_apart() {
    let (mut server, port) = server(&[]);
    let message = reading(5, 1, |_, _| {});
    let (mut sensor, answers) = converse(port, &[message.clone(), message.clone()]);
    let flags: Vec<u8> = answers.iter().map(|answer| open(answer).unwrap().0.flags).collect();
    assert_eq!(flags, [0, 2]);
    sensor.close(Duration::from_secs(5));
    assert!(matches!(sensor.connection.state(), State::Lingering | State::Ended));

    let socket = datagrams(port);
    assert_eq!(ask(&socket, &message).0.flags, 0);
    let mut stream = connect(port);
    std::io::Write::write_all(&mut stream, &message).unwrap();
    assert_eq!(next_message(&mut stream).unwrap().0.flags, 0);
    drop(stream);

    // No message at all: told so, and the conversation is closed.
    let (noisy, answers) = converse(port, &[b"SL and nothing".to_vec(), message]);
    let (head, fields) = open(&answers[0]).unwrap();
    assert_eq!((head.kind, Body::read(fields).unwrap().error.unwrap().0), (kind::ERROR, 1));
    assert_eq!(answers.len(), 1, "what follows is not answered");
    assert!(noisy.connection.peer_closed());
    server.wait_err("refused: length");
    drop(noisy);
    server.stop_cleanly(&["refused: "]);
}

/// A conversation that says nothing is let go like a TCP connection, though its machine answers.
#[test]
fn a_silent_conversation_is_let_go() {
    let (mut server, port) = server(&["--idle", "1.5"]);
    let (mut sensor, _) = converse(port, &[reading(1, 1, |_, _| {})]);
    let deadline = Instant::now() + common::PATIENCE;
    while !sensor.connection.peer_closed() {
        assert!(Instant::now() < deadline, "it is not let go");
        sensor.turn(Some(deadline)).unwrap();
    }
    server.wait_err(": let go after 1.5 s of silence");
    // It does not close in turn; then it is forgotten, and told so when it asks.
    while !sensor.connection.state().is_over() {
        assert!(Instant::now() < deadline, "it is not forgotten");
        sensor.turn(Some(deadline)).unwrap();
    }
    server.stop_cleanly(&["let go after"]);
}
