//! `web-server`: files and folders, limits of time, the log, and how it ends.

mod common;
#[path = "common/http.rs"]
mod http;

use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

use common::{can_run, installed, is_root, socklab, Program, PATIENCE};
use http::{add_big_file, ask, get, probe_all, serve, site, Probe, Raw, ALPHABET};

#[test]
fn every_spelling_of_the_way_out_is_refused() {
    let site = site();
    let (server, port) = serve(&site, &[]);
    let secret: &[&str] = &["!s3cret", "!root:"];
    let targets = [
        ("/../secret", "404"),
        ("/../../../../../../etc/passwd", "404"),
        ("/dir/../../secret", "404"),
        ("/%2e%2e/secret", "404"),
        ("/%2E%2e/secret", "404"),
        ("/.%2e/secret", "404"),
        ("/..%2fsecret", "404"),
        ("/..%2Fsecret", "404"),
        ("/dir%2f..%2f..%2fsecret", "404"),
        ("/..%5csecret", "404"),
        ("/..\\secret", "404"),
        ("/%252e%252e/secret", "404"),
        ("/....//secret", "404"),
        ("/..;/secret", "404"),
        ("/%c0%ae%c0%ae/secret", "404"),
        ("//etc/passwd", "404"),
        ("/%2fetc%2fpasswd", "404"),
        ("/.", "404"),
        ("/..", "404"),
        ("/./alphabet.txt", "404"),
        ("/dir/../alphabet.txt", "404"),
        ("http://a/../secret", "404"),
        ("/out", "404"),
        ("/passwd", "404"),
        ("/dir/above/secret", "404"),
        ("/dir/above/", "404"),
        ("/.hidden", "404"),
        ("/%2ehidden", "404"),
        ("/dir/.secret", "404"),
        ("/alphabet.txt%00.html", "400c"),
        ("/%00", "400c"),
        ("/%zz", "400c"),
        ("/%", "400c"),
        ("/%4", "400c"),
        ("/alphabet.txt/", "404"),
        ("/alphabet.txt/x", "404"),
        ("/fifo", "404"),
        ("/fifo/", "404"),
        ("/socket", "404"),
        ("/+", "404"),
        ("/missing", "404"),
    ];
    let long = format!("/{}", "x/".repeat(3000));
    let name = format!("/{}", "x".repeat(300));
    let more = [(long.as_str(), "404"), (name.as_str(), "404")];
    let probes: Vec<Probe> = targets
        .iter()
        .chain(&more)
        .map(|(target, verdict)| (*target, get(target, ""), *verdict, secret))
        .collect();
    probe_all(port, &probes);
    server.stop_cleanly(&[]);
}

#[test]
fn files_folders_and_links() {
    let site = site();
    let (server, port) = serve(&site, &[]);
    #[rustfmt::skip]
    let probes: Vec<Probe> = vec![
        ("a file", get("/alphabet.txt", ""), "200", &["=abcdefghijklmnopqrstuvwxyz", "Content-Type: text/plain; charset=utf-8", "X-Content-Type-Options: nosniff"]),
        ("an empty file", get("/empty.txt", ""), "200", &["=", "Content-Length: 0"]),
        ("a query", get("/alphabet.txt?x=%zz", ""), "200", &[]),
        ("a blank", get("/a%20b.txt", ""), "200", &["=blank"]),
        ("a percent sign", get("/100%25.txt", ""), "200", &["=percent"]),
        ("slashes collapse", get("//deep///er//file", ""), "200", &["=deep"]),
        ("a link that stays inside", get("/link", ""), "200", &["=abcdefghijklmnopqrstuvwxyz"]),
        ("a link up that stays inside", get("/dir/parent/alphabet.txt", ""), "200", &[]),
        ("a name we know no type of", get("/sentinel", ""), "200", &["Content-Type: application/octet-stream"]),
        ("index.html", get("/withindex/", ""), "200", &["=the index", "Content-Type: text/html; charset=utf-8"]),
        ("a folder without its slash", get("/dir", ""), "301", &["Location: /dir/"]),
        ("9110 10.2.2 with a query", get("/dir?x=1&y", ""), "301", &["Location: /dir/?x=1&y"]),
        ("an open redirect", get("//example.org/%2f..", ""), "404", &["!example.org"]),
        ("an open redirect, a folder that exists", get("//dir", ""), "301", &["Location: /dir/"]),
        ("a header in a redirect", get("/dir?x%0d%0aX-Evil:y", ""), "301", &["Location: /dir/?x%0d%0aX-Evil:y"]),
        ("a listing", get("/dir/", ""), "200", &["Content-Type: text/html; charset=utf-8", "~&lt;b&gt;&amp;&quot;x.txt", "~%3Cb%3E%26%22x.txt", "~parent/", "!<b>", "!.secret", "!above"]),
        ("a listing of a folder with an odd name", get("/%3Ci%3E/", ""), "200", &["~<title>/&lt;i&gt;/</title>"]),
        ("the listing of the root", get("/", ""), "200", &["~href=\"alphabet.txt\"", "~href=\"dir/\"", "!passwd", "!fifo", "!../"]),
        ("what is missing says so and does not repeat its name", get("/<script>", ""), "404", &["!script", "Content-Type: text/html; charset=utf-8"]),
    ];
    probe_all(port, &probes);
    server.stop_cleanly(&[]);
}

#[test]
fn what_the_server_may_not_read_is_403() {
    use std::os::unix::fs::PermissionsExt;
    let site = site();
    let root = site.0.join("root");
    fs::set_permissions(root.join("page.html"), fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = std::process::Command::new(common::SOCKLAB);
    if is_root() {
        // Root may read everything, so the server must be somebody else.
        if !can_run(installed("setpriv"), "needs setpriv") {
            return;
        }
        command = std::process::Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", common::SOCKLAB]);
    }
    command.args(["web-server", "0", "--bind", "127.0.0.1", "--root"]).arg(&root);
    let mut server = Program::start(command);
    let port = server.port();
    assert_eq!(ask(port, &get("/page.html", "")).status, 403);
    assert_eq!(ask(port, &get("/alphabet.txt", "")).status, 200);
    server.stop_cleanly(&[]);
}

#[test]
fn a_file_of_the_present_or_future_rfc_9110_8_8() {
    let site = site();
    let root = site.0.join("root");
    let (server, port) = serve(&site, &[]);
    fs::write(root.join("fresh"), "new").unwrap();
    let fresh = ask(port, &get("/fresh", ""));
    // It may change again within the same tick of the file system's clock.
    assert!(fresh.field("ETag").unwrap().starts_with("W/"), "{fresh:?}");
    let ahead = std::time::SystemTime::now() + Duration::from_secs(86_400);
    let file = File::options().write(true).open(root.join("fresh")).unwrap();
    file.set_modified(ahead).unwrap();
    let future = ask(port, &get("/fresh", ""));
    assert_eq!(future.field("Last-Modified"), future.field("Date"), "never later than Date");
    let before = ask(port, &get("/alphabet.txt", "")).field("ETag").unwrap().to_string();
    fs::write(root.join("alphabet.txt"), ALPHABET.to_uppercase()).unwrap();
    let after = ask(port, &get("/alphabet.txt", ""));
    assert_ne!(after.field("ETag").unwrap(), before);
    server.stop_cleanly(&[]);
}

#[test]
fn a_file_that_shrinks_ends_the_connection_and_one_that_grows_does_not_matter() {
    let site = site();
    let root = site.0.join("root");
    let size = add_big_file(&root) as usize;
    let (mut server, port) = serve(&site, &[]);

    let mut raw = Raw::connect(port);
    raw.send(&[get("/big", ""), get("/alphabet.txt", "")].concat());
    let mut first = [0; 1000];
    std::io::Read::read_exact(&mut raw.stream, &mut first).unwrap();
    File::options().write(true).open(root.join("big")).unwrap().set_len(1 << 20).unwrap();
    assert!(raw.rest().len() < size, "the rest is not made up, and nothing follows");
    server.wait_out("GET /big");

    add_big_file(&root);
    let mut raw = Raw::connect(port);
    raw.send(&get("/big", "Connection: close\r\n"));
    std::io::Read::read_exact(&mut raw.stream, &mut first).unwrap();
    File::options().append(true).open(root.join("big")).unwrap().write_all(b"more").unwrap();
    let head = String::from_utf8_lossy(&first).find("\r\n\r\n").unwrap() + 4;
    assert_eq!(raw.rest().len() + first.len(), head + size);
    server.stop_cleanly(&[]);
}

#[test]
fn silence_between_requests_and_within_them() {
    let site = site();
    let (server, port) = serve(&site, &["--idle", "1"]);
    let mut silent = Raw::connect(port);
    silent.at_end();
    let mut kept = Raw::connect(port);
    kept.send(&get("/alphabet.txt", ""));
    assert_eq!(kept.answer(false).unwrap().status, 200);
    kept.at_end();
    for beginning in [&b"GET / HT"[..], b"\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx"]
    {
        let mut raw = Raw::connect(port);
        raw.send(beginning);
        assert_eq!(raw.answer(false).expect("9110 15.5.9").status, 408);
        raw.at_end();
    }
    // A byte now and then does not help: the limit counts from the first one.
    let mut slow = Raw::connect(port);
    let begun = Instant::now();
    slow.stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut byte = [0];
    while std::io::Read::read(&mut slow.stream, &mut byte).is_err() {
        slow.send(b"G");
        assert!(begun.elapsed() < PATIENCE, "a slow head is not ended");
    }
    server.stop_cleanly(&[]);
}

#[test]
fn a_reader_that_stops_is_let_go_and_a_slow_one_is_not() {
    let site = site();
    let size = add_big_file(&site.0.join("root"));
    let (mut server, port) = serve(&site, &["--idle", "1"]);
    let mut stalled = Raw::connect(port);
    stalled.send(&get("/big", ""));
    let line = server.wait_out("GET /big");
    let sent: u64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
    assert!(sent > 0 && sent < size, "{line}");

    // 2 MiB a second is slow enough for the buffers to be full all the time.
    let mut slow = Raw::connect(port);
    slow.send(&get("/big", "Range: bytes=0-8388607\r\nConnection: close\r\n"));
    let (mut received, mut chunk) = (0, vec![0; 256 * 1024]);
    loop {
        let count = match std::io::Read::read(&mut slow.stream, &mut chunk) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            count => count.unwrap(),
        };
        if count == 0 {
            break;
        }
        received += count;
        std::thread::sleep(Duration::from_millis(100) * count as u32 / chunk.len() as u32);
    }
    assert!(received > 8 << 20, "{received} bytes of 8 MiB");
    drop(stalled);
    server.stop_cleanly(&[]);
}

#[test]
fn the_log_and_the_totals() {
    let site = site();
    let (mut server, port) = serve(&site, &[]);
    let table = [
        (get("/alphabet.txt?\"\x1b[2J", ""), r#""GET /alphabet.txt?\"\x1b[2J HTTP/1.1" 400 "#),
        (get("/alphabet.txt?\"", ""), r#""GET /alphabet.txt?\" HTTP/1.1" 200 26"#),
        (b"HEAD /alphabet.txt HTTP/1.0\r\n\r\n".to_vec(), r#""HEAD /alphabet.txt HTTP/1.0" 200 0"#),
        (get("/alphabet.txt", "Range: bytes=1-3\r\n"), r#""GET /alphabet.txt HTTP/1.1" 206 3"#),
    ];
    for (request, wanted) in table {
        ask(port, &request);
        // The answer goes out before its line is written.
        let line = server.wait_out("127.0.0.1 - - [");
        let (date, rest) = line["127.0.0.1 - - [".len()..].split_once("] ").unwrap();
        assert!(rest.starts_with(wanted), "{line}\n{wanted}");
        assert_eq!(date.len(), "21/Nov/2026:09:49:53 +0000".len(), "{line}");
    }
    let ended = server.stop_cleanly(&[]);
    assert!(ended.err.last().unwrap().starts_with("served 4 requests with "), "{ended:?}");

    let (mut quiet, port) = serve(&site, &["--quiet"]);
    ask(port, &get("/alphabet.txt", ""));
    quiet.signal("INT");
    assert!(quiet.finish().out.is_empty());
}

#[test]
fn a_log_that_cannot_be_written_does_not_end_the_service() {
    let site = site();
    let root = site.0.join("root");
    let mut command = std::process::Command::new("sh");
    let line = format!(
        "exec {} web-server 0 --bind 127.0.0.1 --root {} >/dev/full",
        common::SOCKLAB,
        root.display()
    );
    command.arg("-c").arg(line);
    let mut server = Program::start(command);
    let port = server.port();
    for _ in 0..3 {
        assert_eq!(ask(port, &get("/alphabet.txt", "")).status, 200);
    }
    server.stop_cleanly(&["going on without the access log"]);
}

#[test]
fn a_download_under_way_is_finished_when_the_server_is_asked_to_stop() {
    let site = site();
    let size = add_big_file(&site.0.join("root")) as usize;
    let (mut server, port) = serve(&site, &[]);
    let mut raw = Raw::connect(port);
    raw.send(&get("/big", ""));
    let mut first = [0; 1000];
    std::io::Read::read_exact(&mut raw.stream, &mut first).unwrap();
    server.signal("INT");
    assert!(raw.rest().len() + first.len() > size);
    assert_eq!(server.finish().code, 0);
}

#[test]
fn wrong_usage_and_a_root_that_is_none() {
    let ended = socklab(&["web-server", "0", "--root", "/missing/folder"], b"");
    assert_eq!(ended.code, 1);
    let line = "socklab web-server: cannot serve the folder /missing/folder: No such file or directory";
    assert_eq!(ended.err, [line]);
    let ended = socklab(&["web-server", "99999"], b"");
    assert_eq!(ended.code, 2);
    let help = socklab(&["web-server", "--help"], b"").out.join("\n");
    for word in ["--one-at-a-time", "request line 8192 bytes", "(default 15)", "--root FOLDER"] {
        assert!(help.contains(word), "no {word} in\n{help}");
    }
}

#[test]
fn it_listens_on_ipv6_too() {
    let site = site();
    let root = site.0.join("root");
    let mut server =
        Program::socklab(&["web-server", "0", "--bind", "::1", "--root", root.to_str().unwrap()]);
    let port = server.port();
    let ended = socklab(&["web-client", "[::1]", &port.to_string(), "alphabet.txt"], b"");
    assert_eq!(ended.out.last().map(String::as_str), Some(ALPHABET));
    server.wait_out("::1 - - [");
    server.stop_cleanly(&[]);
}
