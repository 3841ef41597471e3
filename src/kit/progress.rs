//! A progress bar on standard error, if that is a terminal; nothing at all if it is not.
//!
//! ```text
//! picture.png  [===============>              ]  51 %  5.1 MB of 10.0 MB
//! ```

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::screen::escape;

/// How often the line is drawn at most: more than an eye can follow would only cost time.
const PAUSE: Duration = Duration::from_millis(100);

/// How many characters the bar itself has.
const WIDTH: usize = 30;

/// The progress of one transfer.
#[derive(Debug)]
pub struct Progress {
    what: String,
    done: u64,
    total: Option<u64>,
    drawn: Option<Instant>,
    terminal: bool,
}

impl Progress {
    /// For a transfer of `total` bytes, or of a number that is not known beforehand. `what` is shown
    /// in front.
    pub fn new(what: &str, total: Option<u64>) -> Progress {
        let terminal = io::stderr().is_terminal();
        Progress { what: escape(what.as_bytes()), done: 0, total, drawn: None, terminal }
    }

    /// So many more bytes are done.
    pub fn advance(&mut self, count: u64) {
        self.done += count;
        if self.terminal && self.drawn.is_none_or(|drawn| drawn.elapsed() >= PAUSE) {
            self.draw("\r");
            self.drawn = Some(Instant::now());
        }
    }

    /// Draws the last state and leaves the line; call it also when the transfer has failed.
    pub fn finish(&mut self) {
        if self.terminal {
            self.draw("\r");
            let _ = io::stderr().write_all(b"\n");
        }
    }

    /// Writes the line over the one before. Nobody is to be told when even that fails.
    fn draw(&self, before: &str) {
        let line = format!("{before}{}\x1b[K", self.line());
        let _ = io::stderr().write_all(line.as_bytes());
    }

    fn line(&self) -> String {
        let done = size(self.done);
        let Some(total) = self.total else { return format!("{}  {done}", self.what) };
        // An empty transfer is complete from the start.
        let share = if total == 0 { 1.0 } else { (self.done as f64 / total as f64).min(1.0) };
        let full = (share * WIDTH as f64) as usize;
        let arrow = if full < WIDTH { ">" } else { "" };
        let bar = format!("{}{arrow}", "=".repeat(full));
        let percent = (share * 100.0) as u64;
        format!("{}  [{bar:WIDTH$}] {percent:3} %  {done} of {}", self.what, size(total))
    }
}

/// A number of bytes for people: `999 B`, `5.1 MB`; decimal units, as disks and networks count.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        // What would round to 1000.0 belongs to the next unit.
        if value < 999.95 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{value:.1} PB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(done: u64, total: Option<u64>) -> String {
        Progress { what: "f".to_string(), done, total, drawn: None, terminal: false }.line()
    }

    #[test]
    fn lines() {
        assert_eq!(line(0, Some(100)), "f  [>                             ]   0 %  0 B of 100 B");
        assert_eq!(line(50, Some(100)), "f  [===============>              ]  50 %  50 B of 100 B");
        assert_eq!(line(100, Some(100)), "f  [==============================] 100 %  100 B of 100 B");
        assert_eq!(line(0, Some(0)), "f  [==============================] 100 %  0 B of 0 B");
        assert_eq!(line(2_000_000, None), "f  2.0 MB");
    }

    #[test]
    fn sizes() {
        let table =
            [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB")];
        for (bytes, text) in table {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(size(u64::MAX), "18446.7 PB");
    }
}
