//! What the tests of the web room share: a folder to serve, a server on it, and a client that knows
//! nothing of the code under test and shows every byte.

#![allow(dead_code)]

use std::fs::{self, File, FileTimes};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use crate::common::{Program, PATIENCE};

/// What alphabet.txt contains.
pub const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz";

/// When alphabet.txt was changed: 2 January 2024, 03:04:05.
pub const DATE: &str = "Tue, 02 Jan 2024 03:04:05 GMT";

/// What must never be sent: it stands in a file outside the root and in hidden ones.
pub const SECRET: &str = "s3cret-outside-the-root";

/// A folder that is removed again.
pub struct Folder(pub PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A new, empty folder.
pub fn folder() -> Folder {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("socklab-web-{}-{number}", std::process::id()));
    fs::create_dir(&path).unwrap();
    Folder(path)
}

/// A site with everything the tests ask for, below `root` in a folder that also holds a secret.
pub fn site() -> Folder {
    let top = folder();
    let root = top.0.join("root");
    for name in ["dir", "withindex", "deep/er", "<i>"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    let files = [
        ("alphabet.txt", ALPHABET),
        ("empty.txt", ""),
        ("a b.txt", "blank"),
        ("100%.txt", "percent"),
        ("page.html", "<p>page</p>"),
        ("sentinel", "still in step"),
        (".hidden", SECRET),
        ("dir/<b>&\"x.txt", "x"),
        ("dir/.secret", SECRET),
        ("withindex/index.html", "the index"),
        ("deep/er/file", "deep"),
        ("../secret", SECRET),
    ];
    for (name, content) in files {
        fs::write(root.join(name), content).unwrap();
    }
    symlink("alphabet.txt", root.join("link")).unwrap();
    symlink("../secret", root.join("out")).unwrap();
    symlink("/etc/passwd", root.join("passwd")).unwrap();
    symlink("..", root.join("dir/parent")).unwrap();
    symlink("../..", root.join("dir/above")).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg(root.join("fifo")).status().unwrap();
    assert!(fifo.success());
    // The socket's name stays when the listener goes.
    drop(UnixListener::bind(root.join("socket")).unwrap());
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_164_645);
    let times = FileTimes::new().set_modified(modified);
    for (name, _) in &files[..7] {
        File::options().write(true).open(root.join(name)).unwrap().set_times(times).unwrap();
    }
    top
}

/// A file of 64 MiB, far more than the socket's buffers hold, that takes no room on the disk. Returns its
/// size.
pub fn add_big_file(root: &Path) -> u64 {
    let size = 64 << 20;
    File::create(root.join("big")).unwrap().set_len(size).unwrap();
    size
}

/// A server on `folder/root`, and its port.
pub fn serve(folder: &Folder, more: &[&str]) -> (Program, u16) {
    let root = folder.0.join("root");
    let mut words = vec!["web-server", "0", "--bind", "127.0.0.1", "--root", root.to_str().unwrap()];
    words.extend(more);
    let mut server = Program::socklab(&words);
    let port = server.port();
    (server, port)
}

/// `GET target` with a Host and more field lines.
pub fn get(target: &str, lines: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n").into_bytes()
}

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// The head as text, from the status line to the last field, lines ended by a newline.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a field; it must not stand twice.
    pub fn field(&self, name: &str) -> Option<&str> {
        let named = |line: &'_ &str| {
            let known = line.split(':').next().unwrap_or_default();
            known.eq_ignore_ascii_case(name)
        };
        let mut found = self.head.lines().skip(1).filter(named);
        let line = found.next()?;
        assert!(found.next().is_none(), "{name} stands twice: {self:?}");
        Some(line.split_once(": ").expect("a colon and a blank").1)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection that sends what it is told and reads answers strictly.
pub struct Raw {
    pub stream: TcpStream,
    pending: Vec<u8>,
}

impl Raw {
    pub fn connect(port: u16) -> Raw {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Raw { stream, pending: Vec::new() }
    }

    /// Sends bytes. A server that has closed already cannot be sent to; its answer tells why.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Reads one answer; `to_head` says that it has no body. `None` at the end of the stream.
    pub fn answer(&mut self, to_head: bool) -> Option<Answer> {
        let end = loop {
            if let Some(end) = self.pending.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            if !self.more() {
                let rest = String::from_utf8_lossy(&self.pending).into_owned();
                assert!(rest.is_empty(), "the stream ends within a head: {rest:?}");
                return None;
            }
        };
        let head: Vec<u8> = self.pending.drain(..end + 4).collect();
        let head = String::from_utf8(head).expect("a head in ASCII");
        assert!(!head.replace("\r\n", "").contains(['\r', '\n']), "a bare line ending in {head:?}");
        let head = head.trim_end().replace("\r\n", "\n");
        let status = head.strip_prefix("HTTP/1.1 ").expect("HTTP/1.1").get(..3).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.field("Content-Length").map(|value| value.parse::<usize>().unwrap());
        if matches!(status, 204 | 304) || status < 200 {
            assert_eq!(length, None, "RFC 9110, 8.6: {answer:?}");
        } else if !to_head {
            let length = length.expect("every other answer says how long it is");
            while self.pending.len() < length {
                assert!(self.more(), "the body of {answer:?} is cut");
            }
            answer.body = self.pending.drain(..length).collect();
        }
        Some(answer)
    }

    /// Whether the stream has ended; anything else that comes is a failure.
    pub fn at_end(&mut self) -> bool {
        let ended = self.pending.is_empty() && !self.more();
        assert!(ended, "more came: {:?}", String::from_utf8_lossy(&self.pending));
        ended
    }

    /// Everything up to the end of the stream or a reset.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.pending)
    }

    /// Reads once; false at the end of the stream.
    fn more(&mut self) -> bool {
        let mut chunk = vec![0; 65536];
        match self.stream.read(&mut chunk) {
            Ok(count) => {
                self.pending.extend_from_slice(&chunk[..count]);
                count > 0
            }
            // A read with a timeout is not repeated by the kernel after a signal. See signal(7).
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => self.more(),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("the server is silent ({error}); so far: {:?}", self.pending),
        }
    }
}

/// One answer on a connection of its own.
pub fn ask(port: u16, request: &[u8]) -> Answer {
    let mut raw = Raw::connect(port);
    raw.send(request);
    raw.answer(request.starts_with(b"HEAD ")).expect("an answer")
}

/// A row of a table of probes: what is sent, the statuses expected, separated by commas and with a `c`
/// at the end if the server has to close, and what the last answer must show. A check is a line of the
/// head; `=text`, the whole body; `~text`, a part of it; or `!text`, what must be nowhere.
pub type Probe<'a> = (&'a str, Vec<u8>, &'a str, &'a [&'a str]);

/// Sends each probe on a connection of its own. Where the server must not close, one more request has
/// to be answered as if nothing had been before it: that finds every body taken for a request.
pub fn probe_all(port: u16, probes: &[Probe]) {
    let mut failures = String::new();
    for (name, request, expected, checks) in probes {
        let outcome = std::panic::catch_unwind(|| probe(port, request, expected, checks));
        if outcome.is_err() {
            failures +=
                &format!("\n{name}: {:?}", String::from_utf8_lossy(&request[..request.len().min(300)]));
        }
    }
    assert!(failures.is_empty(), "not as the RFC wants it:{failures}");
}

fn probe(port: u16, request: &[u8], expected: &str, checks: &[&str]) {
    let mut raw = Raw::connect(port);
    raw.send(request);
    let to_head = request.starts_with(b"HEAD ");
    let (statuses, closes) = match expected.strip_suffix('c') {
        Some(statuses) => (statuses, true),
        None => (expected, false),
    };
    let mut last = None;
    for status in statuses.split(',').filter(|status| !status.is_empty()) {
        let answer = raw.answer(to_head).unwrap_or_else(|| panic!("no answer, expected {status}"));
        assert_eq!(answer.status.to_string(), status, "{answer:?}");
        if answer.status >= 200 {
            assert!(answer.field("Date").is_some_and(|date| date.ends_with(" GMT")), "{answer:?}");
        }
        last = Some(answer);
    }
    for check in checks {
        let answer = last.as_ref().expect("an answer to check");
        let text = answer.text();
        match check.split_at(1) {
            ("=", wanted) => assert_eq!(text, wanted),
            ("~", wanted) => assert!(text.contains(wanted), "no {wanted:?} in {text}"),
            ("!", unwanted) => {
                assert!(
                    !text.contains(unwanted) && !answer.head.contains(unwanted),
                    "{unwanted:?} in {answer:?}"
                );
            }
            _ => assert!(answer.head.lines().any(|line| line == *check), "no {check:?} in {answer:?}"),
        }
    }
    if closes {
        raw.at_end();
    } else {
        raw.send(&get("/sentinel", ""));
        let answer = raw.answer(false).expect("the connection is still open");
        assert_eq!((answer.status, answer.text().as_str()), (200, "still in step"));
    }
}
