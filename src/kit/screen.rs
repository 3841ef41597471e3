//! What the user sees: the transcript on standard output, everything else on standard error.
//!
//! Text from the network goes through [`escape`] first. A terminal obeys control sequences, so a
//! peer whose bytes reach it unchanged can clear the screen, rewrite what stands there, or set the
//! window's title to something that looks like a prompt.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::error::Error;

/// Makes bytes from a peer safe to show: printable UTF-8 stays as it is, `\` is doubled, control
/// characters, characters that change line or writing direction, and bytes that are not UTF-8
/// become `\n`, `\t`, `\xNN` or `\u{…}`.
pub fn escape(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            escape_character(character, &mut shown);
        }
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// One character of [`escape`]. Writing to a `String` cannot fail.
fn escape_character(character: char, shown: &mut String) {
    match character {
        '\\' => shown.push_str("\\\\"),
        '\n' => shown.push_str("\\n"),
        '\t' => shown.push_str("\\t"),
        '\0'..='\x1f' | '\x7f' => {
            let _ = write!(shown, "\\x{:02x}", u32::from(character));
        }
        '\u{80}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        }
        printable => shown.push(printable),
    }
}

/// A file's name for a message: it may have come with a download, and may be any bytes but `/` and NUL.
pub fn file_name(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}

/// Prints one line of the transcript and flushes it, so that a reader at the other end of a pipe
/// sees it at once. `text` must already be escaped where it comes from a peer.
///
/// Errs with [`Error::OutputClosed`] when the reader has gone, and with the system's reason when the
/// line cannot be written, for instance to a full disk. Waits while it is a full pipe whose reader does
/// not read: a server whose transcript nobody takes stops serving.
pub fn say(text: &str) -> Result<(), Error> {
    let mut line = String::with_capacity(text.len() + 1);
    line.push_str(text);
    line.push('\n');
    payload(line.as_bytes())
}

/// The same for a line that the exercise can do without: a full disk is said on standard error, and the
/// client it is about is served all the same. Errs only with [`Error::OutputClosed`].
pub fn mention(text: &str) -> Result<(), Error> {
    match say(text) {
        Err(Error::Failed(why)) => note(&why),
        other => return other,
    }
    Ok(())
}

/// Writes bytes to standard output unchanged and flushes them. Errs as [`say`] does.
pub fn payload(bytes: &[u8]) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Error::OutputClosed),
        Err(error) => Err(Error::io("cannot write to standard output", &error)),
    }
}

/// Received bytes for standard output: unchanged into a file or a pipe, readable on a terminal,
/// where newlines and tabs work and all else is escaped as by [`escape`].
#[derive(Debug)]
pub struct Payload {
    terminal: bool,
    /// The beginning of a UTF-8 character whose end has not arrived yet; at most three bytes.
    unfinished: Vec<u8>,
}

impl Payload {
    /// For the standard output that this process has.
    pub fn new() -> Payload {
        Payload { terminal: io::stdout().is_terminal(), unfinished: Vec::new() }
    }

    /// Writes the next bytes. Errs as [`say`] does.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if !self.terminal {
            return payload(bytes);
        }
        payload(self.readable(bytes).as_bytes())
    }

    /// Writes what [`Payload::write`] has held back; call it after the last byte. Errs as [`say`].
    pub fn finish(&mut self) -> Result<(), Error> {
        payload(escape(&std::mem::take(&mut self.unfinished)).as_bytes())
    }

    /// The bytes as a terminal may have them; a character cut in two waits for its second half.
    fn readable(&mut self, bytes: &[u8]) -> String {
        let mut pending = std::mem::take(&mut self.unfinished);
        pending.extend_from_slice(bytes);
        self.unfinished = pending.split_off(pending.len() - unfinished_tail(&pending));
        let mut shown = String::with_capacity(pending.len());
        for (number, line) in pending.split(|&byte| byte == b'\n').enumerate() {
            if number > 0 {
                shown.push('\n');
            }
            for (number, field) in line.split(|&byte| byte == b'\t').enumerate() {
                if number > 0 {
                    shown.push('\t');
                }
                shown.push_str(&escape(field));
            }
        }
        shown
    }
}

/// How many bytes at the end are the beginning of a UTF-8 character, 0 to 3.
fn unfinished_tail(bytes: &[u8]) -> usize {
    let longest = bytes.len().min(3);
    let unfinished = |length: &usize| {
        // `error_len` is None exactly when the bytes are a beginning that more bytes could complete.
        let tail = std::str::from_utf8(&bytes[bytes.len() - length..]);
        tail.is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..=longest).find(unfinished).unwrap_or(0)
}

impl Default for Payload {
    fn default() -> Payload {
        Payload::new()
    }
}

/// Prints one line of diagnostics on standard error. When even that fails there is nobody left to
/// tell, so the failure is let go.
pub fn note(text: &str) {
    let line = format!("{text}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Shows a prompt on standard error, if a person sits at the keyboard.
pub fn prompt(text: &str) {
    if io::stdin().is_terminal() {
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_may_show_and_what_not() {
        let table: [(&[u8], &str); 12] = [
            (b"Hello, world", "Hello, world"),
            ("größer ≥ 3 🦀".as_bytes(), "größer ≥ 3 🦀"),
            (b"a\\b", "a\\\\b"),
            (b"one\ntwo\tthree", "one\\ntwo\\tthree"),
            (b"\r\x00\x07\x7f", "\\x0d\\x00\\x07\\x7f"),
            (b"\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
            ("\u{85}\u{9b}2J".as_bytes(), "\\u{85}\\u{9b}2J"),
            ("\u{2028}\u{202e}\u{2066}\u{2069}".as_bytes(), "\\u{2028}\\u{202e}\\u{2066}\\u{2069}"),
            (b"\xff\xfe", "\\xff\\xfe"),
            (b"\xc3(", "\\xc3("),
            (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
            (b"\xf0\x9f\xa6", "\\xf0\\x9f\\xa6"),
        ];
        for (bytes, shown) in table {
            assert_eq!(escape(bytes), shown);
        }
    }

    #[test]
    fn a_character_cut_in_two_arrives_whole_on_a_terminal() {
        let text = "ü≥🦀\n\tend\x1b".as_bytes();
        for cut in 0..=text.len() {
            let mut payload = Payload { terminal: true, unfinished: Vec::new() };
            let mut shown = payload.readable(&text[..cut]);
            shown += &payload.readable(&text[cut..]);
            assert_eq!(shown, "ü≥🦀\n\tend\\x1b", "cut at {cut}");
            assert!(payload.unfinished.is_empty());
        }
    }
}
