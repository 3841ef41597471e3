//! What a test looks up in `/proc`, and users with little to their name.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::SOCKLAB;

/// A line of `/proc/PID/status` in KiB: `VmRSS`, `VmHWM`.
pub fn memory(pid: u32, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find(|line| line.starts_with(what)).expect("a known line");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

/// The names of a process's threads.
pub fn threads(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a running process");
    // A thread may end between the listing and the look.
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim_end().to_string())
        .collect()
}

/// A folder for one test that everybody may read; removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    /// Makes it.
    pub fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("socklab-test-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a new folder");
        Folder(path)
    }

    /// Puts a copy of the program there, which users without rights can reach; its path.
    pub fn copy_of_socklab(&self) -> String {
        let copy = self.0.join("socklab");
        // Not fs::copy: a child that another test starts meanwhile would hold our writing end open for a
        // moment, and a program that is open for writing cannot be run (ETXTBSY).
        let copied = Command::new("cp").arg(SOCKLAB).arg(&copy).status();
        assert!(copied.is_ok_and(|status| status.success()), "a copy of the program");
        copy.to_str().expect("a path in UTF-8").to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A shell that runs `script` as a user of its own number, which nobody else has, without root's
/// rights; `"$socklab"` in it is the program. The copy in `folder` is one that this user can reach.
/// Needs root.
pub fn as_nobody(folder: &Folder, script: &str) -> Command {
    let copy = folder.copy_of_socklab();
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let user = (1_000_000 + std::process::id() * 16 + number).to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "sh", "-c", script]);
    command.env("socklab", copy);
    command
}

/// A Python program, given as text, with arguments. Its output is not buffered.
pub fn python(program: &str, words: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.args(["-u", "-c", program]).args(words);
    command
}
