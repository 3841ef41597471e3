//! Many clients at once, the cap, and a system that has run out: the promises of `kit::serve` and
//! `kit::select`.

mod common;

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::DirEntry;
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::clients::{connect, exchange, read_all};
use common::system::{as_nobody, memory, threads, Folder};
use common::{can_run, is_root, Program, SOCKLAB};
use socklab::kit::sys::limits::raise_descriptors;

/// How many clients are connected at once.
const CROWD: usize = 2_000;

/// The descriptors that this process needs for them, and some for its other tests.
const DESCRIPTORS: usize = CROWD + 500;

/// Waits until something that the system does in the background has happened.
fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + common::PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "{what} does not happen");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A shell's server with limits of its own: `ulimit` lines, then the program.
fn limited(ulimit: &str, words: &str) -> Program {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{ulimit}; exec {SOCKLAB} {words}")]);
    Program::start(command)
}

#[test]
fn two_thousand_clients_at_once_each_in_a_thread_of_its_name() {
    let descriptors = raise_descriptors().unwrap();
    if !can_run(descriptors >= DESCRIPTORS, "the limit of descriptors (ulimit -Hn) is below 2,500") {
        return;
    }
    let mut server = Program::socklab(&["echo-server", "0"]);
    let port = server.port();
    let before = memory(server.pid(), "VmRSS");
    let clients: Vec<TcpStream> = (0..CROWD).map(|_| connect(port)).collect();
    for (number, client) in clients.iter().enumerate() {
        let text = format!("I am {number}");
        assert_eq!(exchange(client, text.as_bytes(), text.len()), text.as_bytes());
    }
    let grown = memory(server.pid(), "VmRSS").saturating_sub(before);
    let each = grown as f64 / CROWD as f64;
    println!("{each:.1} KiB resident per idle connection");
    // The release build has more to spare; see docs/performance.md.
    assert!(each <= 24.0, "{each:.1} KiB resident per idle connection");
    let names: HashSet<String> = threads(server.pid()).into_iter().collect();
    for client in &clients {
        let address = client.local_addr().unwrap().to_string();
        assert!(names.contains(&address), "no thread is named {address}");
    }
    // The last is served as well as the first, and all of them again.
    for client in clients.iter().rev() {
        assert_eq!(exchange(client, b"again", 5), b"again");
    }
    drop(clients);
    wait_until("every thread's end", || threads(server.pid()).len() == 2);
    let ended = server.stop_cleanly(&[]);
    assert_eq!(ended.err.len(), 2, "{ended:#?}");
    assert_eq!(ended.err[1], format!("served {CROWD} clients, at most {CROWD} at once"));
    assert_eq!(ended.out.len(), CROWD);
}

/// Which thread of a process has this name now.
fn thread_named(pid: u32, name: &str) -> Option<OsString> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a running process");
    let named = |task: &DirEntry| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    tasks.flatten().find(named).map(|task| task.file_name())
}

#[test]
fn a_thread_whose_client_has_left_takes_the_next() {
    let mut server = Program::socklab(&["echo-server", "0"]);
    let port = server.port();
    let mut last = None;
    // The next one may come before the thread is free; then another is started for it.
    wait_until("that one thread serves two clients", || {
        let client = connect(port);
        assert_eq!(exchange(&client, b"x", 1), b"x");
        let thread = thread_named(server.pid(), &client.local_addr().unwrap().to_string());
        let same = thread.is_some() && thread == last;
        last = thread;
        same
    });
    wait_until("every thread's end", || threads(server.pid()).len() == 2);
    server.stop_cleanly(&[]);
}

#[test]
fn one_thread_serves_two_thousand_by_readiness() {
    let descriptors = raise_descriptors().unwrap();
    if !can_run(descriptors >= DESCRIPTORS, "the limit of descriptors (ulimit -Hn) is below 2,500") {
        return;
    }
    // select(2) itself would end at descriptor 1023.
    let mut server = Program::socklab(&["message-server", "0", "--bind", "127.0.0.1", "--select"]);
    let port = server.port();
    let clients: Vec<TcpStream> = (0..CROWD).map(|_| connect(port)).collect();
    for mut client in &clients {
        std::io::Write::write_all(&mut client, b"here\n").unwrap();
    }
    for _ in 0..CROWD {
        server.wait_out(": here");
    }
    assert_eq!(threads(server.pid()).len(), 2);
    drop(clients);
    let ended = server.stop_cleanly(&[]);
    assert_eq!(ended.err[1], format!("served {CROWD} clients, at most {CROWD} at once"));
}

#[test]
fn a_burst_beyond_the_cap_waits_in_the_queue_and_is_served() {
    let mut server = Program::socklab(&["echo-server", "0", "--max-clients", "3"]);
    let port = server.port();
    // Far more than std's queue of 128 would take without retransmitted SYNs.
    let clients: Vec<TcpStream> = (0..400).map(|_| connect(port)).collect();
    assert_eq!(exchange(&clients[0], b"first", 5), b"first");
    wait_until("three threads", || threads(server.pid()).len() == 5);
    for client in clients {
        assert_eq!(exchange(&client, b"at last", 7), b"at last");
    }
    let ended = server.stop_cleanly(&[]);
    assert_eq!(ended.err[1], "served 400 clients, at most 3 at once");
}

#[test]
fn at_the_cap_the_idle_limit_makes_room() {
    for form in [&["stamp-server"][..], &["stamp-server", "--select"]] {
        let words = ["0", "--bind", "127.0.0.1", "--max-clients", "1", "--idle", "1"];
        let mut server = Program::socklab(&[form, &words].concat());
        let port = server.port();
        let silent = connect(port);
        let waiting = connect(port);
        assert_eq!(exchange(&waiting, b"x", 19).last(), Some(&b'x'));
        assert_eq!(read_all(&silent), b"");
        drop(waiting);
        let ended = server.stop_cleanly(&["let go after 1 s of silence"]);
        assert_eq!(ended.err.last().unwrap(), "served 2 clients, at most 1 at once");
    }
}

#[test]
fn out_of_descriptors_the_server_lives_says_so_once_and_serves_again() {
    // The second puts a stamp of 18 bytes in front of its answers.
    for (words, length) in [("echo-server 0", 6), ("stamp-server 0 --bind 127.0.0.1 --select", 24)] {
        let mut server = limited("ulimit -n 40", &format!("{words} --max-clients 1000"));
        let port = server.port();
        let mut clients: Vec<TcpStream> = (0..100).map(|_| connect(port)).collect();
        let line = "cannot accept a client: Too many open files; new clients wait until one leaves";
        assert_eq!(server.wait_err("cannot accept"), line);
        // Those who came in are served.
        assert!(exchange(&clients[0], b"served", length).ends_with(b"served"));
        // It does not spin while it waits: a tenth of a second of work in half a second is plenty.
        let before = processor_time(server.pid());
        thread::sleep(Duration::from_millis(500));
        let spent = processor_time(server.pid()) - before;
        assert!(spent <= 10, "{words}: {spent} hundredths of a second in half a second");
        // As places become free, everybody has a turn.
        for client in clients.drain(..) {
            assert!(exchange(&client, b"served", length).ends_with(b"served"));
        }
        let ended = server.stop_cleanly(&[line]);
        assert_eq!(ended.err.len(), 3, "{words}: said more than once: {ended:#?}");
        assert!(ended.err[2].starts_with("served 100 clients, at most "), "{words}: {ended:#?}");
    }
}

/// The processor time that a process has used, in hundredths of a second. See proc_pid_stat(5).
fn processor_time(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
    fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum()
}

#[test]
fn out_of_threads_the_server_lives_says_so_once_and_serves_again() {
    // Root is not bound by the limit, so the server needs a user of its own.
    if !can_run(is_root(), "a user with few threads needs root to become that user") {
        return;
    }
    let folder = Folder::new();
    let script = "exec prlimit --nproc=8 \"$socklab\" echo-server 0 --max-clients 1000";
    let mut server = Program::start(as_nobody(&folder, script));
    let port = server.port();
    let clients: Vec<TcpStream> = (0..20).map(|_| connect(port)).collect();
    let line = "cannot start a thread: no more threads or no memory for one (see `ulimit -u` and `-v`); new clients wait \
                until one leaves";
    assert_eq!(server.wait_err("cannot start"), line);
    assert_eq!(exchange(&clients[0], b"served", 6), b"served");
    assert_eq!(threads(server.pid()).len(), 8);
    for client in clients {
        assert_eq!(exchange(&client, b"served", 6), b"served");
    }
    let ended = server.stop_cleanly(&[line]);
    assert_eq!(ended.err.len(), 3, "said more than once: {ended:#?}");
    assert!(ended.err[2].starts_with("served 20 clients, at most "), "{ended:#?}");
}

#[test]
fn out_of_threads_a_signal_is_still_obeyed() {
    if !can_run(is_root(), "a user with few threads needs root to become that user") {
        return;
    }
    let folder = Folder::new();
    let script = "exec prlimit --nproc=6 \"$socklab\" echo-server 0 --max-clients 1000";
    let mut server = Program::start(as_nobody(&folder, script));
    let port = server.port();
    let _clients: Vec<TcpStream> = (0..10).map(|_| connect(port)).collect();
    server.wait_err("cannot start a thread");
    let started = Instant::now();
    let ended = server.stop_cleanly(&["cannot start a thread"]);
    assert!(started.elapsed() < Duration::from_secs(4), "{ended:#?}");
}

#[test]
fn the_limit_of_descriptors_is_raised_to_the_hard_one() {
    let hard = raise_descriptors().unwrap();
    if !can_run(hard >= 300, "the hard limit of descriptors is below 300") {
        return;
    }
    let mut server = limited("ulimit -S -n 20", "echo-server 0");
    let port = server.port();
    let clients: Vec<TcpStream> = (0..100).map(|_| connect(port)).collect();
    for client in &clients {
        assert_eq!(exchange(client, b"x", 1), b"x");
    }
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let [soft, hard] = [3, 4].map(|field| line.split_whitespace().nth(field).unwrap());
    assert_eq!(soft, hard);
    server.stop_cleanly(&[]);
}
