//! A Maildir: a folder with one file a message, in which nothing acknowledged is lost. See maildir(5).
//!
//! ```text
//! mailbox/tmp   a message that is being written
//! mailbox/new   a message that is complete, not yet seen by a mail reader
//! mailbox/cur   where mail readers (mutt, Dovecot, Python's mailbox.Maildir) move it then
//! ```
//!
//! A server that says 250 has taken the message over, and the sender forgets it. So, in this order:
//!
//! 1. write the file in `tmp`, under a name that no other message has;
//! 2. `fsync` the file: its bytes are on the disk, not only in the kernel's memory;
//! 3. rename it into `new`: other programs see all of it or nothing;
//! 4. `fsync` the folder `new`: its new entry is on the disk as well;
//! 5. only now say 250.
//!
//! A crash before 5 leaves the sender without a reply, and it sends the message again: a message may
//! arrive twice, and never not at all.
//!
//! Lines end with a bare newline in the file, as files do here; CR LF is for the wire.
//!
//! Limits: what a crash leaves in `tmp` stays there; mail readers remove it after 36 hours.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::kit::error::Error;
use crate::kit::screen;

/// Mail is its owner's business.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// How much of a message is collected for one write.
const BLOCK: usize = 64 * 1024;

/// A mailbox that messages are delivered to.
#[derive(Debug)]
pub struct Maildir {
    folder: PathBuf,
    /// The folder `new`, open so that it can be synced.
    new: File,
    /// This machine's name, as a part of a file's.
    host: String,
    count: AtomicU64,
}

impl Maildir {
    /// Opens a mailbox, and makes it where there is none.
    pub fn open(folder: &Path) -> Result<Maildir, Error> {
        let open = || {
            for part in ["", "tmp", "new", "cur"] {
                DirBuilder::new().mode(FOLDER_MODE).recursive(true).create(folder.join(part))?;
            }
            File::open(folder.join("new"))
        };
        let new = open().map_err(|why| {
            Error::io(format!("cannot use the mailbox {}", screen::file_name(folder)), &why)
        })?;
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        // A slash cannot be part of a name, and a colon begins a mail reader's marks.
        let host = host.trim().replace(['/', ':'], "_");
        Ok(Maildir { folder: folder.to_path_buf(), new, host, count: AtomicU64::new(0) })
    }

    /// Begins a message.
    pub fn begin(&self) -> io::Result<Delivery<'_>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Time, process and a counter: unique on this machine, and the machine is named.
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let (seconds, micros, process) = (now.as_secs(), now.subsec_micros(), std::process::id());
        let name = format!("{seconds}.M{micros:06}P{process}Q{count}.{}", self.host);
        let path = self.folder.join("tmp").join(&name);
        let file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&path)?;
        Ok(Delivery { mailbox: self, name, file: BufWriter::with_capacity(BLOCK, file), done: false })
    }
}

/// A message that is being written. Unless it is committed, it leaves nothing behind.
#[derive(Debug)]
pub struct Delivery<'a> {
    mailbox: &'a Maildir,
    name: String,
    file: BufWriter<File>,
    done: bool,
}

impl Delivery<'_> {
    /// Makes the message durable and visible; afterwards it may be acknowledged. Returns its file.
    pub fn commit(mut self) -> io::Result<PathBuf> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        let file = self.mailbox.folder.join("new").join(&self.name);
        fs::rename(self.unfinished(), &file)?;
        self.done = true;
        self.mailbox.new.sync_all()?;
        Ok(file)
    }

    fn unfinished(&self) -> PathBuf {
        self.mailbox.folder.join("tmp").join(&self.name)
    }
}

impl Write for Delivery<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        if !self.done {
            // It may be gone already; either way it was never acknowledged.
            let _ = fs::remove_file(self.unfinished());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn whole_messages_only() {
        let folder = std::env::temp_dir().join(format!("socklab-maildir-{}", std::process::id()));
        let mailbox = Maildir::open(&folder).unwrap();
        let mut kept = mailbox.begin().unwrap();
        let mut dropped = mailbox.begin().unwrap();
        kept.write_all(b"one").unwrap();
        dropped.write_all(b"two").unwrap();
        assert_eq!((entries(&folder.join("tmp")), entries(&folder.join("new"))), (2, 0));
        drop(dropped);
        let file = kept.commit().unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"one");
        assert_eq!((entries(&folder.join("tmp")), entries(&folder.join("new"))), (0, 1));
        // A second server on the same mailbox is no problem.
        assert!(Maildir::open(&folder).is_ok());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made() {
        let error = Maildir::open(Path::new("/proc/mailbox")).unwrap_err().to_string();
        assert_eq!(error, "cannot use the mailbox /proc/mailbox: No such file or directory");
    }
}
