//! Unit B3, lab task, beside other programs (nc, ncat, Python), over IPv6, and at a terminal.

mod common;

use std::net::TcpListener;
use std::process::Command;

use common::chat::{client, hear, name, port_on, say, serve_once, server, Screen};
use common::clients::{connect, wait_for_end};
use common::system::python;
use common::{can_run, installed, socklab, Program};

#[test]
fn over_ipv6_and_by_name() {
    if !can_run(TcpListener::bind("[::1]:0").is_ok(), "there is no IPv6 here") {
        return;
    }
    let mut server = Program::socklab(&["chat-server", "0", "--bind", "::"]);
    let port = server.port().to_string();
    for (host, shown) in [("::1", "[::1]:"), ("127.0.0.1", "127.0.0.1:")] {
        let mut client = Program::socklab(&["chat-client", host, &port]);
        client.type_line("hi");
        assert!(server.wait_out(": hi").starts_with(shown));
        server.type_line("hello");
        client.wait_out("hello");
        assert_eq!(client.finish().code, 0);
        server.wait_err(": left");
    }
    server.stop_cleanly(&[": left"]);
}

#[test]
fn netcat_is_a_client() {
    for words in [&["nc"][..], &["ncat"]] {
        if !can_run(installed(words[0]), &format!("{} is not installed", words[0])) {
            continue;
        }
        let (mut server, port) = server();
        let mut command = Command::new(words[0]);
        command.args(["127.0.0.1", &port.to_string()]);
        let mut client = Program::start(command);
        client.type_line("from netcat");
        server.wait_out(": from netcat");
        server.type_line("to netcat");
        client.wait_out("to netcat");
        client.type_line("again");
        server.wait_out(": again");
        server.type_line("EXIT");
        server.wait_err(": conversation ended");
        client.finish();
        server.stop_cleanly(&[": conversation ended"]);
    }
}

#[test]
fn netcat_is_a_server() {
    if !can_run(installed("ncat"), "ncat is not installed") {
        return;
    }
    // ncat does not say which port it took, so it is given one that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new("ncat");
    command.args(["-v", "-n", "-l", "127.0.0.1", &port.to_string()]);
    let mut server = Program::start(command);
    server.wait_err("Listening on");
    let mut client = client(port);
    client.type_line("hello");
    server.wait_out("hello");
    server.type_line("good day");
    client.wait_out("good day");
    client.type_line("EXIT");
    assert_eq!(client.finish().code, 0);
    assert_eq!(server.finish().out, ["hello"]);
}

#[test]
fn the_sheets_python_on_the_other_side() {
    if !can_run(installed("python3"), "python3 is not installed") {
        return;
    }
    // A solution of the sheet, as short as it can be: the client, then the server.
    let theirs = "import socket, sys\n\
        s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n\
        f = s.makefile('r', encoding='utf-8')\n\
        for line in ['hello', 'größer', '']:\n\
        \x20   s.sendall((line + '\\n').encode()); print(f.readline(), end='')\n\
        s.close()";
    let (mut server, port) = server();
    let client = Program::start(python(theirs, &[&port.to_string()]));
    for (heard, answer) in [(": hello", "one"), (": größer", "zwei ≥ 1"), (": ", "three")] {
        server.wait_out(heard);
        server.type_line(answer);
    }
    let ended = client.finish();
    assert_eq!((ended.code, ended.out), (0, ["one", "zwei ≥ 1", "three"].map(String::from).to_vec()));
    server.stop_cleanly(&[": left"]);
    let theirs = "import socket\n\
        s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1])\n\
        c, a = s.accept()\n\
        for line in c.makefile('r', encoding='utf-8'):\n\
        \x20   print(line, end=''); c.sendall(line.upper().encode())";
    let mut server = Program::start(python(theirs, &[]));
    let port = server.wait_out("");
    let ended = socklab(&["chat-client", "127.0.0.1", &port], "hello\ngrößer\n".as_bytes());
    assert_eq!((ended.code, ended.out), (0, ["HELLO", "GRÖSSER"].map(String::from).to_vec()));
    assert_eq!(server.finish().out[1..], ["hello", "größer"]);
}

#[test]
fn at_a_terminal_the_prompt_names_the_client() {
    if !can_run(installed("tmux"), "tmux is not installed") {
        return;
    }
    let screen = Screen::new("two");
    screen.start("server", "chat-server 0 --bind 127.0.0.1");
    let port = port_on(&screen.wait("server", "(tcp)"));
    screen.start("client", &format!("chat-client 127.0.0.1 {port}"));
    screen.wait("client", ">");
    screen.keys("client", &["-l", "Hello"]);
    screen.keys("client", &["Enter"]);
    let shown = screen.wait("server", ">");
    let address = shown.split("to ").nth(1).unwrap().split('>').next().unwrap().to_string();
    assert!(shown.ends_with(&format!("{address}: Hello\nto {address}>")), "{shown}");
    screen.keys("server", &["-l", "Good day"]);
    screen.keys("server", &["Enter"]);
    let shown = screen.wait("client", "Good day");
    assert_eq!(shown, "> Hello\nGood day\n>");
    // Ctrl-D leaves, and what comes next does not stand behind the prompt.
    screen.keys("client", &["C-d"]);
    let shown = screen.wait("client", "exit code 0");
    assert!(shown.ends_with("\n>\nexit code 0"), "{shown}");
    screen.wait("server", ": left");
    screen.keys("server", &["C-c"]);
    screen.wait("server", "exit code 0");
}

#[test]
fn at_a_terminal_half_a_line_for_one_that_leaves_is_thrown_away() {
    if !can_run(installed("tmux"), "tmux is not installed") {
        return;
    }
    let screen = Screen::new("half");
    screen.start("server", "chat-server 0 --bind 127.0.0.1");
    let port = port_on(&screen.wait("server", "(tcp)"));
    let (leaver, waiting) = (connect(port), connect(port));
    say(&leaver, "one");
    screen.wait("server", ">");
    screen.keys("server", &["-l", "my secr"]);
    screen.wait("server", "my secr");
    say(&waiting, "two");
    drop(leaver);
    let prompt = format!("to {}> ", name(&waiting));
    let shown = screen.wait("server", prompt.trim_end());
    assert!(shown.contains("not sent: "), "{shown}");
    // The person types on without looking, presses Enter, then sees what has happened.
    screen.keys("server", &["-l", "et"]);
    screen.keys("server", &["Enter"]);
    screen.wait("server", "not sent: that line was begun for somebody who has left");
    screen.keys("server", &["-l", "for two"]);
    screen.keys("server", &["Enter"]);
    assert_eq!(hear(&waiting), "for two");
    // With nothing typed, nothing is lost.
    let leaver = connect(port);
    say(&leaver, "three");
    screen.wait("server", ": three");
    drop(leaver);
    say(&waiting, "four");
    screen.wait("server", ": four");
    screen.keys("server", &["-l", "for four"]);
    screen.keys("server", &["Enter"]);
    assert_eq!(hear(&waiting), "for four");
    // Ctrl-D at a prompt ends all conversations.
    say(&waiting, "five");
    screen.wait("server", ": five");
    screen.keys("server", &["C-d"]);
    wait_for_end(&waiting);
    screen.wait("server", "exit code 0");
}

#[test]
fn at_a_terminal_what_is_typed_too_early_goes_to_nobody() {
    if !can_run(installed("tmux"), "tmux is not installed") {
        return;
    }
    let notice = "not sent: what was typed before the next line was shown";
    let screen = Screen::new("early");
    screen.start("server", "chat-server 0 --bind 127.0.0.1");
    let port = port_on(&screen.wait("server", "(tcp)"));
    let (ann, bob) = (connect(port), connect(port));
    // EXIT while nobody talks ends nobody's conversation.
    screen.keys("server", &["-l", "EXIT"]);
    screen.keys("server", &["Enter"]);
    screen.wait("server", "EXIT");
    say(&ann, "one");
    let shown = screen.wait("server", &format!("to {}>", name(&ann)));
    assert!(shown.contains(notice), "{shown}");
    // Two lines at one prompt: the second is not for the next client.
    say(&bob, "two");
    screen.keys("server", &["-l", "first\rsecond\r"]);
    assert_eq!(hear(&ann), "first");
    let shown = screen.wait("server", &format!("to {}>", name(&bob)));
    assert!(shown.matches(notice).count() == 2, "{shown}");
    screen.keys("server", &["-l", "for bob"]);
    screen.keys("server", &["Enter"]);
    assert_eq!(hear(&bob), "for bob");
    // Ctrl-D while nobody talks. Nothing shows that it has arrived, but what is typed behind it does.
    screen.keys("server", &["C-d"]);
    screen.keys("server", &["-l", "to nobody\r"]);
    screen.wait("server", "to nobody");
    say(&ann, "three");
    screen.wait("server", ": three");
    screen.keys("server", &["-l", "for ann"]);
    screen.keys("server", &["Enter"]);
    assert_eq!(hear(&ann), "for ann");
    screen.keys("server", &["C-c"]);
    screen.wait("server", "exit code 0");
}

#[test]
fn at_a_terminal_a_key_is_not_needed_to_notice_that_the_server_closes() {
    if !can_run(installed("tmux"), "tmux is not installed") {
        return;
    }
    let screen = Screen::new("closes");
    let (port, fake) = serve_once(drop);
    screen.start("client", &format!("chat-client 127.0.0.1 {port}"));
    let shown = screen.wait("client", "exit code 0");
    assert!(shown.contains("the server closed the connection\n"), "{shown}");
    fake.join().unwrap();
}
