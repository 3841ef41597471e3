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
//! Limits: the bytes are handed to the kernel, not forced onto the disk (`fsync`), so a power cut loses
//! the last seconds.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::reading::Reading;
use crate::kit::error::Error;

/// The first line.
pub const HEADING: &str = "time,peer,transport,device,seq,kind,value,unit";

/// An open log.
#[derive(Debug)]
pub struct Log {
    file: File,
    /// A regular file can be measured and shortened; `/dev/stdout` or a pipe cannot.
    regular: bool,
    /// What has to stand before the next line: the heading, or the newline that a crash left out.
    owed: String,
}

impl Log {
    /// Opens a log to append to, or begins one. Errs for a file that is none of ours.
    pub fn open(path: &Path) -> Result<Log, Error> {
        let cannot = |why| Error::io(format!("cannot open the log {}", path.display()), &why);
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(cannot)?;
        let about = file.metadata().map_err(cannot)?;
        let mut owed = format!("{HEADING}\n");
        if about.is_file() && about.len() > 0 {
            let mut beginning = Vec::new();
            let length = about.len().min(owed.len() as u64);
            (&file).take(length).read_to_end(&mut beginning).map_err(cannot)?;
            if beginning != owed.as_bytes() {
                let path = path.display();
                return Err(Error::Failed(format!(
                    "{path} is no log of readings: its first line is not {HEADING}"
                )));
            }
            let mut last = [0];
            file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).map_err(cannot)?;
            owed = if last == *b"\n" { String::new() } else { "\n".to_string() };
        }
        Ok(Log { file, regular: about.is_file(), owed })
    }

    /// Writes what is owed: the heading of a new log, so that it is there before the first reading.
    pub fn begin(&mut self) -> io::Result<()> {
        self.append("")
    }

    /// Appends lines, each with its newline, as a whole. After an error none of them is in the file.
    pub fn append(&mut self, lines: &str) -> io::Result<()> {
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

/// One line, with its newline. `time` is the server's, as `kit::clock` writes it.
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
        fs::write(&path, "root:x:0:0\n").unwrap();
        assert!(Log::open(&path).unwrap_err().to_string().contains("is no log of readings"));
        fs::remove_file(&path).unwrap();
    }
}
