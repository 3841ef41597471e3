//! Where a running network is written down: `/run/socklab/ID`, a folder that only root can enter.
//!
//! | file | what it holds |
//! |---|---|
//! | `lock` | locked by the running program; unlocked by the kernel when it ends, also by `kill -9` |
//! | `plan` | the plan's name, so that `topology exec` knows the addresses |
//! | `made` | each namespace: its name *before* it is made, its name and number after that |
//!
//! A folder whose lock nobody holds is what a killed run has left. What stands in its `made`, bears
//! this network's own prefix and still has the number that was noted is ours to remove; nothing else.
//! `/run/socklab` itself is locked by whoever adds, looks for or removes a network (the door), so
//! that a network cannot begin to run between the look and the removal.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::namespace;
use crate::kit::error::Error;
use crate::kit::screen;
use crate::kit::sys::file_lock;

/// The folder of all networks. In a user namespace it is that namespace's own.
pub const FOLDER: &str = "/run/socklab";

/// How many networks of one plan may run at once.
const MOST: usize = 100;

/// The most that is read of a file in there; a plan of a thousand nodes needs less.
const LONGEST: u64 = 65_536;

/// How long to wait while another `socklab topology` adds or removes a network.
const DOOR_WITHIN: Duration = Duration::from_secs(30);

/// How often to try the door.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// Waits for the lock on [`FOLDER`], which is made if `make` says so; `None` if it is not there.
fn door(make: bool) -> Result<Option<File>, Error> {
    let cannot = |why: io::Error| match why.kind() {
        // Root by name only, as in a user namespace of somebody else's making.
        io::ErrorKind::PermissionDenied => Error::Failed(format!("{FOLDER} is closed: {}", super::NEEDED)),
        _ => Error::io(format!("cannot use {FOLDER}"), &why),
    };
    let deadline = Instant::now() + DOOR_WITHIN;
    loop {
        if make {
            DirBuilder::new().mode(0o700).recursive(true).create(FOLDER).map_err(cannot)?;
        }
        let flags = libc::O_NOFOLLOW | libc::O_DIRECTORY;
        let door = match OpenOptions::new().read(true).custom_flags(flags).open(FOLDER) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !make => return Ok(None),
            other => other.map_err(cannot)?,
        };
        let about = door.metadata().map_err(cannot)?;
        if about.uid() != 0 || about.mode() & 0o077 != 0 {
            return Err(Error::Failed(format!("{FOLDER} is not for root alone: who has made it?")));
        }
        if file_lock::try_lock(&door).map_err(cannot)? {
            // Whoever had it before may have removed the folder.
            if fs::metadata(FOLDER).is_ok_and(|now| now.ino() == about.ino()) {
                return Ok(Some(door));
            }
        }
        if Instant::now() >= deadline {
            return Err(Error::Failed("another socklab topology is busy: try again".to_string()));
        }
        thread::sleep(TRY_EVERY);
    }
}

/// One network's folder, with its lock held.
#[derive(Debug)]
pub struct State {
    /// `tutorial`, or `tutorial2` for a second one at the same time.
    pub id: String,
    folder: PathBuf,
    made: File,
    /// Only kept open: closing it releases the lock.
    _lock: File,
}

impl State {
    /// Makes the folder of a new network and takes its lock.
    pub fn create(plan: &str) -> Result<State, Error> {
        let cannot = |why: io::Error| Error::io(format!("cannot write to {FOLDER}"), &why);
        let _door = door(true)?;
        for number in 1..=MOST {
            let id = if number == 1 { plan.to_string() } else { format!("{plan}{number}") };
            // Somebody has made one by hand under a name of ours: it stays his.
            if namespace::any_begins_with(&namespace_of(&id, "")) && !Path::new(FOLDER).join(&id).exists() {
                continue;
            }
            let folder = Path::new(FOLDER).join(&id);
            match DirBuilder::new().mode(0o700).create(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let lock = open(&folder.join("lock"));
                    if !lock.is_ok_and(|lock| !file_lock::try_lock(&lock).unwrap_or(false)) {
                        screen::note(&format!(
                            "{id} was killed: `socklab topology clean` removes what it left"
                        ));
                    }
                    continue;
                }
                other => other.map_err(cannot)?,
            }
            let write = || {
                let lock = create(&folder.join("lock"))?;
                if !file_lock::try_lock(&lock)? {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                create(&folder.join("plan")).and_then(|mut file| writeln!(file, "{plan}"))?;
                Ok((lock, create(&folder.join("made"))?))
            };
            let (lock, made) = write().map_err(|why| {
                // A full disk, for instance. What cannot be removed either is left for `clean`.
                let _ = remove(&folder);
                cannot(why)
            })?;
            return Ok(State { id, folder, made, _lock: lock });
        }
        Err(Error::Failed(format!(
            "{MOST} networks of {plan} are there already: see `socklab topology clean`"
        )))
    }

    /// The namespace of a node: `socklab-tutorial-h1`.
    pub fn namespace(&self, node: &str) -> String {
        namespace_of(&self.id, node)
    }

    /// Notes that a namespace is about to be made, or with its number that it has been made.
    pub fn note(&mut self, namespace: &str, number: Option<u64>) -> Result<(), Error> {
        let number = number.map_or(String::new(), |number| format!(" {number}"));
        // In one call, so that a kill leaves the whole line or none of it.
        let line = format!("{namespace}{number}\n");
        self.made.write_all(line.as_bytes()).map_err(|why| Error::io("cannot note what is made", &why))
    }

    /// Removes the folder: everything in it has been undone.
    pub fn remove(self) -> Result<(), Error> {
        let _door = door(false)?;
        remove(&self.folder)
    }
}

/// A namespace that a network has made, or was about to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its name, which bears the network's prefix.
    pub name: String,
    /// Its number; `None` when the run was killed before that was noted.
    pub number: Option<u64>,
}

/// A network that somebody else runs, or ran.
#[derive(Debug)]
pub struct Found {
    /// Its name, as in [`State::id`].
    pub id: String,
    /// The name of its plan; empty when it was killed before that was written.
    pub plan: String,
    /// Whether its program is still there.
    pub running: bool,
    /// What it has made.
    pub made: Vec<Made>,
    /// The lock of one that does not run.
    _lock: Option<File>,
}

/// All networks that are written down. While this lives, none begins and none is removed.
#[derive(Debug)]
pub struct Register {
    /// The networks, by name.
    pub found: Vec<Found>,
    _door: Option<File>,
}

/// Looks up every network that is written down.
pub fn register() -> Result<Register, Error> {
    let Some(door) = door(false)? else { return Ok(Register { found: Vec::new(), _door: None }) };
    let mut found = Vec::new();
    for entry in fs::read_dir(FOLDER).map_err(|why| Error::io(format!("cannot read {FOLDER}"), &why))? {
        let entry = entry?;
        // Neither a link to elsewhere nor a name that we would not give.
        let Ok(id) = entry.file_name().into_string() else { continue };
        if !is_name(&id) || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let folder = entry.path();
        let lock = open(&folder.join("lock")).ok();
        let running = match &lock {
            Some(lock) => !file_lock::try_lock(lock)?,
            None => false,
        };
        let mut made: Vec<Made> = Vec::new();
        for new in read(&folder.join("made")).lines().filter_map(|line| parse_made(line, &id)) {
            made.retain(|old| old.name != new.name);
            made.push(new);
        }
        let plan = read(&folder.join("plan")).trim().to_string();
        found.push(Found { id, plan, running, made, _lock: lock.filter(|_| !running) });
    }
    found.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(Register { found, _door: Some(door) })
}

impl Found {
    /// Forgets a network that does not run any more and whose namespaces are gone.
    pub fn forget(&self) -> Result<(), Error> {
        remove(&Path::new(FOLDER).join(&self.id))
    }
}

/// One line of `made`, if it is what a network of that name would write.
fn parse_made(line: &str, id: &str) -> Option<Made> {
    let (name, number) = line.split_once(' ').map_or((line, None), |(name, number)| (name, Some(number)));
    let number = number.map(str::parse).transpose().ok()?;
    let node = name.strip_prefix(&namespace_of(id, ""))?;
    is_name(node).then(|| Made { name: name.to_string(), number })
}

/// The names of networks and nodes: nothing in them leads out of a folder.
fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=32).contains(&text.len()) && text.bytes().all(plain)
}

/// The namespace of a node of the network `id`.
pub fn namespace_of(id: &str, node: &str) -> String {
    format!("socklab-{id}-{node}")
}

/// Whether what was noted is still what bears the name, so that it may be removed.
pub fn is_ours(made: &Made) -> bool {
    match (namespace::number(&made.name), made.number) {
        (Some(now), Some(noted)) => now == noted,
        // Killed between making it and noting its number. When its name was noted, that was free, so it
        // is most likely ours; and nothing runs in it, so removing it harms nobody.
        (Some(now), None) => !namespace::is_busy(now),
        // `ip` was killed while it made it, or while it removed it.
        (None, _) => namespace::is_bare(&made.name),
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// The text of a file; empty if there is none.
fn read(path: &Path) -> String {
    let mut text = Vec::new();
    if let Ok(file) = open(path) {
        // What cannot be read counts as not written.
        let _ = file.take(LONGEST).read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Removes the three files by their names, the folder if nothing else is in it, and [`FOLDER`] if this
/// was the last one.
fn remove(folder: &Path) -> Result<(), Error> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(format!("cannot remove {}", folder.display()), &error))
        }
        _ => Ok(()),
    };
    for name in ["made", "plan", "lock"] {
        gone(fs::remove_file(folder.join(name)))?;
    }
    gone(fs::remove_dir(folder))?;
    // Refused while others are in it.
    let _ = fs::remove_dir(FOLDER);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_we_would_write_is_taken_for_ours() {
        let made = |line| parse_made(line, "tutorial").map(|made| (made.name, made.number));
        let name = "socklab-tutorial-h1".to_string();
        assert_eq!(made("socklab-tutorial-h1"), Some((name.clone(), None)));
        assert_eq!(made("socklab-tutorial-h1 4026532000"), Some((name, Some(4_026_532_000))));
        for strange in [
            "",
            "default",
            "socklab-tutorial-",
            "socklab-tutorial2-h1",
            "socklab-tutorial-../../etc",
            "socklab-tutorial-h1 x",
            "socklab-tutorial-h1 1 2",
            "socklab-tutorial-H1",
        ] {
            assert_eq!(made(strange), None, "{strange}");
        }
        assert!(is_name("tutorial2") && !is_name("..") && !is_name("a/b") && !is_name(""));
    }

    #[test]
    fn what_is_not_there_is_nobodys() {
        let made = |number| Made { name: "socklab-no-such-network".to_string(), number };
        assert!(!is_ours(&made(None)));
        assert!(!is_ours(&made(Some(1))));
        assert_eq!(namespace::number("no-such-namespace"), None);
    }
}
