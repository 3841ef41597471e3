//! From the plan to a network that runs: namespaces, bridges, cables, addresses, routes; and back.
//!
//! Each host, router and switch is a network namespace, made with `ip netns`: a copy of the kernel's
//! network stack with interfaces, addresses and routes of its own. A switch is a kernel bridge inside
//! its namespace. A cable is two TAP devices and [`super::relay`].
//!
//! Everything that is made is noted first ([`State::note`]) and undone when [`Network`] is dropped, on
//! every way out.

use std::fs::File;
use std::process::Command;
use std::sync::Arc;

use super::plan::{Kind, Plan, Quality};
use super::relay::Direction;
use super::state::State;
use crate::kit::error::{reason, Error};
use crate::kit::random::Random;
use crate::kit::screen;
use crate::kit::sys::tap;

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
    namespaces: Vec<String>,
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

    /// Plugs a cable in or out, at both ends.
    pub fn plug(&mut self, link: usize, plugged: bool) -> Result<(), Error> {
        let link = &mut self.links[link];
        for (device, direction) in link.devices.iter().zip(&link.directions) {
            tap::set_carrier(device, plugged).map_err(|why| Error::io("cannot unplug the cable", &why))?;
            direction.plug(plugged);
        }
        link.plugged = plugged;
        Ok(())
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
            let namespace = state.namespace(&node.name);
            state.note(&namespace)?;
            ip(&["netns", "add", &namespace])?;
            self.namespaces.push(namespace.clone());
            // IPv6 would send router solicitations and neighbour discovery of its own; the lab is IPv4.
            inside(&namespace, "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 2>/dev/null; true")?;
            ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
            match node.kind {
                Kind::Router => inside(&namespace, "echo 1 > /proc/sys/net/ipv4/ip_forward")?,
                Kind::Switch => {
                    ip(&["-n", &namespace, "link", "add", "name", &node.name, "type", "bridge"])?;
                    ip(&["-n", &namespace, "link", "set", &node.name, "up"])?;
                }
                Kind::Host => {}
            }
        }
        Ok(())
    }

    fn lay_cables(&mut self, random: &mut Random) -> Result<(), Error> {
        for link in &self.plan.links {
            let mut devices = Vec::new();
            for (node, port) in link.ends {
                let node = &self.plan.nodes[node];
                let (name, namespace) = (&node.interfaces[port].name, self.namespace(&node.name));
                let path = format!("/run/netns/{namespace}");
                let device = File::open(path).and_then(|namespace| tap::open_inside(&namespace, name));
                devices
                    .push(device.map_err(|why| Error::io(format!("cannot make the cable to {name}"), &why))?);
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
        let mut clean = true;
        for namespace in &self.namespaces {
            if let Err(error) = ip(&["netns", "del", namespace]) {
                screen::note(&format!("cannot remove {namespace}: {error}"));
                clean = false;
            }
        }
        if let Some(state) = self.state.take().filter(|_| clean) {
            if let Err(error) = state.remove() {
                screen::note(&error.to_string());
            }
        }
    }
}

/// Runs `ip` and waits for it. Errs with what it said.
pub fn ip(words: &[&str]) -> Result<(), Error> {
    run("ip", words)
}

/// Runs a line of our own with the shell of a namespace.
fn inside(namespace: &str, line: &str) -> Result<(), Error> {
    run("ip", &["netns", "exec", namespace, "sh", "-c", line])
}

fn run(program: &str, words: &[&str]) -> Result<(), Error> {
    let output = Command::new(program).args(words).output().map_err(|why| {
        Error::Failed(format!("cannot run {program}: {} (Debian: apt-get install iproute2)", reason(&why)))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::Failed(format!("{program} {}: {}", words.join(" "), said.trim())))
}
