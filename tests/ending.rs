//! How programs end: SIGINT and SIGTERM, replies under way, a second signal, Ctrl-Z and back.

mod common;

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use common::clients::{connect, exchange, flood, wait_for_end};
use common::Program;

const TCP_SERVERS: [&[&str]; 6] = [
    &["echo-server"],
    &["concurrent-server"],
    &["stamp-server"],
    &["stamp-server", "--select"],
    &["message-server"],
    &["message-server", "--select"],
];

fn start(words: &[&str]) -> Program {
    Program::socklab(&[words, &["0", "--bind", "127.0.0.1"]].concat())
}

/// Waits until the server takes no more connections. One that comes through is closed again.
fn wait_until_shut(port: u16) {
    let deadline = Instant::now() + common::PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(Instant::now() < deadline, "the server still accepts");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Reads until the end, which a reset may be too. Returns how many bytes came.
fn count_all(mut stream: &TcpStream) -> usize {
    let (mut total, mut chunk) = (0, [0; 65_536]);
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return total,
            Ok(count) => total += count,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return total,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn either_signal_ends_every_server_with_what_it_served() {
    for words in TCP_SERVERS {
        for signal in ["INT", "TERM"] {
            let mut server = start(words);
            let port = server.port();
            // Silent clients do not hold the server up, and see the end of their stream.
            let clients = [connect(port), connect(port)];
            let started = Instant::now();
            server.signal(signal);
            let ended = server.finish();
            assert!(started.elapsed() < Duration::from_secs(4), "{words:?} waited for the grace");
            assert_eq!(ended.code, 0, "{words:?} {signal}: {ended:#?}");
            assert_eq!(ended.err.len(), 2, "{words:?} {signal}: {ended:#?}");
            assert!(ended.err[1].starts_with("served "), "{words:?} {signal}: {ended:#?}");
            clients.iter().for_each(wait_for_end);
        }
    }
    for words in [&["udp-echo-server"][..], &["udp-receiver"]] {
        for signal in ["INT", "TERM"] {
            let mut server = start(words);
            server.port();
            server.signal(signal);
            let ended = server.finish();
            assert_eq!((ended.code, ended.err.len()), (0, 2), "{words:?} {signal}: {ended:#?}");
            assert_eq!(ended.err[1], "received 0 datagrams");
        }
    }
}

#[test]
fn once_ends_before_and_during_its_conversation() {
    let mut server = start(&["echo-server", "--once"]);
    server.port();
    server.signal("INT");
    assert_eq!(server.finish().code, 0);

    let mut server = start(&["echo-server", "--once"]);
    let client = connect(server.port());
    exchange(&client, b"hello", 5);
    server.signal("INT");
    assert_eq!(server.finish().code, 0);
    wait_for_end(&client);
}

#[test]
fn replies_under_way_are_finished() {
    for words in [&["echo-server"][..], &["stamp-server"], &["stamp-server", "--select"]] {
        let mut server = start(words);
        let port = server.port();
        let client = connect(port);
        flood(&client);
        server.signal("INT");
        wait_until_shut(port);
        // The server waits for this client to read what it has been sent.
        assert!(count_all(&client) > 64 * 1024, "{words:?}");
        let ended = server.finish();
        assert_eq!(ended.code, 0, "{words:?}: {:?}", ended.err);
        assert!(ended.err.last().unwrap().starts_with("served "), "{words:?}: {:?}", ended.err);
        assert!(!ended.err.iter().any(|line| line.contains("did not finish")), "{words:?}: {:?}", ended.err);
    }
}

#[test]
fn a_client_that_never_reads_holds_the_end_up_for_the_grace_only() {
    let mut servers = [&["stamp-server", "--select"][..], &["stamp-server"]].map(|words| {
        let mut server = start(words);
        let client = connect(server.port());
        flood(&client);
        (server, client)
    });
    let started = Instant::now();
    servers.iter_mut().for_each(|(server, _)| server.signal("TERM"));
    for (number, (server, _client)) in servers.into_iter().enumerate() {
        let ended = server.finish();
        assert_eq!(ended.code, 0, "{:?}", ended.err);
        assert_eq!(ended.err.last().unwrap(), "served 1 client, at most 1 at once");
        // A thread may have handed its last reply to the kernel before the flood was stuck; the
        // buffer of the other form cannot have emptied.
        if number == 0 {
            assert!(started.elapsed() >= Duration::from_secs(4), "{:?}", ended.err);
            assert_eq!(ended.err[1], "1 client did not finish in time");
        }
    }
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_second_signal_ends_at_once() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut server = start(&["stamp-server", "--select"]);
        let port = server.port();
        let client = connect(port);
        flood(&client);
        let started = Instant::now();
        server.signal("INT");
        wait_until_shut(port);
        // Two signals within a tenth of a second count as one: timeout(1) sends two.
        thread::sleep(Duration::from_millis(300));
        server.signal(signal);
        assert_eq!(server.finish().code, code);
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    }
}

/// Sends a signal to a client that waits, and asserts its exit code and that it says nothing.
fn assert_leaves(mut client: Program, signal: &str, code: i32) {
    client.signal(signal);
    // Not before it has ended: the end of its input would be another reason to leave.
    let status = format!("/proc/{}/status", client.pid());
    let deadline = Instant::now() + common::PATIENCE;
    while !std::fs::read_to_string(&status).expect("a child not reaped yet").contains("Z (zombie)") {
        assert!(Instant::now() < deadline, "SIG{signal} does not end it");
        thread::sleep(Duration::from_millis(2));
    }
    let ended = client.finish();
    assert_eq!((ended.code, ended.err.len()), (code, 0), "{ended:#?}");
}

#[test]
fn a_waiting_client_leaves_with_the_signals_code() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        // Waiting for an answer.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port().to_string();
        let client = Program::socklab(&["echo-client", "127.0.0.1", &port]);
        let (mut connection, _) = silent.accept().unwrap();
        connection.read_exact(&mut [0; 12]).unwrap();
        assert_leaves(client, signal, code);

        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port().to_string();
        let client = Program::socklab(&["udp-echo-client", "127.0.0.1", &port, "--timeout", "20"]);
        silent.recv(&mut [0; 100]).unwrap();
        assert_leaves(client, signal, code);

        // Waiting for the keyboard.
        let mut server = start(&["concurrent-server"]);
        let port = server.port().to_string();
        let mut client = Program::socklab(&["concurrent-client", "127.0.0.1", &port]);
        client.wait_out("From the server: ");
        assert_leaves(client, signal, code);
        server.stop_cleanly(&[]);

        let mut server = start(&["echo-server"]);
        let port = server.port().to_string();
        let mut client = Program::socklab(&["echo-client", "127.0.0.1", &port, "-"]);
        client.type_line("hello");
        client.wait_out("hello");
        assert_leaves(client, signal, code);
        server.stop_cleanly(&[]);
    }
}

#[test]
fn the_stamp_client_leaves_with_0_for_that_is_the_sheets_way_out() {
    let mut server = start(&["stamp-server"]);
    let port = server.port().to_string();
    let mut client = Program::socklab(&["stamp-client", "127.0.0.1", &port]);
    client.type_line("hello");
    client.wait_out(":hello");
    assert_leaves(client, "INT", 0);
    server.stop_cleanly(&[]);
}

#[test]
fn stopped_and_continued_everything_goes_on() {
    for words in TCP_SERVERS.into_iter().filter(|words| words[0] != "message-server") {
        let mut server = start(words);
        let client = connect(server.port());
        exchange(&client, b"before", 6);
        // Ctrl-Z and fg: system calls that wait may return EINTR.
        server.signal("STOP");
        server.signal("CONT");
        let answer = exchange(&client, b"after", 5);
        assert!(!answer.is_empty(), "{words:?}");
        drop(client);
        server.stop_cleanly(&["Connection reset by peer"]);
    }
    let mut server = start(&["udp-echo-server"]);
    let port = server.port();
    server.signal("STOP");
    server.signal("CONT");
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(common::PATIENCE)).unwrap();
    client.send_to(b"after", ("127.0.0.1", port)).unwrap();
    assert_eq!(client.recv(&mut [0; 10]).unwrap(), 5);
    server.stop_cleanly(&[]);
}
