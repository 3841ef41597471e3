//! IoT lab 1, second optional deliverable ("guarantee reception and order") and beyond it:
//! `reliable-send` and `reliable-receive`, over good networks and bad ones. The protocol itself is tested
//! without sockets in `src/reliable`; the sensors that use it in `tests/sensor_reliable.rs`.

mod common;
#[path = "common/relay.rs"]
mod relay;

use std::fs::{self, File};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::system::Folder;
use common::{can_run, installed, is_root, socklab, Ended, Program, SOCKLAB};
use relay::{Faults, Relay};
use socklab::kit::random::Random;

/// Larger than can be sent before a test has done what it does in the middle. It takes no room on the disk.
const ENDLESS: u64 = 1 << 36;

/// The files of one test.
struct Files {
    folder: Folder,
}

impl Files {
    fn new() -> Files {
        Files { folder: Folder::new() }
    }

    /// A file of random bytes to be sent.
    fn source(&self, size: usize) -> PathBuf {
        let path = self.folder.0.join("source");
        let mut random = Random::new(Some(size as u64));
        let bytes: Vec<u8> = (0..size).map(|_| random.bits() as u8).collect();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// One that never ends, for practical purposes: all zeros.
    fn endless(&self) -> PathBuf {
        let path = self.folder.0.join("endless");
        File::create(&path).unwrap().set_len(ENDLESS).unwrap();
        path
    }

    fn target(&self) -> PathBuf {
        self.folder.0.join("target")
    }

    /// All that lies in the folder, hidden files included.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder.0).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// A receiver and its port.
fn receiver(target: &Path, more: &[&str]) -> (Program, u16) {
    let target = target.to_str().unwrap();
    let mut program = Program::socklab(&[&["reliable-receive", "0", "-o", target], more].concat());
    let port = program.port();
    (program, port)
}

fn sender(source: &Path, host: &str, port: u16, more: &[&str]) -> Program {
    let (source, port) = (source.to_str().unwrap(), port.to_string());
    Program::socklab(&[&["reliable-send", source, host, &port], more].concat())
}

fn send(source: &Path, port: u16) -> Ended {
    sender(source, "127.0.0.1", port, &[]).finish()
}

fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// What `sha256sum` says of a file.
fn sum_of(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_string()
}

/// Asserts that a program failed with one line that contains `why`.
fn failed(ended: &Ended, why: &str) {
    assert_eq!(ended.code, 1, "{ended:#?}");
    assert!(ended.err.last().is_some_and(|line| line.contains(why)), "{ended:#?}");
}

/// Asserts that a file has arrived and both ends said so.
fn arrived(files: &Files, source: &Path, sent: &Ended, received: &Ended) {
    assert_eq!((sent.code, received.code), (0, 0), "{sent:#?} {received:#?}");
    assert!(fs::read(source).unwrap() == fs::read(files.target()).unwrap(), "the same bytes");
    let (size, sum) = (fs::metadata(source).unwrap().len(), sum_of(source));
    let told = format!("sent {}: {size} bytes in ", source.display());
    assert!(
        sent.out[0].starts_with(&told) && sent.out[0].ends_with(&format!(" s, sha256 {sum}")),
        "{sent:#?}"
    );
    assert!(sent.out[1].starts_with("datagrams: "), "{sent:#?}");
    let told = format!("received {}: {size} bytes from ", files.target().display());
    let last = &received.out[0];
    assert!(last.starts_with(&told) && last.ends_with(&format!(" s, sha256 {sum}")), "{received:#?}");
    assert!(!files.names().iter().any(|name| name.ends_with(".part")), "{:?}", files.names());
}

#[test]
fn files_of_every_size_arrive() {
    for size in [0, 1, 1398, 1399, 1400, 2 * 1399, 65_536, 1_000_000] {
        let files = Files::new();
        let source = files.source(size);
        let (receiver, port) = receiver(&files.target(), &[]);
        let sent = send(&source, port);
        assert!(sent.err.is_empty(), "{sent:#?}");
        arrived(&files, &source, &sent, &receiver.finish());
    }
}

#[test]
fn over_ipv6_and_by_name() {
    for (bind, host, more) in [("::1", "::1", &[][..]), ("::1", "[::1]", &[]), ("::", "::1", &["-6"])] {
        let files = Files::new();
        let source = files.source(10_000);
        let (receiver, port) = receiver(&files.target(), &["--bind", bind]);
        let sent = sender(&source, host, port, more).finish();
        let received = receiver.finish();
        assert!(received.out[0].contains(" from [::1]:"), "{received:#?}");
        arrived(&files, &source, &sent, &received);
    }
    let files = Files::new();
    let source = files.source(10);
    let (receiver, port) = receiver(&files.target(), &["--bind", "::"]);
    let sent = sender(&source, "127.0.0.1", port, &[]).finish();
    let received = receiver.finish();
    assert!(received.out[0].contains(" from 127.0.0.1:"), "{received:#?}");
    arrived(&files, &source, &sent, &received);
}

/// "Guarantee reception and order": in order and once each, whatever the network does.
#[test]
fn through_a_hostile_network() {
    let all = Faults { loss: 10.0, duplicate: 10.0, reorder: 10.0, corrupt: 5.0, truncate: 5.0, pause: 0.1 };
    let table = [
        (1, Faults { loss: 30.0, ..Faults::default() }, 200_000),
        (2, Faults { reorder: 40.0, duplicate: 40.0, ..Faults::default() }, 1_000_000),
        (3, Faults { corrupt: 15.0, truncate: 15.0, ..Faults::default() }, 400_000),
        (4, Faults { pause: 1.0, ..Faults::default() }, 400_000),
        (5, all, 400_000),
        (6, all, 0),
        (7, all, 1),
    ];
    for (seed, faults, size) in table {
        println!("seed {seed}: {faults:?}");
        let files = Files::new();
        let source = files.source(size);
        let (receiver, port) = receiver(&files.target(), &[]);
        let relay = Relay::new(loopback(port), faults, seed);
        let sent = send(&source, relay.port);
        arrived(&files, &source, &sent, &receiver.finish());
    }
}

/// `--loss` shows the repair without a bad network; `--seed` makes it the same each time.
#[test]
fn loss_on_purpose() {
    let files = Files::new();
    let source = files.source(300_000);
    let (receiver, port) = receiver(&files.target(), &["--loss", "20", "--seed", "1"]);
    let sent = sender(&source, "127.0.0.1", port, &["--loss", "20", "--seed", "2"]).finish();
    let again: u64 = sent.out[1].split(", ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(again > 20, "of some 215 messages a fifth is lost: {sent:#?}");
    arrived(&files, &source, &sent, &receiver.finish());
}

#[test]
fn a_port_where_nobody_listens_is_said_at_once() {
    let files = Files::new();
    let source = files.source(10);
    // Bound and closed: nobody has it now.
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let began = Instant::now();
    let ended = send(&source, port);
    failed(&ended, "Connection refused (nothing listens there: is the server started?)");
    assert!(began.elapsed() < Duration::from_secs(8), "not only after the ten seconds of silence");
}

#[test]
fn who_never_answers_is_given_up() {
    let files = Files::new();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ended = send(&files.source(10), silent.local_addr().unwrap().port());
    failed(&ended, "no answer from 127.0.0.1:");
    assert!(ended.err[0].contains(" in 10 s "), "{ended:#?}");
}

#[test]
fn wrong_usage_and_files_that_cannot_be_sent_or_stored() {
    let files = Files::new();
    let (source, target) = (files.source(10), files.target());
    let ended = socklab(&["reliable-receive", "0"], b"");
    assert_eq!(ended.code, 2, "{ended:#?}");
    assert_eq!(socklab(&["reliable-send", source.to_str().unwrap(), "127.0.0.1"], b"").code, 2);
    assert_eq!(send(&source, 0).code, 2, "port 0 is the receiver's to ask for");

    let fifo = files.folder.0.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (path, why) in [
        (files.folder.0.clone(), "only a regular file"),
        (fifo, "only a regular file"),
        (PathBuf::from("/dev/zero"), "only a regular file"),
        (files.folder.0.join("missing"), "No such file or directory"),
        (files.folder.0.join("a\n\u{1b}[2Jb"), "a\\n\\x1b[2Jb: No such file"),
    ] {
        failed(&send(&path, 9), why);
    }
    for (path, why) in [
        (files.folder.0.clone(), "Is a directory"),
        (files.folder.0.join("missing/file"), "No such file or directory"),
        (files.folder.0.join("x".repeat(300)), "File name too long"),
        (source.clone(), "exists already"),
    ] {
        let ended = socklab(&["reliable-receive", "0", "-o", path.to_str().unwrap()], b"");
        failed(&ended, why);
        assert_eq!(ended.err.len(), 1, "said before it listens: {ended:#?}");
    }
    assert!(!target.exists());
    assert_eq!(files.names(), ["fifo", "source"], "trying leaves nothing behind");
}

#[test]
fn an_existing_file_is_replaced_only_when_told() {
    let files = Files::new();
    let source = files.source(5000);
    fs::write(files.target(), "before").unwrap();
    let (receiver1, port) = receiver(&files.target(), &["--force"]);
    let sent = send(&source, port);
    arrived(&files, &source, &sent, &receiver1.finish());

    // It comes into being while the receiver waits.
    fs::remove_file(files.target()).unwrap();
    let (receiver2, port) = receiver(&files.target(), &[]);
    fs::write(files.target(), "meanwhile").unwrap();
    failed(&send(&source, port), "refused the file: ");
    failed(&receiver2.finish(), "exists already (give another name, or --force to replace it)");
    assert_eq!(fs::read(files.target()).unwrap(), b"meanwhile");
    assert_eq!(files.names(), ["source", "target"]);
}

/// The name in the offer is shown and nothing else; a terminal is not at its mercy.
#[test]
fn a_hostile_name_is_only_shown() {
    let files = Files::new();
    let source = files.folder.0.join("\u{1b}[2J\\..");
    fs::write(&source, "x").unwrap();
    let (mut receiver, port) = receiver(&files.target(), &[]);
    assert_eq!(send(&source, port).code, 0);
    receiver.wait_err(" sends \\x1b[2J\\\\.., 1 bytes");
    assert_eq!(receiver.finish().code, 0);
    assert_eq!(fs::read(files.target()).unwrap(), b"x");
}

#[test]
fn a_full_disk_is_told_to_the_sender() {
    let tools = installed("unshare") && installed("mount");
    if !can_run(is_root() && tools, "a full disk needs root, unshare and mount") {
        return;
    }
    let files = Files::new();
    let source = files.source(500_000);
    let disk = files.folder.0.join("disk");
    fs::create_dir(&disk).unwrap();
    let script =
        "mount -t tmpfs -o size=64k none \"$1\" && cd \"$1\" && \"$2\" reliable-receive 0 -o file; ls -A";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh", disk.to_str().unwrap(), SOCKLAB]);
    let mut receiver = Program::start(command);
    let port = receiver.port();
    failed(&send(&source, port), "refused the file: cannot write file: No space left on device");
    let ended = receiver.finish();
    assert!(ended.err.last().unwrap().contains("cannot write file: No space left on device"), "{ended:#?}");
    assert!(ended.out.is_empty(), "nothing half is left behind: {ended:#?}");
}

/// "A dead peer is given up within a stated time with exit 1": ten seconds.
#[test]
fn a_cut_cable_is_given_up_by_both_ends() {
    let files = Files::new();
    let source = files.endless();
    let (receiver, port) = receiver(&files.target(), &[]);
    let relay = Relay::new(loopback(port), Faults::default(), 1);
    let sender = sender(&source, "127.0.0.1", relay.port, &[]);
    let deadline = Instant::now() + common::PATIENCE;
    while relay.carried() < 500 {
        assert!(Instant::now() < deadline, "nothing is sent");
        std::thread::sleep(Duration::from_millis(1));
    }
    relay.cut();
    failed(&sender.finish(), "for 10 s: given up");
    failed(&receiver.finish(), "for 10 s: given up");
    assert_eq!(files.names(), ["endless"], "no half file, no temporary one");
}

/// A killed receiver says nothing; the one that takes its place does.
#[test]
fn a_receiver_that_was_restarted_does_not_know_the_conversation() {
    let files = Files::new();
    let source = files.endless();
    let (mut first, port) = receiver(&files.target(), &[]);
    let sender = sender(&source, "127.0.0.1", port, &[]);
    first.wait_err(" sends endless");
    drop(first);
    let target = files.folder.0.join("second");
    let words = ["reliable-receive", &port.to_string(), "-o", target.to_str().unwrap()].map(str::to_string);
    let mut second = Program::socklab(&words);
    assert_eq!(second.port(), port);
    failed(&sender.finish(), "does not know this conversation any more");
    // And it serves whoever comes next.
    let small = files.source(3000);
    assert_eq!(send(&small, port).code, 0);
    assert_eq!(second.finish().code, 0);
    assert_eq!(fs::read(target).unwrap(), fs::read(small).unwrap());
}

#[test]
fn a_sender_that_was_killed_is_given_up_and_another_is_told_so_long() {
    let files = Files::new();
    let (mut receiver, port) = receiver(&files.target(), &[]);
    let first = sender(&files.endless(), "127.0.0.1", port, &[]);
    receiver.wait_err(" sends endless");
    drop(first);
    failed(&send(&files.source(10), port), "refused the file: busy: another sender was first");
    failed(&receiver.finish(), "for 10 s: given up");
    assert_eq!(files.names(), ["endless", "source"]);
}

#[test]
fn of_two_senders_the_first_is_served() {
    let files = Files::new();
    let source = files.source(3_000_000);
    let (mut receiver, port) = receiver(&files.target(), &[]);
    let relay = Relay::new(loopback(port), Faults::default(), 4);
    relay.hold_from(100);
    let first = sender(&source, "127.0.0.1", relay.port, &[]);
    receiver.wait_err(" sends source");
    let other = files.folder.0.join("other");
    fs::write(&other, "another file").unwrap();
    failed(&send(&other, port), "refused the file: busy: another sender was first");
    relay.hold_from(u64::MAX);
    let sent = first.finish();
    arrived(&files, &source, &sent, &receiver.finish());
}

/// Datagrams of nobody, of another session, and old ones of this session again, from the outside and
/// through the relay: none of them is taken for the sender's.
#[test]
fn forged_and_replayed_datagrams() {
    let files = Files::new();
    let source = files.source(400_000);
    let (receiver, port) = receiver(&files.target(), &[]);
    let relay = Relay::new(loopback(port), Faults { loss: 10.0, ..Faults::default() }, 9);
    let mut sender = sender(&source, "127.0.0.1", relay.port, &[]);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut random = Random::new(Some(3));
    for round in 0..3000u64 {
        let kept = relay.kept();
        let mut bytes: Vec<u8> = match kept.get(random.below(kept.len() as u64) as usize) {
            Some(old) if round % 3 != 0 => old.clone(),
            _ => (0..random.below(1600)).map(|_| random.bits() as u8).collect(),
        };
        if round % 3 == 1 && !bytes.is_empty() {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << random.below(8);
        }
        if round % 2 == 0 && bytes.len() > 2 {
            bytes[..2].copy_from_slice(b"RU");
        }
        let to = if round % 5 == 0 { relay.port } else { port };
        let _ = stranger.send_to(&bytes, loopback(to));
    }
    sender.end_input();
    let sent = sender.finish();
    arrived(&files, &source, &sent, &receiver.finish());
}

#[test]
fn a_file_that_changes_while_it_is_sent() {
    let files = Files::new();
    let source = files.endless();
    let (mut receiver, port) = receiver(&files.target(), &[]);
    let sender = sender(&source, "127.0.0.1", port, &[]);
    receiver.wait_err(" sends endless");
    File::options().write(true).open(&source).unwrap().set_len(1000).unwrap();
    failed(&sender.finish(), "endless has changed while it was sent");
    failed(&receiver.finish(), "has changed while it was sent");
    assert_eq!(files.names(), ["endless"]);
}

#[test]
fn an_interrupted_sender_says_so_and_leaves_nothing() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let files = Files::new();
        let (mut receiver, port) = receiver(&files.target(), &[]);
        let mut sender = sender(&files.endless(), "127.0.0.1", port, &[]);
        receiver.wait_err(" sends endless");
        sender.signal(signal);
        let ended = sender.finish();
        assert_eq!((ended.code, ended.err.len()), (code, 0), "{ended:#?}");
        let ended = receiver.finish();
        failed(&ended, " gave up: interrupted");
        assert_eq!(files.names(), ["endless"]);
    }
}

#[test]
fn an_interrupted_receiver_says_so_and_leaves_nothing() {
    let files = Files::new();
    let (idle, _) = receiver(&files.target(), &[]);
    let ended = idle.stop_cleanly(&[]);
    assert_eq!(ended.err.last().unwrap(), "received 0 files");

    let (mut receiver, port) = receiver(&files.target(), &[]);
    let sender = sender(&files.endless(), "127.0.0.1", port, &[]);
    receiver.wait_err(" sends endless");
    receiver.signal("INT");
    failed(&sender.finish(), "refused the file: the receiver was interrupted before the file was whole");
    failed(&receiver.finish(), "the receiver was interrupted before the file was whole");
    assert_eq!(files.names(), ["endless"]);
}

/// "A closed stdout ends quietly", and the file is there all the same, and the sender knows.
#[test]
fn nobody_reads_what_the_receiver_says() {
    let files = Files::new();
    let source = files.source(10_000);
    let script = format!("exec {SOCKLAB} reliable-receive 0 -o {} >&-", files.target().display());
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    let mut receiver = Program::start(command);
    let port = receiver.port();
    assert_eq!(send(&source, port).code, 0);
    receiver.finish();
    assert!(fs::read(&source).unwrap() == fs::read(files.target()).unwrap());
}
