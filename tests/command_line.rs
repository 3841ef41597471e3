//! The command line from outside: index, help, wrong usage, exit codes, and the one line with which a
//! program says what failed and what to do about it.

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output, Stdio};

use common::clients::Refusing;
use common::system::{as_nobody, Folder};
use common::{can_run, is_root, socklab, Ended, Program, SOCKLAB};
use socklab::exercises::EXERCISES;
use socklab::sheets::Sheet;

/// Asserts exit code 1 and exactly this on standard error.
fn assert_fails(ended: &Ended, line: &str) {
    assert_eq!((ended.code, ended.err.as_slice()), (1, &[line.to_string()][..]), "{ended:#?}");
}

/// Asserts exit code 2, this reason, and the usage line after it.
fn assert_wrong_usage(words: &[&str], reason: &str) {
    let ended = socklab(words, b"");
    assert_eq!(ended.code, 2, "{words:?}: {ended:#?}");
    assert!(ended.out.is_empty(), "{words:?}: {ended:#?}");
    let known = EXERCISES.iter().any(|exercise| exercise.name == words[0]);
    let who = if known { format!("socklab {}", words[0]) } else { "socklab".to_string() };
    assert_eq!(ended.err.len(), 2, "{words:?}: {ended:#?}");
    assert_eq!(ended.err[0], format!("{who}: {reason}"), "{words:?}");
    assert!(ended.err[1].starts_with(&format!("usage: {who} [")), "{words:?}: {ended:#?}");
}

#[test]
fn the_index_lists_every_exercise_under_its_sheets() {
    for words in [&[][..], &["help"], &["--help"], &["-h"]] {
        let ended = socklab(words, b"");
        assert_eq!((ended.code, ended.err.len()), (0, 0), "{ended:#?}");
        for sheet in Sheet::ALL {
            assert!(ended.out.iter().any(|line| line.starts_with(sheet.title())), "{sheet:?}\n{ended:#?}");
        }
        for exercise in EXERCISES {
            let line = format!("  {:18} make {:18} {}", exercise.name, exercise.name, exercise.summary);
            let count = ended.out.iter().filter(|shown| **shown == line).count();
            assert_eq!(count, exercise.sheets.len(), "{line}\n{ended:#?}");
        }
        assert!(ended.out.iter().all(|line| line.chars().count() <= 120), "{ended:#?}");
    }
}

#[test]
fn every_exercise_explains_itself() {
    for exercise in EXERCISES {
        let asked = socklab(&["help", exercise.name], b"");
        assert_eq!((asked.code, asked.err.len()), (0, 0), "{asked:#?}");
        assert_eq!(asked.out[0], format!("socklab {}: {}", exercise.name, exercise.summary));
        assert_eq!(asked.out[2], exercise.usage.line(exercise.name));
        for operand in exercise.usage.operands {
            assert!(asked.out.iter().any(|line| line.contains(operand.help)), "{asked:#?}");
        }
        for flag in exercise.usage.flags {
            let known = |line: &String| line.contains(flag.name) && line.contains(flag.help);
            assert!(asked.out.iter().any(known), "{} of {asked:#?}", flag.name);
        }
        for words in [[exercise.name, "--help"], [exercise.name, "-h"]] {
            assert_eq!(socklab(&words, b"").out, asked.out, "{words:?}");
        }
    }
}

#[test]
fn the_version() {
    for flag in ["--version", "-V"] {
        let ended = socklab(&[flag], b"");
        assert_eq!((ended.code, ended.err.len()), (0, 0));
        assert_eq!(ended.out, [concat!("socklab ", env!("CARGO_PKG_VERSION"))]);
    }
}

#[test]
fn wrong_usage_says_what_was_probably_meant() {
    assert_wrong_usage(&["echo-sever"], "there is no exercise echo-sever: did you mean echo-server?");
    assert_wrong_usage(&["xyzzyxyzzy"], "there is no exercise xyzzyxyzzy: `socklab` lists them all");
    assert_wrong_usage(&["a\x1b[2Jb"], "there is no exercise a\\x1b[2Jb: `socklab` lists them all");
    assert_wrong_usage(&["stamp-server", "--selct"], "unknown flag --selct (did you mean --select?)");
    assert_wrong_usage(&["echo-client", "-z"], "unknown flag -z");
    assert_wrong_usage(&["echo-server", "1", "2"], "one argument too many: 2");
    assert_wrong_usage(&["echo-server", "65536"], "PORT 65536: not a port from 0 to 65535");
    assert_wrong_usage(&["echo-server", "-1"], "PORT -1: not a port from 0 to 65535");
    assert_wrong_usage(&["echo-server", "--once=yes"], "--once takes no value");
    assert_wrong_usage(&["echo-server", "--bind"], "--bind needs a value: ADDR");
    assert_wrong_usage(
        &["echo-server", "--max-clients", "0"],
        "--max-clients 0: not a whole number from 1 to 1000000",
    );
    let seconds = "--idle soon: not seconds from 0 to 1000000, for example 0.2";
    assert_wrong_usage(&["echo-server", "--idle=soon"], seconds);
    let ended = socklab(&["help", "echo-cleint"], b"");
    assert_eq!(ended.code, 2);
    assert_eq!(ended.err[0], "socklab: there is no exercise echo-cleint: did you mean echo-client?");
    // The two programs whose usage line has no flag in front of a required operand.
    let ended = socklab(&["message-client"], b"");
    assert_eq!(ended.code, 2);
    assert_eq!(ended.err[0], "socklab message-client: HOST is missing: the server's name or address");
    assert_eq!(ended.err[1], "usage: socklab message-client [--timeout SECONDS] HOST PORT [MESSAGE]");
}

#[test]
fn a_message_may_look_like_a_flag_or_a_number() {
    let mut receiver = Program::socklab(&["udp-receiver", "0", "--count=3"]);
    let port = receiver.port().to_string();
    for words in [&["-12.5"][..], &["--", "--count"], &["-1e-9"]] {
        let words = [&["udp-sender", "127.0.0.1", port.as_str()], words].concat();
        assert_eq!(socklab(&words, b"").code, 0, "{words:?}");
    }
    for text in [": -12.5", ": --count", ": -1e-9"] {
        receiver.wait_out(text);
    }
    assert_eq!(receiver.finish().code, 0);
}

/// Runs `socklab` with its standard output closed by the reader, or full.
fn with_output(words: &[&str], output: Stdio) -> Output {
    let child = Command::new(SOCKLAB).args(words).stdin(Stdio::null()).stdout(output).output();
    child.expect("socklab runs")
}

#[test]
fn a_closed_standard_output_ends_quietly() {
    let closed = || {
        // A pipe would do as well, but std makes none in the oldest compiler that is served.
        let (reader, writer) = UnixStream::pair().unwrap();
        drop(reader);
        Stdio::from(OwnedFd::from(writer))
    };
    for words in [&[][..], &["help"], &["echo-server", "--help"], &["--version"]] {
        let output = with_output(words, closed());
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{words:?}");
    }
    // A client whose reader goes, and a server whose reader goes.
    let mut server = Program::socklab(&["echo-server", "0"]);
    let port = server.port().to_string();
    let output = with_output(&["echo-client", "127.0.0.1", &port], closed());
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    server.stop_cleanly(&[]);

    let mut command = Command::new(SOCKLAB);
    command.args(["echo-server", "0"]).stdout(closed()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let ready = lines.next().unwrap().unwrap();
    let port = ready.strip_prefix("listening on 127.0.0.1:").and_then(|rest| rest.strip_suffix(" (tcp)"));
    let port: u16 = port.expect("the ready line").parse().unwrap();
    let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    common::clients::wait_for_end(&client);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(lines.next().unwrap().unwrap(), "served 1 client, at most 1 at once");
    assert!(lines.next().is_none());
}

#[test]
fn a_full_standard_output_is_a_failure() {
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let reason = "cannot write to standard output: No space left on device\n";
    for (words, who) in [
        (&[][..], "socklab"),
        (&["--version"][..], "socklab"),
        (&["echo-server", "--help"], "socklab echo-server"),
    ] {
        let output = with_output(words, full());
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), format!("{who}: {reason}"));
    }
    let mut server = Program::socklab(&["echo-server", "0"]);
    let port = server.port().to_string();
    for message in ["hello", "-"] {
        let mut command = Command::new(SOCKLAB);
        command.args(["echo-client", "127.0.0.1", &port, message]);
        let (input, mut writer) = UnixStream::pair().unwrap();
        writer.write_all(b"some input").unwrap();
        drop(writer);
        let output = command.stdin(OwnedFd::from(input)).stdout(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), format!("socklab echo-client: {reason}"));
    }
    server.stop_cleanly(&["Connection reset by peer"]);
}

#[test]
fn a_refused_connection_says_that_nothing_listens_there() {
    let refusing = Refusing::new();
    let port = refusing.port().to_string();
    let hint = "Connection refused (nothing listens there: is the server started?)";
    for client in ["echo-client", "concurrent-client", "stamp-client", "message-client"] {
        let ended = socklab(&[client, "127.0.0.1", &port], b"");
        assert_fails(&ended, &format!("socklab {client}: cannot connect to 127.0.0.1:{port}: {hint}"));
    }
    let ended = socklab(&["echo-client", "[::1]", &port], b"");
    assert_fails(&ended, &format!("socklab echo-client: cannot connect to [::1]:{port}: {hint}"));
    let ended = socklab(&["udp-echo-client", "127.0.0.1", &port], b"");
    assert_fails(&ended, &format!("socklab udp-echo-client: no answer from 127.0.0.1:{port}: {hint}"));
}

#[test]
fn a_port_in_use_says_what_to_do() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let hint = "Address already in use (another program has this port: end it, or give another; 0 takes a \
                free one)";
    let tcp = tcp.local_addr().unwrap();
    let udp = udp.local_addr().unwrap();
    for (server, address) in [
        ("echo-server", tcp),
        ("concurrent-server", tcp),
        ("stamp-server", tcp),
        ("message-server", tcp),
        ("udp-echo-server", udp),
        ("udp-receiver", udp),
    ] {
        let ended = socklab(&[server, &address.port().to_string(), "--bind", "127.0.0.1"], b"");
        assert_fails(&ended, &format!("socklab {server}: cannot listen on {address}: {hint}"));
        assert!(ended.out.is_empty());
    }
}

#[test]
fn a_port_below_1024_says_that_it_needs_root() {
    let least = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    if !can_run(least.trim().parse().is_ok_and(|port: u32| port > 81), "port 81 is free for all here") {
        return;
    }
    let folder = Folder::new();
    for (server, usual) in [("echo-server", 65432), ("udp-echo-server", 65433), ("stamp-server", 12345)] {
        let words = format!("{server} 81 --bind 127.0.0.1");
        let command = if is_root() {
            as_nobody(&folder, &format!("exec \"$socklab\" {words}"))
        } else {
            let mut command = Command::new(SOCKLAB);
            command.args(words.split(' '));
            command
        };
        let hint = format!("Permission denied (ports below 1024 need root; try {usual})");
        let line = format!("socklab {server}: cannot listen on 127.0.0.1:81: {hint}");
        assert_fails(&Program::start(command).finish(), &line);
    }
}

#[test]
fn an_address_that_is_not_ours_or_not_one_at_all() {
    let hint = "Cannot assign requested address (no interface here has this address; 127.0.0.1 is this \
                machine, 0.0.0.0 every interface)";
    // 192.0.2.0/24 is kept for documentation (RFC 5737): nobody has it. bind sends nothing.
    let ended = socklab(&["echo-server", "0", "--bind", "192.0.2.1"], b"");
    assert_fails(&ended, &format!("socklab echo-server: cannot listen on 192.0.2.1:0: {hint}"));
    let ended = socklab(&["udp-receiver", "0", "--bind", "192.0.2.1"], b"");
    assert_fails(&ended, &format!("socklab udp-receiver: cannot listen on 192.0.2.1:0: {hint}"));
    // A name with an empty label is refused by the resolver itself: no query leaves this machine.
    for (words, who) in [
        (&["echo-server", "0", "--bind", "no..where"][..], "echo-server"),
        (&["echo-client", "no..where"], "echo-client"),
        (&["udp-sender", "no..where"], "udp-sender"),
    ] {
        let ended = socklab(words, b"");
        assert_eq!((ended.code, ended.err.len()), (1, 1), "{ended:#?}");
        let start = format!("socklab {who}: cannot find the address of no..where: ");
        assert!(ended.err[0].starts_with(&start), "{ended:#?}");
        assert!(ended.err[0].ends_with(" (check the name, or give an address)"), "{ended:#?}");
    }
    let ended = socklab(&["udp-echo-client", "127.0.0.1", "9", "-6"], b"");
    assert_fails(&ended, "socklab udp-echo-client: 127.0.0.1 does not have an IPv6 address");
}

#[test]
fn addresses_of_both_families_and_names() {
    for (bind, shown, hosts) in [
        ("127.0.0.1", "127.0.0.1", &["127.0.0.1", "localhost"][..]),
        ("localhost", "127.0.0.1", &["localhost"]),
        ("0.0.0.0", "0.0.0.0", &["127.0.0.1", "127.0.0.2"]),
        ("::1", "[::1]", &["::1", "[::1]"]),
        ("[::1]", "[::1]", &["[::1]"]),
        ("::", "[::]", &["127.0.0.1", "::1"]),
    ] {
        let mut server = Program::socklab(&["echo-server", "0", "--bind", bind]);
        let line = server.wait_err("listening on ");
        let port = line.rsplit_once(':').unwrap().1.split(' ').next().unwrap().to_string();
        let expected = format!("listening on {shown}:{port} (tcp)");
        // `localhost` may be ::1 first on some machines.
        assert!(line == expected || bind == "localhost", "{line}");
        for host in hosts {
            let ended = socklab(&["echo-client", host, &port], b"");
            assert_eq!(ended.out, ["Received 'Hello, world'"], "{bind} {host}: {ended:#?}");
            let connected = server.wait_out("Connected ");
            // An IPv4 client of a dual-stack socket is shown as IPv4.
            assert_eq!(connected.contains('['), host.contains("::"), "{bind} {host}: {connected}");
        }
        server.stop_cleanly(&[]);
    }
}

#[test]
fn every_address_of_a_name_is_tried_in_order() {
    let available = is_root() && common::installed("unshare");
    if !can_run(available, "a hosts file of one's own needs root and unshare") {
        return;
    }
    let folder = Folder::new();
    let hosts = folder.0.join("hosts");
    fs::write(&hosts, "127.0.0.3 twohomed\n127.0.0.4 twohomed\n127.0.0.1 localhost\n").unwrap();
    let with_hosts = |words: &str| {
        let mut command = Command::new("unshare");
        let mount = format!("mount --bind {} /etc/hosts && exec {SOCKLAB} {words}", hosts.display());
        command.args(["--mount", "sh", "-c", &mount]);
        Program::start(command).finish()
    };
    let mut server = Program::socklab(&["echo-server", "0", "--bind", "127.0.0.4"]);
    let port = server.port();
    let ended = with_hosts(&format!("echo-client twohomed {port}"));
    assert_eq!(ended.out, ["Received 'Hello, world'"], "{ended:#?}");
    server.stop_cleanly(&[]);
    let hint = "Connection refused (nothing listens there: is the server started?)";
    let ended = with_hosts(&format!("echo-client twohomed {port}"));
    let line = format!("cannot connect to 127.0.0.3:{port}: {hint}; to 127.0.0.4:{port}: {hint}");
    assert_fails(&ended, &format!("socklab echo-client: {line}"));
}

// In a network of its own: 192.0.2.0/24 (RFC 5737) is nobody's, there and elsewhere.
#[test]
fn a_host_that_is_not_reached_or_does_not_answer_says_where_to_look() {
    let available = is_root() && common::installed("unshare") && common::installed("ip");
    if !can_run(available, "a network of one's own needs root, unshare and iproute2") {
        return;
    }
    let no_way = "(no way there from here: see `ip route`)";
    // The far end of the cable is nobody's, so nobody answers the first packet, and none says so.
    let cable = "ip link add near type veth peer name far && ip addr add 192.0.2.1/24 dev near && \
                 ip link set dev near up && ip link set dev far up";
    for (network, why) in [
        ("true", format!("Network is unreachable {no_way}")),
        (
            "ip link set dev lo up && ip route add unreachable 192.0.2.0/24",
            format!("No route to host {no_way}"),
        ),
        (cable, "timed out (no answer: is the address right, does a firewall drop it?)".to_string()),
    ] {
        let mut command = Command::new("unshare");
        let script = format!("{network} && exec {SOCKLAB} echo-client 192.0.2.2 80");
        command.args(["--net", "sh", "-c", &script]);
        let line = format!("socklab echo-client: cannot connect to 192.0.2.2:80: {why}");
        assert_fails(&Program::start(command).finish(), &line);
    }
}

#[test]
fn a_datagram_that_is_too_long_says_how_long_one_may_be() {
    let text = "x".repeat(65_508);
    for client in ["udp-sender", "udp-echo-client"] {
        let ended = socklab(&[client, "127.0.0.1", "9", &text], b"");
        let line = "cannot send to 127.0.0.1:9: a datagram holds at most 65507 bytes";
        assert_fails(&ended, &format!("socklab {client}: {line}"));
    }
}

#[test]
fn what_the_user_gives_is_shown_escaped_and_on_one_line() {
    // Two dots in a row are no name, so nobody's name server is asked.
    for (words, line) in [
        (&["echo-client", "a\nb..c"][..], "cannot find the address of a\\nb..c: "),
        (&["echo-server", "0", "--bind", "\x1b[2J..c"], "cannot find the address of \\x1b[2J..c: "),
    ] {
        let ended = socklab(words, b"");
        assert_eq!((ended.code, ended.err.len()), (1, 1), "{ended:#?}");
        assert!(ended.err[0].contains(line), "{ended:#?}");
    }
}

#[test]
fn port_0_is_for_servers() {
    for name in ["udp-sender", "udp-echo-client"] {
        let reason = "PORT 0: a free port is the server's to take; a client must be told which";
        assert_wrong_usage(&[name, "127.0.0.1", "0"], reason);
    }
    assert_wrong_usage(&["--version", "x"], "one argument too many: x");
}
