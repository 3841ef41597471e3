//! IoT lab 1, tasks 1.2 and 1.3: datagrams one way, and there and back.

mod common;

use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use common::clients::assert_escaped;
use common::system::python;
use common::{can_run, installed, is_root, socklab, Program};
use socklab::kit::random::Random;

/// A socket on the loopback interface that gives up after the tests' patience.
fn socket(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    socket.set_read_timeout(Some(common::PATIENCE)).unwrap();
    socket
}

/// The sizes at which something changes: nothing, one byte, an Ethernet packet, the largest.
const SIZES: [usize; 8] = [0, 1, 12, 1_472, 1_473, 9_000, 65_506, 65_507];

#[test]
fn the_receiver_shows_each_datagram_and_ends_after_count() {
    let mut receiver = Program::socklab(&["udp-receiver", "0", "--count", "3"]);
    let port = receiver.port().to_string();
    for words in [&[][..], &["größer\x1b[2J\n"], &[""]] {
        let ended = socklab(&[&["udp-sender", "127.0.0.1", port.as_str()], words].concat(), b"");
        assert_eq!((ended.code, ended.out.len(), ended.err.len()), (0, 0, 0), "{ended:#?}");
    }
    let ended = receiver.finish();
    assert_eq!((ended.code, ended.err.last().unwrap().as_str()), (0, "received 3 datagrams"));
    assert_escaped(&ended.out);
    let texts: Vec<&str> = ended.out.iter().map(|line| line.split_once(": ").unwrap().1).collect();
    assert_eq!(texts, ["Hello, world!", "größer\\x1b[2J\\n", ""]);
    assert!(ended.out.iter().all(|line| line.starts_with("127.0.0.1:")), "{ended:#?}");
}

#[test]
fn the_receiver_takes_datagrams_of_every_size_whole() {
    let mut receiver = Program::socklab(&["udp-receiver", "0"]);
    let port = receiver.port();
    let sender = socket("127.0.0.1:0");
    let from = sender.local_addr().unwrap();
    for size in SIZES {
        let text = "x".repeat(size);
        sender.send_to(text.as_bytes(), ("127.0.0.1", port)).unwrap();
        assert!(receiver.wait_out("") == format!("{from}: {text}"), "size {size}");
    }
    let ended = receiver.stop_cleanly(&[]);
    assert_eq!(ended.err.last().unwrap(), "received 8 datagrams");
}

#[test]
fn sending_to_nobody_is_no_failure() {
    let nobody = socket("127.0.0.1:0").local_addr().unwrap().port().to_string();
    let ended = socklab(&["udp-sender", "127.0.0.1", &nobody], b"");
    assert_eq!((ended.code, ended.err.len()), (0, 0), "{ended:#?}");
}

#[test]
fn a_datagram_there_and_back() {
    let mut server = Program::socklab(&["udp-echo-server", "0"]);
    let port = server.port().to_string();
    for (message, shown) in
        [(None, "Hello, world"), (Some(""), ""), (Some("-"), "-"), (Some("\x1b]0;x\x07"), "\\x1b]0;x\\x07")]
    {
        let words = ["udp-echo-client", "localhost", &port, "--timeout", "10"].into_iter().chain(message);
        let ended = socklab(&words.collect::<Vec<_>>(), b"");
        assert_eq!((ended.code, ended.err.len()), (0, 0), "{ended:#?}");
        assert_eq!(ended.out, [format!("Received '{shown}'")]);
    }
    // The largest datagram that a command line and UDP over IPv4 can carry.
    let largest = "x".repeat(65_507);
    let ended = socklab(&["udp-echo-client", "127.0.0.1", &port, &largest, "--timeout=10"], b"");
    assert!(ended.out == [format!("Received '{largest}'")], "{:?}", ended.err);
    let ended = server.stop_cleanly(&[]);
    assert_eq!(ended.err.last().unwrap(), "received 5 datagrams");
    assert!(ended.out.is_empty());
}

#[test]
fn datagrams_of_every_size_come_back_unchanged() {
    let mut server = Program::socklab(&["udp-echo-server", "0"]);
    let port = server.port();
    let client = socket("127.0.0.1:0");
    client.connect(("127.0.0.1", port)).unwrap();
    let mut random = Random::new(Some(3));
    for size in SIZES {
        let message: Vec<u8> = (0..size).map(|_| random.bits() as u8).collect();
        client.send(&message).unwrap();
        let mut echo = vec![0; 70_000];
        let length = client.recv(&mut echo).unwrap();
        assert!(echo[..length] == message, "size {size}");
    }
    server.stop_cleanly(&[]);
}

#[test]
fn ipv6_when_it_is_asked_for() {
    let mut server = Program::socklab(&["udp-echo-server", "0", "--bind", "::1"]);
    let port = server.port().to_string();
    for words in [&["::1"][..], &["[::1]"], &["::1", "-6"]] {
        let words =
            [&["udp-echo-client", words[0], port.as_str(), "six", "--timeout=10"], &words[1..]].concat();
        let ended = socklab(&words, b"");
        assert_eq!(ended.out, ["Received 'six'"], "{words:?}: {ended:#?}");
    }
    server.stop_cleanly(&[]);

    let mut receiver = Program::socklab(&["udp-receiver", "0", "--bind", "::"]);
    let port = receiver.port().to_string();
    for (host, shown) in [("127.0.0.1", "127.0.0.1:"), ("::1", "[::1]:")] {
        assert_eq!(socklab(&["udp-sender", host, &port, "hello"], b"").code, 0);
        let line = receiver.wait_out(": hello");
        assert!(line.starts_with(shown), "{line}");
    }
    receiver.stop_cleanly(&[]);
}

#[test]
fn its_own_port_on_another_address_is_not_answered() {
    let mut server = Program::socklab(&["udp-echo-server", "0", "--bind", "127.0.0.1"]);
    let port = server.port();
    // Two echo servers on one port number, at two addresses, would answer each other for ever.
    let twin = socket(&format!("127.0.0.2:{port}"));
    twin.send_to(b"to and fro", ("127.0.0.1", port)).unwrap();
    assert_unanswered(&twin, port);
    let ended = server.stop_cleanly(&[]);
    assert_eq!(ended.err.last().unwrap(), "received 2 datagrams");
}

#[test]
fn source_ports_below_1024_are_not_answered() {
    if !can_run(is_root(), "a source port below 1024 needs root") {
        return;
    }
    let mut server = Program::socklab(&["udp-echo-server", "0"]);
    let port = server.port();
    let chargen = (900..1024).find_map(|port| UdpSocket::bind(("127.0.0.3", port)).ok()).unwrap();
    chargen.send_to(b"to and fro", ("127.0.0.1", port)).unwrap();
    assert_unanswered(&chargen, port);
    server.stop_cleanly(&[]);
}

/// Asserts that `suspect` has got nothing, although a later datagram has been answered already.
fn assert_unanswered(suspect: &UdpSocket, port: u16) {
    let good = socket("127.0.0.1:0");
    good.send_to(b"good", ("127.0.0.1", port)).unwrap();
    let mut echo = [0; 10];
    assert_eq!(good.recv(&mut echo).unwrap(), 4);
    suspect.set_nonblocking(true).unwrap();
    assert!(suspect.recv(&mut echo).is_err(), "a reflection");
}

#[test]
fn a_silent_server_and_a_late_answer_are_a_timeout() {
    let silent = socket("127.0.0.1:0");
    let address = silent.local_addr().unwrap();
    let port = address.port().to_string();
    let started = Instant::now();
    let ended = socklab(&["udp-echo-client", "127.0.0.1", &port, "--timeout", "0.2"], b"");
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert_eq!((ended.code, ended.out.as_slice()), (1, &["Request timed out".to_string()][..]));
    let line = format!("socklab udp-echo-client: no answer from {address} in 0.2 s: lost, or no server");
    assert_eq!(ended.err, [line]);
    // The answer comes after the client has gone, and must not be taken by the next one.
    let mut message = [0; 100];
    let (length, late) = silent.recv_from(&mut message).unwrap();
    assert_eq!(&message[..length], b"Hello, world");
    silent.send_to(b"late", late).unwrap();
    let ended = socklab(&["udp-echo-client", "127.0.0.1", &port, "--timeout", "0.2"], b"");
    assert_eq!((ended.code, ended.out), (1, vec!["Request timed out".to_string()]));
}

#[test]
fn a_strangers_datagram_is_not_taken_for_the_answer() {
    let server = socket("127.0.0.1:0");
    let port = server.local_addr().unwrap().port().to_string();
    let answering = thread::spawn(move || {
        let (length, client) = server.recv_from(&mut [0; 100]).unwrap();
        let stranger = socket("127.0.0.1:0");
        stranger.send_to(b"I am the server", client).unwrap();
        server.send_to(&b"right"[..length.min(5)], client).unwrap();
    });
    let ended = socklab(&["udp-echo-client", "127.0.0.1", &port, "--timeout", "10"], b"");
    assert_eq!(ended.out, ["Received 'right'"], "{ended:#?}");
    answering.join().unwrap();
}

#[test]
fn an_answer_that_nobody_takes_does_not_end_the_server() {
    let mut server = Program::socklab(&["udp-echo-server", "0"]);
    let port = server.port();
    for _ in 0..20 {
        // The client's port is closed before the echo arrives: the server gets ICMP errors.
        socket("127.0.0.1:0").send_to(b"gone", ("127.0.0.1", port)).unwrap();
    }
    let ended = socklab(&["udp-echo-client", "127.0.0.1", &port.to_string(), "--timeout=10"], b"");
    assert_eq!(ended.out, ["Received 'Hello, world'"], "{ended:#?}");
    server.stop_cleanly(&[]);
}

/// The sheet's programs, as it describes them, made ready for any port.
const PYTHON_ECHO: &str = "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.1', 0))
print(s.getsockname()[1])
data, sender = s.recvfrom(65507)
print(data)
s.sendto(data, sender)
";
const PYTHON_CLIENT: &str = "
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.sendto(b'from Python', ('127.0.0.1', int(sys.argv[1])))
if len(sys.argv) > 2:
    print(s.recv(65507))
";

#[test]
fn python_programs_at_either_side() {
    if !can_run(installed("python3"), "python3 is not installed") {
        return;
    }
    let mut server = Program::socklab(&["udp-echo-server", "0"]);
    let port = server.port().to_string();
    let client = Program::start(python(PYTHON_CLIENT, &[&port, "answer"])).finish();
    assert_eq!(client.out, ["b'from Python'"], "{client:#?}");
    server.stop_cleanly(&[]);

    let mut server = Program::start(python(PYTHON_ECHO, &[]));
    let port = server.wait_out("");
    let client = socklab(&["udp-echo-client", "127.0.0.1", &port, "--timeout", "10"], b"");
    assert_eq!(client.out, ["Received 'Hello, world'"], "{client:#?}");
    assert_eq!(server.finish().code, 0);

    let mut receiver = Program::socklab(&["udp-receiver", "0", "-c1"]);
    let port = receiver.port().to_string();
    assert_eq!(Program::start(python(PYTHON_CLIENT, &[&port])).finish().code, 0);
    receiver.wait_out(": from Python");
    assert_eq!(receiver.finish().code, 0);
}
