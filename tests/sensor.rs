//! IoT lab 1, deliverable and first optional one: `sensor-server` over TCP and UDP, its log, and what
//! hostile peers and full disks do to it. What the protocol asks for is quoted from
//! `docs/sensor-protocol.md`. The client's side is in `tests/sensor_client.rs`.

mod common;
#[path = "common/sensor.rs"]
mod sensors;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use common::{socklab, Program, SOCKLAB};
use sensors::{ask, client, connect, datagrams, next_message, reading, scratch, server};
use socklab::kit::random::Random;
use socklab::sensor::message::{kind, open, Body, DUPLICATE};
use socklab::sensor::reading::{Reading, Value};

#[test]
fn both_transports_are_shown_logged_answered_and_summed_up() {
    let log = scratch("log");
    let (mut server, port) = server(&["--log", log.to_str().unwrap()]);
    let headers = [("tcp", "TCP_INFO"), ("udp", "a datagram each")].map(|(transport, counted)| {
        let ended = client(port, &["--transport", transport, "--count", "9"]);
        assert_eq!(ended.code, 0, "{ended:#?}");
        assert_eq!(ended.out.len(), 9 + 4);
        assert!(ended.out[0].starts_with("seq 1: temperature "), "{ended:#?}");
        assert_eq!(ended.out[9], "9 readings sent, 9 acknowledged, 0 lost");
        assert!(ended.out[11].starts_with("packets: ") && ended.out[11].contains(counted), "{ended:#?}");
        assert!(ended.out[12].contains("estimated"), "{ended:#?}");
        for sequence in 1..=9 {
            server.wait_out(&format!("{transport} device 1 seq {sequence}: "));
        }
        let about = ended.out[12].strip_prefix("header bytes: about ").unwrap();
        about.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    // 18 datagrams of 28 bytes; TCP has a handshake, a close and acknowledgements besides.
    assert_eq!(headers[1], 504);
    assert!(headers[0] > 2 * headers[1]);
    server.stop_cleanly(&[]);

    let text = fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "time,peer,transport,device,seq,kind,value,unit");
    assert_eq!(lines.len(), 19, "{text}");
    // One seed: both transports carried the same values.
    let measured = |line: &str| line.splitn(4, ',').nth(3).map(str::to_string);
    for (tcp, udp) in lines[1..10].iter().zip(&lines[10..]) {
        assert!(tcp.contains(",tcp,1,") && udp.contains(",udp,1,"));
        assert_eq!(measured(tcp), measured(udp));
    }
    fs::remove_file(log).unwrap();
}

#[test]
fn ipv6_and_a_server_that_is_not_there() {
    let mut server = Program::socklab(&["sensor-server", "0", "--bind", "::1"]);
    let port = server.port().to_string();
    server.port();
    for more in [&["--transport", "tcp"][..], &["--transport", "udp", "-6"]] {
        let ended = socklab(
            &[&["sensor-client", "[::1]", &port, "--count", "2", "--interval", "0", "--timeout", "20"], more]
                .concat(),
            b"",
        );
        assert_eq!(
            (ended.code, &ended.out[2][..]),
            (0, "2 readings sent, 2 acknowledged, 0 lost"),
            "{ended:#?}"
        );
        assert!(ended.out[5].contains("IPv6 40"));
    }
    server.wait_out("[::1]:");
    server.stop_cleanly(&[]);
    for transport in ["tcp", "udp"] {
        let port: u16 = port.parse().unwrap();
        let ended = client(port, &["--transport", transport, "--count", "1"]);
        assert_eq!(ended.code, 1, "{ended:#?}");
        assert!(ended.err.iter().any(|line| line.contains("Connection refused")), "{ended:#?}");
    }
    assert_eq!(client(9, &["--transport", "pigeon"]).code, 2);
    assert_eq!(socklab(&["sensor-server", "0", "--interval", "0.01"], b"").code, 2);
}

/// "It has not been stored" is said to the sensor, and what is stored is whole lines.
#[test]
fn a_full_disk_is_said_and_answered_as_an_error() {
    let (mut server, port) = server(&["--log", "/dev/full"]);
    let socket = datagrams(port);
    for _ in 0..2 {
        let (head, body) = ask(&socket, &reading(1, 1, |_, _| {}));
        assert_eq!(head.kind, kind::ERROR);
        assert_eq!(body.error, Some((5, b"No space left on device".to_vec())));
    }
    server.wait_err("cannot write the log: No space left on device (1 readings not stored");
    let ended = client(port, &["--count", "3"]);
    assert_eq!(ended.code, 1);
    assert!(ended.out[0].ends_with("refused, error 5: No space left on device"), "{ended:#?}");
    assert_eq!(ended.out[3], "3 readings sent, 0 acknowledged, 0 lost, 3 refused");
    let ended = server.stop_cleanly(&["cannot write the log"]);
    assert_eq!(ended.err[0], "cannot write the log yet: No space left on device");
    assert_eq!(ended.err.last().unwrap(), "received 0 readings, 0 of them again; refused 0; not stored 5");
}

#[test]
fn a_disk_that_fills_up_holds_whole_lines_only() {
    let log = scratch("limited");
    // The shell's limit on the size of a file stands for the disk: a write is cut at 1,024 bytes.
    let mut command = Command::new("sh");
    let log_shown = log.display();
    command
        .arg("-c")
        .arg(format!("trap '' XFSZ; ulimit -f 2; exec {SOCKLAB} sensor-server 0 --log {log_shown}"));
    let mut server = Program::start(command);
    let port = server.port();
    let ended = client(port, &["--count", "40", "--interval", "0"]);
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.ends_with('\n') && text.len() <= 1024, "{text}");
    assert!(text.lines().skip(1).all(|line| line.matches(',').count() >= 7), "{text}");
    let stored = text.lines().count() - 1;
    assert!(stored > 5 && stored < 40);
    let summary = format!("40 readings sent, {stored} acknowledged, 0 lost, {} refused", 40 - stored);
    assert_eq!(ended.out[40], summary);
    server.stop_cleanly(&["cannot write the log: File too large"]);
    fs::remove_file(log).unwrap();
}

/// "A reading whose device, session and sequence it has seen is not stored again, but is answered again
/// with the flag duplicate"; "128 or more behind" is too old.
#[test]
fn duplicates_are_answered_again_and_logged_once() {
    let log = scratch("duplicates");
    let (mut server, port) = server(&["--log", log.to_str().unwrap()]);
    let socket = datagrams(port);
    let message = reading(5, 200, |_, _| {});
    let (first, body) = ask(&socket, &message);
    assert_eq!((first.kind, first.flags, first.sequence), (kind::ACKNOWLEDGEMENT, 0, 200));
    assert_eq!(body.statistics.unwrap().1.count, 1);
    let (second, body) = ask(&socket, &message);
    assert_eq!((second.kind, second.flags), (kind::ACKNOWLEDGEMENT, DUPLICATE));
    assert_eq!(body.statistics.unwrap().1.count, 1);
    assert_eq!(ask(&socket, &reading(5, 73, |_, _| {})).0.flags, 0);
    assert_eq!(ask(&socket, &reading(5, 72, |_, _| {})).1.error.unwrap().0, 6);
    // The same numbers in another session, and over the other transport, are other readings.
    assert_eq!(ask(&socket, &reading(6, 200, |_, _| {})).0.flags, 0);
    let mut stream = connect(port);
    for flags in [0, DUPLICATE] {
        stream.write_all(&message).unwrap();
        assert_eq!(next_message(&mut stream).unwrap().0.flags, flags);
    }
    drop(stream);
    server.wait_out("seq 200");
    let ended = server.stop_cleanly(&["refused: sequence too old (1 refused so far)"]);
    assert_eq!(ended.err.last().unwrap(), "received 6 readings, 2 of them again; refused 1; not stored 0");
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 1 + 4);
    fs::remove_file(log).unwrap();
}

/// "Neither side orders or discards by timestamps: a clock may jump."
#[test]
fn clocks_that_jump_change_nothing() {
    let (mut server, port) = server(&[]);
    let socket = datagrams(port);
    let stamps = [(6, 1_763_715_600_000_000), (6, 0), (0, u64::MAX), (9, 1), (3, u64::MAX), (77, 5)];
    for (sequence, (time_unit, timestamp)) in (1..).zip(stamps) {
        let message =
            reading(1, sequence, |head, _| (head.time_unit, head.timestamp) = (time_unit, timestamp));
        assert_eq!(ask(&socket, &message).0.kind, kind::ACKNOWLEDGEMENT);
        server.wait_out(&format!("seq {sequence}: temperature 21.5 Cel (clock "));
    }
    server.stop_cleanly(&[]);
}

/// The table of error codes.
#[test]
fn what_is_refused_and_with_which_code() {
    let (server, port) = server(&[]);
    let socket = datagrams(port);
    let mut stream = connect(port);
    for (code, message) in [
        (1, reading(1, 1, |_, body| body.reading = None)),
        (2, reading(1, 1, |head, _| head.version = 2)),
        (3, reading(1, 1, |head, _| head.kind = 9)),
        (4, reading(1, 1, |_, body| body.reading.as_mut().unwrap().value = Value::Double(f64::NAN))),
    ] {
        let (head, body) = ask(&socket, &message);
        assert_eq!((head.kind, body.error.unwrap().0), (kind::ERROR, code));
        // The frame is whole, so the connection goes on.
        stream.write_all(&message).unwrap();
        assert_eq!(next_message(&mut stream).unwrap().1.error.unwrap().0, code);
    }
    // Never answered: the next answer is the next reading's.
    for kind in [kind::ACKNOWLEDGEMENT, kind::ERROR, kind::COMMAND] {
        for version in [1, 2] {
            socket.send(&reading(1, 1, |head, _| (head.kind, head.version) = (kind, version))).unwrap();
        }
    }
    assert_eq!(ask(&socket, &reading(1, 1, |_, _| {})).0.kind, kind::ACKNOWLEDGEMENT);
    drop(stream);
    let ended = server.stop_cleanly(&["refused: "]);
    let counted = "received 1 readings, 0 of them again; refused 14; not stored 0";
    assert_eq!(ended.err.last().unwrap(), counted, "four over each transport, and six");
}

#[test]
fn random_and_forged_bytes_are_refused_counted_and_harm_nobody() {
    let log = scratch("hostile");
    let (mut server, port) = server(&["--log", log.to_str().unwrap()]);
    let mut random = Random::new(Some(7));
    let good = reading(3, 1, |_, _| {});
    let socket = datagrams(port);
    for round in 0..300 {
        let mut bytes: Vec<u8> = match round % 3 {
            // Anything; a message with some bytes damaged; one with a forged length.
            0 => (0..random.below(1500)).map(|_| random.bits() as u8).collect(),
            1 => good.clone(),
            _ => [&good[..6], &(random.bits() as u16).to_be_bytes(), &good[8..]].concat(),
        };
        if round % 3 == 1 {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << random.below(8);
        }
        socket.send(&bytes).unwrap();
        if round % 10 == 0 {
            let mut stream = connect(port);
            // The server may have closed before all is written.
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(answer.is_empty() || open(&answer).unwrap().0.kind == kind::ERROR);
        }
    }
    // Cut anywhere: nothing is stored, and no thread stays behind.
    for cut in 1..good.len() {
        let mut stream = connect(port);
        stream.write_all(&good[..cut]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0; 9]).unwrap_or(0), 0);
    }
    // Byte by byte it is a message like any other.
    let mut stream = connect(port);
    stream.set_nodelay(true).unwrap();
    for byte in &good {
        stream.write_all(&[*byte]).unwrap();
    }
    assert_eq!(next_message(&mut stream).unwrap().0.kind, kind::ACKNOWLEDGEMENT);
    // Two and a half at once, and the server's own answer sent back to it.
    let pair = [reading(3, 2, |_, _| {}), reading(3, 3, |_, _| {}), good[..20].to_vec()].concat();
    stream.write_all(&pair).unwrap();
    for sequence in [2, 3] {
        assert_eq!(next_message(&mut stream).unwrap().0.sequence, sequence);
    }
    drop(stream);
    server.wait_out("seq 3");
    assert_eq!(client(port, &["--count", "2"]).code, 0);
    let ended = server.stop_cleanly(&["refused: "]);
    // Milestones only: noise must not fill the screen.
    assert!(ended.err.iter().filter(|line| line.contains("refused: ")).count() <= 4, "{ended:#?}");
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 1 + 3 + 2);
    fs::remove_file(log).unwrap();
}

/// "A text is a peer's": neither the terminal nor the log's lines are at its mercy.
#[test]
fn text_cannot_break_a_line_or_drive_a_terminal() {
    let log = scratch("text");
    let (mut server, port) = server(&["--log", log.to_str().unwrap()]);
    let socket = datagrams(port);
    let text = "a\n\u{1b}[2J,\"b\"\u{202e}";
    let message = reading(1, 1, |_, body| {
        body.reading = Some(Reading { kind: 8, unit: 0, value: Value::Text(text.to_string()) });
    });
    assert_eq!(ask(&socket, &message).0.kind, kind::ACKNOWLEDGEMENT);
    server.wait_out("status a\\n\\x1b[2J,\"b\"\\u{202e} (clock");
    server.stop_cleanly(&[]);
    let logged = fs::read_to_string(&log).unwrap();
    assert!(logged.ends_with(",status,\"a\\n\\x1b[2J,\"\"b\"\"\\u{202e}\",\n"), "{logged}");
    fs::remove_file(log).unwrap();
}

/// A thread per client: none waits for another (first optional deliverable).
#[test]
fn three_hundred_sensors_at_once_and_a_silent_one() {
    const SENSORS: u32 = 300;
    let (server, port) = server(&[]);
    let mut silent = connect(port);
    silent.write_all(&reading(0, 1, |_, _| {})[..9]).unwrap();
    let mut sensors: Vec<TcpStream> = (0..SENSORS).map(|_| connect(port)).collect();
    for sequence in 1..=3 {
        for (session, stream) in (1..).zip(&mut sensors) {
            stream.write_all(&reading(session, sequence, |_, _| {})).unwrap();
        }
        for (session, stream) in (1..).zip(&mut sensors) {
            let (head, body) = next_message(stream).unwrap();
            assert_eq!((head.session, head.sequence), (session, sequence));
            assert_eq!(body.statistics.unwrap().1.count, sequence);
        }
    }
    drop(sensors);
    drop(silent);
    let ended = server.stop_cleanly(&["the stream ended within a message"]);
    assert!(ended.err.iter().any(|line| line.contains("served 301 clients")), "{ended:#?}");
    assert_eq!(ended.out.len(), 900);
}

/// "A message that has begun MUST be complete within 10 s": the idle limit alone would let a peer
/// that sends a byte now and then stay for ever.
#[test]
fn a_dripping_sensor_is_let_go() {
    let (mut server, port) = server(&[]);
    let mut stream = connect(port);
    let message = reading(1, 1, |_, _| {});
    let begun = std::time::Instant::now();
    for byte in &message {
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(400));
    }
    assert!(begun.elapsed() < Duration::from_secs(25));
    server.wait_err(": a message took longer than 10 s");
    server.stop_cleanly(&["a message took longer than 10 s"]);
}

/// The worked example of the specification is what the program reads.
#[test]
fn the_pages_example_is_a_message() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sensor-protocol.md")).unwrap();
    let section = page.split("## An example in hex").nth(1).unwrap();
    let blocks: Vec<&str> = section.split("```").skip(1).step_by(2).take(4).collect();
    let kinds = [kind::READING, kind::ACKNOWLEDGEMENT, kind::COMMAND, kind::ERROR];
    assert_eq!(blocks.len(), kinds.len());
    for (block, kind) in blocks.iter().zip(kinds) {
        // On each line the bytes stand before the first wide gap.
        let bytes_of = |line: &str| line.trim().split("   ").next().map(str::to_string);
        let words = block.lines().skip(1).filter_map(bytes_of);
        let digits: String = words.collect::<String>().split_whitespace().collect();
        let bytes: Vec<u8> = (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let (head, fields) = open(&bytes).unwrap();
        assert_eq!((head.kind, head.device, head.session), (kind, 7, 0x1a2b_3c4d));
        let body = Body::read(fields).unwrap();
        match kind {
            kind::READING => assert_eq!(body.interval, Some(1000)),
            kind::COMMAND => assert_eq!(body.interval, Some(5000)),
            kind::ERROR => assert_eq!(body.error, Some((6, b"sequence too old".to_vec()))),
            _ => assert_eq!(body.statistics.unwrap().1.mean.to_string(), "21.5"),
        }
    }
}
