//! `mail-server` against clients of all kinds: in a hurry, silent, hostile, gone; and what it keeps of
//! their mail when it is killed or the disk is full.

mod common;
#[path = "common/mail.rs"]
mod mail;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::Duration;

use common::system::Folder;
use common::{can_run, installed, Program, PATIENCE};
use mail::{messages, send, Server};

/// A hand on the server's other end: sends bytes and reads lines.
struct Hand(BufReader<TcpStream>);

impl Hand {
    /// Connects and reads the greeting.
    fn to(server: &Server) -> Hand {
        let stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut hand = Hand(BufReader::new(stream));
        assert_eq!(hand.line(), "220 localhost ESMTP socklab");
        hand
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    /// One line, without its CRLF; empty at the end of the stream.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_string()
    }

    /// Sends a command and returns the last line of its reply.
    fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes());
        loop {
            let line = self.line();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    /// As far as 354.
    fn begin_message(&mut self) {
        for command in ["EHLO pc", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>"] {
            assert!(self.ask(command).starts_with("250"), "{command}");
        }
        assert!(self.ask("DATA").starts_with("354"));
    }
}

// RFC 5321, 4.1.4 and 3.8: several messages on one connection; a lost connection stores nothing.
#[test]
fn several_messages_and_a_broken_one() {
    let server = Server::start(&[]);
    let mut hand = Hand::to(&server);
    for number in 0..3 {
        hand.begin_message();
        assert_eq!(hand.ask(&format!("{number}\r\n.")), "250 the message is stored");
    }
    hand.begin_message();
    hand.send(b"half a message\r\n.");
    hand.0.get_ref().shutdown(Shutdown::Write).unwrap();
    let mut rest = String::new();
    let _ = hand.0.read_to_string(&mut rest);
    assert_eq!(server.stored().len(), 3);
    assert_eq!(fs::read_dir(server.scratch.0.join("mailbox/tmp")).unwrap().count(), 0);
    server.program.stop_cleanly(&["broke off in the middle of a message"]);
}

// SMTP smuggling, with a real socket: one message, refused, and no second one.
#[test]
fn a_smuggled_message_stays_part_of_the_refused_one() {
    let server = Server::start(&[]);
    for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r"] {
        let mut hand = Hand::to(&server);
        hand.begin_message();
        let hidden = "MAIL FROM:<boss@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nsmuggled";
        hand.send(format!("hello{end}{hidden}\r\n.\r\n").as_bytes());
        assert_eq!(hand.line(), "554 a bare CR or LF: lines end with CR LF", "{end:?}");
        assert_eq!(hand.ask("QUIT"), "221 localhost goodbye");
        assert_eq!(hand.line(), "", "nothing more is said");
    }
    assert!(server.stored().is_empty());
    server.program.stop_cleanly(&[]);
}

// The contract: silent clients are let go, one that drips too, and others do not notice.
#[test]
fn silent_and_dripping_clients() {
    let server = Server::start(&["--idle", "2"]);
    let mut silent = Hand::to(&server);
    let mut half = Hand::to(&server);
    half.begin_message();
    half.send(b"half a message\r\n");
    let mut dripping = Hand::to(&server);
    let dripper = std::thread::spawn(move || {
        // No single byte comes too late, but the line is not complete in time.
        let gone = std::iter::repeat_with(|| {
            std::thread::sleep(Duration::from_millis(50));
            dripping.0.get_mut().write_all(b"x")
        });
        gone.take(400).any(|sent| sent.is_err())
    });
    assert_eq!(send(&server.address(), &[]).code, 0);
    for hand in [&mut silent, &mut half] {
        assert_eq!(hand.line(), "421 localhost you are silent for too long");
    }
    assert!(dripper.join().unwrap(), "a client that drips is kept");
    assert_eq!(server.stored().len(), 1, "only the mail that was sent to its end");
    server.program.stop_cleanly(&["let go after 2 s of silence"]);
}

#[test]
fn a_delay_of_the_server_does_not_count_as_the_clients_silence() {
    let server = Server::start(&["--idle", "1", "--delay", "1.2"]);
    let mut hand = Hand::to(&server);
    assert_eq!(hand.ask("NOOP"), "250 nothing done");
}

#[test]
fn many_clients_at_once() {
    let server = Server::start(&[]);
    let mut hands: Vec<Hand> = (0..50).map(|_| Hand::to(&server)).collect();
    for hand in &mut hands {
        hand.begin_message();
    }
    for hand in &mut hands {
        hand.send(b"hello\r\n.\r\n");
    }
    for hand in &mut hands {
        assert_eq!(hand.line(), "250 the message is stored");
    }
    assert_eq!(server.stored().len(), 50);
    drop(hands);
    server.program.stop_cleanly(&[]);
}

// Nothing acknowledged is lost: the server is killed in the middle of deliveries, again and again.
#[test]
fn kill_9_loses_no_acknowledged_message() {
    const ROUNDS: usize = 5;
    const CLIENTS: usize = 4;
    /// A thousand deliveries in all.
    const EACH: usize = 200;
    let mut scratch = Folder::new();
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..ROUNDS {
        let mut server = Server::start_in(scratch, &[]);
        let (sender, receiver) = std::sync::mpsc::channel();
        for client in 0..CLIENTS {
            let (sender, port) = (sender.clone(), server.port);
            std::thread::spawn(move || deliver_until_killed(port, &format!("{round}-{client}"), &sender));
        }
        drop(sender);
        // So many acknowledged ones, then it is killed while others are on their way.
        acknowledged.extend(receiver.iter().take(EACH));
        server.program.signal("KILL");
        acknowledged.extend(receiver.iter());
        scratch = std::mem::replace(&mut server.scratch, Folder::new());
    }
    let stored: Vec<String> = messages(&scratch.0.join("mailbox"))
        .into_iter()
        .map(|message| String::from_utf8(message).unwrap().lines().last().unwrap().to_string())
        .collect();
    assert!(acknowledged.len() >= EACH * ROUNDS);
    for id in &acknowledged {
        assert_eq!(stored.iter().filter(|line| *line == id).count(), 1, "{id} was acknowledged");
    }
    // What was not acknowledged is there in whole or not at all.
    assert!(stored.iter().all(|line| line.ends_with(" end")), "{stored:?}");
}

/// Delivers messages one after the other and reports each one that was acknowledged.
fn deliver_until_killed(port: u16, name: &str, report: &std::sync::mpsc::Sender<String>) -> Option<()> {
    let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut lines = BufReader::new(stream);
    let expect = |code: &str, lines: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        lines
            .read_line(&mut line)
            .ok()
            .filter(|_| line.starts_with(code) && line.ends_with("\r\n"))
            .map(|_| ())
    };
    expect("220", &mut lines)?;
    lines.get_mut().write_all(b"HELO x\r\n").ok()?;
    expect("250", &mut lines)?;
    for number in 0.. {
        let id = format!("{name}-{number} end");
        for (command, code) in [
            ("MAIL FROM:<a@x>\r\n".to_string(), "250"),
            ("RCPT TO:<b@x>\r\n".to_string(), "250"),
            ("DATA\r\n".to_string(), "354"),
            (format!("{id}\r\n.\r\n"), "250"),
        ] {
            lines.get_mut().write_all(command.as_bytes()).ok()?;
            expect(code, &mut lines)?;
        }
        report.send(id).ok()?;
    }
    None
}

// A full disk: the message is refused with 452, the server lives, and nothing half is left behind.
#[test]
fn a_full_disk() {
    let (root, tools) = (common::is_root(), installed("unshare") && installed("mount"));
    if !can_run(root && tools, "a full disk needs root, unshare and mount") {
        return;
    }
    let scratch = Folder::new();
    fs::create_dir(scratch.0.join("disk")).unwrap();
    let (disk, mailbox) = (scratch.path("disk"), scratch.path("disk/mailbox"));
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o size=64k none \"$1\" && exec \"$2\" mail-server 0 --mailbox \"$3\"";
    command.args(["-m", "sh", "-c", script, "sh", &disk, common::SOCKLAB, &mailbox]);
    let mut program = Program::start(command);
    let server = Server { port: program.port(), program, scratch };
    let ended = send(&server.address(), &["--body", &"word ".repeat(20_000)]);
    assert_eq!(ended.code, 1, "{ended:#?}");
    let error = "the server refuses the message: 452 cannot store it now, try again later (try again later)";
    assert!(ended.err[0].contains(error), "{ended:#?}");
    assert_eq!(send(&server.address(), &[]).code, 0, "a small one still fits");
    server.program.stop_cleanly(&["cannot store a message: No space left on device"]);
}
