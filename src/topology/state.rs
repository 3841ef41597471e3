//! Where a running network is written down: `/run/socklab/ID`, a folder that only root can enter.
//!
//! | file | what it holds |
//! |---|---|
//! | `lock` | locked by the running program; unlocked by the kernel when it ends, also by `kill -9` |
//! | `plan` | the plan's name, so that `topology exec` knows the addresses |
//! | `made` | each namespace, noted *before* it is made, so that `clean` finds it after a kill |
//!
//! A folder whose lock nobody holds is what a killed run has left. What stands in its `made`, and
//! bears this network's own prefix, is ours to remove; nothing else is.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::kit::error::Error;
use crate::kit::sys::file_lock;

/// The folder of all networks.
pub const FOLDER: &str = "/run/socklab";

/// How many networks of one plan may run at once.
const MOST: usize = 100;

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
        DirBuilder::new().mode(0o700).recursive(true).create(FOLDER).map_err(cannot)?;
        for number in 1..=MOST {
            let id = if number == 1 { plan.to_string() } else { format!("{plan}{number}") };
            let folder = Path::new(FOLDER).join(&id);
            match DirBuilder::new().mode(0o700).create(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                other => other.map_err(cannot)?,
            }
            let lock = create(&folder.join("lock")).map_err(cannot)?;
            if !file_lock::try_lock(&lock).map_err(cannot)? {
                continue;
            }
            create(&folder.join("plan")).and_then(|mut file| writeln!(file, "{plan}")).map_err(cannot)?;
            let made = create(&folder.join("made")).map_err(cannot)?;
            return Ok(State { id, folder, made, _lock: lock });
        }
        Err(Error::Failed(format!(
            "{MOST} networks of {plan} are there already: see `socklab topology clean`"
        )))
    }

    /// The namespace of a node: `socklab-tutorial-h1`.
    pub fn namespace(&self, node: &str) -> String {
        namespace(&self.id, node)
    }

    /// Notes that a namespace is about to be made.
    pub fn note(&mut self, namespace: &str) -> Result<(), Error> {
        writeln!(self.made, "{namespace}").map_err(|why| Error::io("cannot note what is made", &why))
    }

    /// Removes the folder: everything in it has been undone.
    pub fn remove(self) -> Result<(), Error> {
        remove(&self.folder)
    }
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
    /// The namespaces that it has made, or was about to make, and that bear its prefix.
    pub made: Vec<String>,
}

/// Every network that is written down.
pub fn all() -> Result<Vec<Found>, Error> {
    let folders = match fs::read_dir(FOLDER) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|why| Error::io(format!("cannot read {FOLDER}"), &why))?,
    };
    let mut found = Vec::new();
    for entry in folders {
        let entry = entry?;
        let Ok(id) = entry.file_name().into_string() else { continue };
        let folder = entry.path();
        let running = match File::open(folder.join("lock")) {
            Ok(lock) => !file_lock::try_lock(&lock)?,
            Err(_) => false,
        };
        let text = |name| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let made =
            text("made").lines().filter(|name| name.starts_with(&prefix(&id))).map(String::from).collect();
        found.push(Found { plan: text("plan").trim().to_string(), made, running, id });
    }
    found.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(found)
}

impl Found {
    /// Forgets a network that does not run any more and whose namespaces are gone.
    pub fn forget(&self) -> Result<(), Error> {
        remove(&Path::new(FOLDER).join(&self.id))
    }
}

/// The namespace of a node of the network `id`.
pub fn namespace(id: &str, node: &str) -> String {
    format!("{}{node}", prefix(id))
}

fn prefix(id: &str) -> String {
    format!("socklab-{id}-")
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Removes the three files by their names, and the folder if nothing else is in it.
fn remove(folder: &Path) -> Result<(), Error> {
    for name in ["made", "plan", "lock"] {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io(format!("cannot remove {}", folder.display()), &error));
            }
            _ => {}
        }
    }
    fs::remove_dir(folder).map_err(|why| Error::io(format!("cannot remove {}", folder.display()), &why))
}
