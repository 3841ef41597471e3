//! What the tests of the mail room share: a server with its mailbox, the client, an authority.

// Each test file uses a part of this.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::system::Folder;
use crate::common::{socklab, Ended, Program};

/// A running `mail-server` and its mailbox.
pub struct Server {
    pub program: Program,
    pub port: u16,
    pub scratch: Folder,
}

impl Server {
    /// On a free port, with these flags beside the usual ones.
    pub fn start(flags: &[&str]) -> Server {
        Server::start_in(Folder::new(), flags)
    }

    /// The same, with a scratch folder that already has something in it.
    pub fn start_in(scratch: Folder, flags: &[&str]) -> Server {
        let mailbox = scratch.path("mailbox");
        let mut program = Program::socklab(&[&["mail-server", "0", "--mailbox", &mailbox], flags].concat());
        let port = program.port();
        Server { program, port, scratch }
    }

    /// `localhost:PORT`.
    pub fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// Everything it has stored, in the order in which it came.
    pub fn stored(&self) -> Vec<Vec<u8>> {
        messages(&self.scratch.0.join("mailbox"))
    }
}

/// The messages in a Maildir.
pub fn messages(mailbox: &Path) -> Vec<Vec<u8>> {
    let files = fs::read_dir(mailbox.join("new")).expect("a Maildir");
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Sends a mail to `server` (HOST:PORT) with these flags beside sender and recipient.
pub fn send(server: &str, flags: &[&str]) -> Ended {
    send_typing(server, flags, b"")
}

/// The same with something on standard input.
pub fn send_typing(server: &str, flags: &[&str], input: &[u8]) -> Ended {
    let usual = ["mail-client", "--server", server, "--from", "ada@example.org", "--to", "bob@example.org"];
    socklab(&[&usual, flags].concat(), input)
}

/// Runs a Python program and returns what it prints; fails when it fails.
pub fn python(interpreter: &str, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(interpreter).args(["-c", program]).args(arguments).output().expect(interpreter);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program}\n{arguments:?}\n{out}\n{err}");
    out.into_owned()
}

/// An interpreter that has this module, if there is one.
pub fn python_with(module: &str) -> Option<&'static str> {
    let has = |interpreter: &&&str| {
        let import = Command::new(interpreter).args(["-c", &format!("import {module}")]).output();
        import.is_ok_and(|output| output.status.success())
    };
    ["python3", "/usr/bin/python3"].iter().find(has).copied()
}

/// A throw-away certificate authority and its certificates, by tests/peers/authority.sh.
pub fn authority() -> Folder {
    let scratch = Folder::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/authority.sh");
    let output = Command::new("sh").arg(script).arg(&scratch.0).output().expect("sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    scratch
}

/// A port of the loopback interface that nobody uses at this moment, for a program that cannot be asked
/// for a free one itself. It is below those that the kernel gives to clients.
pub fn free_port() -> u16 {
    let start = 20_000 + (std::process::id() % 10_000) as u16;
    let ports = (start..30_000).chain(20_000..start);
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.into_iter().find(is_free).expect("a free port")
}

/// A picture of one red point.
pub const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\0\0\0\
\x0cIDATx\x9cc\xf8\xcf\xc0\0\0\x03\x01\x01\0\xc9\xfe\x92\xef\0\0\0\0IEND\xaeB`\x82";
