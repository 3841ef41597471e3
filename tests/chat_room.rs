//! `chat-room`: who hears what, and who is dropped. Its clients are in `tests/chat_room_clients.rs`.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::chat::{hear, join, room, say};
use common::clients::{assert_escaped, connect, crowd, flood, read_all, wait_for_end};
use common::{Program, SOCKLAB};

/// A member that has been greeted, with its name.
fn member(port: u16, name: &str) -> TcpStream {
    let stream = join(port);
    say(&stream, &format!("/name {name}"));
    // Others may come and go meanwhile.
    while hear(&stream) != format!("* you are now {name}") {}
    stream
}

#[test]
fn a_line_goes_to_everyone_else() {
    let (server, port) = room(&[]);
    let ann = member(port, "ann");
    let bob = member(port, "Bob");
    assert_eq!(hear(&ann), "* guest2 joined");
    assert_eq!(hear(&ann), "* guest2 is now Bob");
    let eve = join(port);
    for stream in [&ann, &bob] {
        assert_eq!(hear(stream), "* guest3 joined");
    }
    for (line, heard) in [
        ("hello", "ann: hello"),
        ("", "ann: "),
        (" spaces kept  ", "ann:  spaces kept  "),
        ("//etc/hosts", "ann: /etc/hosts"),
        ("/me waves", "~ ann waves"),
        ("back\\slash größer 🦀\r", "ann: back\\slash größer 🦀"),
        ("EXIT", "ann: EXIT"),
    ] {
        say(&ann, line);
        for stream in [&bob, &eve] {
            assert_eq!(hear(stream), heard);
        }
    }
    say(&ann, "/msg bob psst");
    assert_eq!(hear(&bob), "ann (to you): psst");
    assert_eq!(hear(&ann), "* to Bob: psst");
    for (line, answer) in [
        ("/who", "* 3 here: ann, Bob, guest3"),
        ("/msg nobody x", "* there is nobody called nobody"),
        ("/foo", "* there is no such command; /help lists them"),
        ("/help", "* a line is said to everyone; begin it with // if it begins with a slash"),
    ] {
        say(&ann, line);
        assert_eq!(hear(&ann), answer);
    }
    say(&ann, "/quit");
    assert!(read_all(&ann).ends_with(b"* goodbye\n"));
    for stream in [&bob, &eve] {
        // Eve hears nothing of what was for Bob.
        assert_eq!(hear(stream), "* ann left");
    }
    drop(eve);
    assert_eq!(hear(&bob), "* guest3 left");
    let ended = server.stop_cleanly(&[]);
    assert!(read_all(&bob).ends_with(b"* the room closes\n"));
    assert_eq!(ended.out[1], "* guest1 is now ann");
    assert!(ended.out.contains(&"ann: back\\\\slash größer 🦀".to_string()), "{ended:#?}");
    assert!(!ended.out.iter().any(|line| line.contains("psst")), "private is not shown: {ended:#?}");
}

#[test]
fn a_name_belongs_to_one() {
    let (server, port) = room(&[]);
    let ann = member(port, "Ann");
    let other = join(port);
    for (wanted, answer) in [
        ("ann", "* somebody is called ann already"),
        ("ANN", "* somebody is called ANN already"),
        ("guest2", "* you are now guest2"),
        ("a b", "* a name has letters, digits and -_. only"),
        ("ann:", "* a name has letters, digits and -_. only"),
        ("*", "* a name has letters, digits and -_. only"),
        ("a\u{200b}nn", "* a name has letters, digits and -_. only"),
        ("\x1b[31m", "* a name has letters, digits and -_. only"),
        ("abcdefghijklmnopqrstuvwxyz", "* a name has 24 characters at most"),
        ("guest7", "* you are now guest7"),
    ] {
        say(&other, &format!("/name {wanted}"));
        assert_eq!(hear(&other), answer);
    }
    // Its own name in other letters it may take.
    say(&ann, "/name ANN");
    while hear(&ann) != "* you are now ANN" {}
    // Given up, the name is free; and a guest never gets one that somebody has.
    drop(ann);
    while hear(&other) != "* ANN left" {}
    say(&other, "/name ann");
    assert_eq!(hear(&other), "* you are now ann");
    say(&other, "/name guest5");
    assert_eq!(hear(&other), "* you are now guest5");
    let guests: Vec<TcpStream> = (0..5).map(|_| join(port)).collect();
    say(&other, "/who");
    let who = loop {
        let line = hear(&other);
        if line.contains(" here: ") {
            break line;
        }
    };
    assert_eq!(who, "* 6 here: guest5, guest3, guest4, guest6, guest7, guest8");
    drop(guests);
    server.stop_cleanly(&[]);
}

#[test]
fn what_reaches_another_is_text_and_characters_arrive_whole() {
    let (server, port) = room(&["--rate", "1000"]);
    let (mut rude, other) = (join(port), join(port));
    rude.write_all(b"\x1b[2J\x1b]0;title\x07\x9b\xff\t\xc2\x9bx\xe2\x80\xae\x00\r\r\n").unwrap();
    let heard = hear(&other);
    assert_eq!(
        heard,
        "guest1: \u{fffd}[2J\u{fffd}]0;title\u{fffd}\u{fffd}\u{fffd} \u{fffd}x\u{fffd}\u{fffd}\u{fffd}"
    );
    for byte in "größer ≥ 3 🦀\n".bytes() {
        rude.write_all(&[byte]).unwrap();
        thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(hear(&other), "guest1: größer ≥ 3 🦀");
    // A line of 8 KiB passes, one byte more does not, and the next line is none the worse.
    say(&rude, &"x".repeat(8192));
    assert_eq!(hear(&other).len(), "guest1: ".len() + 8192);
    say(&rude, &"y".repeat(8193));
    say(&rude, &"z".repeat(100_000));
    say(&rude, "after");
    assert_eq!(hear(&other), "guest1: after");
    assert_eq!(hear(&rude), "* guest2 joined");
    for _ in 0..2 {
        assert_eq!(hear(&rude), "* not said: your line was over 8192 bytes long");
    }
    let ended = server.stop_cleanly(&[]);
    assert_escaped(&ended.out.iter().map(|line| line.replace('\u{fffd}', "")).collect::<Vec<_>>());
}

#[test]
fn one_that_does_not_read_is_dropped_and_holds_up_nobody() {
    let (server, port) = room(&["--rate", "0"]);
    let (speaker, listener) = (member(port, "speaker"), join(port));
    let deaf = member(port, "deaf");
    let text = "w".repeat(4000);
    // Until its own kernel, the room's and its outbox are full; the listener has every line.
    let mut dropped = false;
    let mut number = 0;
    while !dropped {
        assert!(number < 10_000, "it is never dropped");
        say(&speaker, &format!("{number} {text}"));
        loop {
            let line = hear(&listener);
            dropped |= line == "* deaf was dropped: reads too slowly";
            if line.starts_with(&format!("speaker: {number} ")) {
                break;
            }
        }
        number += 1;
    }
    say(&listener, "/who");
    assert!(hear(&listener).starts_with("* 2 here: "));
    wait_for_end(&deaf);
    drop(speaker);
    server.stop_cleanly(&[]);
}

#[test]
fn one_that_reads_late_gets_everything() {
    let (server, port) = room(&["--rate", "0"]);
    let (mut speaker, listener) = (join(port), join(port));
    // 600 KB: more than the kernel keeps and one write offers, less than an outbox holds.
    let text: String = (0..100).map(|number| format!("{number} {}\n", "l".repeat(6000))).collect();
    speaker.write_all(text.as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(300));
    for number in 0..100 {
        assert!(hear(&listener).starts_with(&format!("guest1: {number} ")));
    }
    server.stop_cleanly(&[]);
}

#[test]
fn a_flood_is_slowed_down_and_nothing_of_it_is_lost() {
    let (server, port) = room(&["--rate", "100"]);
    let (mut flooder, listener, calm) = (join(port), join(port), join(port));
    while hear(&listener) != "* guest3 joined" {}
    let text: String = (0..300).map(|number| format!("{number}\n")).collect();
    let start = Instant::now();
    flooder.write_all(text.as_bytes()).unwrap();
    flooder.write_all(b"last, then I go").unwrap();
    drop(flooder);
    let mut expected: Vec<String> = (0..300).map(|number| format!("guest1: {number}")).collect();
    expected.extend(["guest1: last, then I go", "* guest1 left"].map(String::from));
    let mut interrupted = false;
    for (number, expected) in expected.iter().enumerate() {
        if number == 220 {
            // Somebody else does not wait for the flood; where in it this comes is up to the machine.
            say(&calm, "and I?");
        }
        let mut line = hear(&listener);
        if line == "guest3: and I?" {
            interrupted = true;
            line = hear(&listener);
        }
        assert_eq!(&line, expected);
    }
    assert!(interrupted || hear(&listener) == "guest3: and I?");
    // 200 at once, the next 100 in a second.
    assert!(start.elapsed() > Duration::from_millis(900), "{:?}", start.elapsed());
    server.stop_cleanly(&[]);
}

#[test]
fn the_silent_are_let_go_only_when_that_is_asked_for() {
    let (server, port) = room(&["--idle", "3"]);
    let (talker, silent) = (join(port), join(port));
    let listening = thread::spawn(move || read_all(&silent));
    while !listening.is_finished() {
        say(&talker, "I am here");
        thread::sleep(Duration::from_millis(50));
    }
    let heard = String::from_utf8(listening.join().unwrap()).unwrap();
    assert!(heard.ends_with("* you were silent for too long\n"), "{heard}");
    assert_eq!(hear(&talker), "* guest2 joined");
    assert_eq!(hear(&talker), "* guest2 was dropped: silent for too long");
    server.stop_cleanly(&[]);
}

#[test]
fn one_that_is_slowed_down_is_not_silent_and_does_not_hold_up_the_end() {
    let (server, port) = room(&["--rate", "1", "--idle", "2"]);
    let mut flooder = join(port);
    // A line so long that the next may be said after half a minute only: far beyond the idle limit.
    let long = format!("{}\n", "x".repeat(8000));
    flooder.write_all(format!("{long}y\n").repeat(3).as_bytes()).unwrap();
    thread::sleep(Duration::from_secs(4));
    let start = Instant::now();
    server.stop_cleanly(&[]);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let heard = String::from_utf8(read_all(&flooder)).unwrap();
    assert!(heard.ends_with("* the room closes\n"), "{heard}");
}

#[test]
fn half_closed_is_leaving_and_what_was_asked_is_answered() {
    let (server, port) = room(&[]);
    let mut asker = connect(port);
    asker.write_all(b"/who\n/name zoe\nno newline").unwrap();
    asker.shutdown(Shutdown::Write).unwrap();
    let answers = String::from_utf8(read_all(&asker)).unwrap();
    assert!(answers.contains("\n* 1 here: guest1\n* you are now zoe\n"), "{answers}");
    let ended = server.stop_cleanly(&[]);
    assert!(ended.out.contains(&"zoe: no newline".to_string()), "{ended:#?}");
}

#[test]
fn hostile_members_do_no_harm() {
    let (server, port) = room(&[]);
    let witness = join(port);
    let staying = crowd(port, true);
    let flooder = connect(port);
    assert!(flood(&flooder) > 0);
    let speaker = member(port, "speaker");
    say(&speaker, "all well?");
    while hear(&witness) != "speaker: all well?" {}
    drop((staying, flooder));
    let ended = server.stop_cleanly(&[]);
    assert_escaped(&ended.out.iter().map(|line| line.replace('\u{fffd}', "")).collect::<Vec<_>>());
}

#[test]
fn a_screen_that_stands_still_does_not_stop_the_room() {
    // Nobody reads the transcript: the pipe holds 64 KiB, then the room's own thread waits.
    let mut command = Command::new(SOCKLAB);
    command.args(["chat-room", "0", "--bind", "127.0.0.1", "--rate", "0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 64];
    let length = child.stderr.as_mut().unwrap().read(&mut ready).unwrap();
    let ready = String::from_utf8_lossy(&ready[..length]).into_owned();
    let port: u16 = ready.split([':', ' ']).nth(3).unwrap().parse().unwrap();
    let (speaker, listener) = (join(port), join(port));
    let text = "t".repeat(2000);
    for number in 0..2000 {
        say(&speaker, &format!("{number} {text}"));
        assert!(hear(&listener).starts_with(&format!("guest1: {number} ")));
    }
    // At its end it says what is missing, although nobody reads.
    let term = Command::new("sh").arg("-c").arg(format!("kill -s TERM {}", child.id())).status();
    assert!(term.unwrap().success());
    assert!(child.wait().unwrap().success());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("lines of the transcript are missing"), "{said}");
}

#[test]
fn few_descriptors_are_a_small_room_and_not_its_end() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 100; exec \"$0\" chat-room 0 --bind 127.0.0.1", SOCKLAB]);
    let mut server = Program::start(command);
    let port = server.port();
    // 64 are kept, a member takes two.
    let inside: Vec<TcpStream> = (0..18).map(|_| join(port)).collect();
    let outside: Vec<TcpStream> = (0..5).map(|_| connect(port)).collect();
    thread::sleep(Duration::from_millis(200));
    for stream in &outside {
        stream.set_nonblocking(true).unwrap();
        assert!(stream.peek(&mut [0]).is_err(), "it waits in the kernel's queue");
        stream.set_nonblocking(false).unwrap();
    }
    drop(inside);
    for stream in &outside {
        assert!(hear(stream).starts_with("* welcome, "));
    }
    server.stop_cleanly(&[]);
}

#[test]
fn descriptors_and_threads_are_given_back() {
    let (server, port) = room(&[]);
    let count = || fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    let before = count();
    for _ in 0..20 {
        drop((0..10).map(|_| join(port)).collect::<Vec<_>>());
    }
    let deadline = Instant::now() + common::PATIENCE;
    while count() > before {
        assert!(Instant::now() < deadline, "{} descriptors, {before} before", count());
        thread::sleep(Duration::from_millis(10));
    }
    server.stop_cleanly(&[]);
}
