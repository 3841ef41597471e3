//! A network namespace on this machine: which one it is, what runs inside it, and how both are ended.
//!
//! `ip netns` gives a namespace a name by mounting it on a file in `/run/netns`. The name is only a
//! name: the kernel knows a namespace by the inode number of that mount, which every process inside
//! it shows as `/proc/PID/ns/net`. So it is the number that says whether something is ours.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::kit::sys::process::Hold;
use crate::kit::sys::signal::{SIGKILL, SIGTERM};

/// How long a program may take to end after SIGTERM before it is killed.
const END_WITHIN: Duration = Duration::from_secs(2);

/// How long to wait for what has been killed. Only a process stuck in the kernel takes longer.
const KILL_WITHIN: Duration = Duration::from_secs(2);

/// How often to look whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where `ip netns` keeps the name.
pub fn path(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

/// Whether the name is taken, by a namespace or by anything else.
pub fn exists(name: &str) -> bool {
    path(name).symlink_metadata().is_ok()
}

/// Whether any name begins like this.
pub fn any_begins_with(prefix: &str) -> bool {
    let names = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    names.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
}

/// Whether the name stands for nothing: an empty file, on which no namespace is mounted yet, or any more.
pub fn is_bare(name: &str) -> bool {
    let folder = fs::metadata("/run/netns").map(|about| about.dev());
    let named = path(name).symlink_metadata();
    named.is_ok_and(|file| file.is_file() && file.len() == 0 && folder.is_ok_and(|dev| dev == file.dev()))
}

/// The number of the namespace that this process itself is in.
pub fn own() -> Option<u64> {
    fs::metadata("/proc/self/ns/net").ok().map(|own| own.ino())
}

/// The number of the namespace of that name; `None` when there is none, when the file is no
/// namespace, and when it is the one that this process itself is in.
pub fn number(name: &str) -> Option<u64> {
    let named = path(name).symlink_metadata().ok()?;
    let own = fs::metadata("/proc/self/ns/net").ok()?;
    (named.dev() == own.dev() && named.ino() != own.ino()).then(|| named.ino())
}

/// The processes in the namespace `number`.
fn programs(number: u64) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_inside(*pid, number)).collect()
}

/// Whether anything runs in the namespace `number`.
pub fn is_busy(number: u64) -> bool {
    !programs(number).is_empty()
}

fn is_inside(pid: u32, number: u64) -> bool {
    pid != std::process::id()
        && fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|namespace| namespace.ino() == number)
}

/// Whether somebody is impatient.
static HURRY: AtomicBool = AtomicBool::new(false);

/// From now on programs are killed without being asked first: the user has pressed Ctrl-C again.
pub fn hurry() {
    HURRY.store(true, Relaxed);
}

/// Ends every program in the namespaces: first asks, then kills. Looks again and again, for a program
/// may start others meanwhile; each is asked once, because for many a second SIGTERM means "at once".
pub fn end_programs(numbers: &[u64]) {
    for (signal, patience) in [(SIGTERM, END_WITHIN), (SIGKILL, KILL_WITHIN)] {
        let deadline = Instant::now() + patience;
        let mut told = HashSet::new();
        loop {
            let inside: Vec<u32> = numbers.iter().flat_map(|number| programs(*number)).collect();
            if inside.is_empty() {
                return;
            }
            for pid in inside {
                // First the hold, then the look: from here on it is this process and no other.
                let Ok(hold) = Hold::of(pid) else { continue };
                if numbers.iter().any(|number| is_inside(pid, *number)) && told.insert(pid) {
                    // An error says that it has ended by itself.
                    let _ = hold.signal(signal);
                }
            }
            let impatient = signal == SIGTERM && HURRY.load(Relaxed);
            if impatient || Instant::now() >= deadline {
                break;
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}
