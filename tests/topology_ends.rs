//! Every way out of a network: that nothing is left of it, neither namespaces nor files nor programs, and
//! that nothing else is touched. They need root, and each test has a network of its own.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use common::lab::{
    a_sleep, assert_gone, can_build, complaints, folder, leftovers, run, runs, wait_until, Lab,
};
use common::system::{as_nobody, Folder};
use common::{can_run, installed, socklab, Program, SOCKLAB};

/// Held by a test while something is there for `clean`, which would remove what another test looks at.
static CLEANING: Mutex<()> = Mutex::new(());

/// `kill` with any signal that is a request, and an output that nobody reads any more, take it down. Keys
/// at a terminal are in `tests/topology_terminal.rs`.
#[test]
fn every_polite_way_out_leaves_nothing() {
    if !can_build() {
        return;
    }
    for (number, signal) in ["INT", "TERM", "QUIT", "HUP"].into_iter().enumerate() {
        let (one, two, three) = (a_sleep(1), a_sleep(2), a_sleep(3));
        let mut lab = Lab::start(&[]);
        lab.program.type_line(&format!("h1 sh -c '{one} & exec {two}' &"));
        // A foreground program runs when the signal comes; for the last one none does.
        if number < 3 {
            lab.program.type_line(&format!("h2 {three}"));
            wait_until("all run", || runs(&one) && runs(&two) && runs(&three));
        } else {
            wait_until("both run", || runs(&one) && runs(&two));
        }
        lab.program.signal(signal);
        let ended = lab.finish();
        assert_eq!(ended.code, 0, "{signal}: {ended:#?}");
        assert!(!runs(&one) && !runs(&two) && !runs(&three), "{signal}");
    }
    // Nobody reads its output any more.
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("yes nodes | '{SOCKLAB}' topology | head -n 1")]);
    let ended = Lab::of(Program::start(shell)).finish();
    assert_eq!(complaints(&ended).len(), 1, "{ended:#?}");
}

/// A program that ignores SIGTERM is killed, also when it has left its process group.
#[test]
fn programs_that_do_not_want_to_end() {
    if !can_build() {
        return;
    }
    let stubborn = a_sleep(4);
    let mut lab = Lab::start(&[]);
    lab.program.type_line(&format!("h1 setsid sh -c 'trap \"\" TERM HUP INT; {stubborn}; {stubborn}' &"));
    wait_until("it runs", || runs(&stubborn));
    lab.finish();
    assert!(!runs(&stubborn));
}

/// Ctrl-C pressed again because something does not end: that is killed, and still nothing is left.
#[test]
fn an_impatient_user() {
    if !can_build() {
        return;
    }
    let stubborn = a_sleep(10);
    let mut lab = Lab::start(&[]);
    lab.program.type_line(&format!("h1 sh -c 'trap \"\" TERM; {stubborn}; {stubborn}' &"));
    wait_until("it runs", || runs(&stubborn));
    lab.program.signal("INT");
    // Not the same request twice: more than `stop::ECHO` later.
    thread::sleep(Duration::from_millis(200));
    lab.program.signal("INT");
    assert_eq!(lab.finish().code, 0);
    assert!(!runs(&stubborn));
}

/// Programs that start others all the time: those that come between a look and a signal are found as well.
#[test]
fn programs_that_multiply() {
    if !can_build() {
        return;
    }
    let child = a_sleep(9);
    let mut lab = Lab::start(&[]);
    let multiply = format!("trap \"\" TERM; for n in $(seq 400); do setsid {child} & sleep 0.02; done");
    lab.program.type_line(&format!("h1 sh -c '{multiply}' &"));
    wait_until("there are some", || runs(&child));
    lab.finish();
    assert!(!runs(&child));
}

/// A reader that does not read: a signal takes the network down although a command cannot show its lines.
#[test]
fn an_output_that_nobody_takes() {
    if !can_build() {
        return;
    }
    let mut command = Command::new(SOCKLAB);
    command.arg("topology").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut input, errors) = (child.stdin.take().unwrap(), BufReader::new(child.stderr.take().unwrap()));
    let line = errors.lines().map(Result::unwrap).find(|line| line.starts_with("network ")).expect("it runs");
    let id = line.split(' ').nth(1).unwrap().to_string();
    let folder = folder(&id).unwrap();
    // Much more than a pipe holds; and less than that to type it.
    input.write_all("help\n".repeat(1000).as_bytes()).unwrap();
    let writing = format!("/proc/{0}/task/{0}/syscall", child.id());
    // The number of the call, then its arguments: the first is standard output. Some kernels do not tell.
    wait_until("it waits for its reader", || {
        fs::read_to_string(&writing).map_or(true, |call| call.split(' ').nth(1) == Some("0x1"))
    });
    run("kill", &[&child.id().to_string()]);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_gone(&id, folder);
}

/// A system that fails in the middle of building, and a user who does not want to wait for it.
#[test]
fn what_was_half_built_is_undone() {
    if !can_build() {
        return;
    }
    let folder = Folder::new();
    let real = Command::new("sh").args(["-c", "command -v ip"]).output().unwrap().stdout;
    let real = String::from_utf8(real).unwrap();
    // An `ip` that does something else first.
    let fake = |body: &str| {
        let path = folder.0.join("ip");
        fs::write(&path, format!("#!/bin/sh\n{body}\nexec {} \"$@\"\n", real.trim())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(SOCKLAB);
        let path = std::env::var("PATH").unwrap();
        command.arg("topology").env("PATH", format!("{}:{path}", folder.0.display()));
        command
    };
    let log = folder.0.join("log");
    // What it is asked to make, and the inode of the network's folder.
    let note = format!(
        "case $2 in add) id=${{3#socklab-}}; stat -c '%i' /run/socklab/${{id%-*}} >{0}.inode; esac; \
         echo \"$*\" >>{0}",
        log.display()
    );
    let inode = || -> u64 {
        let text = fs::read_to_string(log.with_extension("inode")).unwrap();
        text.trim().parse().expect("the folder is there before anything is made")
    };
    let names = || -> Vec<String> {
        let text = fs::read_to_string(&log).unwrap_or_default();
        text.lines().filter_map(|line| line.strip_prefix("netns add ").map(str::to_string)).collect()
    };
    let gone = || {
        for name in names() {
            assert_gone(name.split('-').nth(1).unwrap(), inode());
        }
    };

    let refuse = "case \"$*\" in *'route add'*) echo 'RTNETLINK answers: No way' >&2; exit 2;; esac";
    let ended = Program::start(fake(&format!("{note}\n{refuse}"))).finish();
    assert_eq!(ended.code, 1, "{ended:#?}");
    let said = complaints(&ended);
    assert_eq!(said.len(), 1, "{ended:#?}");
    assert!(said[0].starts_with("socklab topology: ip ") && said[0].ends_with("No way"), "{ended:#?}");
    assert_eq!(names().len(), 6);
    gone();

    let slow = "case \"$*\" in 'netns add '*h4) sleep 1;; esac";
    for signal in ["INT", "TERM"] {
        fs::remove_file(&log).unwrap();
        let mut program = Program::start(fake(&format!("{note}\n{slow}")));
        wait_until("it is in the middle", || names().len() == 4);
        program.signal(signal);
        let ended = program.finish();
        assert_eq!((ended.code, complaints(&ended).len()), (0, 0), "{ended:#?}");
        gone();
    }

    // Killed there, it cannot undo anything; `clean` can, and what it was about to make is not made.
    let _one_at_a_time = CLEANING.lock().unwrap_or_else(PoisonError::into_inner);
    fs::remove_file(&log).unwrap();
    let mut program = Program::start(fake(&format!("{note}\n{slow}")));
    wait_until("it is in the middle", || names().len() == 4);
    program.signal("KILL");
    assert_eq!(program.finish().code, 128 + 9);
    let id = names()[0].split('-').nth(1).unwrap().to_string();
    assert_eq!(leftovers(&id).len(), 4, "three namespaces and the folder");
    let ended = socklab(&["topology", "clean"], b"");
    assert_eq!(ended.code, 0, "{ended:#?}");
    gone();
}

/// A panic of ours.
#[test]
fn a_panic_takes_the_network_down() {
    use socklab::kit::random::Random;
    use socklab::topology::{build::Network, networks};
    if !can_build() {
        return;
    }
    let id = std::panic::catch_unwind(|| {
        let plan = networks::find("continents").unwrap();
        let network = Network::build(plan, &mut Random::new(None)).unwrap();
        let id = network.id().to_string();
        assert!(!leftovers(&id).is_empty());
        let folder = folder(&id).unwrap();
        std::panic::panic_any((id, folder));
    });
    let ours = id.unwrap_err().downcast::<(String, u64)>().expect("our own panic");
    assert_gone(&ours.0, ours.1);
}

/// `clean`; and `clean` touches nothing that runs and nothing that is not provably ours.
#[test]
fn after_kill_9_clean_removes_what_was_left_and_nothing_else() {
    if !can_build() {
        return;
    }
    let _one_at_a_time = CLEANING.lock().unwrap_or_else(PoisonError::into_inner);
    let (child, grandchild) = (a_sleep(5), a_sleep(6));
    let mut killed = Lab::start(&[]);
    killed.program.type_line(&format!("h1 {child} &\nh2 sh -c '{grandchild} & {grandchild}1 & wait' &"));
    wait_until("all run", || runs(&child) && runs(&grandchild) && runs(&format!("{grandchild}1")));
    let running = Lab::start(&[]);
    assert_ne!(killed.id, running.id, "two at once");

    // Made by hand: one of the same prefix, one in the place of ours, and links to elsewhere.
    let stranger = killed.namespace("zz");
    let replaced = killed.namespace("h4");
    run("ip", &["netns", "add", &stranger]);
    run("ip", &["netns", "del", &replaced]);
    run("ip", &["netns", "add", "socklab-keeps-number"]);
    run("ip", &["netns", "add", &replaced]);
    let folder = Folder::new();
    for name in ["lock", "plan", "made"] {
        fs::write(folder.0.join(name), format!("{stranger}\n")).unwrap();
    }
    let link = Path::new("/run/socklab").join(format!("link{}", std::process::id()));
    symlink(&folder.0, &link).unwrap();

    // Dropping it kills it: std's `kill` is SIGKILL.
    let id = killed.id.clone();
    drop(killed.program);
    wait_until("its child has ended", || !runs(&child));
    assert!(leftovers(&id).len() > 4);

    let ended = socklab(&["topology", "clean"], b"");
    assert_eq!(ended.code, 0, "{ended:#?}");
    assert!(ended.out.contains(&format!("removed socklab-{id}-h1")), "{ended:#?}");
    assert!(ended.out.contains(&format!("forgot {id}")), "{ended:#?}");
    assert!(ended.err.iter().any(|line| line.starts_with(&format!("left {replaced}: "))), "{ended:#?}");
    assert!(!runs(&grandchild));
    let mut left = leftovers(&id);
    left.sort();
    assert_eq!(left, [replaced.clone(), stranger.clone()]);
    assert!(folder.0.join("made").exists(), "a link is not followed");
    fs::remove_file(&link).unwrap();
    for name in [&replaced, &stranger, "socklab-keeps-number"] {
        run("ip", &["netns", "del", name]);
    }

    // The one that runs has not been touched.
    assert!(leftovers(&running.id).len() >= 7);
    assert_eq!(running.finish().code, 0);
}

/// `ip` itself may have been killed, or somebody may have put something else in the place of what was made:
/// an empty file that stands for no namespace is removed, a link, a file with something in it and a
/// namespace with another number are left. And nothing is removed from inside.
#[test]
fn clean_looks_before_it_removes() {
    if !can_build() {
        return;
    }
    let _one_at_a_time = CLEANING.lock().unwrap_or_else(PoisonError::into_inner);
    // A network as a killed run would have left it, written by hand.
    let id = format!("test{}", std::process::id());
    let name = |node: &str| format!("socklab-{id}-{node}");
    let named = |node: &str| Path::new("/run/netns").join(name(node));
    run("ip", &["netns", "add", &name("own")]);
    let number = fs::metadata(named("own")).unwrap().ino();
    let target = Folder::new();
    for bare in ["half1", "half2"] {
        fs::write(named(bare), "").unwrap();
    }
    symlink(&target.0, named("link")).unwrap();
    fs::write(named("file"), "somebody's").unwrap();
    let keeper = Lab::start(&[]);
    let folder = Path::new("/run/socklab").join(&id);
    fs::create_dir(&folder).unwrap();
    let made = ["half1", "half2 4026531000", "link", "file 4026531001", "gone 4026531002"];
    let made: String = made.iter().map(|line| format!("{}\n", name(line))).collect();
    let made = format!("{made}{} {number}\nstranger 1\n../../etc/passwd\n{}", name("own"), name("ha"));
    fs::write(folder.join("made"), made).unwrap();

    let inside = ["netns", "exec", &name("own"), SOCKLAB, "topology", "clean"];
    let inside = Command::new("ip").args(inside).output().unwrap();
    let said = String::from_utf8(inside.stderr).unwrap();
    assert_eq!(inside.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("{id} is not removed: this terminal is inside it")), "{said}");
    assert!(named("own").exists() && named("half1").exists());

    let ended = socklab(&["topology", "clean"], b"");
    assert_eq!(ended.code, 0, "{ended:#?}");
    for node in ["own", "half1", "half2"] {
        assert!(ended.out.contains(&format!("removed {}", name(node))), "{ended:#?}");
    }
    for node in ["link", "file"] {
        assert!(
            ended.err.iter().any(|line| line.starts_with(&format!("left {}: ", name(node)))),
            "{ended:#?}"
        );
    }
    let mut left = leftovers(&id);
    left.sort();
    assert_eq!(left, [name("file"), name("link")]);
    assert!(target.0.is_dir());
    for node in ["file", "link"] {
        fs::remove_file(named(node)).unwrap();
    }
    keeper.finish();
}

/// Something else in the place where networks are written down is not used.
#[test]
fn a_folder_that_others_can_write_to_is_refused() {
    if !can_build() || !can_run(installed("unshare"), "needs unshare") {
        return;
    }
    for (make, why) in [
        ("mkdir -m 777 /run/socklab", "/run/socklab is not for root alone: who has made it?"),
        ("mkdir /run/socklab; chown 1 /run/socklab", "/run/socklab is not for root alone"),
        ("mkdir -m 700 /run/x; ln -s x /run/socklab", "cannot use /run/socklab: "),
        ("echo text >/run/socklab", "cannot use /run/socklab: "),
    ] {
        // With a /run of its own.
        let line = format!("mount -t tmpfs x /run; {make}; exec \"$0\" topology");
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &line, SOCKLAB]);
        let ended = Program::start(command).finish();
        assert_eq!(ended.code, 1, "{make}: {ended:#?}");
        assert!(ended.err.last().unwrap().contains(why), "{make}: {ended:#?}");
    }
}

/// Without root: in a user namespace of its own where the system allows that, one line otherwise.
#[test]
fn without_root() {
    if !can_build() || !can_run(installed("setpriv"), "needs setpriv") {
        return;
    }
    let folder = Folder::new();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).unwrap();
    let sleep = a_sleep(8);
    let commands = format!("link s1 h1 loss 0\\nlink s1 h2 loss 0\\nh1 ping -c 1 -W 5 h2\\nh1 {sleep} &\\n");
    let script = format!("printf '{commands}' | \"$socklab\" topology");
    let ended = Program::start(as_nobody(&folder, &script)).finish();
    if ended.code == 0 {
        assert!(ended.out.iter().any(|line| line.contains("ttl=64")), "{ended:#?}");
    } else {
        let needed = "socklab topology: needs root (sudo), or user namespaces and /dev/net/tun open to you";
        assert_eq!((ended.code, &ended.err[..]), (1, &[needed.to_string()][..]), "{ended:#?}");
    }
    assert!(!runs(&sleep));
    for word in ["exec h1 true", "clean"] {
        let folder = Folder::new();
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).unwrap();
        let ended = Program::start(as_nobody(&folder, &format!("\"$socklab\" topology {word}"))).finish();
        assert_eq!(ended.code, 1, "{ended:#?}");
        assert!(ended.err[0].contains("needs root (sudo)"), "{ended:#?}");
    }
}
