//! Two hosts and a router between them, in network namespaces of their own: what happens there stays
//! there. Needs root.
//!
//! ```text
//! a 10.0.1.2 ── 10.0.1.1 r 10.0.2.1 ── 10.0.2.2 b      and fd01::2 ── fd01::1, fd02::1 ── fd02::2
//! ```

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{can_run, installed, is_root, Program, SOCKLAB};

/// The host that answers badly.
const ANSWER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/answer.py");

/// Whether a test with namespaces may run.
pub fn namespaces() -> bool {
    can_run(is_root() && installed("ip"), "network namespaces need root and iproute2")
}

/// The three namespaces; removed on every way out of the test, and with them all their interfaces.
pub struct Net {
    /// What their names begin with: unique on this machine, so that two runs do not meet.
    prefix: String,
}

/// Runs a command to its end; panics with what it said if it fails.
fn run(line: &str) -> String {
    let output = Command::new("sh").arg("-c").arg(line).output().expect("a shell");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Net {
    /// Builds it.
    pub fn new() -> Net {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let net = Net { prefix: format!("slping-{}-{number}", std::process::id()) };
        let [a, r, b] = ["a", "r", "b"].map(|host| net.name(host));
        for name in [&a, &r, &b] {
            run(&format!("ip netns add {name} && ip -n {name} link set lo up"));
        }
        // Without optimistic addresses IPv6 would spend a second on looking for duplicates.
        let nodad = "sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0";
        for name in [&a, &r, &b] {
            run(&format!("ip netns exec {name} {nodad}"));
        }
        run(&format!("ip -n {a} link add eth0 type veth peer name left netns {r}"));
        run(&format!("ip -n {b} link add eth0 type veth peer name right netns {r}"));
        for (name, interface, v4, v6) in [
            (&a, "eth0", "10.0.1.2/24", "fd01::2/64"),
            (&r, "left", "10.0.1.1/24", "fd01::1/64"),
            (&r, "right", "10.0.2.1/24", "fd02::1/64"),
            (&b, "eth0", "10.0.2.2/24", "fd02::2/64"),
        ] {
            run(&format!("ip -n {name} addr add {v4} dev {interface}"));
            run(&format!("ip -n {name} addr add {v6} dev {interface} nodad"));
            run(&format!("ip -n {name} link set {interface} up"));
        }
        for (name, v4, v6) in [(&a, "10.0.1.1", "fd01::1"), (&b, "10.0.2.1", "fd02::1")] {
            run(&format!("ip -n {name} route add default via {v4}"));
            run(&format!("ip -n {name} -6 route add default via {v6}"));
        }
        // A router limits its ICMP errors (RFC 1812, 4.3.2.8); a test wants every one.
        // (By type: a limit of 0 for IPv4 would also empty the purse of the routing table's own limit.)
        let unlimited = "net.ipv4.icmp_ratemask=0 net.ipv6.icmp.ratelimit=0";
        let forward = "net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1";
        run(&format!("ip netns exec {r} sysctl -qw {forward} {unlimited}"));
        run(&format!("ip netns exec {b} sysctl -qw {unlimited}"));
        // The first packets over a new link may wait for neighbours to be found, and time out.
        for far in ["10.0.2.2", "fd02::2"] {
            let there = |_| net.socklab("a", &["ping", "-q", "-c1", "-W0.5", far]).finish().code == 0;
            assert!((0..20).any(there), "{far} cannot be reached");
        }
        net
    }

    /// The namespace's name of a host: `a`, `r` or `b`.
    fn name(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }

    /// Runs a command line of the shell on a host, to its end, which must be a good one.
    pub fn on(&self, host: &str, line: &str) -> String {
        run(&format!("ip netns exec {} {line}", self.name(host)))
    }

    /// Tells the kernel of a host not to answer echo requests.
    pub fn silence(&self, host: &str) {
        self.on(host, "sysctl -qw net.ipv4.icmp_echo_ignore_all=1 net.ipv6.icmp.echo_ignore_all=1");
    }

    /// Has host b answer badly, in this mode of answer.py, until the program that is returned is dropped.
    pub fn answer(&self, version: &str, mode: &str) -> Program {
        let mut program = self.start("b", &["python3", ANSWER, version, mode]);
        program.wait_out("ready");
        program
    }

    /// Starts a program on a host.
    pub fn start(&self, host: &str, words: &[&str]) -> Program {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(host)]).args(words);
        Program::start(command)
    }

    /// Starts socklab on a host.
    pub fn socklab(&self, host: &str, words: &[&str]) -> Program {
        self.start(host, &[&[SOCKLAB], words].concat())
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for host in ["a", "r", "b"] {
            let _ = Command::new("ip").args(["netns", "del", &self.name(host)]).output();
        }
    }
}
