//! CSE3214, assignment 2 and its optional exercise 1: `udp-ping-server` and `udp-ping-client`.

mod common;

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::system::python;
use common::{can_run, installed, socklab, Ended, Program};

/// A server of ours; its port as a word.
fn server(words: &[&str]) -> (Program, String) {
    let mut server = Program::socklab(&[&["udp-ping-server", "0", "--bind", "127.0.0.1"], words].concat());
    let port = server.port().to_string();
    (server, port)
}

/// A client against `port`, to its end. It waits long: the machine may be busy. (What is given twice counts
/// as given last.)
fn client(port: &str, words: &[&str]) -> Ended {
    socklab(&[&["udp-ping-client", "127.0.0.1", port, "-W", "15"], words].concat(), b"")
}

fn count(ended: &Ended, text: &str) -> usize {
    ended.out.iter().filter(|line| line.contains(text)).count()
}

/// Serves one client by hand: calls `answer` with each ping, which sends what it likes, `pings` times.
fn by_hand(pings: usize, answer: impl Fn(usize, &[u8], &dyn Fn(&[u8])) + Send + 'static) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(common::PATIENCE)).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        let mut buffer = [0; 2_000];
        for number in 1..=pings {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { return };
            let send = |bytes: &[u8]| drop(socket.send_to(bytes, from));
            answer(number, &buffer[..length], &send);
        }
    });
    port
}

#[test]
fn ten_pings_their_replies_and_the_two_lines() {
    let (server, port) = server(&["--loss", "0"]);
    let ended = client(&port, &[]);
    assert_eq!((ended.code, ended.err.len()), (0, 0), "{ended:#?}");
    for (place, line) in ended.out[..10].iter().enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!((words[0], words[1]), ("PING", (place + 1).to_string().as_str()), "{line}");
        assert!(words[3].starts_with("rtt=") && words[4] == "s", "{line}");
    }
    assert!(ended.out[12].starts_with("10 packets transmitted, 10 received, 0% packet loss, time "));
    assert!(ended.out[13].starts_with("rtt min/avg/max/mdev = "));
    let ended = server.stop_cleanly(&[]);
    assert_eq!(ended.err.last().unwrap(), "received 10 datagrams");
}

/// Sends so many datagrams and returns which of them the server answers. It keeps their order: when a mark
/// that was sent after them is back, so are their replies. (The mark may be lost, and is sent again.)
fn answered(port: &str, datagrams: usize) -> Vec<usize> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(format!("127.0.0.1:{port}")).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let (mut found, mut buffer) = (Vec::new(), [0; 20]);
    // Few at once, so that they fit into the sockets' queues.
    for first in (0..datagrams).step_by(100) {
        for number in first..datagrams.min(first + 100) {
            socket.send(number.to_string().as_bytes()).unwrap();
        }
        let (mark, deadline) = (format!("MARK {first}"), Instant::now() + common::PATIENCE);
        'burst: loop {
            assert!(Instant::now() < deadline, "the server answers nothing");
            socket.send(mark.as_bytes()).unwrap();
            while let Ok(length) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]);
                if text == mark {
                    break 'burst;
                }
                found.extend(text.parse::<usize>());
            }
        }
    }
    found
}

#[test]
fn loss_is_seeded_and_what_it_says() {
    let run = |seed: &str, pings| {
        let (server, port) = server(&["--seed", seed]);
        let found = answered(&port, pings);
        server.stop_cleanly(&[]);
        found
    };
    assert_eq!(run("3", 100), run("3", 100));
    assert_ne!(run("3", 100), run("4", 100));
    // 30 % and not the sheet's 36.4: of 4,000, 1,200 with a standard deviation of 29.
    let replies = run("1", 4_000).len();
    assert!((2_680..=2_920).contains(&replies), "{replies} of 4,000 answered");
}

#[test]
fn everything_lost_is_100_percent_and_no_rtt_line() {
    let (_server, port) = server(&["--loss", "100"]);
    let ended = client(&port, &["-c", "3", "-W", "0.05"]);
    assert_eq!(ended.code, 1);
    assert_eq!(count(&ended, "Request timed out"), 3);
    assert_eq!(count(&ended, "3 packets transmitted, 0 received, 100% packet loss, time "), 1);
    assert_eq!(count(&ended, "rtt"), 0);
    assert!(ended.err[0].starts_with("socklab udp-ping-client: no reply from 127.0.0.1:"), "{ended:#?}");
}

#[test]
fn a_late_reply_is_never_a_later_pings() {
    // The reply to each ping is sent when the next one comes, after its own deadline.
    let held = std::sync::Mutex::new(None::<Vec<u8>>);
    let port = by_hand(4, move |_, ping, send| {
        if let Some(earlier) = held.lock().unwrap().replace(ping.to_ascii_uppercase()) {
            send(&earlier);
        }
    });
    let ended = client(&port, &["-c", "4", "-W", "0.5"]);
    assert_eq!((ended.code, count(&ended, "Request timed out")), (1, 4), "{ended:#?}");
    assert_eq!(count(&ended, "4 packets transmitted, 0 received, 100% packet loss"), 1);
    let late = |number: u32| {
        let line = ended.err.iter().find(|line| line.starts_with(&format!("late reply to ping {number}, ")));
        let after = line.expect("a late reply").split("after ").nth(1).unwrap();
        after.split(' ').next().unwrap().parse::<f64>().unwrap()
    };
    // (The last ones may come when the client has gone.)
    assert!(late(1) >= 0.5 && late(2) >= 0.5, "{ended:#?}");
}

#[test]
fn the_server_delays_its_replies() {
    let (_server, port) = server(&["--loss", "0", "--delay", "0.3"]);
    let ended = client(&port, &["-c", "1"]);
    let rtt = ended.out[0].split("rtt=").nth(1).expect("a reply").split(' ').next().unwrap();
    assert!(rtt.parse::<f64>().unwrap() >= 0.3, "{ended:#?}");
}

#[test]
fn reordered_replies_are_late_ones() {
    let (_server, port) = server(&["--loss", "0", "--reorder", "50", "--seed", "2"]);
    let ended = client(&port, &["-c", "12", "-W", "0.5"]);
    assert_eq!(ended.code, 0);
    let timed_out = count(&ended, "Request timed out");
    assert!(timed_out > 0 && timed_out < 12, "{ended:#?}");
    assert!(ended.err.iter().all(|line| line.starts_with("late reply to ping ")), "{ended:#?}");
}

#[test]
fn duplicates_strangers_and_damage_are_told_apart() {
    let port = by_hand(3, |_, ping, send| {
        let reply = ping.to_ascii_uppercase();
        let mut damaged = reply.clone();
        damaged[10] ^= 2;
        send(b"\x1b]0;not a reply\x07");
        send(b"");
        send(b"PING 1 1500000000.000000");
        send(&damaged);
        send(&reply[..reply.len() - 2]);
        send(&reply);
        send(&reply);
    });
    let ended = client(&port, &["-c", "3", "-i", "0.1"]);
    assert_eq!((ended.code, count(&ended, " rtt=")), (0, 3), "{ended:#?}");
    let told = |text: &str| ended.err.iter().filter(|line| line.starts_with(text)).count();
    assert_eq!(told("no reply to any of our pings: "), 9, "{ended:#?}");
    assert_eq!(told("damaged reply to ping "), 6);
    assert!(told("duplicate reply to ping ") >= 2, "the last may come after the end");
    assert!(ended.err.iter().any(|line| line.ends_with(": \\x1b]0;not a reply\\x07")));
    assert_eq!(count(&ended, "3 received, +"), 1);
}

#[test]
fn rubbish_does_not_move_the_deadline() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let mut program = Program::socklab(&["udp-ping-client", "127.0.0.1", &port, "-c", "1", "-W", "0.5"]);
    let (_, from) = socket.recv_from(&mut [0; 100]).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let rubbish = thread::spawn({
        let over = Arc::clone(&over);
        move || {
            while !over.load(Ordering::SeqCst) && socket.send_to(b"rubbish", from).is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        }
    });
    // A deadline that moves with each datagram would never come, and `wait_out` would give up.
    program.wait_out("Request timed out");
    assert_eq!(program.finish().code, 1);
    over.store(true, Ordering::SeqCst);
    rubbish.join().unwrap();
}

#[test]
fn a_closed_port_is_reported_at_once() {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let began = Instant::now();
    let ended = client(&port, &["-c", "3", "-W", "9"]);
    assert_eq!((ended.code, count(&ended, "Connection refused: nobody listens on 127.0.0.1:")), (1, 3));
    assert!(began.elapsed() < Duration::from_secs(9), "{ended:#?}");
    let line = ended.err.last().unwrap();
    assert!(line.starts_with("socklab udp-ping-client: nobody listens on 127.0.0.1:"), "{line}");
}

#[test]
fn port_0_is_nobodys() {
    let ended = client("0", &["-c", "1"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err[0].contains("PORT 0: "), "{ended:#?}");
}

#[test]
fn ctrl_c_ends_with_the_statistics() {
    let (_server, port) = server(&["--loss", "0"]);
    let mut program = Program::socklab(&["udp-ping-client", "127.0.0.1", &port, "-i", "30", "-W", "15"]);
    program.wait_out("PING 1 ");
    program.signal("INT");
    let ended = program.finish();
    assert_eq!((ended.code, count(&ended, "1 packets transmitted, 1 received, 0% packet loss")), (0, 1));

    // While the first reply is waited for: it has not been waited for as long as -W says.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    let mut program = Program::socklab(&["udp-ping-client", "127.0.0.1", &port, "-W", "60"]);
    silent.recv_from(&mut [0; 100]).unwrap();
    program.signal("INT");
    let ended = program.finish();
    assert_eq!((ended.code, count(&ended, "1 packets transmitted, 0 received, 100% packet loss")), (1, 1));
    assert!(ended.err[0].ends_with(&format!(" no reply from 127.0.0.1:{port} before the end")), "{ended:#?}");
}

#[test]
fn over_ipv6_too() {
    let mut server = Program::socklab(&["udp-ping-server", "0", "--bind", "::1", "--loss", "0"]);
    let port = server.port().to_string();
    let ended = socklab(&["udp-ping-client", "::1", &port, "-c", "2", "-W", "15"], b"");
    assert_eq!((ended.code, count(&ended, "2 received")), (0, 1), "{ended:#?}");
    server.stop_cleanly(&[]);
}

#[test]
fn with_the_sheets_server_and_a_students_client() {
    if !can_run(installed("python3"), "python3 is not installed") {
        return;
    }
    // The sheet's server in Python 3, its bind mended and its loss taken out.
    let theirs = "
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.1', 0))
print('port', s.getsockname()[1])
while True:
    message, address = s.recvfrom(1024)
    s.sendto(message.upper(), address)";
    let mut program = Program::start(python(theirs, &[]));
    let port = program.wait_out("port ").split(' ').nth(1).unwrap().to_string();
    assert_eq!(client(&port, &["-c", "3"]).code, 0);
    let (_server, port) = server(&["--loss", "0"]);
    let theirs = "
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
for n in range(1, 4):
    s.sendto(f'Ping {n} {time.time()}'.encode(), ('127.0.0.1', int(sys.argv[1])))
    print(s.recv(1024).decode())";
    let ended = Program::start(python(theirs, &[&port])).finish();
    assert!(ended.code == 0 && ended.out[2].starts_with("PING 3 "), "{ended:#?}");
}
