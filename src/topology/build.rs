//! From the plan to a network that runs: namespaces, bridges, cables, addresses, routes; and back.
//!
//! Each host, router and switch is a network namespace, made with `ip netns`: a copy of the kernel's
//! network stack with interfaces, addresses and routes of its own. A switch is a kernel bridge inside
//! its namespace. A cable is two TAP devices and [`super::relay`].
//!
//! Everything that is made is noted first ([`State::note`]) and undone when [`Network`] is dropped, on
//! every way out: also when building fails half-way.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::namespace;
use super::plan::{Kind, Plan, Quality};
use super::relay::Direction;
use super::state::{self, Made, State};
use crate::kit::error::{reason, Error};
use crate::kit::random::Random;
use crate::kit::sys::process::die_with_parent;
use crate::kit::sys::tap;
use crate::kit::{screen, stop};

/// How long the kernel may take to notice that a cable was plugged in or out. It looks at most once a
/// second (linkwatch), and until then packets for the interface are dropped or still accepted.
const NOTICED_WITHIN: Duration = Duration::from_secs(3);

/// How often to ask whether it has.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A running cable.
#[derive(Debug)]
pub struct RunningLink {
    /// What it does at present, in both directions.
    pub quality: Quality,
    /// Whether it is plugged in.
    pub plugged: bool,
    /// From the first end to the second, and back.
    pub directions: [Arc<Direction>; 2],
    /// The TAP devices at its two ends.
    devices: [File; 2],
}

/// A running network.
#[derive(Debug)]
pub struct Network {
    /// What it was built from.
    pub plan: Plan,
    /// The cables, in the order of [`Plan::links`].
    pub links: Vec<RunningLink>,
    state: Option<State>,
    namespaces: Vec<Made>,
}

impl Network {
    /// Builds `plan`. Errs when the system does not allow it, or lacks something; whatever had been
    /// made by then is undone.
    pub fn build(plan: Plan, random: &mut Random) -> Result<Network, Error> {
        let state = State::create(plan.name)?;
        let mut network = Network { plan, links: Vec::new(), state: Some(state), namespaces: Vec::new() };
        network.make_namespaces()?;
        network.lay_cables(random)?;
        network.configure()?;
        Ok(network)
    }

    /// What this network is called beside others that run.
    pub fn id(&self) -> &str {
        self.state.as_ref().map_or("", |state| &state.id)
    }

    /// The namespace of a node.
    pub fn namespace(&self, node: &str) -> String {
        self.state.as_ref().map_or(String::new(), |state| state.namespace(node))
    }

    /// Plugs a cable in or out, at both ends, and waits until the kernel has noticed.
    pub fn plug(&mut self, link: usize, plugged: bool) -> Result<(), Error> {
        let ends = self.plan.links[link].ends;
        let link = &mut self.links[link];
        for (device, direction) in link.devices.iter().zip(&link.directions) {
            let what = if plugged { "cannot plug the cable in" } else { "cannot unplug the cable" };
            tap::set_carrier(device, plugged).map_err(|why| Error::io(what, &why))?;
            direction.plug(plugged);
        }
        link.plugged = plugged;
        let deadline = Instant::now() + NOTICED_WITHIN;
        for (node, port) in ends {
            let node = &self.plan.nodes[node];
            let (namespace, name) = (self.namespace(&node.name), &node.interfaces[port].name);
            // An interface that the user has set down stays down; that is no reason to wait for ever.
            while Instant::now() < deadline {
                let line = asked(&["-n", &namespace, "-o", "link", "show", "dev", name])?;
                if has_noticed(&line, plugged) {
                    break;
                }
                thread::sleep(ASK_EVERY);
            }
        }
        Ok(())
    }

    /// Ends every program in the network, whoever has started it there.
    pub fn end_programs(&self) {
        let numbers: Vec<u64> = self.namespaces.iter().filter_map(|made| made.number).collect();
        namespace::end_programs(&numbers);
    }

    /// Changes what a cable does, in both directions.
    pub fn change(&mut self, link: usize, quality: Quality) {
        let link = &mut self.links[link];
        link.quality = quality;
        for direction in &link.directions {
            direction.change(quality);
        }
    }

    fn make_namespaces(&mut self) -> Result<(), Error> {
        for node in &self.plan.nodes {
            let Some(state) = &mut self.state else { break };
            go_on()?;
            let namespace = state.namespace(&node.name);
            if namespace::exists(&namespace) {
                return Err(Error::Failed(format!(
                    "there is a namespace {namespace} already, made by somebody else: see `ip netns`"
                )));
            }
            state.note(&namespace, None)?;
            ip(&["netns", "add", &namespace])?;
            let number = namespace::number(&namespace);
            self.namespaces.push(Made { name: namespace.clone(), number });
            state.note(&namespace, number)?;
            inside(&namespace, &settings(node.kind))?;
            ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
            if node.kind == Kind::Switch {
                // One that listened for multicast groups would join one itself, at a random moment, and
                // that frame would draw a lot of its own: `--seed` would lose other packets.
                let bridge = ["type", "bridge", "mcast_snooping", "0"];
                ip(&[&["-n", &namespace, "link", "add", "name", &node.name], &bridge[..]].concat())?;
                ip(&["-n", &namespace, "link", "set", &node.name, "up"])?;
            }
        }
        Ok(())
    }

    fn lay_cables(&mut self, random: &mut Random) -> Result<(), Error> {
        for link in &self.plan.links {
            go_on()?;
            let mut devices = Vec::new();
            for (node, port) in link.ends {
                let node = &self.plan.nodes[node];
                let (name, namespace) = (&node.interfaces[port].name, self.namespace(&node.name));
                let device = File::open(namespace::path(&namespace))
                    .and_then(|namespace| tap::open_inside(&namespace, name));
                devices.push(device.map_err(|why| {
                    Error::Failed(format!(
                        "cannot make the cable to {name}: {} (it takes /dev/net/tun: modprobe tun)",
                        reason(&why)
                    ))
                })?);
            }
            let [one, other] = link.ends.map(|(node, port)| &self.plan.nodes[node].interfaces[port].name);
            let mut start = |name: &str, from: &File, to: &File| {
                let random = Random::new(Some(random.bits()));
                Direction::start(name, from.try_clone()?, to.try_clone()?, link.quality, random)
            };
            let directions = [start(one, &devices[0], &devices[1])?, start(other, &devices[1], &devices[0])?];
            let Ok(devices) = <[File; 2]>::try_from(devices) else { continue };
            self.links.push(RunningLink { quality: link.quality, plugged: true, directions, devices });
        }
        Ok(())
    }

    fn configure(&self) -> Result<(), Error> {
        for node in &self.plan.nodes {
            go_on()?;
            let namespace = self.namespace(&node.name);
            for port in &node.interfaces {
                match port.address {
                    Some(address) => {
                        ip(&["-n", &namespace, "addr", "add", &address.to_string(), "dev", &port.name])?;
                    }
                    None => ip(&["-n", &namespace, "link", "set", &port.name, "master", &node.name])?,
                }
                ip(&["-n", &namespace, "link", "set", &port.name, "up"])?;
            }
            for route in &node.routes {
                let (to, via) = (route.to.to_string(), route.via.to_string());
                ip(&["-n", &namespace, "route", "add", &to, "via", &via])?;
            }
        }
        Ok(())
    }
}

/// Undoes everything. What cannot be undone is said, and left for `topology clean`.
impl Drop for Network {
    fn drop(&mut self) {
        self.end_programs();
        let mut clean = true;
        for made in self.namespaces.iter().filter(|made| state::is_ours(made)) {
            if let Err(error) = ip(&["netns", "del", &made.name]) {
                screen::note(&format!("cannot remove {}: {error}", made.name));
                clean = false;
            }
        }
        // `topology exec` may have brought one in meanwhile; without their names nobody can any more.
        self.end_programs();
        if let Some(state) = self.state.take().filter(|_| clean) {
            if let Err(error) = state.remove() {
                screen::note(&error.to_string());
            }
        }
    }
}

/// What a node's part of the kernel is told, as a line for its shell. A new namespace begins with the
/// settings of the machine around it, and those differ: one that runs containers forwards, for instance.
fn settings(kind: Kind) -> String {
    let forward = u8::from(kind == Kind::Router);
    // A strict reverse path filter drops packets that come in where answers would not go out, without a
    // word; here a way back that is another one is something to look at. IPv6 would send router
    // solicitations and neighbour discovery of its own; the lab is IPv4, and some kernels have no IPv6.
    format!(
        "cd /proc/sys/net && echo {forward} >ipv4/ip_forward && \
         for filter in ipv4/conf/*/rp_filter; do echo 0 >$filter || exit; done && \
         if test -d ipv6; then echo 1 >ipv6/conf/all/disable_ipv6; fi"
    )
}

/// Errs, without a word, when the program has been asked to stop: building takes a moment.
fn go_on() -> Result<(), Error> {
    if stop::requested() {
        return Err(Error::Exit(0));
    }
    Ok(())
}

/// Whether `ip -o link` shows an interface as the kernel should see it. UNKNOWN is what an interface
/// says of itself that has never lost its carrier.
fn has_noticed(line: &str, plugged: bool) -> bool {
    let mut words = line.split_whitespace().skip_while(|word| *word != "state");
    match words.nth(1) {
        Some("UP" | "UNKNOWN") => plugged,
        Some("DOWN" | "LOWERLAYERDOWN") => !plugged,
        _ => false,
    }
}

/// Runs `ip` and waits for it. Errs with what it said.
pub fn ip(words: &[&str]) -> Result<(), Error> {
    asked(words).map(drop)
}

/// Runs a line of our own with the shell of a namespace.
fn inside(namespace: &str, line: &str) -> Result<(), Error> {
    ip(&["netns", "exec", namespace, "sh", "-c", line])
}

/// Runs `ip` and returns what it printed. Errs with what it complained of.
pub fn asked(words: &[&str]) -> Result<String, Error> {
    let mut ip = Command::new("ip");
    // A group of its own: Ctrl-C is for us, and must not end it half-way. But killed with us, so that
    // nothing is made any more when `clean` comes to look.
    ip.args(words).stdin(Stdio::null()).process_group(0);
    die_with_parent(&mut ip);
    let output = ip.output().map_err(|why| {
        Error::Failed(format!("cannot run ip: {} (Debian: apt-get install iproute2)", reason(&why)))
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    // A container's root, for instance, may be root by name only.
    let allowed = ["not permitted", "denied"].iter().all(|word| !said.contains(word));
    let needed = if allowed { String::new() } else { format!(" ({})", super::NEEDED) };
    Err(Error::Failed(format!("ip {}: {said}{needed}", words.join(" "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_routers_forward() {
        assert!(settings(Kind::Router).contains("echo 1 >ipv4/ip_forward"));
        assert!(settings(Kind::Host).contains("echo 0 >ipv4/ip_forward"));
        assert!(settings(Kind::Switch).contains("echo 0 >ipv4/ip_forward"));
    }

    #[test]
    fn what_ip_says_about_a_cable() {
        let line =
            |state| format!("2: h1-eth0: <BROADCAST,UP> mtu 1500 qdisc pfifo_fast state {state} qlen 1000");
        assert!(has_noticed(&line("UP"), true) && has_noticed(&line("UNKNOWN"), true));
        assert!(has_noticed(&line("DOWN"), false));
        assert!(!has_noticed(&line("DOWN"), true) && !has_noticed(&line("UNKNOWN"), false));
        for strange in ["", "state", "2: h1-eth0: <BROADCAST>", "state SIDEWAYS"] {
            assert!(!has_noticed(strange, true) && !has_noticed(strange, false), "{strange:?}");
        }
    }
}
