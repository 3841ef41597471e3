//! What a test looks up in `/proc`, and users with little to their name.

use std::fs;
use std::net::{IpAddr, SocketAddr};
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

/// The state of the thread with that name, as proc_pid_stat(5) has it: `S` sleeps, `R` runs.
pub fn state_of_thread(pid: u32, name: &str) -> Option<char> {
    // The kernel keeps 15 bytes of a name.
    let name = &name[..name.len().min(15)];
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    tasks.flatten().find_map(|task| {
        let stat = fs::read_to_string(task.path().join("stat")).ok()?;
        let (before, after) = stat.rsplit_once(") ")?;
        (before.split_once('(')?.1 == name).then(|| after.chars().next())?
    })
}

/// One end of a TCP connection over IPv4, as the kernel lists it. See proc_net_tcp(5).
#[derive(Debug)]
pub struct TcpEnd {
    /// 1 is ESTABLISHED, 4 FIN-WAIT-1.
    pub state: u8,
    /// How many bytes the peer's kernel has not acknowledged.
    pub unacknowledged: u32,
    /// How many bytes the program has not read.
    pub unread: u32,
    /// Which timer runs, and when it goes off: `02:0000176F`.
    pub timer: String,
}

/// The end at `own` of a connection with `peer`. `None` is no proof that there is none: the list is not
/// made in one moment.
pub fn tcp_end(own: SocketAddr, peer: SocketAddr) -> Option<TcpEnd> {
    let shown = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port()),
        IpAddr::V6(_) => panic!("{address} is in another list"),
    };
    let ends = format!(" {} {} ", shown(own), shown(peer));
    let table = fs::read_to_string("/proc/net/tcp").expect("the kernel's list");
    let words: Vec<&str> = table.lines().find(|line| line.contains(&ends))?.split_whitespace().collect();
    let number = |text: &str| u32::from_str_radix(text, 16).expect("a number");
    let (sending, receiving) = words[4].split_once(':')?;
    let (state, timer) = (number(words[3]) as u8, words[5].to_string());
    Some(TcpEnd { state, unacknowledged: number(sending), unread: number(receiving), timer })
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

    /// The name of something in it.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a name in UTF-8").to_string()
    }

    /// A file in it; returns its name.
    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.0.join(name), bytes).expect("a file in the folder");
        self.path(name)
    }

    /// Puts a copy of the program there, which users without rights can reach; its path.
    pub fn copy_of_socklab(&self) -> String {
        let copy = self.path("socklab");
        // Not fs::copy: a child that another test starts meanwhile would hold our writing end open for a
        // moment, and a program that is open for writing cannot be run (ETXTBSY).
        let copied = Command::new("cp").arg(SOCKLAB).arg(&copy).status();
        assert!(copied.is_ok_and(|status| status.success()), "a copy of the program");
        copy
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
