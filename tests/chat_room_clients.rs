//! `chat-client --room`, and netcat, as members of a `chat-room`.

mod common;

use std::process::Command;

use common::chat::{hear, join, room, say};
use common::{can_run, installed, socklab, Program};

#[test]
fn the_rooms_client_sends_and_receives_at_once() {
    let (server, port) = room(&[]);
    let other = join(port);
    let words = ["chat-client", "--room", "127.0.0.1", &port.to_string()];
    let mut client = Program::socklab(&words);
    client.wait_out("* welcome, guest2");
    // Without a key being pressed.
    say(&other, "hello \\ you");
    client.wait_out("guest1: hello \\\\ you");
    client.type_line("hello");
    client.type_line(" EXIT");
    for line in ["* guest2 joined", "guest2: hello", "guest2:  EXIT"] {
        assert_eq!(hear(&other), line);
    }
    client.type_line("EXIT");
    let ended = client.finish();
    assert_eq!((ended.code, ended.err.len()), (0, 0), "{ended:#?}");
    assert_eq!(hear(&other), "* guest2 left");
    // The end of the input is EXIT; the answers still come.
    let ended = socklab(&words, b"/who\nlast words");
    assert_eq!(ended.code, 0);
    assert_eq!(ended.out.last().unwrap(), "* 2 here: guest1, guest3");
    for line in ["* guest3 joined", "guest3: last words", "* guest3 left"] {
        assert_eq!(hear(&other), line);
    }
    // /quit, and the end of the room.
    let mut client = Program::socklab(&words);
    client.type_line("/quit");
    client.wait_err("the room closed the connection");
    let ended = client.finish();
    assert_eq!((ended.code, ended.out.last().unwrap().as_str()), (0, "* goodbye"));
    let mut client = Program::socklab(&words);
    client.wait_out("* welcome");
    server.stop_cleanly(&[]);
    client.wait_err("the room closed the connection");
    let ended = client.finish();
    assert_eq!((ended.code, ended.out.last().unwrap().as_str()), (0, "* the room closes"));
}

#[test]
fn the_rooms_client_is_heard_to_the_end_of_its_file() {
    let (server, port) = room(&["--rate", "20"]);
    let listener = join(port);
    let words = ["chat-client", "--room", "127.0.0.1", &port.to_string()];
    let text: String = (0..260).map(|number| format!("{number}\n")).collect();
    // 40 at once and 20 a second: 11 s, longer than a member that was reset is heard.
    let ended = socklab(&words, text.as_bytes());
    assert_eq!((ended.code, ended.err.len()), (0, 0), "{ended:#?}");
    assert_eq!(hear(&listener), "* guest2 joined");
    for number in 0..260 {
        assert_eq!(hear(&listener), format!("guest2: {number}"));
    }
    assert_eq!(hear(&listener), "* guest2 left");
    // EXIT does not wait so long, and says so.
    let ended = socklab(&words, format!("{text}EXIT\n").as_bytes());
    assert_eq!(ended.code, 1, "{ended:#?}");
    assert!(ended.err[0].contains("left before the room had heard everything"), "{ended:#?}");
    server.stop_cleanly(&[]);
}

#[test]
fn netcat_is_a_good_member() {
    for program in ["nc", "ncat"] {
        if !can_run(installed(program), &format!("{program} is not installed")) {
            continue;
        }
        let (server, port) = room(&[]);
        let other = join(port);
        let mut command = Command::new(program);
        command.args(["127.0.0.1", &port.to_string()]);
        let mut client = Program::start(command);
        client.wait_out("* welcome, guest2");
        client.type_line("/name net-cat");
        client.type_line("hello");
        for line in ["* guest2 joined", "* guest2 is now net-cat", "net-cat: hello"] {
            assert_eq!(hear(&other), line);
        }
        say(&other, "good day");
        client.wait_out("guest1: good day");
        client.type_line("/quit");
        client.wait_out("* goodbye");
        client.finish();
        server.stop_cleanly(&[]);
    }
}
