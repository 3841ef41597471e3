//! `web-server --one-at-a-time`: the sheet's own program.

mod common;
#[path = "common/http.rs"]
mod http;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::{Program, SOCKLAB};
use http::{add_big_file, ask, get, probe_all, serve, site, Probe, Raw, ALPHABET};

#[test]
fn the_sheets_basic_form() {
    let site = site();
    let (server, port) = serve(&site, &["--one-at-a-time"]);
    #[rustfmt::skip]
    let probes: Vec<Probe> = vec![
        ("a file", get("/alphabet.txt", ""), "200c", &["=abcdefghijklmnopqrstuvwxyz", "Connection: close"]),
        ("one request a connection", [get("/page.html", ""), get("/alphabet.txt", "")].concat(), "200c", &["=<p>page</p>"]),
        ("HEAD", b"HEAD /alphabet.txt HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), "200c", &["Content-Length: 26"]),
        ("index.html", get("/withindex/", ""), "200c", &["=the index"]),
        ("no listing", get("/dir/", ""), "404c", &[]),
        ("what is missing", get("/missing", ""), "404c", &["~404 Not Found"]),
        ("what is outside", get("/../secret", ""), "404c", &["!s3cret"]),
        ("a link that leads out", get("/out", ""), "404c", &["!s3cret"]),
        ("errata, web: //etc/hostname", get("//etc/hostname", ""), "404c", &[]),
        ("errata, web: a NUL", get("/%00", ""), "400c", &[]),
        ("POST", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy".to_vec(), "405c", &["Allow: GET, HEAD"]),
        ("no HTTP", b"Hello, server\r\n\r\n".to_vec(), "400c", &[]),
        ("RFC 9112, 2.2: an empty line in front", [b"\r\n", &get("/alphabet.txt", "")[..]].concat(), "200c", &[]),
        ("half a request", b"GET /\r\n".to_vec(), "408c", &[]),
        ("HEAD, refused before it is whole", b"HEAD /half HTTP/1.1\r\n".to_vec(), "408c", &["="]),
    ];
    probe_all(port, &probes);

    // Errata, web: an empty connection kills the sheet's server. Here it only keeps the next one waiting.
    let silent = Raw::connect(port);
    let begun = Instant::now();
    assert_eq!(ask(port, &get("/alphabet.txt", "")).status, 200);
    assert!(begun.elapsed() > Duration::from_secs(1), "the second client is served after the silent one");
    drop(silent);
    assert_eq!(ask(port, &get("/alphabet.txt", "")).text(), ALPHABET);
    let ended = server.stop_cleanly(&[]);
    let logged = |text: &str| assert!(ended.out.iter().any(|line| line.contains(text)), "{text}: {ended:?}");
    logged("GET /alphabet.txt HTTP/1.1\" 200 26");
    logged("HEAD /half HTTP/1.1\" 408 0");
    assert!(ended.err.last().unwrap().ends_with("clients, one at a time"), "{ended:?}");
}

/// Empty lines are no request, however many: they must not keep everybody else out.
#[test]
fn the_basic_form_has_a_limit_for_empty_lines() {
    let site = site();
    let (server, port) = serve(&site, &["--one-at-a-time"]);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let flood = thread::spawn(move || {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(15) && stream.write_all(&b"\r\n".repeat(1000)).is_ok() {}
    });
    let begun = Instant::now();
    assert_eq!(ask(port, &get("/alphabet.txt", "")).status, 200);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    flood.join().unwrap();
    server.stop_cleanly(&[]);
}

/// As for the other server: a full disk takes the log, not the service.
#[test]
fn the_basic_form_serves_on_when_its_log_cannot_be_written() {
    let site = site();
    let root = site.0.join("root");
    let mut command = Command::new("sh");
    let words = format!("web-server 0 --one-at-a-time --bind 127.0.0.1 --root {}", root.display());
    command.arg("-c").arg(format!("exec {SOCKLAB} {words} >/dev/full"));
    let mut server = Program::start(command);
    let port = server.port();
    for _ in 0..3 {
        assert_eq!(ask(port, &get("/alphabet.txt", "")).status, 200);
    }
    server.stop_cleanly(&["cannot write to standard output: No space left on device"]);
}

/// Nobody is left to wait for who does not read, and the last line is still said.
#[test]
fn the_basic_form_ends_in_time_with_a_client_that_does_not_read() {
    let site = site();
    add_big_file(&site.0.join("root"));
    let (server, port) = serve(&site, &["--one-at-a-time"]);
    let mut stalled = Raw::connect(port);
    stalled.send(&get("/big", ""));
    stalled.stream.read_exact(&mut [0; 1000]).unwrap();
    let ended = server.stop_cleanly(&["timed out"]);
    assert_eq!(ended.err.last().unwrap(), "served 1 client, one at a time");
}
