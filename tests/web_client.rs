//! `web-client`, against our server, a server that says what the test tells it to, and Python's; and
//! our server with the clients people use: curl, wget, Python's http.client, a browser.

mod common;
#[path = "common/http.rs"]
mod http;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::thread;

use common::{can_run, installed, socklab, Ended, Program};
use http::{folder, get, serve, site, ALPHABET};

/// A server that reads one request, sends `answer` and closes. Returns its port and, at the end, what
/// it was asked.
fn canned(answer: impl Into<Vec<u8>>) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let answer = answer.into();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).unwrap() == 0 {
                break;
            }
            request.extend(byte);
        }
        let _ = stream.write_all(&answer);
        String::from_utf8(request).unwrap()
    });
    (port, server)
}

/// The client's words, run against a canned answer.
fn client(answer: impl Into<Vec<u8>>, more: &[&str]) -> Ended {
    let (port, server) = canned(answer);
    let ended = socklab(&[&["web-client", "127.0.0.1", &port, "/x"], more].concat(), b"");
    server.join().unwrap();
    ended
}

#[test]
fn status_line_fields_and_body_of_our_own_server() {
    let site = site();
    let (server, port) = serve(&site, &[]);
    let ended = socklab(&["web-client", "127.0.0.1", &port.to_string(), "alphabet.txt"], b"");
    assert_eq!(ended.code, 0);
    assert!(ended.err.is_empty());
    assert_eq!(ended.out[0], "HTTP/1.1 200 OK");
    assert!(ended.out.contains(&"Content-Length: 26".to_string()));
    let empty = ended.out.iter().position(String::is_empty).unwrap();
    assert_eq!(ended.out[empty + 1..], [ALPHABET]);

    let missing = ["web-client", "localhost", &port.to_string(), "missing"];
    let ended = socklab(&missing, b"");
    assert_eq!((ended.code, ended.out[0].as_str()), (0, "HTTP/1.1 404 Not Found"));
    let ended = socklab(&[&missing[..], &["--fail"]].concat(), b"");
    assert_eq!(ended.code, 1);
    assert_eq!(ended.err, ["socklab web-client: the server answered HTTP/1.1 404 Not Found"]);

    let ended = socklab(&["web-client", "127.0.0.1", &port.to_string(), "/alphabet.txt", "--head"], b"");
    assert_eq!((ended.code, ended.out.last().map(String::as_str)), (0, Some("")));
    let both = ["web-client", "127.0.0.1", "1", "/", "--head", "-o", "/missing/x"];
    let ended = socklab(&both, b"");
    assert_eq!(ended.code, 2, "a head has no body to save: {ended:?}");
    assert!(ended.err[0].contains("the head goes to standard output"), "{ended:?}");
    let ended = socklab(&["web-client", "127.0.0.1", &port.to_string(), "a b.txt"], b"");
    assert_eq!(ended.out.last().map(String::as_str), Some("blank"));
    server.stop_cleanly(&[]);
}

#[test]
fn the_request_byte_for_byte() {
    let (port, server) = canned("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    socklab(&["web-client", "127.0.0.1", &port, "a\r\nX: y"], b"");
    let wanted = format!(
        "GET /a%0D%0AX:%20y HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: socklab\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n"
    );
    assert_eq!(server.join().unwrap(), wanted);
}

#[test]
fn three_kinds_of_body_and_interim_answers() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nHe\r\n3\r\nllo\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nHello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello",
    ] {
        let ended = client(answer, &[]);
        assert_eq!((ended.code, ended.out.last().map(String::as_str)), (0, Some("Hello")), "{answer}");
    }
}

#[test]
fn truncation_and_nonsense_are_errors() {
    let table = [
        ("", "closed the connection without an answer"),
        ("HTTP/1.1 200 OK\r\nContent-", "the connection ended within the head"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHell", "the connection ended after 4 of 5 bytes"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHel", "within a chunked body"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nHello\r\n", "not valid HTTP"),
        ("HTTP/1.1 200 OK\nContent-Length: 0\n\n", "bare line feed"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "does not begin with HTTP/1."),
        ("HTTP/1.1 20x OK\r\n\r\n", "status line is malformed"),
    ];
    for (answer, why) in table {
        let ended = client(answer, &[]);
        assert_eq!(ended.code, 1, "{answer}");
        let line = ended.err.last().expect("a line");
        assert!(line.starts_with("socklab web-client: ") && line.contains(why), "{answer:?}: {line}");
    }
}

#[test]
fn a_server_cannot_drive_the_terminal() {
    let ended = client("HTTP/1.1 200 \x1b[2J\r\nX: \u{9b}31m\u{202e}\r\nContent-Length: 0\r\n\r\n", &[]);
    assert_eq!(ended.out[0], "HTTP/1.1 200 \\x1b[2J");
    assert_eq!(ended.out[1], "X: \\u{9b}31m\\u{202e}");
}

#[test]
fn a_silent_server_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let ended = socklab(&["web-client", "127.0.0.1", &port, "/", "--timeout", "0.2"], b"");
    assert_eq!((ended.code, ended.err.len()), (1, 1), "{ended:?}");
    assert!(ended.err[0].contains("the server is silent"), "{ended:?}");
    drop(listener);
    let ended = socklab(&["web-client", "127.0.0.1", &port, "/"], b"");
    assert!(ended.err[0].contains("Connection refused (nothing listens there"), "{ended:?}");
    assert_eq!(socklab(&["web-client", "127.0.0.1"], b"").code, 2);
}

#[test]
fn a_saved_file_is_whole_or_is_not_there() {
    let folder = folder();
    let path = folder.0.join("saved");
    let shown = path.to_str().unwrap();
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\na\0b\x1bcd";
    let ended = client(whole, &["-o", shown]);
    assert_eq!((ended.code, ended.out.last().map(String::as_str)), (0, Some("")));
    assert_eq!(fs::read(&path).unwrap(), b"a\0b\x1bcd");
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHell";
    assert_eq!(client(cut, &["-o", shown]).code, 1);
    assert_eq!(fs::read(&path).unwrap(), b"a\0b\x1bcd", "what was there stays");
    assert_eq!(client("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", &["--fail", "-o", shown]).code, 1);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing is left behind");
    let full = client(whole, &["-o", "/dev/full"]);
    assert_eq!(full.err, ["socklab web-client: cannot write /dev/full: No space left on device"]);
    assert_eq!(client(whole, &["-o", "/missing/x"]).code, 1);

    // Ctrl-C in the middle: the unfinished file goes, and the exit code says so.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut download = Program::socklab(&["web-client", "127.0.0.1", &port, "/", "-o", shown]);
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHel").unwrap();
    download.wait_out("Content-Length: 5");
    let deadline = std::time::Instant::now() + common::PATIENCE;
    while fs::read_dir(&folder.0).unwrap().count() < 2 {
        assert!(std::time::Instant::now() < deadline, "the download does not begin");
        thread::yield_now();
    }
    download.signal("INT");
    assert_eq!(download.finish().code, 130);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[test]
fn redirects_are_followed_if_asked() {
    let site = site();
    let (server, port) = serve(&site, &[]);
    let port = port.to_string();
    let words = ["web-client", "127.0.0.1", &port, "/withindex", "--follow"];
    let ended = socklab(&[&words[..], &["1"]].concat(), b"");
    assert_eq!((ended.code, ended.out.last().map(String::as_str)), (0, Some("the index")));
    assert_eq!(ended.out.iter().filter(|line| line.starts_with("HTTP/1.1 ")).count(), 2);
    let ended = socklab(&[&words[..], &["0"]].concat(), b"");
    assert!(ended.out[0].contains("301") && ended.out.last().unwrap().contains("</html>"));
    server.stop_cleanly(&[]);
    let away = "HTTP/1.1 302 Found\r\nLocation: https://localhost/\r\nContent-Length: 0\r\n\r\n";
    let ended = client(away, &["--follow", "5"]);
    assert!(ended.code == 1 && ended.err[0].contains("this client has no TLS"), "{ended:?}");
    let ended = client(away, &[]);
    assert_eq!((ended.code, ended.err.len()), (0, 0), "nobody wanted to go there: {ended:?}");
}

/// Who asked to be led to a file must not get the page that only says "elsewhere", saved under its name.
#[test]
fn a_redirect_too_many_is_an_error_and_saves_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let server = thread::spawn(move || {
        for _ in 0..3 {
            let (mut connection, _) = listener.accept().unwrap();
            let _ = connection.read(&mut [0; 1024]);
            let answer = "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 3\r\n\r\nbye";
            connection.write_all(answer.as_bytes()).unwrap();
        }
    });
    let folder = folder();
    let path = folder.0.join("saved");
    let ended =
        socklab(&["web-client", "127.0.0.1", &port, "x", "--follow", "2", "-o", path.to_str().unwrap()], b"");
    assert!(ended.code == 1 && ended.err[0].contains("after 2 redirects"), "{ended:?}");
    assert!(!path.exists());
    server.join().unwrap();
}

#[test]
fn a_file_is_saved_even_if_nobody_reads_the_head() {
    let (port, server) = canned("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello");
    let folder = folder();
    let path = folder.0.join("saved");
    // A standard output whose reader has gone.
    let (reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_socklab"));
    command
        .args(["web-client", "127.0.0.1", &port, "x", "-o"])
        .arg(&path)
        .stdout(std::os::fd::OwnedFd::from(writer));
    assert!(command.status().unwrap().success());
    assert_eq!(fs::read(&path).unwrap(), b"Hello");
    server.join().unwrap();
}

#[test]
fn python_serves_our_client() {
    if !can_run(installed("python3"), "needs python3") {
        return;
    }
    let site = site();
    let mut command = Command::new("python3");
    command.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]);
    let mut server = Program::start({
        command.arg(site.0.join("root"));
        command
    });
    let line = server.wait_out("Serving HTTP on");
    let port = line.split(" port ").nth(1).unwrap().split(' ').next().unwrap().to_string();
    let ended = socklab(&["web-client", "127.0.0.1", &port, "alphabet.txt"], b"");
    assert_eq!((ended.code, ended.out.last().map(String::as_str)), (0, Some(ALPHABET)));
}

/// Runs a command of the shell with the port in `$PORT`, in a folder of its own.
fn shell(port: u16, line: &str) -> Output {
    let folder = folder();
    let mut command = Command::new("timeout");
    command.args(["120", "sh", "-c", line]).env("PORT", port.to_string()).current_dir(&folder.0);
    command.output().unwrap()
}

/// The same, and its standard output as text; it must succeed.
fn output(port: u16, line: &str) -> String {
    let output = shell(port, line);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{line}\n{shown}\n{}", String::from_utf8_lossy(&output.stderr));
    shown
}

#[test]
fn curl_gets_what_it_asks_for() {
    if !can_run(installed("curl"), "needs curl") {
        return;
    }
    let site = site();
    let (server, port) = serve(&site, &[]);
    let url = "http://127.0.0.1:$PORT";
    let run = |line: &str| output(port, &line.replace("URL", url));
    assert_eq!(run("curl -sS URL/alphabet.txt"), ALPHABET);
    assert_eq!(run("curl -sS --http1.0 URL/alphabet.txt"), ALPHABET);
    assert_eq!(run("curl -sS -r 3-5 URL/alphabet.txt"), "def");
    assert_eq!(
        run("printf abcdefgh > f && curl -sS -C - -o f URL/alphabet.txt && cat f"),
        ALPHABET,
        "resumed"
    );
    assert_eq!(run("curl -sS -w '%{num_connects} ' URL/link URL/link"), format!("{ALPHABET}1 {ALPHABET}0 "));
    assert_eq!(run("curl -sS -L -w '%{num_redirects}' URL/withindex"), "the index1");
    let status = "curl -sS -o x -w '%{http_code}'";
    assert_eq!(run(&format!("{status} -z '{}' URL/alphabet.txt", http::DATE)), "304");
    assert_eq!(
        run(&format!("curl -sS --etag-save e -o y URL/link && {status} --etag-compare e URL/link")),
        "304"
    );
    assert_eq!(run(&format!("{status} --path-as-is URL/../secret")), "404");
    assert_eq!(run(&format!("{status} -I URL/dir/")), "200");
    // Large enough for curl to ask with Expect: 100-continue, and to be told no.
    assert_eq!(run(&format!("head -c 2000000 /dev/zero > z && {status} -d @z URL/")), "405");
    assert_eq!(run(&format!("{status} -X GET -H 'Expect: 100-continue' -d small URL/link")), "200");
    assert_eq!(run(&format!("{status} -X GET -H 'Transfer-Encoding: chunked' -d small URL/link")), "200");
    server.stop_cleanly(&[]);
}

#[test]
fn wget_and_pythons_http_client_get_what_they_ask_for() {
    if !can_run(installed("wget") && installed("python3"), "needs wget and python3") {
        return;
    }
    let site = site();
    let (server, port) = serve(&site, &[]);
    let url = "http://127.0.0.1:$PORT";
    let run = |line: &str| output(port, &line.replace("URL", url));
    assert_eq!(run("wget -q -O - URL/alphabet.txt"), ALPHABET);
    assert_eq!(run("printf abc > alphabet.txt && wget -q -c URL/alphabet.txt && cat alphabet.txt"), ALPHABET);
    assert_eq!(
        run("wget -q -r -nH -np URL/deep/ && cat deep/er/file"),
        "deep",
        "the listing's links lead there"
    );
    let script = r#"
import http.client, os
c = http.client.HTTPConnection("127.0.0.1", int(os.environ["PORT"]))
for method, body in ("GET", None), ("GET", iter([b"in ", b"chunks"])), ("HEAD", None), ("POST", b"x"), ("GET", None):
    c.request(method, "/alphabet.txt", body=body, encode_chunked=True)
    r = c.getresponse()
    print(method, r.status, len(r.read()), r.will_close)
"#;
    let got = run(&format!("python3 - <<'END'{script}END"));
    let lines = ["GET 200 26 False", "GET 200 26 False", "HEAD 200 0 False"];
    assert_eq!(got.lines().take(3).collect::<Vec<_>>(), lines);
    assert!(got.lines().nth(3).unwrap().starts_with("POST 405 "), "{got}");
    assert_eq!(got.lines().nth(4), Some("GET 200 26 False"));
    server.stop_cleanly(&[]);
}

#[test]
fn a_browser_shows_our_site_its_style_and_its_picture() {
    if !can_run(installed("chromium"), "needs chromium") {
        return;
    }
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/site");
    let mut server = Program::socklab(&["web-server", "0", "--bind", "127.0.0.1", "--root", root]);
    let port = server.port();
    let browser = "chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
                   --disable-background-networking --disable-component-update --disable-sync \
                   --user-data-dir=profile --virtual-time-budget=5000 --dump-dom http://127.0.0.1:$PORT";
    let page = output(port, &format!("{browser}/"));
    assert!(page.contains("<h1>It works</h1>"), "{page}");
    let missing = output(port, &format!("{browser}/missing.html"));
    assert!(missing.contains("404 Not Found"), "{missing}");
    let ended = server.stop_cleanly(&[]);
    for wanted in [
        "\"GET / HTTP/1.1\" 200",
        "\"GET /style.css HTTP/1.1\" 200",
        "\"GET /pictures/request.svg HTTP/1.1\" 200",
        "\"GET /missing.html HTTP/1.1\" 404",
    ] {
        assert!(ended.out.iter().any(|line| line.contains(wanted)), "no {wanted} in {ended:#?}");
    }
}

#[test]
fn our_client_and_our_server_agree_about_every_file() {
    let site = site();
    let (server, port) = serve(&site, &["--quiet"]);
    let mut byte = 0u8;
    for size in [0, 1, 1023, 16_384, 16_385, 1_000_000] {
        let content: Vec<u8> = (0..size)
            .map(|_| {
                byte = byte.wrapping_mul(13).wrapping_add(7);
                byte
            })
            .collect();
        fs::write(site.0.join("root/file"), &content).unwrap();
        let saved = site.0.join("saved");
        let words = ["web-client", "127.0.0.1", &port.to_string(), "file", "-o", saved.to_str().unwrap()];
        assert_eq!(socklab(&words, b"").code, 0);
        assert_eq!(fs::read(&saved).unwrap(), content, "{size} bytes");
    }
    assert_eq!(http::ask(port, &get("/alphabet.txt", "")).text(), ALPHABET);
    server.stop_cleanly(&[]);
}
