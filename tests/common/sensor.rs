//! What both test files of the sensor system share: a running server, messages, connections.

// Each test file uses a part of this.
#![allow(dead_code)]

use std::io::Read;
use std::net::{TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::common::{socklab, Ended, Program, PATIENCE};
use socklab::sensor::message::{kind, open, write, Body, Head, MICROSECONDS};
use socklab::sensor::reading::{Reading, Value};

/// A server and its port.
pub fn server(more: &[&str]) -> (Program, u16) {
    let mut server = Program::socklab(&[&["sensor-server", "0"], more].concat());
    let port = server.port();
    assert_eq!(server.port(), port, "both sockets have one port number");
    (server, port)
}

/// The name of a file that does not exist yet.
pub fn scratch(name: &str) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("socklab-{name}-{}-{number}", std::process::id()))
}

/// A reading's bytes.
pub fn reading(session: u32, sequence: u32, change: impl Fn(&mut Head, &mut Body)) -> Vec<u8> {
    let (version, kind, time_unit, device) = (1, kind::READING, MICROSECONDS, 7);
    let mut head = Head { version, kind, time_unit, device, session, sequence, ..Head::default() };
    let measured = Reading { kind: 1, unit: 1, value: Value::Single(21.5) };
    let mut body = Body { reading: Some(measured), ..Body::default() };
    change(&mut head, &mut body);
    write(&head, &body)
}

/// Reads one message from a connection.
pub fn next_message(stream: &mut TcpStream) -> Option<(Head, Body)> {
    let mut bytes = vec![0; 8];
    stream.read_exact(&mut bytes).ok()?;
    bytes.resize(usize::from(bytes[6]) << 8 | usize::from(bytes[7]), 0);
    stream.read_exact(&mut bytes[8..]).ok()?;
    let (head, fields) = open(&bytes).expect("a message of ours is well formed");
    Some((head, Body::read(fields).expect("and so are its fields")))
}

/// A connection to a server here.
pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A client's UDP socket.
pub fn datagrams(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Sends one datagram and returns the answer.
pub fn ask(socket: &UdpSocket, message: &[u8]) -> (Head, Body) {
    socket.send(message).unwrap();
    answer(socket)
}

/// Receives one datagram.
pub fn answer(socket: &UdpSocket) -> (Head, Body) {
    let mut buffer = [0; 2000];
    let length = socket.recv(&mut buffer).unwrap();
    let (head, fields) = open(&buffer[..length]).unwrap();
    (head, Body::read(fields).unwrap())
}

/// Runs a client to its end. It waits longer for an answer than by default: the machine may be busy.
pub fn client(port: u16, more: &[&str]) -> Ended {
    let port = port.to_string();
    let usual = ["sensor-client", "127.0.0.1", &port, "--interval", "0.01", "--seed", "1", "--timeout", "20"];
    socklab(&[&usual, more].concat(), b"")
}
