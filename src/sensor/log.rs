//! The log: readings as lines of CSV (RFC 4180), appended to a file.
//!
//! ```text
//! time,peer,transport,device,seq,kind,value,unit
//! 1763715600.000123,127.0.0.1:40000,tcp,7,1,temperature,21.5,Cel
//! ```
//!
//! A line is whole or not there at all: it is written with one call, and if the disk has room for half
//! of it only, that half is taken back. A failure is the caller's to answer, because a sensor that is
//! told "stored" will not send the reading again.
//!
//! A log that is moved away or removed while the server runs (`logrotate` does so each night) is begun
//! anew under its name: readings written into a file without a name would be lost, though acknowledged.
//!
//! Limits: a log that is a pipe whose reader does not read stops the server once the pipe is full. The bytes are handed to the kernel, not forced onto the disk (`fsync`), so a power cut loses
//! the last seconds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::reading::Reading;
use crate::kit::error::Error;
use crate::kit::screen;

/// The first line.
pub const HEADING: &str = "time,peer,transport,device,seq,kind,value,unit";

/// An open log.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    /// A regular file can be measured and shortened; `/dev/stdout` or a pipe cannot.
    regular: bool,
    /// What has to stand before the next line: the heading, or the newline that a crash left out.
    owed: String,
}

impl Log {
    /// Opens a log to append to, or begins one. Errs for a file that is none of ours.
    pub fn open(path: &Path) -> Result<Log, Error> {
        Log::begin_at(path)
            .map_err(|why| Error::io(format!("cannot open the log {}", screen::file_name(path)), &why))
    }

    /// The same, with the system's error.
    fn begin_at(path: &Path) -> io::Result<Log> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let about = file.metadata()?;
        let mut owed = format!("{HEADING}\n");
        if about.is_file() && about.len() > 0 {
            let mut beginning = Vec::new();
            let length = about.len().min(owed.len() as u64);
            (&file).take(length).read_to_end(&mut beginning)?;
            if beginning != owed.as_bytes() {
                let why = format!("it is no log of readings: its first line is not {HEADING}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            let mut last = [0];
            file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last))?;
            owed = if last == *b"\n" { String::new() } else { "\n".to_string() };
        }
        Ok(Log { path: path.to_path_buf(), file, regular: about.is_file(), owed })
    }

    /// Opens the log again if its name is no longer that of the open file; begins it again if it has
    /// been emptied.
    fn follow(&mut self) -> io::Result<()> {
        let open = self.file.metadata()?;
        let named = fs::metadata(&self.path);
        let same = named.is_ok_and(|named| (named.dev(), named.ino()) == (open.dev(), open.ino()));
        if !same {
            *self = Log::begin_at(&self.path)?;
        } else if open.len() == 0 {
            self.owed = format!("{HEADING}\n");
        }
        Ok(())
    }

    /// Writes what is owed: the heading of a new log, so that it is there before the first reading.
    pub fn begin(&mut self) -> io::Result<()> {
        self.append("")
    }

    /// Appends lines, each with its newline, as a whole. After an error none of them is in the file.
    pub fn append(&mut self, lines: &str) -> io::Result<()> {
        if self.regular {
            self.follow()?;
        }
        let bytes = format!("{}{lines}", self.owed);
        let before = self.file.metadata()?.len();
        let written = self.file.write_all(bytes.as_bytes());
        if written.is_err() && self.regular {
            // If even this fails, the next line is at least kept apart from the torn one.
            if self.file.set_len(before).is_err() && !self.owed.starts_with('\n') {
                self.owed.insert(0, '\n');
            }
        }
        written?;
        self.owed.clear();
        Ok(())
    }
}

/// One line, with its newline. `time` is the server's, in seconds since 1970, as [`super::stamp::text`] writes it.
pub fn line(
    time: &str,
    peer: &str,
    transport: &str,
    device: u32,
    sequence: u32,
    reading: &Reading,
) -> String {
    let (kind, unit) = (reading.kind_name(), reading.unit_name());
    let value = quoted(&reading.value_text(), reading.number().is_none());
    format!("{time},{peer},{transport},{device},{sequence},{kind},{value},{unit}\n")
}

/// A field as CSV has it. A text that begins like a formula gets an apostrophe in front: a
/// spreadsheet that opens the log would otherwise run what a sensor sent.
fn quoted(text: &str, is_text: bool) -> String {
    let formula = is_text && text.starts_with(['=', '+', '-', '@']);
    let text = format!("{}{text}", if formula { "'" } else { "" });
    if text.contains([',', '"']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::reading::Value;
    use super::*;
    use std::fs;

    #[test]
    fn values_that_csv_could_mistake() {
        for (text, field) in [
            ("ok", "ok"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "two\\nlines"),
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            ("größer", "größer"),
        ] {
            let reading = Reading { kind: 8, unit: 0, value: Value::Text(text.to_string()) };
            let line = line("1.000000", "[::1]:9", "udp", 7, 3, &reading);
            assert_eq!(line, format!("1.000000,[::1]:9,udp,7,3,status,{field},\n"));
        }
        let reading = Reading { kind: 5, unit: 5, value: Value::Signed(-7) };
        assert!(line("0", "p", "tcp", 1, 1, &reading).ends_with(",battery,-7,mV\n"));
    }

    #[test]
    fn a_log_goes_on_where_it_was_and_mends_a_torn_line() {
        let path = std::env::temp_dir().join(format!("socklab-log-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        let mut log = Log::open(&path).unwrap();
        log.begin().unwrap();
        log.append("one\n").unwrap();
        drop(log);
        Log::open(&path).unwrap().append("two\n").unwrap();
        fs::write(&path, format!("{}torn", fs::read_to_string(&path).unwrap())).unwrap();
        Log::open(&path).unwrap().append("three\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEADING}\none\ntwo\ntorn\nthree\n"));

        // Emptied, moved away, removed: each time a log of its own.
        let mut log = Log::open(&path).unwrap();
        let moved = path.with_extension("1");
        let changes: [&dyn Fn(); 3] =
            [&|| fs::write(&path, "").unwrap(), &|| fs::rename(&path, &moved).unwrap(), &|| {
                fs::remove_file(&path).unwrap()
            }];
        for change in changes {
            change();
            log.append("four\n").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEADING}\nfour\n"));
        }
        fs::remove_file(&moved).unwrap();
        fs::write(&path, "root:x:0:0\n").unwrap();
        assert!(Log::open(&path).unwrap_err().to_string().contains("is no log of readings"));
        fs::remove_file(&path).unwrap();
    }
}
