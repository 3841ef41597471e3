//! IoT lab 1, task 1.5: `concurrent-server` and `concurrent-client`.

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use common::clients::{assert_escaped, connect, crowd, exchange, flood, read_all};
use common::system::{python, threads};
use common::{can_run, installed, once_in_ten, socklab, Program};
use socklab::kit::random::Random;

#[test]
fn a_conversation_as_on_the_sheet() {
    let mut server = Program::socklab(&["concurrent-server", "0"]);
    let port = server.port().to_string();
    // The empty line is not sent: the sheet's client hangs after it.
    let client = socklab(&["concurrent-client", "127.0.0.1", &port], b"first\n\nsecond \r\nend\nlate\n");
    assert_eq!((client.code, client.err.len()), (0, 0), "{client:#?}");
    let answers =
        ["Hello, I am a client!!", "first", "second "].map(|text| format!("From the server: {text}"));
    assert_eq!(client.out, answers);
    server.wait_out("disconnected");
    let ended = server.stop_cleanly(&[]);
    let address = ended.out[0].strip_prefix("Connection from ").expect("an address").to_string();
    let expected = [
        format!("Connection from {address}"),
        format!("From the client {address}: Hello, I am a client!!"),
        format!("From the client {address}: first"),
        format!("From the client {address}: second "),
        format!("Client {address} disconnected"),
    ];
    assert_eq!(ended.out, expected);
}

#[test]
fn either_farewell_ends_a_conversation_and_is_not_answered() {
    let mut server = Program::socklab(&["concurrent-server", "0"]);
    let port = server.port();
    for farewell in ["bye", "end", "bye\n", "end\r\n"] {
        let mut client = connect(port);
        assert_eq!(exchange(&client, b"hello", 5), b"hello");
        client.write_all(farewell.as_bytes()).unwrap();
        assert_eq!(read_all(&client), b"", "{farewell:?}");
        server.wait_out("disconnected");
    }
    for farewell in ["bye", "end"] {
        let ended = socklab(&["concurrent-client", "127.0.0.1", &port.to_string()], farewell.as_bytes());
        assert_eq!((ended.code, ended.out.len(), ended.err.len()), (0, 1, 0), "{ended:#?}");
    }
    server.stop_cleanly(&[]);
}

#[test]
fn each_client_has_a_thread_that_is_named_after_it() {
    let mut server = Program::socklab(&["concurrent-server", "0"]);
    let port = server.port();
    let clients: Vec<_> = (0..5).map(|_| connect(port)).collect();
    for client in &clients {
        let address = client.local_addr().unwrap();
        let text = format!("I am {address}");
        assert_eq!(exchange(client, text.as_bytes(), text.len()), text.as_bytes());
        // The sheet prints a global variable: with two clients, the wrong one's address.
        server.wait_out(&format!("From the client {address}: {text}"));
        let names = threads(server.pid());
        assert!(names.contains(&address.to_string()), "{address} in {names:?}");
    }
    drop(clients);
    let ended = server.stop_cleanly(&[]);
    assert_eq!(ended.err.last().unwrap(), "served 5 clients, at most 5 at once");
}

#[test]
fn a_crowd_of_bad_clients_harms_nobody() {
    let mut server = Program::socklab(&["concurrent-server", "0"]);
    let port = server.port();
    let crowd = crowd(port, true);
    let good = connect(port);
    assert_eq!(exchange(&good, b"still there?", 12), b"still there?");
    drop((crowd, good));
    let ended = server.stop_cleanly(&["Connection reset by peer", "Broken pipe"]);
    assert_escaped(&ended.out);
}

#[test]
fn what_is_sent_is_echoed_however_the_stream_is_cut() {
    let mut server = Program::socklab(&["concurrent-server", "0"]);
    let port = server.port();
    for seed in 0..10 {
        let mut random = Random::new(Some(seed));
        let mut client = connect(port);
        let mut sent = Vec::new();
        for _ in 0..100 {
            // Digits, so that no piece is a farewell by accident.
            let piece: Vec<u8> =
                (0..1 + random.below(4_000)).map(|_| b'0' + random.below(10) as u8).collect();
            client.write_all(&piece).unwrap();
            sent.extend(piece);
            assert!(sent.len() < 400_000);
        }
        client.shutdown(Shutdown::Write).unwrap();
        assert!(read_all(&client) == sent, "seed {seed}");
    }
    server.stop_cleanly(&[]);
}

#[test]
fn a_flood_is_held_back_and_comes_back_whole() {
    let mut server = Program::socklab(&["concurrent-server", "0"]);
    let client = connect(server.port());
    let sent = flood(&client);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&client).len(), sent);
    server.stop_cleanly(&[]);
}

/// A server that answers the client's first message in these pieces, and returns the connection.
fn answering(pieces: &'static [&'static str]) -> (Program, thread::JoinHandle<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.set_nodelay(true).unwrap();
        let mut chunk = [0; 2048];
        let count = client.read(&mut chunk).unwrap();
        assert_eq!(&chunk[..count], b"Hello, I am a client!!");
        for piece in pieces {
            client.write_all(piece.as_bytes()).unwrap();
            thread::sleep(Duration::from_millis(5));
        }
        client
    });
    (Program::socklab(&["concurrent-client", "127.0.0.1", &port]), server)
}

#[test]
fn the_client_puts_a_torn_reply_together() {
    once_in_ten("From the server: torn \\x1b[2J\\u{202e}", || {
        let (mut client, server) = answering(&["to", "rn ", "\x1b[2J\u{202e}"]);
        let shown = client.wait_out("From the server: ");
        drop(server.join().unwrap());
        shown
    });
}

#[test]
fn the_client_notices_the_end_while_it_waits_for_the_keyboard() {
    let (mut client, server) = answering(&["whole"]);
    client.wait_out("From the server: whole");
    drop(server.join().unwrap());
    // Nothing is typed, and the input stays open: the client notices by itself.
    client.wait_err("the server closed the connection");
    let ended = client.finish();
    assert_eq!((ended.code, ended.out.len(), ended.err.len()), (0, 1, 1), "{ended:#?}");
}

#[test]
fn a_server_that_says_nothing_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let ended = socklab(&["concurrent-client", "127.0.0.1", &port, "--timeout", "0.1"], b"");
    let line = "socklab concurrent-client: no answer from the server: timed out";
    assert_eq!((ended.code, ended.err), (1, vec![line.to_string()]));
}

/// The sheet's programs, as it describes them: one read is a message, no line endings.
const PYTHON_SERVER: &str = "
import socket, threading
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1])
def converse(connection, address):
    while True:
        text = connection.recv(2048).decode()
        if text in ('bye', 'end', ''):
            break
        print('From the client', text)
        connection.send(text.encode())
    connection.close()
connection, address = listener.accept()
thread = threading.Thread(target=converse, args=(connection, address))
thread.start()
thread.join()
";
const PYTHON_CLIENT: &str = "
import socket, sys
s = socket.socket()
s.connect(('127.0.0.1', int(sys.argv[1])))
s.sendall(b'Hello, I am a client!!')
while True:
    print('From the server:', s.recv(1024).decode())
    text = input()
    s.sendall(text.encode())
    if text == 'end':
        break
s.close()
";

#[test]
fn python_programs_at_either_side() {
    if !can_run(installed("python3"), "python3 is not installed") {
        return;
    }
    let answers = ["Hello, I am a client!!", "one", "two"].map(|text| format!("From the server: {text}"));
    let mut server = Program::socklab(&["concurrent-server", "0"]);
    let port = server.port().to_string();
    let mut client = Program::start(python(PYTHON_CLIENT, &[&port]));
    client.type_bytes(b"one\ntwo\nend\n");
    assert_eq!(client.finish().out, answers);
    server.wait_out("disconnected");
    server.stop_cleanly(&[]);

    let mut server = Program::start(python(PYTHON_SERVER, &[]));
    let port = server.wait_out("");
    let client = socklab(&["concurrent-client", "127.0.0.1", &port], b"one\n\ntwo\nend\n");
    assert_eq!((client.code, client.out.as_slice()), (0, &answers[..]), "{client:#?}");
    let ended = server.finish();
    assert_eq!(
        ended.out[1..],
        ["Hello, I am a client!!", "one", "two"].map(|t| format!("From the client {t}"))
    );
}
