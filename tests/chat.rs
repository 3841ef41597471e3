//! Unit B3, lab task: `chat-server` and `chat-client` take turns, and all the ways in which that ends.

mod common;

use std::io::Write;
use std::net::Shutdown;
use std::process::Command;
use std::thread;
use std::time::Duration;

use common::chat::{client, hear, say, serve_once, server, wait_for_threads, SETTLED};
use common::clients::{connect, read_all, reset, wait_for_end, Refusing};
use common::{socklab, Program, SOCKLAB};

#[test]
fn two_people_in_turns_and_then_the_next() {
    let (mut server, port) = server();
    for _ in 0..2 {
        let mut client = client(port);
        client.type_line("Hello");
        server.wait_out(": Hello");
        server.type_line("Good day");
        client.wait_out("Good day");
        client.type_line("größer ≥ 3 🦀");
        server.wait_out(": größer ≥ 3 🦀");
        server.type_line("yes");
        client.wait_out("yes");
        client.type_line("EXIT");
        let ended = client.finish();
        assert_eq!((ended.code, ended.out, ended.err), (0, vec!["Good day".into(), "yes".into()], vec![]));
        server.wait_err(": left");
    }
    let ended = server.stop_cleanly(&[": left"]);
    assert_eq!(ended.out.len(), 4, "EXIT is not sent: {ended:#?}");
    for line in &ended.out {
        let (address, text) = line.split_once(": ").expect("ADDR:PORT: text");
        assert!(address.starts_with("127.0.0.1:") && !text.is_empty(), "{line}");
    }
}

#[test]
fn the_order_is_the_sheets() {
    // The server does not answer the second line before the first, nor read ahead of its own turn.
    let (mut server, port) = server();
    let client = connect(port);
    say(&client, "one");
    say(&client, "two");
    server.wait_out(": one");
    thread::sleep(Duration::from_millis(200));
    server.type_line("first");
    assert_eq!(hear(&client), "first");
    server.wait_out(": two");
    server.type_line("second");
    assert_eq!(hear(&client), "second");
    let ended = server.stop_cleanly(&[]);
    assert_eq!(ended.out.len(), 2);
    // The client shows the answer before it reads the keyboard again, and no second answer before that.
    let (port, fake) = serve_once(|stream| {
        assert_eq!(hear(&stream), "one");
        say(&stream, "answer 1");
        say(&stream, "answer 2");
        assert_eq!(hear(&stream), "two");
        assert_eq!(read_all(&stream), b"");
    });
    let mut client = self::client(port);
    client.type_line("one");
    client.wait_out("answer 1");
    client.type_line("two");
    client.wait_out("answer 2");
    let ended = client.finish();
    assert_eq!((ended.code, ended.out.len()), (0, 2), "{ended:#?}");
    fake.join().unwrap();
}

#[test]
fn exit_typed_at_the_server_ends_that_conversation_only() {
    let (mut server, port) = server();
    let other = connect(port);
    let mut client = client(port);
    client.type_line("Hello");
    server.wait_out(": Hello");
    server.type_line("EXIT");
    let ended = {
        client.wait_err("the server closed the connection");
        client.finish()
    };
    assert_eq!((ended.code, ended.out.len()), (0, 0), "{ended:#?}");
    server.wait_err(": conversation ended");
    say(&other, "and me?");
    server.wait_out(": and me?");
    server.type_line("you too");
    assert_eq!(hear(&other), "you too");
    server.stop_cleanly(&[": conversation ended"]);
}

#[test]
fn only_exit_alone_on_its_line_is_exit() {
    let texts = [" EXIT", "EXIT ", "exit", "EXIT.", "\tEXIT", "EXITEXIT"];
    let (mut server, port) = server();
    let mut client = client(port);
    for text in texts {
        client.type_line(text);
        server.wait_out(&format!(": {}", text.replace('\t', "\\t")));
        server.type_line(text);
        client.wait_out(&text.replace('\t', "\\t"));
    }
    // A received EXIT is text, on either side.
    let raw = connect(port);
    say(&raw, "EXIT");
    server.wait_out(": EXIT");
    server.type_line("still here");
    assert_eq!(hear(&raw), "still here");
    let (port, fake) = serve_once(|stream| {
        assert_eq!(hear(&stream), "hi");
        say(&stream, "EXIT");
        assert_eq!(hear(&stream), "still here");
        say(&stream, "good");
    });
    let ended = socklab(&["chat-client", "127.0.0.1", &port.to_string()], b"hi\nstill here\n");
    assert_eq!((ended.code, ended.out), (0, vec!["EXIT".to_string(), "good".to_string()]));
    fake.join().unwrap();
    // Of the ending, \r\n is taken off as \n is.
    client.type_bytes(b"EXIT\r\n");
    assert_eq!(client.finish().code, 0);
    server.stop_cleanly(&[": left"]);
}

#[test]
fn empty_lines_are_messages() {
    let (mut server, port) = server();
    let mut client = client(port);
    for _ in 0..3 {
        client.type_line("");
        let line = server.wait_out(": ");
        assert!(line.ends_with(": "), "{line:?}");
        server.type_line("");
        assert_eq!(client.wait_out(""), "");
    }
    assert_eq!(client.finish().code, 0);
    server.stop_cleanly(&[": left"]);
}

#[test]
fn long_lines_pass_whole_and_longer_ones_are_answered_once() {
    let (mut server, port) = server();
    let mut client = client(port);
    let long = "ü".repeat(32 * 1024);
    client.type_line(&long);
    assert!(server.wait_out(": ü").ends_with(&format!(": {long}")));
    server.type_line(&long);
    assert_eq!(client.wait_out("ü"), long);
    // 200,000 bytes: three pieces of 64 KiB and the rest, one answer.
    client.type_line(&"x".repeat(200_000));
    for length in [65_536, 65_536, 65_536, 200_000 - 3 * 65_536] {
        let line = server.wait_out(": x");
        assert_eq!(line.split_once(": ").unwrap().1.len(), length);
    }
    server.type_line(&"y".repeat(200_000));
    for length in [65_536, 65_536, 65_536, 200_000 - 3 * 65_536] {
        assert_eq!(client.wait_out("y").len(), length);
    }
    client.type_line("again");
    server.wait_out(": again");
    server.type_line("once");
    client.wait_out("once");
    assert_eq!(client.finish().code, 0);
    server.stop_cleanly(&[": left"]);
}

#[test]
fn the_end_of_the_clients_keyboard_is_exit_and_its_last_line_counts() {
    let (mut server, port) = server();
    let mut client = client(port);
    client.type_bytes(b"no newline");
    client.end_input();
    server.wait_out(": no newline");
    server.type_line("heard");
    client.wait_out("heard");
    assert_eq!(client.finish().code, 0);
    server.wait_err(": left");
    // A line without its newline that comes over the wire is shown too, and not answered.
    let mut raw = connect(port);
    raw.write_all(b"half a line").unwrap();
    raw.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&raw), b"");
    server.wait_out(": half a line");
    server.stop_cleanly(&[": left"]);
}

#[test]
fn the_client_notices_at_its_keyboard_that_the_server_closes_or_breaks() {
    // The server's last words come first, with or without a newline.
    let (port, fake) = serve_once(|stream| {
        hear(&stream);
        say(&stream, "answer");
        (&stream).write_all(b"I must go\nbye").unwrap();
    });
    let mut client = client(port);
    client.type_line("hi");
    client.wait_err("the server closed the connection");
    let ended = client.finish();
    assert_eq!((ended.code, ended.err.len()), (0, 1), "{ended:#?}");
    assert_eq!(ended.out, ["answer", "I must go", "bye"]);
    fake.join().unwrap();
    // A reset is a network error: with a line under way, and at the keyboard.
    for answered in [false, true] {
        let (port, fake) = serve_once(move |stream| {
            if answered {
                hear(&stream);
                say(&stream, "answer");
            }
            reset(stream);
        });
        let mut client = self::client(port);
        client.type_line("one");
        if answered {
            client.wait_out("answer");
            client.type_line("two");
        }
        client.wait_err("chat-client: ");
        let ended = client.finish();
        assert_eq!(ended.code, 1, "{ended:#?}");
        assert!(ended.err[0].contains("Connection reset by peer"), "{ended:#?}");
        fake.join().unwrap();
    }
    // Nobody there at all.
    let refusing = Refusing::new();
    let ended = socklab(&["chat-client", "127.0.0.1", &refusing.port().to_string()], b"");
    assert_eq!(ended.code, 1);
    assert!(ended.err[0].contains("Connection refused"), "{ended:#?}");
}

#[test]
fn the_clients_wait_at_the_keyboard_ends_without_a_key_being_pressed() {
    let (port, fake) = serve_once(drop);
    let mut client = client(port);
    // Its input stays open and silent.
    client.wait_err("the server closed the connection");
    assert_eq!(client.finish().code, 0);
    fake.join().unwrap();
}

#[test]
fn a_client_that_breaks_the_connection_ends_its_conversation_only() {
    let (mut server, port) = server();
    let other = connect(port);
    // Idle, then in the middle of its exchange.
    let broken = connect(port);
    say(&broken, "first");
    server.wait_out(": first");
    server.type_line("unread");
    reset(broken);
    server.wait_err("Connection reset by peer");
    let broken = connect(port);
    say(&broken, "one");
    server.wait_out(": one");
    server.type_line("unread");
    say(&broken, "two");
    server.wait_out(": two");
    reset(broken);
    server.wait_err("Connection reset by peer");
    thread::sleep(SETTLED);
    say(&other, "still there?");
    server.wait_out(": still there?");
    server.type_line("yes");
    assert_eq!(hear(&other), "yes");
    server.stop_cleanly(&["Connection reset by peer"]);
}

#[test]
fn the_end_of_the_servers_keyboard_ends_all_conversations() {
    // Nobody is waiting for an answer; then somebody is.
    for asked in [false, true] {
        let (mut server, port) = server();
        let clients = [connect(port), connect(port), connect(port)];
        if asked {
            say(&clients[1], "hello?");
            server.wait_out(": hello?");
        }
        // All of them are in; what is still in the queue when the server stops has no conversation.
        wait_for_threads(&server, 3);
        server.end_input();
        for client in &clients {
            wait_for_end(client);
        }
        let ended = server.finish();
        assert_eq!(ended.code, 0, "{ended:#?}");
        assert!(ended.err.last().unwrap().starts_with("served 3 clients"), "{ended:#?}");
    }
}

#[test]
fn prepared_replies_go_out_in_order_and_their_end_is_the_end() {
    let (mut server, port) = server();
    server.type_bytes(b"one\ntwo\nlast, without a newline");
    server.end_input();
    let (first, second) = (connect(port), connect(port));
    say(&first, "a");
    assert_eq!(hear(&first), "one");
    say(&second, "b");
    assert_eq!(hear(&second), "two");
    say(&first, "c");
    assert_eq!(hear(&first), "last, without a newline");
    wait_for_end(&first);
    wait_for_end(&second);
    assert_eq!(server.finish().code, 0);
}

#[test]
fn without_a_keyboard_the_server_still_shows_what_is_said() {
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" chat-server 0 --bind 127.0.0.1 < /dev/null", SOCKLAB]);
    let mut server = Program::start(command);
    let port = server.port();
    let client = connect(port);
    say(&client, "anybody?");
    server.wait_out(": anybody?");
    wait_for_end(&client);
    assert_eq!(server.finish().code, 0);
}
