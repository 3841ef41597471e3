//! IoT lab 1, deliverable: `sensor-client` against servers that break, lie, are late or never there.
//! What the protocol asks for is quoted from `docs/sensor-protocol.md`.

mod common;
#[path = "common/sensor.rs"]
mod sensors;

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;

use common::Program;
use sensors::{client, next_message};
use socklab::sensor::message::{kind, open, write, Body, Head, DUPLICATE, RESENT};

/// "When the connection breaks, it connects again and sends the unanswered reading again."
#[test]
fn a_broken_connection_is_mended_and_the_reading_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let fake = thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        let (lost, _) = next_message(&mut first).unwrap();
        drop(first);
        let (mut second, _) = listener.accept().unwrap();
        let (again, _) = next_message(&mut second).unwrap();
        assert_eq!((again.session, again.sequence, again.flags), (lost.session, 1, RESENT));
        assert_eq!(lost.flags, 0);
        let kind = kind::ACKNOWLEDGEMENT;
        second.write_all(&write(&Head { kind, flags: DUPLICATE, ..again }, &Body::default())).unwrap();
        let (next, _) = next_message(&mut second).unwrap();
        assert_eq!((next.sequence, next.flags), (2, 0));
        second.write_all(&write(&Head { kind, ..next }, &Body::default())).unwrap();
        next_message(&mut second);
    });
    let ended = client(port, &["--count", "2"]);
    fake.join().unwrap();
    assert_eq!(ended.code, 0, "{ended:#?}");
    assert!(ended.out[0].contains("the server had it already"), "{ended:#?}");
    assert_eq!(ended.out[2], "2 readings sent, 2 acknowledged, 0 lost");
    assert!(ended.out[5].contains("in 2 connections"), "{ended:#?}");
    assert!(ended.err[0].starts_with("lost the server: "), "{ended:#?}");
}

#[test]
fn a_server_that_does_not_come_back_ends_the_client_with_its_summary() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let fake = thread::spawn(move || next_message(&mut listener.accept().unwrap().0));
    let ended = client(port, &["--count", "5"]);
    fake.join().unwrap();
    assert_eq!(ended.code, 1, "{ended:#?}");
    assert_eq!(ended.out[0], "1 reading sent, 0 acknowledged, 1 lost");
    assert!(ended.err.last().unwrap().contains("cannot connect"), "{ended:#?}");
    // One connection of about seven packets, counted once, though it is there when it breaks and at the end.
    let packets = ended.out[2].strip_prefix("packets: ").unwrap().split(' ').next().unwrap();
    assert!((5..=10).contains(&packets.parse::<u32>().unwrap()), "{ended:#?}");
    assert!(ended.out[3].contains("; 6 failed attempts to connect are not counted"), "{ended:#?}");
}

/// What is no answer does not put off the end of the wait.
#[test]
fn a_server_that_floods_cannot_keep_the_client() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let done = Arc::new(AtomicBool::new(false));
    let ending = Arc::clone(&done);
    let flood = thread::spawn(move || {
        let (_, sender) = socket.recv_from(&mut [0; 2000]).unwrap();
        while !ending.load(Ordering::Relaxed) {
            // Refused once the client has gone.
            let _ = socket.send_to(b"noise", sender);
        }
    });
    let ended = client(port, &["--transport", "udp", "--count", "1", "--timeout", "0.3"]);
    done.store(true, Ordering::Relaxed);
    flood.join().unwrap();
    assert!(ended.out[0].ends_with(": no answer"), "{ended:#?}");
}

#[test]
fn a_server_that_closes_every_connection_ends_the_client_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Ends with the test's process.
    thread::spawn(move || while listener.accept().is_ok() {});
    let ended = client(port, &["--count", "5"]);
    assert_eq!(ended.code, 1, "{ended:#?}");
    assert!(ended.err.last().unwrap().contains("lost the server 7 times"), "{ended:#?}");
}

/// "A COMMAND sets the interval, clamped to 0.05 to 3,600 s whatever it says."
#[test]
fn a_command_changes_the_interval_within_limits() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let words =
        ["sensor-client", "127.0.0.1", &port, "--transport", "udp", "--count", "3", "--interval", "0"];
    let mut client = Program::socklab(&[&words[..], &["--timeout", "20"]].concat());
    let mut buffer = [0; 2000];
    for (commanded, reported, shown) in [(0, 0, "0.05"), (u32::MAX, 50, "3600")] {
        let (length, sender) = socket.recv_from(&mut buffer).unwrap();
        let (head, fields) = open(&buffer[..length]).unwrap();
        assert_eq!(Body::read(fields).unwrap().interval, Some(reported));
        let command = Body { interval: Some(commanded), ..Body::default() };
        socket.send_to(&write(&Head { kind: kind::COMMAND, ..head }, &command), sender).unwrap();
        client.wait_out(&format!("interval now {shown} s"));
    }
    // It now waits an hour; a signal ends it.
    client.signal("INT");
    assert_eq!(client.finish().code, 130);

    let (server, port) = sensors::server(&["--interval", "0.06"]);
    let ended = sensors::client(port, &["--count", "3"]);
    assert!(ended.out[0].ends_with("interval now 0.06 s"), "{ended:#?}");
    assert!(!ended.out[1].contains("interval"), "once is enough: {ended:#?}");
    server.stop_cleanly(&[]);
}

/// "A reply that comes late still acknowledges its reading."
#[test]
fn late_forged_and_foreign_replies() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let fake = thread::spawn(move || {
        let mut buffer = [0; 2000];
        let mut heads = Vec::new();
        for _ in 0..2 {
            let (length, sender) = socket.recv_from(&mut buffer).unwrap();
            heads.push((open(&buffer[..length]).unwrap().0, sender));
        }
        let (kind, body) = (kind::ACKNOWLEDGEMENT, Body::default());
        let [(first, sender), (second, _)] = heads[..] else { unreachable!() };
        socket.send_to(b"noise", sender).unwrap();
        let other = Head { kind, session: !first.session, ..second };
        socket.send_to(&write(&other, &body), sender).unwrap();
        for _ in 0..2 {
            socket.send_to(&write(&Head { kind, ..first }, &body), sender).unwrap();
        }
        socket.send_to(&write(&Head { kind, ..second }, &body), sender).unwrap();
        socket
    });
    let ended = client(port, &["--transport", "udp", "--count", "2", "--timeout", "2"]);
    fake.join().unwrap();
    assert!(ended.out[0].ends_with(": no answer"), "{ended:#?}");
    assert_eq!(ended.out[1], "seq 1: acknowledged late");
    assert!(ended.out[2].contains("seq 2") && ended.out[2].contains("acknowledged in"), "{ended:#?}");
    assert_eq!(ended.out[3], "2 readings sent, 2 acknowledged, 0 lost");
}

#[test]
fn a_hostile_server_cannot_hang_or_drive_the_client() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let fake = thread::spawn(move || {
        // Other bytes; then an error whose text is an escape sequence.
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let (head, _) = next_message(&mut stream).unwrap();
        let error = Some((1, b"\x1b[2J\xff".to_vec()));
        let body = Body { error, ..Body::default() };
        stream.write_all(&write(&Head { kind: kind::ERROR, ..head }, &body)).unwrap();
        let _ = stream.read(&mut [0]);
    });
    let ended = client(port, &["--count", "1"]);
    fake.join().unwrap();
    assert_eq!(ended.code, 1);
    assert!(ended.err[0].contains("the server sent no message: wrong magic"), "{ended:#?}");
    assert!(ended.out[0].ends_with("refused, error 1: \\x1b[2J\\xff"), "{ended:#?}");
}
