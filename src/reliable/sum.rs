//! The SHA-256 of a file while it passes by: a number of 256 bits by which two files are told apart.
//!
//! Each datagram has a CRC-32, which finds an accident on the way; one that happens beside it (a disk, a
//! memory cell, a mistake in this program) it cannot see. So the whole file is summed up at both ends, and the
//! sums are compared. How such a sum is made is no lesson about sockets, and every Linux has a program for it
//! that was tested by more people than this one will ever be:
//!
//! ```text
//! the file's bytes ──▶ standard input │ sha256sum │ standard output ──▶ 64 hexadecimal digits
//! ```
//!
//! It ends when its input does. So it also ends when this process does, however that comes about, and it is
//! killed when nobody wants the sum any more. Ctrl-C does not reach it, for it may be that this process still
//! has something to say to the peer, and then a broken pipe would be said instead.
//!
//! Limits: it is waited for. That takes the time in which it reads what a pipe holds, 64 KiB.

use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::parcel::Sum;
use crate::kit::error::Error;
use crate::kit::screen::escape;

/// The program, of the package coreutils.
const PROGRAM: &str = "sha256sum";

/// A sum in the making.
#[derive(Debug)]
pub struct Summing {
    /// `None` once the sum has been asked for.
    child: Option<Child>,
}

impl Summing {
    /// The sum of nothing so far. Errs when there is no `sha256sum`.
    pub fn start() -> Result<Summing, Error> {
        Summing::with(PROGRAM)
    }

    fn with(program: &str) -> Result<Summing, Error> {
        let mut command = Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A process group of its own: a terminal sends Ctrl-C to the group in its foreground.
        let child = command.process_group(0).spawn().map_err(|why| match why.kind() {
            ErrorKind::NotFound => Error::Failed(format!(
                "{program} is missing: install it, on Debian `apt-get install coreutils`"
            )),
            _ => Error::io(format!("cannot run {program}"), &why),
        })?;
        Ok(Summing { child: Some(child) })
    }

    /// More bytes. Errs when the program reads no more.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let stdin = self.child.as_mut().and_then(|child| child.stdin.as_mut());
        let written = stdin.ok_or(ErrorKind::BrokenPipe.into()).and_then(|stdin| stdin.write_all(bytes));
        // Whatever it complains of, it says so at the end.
        written.or_else(|why| match why.kind() {
            ErrorKind::BrokenPipe => self.finish().map(drop),
            _ => Err(why.into()),
        })
    }

    /// The sum of all bytes. Can be asked for once.
    pub fn finish(&mut self) -> Result<Sum, Error> {
        let failed = |why: &str| Error::Failed(format!("{PROGRAM} failed: {why}"));
        let child = self.child.take().ok_or_else(|| failed("it has ended already"))?;
        // Closes its input first, and then reads both outputs at once: neither can fill up and hold it.
        let output =
            child.wait_with_output().map_err(|why| Error::io(format!("cannot read from {PROGRAM}"), &why))?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            let complaint =
                complaint.lines().next().map_or(output.status.to_string(), |line| escape(line.as_bytes()));
            return Err(failed(&complaint));
        }
        read(&output.stdout).ok_or_else(|| failed("it wrote no sum"))
    }
}

impl Drop for Summing {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended already. Waited for in either case, or its entry would stay in the kernel's table.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The sum at the beginning of what `sha256sum` prints.
fn read(printed: &[u8]) -> Option<Sum> {
    let digits = std::str::from_utf8(printed.get(..64)?).ok()?;
    let mut sum = Sum::default();
    for (place, byte) in sum.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    (hex(&sum) == digits).then_some(sum)
}

/// A sum as `sha256sum` prints it.
pub fn hex(sum: &Sum) -> String {
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(bytes: &[u8]) -> String {
        let mut summing = Summing::start().unwrap();
        for piece in bytes.chunks(1_399) {
            summing.add(piece).unwrap();
        }
        hex(&summing.finish().unwrap())
    }

    /// FIPS 180-2, appendix B; and more than a pipe holds.
    #[test]
    fn the_published_examples() {
        assert_eq!(sum(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(sum(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let million = sum(&vec![b'a'; 1_000_000]);
        assert_eq!(million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }

    #[test]
    fn a_missing_program_and_one_that_fails_are_told_in_a_line() {
        let missing = Summing::with("no-such-program").unwrap_err().to_string();
        assert!(missing.contains("missing") && missing.contains("apt-get install coreutils"), "{missing}");
        // `false` reads nothing, prints nothing, and fails.
        let mut failing = Summing::with("false").unwrap();
        let why = loop {
            if let Err(why) = failing.add(&[0; 65_536]) {
                break why.to_string();
            }
        };
        assert_eq!(why, "sha256sum failed: exit status: 1");
        assert!(failing.finish().is_err());
        let nothing = Summing::with("true").unwrap().finish().unwrap_err().to_string();
        assert_eq!(nothing, "sha256sum failed: it wrote no sum");
    }

    #[test]
    fn what_nobody_waits_for_is_killed() {
        let summing = Summing::start().unwrap();
        let process = format!("/proc/{}", summing.child.as_ref().unwrap().id());
        assert!(std::path::Path::new(&process).exists());
        drop(summing);
        assert!(!std::path::Path::new(&process).exists());
    }

    #[test]
    fn only_a_sum_is_read_as_one() {
        let printed = format!("{}  -\n", "0f".repeat(32));
        assert_eq!(read(printed.as_bytes()), Some([0x0f; 32]));
        for wrong in ["", "0f", &"0F".repeat(32), &"+f".repeat(32), &"0g".repeat(32), &"é".repeat(32)] {
            assert_eq!(read(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
