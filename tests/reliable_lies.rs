//! `reliable-send` and `reliable-receive` with a peer that speaks the protocol and lies in it, and without
//! `sha256sum`. What the protocol itself makes of liars is tested in `tests/reliable_hostile.rs`.

mod common;

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use common::system::Folder;
use common::{Ended, Program, PATIENCE, SOCKLAB};
use socklab::kit::address::Family;
use socklab::reliable::driver::Client;
use socklab::reliable::loss::Loss;
use socklab::reliable::parcel::Parcel;
use socklab::reliable::{Event, Listener, Settings};

/// What the sum of a file is not.
const WRONG: [u8; 32] = [7; 32];

/// Says these things to a receiver, as a sender would, and returns the last that it answered.
fn lie_to(port: u16, said: &[Parcel]) -> Option<Vec<u8>> {
    let mut client =
        Client::connect("127.0.0.1", port, Family::V4First, Settings::default(), Loss::none()).unwrap();
    for parcel in said {
        client.connection.send(&parcel.write()).unwrap();
    }
    let (deadline, mut answer) = (Instant::now() + PATIENCE, None);
    if said.len() == 1 {
        client.connection.close();
    }
    while answer.is_none() && !client.connection.state().is_over() && Instant::now() < deadline {
        client.turn(Some(deadline)).unwrap();
        answer = client.connection.take();
    }
    client.close(Duration::from_secs(5));
    answer
}

/// A receiver that gives this answer to the message of that number. Its port, and its end.
fn lying_receiver(number: usize, answer: Vec<u8>) -> (u16, JoinHandle<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let body = move || {
        let mut listener = Listener::new(Settings::default(), [3; 16], 1);
        let (mut buffer, mut datagram, mut messages) = ([0; 2048], Vec::new(), 0);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                listener.receive(from, &buffer[..length], Instant::now());
            }
            while let Some((key, event)) = listener.event() {
                let connection = listener.connection(&key);
                match (event, connection) {
                    (Event::Message(_), Some(connection)) => {
                        messages += 1;
                        if messages == number {
                            connection.send(&answer).unwrap();
                        }
                    }
                    (Event::Closed, Some(connection)) => connection.close(),
                    (Event::Ended | Event::Failed(_), _) => return,
                    _ => {}
                }
            }
            while let Some(to) = listener.transmit(&mut datagram, Instant::now()) {
                let _ = socket.send_to(&datagram, to);
            }
        }
    };
    (port, thread::spawn(body))
}

/// Asserts that a program failed with one line, its last, that contains `why`.
fn failed(ended: &Ended, why: &str) {
    assert_eq!(ended.code, 1, "{ended:#?}");
    assert!(ended.err.last().is_some_and(|line| line.contains(why)), "{ended:#?}");
}

#[test]
fn a_receiver_believes_its_own_sum_and_nothing_half_stays() {
    let offer = Parcel::Offer(3, b"\x1b[2J");
    let huge = Parcel::Offer(u64::MAX, b"huge");
    let table: [(&[Parcel], &str); 5] = [
        (&[offer.clone(), Parcel::Bytes(b"abc"), Parcel::End(3, WRONG)], "the checksum differs"),
        (&[offer.clone(), Parcel::Bytes(b"abcd")], "more bytes than were offered"),
        (&[offer.clone(), Parcel::Bytes(b"ab"), Parcel::End(3, WRONG)], "the size is not what was offered"),
        (&[huge.clone(), Parcel::Bytes(b"ab"), huge], "a message out of its turn"),
        (&[offer], "closed before the file was whole"),
    ];
    for (said, why) in table {
        let folder = Folder::new();
        let target = folder.0.join("target");
        let mut receiver = Program::socklab(&["reliable-receive", "0", "-o", target.to_str().unwrap()]);
        let answer = lie_to(receiver.port(), said);
        failed(&receiver.finish(), why);
        let Some(Parcel::Refused(told)) = answer.as_deref().and_then(Parcel::read) else {
            panic!("{why}: {answer:?}")
        };
        assert!(String::from_utf8_lossy(told).contains(why), "{told:?}");
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0, "{why}");
    }
}

#[test]
fn a_sender_believes_nobody_who_has_not_its_sum() {
    let folder = Folder::new();
    let source = folder.0.join("source");
    fs::write(&source, [b'x'; 5_000]).unwrap();
    // An offer, four messages of bytes, and the end: the sixth.
    let table = [
        (6, Parcel::Stored(5_000, WRONG).write(), "has stored something else: 5000 bytes, sha256 0707"),
        (1, Parcel::Stored(5_000, WRONG).write(), "has stored something else"),
        (1, Parcel::Refused(b"\x1b]0;owned\x07").write(), "refused the file: \\x1b]0;owned\\x07"),
        (2, b"220 mail.example.org".to_vec(), "sent no answer of a receiver"),
        (2, Vec::new(), "sent no answer of a receiver"),
    ];
    for (number, answer, why) in table {
        let (port, thread) = lying_receiver(number, answer);
        let words =
            ["reliable-send", source.to_str().unwrap(), "127.0.0.1", &port.to_string()].map(str::to_string);
        let ended = Program::socklab(&words).finish();
        failed(&ended, why);
        assert!(ended.out.is_empty() && ended.err.len() == 1, "{ended:#?}");
        thread.join().unwrap();
    }
}

/// The sum is `sha256sum`'s: where there is none, it is said before anything is sent or waited for.
#[test]
fn without_sha256sum_it_is_said_what_to_install() {
    let folder = Folder::new();
    let source = folder.0.join("source");
    fs::write(&source, "x").unwrap();
    let (source, target) = (source.to_str().unwrap(), folder.0.join("target"));
    let run = |words: &[&str]| {
        let mut command = Command::new(Path::new(SOCKLAB));
        command.args(words).env("PATH", &folder.0);
        Program::start(command).finish()
    };
    for words in [
        &["reliable-send", source, "127.0.0.1", "9"][..],
        &["reliable-receive", "0", "-o", target.to_str().unwrap()],
    ] {
        let ended = run(words);
        failed(&ended, "sha256sum is missing: install it, on Debian `apt-get install coreutils`");
        assert_eq!(ended.err.len(), 1, "{ended:#?}");
    }
    assert!(!target.exists());
}
