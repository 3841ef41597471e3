//! SCC.231, part 1: `stamp-server` with threads and with `--select`, and `stamp-client`.

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::clients::{assert_escaped, connect, crowd, exchange, flood, read_all, wait_for_end};
use common::script::normal;
use common::system::{memory, python, threads};
use common::{can_run, installed, once_in_ten, socklab, Program};

/// Both forms of the server: what holds for one must hold for the other.
const FORMS: [&[&str]; 2] = [&[], &["--select"]];

/// The stamp in front of an answer: `SECONDS.` and six decimals, then a colon.
const STAMP: usize = 18;

fn server(form: &[&str], more: &[&str]) -> Program {
    Program::socklab(&[&["stamp-server", "0", "--bind", "127.0.0.1"], form, more].concat())
}

/// Checks an answer's stamp against the clock and returns what stands after it.
fn stamped(answer: &[u8]) -> &[u8] {
    let (stamp, rest) = answer.split_at(STAMP);
    let text = std::str::from_utf8(stamp).unwrap();
    let (seconds, decimals) = text.strip_suffix(':').unwrap().split_once('.').unwrap();
    assert_eq!(decimals.len(), 6, "{text}");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seconds: u64 = seconds.parse().unwrap();
    assert!((now - 60..=now).contains(&seconds), "{text} is not now");
    rest
}

#[test]
fn a_conversation_as_on_the_sheet() {
    for form in FORMS {
        let mut server = server(form, &[]);
        let port = server.port().to_string();
        // An empty line leaves; what follows it is never sent.
        let client =
            socklab(&["stamp-client", "127.0.0.1", &port], b"hello\n two words \xc3\xbc\x07\n\nnot sent\n");
        assert_eq!((client.code, client.err.len()), (0, 0), "{client:#?}");
        let shown: Vec<String> = client.out.iter().map(|line| normal(line)).collect();
        // When the reply came, when the server had the message, when it was sent.
        assert_eq!(shown, ["0.0:0.0:0.0:hello", "0.0:0.0:0.0: two words ü\\x07"]);
        let stamps: Vec<f64> = client.out[0].split(':').take(3).map(|stamp| stamp.parse().unwrap()).collect();
        assert!(stamps[0] >= stamps[1] && stamps[1] >= stamps[2], "{stamps:?}");
        server.wait_out("two words");
        let ended = server.stop_cleanly(&[]);
        let shown: Vec<String> = ended.out.iter().map(|line| normal(line)).collect();
        assert_eq!(shown, ["[127.0.0.1:0] 0.0:0.0:hello", "[127.0.0.1:0] 0.0:0.0: two words ü\\x07"]);
        assert_eq!(ended.err.last().unwrap(), "served 1 client, at most 1 at once");
    }
}

#[test]
fn the_client_leaves_at_the_end_of_its_input() {
    let mut server = server(&[], &[]);
    let port = server.port().to_string();
    for input in [&b""[..], b"last line without a newline"] {
        let client = socklab(&["stamp-client", "127.0.0.1", &port], input);
        assert_eq!(
            (client.code, client.out.len(), client.err.len()),
            (0, input.len().min(1), 0),
            "{client:#?}"
        );
    }
    server.stop_cleanly(&[]);
}

#[test]
fn a_byte_255_in_front_closes_and_elsewhere_does_not() {
    for form in FORMS {
        let mut server = server(form, &[]);
        let port = server.port();
        let mut client = connect(port);
        let answer = exchange(&client, b"a\xff", STAMP + 2);
        assert_eq!(stamped(&answer), b"a\xff");
        client.write_all(b"\xff").unwrap();
        assert_eq!(read_all(&client), b"", "{form:?}");
        let ended = server.stop_cleanly(&[]);
        assert_eq!(ended.out.len(), 1, "{ended:#?}");
        assert!(ended.out[0].ends_with(":a\\xff"), "{ended:#?}");
    }
}

#[test]
fn one_read_is_one_message_so_a_long_line_gets_two_stamps() {
    for form in FORMS {
        let mut server = server(form, &[]);
        let client = connect(server.port());
        let line = [b'x'; 1_500];
        let answer = exchange(&client, &line, 2 * STAMP + 1_500);
        assert_eq!(stamped(&answer[..STAMP + 1_024]), &line[..1_024]);
        assert_eq!(stamped(&answer[STAMP + 1_024..]), &line[1_024..]);
        server.stop_cleanly(&[]);
    }
    // The sheet's client reads one of the two, and every later answer is one behind. Ours is not.
    let mut server = server(&[], &[]);
    let port = server.port().to_string();
    let input = format!("{}\nshort\n", "y".repeat(2_000));
    once_in_ten("0.0:0.0:0.0:short", || {
        let client = socklab(&["stamp-client", "127.0.0.1", &port], input.as_bytes());
        assert_eq!(client.out.len(), 2, "{client:#?}");
        normal(&client.out[1])
    });
    server.stop_cleanly(&["Connection reset by peer"]);
}

#[test]
fn a_crowd_of_bad_clients_harms_nobody_in_either_form() {
    for form in FORMS {
        let mut server = server(form, &[]);
        let port = server.port();
        let crowd = crowd(port, true);
        let good = connect(port);
        let answer = exchange(&good, b"still there?", STAMP + 12);
        assert_eq!(stamped(&answer), b"still there?");
        drop((crowd, good));
        let ended = server.stop_cleanly(&["Connection reset by peer", "Broken pipe"]);
        assert_escaped(&ended.out);
    }
}

#[test]
fn threads_or_one_thread() {
    for (form, expected) in FORMS.into_iter().zip([10, 0]) {
        let mut server = server(form, &[]);
        let port = server.port();
        let clients: Vec<_> = (0..10).map(|_| connect(port)).collect();
        for client in &clients {
            exchange(client, b"x", STAMP + 1);
        }
        let names = threads(server.pid());
        let named = clients.iter().filter(|c| names.contains(&c.local_addr().unwrap().to_string())).count();
        assert_eq!(named, expected, "{form:?}: {names:?}");
        // The main thread and the one that waits for signals.
        assert_eq!(names.len(), expected + 2, "{form:?}: {names:?}");
        drop(clients);
        let ended = server.stop_cleanly(&[]);
        assert_eq!(ended.err.last().unwrap(), "served 10 clients, at most 10 at once");
    }
}

#[test]
fn in_one_thread_a_client_that_does_not_read_neither_blocks_nor_fills_the_memory() {
    let mut server = server(&["--select"], &[]);
    let port = server.port();
    let first = connect(port);
    exchange(&first, b"warm", STAMP + 4);
    let before = memory(server.pid(), "VmRSS");
    let floods: Vec<_> = (0..4).map(|_| connect(port)).collect();
    let sent: Vec<usize> = floods.iter().map(flood).collect();
    assert!(sent.iter().all(|&sent| sent > 64 * 1024), "{sent:?}");
    // Everybody else is served meanwhile; the sheet's server would hang in sendall.
    for _ in 0..100 {
        assert_eq!(stamped(&exchange(&first, b"quick", STAMP + 5)), b"quick");
    }
    let grown = memory(server.pid(), "VmRSS").saturating_sub(before);
    assert!(grown < 2_048, "{grown} KiB more for four clients that do not read");
    // Whoever reads again gets everything: what was sent, and a stamp for each read.
    let late = &floods[0];
    late.shutdown(Shutdown::Write).unwrap();
    let answers = read_all(late);
    assert_eq!(answers.iter().filter(|&&byte| byte == b'x').count(), sent[0]);
    drop((floods, first));
    server.stop_cleanly(&["Connection reset by peer", "Broken pipe"]);
}

#[test]
fn a_silent_client_is_let_go_in_either_form() {
    for form in FORMS {
        let mut server = server(form, &["--idle", "0.2"]);
        let port = server.port();
        let started = Instant::now();
        let client = connect(port);
        let address = client.local_addr().unwrap();
        assert_eq!(read_all(&client), b"");
        assert!(started.elapsed() >= Duration::from_millis(190), "{:?}", started.elapsed());
        server.wait_err(&format!("{address}: let go after 0.2 s of silence"));
        server.stop_cleanly(&["let go after"]);
    }
}

#[test]
fn at_the_cap_clients_wait_and_are_served_later_in_either_form() {
    for form in FORMS {
        let mut server = server(form, &["--max-clients", "2"]);
        let port = server.port();
        let clients: Vec<_> = (0..5).map(|_| connect(port)).collect();
        for client in &clients {
            let mut client: &std::net::TcpStream = client;
            client.write_all(b"when?").unwrap();
        }
        for client in clients {
            // Connected and sent long ago; answered when the ones before have left.
            assert_eq!(stamped(&exchange(&client, b"", STAMP + 5)), b"when?");
        }
        let ended = server.stop_cleanly(&[]);
        assert_eq!(ended.err.last().unwrap(), "served 5 clients, at most 2 at once");
    }
}

#[test]
fn at_the_cap_a_signal_is_still_obeyed_at_once() {
    for form in FORMS {
        let mut server = server(form, &["--max-clients", "1"]);
        let port = server.port();
        let client = connect(port);
        exchange(&client, b"x", STAMP + 1);
        let waiting = connect(port);
        let started = Instant::now();
        let ended = server.stop_cleanly(&[]);
        assert!(started.elapsed() < Duration::from_secs(4), "{form:?}: waited for the grace");
        assert_eq!(ended.err.last().unwrap(), "served 1 client, at most 1 at once");
        wait_for_end(&waiting);
    }
}

#[test]
fn with_reuse_port_two_servers_share_the_clients() {
    for form in FORMS {
        let mut first = server(form, &["--reuse-port"]);
        let port = first.port();
        let words = ["stamp-server", &port.to_string(), "--bind", "127.0.0.1", "--reuse-port"];
        let mut second = Program::socklab(&[&words[..], form].concat());
        assert_eq!(second.port(), port);
        // The kernel deals the clients out by a hash of the addresses: of 64 each gets some.
        for _ in 0..64 {
            exchange(&connect(port), b"x", STAMP + 1);
        }
        let shares = [first, second].map(|server| server.stop_cleanly(&[]).out.len());
        assert!(shares[0] > 0 && shares[1] > 0 && shares[0] + shares[1] == 64, "{shares:?}");

        let mut first = server(form, &[]);
        let port = first.port().to_string();
        for more in [&[][..], &["--reuse-port"]] {
            let words = ["stamp-server", &port, "--bind", "127.0.0.1"];
            let ended = socklab(&[&words[..], form, more].concat(), b"");
            assert_eq!((ended.code, ended.err.len()), (1, 1), "{ended:#?}");
            let line =
                format!("socklab stamp-server: cannot listen on 127.0.0.1:{port}: Address already in use");
            assert!(ended.err[0].starts_with(&line), "{ended:#?}");
        }
        first.stop_cleanly(&[]);
    }
}

#[test]
fn a_restart_on_the_same_port_works_at_once() {
    for form in FORMS {
        let mut first = server(form, &[]);
        let port = first.port();
        let client = connect(port);
        exchange(&client, b"x", STAMP + 1);
        // The server closes first, so its side stays in TIME_WAIT; SO_REUSEADDR lets the next one in.
        first.stop_cleanly(&[]);
        let words = ["stamp-server", &port.to_string(), "--bind", "127.0.0.1"];
        let mut second = Program::socklab(&[&words[..], form].concat());
        assert_eq!(second.port(), port);
        second.stop_cleanly(&[]);
    }
}

#[test]
fn the_client_notices_the_end_while_it_waits_for_the_keyboard() {
    let mut server = server(&[], &[]);
    let port = server.port().to_string();
    let mut client = Program::socklab(&["stamp-client", "127.0.0.1", &port]);
    client.type_line("hello");
    client.wait_out(":hello");
    server.stop_cleanly(&[]);
    client.wait_err("the server closed the connection");
    assert_eq!(client.finish().code, 0);
}

#[test]
fn a_reply_in_pieces_is_one_reply() {
    once_in_ten("0.0:ab\\x1bc", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let server = thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            client.set_nodelay(true).unwrap();
            let _ = client.read(&mut [0; 1024]).unwrap();
            for piece in ["a", "b", "\x1b", "c"] {
                client.write_all(piece.as_bytes()).unwrap();
                thread::sleep(Duration::from_millis(5));
            }
            client
        });
        let mut client = Program::socklab(&["stamp-client", "127.0.0.1", &port]);
        client.type_line("x");
        let shown = normal(&client.wait_out(":"));
        let connection = server.join().unwrap();
        assert_eq!(client.finish().code, 0);
        // A reset if it left with the rest of the reply unread.
        wait_for_end(&connection);
        shown
    });
}

/// The sheet's programs, as it describes them.
const PYTHON_SERVER: &str = "
import select, socket, time
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1])
watched = [listener]
served = 0
while watched:
    for ready in select.select(watched, [], [])[0]:
        if ready is listener:
            watched.append(listener.accept()[0])
            served += 1
            continue
        data = ready.recv(1024)
        if not data or data.startswith(b'\\xff'):
            watched.remove(ready)
            ready.close()
            if served == 2 and len(watched) == 1:
                watched.clear()
            continue
        print(data)
        ready.sendall(f'{time.time()}:'.encode() + data)
";
const PYTHON_CLIENT: &str = "
import socket, sys, time
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
while line := input():
    s.sendall(f'{time.time()}:{line}'.encode())
    print(f'{time.time()}:{s.recv(1024).decode()}')
s.close()
";

#[test]
fn python_programs_at_either_side() {
    if !can_run(installed("python3"), "python3 is not installed") {
        return;
    }
    for form in FORMS {
        let mut server = server(form, &[]);
        let port = server.port().to_string();
        let mut client = Program::start(python(PYTHON_CLIENT, &[&port]));
        client.type_bytes(b"one\ntwo\n\n");
        let ended = client.finish();
        let texts: Vec<&str> = ended.out.iter().map(|line| line.rsplit(':').next().unwrap()).collect();
        assert_eq!(texts, ["one", "two"], "{ended:#?}");
        server.stop_cleanly(&[]);
    }
    let mut server = Program::start(python(PYTHON_SERVER, &[]));
    let port = server.wait_out("");
    for _ in 0..2 {
        let client = socklab(&["stamp-client", "127.0.0.1", &port], b"one\ntwo\n\n");
        assert_eq!((client.code, client.err.len(), client.out.len()), (0, 0, 2), "{client:#?}");
        assert!(client.out[0].ends_with(":one") && client.out[1].ends_with(":two"), "{client:#?}");
        assert_eq!(client.out[0].split(':').count(), 4, "three stamps and the text: {client:#?}");
    }
    assert_eq!(server.finish().code, 0);
}
