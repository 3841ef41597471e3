//! What every test drives the real binary with.
//!
//! [`Program`] owns a child process: it collects what the child prints, line by line, so that a test
//! waits for an event and never for a time; and it kills the child by its handle on every way out.
//! When a test fails, the story of its programs (what was started and what they printed) is shown.

// Each test file is a crate of its own and uses a part of this.
#![allow(dead_code)]

pub mod chat;
pub mod clients;
pub mod lab;
pub mod netns;
pub mod script;
pub mod system;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{channel, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for something that should happen at once, or for a program's end. Generous: the
/// machine may be slow and busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test.
pub const SOCKLAB: &str = env!("CARGO_BIN_EXE_socklab");

/// Which of its two outputs a child wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A running child process.
pub struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<(Stream, Vec<u8>)>,
    /// Every line so far, without its newline.
    out: Vec<String>,
    err: Vec<String>,
    /// How many of them `wait_out` and `wait_err` have passed.
    seen: [usize; 2],
    status: Option<ExitStatus>,
}

/// How a program ended and everything it printed.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; 128 + the signal's number if it was killed by one.
    pub code: i32,
    /// The lines of standard output.
    pub out: Vec<String>,
    /// The lines of standard error.
    pub err: Vec<String>,
}

impl Program {
    /// Starts `socklab` with the given words.
    pub fn socklab<S: AsRef<OsStr>>(words: &[S]) -> Program {
        let mut command = Command::new(SOCKLAB);
        command.args(words);
        Program::start(command)
    }

    /// Starts any command, with all three of its streams in our hands.
    pub fn start(mut command: Command) -> Program {
        let name = format!("{command:?}").replace(SOCKLAB, "socklab").replace('"', "");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let (sender, lines) = channel();
        let streams: [(Stream, Box<dyn Read + Send>); 2] = [
            (Stream::Out, Box::new(child.stdout.take().unwrap())),
            (Stream::Err, Box::new(child.stderr.take().unwrap())),
        ];
        for (which, stream) in streams {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                let mut line = Vec::new();
                while stream.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                    if line.last() == Some(&b'\n') {
                        line.pop();
                    }
                    if sender.send((which, std::mem::take(&mut line))).is_err() {
                        return;
                    }
                }
            });
        }
        let input = child.stdin.take();
        let (out, err, seen, status) = (Vec::new(), Vec::new(), [0, 0], None);
        Program { name, child, input, lines, out, err, seen, status }
    }

    /// The process's number, to look it up in `/proc`.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The port of the next `listening on` line; the line must look as the contract says.
    pub fn port(&mut self) -> u16 {
        let line = self.wait_err("listening on ");
        let (address, protocol) = line["listening on ".len()..].rsplit_once(' ').expect("ADDR:PORT (tcp)");
        assert!(protocol == "(tcp)" || protocol == "(udp)", "{line}");
        address.rsplit_once(':').expect("a port").1.parse().expect("a port number")
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        self.type_bytes(format!("{line}\n").as_bytes());
    }

    /// Types bytes. A program that has gone cannot be typed to; what it said tells why.
    pub fn type_bytes(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("its standard input is still open");
        let _ = input.write_all(bytes).and_then(|()| input.flush());
    }

    /// Ends the program's standard input: Ctrl-D.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// Sends a signal by name ("INT", "TERM", "STOP", …) to this child and no other process.
    pub fn signal(&mut self, name: &str) {
        // std can only send SIGKILL; the shell has the rest. The number stays the child's until it is
        // reaped, which only `finish` and `drop` do.
        let kill = Command::new("sh").arg("-c").arg(format!("kill -s {name} {}", self.pid())).status();
        assert!(kill.is_ok_and(|status| status.success()), "cannot send SIG{name} to {}", self.name);
    }

    /// Waits for the next line of standard output that contains `text` and returns it; lines before
    /// it are passed over.
    pub fn wait_out(&mut self, text: &str) -> String {
        self.wait(Stream::Out, text)
    }

    /// The same for standard error.
    pub fn wait_err(&mut self, text: &str) -> String {
        self.wait(Stream::Err, text)
    }

    fn wait(&mut self, which: Stream, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lines = if which == Stream::Out { &self.out } else { &self.err };
            let fresh = lines[self.seen[which as usize]..].iter();
            if let Some((number, line)) = fresh.enumerate().find(|(_, line)| line.contains(text)) {
                let line = line.clone();
                self.seen[which as usize] += number + 1;
                return line;
            }
            if !self.collect(deadline) {
                panic!("{} never said {text:?}", self.name);
            }
        }
    }

    /// Waits for one more line; false at the end of both outputs or after the deadline.
    fn collect(&mut self, deadline: Instant) -> bool {
        let Ok((which, line)) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        else {
            return false;
        };
        let lines = if which == Stream::Out { &mut self.out } else { &mut self.err };
        lines.push(String::from_utf8_lossy(&line).into_owned());
        true
    }

    /// Ends the standard input, waits for the program to end by itself, and returns what it said.
    pub fn finish(mut self) -> Ended {
        use std::os::unix::process::ExitStatusExt;
        self.end_input();
        let deadline = Instant::now() + PATIENCE;
        while self.collect(deadline) {}
        // Both outputs have ended, so the exit is a moment away.
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                break status;
            }
            assert!(Instant::now() < deadline, "{} does not end", self.name);
            thread::sleep(Duration::from_millis(1));
        };
        self.status = Some(status);
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Ended { code, out: std::mem::take(&mut self.out), err: std::mem::take(&mut self.err) }
    }

    /// Interrupts a server, and asserts that it ended as the contract says: exit code 0, a last line
    /// that says what it served, and nothing on standard error but that, the ready line, and lines
    /// that contain one of `expected`.
    pub fn stop_cleanly(mut self, expected: &[&str]) -> Ended {
        self.signal("INT");
        self.end_cleanly(expected)
    }

    /// The same for a server that has been signalled already.
    pub fn end_cleanly(self, expected: &[&str]) -> Ended {
        let ended = self.finish();
        assert_eq!(ended.code, 0, "{ended:#?}");
        let usual = ["listening on ", "served ", "received "];
        for line in &ended.err {
            let known = usual.iter().any(|beginning| line.starts_with(beginning));
            let known = known || expected.iter().any(|text| line.contains(text));
            assert!(known, "unexpected on standard error: {line}\n{ended:#?}");
        }
        let last = ended.err.last().expect("a last line");
        assert!(last.starts_with("served ") || last.starts_with("received "), "{ended:#?}");
        ended
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.status.is_some() {
            return;
        }
        if thread::panicking() {
            while self.collect(Instant::now() + Duration::from_millis(100)) {}
            eprintln!(
                "--- {}\nstdout: {:#?}\nstderr: {:#?}",
                self.name,
                ending(&self.out),
                ending(&self.err)
            );
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last lines of an output, none of them endless: enough for the story of a failed test.
fn ending(lines: &[String]) -> Vec<String> {
    let last = &lines[lines.len().saturating_sub(30)..];
    last.iter().map(|line| line.chars().take(300).collect()).collect()
}

/// Runs `socklab` to its end with the given standard input.
pub fn socklab<S: AsRef<OsStr>>(words: &[S], input: &[u8]) -> Ended {
    let mut program = Program::socklab(words);
    program.type_bytes(input);
    program.finish()
}

/// Tries what a slow moment of the machine can spoil: the unframed programs take two pieces for one reply
/// only when no more than 50 ms lie between them. Fails if no attempt of ten gives what is wanted.
pub fn once_in_ten(wanted: &str, mut attempt: impl FnMut() -> String) {
    let seen: Vec<String> = (0..10).map_while(|_| Some(attempt()).filter(|seen| seen != wanted)).collect();
    assert!(seen.len() < 10, "wanted {wanted:?}, but saw {seen:?}");
}

/// Whether a test may run: true when `available`; otherwise prints `skipped: why`, or fails where
/// `SOCKLAB_REQUIRE_ALL=1` says that everything must run. Use: `if !can_run(…) { return; }`.
pub fn can_run(available: bool, why: &str) -> bool {
    if available {
        return true;
    }
    let required = std::env::var_os("SOCKLAB_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!required, "SOCKLAB_REQUIRE_ALL=1, but this test cannot run: {why}");
    // Not eprintln: the harness keeps that back, and a skip should be seen.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
    false
}

/// Whether a program is on the PATH.
pub fn installed(program: &str) -> bool {
    let found = Command::new("sh").arg("-c").arg(format!("command -v {program}")).output();
    found.is_ok_and(|output| output.status.success())
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
