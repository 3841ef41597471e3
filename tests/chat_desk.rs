//! Unit B3, lab task, with several clients: one keyboard for all, and crowds that do no harm.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::chat::{hear, leave, name, say, serve_once, server, wait_for_threads, wait_until_read, SETTLED};
use common::clients::{assert_escaped, connect, crowd};
use common::system::{tcp_end, threads, Folder};
use common::{socklab, Program, PATIENCE, SOCKLAB};

#[test]
fn the_line_shown_last_is_the_one_that_is_answered() {
    let (mut server, port) = server();
    let clients = [connect(port), connect(port), connect(port)];
    wait_for_threads(&server, 3);
    // All speak at once, the first is shown.
    for (number, client) in clients.iter().enumerate() {
        say(client, &format!("from {number}"));
        if number == 0 {
            server.wait_out(": from 0");
        }
    }
    let mut left: Vec<usize> = vec![1, 2];
    // They have drawn their tickets before the first speaks again.
    clients[1..].iter().for_each(|client| wait_until_read(&server, client));
    server.type_line("for 0");
    assert_eq!(hear(&clients[0]), "for 0");
    // The first speaks again and has to wait for the others: turns are fair.
    say(&clients[0], "again");
    for _ in 0..2 {
        let line = server.wait_out(": from ");
        let number: usize = line.rsplit(' ').next().unwrap().parse().unwrap();
        left.retain(|other| *other != number);
        assert!(line.starts_with(&name(&clients[number])), "{line}");
        server.type_line(&format!("for {number}"));
        assert_eq!(hear(&clients[number]), format!("for {number}"));
    }
    assert!(left.is_empty());
    server.wait_out(": again");
    server.type_line("for 0 again");
    assert_eq!(hear(&clients[0]), "for 0 again");
    server.stop_cleanly(&[]);
}

#[test]
fn a_reply_for_one_that_has_left_goes_to_nobody_else() {
    let (mut server, port) = server();
    let (leaver, waiting) = (connect(port), connect(port));
    say(&leaver, "one");
    server.wait_out(": one");
    say(&waiting, "two");
    // Typed before the next line is shown, so it is not for that one. (The server stands still meanwhile:
    // it gives a person a second, and this test may be slower.)
    server.signal("STOP");
    leave(leaver);
    server.type_line("for one");
    server.signal("CONT");
    server.wait_err("not sent: ");
    server.wait_out(": two");
    server.type_line("for two");
    assert_eq!(hear(&waiting), "for two");
    // The same while nobody waits: typed after it has left, before anything else is shown.
    let leaver = connect(port);
    say(&leaver, "three");
    server.wait_out(": three");
    drop(leaver);
    server.wait_err(": left");
    server.type_line("for three");
    thread::sleep(SETTLED);
    say(&waiting, "four");
    server.wait_err("not sent: ");
    server.wait_out(": four");
    server.type_line("for four");
    assert_eq!(hear(&waiting), "for four");
    // Half a line, of which the rest comes when the next client's is shown.
    let leaver = connect(port);
    say(&leaver, "five");
    server.wait_out(": five");
    server.type_bytes(b"for f");
    drop(leaver);
    say(&waiting, "six");
    server.wait_out(": six");
    server.type_bytes(b"ive\nfor six\n");
    assert_eq!(hear(&waiting), "for six");
    // Nothing was typed: then nothing is lost.
    let leaver = connect(port);
    say(&leaver, "seven");
    server.wait_out(": seven");
    drop(leaver);
    say(&waiting, "eight");
    server.wait_out(": eight");
    server.type_line("for eight");
    assert_eq!(hear(&waiting), "for eight");
    server.stop_cleanly(&[": left", "not sent: "]);
}

#[test]
fn one_that_leaves_while_it_waits_gives_its_turn_up_and_is_still_heard() {
    let (mut server, port) = server();
    let (first, second, third) = (connect(port), connect(port), connect(port));
    say(&first, "a");
    server.wait_out(": a");
    say(&second, "b1");
    say(&second, "b2");
    // It must be in the queue before the third.
    wait_until_read(&server, &second);
    say(&third, "c");
    wait_until_read(&server, &third);
    leave(second);
    server.type_line("for a");
    assert_eq!(hear(&first), "for a");
    for text in [": b1", ": b2", ": c"] {
        server.wait_out(text);
    }
    server.type_line("for c");
    assert_eq!(hear(&third), "for c");
    server.stop_cleanly(&[": left"]);
}

#[test]
fn those_that_leave_give_their_places_back_while_somebody_is_being_answered() {
    let mut server = Program::socklab(&["chat-server", "0", "--bind", "127.0.0.1", "--max-clients", "3"]);
    let port = server.port();
    let first = connect(port);
    say(&first, "at the prompt");
    server.wait_out(": at the prompt");
    // One says nothing, the other waits for its turn; both leave.
    let (silent, waiting) = (connect(port), connect(port));
    say(&waiting, "and I?");
    wait_for_threads(&server, 3);
    wait_until_read(&server, &waiting);
    drop((silent, waiting));
    // The server is not full: these two get a thread although nobody has been answered.
    let newcomers = [connect(port), connect(port)];
    let names: Vec<String> = newcomers.iter().map(name).collect();
    let deadline = Instant::now() + PATIENCE;
    while !names.iter().all(|name| threads(server.pid()).iter().any(|thread| name.starts_with(thread))) {
        assert!(Instant::now() < deadline, "{:?}", threads(server.pid()));
        thread::sleep(Duration::from_millis(5));
    }
    server.type_line("for the first");
    assert_eq!(hear(&first), "for the first");
    server.wait_out(": and I?");
    server.stop_cleanly(&[": left"]);
}

#[test]
fn everything_said_before_leaving_is_shown() {
    let (mut server, port) = server();
    let mut leaver = connect(port);
    let text: String = (0..500).map(|number| format!("line {number}\n")).collect();
    leaver.write_all(text.as_bytes()).unwrap();
    drop(leaver);
    for number in 0..500 {
        let line = server.wait_out(": line ");
        assert!(line.ends_with(&format!(": line {number}")), "{line}");
    }
    server.wait_err(": left");
    server.stop_cleanly(&[": left"]);
}

#[test]
fn one_that_does_not_read_holds_up_nobody() {
    // Replies of a megabyte, prepared in a file.
    let folder = Folder::new();
    let replies = folder.0.join("replies");
    fs::write(&replies, format!("{}\n", "z".repeat(1_000_000)).repeat(20)).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" chat-server 0 --bind 127.0.0.1 < \"$1\"", SOCKLAB]).arg(&replies);
    let mut server = Program::start(command);
    let port = server.port();
    let (deaf, other) = (connect(port), connect(port));
    // Until its socket takes no more; then its thread waits in `write`, and the desk is free.
    for _ in 0..12 {
        say(&deaf, "more");
    }
    server.wait_out(": more");
    for _ in 0..3 {
        say(&other, "and me?");
        assert_eq!(hear(&other).len(), 1_000_000);
    }
    // The connection ends with the server: a reply is under way, and the grace is for it.
    drop(deaf);
    server.stop_cleanly(&[": left", "cannot send: ", "Connection reset", "Broken pipe", "not sent: "]);
}

#[test]
fn hostile_clients_are_shown_escaped_and_do_no_harm() {
    let (mut server, port) = server();
    let mut rude = connect(port);
    rude.write_all(b"\x1b[2J\x1b]0;pwned\x07 \xff\xc2\x9b31m \xe2\x80\xae\r\n").unwrap();
    let line = server.wait_out("pwned");
    assert!(line.ends_with(": \\x1b[2J\\x1b]0;pwned\\x07 \\xff\\u{9b}31m \\u{202e}"), "{line}");
    server.type_line("well");
    assert_eq!(hear(&rude), "well");
    let staying = crowd(port, false);
    let good = connect(port);
    say(&good, "hello");
    server.wait_out(": hello");
    server.type_line("good day");
    assert_eq!(hear(&good), "good day");
    drop(staying);
    let ended = server.stop_cleanly(&[": left", "reset", "cannot send"]);
    assert_escaped(&ended.out);
    // The client's screen is protected from its server too.
    let (port, fake) = serve_once(|stream| {
        hear(&stream);
        (&stream).write_all(b"\x1b[2J\xff\\\n").unwrap();
    });
    let ended = socklab(&["chat-client", "127.0.0.1", &port.to_string()], b"hi\n");
    assert_eq!(ended.out, ["\\x1b[2J\\xff\\\\"]);
    fake.join().unwrap();
}

#[test]
fn vanished_peers_are_probed() {
    let (server, port) = server();
    let client = connect(port);
    wait_for_threads(&server, 1);
    let ends = (client.peer_addr().unwrap(), client.local_addr().unwrap());
    let deadline = Instant::now() + PATIENCE;
    loop {
        // The kernel's list of sockets shows which timer runs: 02 is keep-alive.
        let timer = tcp_end(ends.0, ends.1).map(|end| end.timer).unwrap_or_default();
        if let Some(ticks) = timer.strip_prefix("02:") {
            let ticks = u32::from_str_radix(ticks, 16).unwrap();
            assert!(ticks <= 6000, "a first probe after a minute, not after two hours: {timer}");
            break;
        }
        assert!(Instant::now() < deadline, "{timer}");
        thread::sleep(Duration::from_millis(5));
    }
    server.stop_cleanly(&[]);
}

#[test]
fn a_thousand_exchanges() {
    let (mut server, port) = server();
    let text: String = (0..1000).map(|number| format!("reply {number}\n")).collect();
    let stream = connect(port);
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    server.type_bytes(text.as_bytes());
    for number in 0..1000 {
        say(&stream, &format!("line {number}"));
        assert_eq!(lines.next().unwrap().unwrap(), format!("reply {number}"));
    }
    drop((stream, lines));
    server.wait_out(": line 999");
    server.wait_err(": left");
    server.stop_cleanly(&[": left"]);
}
