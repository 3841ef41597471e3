//! IoT lab 1, TCP echo (task 1.1): `echo-server` and `echo-client`, against each other, against
//! programs as the sheet describes them, and against peers that misbehave.

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use common::clients::{assert_escaped, connect, crowd, exchange, flood, read_all, reset, wait_for_end};
use common::system::python;
use common::{can_run, installed, socklab, Program, SOCKLAB};
use socklab::kit::random::Random;

/// A server in this test: calls `serve` with its first client. What `serve` returns lives until the
/// thread is joined: a server that stalls returns the connection.
fn fake_server<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let thread = thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        client.set_read_timeout(Some(common::PATIENCE)).unwrap();
        serve(client)
    });
    (port, thread)
}

#[test]
fn once_is_the_sheets_program() {
    let mut server = Program::socklab(&["echo-server", "0", "--once"]);
    let port = server.port().to_string();
    let client = socklab(&["echo-client", "127.0.0.1", &port], b"");
    assert_eq!((client.code, client.err.len()), (0, 0), "{client:#?}");
    assert_eq!(client.out, ["Received 'Hello, world'"]);
    let ended = server.finish();
    assert_eq!((ended.code, ended.err.len()), (0, 1), "{ended:#?}");
    assert_eq!(ended.out.len(), 1, "{ended:#?}");
    assert!(ended.out[0].starts_with("Connected 127.0.0.1:"), "{ended:#?}");
}

#[test]
fn once_keeps_a_second_client_waiting_and_resets_it_at_the_end() {
    let mut server = Program::socklab(&["echo-server", "0", "--once"]);
    let port = server.port();
    let first = connect(port);
    assert_eq!(exchange(&first, b"first", 5), b"first");
    let mut second = connect(port);
    second.write_all(b"second").unwrap();
    assert_eq!(exchange(&first, b"again", 5), b"again");
    drop(first);
    wait_for_end(&second);
    assert_eq!(server.finish().code, 0);
}

#[test]
fn once_reports_a_broken_or_silent_client() {
    let mut server = Program::socklab(&["echo-server", "0", "--once"]);
    let mut client = connect(server.port());
    let address = client.local_addr().unwrap();
    client.write_all(b"answer me").unwrap();
    reset(client);
    let ended = server.finish();
    assert_eq!(ended.code, 1, "{ended:#?}");
    let line = format!("socklab echo-server: lost {address}: Connection reset by peer");
    assert_eq!(ended.err.last(), Some(&line));

    let mut server = Program::socklab(&["echo-server", "0", "--once", "--idle", "0.1"]);
    let client = connect(server.port());
    let line = format!("socklab echo-server: lost {}: timed out", client.local_addr().unwrap());
    let ended = server.finish();
    assert_eq!((ended.code, ended.err.last()), (1, Some(&line)), "{ended:#?}");
}

#[test]
fn every_byte_comes_back_however_the_stream_is_cut() {
    let mut server = Program::socklab(&["echo-server", "0"]);
    let port = server.port();
    for seed in 0..10 {
        let mut random = Random::new(Some(seed));
        let message: Vec<u8> = (0..100_000).map(|_| random.bits() as u8).collect();
        let mut client = connect(port);
        client.set_nodelay(true).unwrap();
        let mut reader = client.try_clone().unwrap();
        let wanted = message.clone();
        let reading = thread::spawn(move || {
            let mut echo = vec![0; wanted.len()];
            reader.read_exact(&mut echo).unwrap();
            assert!(echo == wanted, "seed {seed}: other bytes than were sent");
            // Half-close: the server has sent everything and closes its side too.
            assert_eq!(reader.read(&mut [0]).unwrap(), 0);
        });
        let mut rest = &message[..];
        while !rest.is_empty() {
            let most = [1, 50, 5_000, 50_000][random.below(4) as usize];
            let (piece, after) = rest.split_at((1 + random.below(most) as usize).min(rest.len()));
            client.write_all(piece).unwrap();
            rest = after;
        }
        client.shutdown(Shutdown::Write).unwrap();
        reading.join().unwrap();
    }
    server.stop_cleanly(&[]);
}

#[test]
fn a_crowd_of_bad_clients_harms_nobody() {
    let mut server = Program::socklab(&["echo-server", "0"]);
    let port = server.port();
    let crowd = crowd(port, true);
    let good = connect(port);
    assert_eq!(exchange(&good, b"still there?", 12), b"still there?");
    drop((crowd, good));
    let ended = server.stop_cleanly(&["Connection reset by peer", "Broken pipe"]);
    assert_escaped(&ended.out);
    assert_eq!(ended.out.len(), 11, "one line a client: {ended:#?}");
}

#[test]
fn a_client_that_does_not_read_is_not_read_from_and_gets_everything_later() {
    let mut server = Program::socklab(&["echo-server", "0"]);
    let client = connect(server.port());
    let sent = flood(&client);
    assert!(sent > 64 * 1024, "{sent}");
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&client).len(), sent);
    server.stop_cleanly(&[]);
}

#[test]
fn a_silent_client_is_let_go_and_the_others_stay() {
    let mut server = Program::socklab(&["echo-server", "0", "--idle", "2"]);
    let port = server.port();
    let silent = connect(port);
    let line = format!("{}: let go after 2 s of silence", silent.local_addr().unwrap());
    let busy = connect(port);
    let started = std::time::Instant::now();
    let mut pause = [0; 1];
    silent.set_nonblocking(true).unwrap();
    while (&silent).read(&mut pause).is_err() {
        assert!(started.elapsed() < common::PATIENCE);
        assert_eq!(exchange(&busy, b"busy", 4), b"busy");
        thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(server.wait_err("let go"), line);
    drop(busy);
    let ended = server.stop_cleanly(&["let go"]);
    assert_eq!(ended.err.last().unwrap(), "served 2 clients, at most 2 at once");
}

#[test]
fn the_client_puts_a_torn_echo_together() {
    for seed in 0..5 {
        let (port, server) = fake_server(move |mut client| {
            let mut random = Random::new(Some(seed));
            let mut message = [0; 12];
            client.read_exact(&mut message).unwrap();
            client.set_nodelay(true).unwrap();
            let mut rest = &message[..];
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(1 + random.below(rest.len() as u64) as usize);
                client.write_all(piece).unwrap();
                thread::sleep(std::time::Duration::from_millis(2));
                rest = after;
            }
        });
        let ended = socklab(&["echo-client", "127.0.0.1", &port], b"");
        assert_eq!(ended.out, ["Received 'Hello, world'"], "seed {seed}: {ended:#?}");
        server.join().unwrap();
    }
}

#[test]
fn the_client_says_what_is_missing() {
    let (port, _server) = fake_server(|mut client| {
        client.read_exact(&mut [0; 12]).unwrap();
        client.write_all(b"Hello").unwrap();
    });
    let ended = socklab(&["echo-client", "127.0.0.1", &port], b"");
    let line = "socklab echo-client: the server closed the connection: 5 of 12 bytes came back";
    assert_eq!((ended.code, ended.err), (1, vec![line.to_string()]));

    let (port, server) = fake_server(|client| drop(read_all(&client)));
    let ended = socklab(&["echo-client", "127.0.0.1", &port, "--timeout", "0.1"], b"");
    let line = "socklab echo-client: the server is silent: 0 of 12 bytes came back";
    assert_eq!((ended.code, ended.err), (1, vec![line.to_string()]));
    server.join().unwrap();
}

#[test]
fn a_received_text_cannot_drive_the_terminal() {
    let mut server = Program::socklab(&["echo-server", "0"]);
    let port = server.port().to_string();
    for (message, shown) in [("\x1b[2Jü\\\n", "\\x1b[2Jü\\\\\\n"), ("", ""), ("\u{202e}", "\\u{202e}")] {
        let ended = socklab(&["echo-client", "127.0.0.1", &port, message], b"");
        assert_eq!(ended.out, [format!("Received '{shown}'")]);
    }
    server.stop_cleanly(&[]);
}

/// 50 MiB out of a seeded generator, piece by piece.
fn pieces() -> impl Iterator<Item = Vec<u8>> {
    let mut random = Random::new(Some(50));
    (0..800).map(move |_| (0..8_192).flat_map(|_| random.bits().to_le_bytes()).collect())
}

#[test]
fn a_stream_of_any_size_goes_both_ways_at_once() {
    let mut server = Program::socklab(&["echo-server", "0"]);
    let port = server.port().to_string();
    let mut client = Command::new(SOCKLAB)
        .args(["echo-client", "127.0.0.1", &port, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = client.stdin.take().unwrap();
    let typing = thread::spawn(move || pieces().try_for_each(|piece| input.write_all(&piece)).unwrap());
    let mut output = client.stdout.take().unwrap();
    for (number, piece) in pieces().enumerate() {
        let mut echo = vec![0; piece.len()];
        output.read_exact(&mut echo).unwrap();
        assert!(echo == piece, "piece {number} is not what was sent");
    }
    assert_eq!(output.read(&mut [0]).unwrap(), 0);
    typing.join().unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(0));
    assert_eq!(socklab(&["echo-client", "127.0.0.1", &port, "-"], b"").code, 0, "an empty stream");
    server.stop_cleanly(&[]);
}

#[test]
fn a_stream_to_a_server_that_stalls_or_closes_ends_with_a_line() {
    let input = vec![b'x'; 16 << 20];
    let run = |port: &str, input: &[u8]| {
        let mut client = Program::socklab(&["echo-client", "127.0.0.1", port, "-", "--timeout", "2"]);
        client.type_bytes(input);
        let ended = client.finish();
        assert_eq!((ended.code, ended.err.len()), (1, 1), "{:?}", ended.err);
        ended.err[0].strip_prefix("socklab echo-client: ").unwrap().to_string()
    };
    // It reads nothing at all.
    let (port, server) = fake_server(|client| client);
    assert_eq!(run(&port, &input), "lost the server after 0 bytes: timed out");
    server.join().unwrap();
    // It echoes the beginning and then stalls.
    let (port, server) = fake_server(|mut client| {
        let mut beginning = [0; 1000];
        client.read_exact(&mut beginning).unwrap();
        client.write_all(&beginning).unwrap();
        client
    });
    assert_eq!(run(&port, &input), "lost the server after 1000 bytes: timed out");
    server.join().unwrap();
    // It takes everything, sends everything back, and does not close.
    let (port, server) = fake_server(|mut client| {
        let everything = read_all(&client);
        client.write_all(&everything).unwrap();
        client
    });
    assert_eq!(run(&port, b"short"), "everything came back, but the server does not close");
    server.join().unwrap();
    // It sends back less than it got.
    let (port, server) = fake_server(|mut client| {
        drop(read_all(&client));
        client.write_all(b"abc").unwrap();
    });
    assert_eq!(run(&port, b"abcdef"), "the server closed: 3 of 6 bytes came back");
    server.join().unwrap();
    // It closes in the middle: a reset, or the end of the stream, whichever arrives first.
    let (port, server) = fake_server(|mut client| client.read_exact(&mut [0; 1000]).unwrap());
    let line = run(&port, &input);
    let known = ["lost the server after 0 bytes: ", "cannot send: ", "the server closed"];
    assert!(known.iter().any(|beginning| line.starts_with(beginning)), "{line}");
    server.join().unwrap();
    // It closes at once, while the keyboard is still open.
    let (port, server) = fake_server(drop);
    let mut client = Program::socklab(&["echo-client", "127.0.0.1", &port, "-"]);
    client.wait_err("socklab echo-client: the server closed the connection after 0 bytes");
    assert_eq!(client.finish().code, 1);
    server.join().unwrap();
}

#[test]
fn a_stream_lets_the_user_take_time() {
    let mut server = Program::socklab(&["echo-server", "0"]);
    let port = server.port().to_string();
    let mut client = Program::socklab(&["echo-client", "127.0.0.1", &port, "-", "--timeout", "1"]);
    client.type_line("one");
    client.wait_out("one");
    // Longer than its timeout: nothing is owed, so nothing is late.
    thread::sleep(std::time::Duration::from_millis(2500));
    client.type_line("two");
    client.wait_out("two");
    let ended = client.finish();
    assert_eq!((ended.code, ended.out), (0, vec!["one".to_string(), "two".to_string()]));
    server.stop_cleanly(&[]);
}

/// A server and a client as the sheet describes them.
const PYTHON_SERVER: &str = "
import socket
with socket.create_server(('127.0.0.1', 0)) as listener:
    print(listener.getsockname()[1])
    conversation, address = listener.accept()
    with conversation:
        while chunk := conversation.recv(1024):
            conversation.sendall(chunk)
";
const PYTHON_CLIENT: &str = "
import socket, sys
with socket.create_connection(('127.0.0.1', int(sys.argv[1]))) as s:
    s.sendall(b'Hello, world')
    print('Received', repr(s.recv(1024)))
";

#[test]
fn python_programs_at_either_side() {
    if !can_run(installed("python3"), "python3 is not installed") {
        return;
    }
    let mut server = Program::socklab(&["echo-server", "0"]);
    let port = server.port().to_string();
    let client = Program::start(python(PYTHON_CLIENT, &[&port])).finish();
    assert_eq!(client.out, ["Received b'Hello, world'"], "{client:#?}");
    server.stop_cleanly(&[]);

    for message in ["Hello, world", "-"] {
        let mut server = Program::start(python(PYTHON_SERVER, &[]));
        let port = server.wait_out("");
        let client = socklab(&["echo-client", "127.0.0.1", &port, message], b"Received 'Hello, world'\n");
        assert_eq!(client.out, ["Received 'Hello, world'"], "{client:#?}");
        assert_eq!(server.finish().code, 0);
    }
}

#[test]
fn netcat_is_a_client() {
    if !can_run(installed("nc"), "nc is not installed") {
        return;
    }
    let mut server = Program::socklab(&["echo-server", "0"]);
    let port = server.port().to_string();
    let mut command = Command::new("nc");
    command.args(["127.0.0.1", &port]);
    let mut client = Program::start(command);
    client.type_line("through nc");
    client.wait_out("through nc");
    drop(client);
    server.stop_cleanly(&["Connection reset by peer"]);
}
