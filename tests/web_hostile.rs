//! `web-server` under attack: clients that stall, vanish, never read, and send nonsense.

mod common;
#[path = "common/http.rs"]
mod http;

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::{Program, PATIENCE};
use http::{ask, get, serve, site, Raw, ALPHABET};
use socklab::kit::random::Random;

/// The memory a program has in use, in KiB. See proc_pid_status(5).
fn resident(program: &Program) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", program.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How many threads a program has: one a client, and two more.
fn threads(program: &Program) -> usize {
    fs::read_dir(format!("/proc/{}/task", program.pid())).unwrap().count()
}

/// Waits until a program has at most so many threads.
fn wait_for_threads(program: &Program, most: usize) {
    let deadline = Instant::now() + PATIENCE;
    while threads(program) > most {
        assert!(Instant::now() < deadline, "{} threads are left", threads(program));
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn five_hundred_stalled_connections_slow_nobody() {
    let site = site();
    let (server, port) = serve(&site, &[]);
    let alone = Instant::now();
    for _ in 0..200 {
        assert_eq!(ask(port, &get("/alphabet.txt", "")).status, 200);
    }
    let alone = alone.elapsed();
    let before = resident(&server);
    let stalled: Vec<Raw> = (0..500)
        .map(|number| {
            let mut raw = Raw::connect(port);
            let head = get("/alphabet.txt", "X: slowly\r\n");
            raw.send(&head[..number % head.len()]);
            raw
        })
        .collect();
    let crowded = Instant::now();
    for _ in 0..200 {
        assert_eq!(ask(port, &get("/alphabet.txt", "")).text(), ALPHABET);
    }
    let crowded = crowded.elapsed();
    // Each of the 500 may take ten seconds; whoever waited for one of them would show. The rest is room for
    // whatever else this machine does.
    assert!(crowded < alone * 10 + Duration::from_secs(5), "{alone:?} alone, {crowded:?} in the crowd");
    let each = (resident(&server).saturating_sub(before)) / 500;
    assert!(each < 40, "{each} KiB for each stalled connection");
    drop(stalled);
    wait_for_threads(&server, 4);
    server.stop_cleanly(&[]);
}

#[test]
fn readers_that_stop_and_readers_that_vanish() {
    let site = site();
    File::create(site.0.join("root/big")).unwrap().set_len(64 << 20).unwrap();
    let (mut server, port) = serve(&site, &["--idle", "1"]);
    let before = resident(&server);
    let stopped: Vec<Raw> = (0..50)
        .map(|_| {
            let mut raw = Raw::connect(port);
            raw.send(&get("/big", ""));
            raw
        })
        .collect();
    for number in 0..200 {
        let mut raw = Raw::connect(port);
        raw.send(&get("/big", "").repeat(3));
        if number % 2 == 0 {
            // Unread bytes make the close a reset.
            let _ = raw.stream.read(&mut [0; 100]);
        }
    }
    assert_eq!(ask(port, &get("/alphabet.txt", "")).text(), ALPHABET);
    assert!(resident(&server) < before + 50_000, "a file is never in this process's memory");
    for _ in 0..50 {
        server.wait_out("GET /big");
    }
    wait_for_threads(&server, 4);
    drop(stopped);
    server.stop_cleanly(&[]);
}

#[test]
fn requests_without_end_and_without_reading_the_answers() {
    let site = site();
    let (server, port) = serve(&site, &["--idle", "1", "--quiet"]);
    let before = resident(&server);
    let mut flood = TcpStream::connect(("127.0.0.1", port)).unwrap();
    flood.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    let requests = get("/alphabet.txt", "").repeat(1000);
    // The server stops reading while its answers are not read, and then lets the client go.
    while flood.write_all(&requests).is_ok() {}
    assert!(resident(&server) < before + 8_000, "what is not read is not kept here");
    for endless in [&b"\r\n"[..], b"GET /", b"GET / HTTP/1.1\r\nX: "] {
        let mut raw = Raw::connect(port);
        raw.stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let begun = Instant::now();
        let piece = if endless.len() > 2 { b"xxxxxxxx".repeat(100) } else { endless.repeat(100) };
        raw.send(endless);
        while raw.stream.write_all(&piece).is_ok() {
            assert!(begun.elapsed() < PATIENCE, "{endless:?} is never ended");
        }
    }
    assert!(resident(&server) < before + 8_000);
    assert_eq!(ask(port, &get("/alphabet.txt", "")).text(), ALPHABET);
    server.stop_cleanly(&[]);
}

/// The requests of the corpus.
fn corpus() -> Vec<Vec<u8>> {
    let text = include_str!("corpus/web.txt");
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let mut request = Vec::new();
        for line in paragraph.lines().filter(|line| !line.starts_with('#')) {
            let (line, ending) = match line.strip_suffix('\\') {
                Some(line) => (line, ""),
                None => (line, "\r\n"),
            };
            let mut rest = line;
            while let Some((before, after)) = rest.split_once("\\x") {
                request.extend(before.bytes());
                request.push(u8::from_str_radix(&after[..2], 16).unwrap());
                rest = &after[2..];
            }
            request.extend(rest.bytes());
            request.extend(ending.bytes());
        }
        request
    });
    paragraphs.filter(|request| !request.is_empty()).collect()
}

/// A request with one to four changes, or, one time in ten, random bytes.
fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    if random.chance(10.0) {
        return (0..random.below(200)).map(|_| random.bits() as u8).collect();
    }
    const PIECES: [&[u8]; 16] = [
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b":",
        b"/",
        b"..",
        b"%2e",
        b"%00",
        b"%",
        b"\xff",
        b"/../",
        b"99999999999999999999",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
    ];
    let mut request = corpus[random.below(corpus.len() as u64) as usize].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(request.len() as u64 + 1) as usize;
        match random.below(6) {
            0 if at < request.len() => request[at] = random.bits() as u8,
            1 if at < request.len() => request[at] ^= 1 << random.below(8),
            2 => drop(request.drain(at..(at + random.below(9) as usize).min(request.len()))),
            3 => drop(request.splice(at..at, PIECES[random.below(16) as usize].iter().copied())),
            4 => {
                let copied = request[at..].to_vec();
                request.extend(copied);
            }
            _ => request.truncate(at),
        }
    }
    request
}

/// A new connection. After some ten thousand of them all local ports are in TIME-WAIT, and come back after
/// a second (or after 60, where `net.ipv4.tcp_tw_reuse` is off).
fn connect(port: u16) -> TcpStream {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(10));
            }
            connected => return connected.unwrap(),
        }
    }
}

/// Sends one request, ends the sending side, and returns everything that comes back.
fn exchange(port: u16, request: &[u8]) -> Vec<u8> {
    let mut stream = connect(port);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(request).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => {
            panic!("{error} after {request:?}")
        }
        _ => answer,
    }
}

/// `SOCKLAB_FUZZ=1000000` sends so many, `SOCKLAB_SEED=1` sends others.
#[test]
fn random_and_mutated_requests_end_in_an_answer_or_a_close() {
    const WORKERS: u64 = 4;
    let count = std::env::var("SOCKLAB_FUZZ").map_or(100_000, |text| text.parse().unwrap());
    let seed = std::env::var("SOCKLAB_SEED").map_or(20_240_102, |text| text.parse().unwrap());
    let site = site();
    let (server, port) = serve(&site, &["--idle", "5", "--quiet"]);
    let corpus = Arc::new(corpus());
    for request in corpus.iter() {
        exchange(port, request);
    }
    let before = resident(&server);
    let done = Arc::new(AtomicU64::new(0));
    let workers: Vec<_> = (0..WORKERS)
        .map(|number| {
            let (corpus, done) = (Arc::clone(&corpus), Arc::clone(&done));
            thread::spawn(move || {
                let mut random = Random::new(Some(seed + number));
                while done.fetch_add(1, Ordering::Relaxed) < count {
                    let request = mutated(&corpus, &mut random);
                    let answer = exchange(port, &request);
                    let shown = || format!("{:?} was answered {:?}", text(&request), text(&answer));
                    assert!(!text(&answer).contains("s3cret"), "a leak: {}", shown());
                    assert!(!text(&answer).contains("root:x:"), "a leak: {}", shown());
                    if answer.is_empty() {
                        continue;
                    }
                    let status = answer.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
                    let status: u16 = text(status.unwrap_or_else(|| panic!("{}", shown()))).parse().unwrap();
                    let known = matches!(status, 100 | 200 | 204 | 206 | 301 | 304 | 400..=431 | 501 | 505);
                    assert!(known, "{}", shown());
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    assert!(resident(&server) < before + 20_000, "memory has grown to {} KiB", resident(&server));
    assert_eq!(ask(port, &get("/alphabet.txt", "")).text(), ALPHABET);
    // A panic of a client's thread would stand on standard error.
    server.stop_cleanly(&[]);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
