//! The files: what there is at a place below the root.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::SystemTime;

use super::limits;
use super::listing::Entry;
use super::response::Refusal;
use super::target::Place;
use crate::kit::error::Error;
use crate::kit::http_date;
use crate::kit::sys::file::Root;

/// What there is at a place.
#[derive(Debug)]
pub enum Found {
    /// A regular file, open, and what it is called.
    File(File, Metadata, Vec<u8>),
    /// A folder that was asked for without the slash at its end.
    WithoutSlash,
    /// A folder without index.html, open.
    Folder(File),
}

/// The folder that is served.
#[derive(Debug)]
pub struct Site {
    root: Root,
}

/// What a folder shows instead of its listing.
const INDEX: &[u8] = b"index.html";

impl Site {
    /// The files below `root`. Errs when that is no folder.
    pub fn open(root: &Path) -> Result<Site, Error> {
        let shown = root.display();
        let opened = Root::open(root);
        Ok(Site { root: opened.map_err(|why| Error::io(format!("cannot serve the folder {shown}"), &why))? })
    }

    /// Looks a place up. Errs with the status that says why there is nothing.
    ///
    /// A file is opened first and looked at then: what `fstat` tells is about the very file that will
    /// be sent, even if its name means another one by now.
    pub fn find(&self, place: &Place) -> Result<Found, Refusal> {
        let path = place.path();
        if !place.folder {
            let (file, facts) = self.open_at(&path)?;
            if facts.is_dir() {
                return Ok(Found::WithoutSlash);
            }
            let name = place.names.last().cloned().unwrap_or_default();
            return Ok(Found::File(file, facts, name));
        }
        match self.open_at(&[&path, &b"/"[..], INDEX].concat()) {
            Ok((file, facts)) if facts.is_file() => return Ok(Found::File(file, facts, INDEX.to_vec())),
            // No index.html, or one that is a folder: the listing. A file with a slash behind it is
            // not there either way.
            Ok(_) | Err(Refusal { status: 404, .. }) => {}
            Err(refusal) => return Err(refusal),
        }
        let (folder, facts) = self.open_at(&path)?;
        if !facts.is_dir() {
            return Err(NOTHING);
        }
        Ok(Found::Folder(folder))
    }

    /// Opens what may be served: a regular file or a folder.
    fn open_at(&self, path: &[u8]) -> Result<(File, Metadata), Refusal> {
        let file = self.root.open_below(path).map_err(|why| refuse(&why))?;
        let facts = file.metadata().map_err(|why| refuse(&why))?;
        // A FIFO would wait for its writer, a device may do anything.
        if facts.is_file() || facts.is_dir() {
            Ok((file, facts))
        } else {
            Err(NOTHING)
        }
    }

    /// The entries of an open folder at `place`, those that could be asked for; and whether there are
    /// more of them than [`limits::LISTING`].
    pub fn entries(&self, folder: &File, place: &Place) -> Result<(Vec<Entry>, bool), Refusal> {
        // The name under which the kernel shows us our own descriptor, so that it is this folder that
        // is read, and not what its path may mean by now. Without /proc there are no listings.
        let own = format!("/proc/self/fd/{}", folder.as_raw_fd());
        let mut entries = Vec::new();
        for found in fs::read_dir(own).map_err(|why| refuse(&why))? {
            let Ok(found) = found else { continue };
            let name = found.file_name().into_vec();
            if name.first() == Some(&b'.') {
                continue;
            }
            let facts = match found.metadata() {
                // A link is listed as what it leads to, if that may be served.
                Ok(facts) if facts.is_symlink() => {
                    let path = [&place.path(), &b"/"[..], &name].concat();
                    self.open_at(&path).ok().map(|(_, facts)| facts)
                }
                facts => facts.ok(),
            };
            let Some(facts) = facts.filter(|facts| facts.is_file() || facts.is_dir()) else { continue };
            if entries.len() == limits::LISTING {
                return Ok((entries, true));
            }
            let size = facts.is_file().then_some(facts.len());
            let modified = http_date::seconds(facts.modified().unwrap_or(SystemTime::UNIX_EPOCH));
            entries.push(Entry { name, size, modified });
        }
        Ok((entries, false))
    }
}

const NOTHING: Refusal = Refusal { status: 404, why: "there is nothing of that name here" };

/// The status for a file that cannot be opened. What exactly was wrong is the server's business.
fn refuse(why: &io::Error) -> Refusal {
    match why.raw_os_error() {
        // EXDEV, ELOOP: a link that leads out, or in circles. ENXIO: a socket.
        Some(libc::ENOENT | libc::ENOTDIR | libc::EXDEV | libc::ELOOP | libc::ENAMETOOLONG | libc::ENXIO) => {
            NOTHING
        }
        Some(libc::EACCES | libc::EPERM) => Refusal { status: 403, why: "the server may not read that" },
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EAGAIN) => {
            Refusal { status: 503, why: "the server has too much to do; try again in a moment" }
        }
        _ => Refusal { status: 500, why: "the server cannot read that" },
    }
}
