//! Transcripts that are run: the `console` blocks of the pages and the scenes of `make demo`.
//!
//! A transcript names its terminals, for a lab has at least two:
//!
//! ```text
//! server$ socklab echo-server 0
//! listening on 127.0.0.1:40123 (tcp)
//! client$ socklab echo-client 127.0.0.1 {server}
//! Received 'Hello, world'
//! server^C
//! Connected 127.0.0.1:40124
//! served 1 client, at most 1 at once
//! ```
//!
//! | line | meaning |
//! |---|---|
//! | `NAME$ COMMAND` | run a command line of the shell in terminal NAME |
//! | `NAME> TEXT` | type a line there |
//! | `NAME^C`, `NAME^D` | press that key there: interrupt, or end the keyboard input |
//! | `NAME:` | look at that terminal again |
//! | anything else | what the terminal named last shows next, standard error included |
//! | `...` alone | lines that are left out |
//!
//! `{NAME}` in a command is the port that terminal NAME listens on. Lines are compared after
//! [`normal`] has taken out what differs from run to run: times, ports the system chose, the width of
//! a table's columns. All that a terminal shows must be in the transcript, and each program must have
//! ended at its end. A command waits until the one before it in the same terminal has ended; apart
//! from that, terminals are independent of each other.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a line, or the end of a program, is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What happens in a transcript, told while it runs: the terminal's name and the text.
pub enum Event<'a> {
    /// A command is started.
    Command(&'a str, &'a str),
    /// A line is typed, or a key (`^C`) pressed.
    Typed(&'a str, &'a str),
    /// A line is shown.
    Shown(&'a str, &'a str),
}

/// One terminal and the command it runs.
struct Terminal {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Lines may be left out before the next one that is expected.
    skipping: bool,
    port: Option<String>,
}

/// Runs one transcript in a scratch folder, with `socklab` (found in the folder `programs`) on the
/// PATH. Tells each event to `tell`. Errs with the first line that is not as written.
pub fn run(script: &str, programs: &Path, tell: &mut dyn FnMut(Event)) -> Result<(), String> {
    let mut at = 0;
    replay(script, programs, tell, &mut at).map_err(|why| format!("line {at} of the transcript: {why}"))
}

/// The same; `at` tells which line of the script is being played, counted from 1.
pub fn replay(
    script: &str,
    programs: &Path,
    tell: &mut dyn FnMut(Event),
    at: &mut usize,
) -> Result<(), String> {
    let scratch = Scratch::new();
    let mut terminals: HashMap<String, Terminal> = HashMap::new();
    let mut current = String::new();
    for line in script.lines() {
        *at += 1;
        if let Some((name, command)) = directive(line, "$ ") {
            if let Some(previous) = terminals.remove(name) {
                previous.end(name, tell)?;
            }
            let command = with_ports(command, &terminals)?;
            tell(Event::Command(name, &command));
            terminals.insert(name.to_string(), Terminal::start(&command, programs, &scratch.0));
            current = name.to_string();
            continue;
        }
        let (name, input) = match (directive(line, "> "), line.split_at_checked(line.len().saturating_sub(2)))
        {
            (Some((name, text)), _) => (name, text),
            (None, Some((name, key @ ("^C" | "^D")))) if is_name(name) => (name, key),
            (None, _) => match line.strip_suffix(':').filter(|name| is_name(name)) {
                Some(name) => (name, ""),
                None => {
                    let terminal = terminals.get_mut(&current);
                    terminal.ok_or(format!("{line:?} has no terminal"))?.expect(&current, line, tell)?;
                    continue;
                }
            },
        };
        let terminal = terminals.get_mut(name).ok_or(format!("there is no terminal {name}"))?;
        if !line.ends_with(':') || !input.is_empty() {
            tell(Event::Typed(name, input));
            terminal.press(input).map_err(|why| format!("cannot type {input:?} at {name}: {why}"))?;
        }
        current = name.to_string();
    }
    for (name, terminal) in terminals {
        terminal.end(&name, tell)?;
    }
    Ok(())
}

/// A line that begins with a terminal's name and `mark`.
fn directive<'a>(line: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    line.split_once(mark).filter(|(name, _)| is_name(name))
}

/// The name of a terminal: one short word of small letters and digits.
fn is_name(text: &str) -> bool {
    let small = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=12).contains(&text.len()) && text.bytes().all(small)
}

/// The command with each `{NAME}` replaced by the port of that terminal.
fn with_ports(command: &str, terminals: &HashMap<String, Terminal>) -> Result<String, String> {
    let mut filled = command.to_string();
    for (name, terminal) in terminals {
        let hole = format!("{{{name}}}");
        if filled.contains(&hole) {
            let port = terminal.port.as_ref().ok_or(format!("{name} has not said its port"))?;
            filled = filled.replace(&hole, port);
        }
    }
    Ok(filled)
}

impl Terminal {
    fn start(command: &str, programs: &Path, folder: &Path) -> Terminal {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("{{ {command}\n}} 2>&1"))
            .env("PATH", format!("{}:{path}", programs.display()))
            // `make EXERCISE` then runs this program instead of building another.
            .env("SOCKLAB", "socklab")
            // Under `make test` a make in a transcript would talk of itself as a part of that one.
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .env_remove("MFLAGS")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A group of its own, so that ^C reaches the shell and what it runs, and nothing else.
            .process_group(0)
            .spawn()
            .expect("a shell");
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().expect("piped"));
        thread::spawn(move || {
            for line in output.split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take();
        Terminal { child, input, lines, skipping: false, port: None }
    }

    /// Types a line, or presses `^C` or `^D`.
    fn press(&mut self, input: &str) -> std::io::Result<()> {
        match (input, &mut self.input) {
            ("^C", _) => self.signal("INT"),
            ("^D", input) => *input = None,
            (text, Some(input)) => writeln!(input, "{text}")?,
            (_, None) => return Err(std::io::ErrorKind::BrokenPipe.into()),
        }
        Ok(())
    }

    /// Waits for the line that the transcript has next.
    fn expect(&mut self, name: &str, wanted: &str, tell: &mut dyn FnMut(Event)) -> Result<(), String> {
        if wanted == "..." {
            self.skipping = true;
            return Ok(());
        }
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                return Err(format!("{name} should show\n    {wanted}\nbut shows nothing more"));
            };
            tell(Event::Shown(name, &line));
            if let Some(address) = line.strip_prefix("listening on ") {
                let port = address.split(' ').next().and_then(|address| address.rsplit_once(':'));
                self.port = self.port.take().or(port.map(|(_, port)| port.to_string()));
            }
            if normal(&line) == normal(wanted) {
                self.skipping = false;
                return Ok(());
            }
            if !self.skipping {
                return Err(format!("{name} should show\n    {wanted}\nbut shows\n    {line}"));
            }
        }
    }

    /// Waits for the program's end; it must not show anything that the transcript lacks.
    fn end(mut self, name: &str, tell: &mut dyn FnMut(Event)) -> Result<(), String> {
        self.input = None;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    tell(Event::Shown(name, &line));
                    if !self.skipping {
                        return Err(format!("{name} shows one line more:\n    {line}"));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => return Err(format!("{name} still runs at the end")),
            }
        }
    }

    fn signal(&self, signal: &str) {
        // The group is ours until the child is reaped, which only `drop` does.
        let kill = format!("kill -s {signal} -- -{} 2>/dev/null", self.child.id());
        let _ = Command::new("sh").arg("-c").arg(kill).status();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.signal("KILL");
        let _ = self.child.wait();
    }
}

/// A line without what differs from run to run: numbers with three or more decimals become `0.0`,
/// ports that the system chose (`:32768` to `:60999`) become `:0`, and several blanks between two
/// words, as tables have them, become one. What HTTP dates (`undated`) loses its date.
pub fn normal(line: &str) -> String {
    let line = &undated(line.trim_end());
    let indent = line.len() - line.trim_start().len();
    let words: Vec<&str> = line.split_whitespace().collect();
    let line = format!("{}{}", &line[..indent], words.join(" "));
    let mut result = String::new();
    let mut rest = line.as_str();
    while let Some(at) = rest.find(|character: char| character.is_ascii_digit()) {
        let (before, from_digit) = rest.split_at(at);
        result += before;
        let count = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, after) = from_digit.split_at(count(from_digit));
        let decimals = after.strip_prefix('.').map_or(0, count);
        let chosen = whole.parse().is_ok_and(|port: u32| (32_768..61_000).contains(&port));
        if decimals >= 3 {
            result += "0.0";
            rest = &after[1 + decimals..];
            continue;
        }
        result += if chosen && result.ends_with(':') { "0" } else { whole };
        rest = after;
    }
    result + rest
}

/// A line without the dates of HTTP: the value of a field that is or contains one, and the brackets
/// of the access log.
fn undated(line: &str) -> String {
    if let Some((name @ ("Date" | "Last-Modified" | "ETag"), _)) = line.split_once(": ") {
        return format!("{name}: …");
    }
    let brackets = line.find(" +0000]").and_then(|end| Some((line[..end].rfind('[')?, end)));
    match brackets {
        Some((start, end)) => format!("{}[…{}", &line[..start], &line[end + 6..]),
        None => line.to_string(),
    }
}

/// A folder that is removed again, with the project's `docs`, `src`, `tests` and `Makefile` linked into it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("socklab-{}-{number}", std::process::id()));
        fs::create_dir(&folder).expect("a scratch folder");
        for part in ["docs", "src", "tests", "Makefile"] {
            let target = Path::new(env!("CARGO_MANIFEST_DIR")).join(part);
            std::os::unix::fs::symlink(target, folder.join(part)).expect("a link");
        }
        Scratch(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
