//! Saving what comes over the network: under a temporary name first, so that under its own name there is
//! either the whole file or what was there before.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::progress::Progress;
use super::screen::escape;
use super::stop;

/// What becomes of a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// The new one takes its place, once it is whole.
    Replaced,
    /// It stays, and the new one is refused.
    Kept,
}

/// A file that is being downloaded.
#[derive(Debug)]
pub struct Download {
    file: File,
    progress: Progress,
    existing: Existing,
    /// Where it is written and where it shall be; `None` when it is written in place.
    rename: Option<(PathBuf, PathBuf)>,
    shown: String,
}

impl Download {
    /// Begins to write `path`; `total` is how many bytes will come, if that is known. What exists and is
    /// no regular file (`/dev/null`, a FIFO) is written to in place: replacing it would be a surprise.
    pub fn begin(path: &Path, total: Option<u64>, existing: Existing) -> Result<Download, Error> {
        let shown = escape(path.as_os_str().as_bytes());
        let (file, rename) = create(path, &shown, existing)?;
        if let Some((temporary, _)) = &rename {
            let unfinished = temporary.clone();
            stop::before_leaving(move || drop(fs::remove_file(&unfinished)));
        }
        Ok(Download { file, progress: Progress::new(&shown, total), existing, rename, shown })
    }

    /// Whether [`Download::begin`] would go well at this moment. Leaves nothing behind.
    pub fn try_out(path: &Path, existing: Existing) -> Result<(), Error> {
        // A FIFO or a device is not touched: to be opened may be what its other end waits for.
        if fs::metadata(path).is_ok_and(|facts| !facts.is_file() && !facts.is_dir()) {
            return Ok(());
        }
        if let (_, Some((temporary, _))) = create(path, &escape(path.as_os_str().as_bytes()), existing)? {
            let _ = fs::remove_file(temporary);
        }
        Ok(())
    }

    /// Writes the next bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|why| self.cannot(&why))?;
        self.progress.advance(bytes.len() as u64);
        Ok(())
    }

    /// As [`Download::finish`], and waits until bytes and name are on the disk itself: after a power cut the
    /// file is still there, and whole. Takes as long as the disk does. See fsync(2).
    pub fn finish_on_disk(self) -> Result<(), Error> {
        match self.file.sync_all() {
            // EINVAL: a pipe or `/dev/null` has nothing to wait for.
            Err(why) if why.kind() != io::ErrorKind::InvalidInput => return Err(self.cannot(&why)),
            _ => {}
        }
        let folder = self.rename.as_ref().and_then(|(_, target)| target.parent()).map(Path::to_path_buf);
        let shown = self.shown.clone();
        self.finish()?;
        let Some(folder) = folder else { return Ok(()) };
        // The parent of a bare name is the empty path, which cannot be opened.
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|why| Error::io(format!("cannot write {shown}"), &why))
    }

    /// All bytes are there: gives the file its name. Errs when somebody else has taken the name
    /// meanwhile and [`Existing::Kept`] was asked for.
    pub fn finish(mut self) -> Result<(), Error> {
        if let Some((temporary, target)) = &self.rename {
            let named = match self.existing {
                Existing::Replaced => fs::rename(temporary, target),
                Existing::Kept => rename_to_new(temporary, target),
            };
            named.map_err(|why| match why.kind() {
                io::ErrorKind::AlreadyExists => Error::Failed(there_already(&self.shown)),
                _ => self.cannot(&why),
            })?;
        }
        self.rename = None;
        Ok(())
    }

    fn cannot(&self, why: &io::Error) -> Error {
        Error::io(format!("cannot write {}", self.shown), why)
    }
}

/// The file to write to and, unless that is `path` itself, its name and the one it shall get.
fn create(path: &Path, shown: &str, existing: Existing) -> Result<(File, Option<(PathBuf, PathBuf)>), Error> {
    let cannot = |why| Error::io(format!("cannot write {shown}"), &why);
    match fs::metadata(path) {
        Ok(facts) if !facts.is_file() => {
            return Ok((File::options().write(true).open(path).map_err(cannot)?, None));
        }
        // A name that is too long, say: the temporary one would be short enough.
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(cannot(why)),
        _ => {}
    }
    if existing == Existing::Kept && path.symlink_metadata().is_ok() {
        return Err(Error::Failed(there_already(shown)));
    }
    // Through a symbolic link the file is replaced that it leads to, not the link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let temporary = temporary_name(&target);
    let file = File::create_new(&temporary).map_err(cannot)?;
    Ok((file, Some((temporary, target))))
}

/// A new name for a file, unless the name is taken. `rename` would replace what has it; `link` never
/// does, so the file has two names for a moment. File systems without links (FAT) get a look and a rename.
fn rename_to_new(temporary: &Path, target: &Path) -> io::Result<()> {
    match fs::hard_link(temporary, target) {
        Ok(()) => fs::remove_file(temporary),
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Err(why),
        Err(_) if target.symlink_metadata().is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(temporary, target),
    }
}

fn there_already(shown: &str) -> String {
    format!("{shown} exists already (give another name, or --force to replace it)")
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
        let replace = |path: &Path, total| Download::begin(path, total, Existing::Replaced);

        let mut broken = replace(&path, Some(10)).unwrap();
        broken.write(b"half").unwrap();
        drop(broken);
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "the temporary file is gone");

        let mut whole = replace(&folder.join("link"), None).unwrap();
        whole.write(b"after").unwrap();
        whole.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert!(fs::symlink_metadata(folder.join("link")).unwrap().is_symlink());

        let mut nowhere = replace(Path::new("/dev/null"), None).unwrap();
        nowhere.write(b"x").unwrap();
        nowhere.finish_on_disk().unwrap();
        assert!(replace(&folder.join("missing/file"), None).is_err());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_existing_file_is_kept_also_when_it_came_meanwhile() {
        let folder = std::env::temp_dir().join(format!("socklab-keep-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("file");
        let keep = || Download::begin(&path, None, Existing::Kept);
        let (first, mut second) = (keep().unwrap(), folder.join("file"));
        first.finish_on_disk().unwrap();
        assert!(keep().unwrap_err().to_string().contains("exists already"));

        second.set_file_name("other");
        let late = Download::begin(&second, None, Existing::Kept).unwrap();
        fs::write(&second, "here first").unwrap();
        assert!(late.finish().unwrap_err().to_string().contains("exists already"));
        assert_eq!(fs::read(&second).unwrap(), b"here first");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "no temporary file is left");
        fs::remove_dir_all(folder).unwrap();
    }
}
