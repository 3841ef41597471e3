//! Unit B3's example and the select slides: `message-server` in both forms, and `message-client`.

mod common;

use std::io::Write;
use std::net::{Shutdown, TcpStream};

use common::clients::{assert_escaped, connect, crowd, read_all, TAKEN};
use common::system::{memory, python, threads};
use common::{can_run, installed, socklab, Program};
use socklab::kit::random::Random;

/// Both forms of the server: what holds for one must hold for the other.
const FORMS: [&[&str]; 2] = [&[], &["--select"]];

/// The longest message.
const LONGEST: usize = 64 * 1024;

fn server(form: &[&str]) -> Program {
    Program::socklab(&[&["message-server", "0", "--bind", "127.0.0.1"], form].concat())
}

/// Sends bytes in the given pieces and closes. Returns the client's address.
fn send(port: u16, pieces: &[&[u8]]) -> String {
    let mut client = connect(port);
    client.set_nodelay(true).unwrap();
    for piece in pieces {
        client.write_all(piece).unwrap();
    }
    leave(client)
}

/// Closes, and waits until the server has closed too: then it has shown everything.
fn leave(client: TcpStream) -> String {
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&client), b"", "a message-server answers nothing");
    client.local_addr().unwrap().to_string()
}

#[test]
fn the_example_of_the_sheet() {
    for form in FORMS {
        let mut server = server(form);
        let port = server.port().to_string();
        let client = |words: &[&str]| {
            let ended = socklab(&[&["message-client", "127.0.0.1", port.as_str()], words].concat(), b"");
            assert_eq!((ended.code, ended.out.len(), ended.err.len()), (0, 0, 0), "{ended:#?}");
        };
        // Shown as nothing, and taken in before the next.
        client(&[""]);
        for (words, text) in [
            (&[][..], ": Hello Server!"),
            (&["größer, with blanks"], ": größer, with blanks"),
            (&["a\x1b[2J\\"], ": a\\x1b[2J\\\\"),
        ] {
            client(words);
            // Awaited before the next: two clients' threads need not show their lines in order.
            let line = server.wait_out(text);
            assert!(line.starts_with("127.0.0.1:") && line.ends_with(text), "{line}");
        }
        let ended = server.stop_cleanly(&[]);
        assert_eq!(ended.out.len(), 3, "{ended:#?}");
        assert!(ended.err.last().unwrap().starts_with("served 4 clients"), "{ended:#?}");
    }
}

#[test]
fn a_message_ends_at_a_newline_at_the_end_or_after_64_kib() {
    let full = "f".repeat(LONGEST);
    let over = format!("{full}rest");
    let table: [(&[&[u8]], &[&str]); 10] = [
        (&[b""], &[]),
        (&[b"one"], &["one"]),
        (&[b"one\n"], &["one"]),
        (&[b"one\r\ntwo\n\nthree"], &["one", "two", "", "three"]),
        (&[b"o", b"n", b"e\r", b"\ntw", b"o"], &["one", "two"]),
        (&[b"\r\r\n\r"], &["\\x0d", "\\x0d"]),
        (&[b"a\0b\xff\n"], &["a\\x00b\\xff"]),
        (&[full.as_bytes(), b"\n"], &[&full]),
        (&[over.as_bytes()], &[&full, "rest"]),
        (&[full.as_bytes(), full.as_bytes(), b"\nnext\n"], &[&full, &full, "next"]),
    ];
    for form in FORMS {
        let mut server = server(form);
        let port = server.port();
        let mut expected = Vec::new();
        for (pieces, messages) in &table {
            let client = send(port, pieces);
            expected.extend(messages.iter().map(|message| format!("{client}: {message}")));
        }
        let ended = server.stop_cleanly(&[]);
        for (shown, expected) in ended.out.iter().zip(&expected) {
            let (short, wanted) = (&shown[..shown.len().min(60)], &expected[..expected.len().min(60)]);
            assert!(shown == expected, "{form:?}: {short:?} instead of {wanted:?}");
        }
        assert_eq!(ended.out.len(), expected.len(), "{form:?}");
    }
}

#[test]
fn any_split_gives_the_same_messages_in_both_forms() {
    let text = "one\ntwo words\r\n\nthree\u{202e}\nlast".repeat(200);
    let expected: Vec<String> =
        text.split('\n').map(|line| line.trim_end_matches('\r').replace('\u{202e}', "\\u{202e}")).collect();
    for form in FORMS {
        let mut server = server(form);
        let port = server.port();
        for seed in 0..5 {
            let mut random = Random::new(Some(seed));
            let mut pieces: Vec<&[u8]> = Vec::new();
            let mut rest = text.as_bytes();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at((1 + random.below(200) as usize).min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            let client = send(port, &pieces);
            for line in &expected {
                assert_eq!(server.wait_out(""), format!("{client}: {line}"), "{form:?}, seed {seed}");
            }
        }
        server.stop_cleanly(&[]);
    }
}

#[test]
fn clients_that_take_turns_are_kept_apart() {
    for form in FORMS {
        let mut server = server(form);
        let port = server.port();
        let mut clients: Vec<TcpStream> = (0..5).map(|_| connect(port)).collect();
        for piece in ["half ", "and", " half"] {
            for client in &mut clients {
                client.write_all(piece.as_bytes()).unwrap();
            }
        }
        for client in clients {
            let address = leave(client);
            server.wait_out(&format!("{address}: half and half"));
        }
        let ended = server.stop_cleanly(&[]);
        assert!(ended.err.last().unwrap().starts_with("served 5 clients, "), "{ended:#?}");
    }
}

#[test]
fn a_crowd_of_bad_clients_harms_nobody_in_either_form() {
    for form in FORMS {
        let mut server = server(form);
        let port = server.port();
        let before = memory(server.pid(), "VmRSS");
        let crowd = crowd(port, false);
        // One of them has sent 4 MiB without a newline. Its last piece may still get its newline, so it waits.
        for _ in 1..TAKEN / LONGEST {
            let piece = server.wait_out(": xxx");
            assert!(piece.len() > LONGEST, "{form:?}: {} bytes", piece.len());
        }
        send(port, &[b"still there?"]);
        server.wait_out(": still there?");
        let grown = memory(server.pid(), "VmRSS").saturating_sub(before);
        assert!(grown < 2_048, "{form:?}: {grown} KiB more");
        drop(crowd);
        let ended = server.stop_cleanly(&["Connection reset by peer"]);
        assert_escaped(&ended.out);
    }
}

#[test]
fn a_message_that_is_under_way_when_the_server_stops_is_shown() {
    for (form, more) in FORMS.into_iter().zip([1, 0]) {
        let mut server = server(form);
        let mut client = connect(server.port());
        client.write_all(b"whole\nhalf").unwrap();
        server.wait_out(": whole");
        assert_eq!(threads(server.pid()).len(), 2 + more, "{form:?}");
        let ended = server.stop_cleanly(&[]);
        assert!(ended.out.last().unwrap().ends_with(": half"), "{form:?}: {ended:#?}");
        assert_eq!(read_all(&client), b"");
    }
}

/// The sheet's programs, as it describes them.
const PYTHON_SERVER: &str = "
import socket
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1])
connection, address = listener.accept()
print(str(address) + ': ' + connection.recv(1024).decode('utf-8'))
connection.close()
";
const PYTHON_CLIENT: &str = "
import socket, sys
s = socket.socket()
s.connect((sys.argv[1], int(sys.argv[2])))
s.sendall(sys.argv[3].encode('utf-8'))
s.close()
";

#[test]
fn python_programs_at_either_side() {
    if !can_run(installed("python3"), "python3 is not installed") {
        return;
    }
    for form in FORMS {
        let mut server = server(form);
        let port = server.port().to_string();
        let client = Program::start(python(PYTHON_CLIENT, &["127.0.0.1", &port, "from Python"])).finish();
        assert_eq!((client.code, client.err.len()), (0, 0), "{client:#?}");
        server.wait_out(": from Python");
        server.stop_cleanly(&[]);
    }
    let mut server = Program::start(python(PYTHON_SERVER, &[]));
    let port = server.wait_out("");
    assert_eq!(socklab(&["message-client", "127.0.0.1", &port], b"").code, 0);
    let line = server.wait_out("Hello Server!");
    assert!(line.starts_with("('127.0.0.1', "), "{line}");
    assert_eq!(server.finish().code, 0);
}

#[test]
fn what_was_sent_before_the_stop_is_shown_whole() {
    for form in FORMS {
        let mut server = server(form);
        let port = server.port();
        let mut clients: Vec<TcpStream> = (0..3).map(|_| connect(port)).collect();
        // Each has been taken in, so that what follows belongs to a conversation and not to the queue.
        for client in &mut clients {
            client.write_all(b"first\n").unwrap();
            server.wait_out(": first");
        }
        server.signal("STOP");
        for client in &mut clients {
            let lines: String = (0..1000).map(|number| format!("line {number} of 1000\n")).collect();
            client.write_all(lines.as_bytes()).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        }
        server.signal("INT");
        server.signal("CONT");
        let ended = server.end_cleanly(&[]);
        let shown = ended.out.iter().filter(|line| line.ends_with(" of 1000")).count();
        assert_eq!(shown, 3000, "{form:?}");
        assert_eq!(ended.out.len(), 3003, "{form:?}: nothing is cut");
        for client in &clients {
            assert_eq!(read_all(client), b"", "{form:?}: closed, not reset");
        }
    }
}
