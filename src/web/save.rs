//! Saving what is downloaded: under a temporary name first, so that under its own name there is
//! either the whole file or what was there before.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::kit::error::Error;
use crate::kit::progress::Progress;
use crate::kit::stop;

/// A file that is being downloaded.
#[derive(Debug)]
pub struct Download {
    file: File,
    progress: Progress,
    /// Where it is written and where it shall be; `None` when it is written in place.
    rename: Option<(PathBuf, PathBuf)>,
    shown: String,
}

impl Download {
    /// Begins to write `path`; `total` is how many bytes will come, if that is known. What exists and is
    /// no regular file (`/dev/null`, a FIFO) is written to in place: replacing it would be a surprise.
    pub fn begin(path: &Path, total: Option<u64>) -> Result<Download, Error> {
        let shown = path.display().to_string();
        let cannot = |why| Error::io(format!("cannot write {shown}"), &why);
        let special = fs::metadata(path).is_ok_and(|facts| !facts.is_file());
        let (file, rename) = if special {
            (File::options().write(true).open(path).map_err(cannot)?, None)
        } else {
            // Through a symbolic link the file is replaced that it leads to, not the link.
            let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
            let temporary = temporary_name(&target);
            let file = File::create_new(&temporary).map_err(cannot)?;
            let unfinished = temporary.clone();
            stop::before_leaving(move || drop(fs::remove_file(&unfinished)));
            (file, Some((temporary, target)))
        };
        Ok(Download { file, progress: Progress::new(&shown, total), rename, shown })
    }

    /// Writes the next bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.file.write_all(bytes);
        written.map_err(|why| Error::io(format!("cannot write {}", self.shown), &why))?;
        self.progress.advance(bytes.len() as u64);
        Ok(())
    }

    /// All bytes are there: gives the file its name.
    pub fn finish(mut self) -> Result<(), Error> {
        if let Some((temporary, target)) = &self.rename {
            let renamed = fs::rename(temporary, target);
            renamed.map_err(|why| Error::io(format!("cannot write {}", self.shown), &why))?;
        }
        self.rename = None;
        Ok(())
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.progress.finish();
        // Something has failed before the end: what was there before stays.
        if let Some((temporary, _)) = &self.rename {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// A hidden name beside the file: renaming works only within a file system.
fn temporary_name(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    // Cut, since a name has 255 bytes at most.
    let short: String = name.chars().take(40).collect();
    target.with_file_name(format!(".{short}.{}.part", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_file_or_the_one_before() {
        let folder = std::env::temp_dir().join(format!("socklab-save-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("file");
        fs::write(&path, "before").unwrap();
        std::os::unix::fs::symlink("file", folder.join("link")).unwrap();

        let mut broken = Download::begin(&path, Some(10)).unwrap();
        broken.write(b"half").unwrap();
        drop(broken);
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "the temporary file is gone");

        let mut whole = Download::begin(&folder.join("link"), None).unwrap();
        whole.write(b"after").unwrap();
        whole.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert!(fs::symlink_metadata(folder.join("link")).unwrap().is_symlink());

        let mut nowhere = Download::begin(Path::new("/dev/null"), None).unwrap();
        nowhere.write(b"x").unwrap();
        nowhere.finish().unwrap();
        assert!(Download::begin(&folder.join("missing/file"), None).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
