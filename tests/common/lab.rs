//! A network that a test has for itself, and what may be left of one.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::{can_run, installed, is_root, Ended, Program, PATIENCE};

/// Whether a network can be built here at all.
pub fn can_build() -> bool {
    let tools = is_root() && installed("ip") && Path::new("/dev/net/tun").exists();
    can_run(tools, "needs root, iproute2 and /dev/net/tun")
}

/// A running network, and what it is called.
pub struct Lab {
    pub program: Program,
    pub id: String,
    /// Which folder is its own: as soon as it has ended, another test may have its name.
    folder: u64,
}

impl Lab {
    pub fn start(words: &[&str]) -> Lab {
        Lab::of(Program::socklab(&[&["topology"], words].concat()))
    }

    /// Waits until a program's network runs.
    pub fn of(mut program: Program) -> Lab {
        let line = program.wait_err("network ");
        let id = line.split(' ').nth(1).expect("a name").to_string();
        assert!(!leftovers(&id).is_empty(), "it runs, so something of {id} is there");
        let folder = folder(&id).expect("its folder");
        Lab { program, id, folder }
    }

    /// The tutorial's network without loss, ARP done: what is measured then does not depend on chance.
    pub fn without_loss() -> Lab {
        let mut lab = Lab::start(&["--seed", "231"]);
        lab.program.type_line("link h1 s1 loss 0\nlink s1 h2 loss 0");
        lab.program.type_line("h1 ping -c 1 -W 10 h4");
        lab.program.wait_out("1 received");
        lab
    }

    /// Ends it as the end of the input does; nothing may be left.
    pub fn finish(self) -> Ended {
        let ended = self.program.finish();
        assert_gone(&self.id, self.folder);
        ended
    }

    pub fn namespace(&self, node: &str) -> String {
        format!("socklab-{}-{node}", self.id)
    }
}

/// What is there of a network: its namespaces and its folder.
pub fn leftovers(id: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with(&format!("socklab-{id}-")) {
            found.push(name);
        }
    }
    let folder = Path::new("/run/socklab").join(id);
    found.extend(folder.exists().then(|| folder.display().to_string()));
    found
}

/// What tells a network's folder from a later one of the same name: when it was made, in nanoseconds,
/// for an inode's number may be given out again at once; the number where no time is kept.
pub fn folder(id: &str) -> Option<u64> {
    let about = fs::metadata(Path::new("/run/socklab").join(id)).ok()?;
    let made = about.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    Some(made.map_or(about.ino(), |made| made.as_nanos() as u64))
}

/// Asserts that nothing is left of the network with that name and folder, except that its name may
/// have another owner by now.
pub fn assert_gone(id: &str, ours: u64) {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        let left = leftovers(id);
        if left.is_empty() || folder(id).is_some_and(|now| now != ours) {
            return;
        }
        assert!(Instant::now() < deadline, "left of {id}: {left:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process runs whose command line is exactly these words.
pub fn runs(words: &str) -> bool {
    let wanted = format!("{}\0", words.replace(' ', "\0"));
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .any(|line| line == wanted.as_bytes())
}

/// What a program said on standard error, but for the hint at a network that another test has killed.
pub fn complaints(ended: &Ended) -> Vec<&String> {
    ended.err.iter().filter(|line| !line.contains(" was killed: ")).collect()
}

pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A command line that nothing else on this machine has: `sleep` for a time of our own.
pub fn a_sleep(test: u32) -> String {
    format!("sleep {}.{}", 3000 + test, std::process::id())
}

pub fn run(program: &str, words: &[&str]) {
    let status = Command::new(program).args(words).status().expect("a program");
    assert!(status.success(), "{program} {words:?}");
}
