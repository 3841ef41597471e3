//! Opening files below a folder and nowhere else, whatever a peer puts into the name.
//!
//! Checking a name and then opening it is two steps, and a symbolic link may change between them.
//! `openat2` with RESOLVE_BENEATH makes it one: the kernel itself refuses a path that leaves the
//! folder, by `..`, by an absolute path, or by a symbolic link, at every step of the way. See
//! openat2(2). Where it is missing (before Linux 5.6, or under an old sandbox) `walk` does the same
//! step by step with `openat`.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// How a file is opened for a peer. O_NONBLOCK: the open of a FIFO returns instead of waiting for its
/// writer; for a regular file it means nothing. O_NOCTTY: a terminal does not become ours.
const READING: i32 = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;

/// How a step of the walk is opened: only as a place in the tree, so that a link is not followed
/// and a device or FIFO is not touched.
const PLACE: i32 = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;

/// How many symbolic links one path may go through; the kernel's own number.
const MOST_LINKS: usize = 40;

/// How deep below the root the walk goes. Each folder on the way keeps a descriptor open.
const DEEPEST: usize = 64;

/// How often an `openat2` is repeated that a rename elsewhere has disturbed (EAGAIN).
const ATTEMPTS: usize = 8;

/// Set once `openat2` has turned out to be missing.
static NO_OPENAT2: AtomicBool = AtomicBool::new(false);

/// A folder, held open, below which files are opened.
#[derive(Debug)]
pub struct Root {
    folder: File,
}

impl Root {
    /// The folder at `path`. Errs when there is none.
    pub fn open(path: &Path) -> io::Result<Root> {
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        Ok(Root { folder: fs::OpenOptions::new().read(true).custom_flags(flags).open(path)? })
    }

    /// Opens `path`, relative to the folder and never outside it, for reading; `.` is the folder
    /// itself. Symbolic links are followed as long as they stay below. Errs with EXDEV for a path
    /// that leaves the folder, EINVAL for one that contains a NUL, and as open(2) does.
    ///
    /// What it opens may be a folder, a FIFO or a device: look before reading.
    pub fn open_below(&self, path: &[u8]) -> io::Result<File> {
        if !NO_OPENAT2.load(Ordering::Relaxed) {
            match openat2(&self.folder, path) {
                // EPERM is how some sandboxes say "I do not know this call".
                Err(why) if matches!(why.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                    NO_OPENAT2.store(true, Ordering::Relaxed);
                }
                opened => return opened,
            }
        }
        walk(&self.folder, path)
    }
}

/// One call: the kernel resolves the whole path and keeps it below `folder`.
fn openat2(folder: &File, path: &[u8]) -> io::Result<File> {
    let path = CString::new(path)?;
    // SAFETY: open_how is three numbers, for which zero is a value; libc may add more of the kind.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = READING as u64;
    how.resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;
    let mut attempt = 1;
    loop {
        // SAFETY: the descriptor is open, `path` ends with a NUL, and pointer and length describe
        // `how`; all three outlive the call.
        let descriptor = unsafe {
            let how = &raw const how;
            let length = size_of::<libc::open_how>();
            libc::syscall(libc::SYS_openat2, folder.as_raw_fd(), path.as_ptr(), how, length)
        };
        match super::check(descriptor as i32) {
            // SAFETY: the descriptor is new and nobody else's.
            Ok(descriptor) => return Ok(unsafe { File::from_raw_fd(descriptor) }),
            Err(why) => {
                let again = matches!(why.raw_os_error(), Some(libc::EAGAIN | libc::EINTR));
                if !again || attempt == ATTEMPTS {
                    return Err(why);
                }
                attempt += 1;
            }
        }
    }
}

/// The same, one name at a time. A symbolic link is read instead of followed, and its names are
/// walked like the others; `..` goes back to a folder that is still open, never to the kernel's `..`,
/// so that a folder moved meanwhile cannot lead out.
fn walk(root: &File, path: &[u8]) -> io::Result<File> {
    let mut folders: Vec<File> = Vec::new();
    let mut names = names_of(path)?;
    let mut links = 0;
    while let Some(name) = names.pop() {
        match name.as_slice() {
            b"" | b"." => continue,
            b".." => {
                folders.pop().ok_or(io::Error::from_raw_os_error(libc::EXDEV))?;
                continue;
            }
            _ => {}
        }
        let here = folders.last().unwrap_or(root);
        let found = openat(here, &name, PLACE)?;
        let kind = found.metadata()?.file_type();
        if kind.is_symlink() {
            links += 1;
            if links > MOST_LINKS {
                return Err(io::Error::from_raw_os_error(libc::ELOOP));
            }
            names.extend(names_of(&read_link(&found)?)?);
        } else if kind.is_dir() {
            if folders.len() == DEEPEST {
                return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
            }
            folders.push(found);
        } else if names.is_empty() {
            // If a link has taken its place meanwhile, O_NOFOLLOW makes this fail.
            return openat(here, &name, READING | libc::O_NOFOLLOW);
        } else {
            return Err(io::Error::from_raw_os_error(libc::ENOTDIR));
        }
    }
    openat(folders.last().unwrap_or(root), b".", READING | libc::O_DIRECTORY)
}

/// The names of a path, the first one last, so that they can be popped.
fn names_of(path: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    if path.first() == Some(&b'/') {
        return Err(io::Error::from_raw_os_error(libc::EXDEV));
    }
    if path.is_empty() {
        return Err(io::Error::from_raw_os_error(libc::ENOENT));
    }
    Ok(path.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec).collect())
}

/// Opens one name in an open folder. See openat(2).
fn openat(folder: &File, name: &[u8], flags: i32) -> io::Result<File> {
    let name = CString::new(name)?;
    // SAFETY: the descriptor is open and `name` ends with a NUL; both outlive the call.
    let descriptor = super::check(unsafe { libc::openat(folder.as_raw_fd(), name.as_ptr(), flags) })?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

/// What an open symbolic link says. See readlinkat(2): an empty name means the link itself.
fn read_link(link: &File) -> io::Result<Vec<u8>> {
    let mut text = vec![0; libc::PATH_MAX as usize];
    // SAFETY: the descriptor is open, the name is an empty C string, and pointer and length describe
    // `text`, which is exclusively ours.
    let length = unsafe {
        let into = text.as_mut_ptr().cast();
        libc::readlinkat(link.as_raw_fd(), c"".as_ptr(), into, text.len())
    };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    text.truncate(length);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    /// A tree with everything that leads out of it and some things that do not.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Tree {
            let top = std::env::temp_dir().join(format!("socklab-{name}-{}", std::process::id()));
            let root = top.join("root");
            fs::create_dir_all(root.join("sub/deep")).unwrap();
            fs::write(top.join("secret"), "secret").unwrap();
            fs::write(root.join("a.txt"), "inside").unwrap();
            fs::write(root.join("sub/b.txt"), "inside").unwrap();
            symlink("a.txt", root.join("link")).unwrap();
            symlink("../a.txt", root.join("sub/up")).unwrap();
            symlink("sub/deep/../b.txt", root.join("around")).unwrap();
            symlink("sub", root.join("folder")).unwrap();
            symlink("../secret", root.join("out")).unwrap();
            symlink(top.join("secret"), root.join("absolute")).unwrap();
            symlink("..", root.join("sub/parent")).unwrap();
            symlink("loop", root.join("loop")).unwrap();
            Tree(top)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// The table is tried with the kernel's way and with the walk: they must agree.
    #[test]
    fn what_stays_below_is_opened_and_what_leads_out_is_not() {
        let tree = Tree::new("below");
        let root = Root::open(&tree.0.join("root")).unwrap();
        let table: [(&[u8], Result<&str, i32>); 20] = [
            (b"a.txt", Ok("inside")),
            (b"sub/b.txt", Ok("inside")),
            (b"./sub/./b.txt", Ok("inside")),
            (b"link", Ok("inside")),
            (b"sub/up", Ok("inside")),
            (b"around", Ok("inside")),
            (b"folder/b.txt", Ok("inside")),
            (b"sub/parent/a.txt", Ok("inside")),
            (b"sub/../a.txt", Ok("inside")),
            (b"../secret", Err(libc::EXDEV)),
            (b"sub/../../secret", Err(libc::EXDEV)),
            (b"out", Err(libc::EXDEV)),
            (b"absolute", Err(libc::EXDEV)),
            (b"sub/parent/../secret", Err(libc::EXDEV)),
            (b"/etc/passwd", Err(libc::EXDEV)),
            (b"loop", Err(libc::ELOOP)),
            (b"a.txt/b", Err(libc::ENOTDIR)),
            (b"a.txt/", Err(libc::ENOTDIR)),
            (b"missing", Err(libc::ENOENT)),
            (b"", Err(libc::ENOENT)),
        ];
        for (path, expected) in table {
            for (way, opened) in [("kernel", root.open_below(path)), ("walk", walk(&root.folder, path))] {
                let shown = String::from_utf8_lossy(path);
                match (opened, expected) {
                    (Ok(mut file), Ok(content)) => {
                        let mut text = String::new();
                        file.read_to_string(&mut text).unwrap();
                        assert_eq!(text, content, "{way}: {shown}");
                    }
                    (Err(why), Err(number)) => assert_eq!(why.raw_os_error(), Some(number), "{way}: {shown}"),
                    (got, _) => panic!("{way}: {shown}: {got:?}, expected {expected:?}"),
                }
            }
        }
    }

    #[test]
    fn a_nul_a_fifo_and_the_folder_itself() {
        let tree = Tree::new("special");
        let root = Root::open(&tree.0.join("root")).unwrap();
        let fifo = std::process::Command::new("mkfifo").arg(tree.0.join("root/fifo")).status().unwrap();
        assert!(fifo.success());
        for way in [Root::open_below as fn(&Root, &[u8]) -> _, |root, path| walk(&root.folder, path)] {
            assert_eq!(way(&root, b"a.txt\0.html").unwrap_err().kind(), io::ErrorKind::InvalidInput);
            // Without O_NONBLOCK this would wait until somebody writes.
            assert!(!way(&root, b"fifo").unwrap().metadata().unwrap().is_file());
            assert!(way(&root, b".").unwrap().metadata().unwrap().is_dir());
            assert!(way(&root, b"folder").unwrap().metadata().unwrap().is_dir());
        }
    }
}
