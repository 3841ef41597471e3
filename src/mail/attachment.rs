//! Files that travel with a message: opened, measured, and named for the reader.
//!
//! What a file is, its first bytes tell better than its name: a picture begins with the mark of its
//! format. Pictures are shown inside the message (`inline`), everything else is offered for saving
//! (`attachment`). RFC 2183.
//!
//! Limits: four picture formats and PDF are known; anything else is `application/octet-stream`, "some
//! bytes", which every reader can save.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use super::base64;
use super::header;
use crate::kit::error::Error;
use crate::kit::progress::Progress;
use crate::kit::screen;

/// The beginnings of the formats that are known, and what mail calls them.
const MARKS: [(&[u8], &str); 5] = [
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    // RIFF, four bytes of length, WEBP: see `media_type`.
    (b"RIFF", "image/webp"),
];

/// Files from this size on are on their way long enough to be watched: 1 MiB.
const LARGE: u64 = 1 << 20;

/// One file, open for reading.
#[derive(Debug)]
pub struct Attachment {
    /// Its name without its folder.
    pub name: String,
    /// Its length in bytes when it was opened; exactly so many are sent.
    pub size: u64,
    /// `image/png`.
    pub media_type: &'static str,
    file: File,
}

impl Attachment {
    /// Opens a file. It stays open until it is sent, so that it cannot be exchanged meanwhile.
    pub fn open(path: &Path) -> Result<Attachment, Error> {
        let shown = || format!("cannot attach {}", screen::file_name(path));
        let open = || {
            let mut file = File::open(path)?;
            let about = file.metadata()?;
            let mut start = Vec::new();
            if about.is_file() {
                (&mut file).take(16).read_to_end(&mut start)?;
            }
            Ok((file, about, start))
        };
        let (file, about, start) = open().map_err(|why| Error::io(shown(), &why))?;
        if !about.is_file() {
            return Err(Error::Failed(format!("{}: not a file with bytes of its own", shown())));
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Attachment { name, size: about.len(), media_type: media_type(&start), file })
    }

    /// The header of its part.
    pub fn header(&self) -> String {
        let disposition = if self.media_type.starts_with("image/") { "inline" } else { "attachment" };
        format!(
            "Content-Type: {}\r\nContent-Disposition: {disposition}{}\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n",
            self.media_type,
            header::parameter("filename", &self.name)
        )
    }

    /// Writes its bytes as base64, with a progress bar on a terminal if they are many. Errs when it
    /// cannot be read to the length it had.
    pub fn copy(&self, to: &mut impl std::io::Write) -> std::io::Result<()> {
        let mut file = &self.file;
        file.rewind()?;
        if self.size < LARGE {
            return base64::copy(&mut file, self.size, to);
        }
        let mut counted = Counted { file, progress: Progress::new(&self.name, Some(self.size)) };
        let outcome = base64::copy(&mut counted, self.size, to);
        counted.progress.finish();
        outcome
    }
}

/// A file that tells how much of it has been read.
struct Counted<'a> {
    file: &'a File,
    progress: Progress,
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(into)?;
        self.progress.advance(count as u64);
        Ok(count)
    }
}

/// What begins with these bytes.
fn media_type(start: &[u8]) -> &'static str {
    let is_webp = start.get(8..12) == Some(b"WEBP");
    let known =
        MARKS.iter().find(|(mark, name)| start.starts_with(mark) && (*name != "image/webp" || is_webp));
    known.map_or("application/octet-stream", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        for (start, name) in [
            (&b"\x89PNG\r\n\x1a\n\0\0"[..], "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a", "image/gif"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
            (b"RIFF\x10\0\0\0WAVEfmt ", "application/octet-stream"),
            (b"%PDF-1.7", "application/pdf"),
            (b"<html>", "application/octet-stream"),
            (b"", "application/octet-stream"),
        ] {
            assert_eq!(media_type(start), name);
        }
    }

    #[test]
    fn a_folder_and_a_missing_file() {
        let error = Attachment::open(Path::new("/")).unwrap_err().to_string();
        assert_eq!(error, "cannot attach /: not a file with bytes of its own");
        let error = Attachment::open(Path::new("/no/such")).unwrap_err().to_string();
        assert_eq!(error, "cannot attach /no/such: No such file or directory");
    }
}
