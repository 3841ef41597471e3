//! `topology`: builds a network and reads commands until the end of the input.
//!
//! Sheet: SCC.231, part 2, "Static Routing in Mininet".
//!
//! ```text
//! Mininet                                          here
//! self.addHost('h1', ip='10.0.0.2/24', …)          net.host, net.link in super::networks
//! LinuxRouter: sysctl net.ipv4.ip_forward=1        net.router
//! routes=[('10.1.0.0/24', '192.168.0.1')]          net.route
//! TCLink(bw=10, delay="10ms", loss=1)              cable(10, 10, 1.0), run by super::relay
//! net.start(); CLI(net); net.stop()                Network::build, the loop below, Drop
//! ```
//!
//! Limits: Linux, IPv4, and root (or a system that lets users make namespaces). Cables are made by
//! this program, so they are as fast as it is: about a gigabit per second and a tenth of a
//! millisecond of delay beyond what is asked for.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::build::Network;
use super::command::{self, Command};
use super::explain::{parse_route, Seen, View};
use super::inside::process;
use super::plan::{Kind, Prefix, Quality};
use crate::kit::error::{reason, Error};
use crate::kit::keyboard::{Keyboard, Typed};
use crate::kit::{screen, stop};

/// How long taking the network down may take after Ctrl-C.
const TAKE_DOWN: Duration = Duration::from_secs(20);

/// How many pings `pingall` sends for each pair, and how far apart: one may be lost.
const PINGS: [&str; 6] = ["-c", "3", "-i", "0.3", "-W", "2"];

/// A running network with the programs that were started in it.
struct Lab {
    network: Network,
    background: Vec<Child>,
}

/// Dropped before the network: background programs end with it.
impl Drop for Lab {
    fn drop(&mut self) {
        for child in &mut self.background {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Shared with the thread that waits for signals, which takes the network down after Ctrl-C.
type Shared = Arc<Mutex<Option<Lab>>>;

/// Reads commands for `network` until `exit` or the end of the input, then takes it down. Errs with the
/// exit code of the first command that failed, when the commands come from a pipe.
pub fn run(network: Network) -> Result<(), Error> {
    let lab: Shared = Arc::new(Mutex::new(Some(Lab { network, background: Vec::new() })));
    // Weak: when this function is left by a panic, the lab goes with it and is taken down.
    let taken = Arc::downgrade(&lab);
    stop::graceful(TAKE_DOWN, move || {
        if let Some(lab) = taken.upgrade() {
            drop(lock(&lab).take());
        }
        std::process::exit(0);
    });
    let mut keyboard = Keyboard::open()?;
    let mut failed = None;
    while let Typed::Line(line) = keyboard.line("socklab> ", None)? {
        let line = String::from_utf8_lossy(&line).into_owned();
        let outcome = match parse(&lab, &line) {
            Ok(Command::Exit) => break,
            Ok(Command::Run(host, words, false)) => foreground(&lab, &host, &words),
            Ok(command) => with(&lab, |lab| lab.execute(command)),
            Err(why) => Err(Error::Failed(why)),
        };
        match outcome {
            Ok(()) => {}
            Err(Error::OutputClosed) => return Err(Error::OutputClosed),
            Err(error) => {
                if !matches!(error, Error::Exit(_)) {
                    screen::note(&error.to_string());
                }
                failed.get_or_insert(error.exit_code());
            }
        }
    }
    drop(lock(&lab).take());
    use std::io::IsTerminal;
    match failed {
        Some(code) if !std::io::stdin().is_terminal() => Err(Error::Exit(code)),
        _ => Ok(()),
    }
}

fn lock(lab: &Mutex<Option<Lab>>) -> MutexGuard<'_, Option<Lab>> {
    lab.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something with the lab, which is there until it is taken down.
fn with<T: Default>(lab: &Shared, body: impl FnOnce(&mut Lab) -> Result<T, Error>) -> Result<T, Error> {
    lock(lab).as_mut().map_or_else(|| Ok(T::default()), body)
}

fn parse(lab: &Shared, line: &str) -> Result<Command, String> {
    let guard = lock(lab);
    command::parse(line, |word| guard.as_ref().is_some_and(|lab| lab.network.plan.find(word).is_some()))
}

/// Runs a program on a host and waits for it. The lab stays unlocked, so that a SIGTERM can take it
/// down meanwhile; Ctrl-C goes to the program.
fn foreground(lab: &Shared, host: &str, words: &[String]) -> Result<(), Error> {
    let Some(mut process) =
        with(lab, |lab| Ok(Some(process(&lab.network.plan, &lab.network.namespace(host), words))))?
    else {
        return Ok(());
    };
    use std::io::IsTerminal;
    // Commands that come from a pipe must not read the commands that follow.
    let input = if std::io::stdin().is_terminal() { Stdio::inherit() } else { Stdio::null() };
    let status = stop::spared(|| process.stdin(input).status());
    let status = status.map_err(|why| Error::Failed(format!("{host}: cannot run it: {}", reason(&why))))?;
    match code(status) {
        0 => Ok(()),
        code => {
            screen::note(&format!("{host}: {}: exit code {code}", words.join(" ")));
            Err(Error::Exit(code))
        }
    }
}

/// A process's exit code; 128 + the signal's number when it was killed by one.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(1)
}

impl Lab {
    /// Every command but a program in the foreground.
    fn execute(&mut self, command: Command) -> Result<(), Error> {
        match command {
            Command::Nothing | Command::Exit => Ok(()),
            Command::Help => screen::say(command::HELP),
            Command::Nodes => self.nodes(),
            Command::Links => self.links(),
            Command::Dump => self.dump(),
            Command::Routes => self.routes(),
            Command::PingAll => self.ping_all(),
            Command::Explain(one, other) => self.explain(&one, &other),
            Command::Plug(one, other, plugged) => {
                let link = self.link(&one, &other)?;
                self.network.plug(link, plugged)
            }
            Command::Loss(one, other, loss) => {
                let link = self.link(&one, &other)?;
                let quality = Quality { loss, ..self.network.links[link].quality };
                self.network.change(link, quality);
                Ok(())
            }
            Command::Run(host, words, _) => self.start(&host, &words),
        }
    }

    fn link(&self, one: &str, other: &str) -> Result<usize, Error> {
        let link = self.network.plan.link_between(one, other);
        link.ok_or_else(|| Error::Failed(format!("there is no cable between {one} and {other}: see `links`")))
    }

    /// Starts a program in the background.
    fn start(&mut self, host: &str, words: &[String]) -> Result<(), Error> {
        let mut process = process(&self.network.plan, &self.network.namespace(host), words);
        let child = process.stdin(Stdio::null()).spawn();
        self.background.push(child.map_err(|why| Error::io(format!("{host}: cannot run it"), &why))?);
        Ok(())
    }

    fn nodes(&self) -> Result<(), Error> {
        for node in &self.network.plan.nodes {
            let kind = match node.kind {
                Kind::Host => "host",
                Kind::Router => "router",
                Kind::Switch => "switch",
            };
            screen::say(&format!("{:8} {kind}", node.name))?;
        }
        Ok(())
    }

    fn links(&self) -> Result<(), Error> {
        let plan = &self.network.plan;
        for (link, running) in plan.links.iter().zip(&self.network.links) {
            let [one, other] = link.ends.map(|(node, port)| &plan.nodes[node].interfaces[port].name);
            let out = if running.plugged { "" } else { "  UNPLUGGED" };
            let counts = running.directions.each_ref().map(|direction| {
                let counters = &direction.counters;
                let (lost, dropped) = (counters.lost.load(Relaxed), counters.dropped.load(Relaxed));
                format!("{} delivered, {lost} lost, {dropped} dropped", counters.delivered.load(Relaxed))
            });
            screen::say(&format!("{one} - {other}  {}{out}", running.quality))?;
            screen::say(&format!("    there: {}; back: {}", counts[0], counts[1]))?;
        }
        Ok(())
    }

    fn dump(&self) -> Result<(), Error> {
        self.nodes()?;
        for node in &self.network.plan.nodes {
            for port in &node.interfaces {
                let address = port.address.map_or(String::new(), |address| address.to_string());
                screen::say(&format!("{:12} {address}", port.name))?;
            }
        }
        self.links()
    }

    fn routes(&self) -> Result<(), Error> {
        for node in self.network.plan.nodes.iter().filter(|node| node.kind != Kind::Switch) {
            screen::say(&format!("{}:", node.name))?;
            for line in self.ask(&node.name, &["route"])?.lines() {
                screen::say(&format!("    {}", line.trim_end()))?;
            }
        }
        Ok(())
    }

    /// What `ip` says in a namespace.
    fn ask(&self, node: &str, words: &[&str]) -> Result<String, Error> {
        let namespace = self.network.namespace(node);
        let output = Process::new("ip").args(["-4", "-n", &namespace]).args(words).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Pings between all pairs at once and shows the matrix of average round-trip times.
    fn ping_all(&self) -> Result<(), Error> {
        let plan = &self.network.plan;
        let ends: Vec<(&str, Ipv4Addr)> = plan
            .nodes
            .iter()
            .filter_map(|node| Some((node.name.as_str(), plan.address(&node.name)?)))
            .collect();
        let mut pings = HashMap::new();
        for (one, _) in &ends {
            for (other, _) in ends.iter().filter(|(other, _)| other != one) {
                let mut words = vec!["socklab".to_string(), "ping".to_string()];
                words.extend(PINGS.map(String::from));
                words.push(other.to_string());
                let mut process = process(&self.network.plan, &self.network.namespace(one), &words);
                let child =
                    process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
                pings.insert((*one, *other), child);
            }
        }
        screen::say(&format!(
            "{:>10}{}",
            "ms",
            ends.iter().map(|end| format!("{:>10}", end.0)).collect::<String>()
        ))?;
        let (mut pairs, mut silent) = (0, 0);
        for (one, _) in &ends {
            let mut row = format!("{one:>10}");
            for (other, _) in &ends {
                let cell = match pings.remove(&(*one, *other)) {
                    None => "-".to_string(),
                    Some(child) => {
                        pairs += 1;
                        let average = average(&String::from_utf8_lossy(&child.wait_with_output()?.stdout));
                        silent += u32::from(average.is_none());
                        average.unwrap_or("X".to_string())
                    }
                };
                row += &format!("{cell:>10}");
            }
            screen::say(&row)?;
        }
        screen::say(&format!("{} of {pairs} pairs reach each other", pairs - silent))?;
        if silent > 0 {
            Err(Error::Exit(1))
        } else {
            Ok(())
        }
    }

    fn explain(&self, one: &str, other: &str) -> Result<(), Error> {
        let view = self.view()?;
        let address = |name: &str| {
            let seen = view.0.iter().find(|node| node.name == name);
            let address = seen.and_then(|node| node.interfaces.first()).map(|port| port.1.address);
            address.ok_or_else(|| Error::Failed(format!("{name} has no address")))
        };
        for line in view.explain((one, address(one)?), (other, address(other)?)) {
            screen::say(&line)?;
        }
        Ok(())
    }

    /// The network as it is now: the user may have changed addresses and routes.
    fn view(&self) -> Result<View, Error> {
        let plan = &self.network.plan;
        let segments = plan.segments(|link| self.network.links[link].plugged);
        let mut view = View::default();
        for (number, node) in plan.nodes.iter().enumerate().filter(|(_, node)| node.kind != Kind::Switch) {
            let mut interfaces = Vec::new();
            for line in self.ask(&node.name, &["-o", "addr"])?.lines() {
                let words: Vec<&str> = line.split_whitespace().collect();
                let [_, name, "inet", address, ..] = words[..] else { continue };
                let port = node.interfaces.iter().position(|port| port.name == name);
                let (Some(port), Some(address)) = (port, Prefix::parse(address)) else { continue };
                interfaces.push((name.to_string(), address, segments.get(&(number, port)).copied()));
            }
            let routes = self.ask(&node.name, &["route"])?.lines().filter_map(parse_route).collect();
            let words = ["cat", "/proc/sys/net/ipv4/ip_forward"].map(String::from);
            let output = process(&self.network.plan, &self.network.namespace(&node.name), &words).output()?;
            let forwards = output.stdout.trim_ascii() == b"1";
            view.0.push(Seen { name: node.name.clone(), interfaces, routes, forwards });
        }
        Ok(view)
    }
}

/// The average out of ping's last line, `rtt min/avg/max/mdev = 1.0/2.0/3.0/0.5 ms`.
fn average(output: &str) -> Option<String> {
    let line = output.lines().find(|line| line.starts_with("rtt "))?;
    Some(line.split('=').nth(1)?.trim().split('/').nth(1)?.to_string())
}
