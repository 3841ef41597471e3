//! What the commands show of a running network, as lines: nobody waits for a slow screen while the
//! network is looked at.

use std::collections::{HashMap, HashSet};
use std::io;
use std::process::{Child, Stdio};
use std::sync::atomic::Ordering::Relaxed;

use super::build::{self, Network};
use super::explain::{parse_route, parse_up, Port, Seen, View};
use super::inside::process;
use super::plan::{Kind, Prefix};
use crate::kit::error::Error;
use crate::kit::sys::process::die_with_parent;

/// How `pingall` pings: three times, for one may be lost; two seconds for the answer.
const PINGS: [&str; 6] = ["-c", "3", "-i", "0.3", "-W", "2"];

/// How many pairs at once: more would want more descriptors than a shell allows.
const AT_ONCE: usize = 200;

/// The names of all nodes and what they are.
pub fn nodes(network: &Network, out: &mut Vec<String>) {
    for node in &network.plan.nodes {
        let kind = match node.kind {
            Kind::Host => "host",
            Kind::Router => "router",
            Kind::Switch => "switch",
        };
        out.push(format!("{:8} {kind}", node.name));
    }
}

/// Each cable: what it does, and what has crossed it.
pub fn links(network: &Network, out: &mut Vec<String>) {
    let plan = &network.plan;
    for (link, running) in plan.links.iter().zip(&network.links) {
        let [one, other] = link.ends.map(|(node, port)| &plan.nodes[node].interfaces[port].name);
        let unplugged = if running.plugged { "" } else { "  UNPLUGGED" };
        let counts = running.directions.each_ref().map(|direction| {
            let counters = &direction.counters;
            let (lost, dropped) = (counters.lost.load(Relaxed), counters.dropped.load(Relaxed));
            format!("{} delivered, {lost} lost, {dropped} dropped", counters.delivered.load(Relaxed))
        });
        out.push(format!("{one} - {other}  {}{unplugged}", running.quality));
        out.push(format!("    there: {}; back: {}", counts[0], counts[1]));
    }
}

/// Nodes, interfaces with their addresses, and cables.
pub fn dump(network: &Network, out: &mut Vec<String>) {
    nodes(network, out);
    for node in &network.plan.nodes {
        for port in &node.interfaces {
            let address = port.address.map_or(String::new(), |address| address.to_string());
            out.push(format!("{:12} {address}", port.name));
        }
    }
    links(network, out);
}

/// The routing table of each host and router.
pub fn routes(network: &Network, out: &mut Vec<String>) -> Result<(), Error> {
    for node in network.plan.nodes.iter().filter(|node| node.kind != Kind::Switch) {
        for line in ask(network, &node.name, &["route"])?.lines() {
            out.push(format!("{:8} {}", node.name, line.trim_end()));
        }
    }
    Ok(())
}

/// What `ip` says in a node's namespace.
fn ask(network: &Network, node: &str, words: &[&str]) -> Result<String, Error> {
    let namespace = network.namespace(node);
    build::asked(&[&["-4", "-n", &namespace], words].concat())
}

/// Pings between all pairs and shows the matrix of round-trip times: the shortest of three, for the first
/// one also waits for ARP on every network that it crosses.
pub fn ping_all(network: &Network, out: &mut Vec<String>) -> Result<(), Error> {
    let names = network.plan.nodes.iter().map(|node| node.name.as_str());
    let names: Vec<&str> = names.filter(|name| network.plan.address(name).is_some()).collect();
    let others = |one| names.iter().filter(move |other| **other != one).map(move |other| (one, *other));
    let pairs: Vec<(&str, &str)> = names.iter().flat_map(|one| others(*one)).collect();
    let mut times = HashMap::new();
    for some in pairs.chunks(AT_ONCE) {
        let pings: Vec<_> = some.iter().map(|(one, other)| ping(network, one, other)).collect();
        for (pair, ping) in some.iter().zip(pings) {
            let output = ping?.wait_with_output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            // One that Ctrl-C has ended at once has nothing to say.
            if !matches!(output.status.code(), Some(0 | 1)) && !said.is_empty() {
                return Err(Error::Failed(format!("{}: cannot ping: {}", pair.0, said.trim())));
            }
            times.insert(*pair, shortest(&String::from_utf8_lossy(&output.stdout)));
        }
    }
    let heading: String = names.iter().map(|name| format!("{name:>10}")).collect();
    out.push(format!("{:>10}{heading}", "ms"));
    for one in &names {
        let cells = names.iter().map(|other| match times.get(&(*one, *other)) {
            None => "-",
            Some(None) => "X",
            Some(Some(time)) => time,
        });
        let cells: String = cells.map(|cell| format!("{cell:>10}")).collect();
        out.push(format!("{one:>10}{cells}"));
    }
    let answered = times.values().flatten().count();
    out.push(format!("{answered} of {} pairs reach each other", pairs.len()));
    if answered < pairs.len() {
        return Err(Error::Exit(1));
    }
    Ok(())
}

/// Starts one ping of [`ping_all`].
fn ping(network: &Network, one: &str, other: &str) -> io::Result<Child> {
    let words = ["socklab", "ping"].iter().chain(&PINGS).chain([&other]);
    let words: Vec<String> = words.map(ToString::to_string).collect();
    let mut process = process(&network.plan, &network.namespace(one), &words);
    die_with_parent(&mut process);
    process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// Which way packets take between two nodes, and what is wrong with it.
pub fn explain(network: &Network, one: &str, other: &str, out: &mut Vec<String>) -> Result<(), Error> {
    let view = view(network)?;
    let address = |name: &str| {
        let seen = view.0.iter().find(|node| node.name == name);
        let address = seen.and_then(|node| node.ports.first()).map(|port| port.address.address);
        address.ok_or_else(|| Error::Failed(format!("{name} has no address")))
    };
    out.extend(view.explain((one, address(one)?), (other, address(other)?)));
    Ok(())
}

/// The network as it is now: the user may have changed addresses, routes and interfaces.
fn view(network: &Network) -> Result<View, Error> {
    let plan = &network.plan;
    let mut up: Vec<HashSet<String>> = Vec::new();
    for node in &plan.nodes {
        let said = ask(network, &node.name, &["-o", "link"])?;
        up.push(said.lines().filter_map(parse_up).map(str::to_string).collect());
    }
    // A host with an interface that is down is told by name; at a switch that is a cable that is out.
    let joins = |(number, port): &(usize, usize)| {
        let node = &plan.nodes[*number];
        let [switch, port] =
            [&node.name, &node.interfaces[*port].name].map(|name| up[*number].contains(name));
        node.kind != Kind::Switch || switch && port
    };
    let segments =
        plan.segments(|link| network.links[link].plugged && plan.links[link].ends.iter().all(joins));
    let mut view = View::default();
    for (number, node) in plan.nodes.iter().enumerate().filter(|(_, node)| node.kind != Kind::Switch) {
        let mut ports = Vec::new();
        for line in ask(network, &node.name, &["-o", "addr"])?.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, name, "inet", address, ..] = words[..] else { continue };
            let port = node.interfaces.iter().position(|port| port.name == name);
            let (Some(port), Some(address)) = (port, Prefix::parse(address)) else { continue };
            let segment = segments.get(&(number, port)).copied();
            ports.push(Port { name: name.to_string(), address, up: up[number].contains(name), segment });
        }
        let routes = ask(network, &node.name, &["route"])?.lines().filter_map(parse_route).collect();
        let namespace = network.namespace(&node.name);
        let forwards = build::asked(&["netns", "exec", &namespace, "cat", "/proc/sys/net/ipv4/ip_forward"])?;
        view.0.push(Seen { name: node.name.clone(), ports, routes, forwards: forwards.trim() == "1" });
    }
    Ok(view)
}

/// The shortest time out of ping's last line, `rtt min/avg/max/mdev = 1.0/2.0/3.0/0.5 ms`.
fn shortest(output: &str) -> Option<String> {
    let line = output.lines().find(|line| line.starts_with("rtt "))?;
    let time = line.split_once('=')?.1.trim().split('/').next()?;
    time.parse::<f64>().ok().map(|_| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_ping() {
        let output = "3 packets transmitted, 3 received\nrtt min/avg/max/mdev = 481.1/600.2/881.0/160.5 ms\n";
        assert_eq!(shortest(output), Some("481.1".to_string()));
        for strange in ["", "rtt", "rtt min/avg/max/mdev", "rtt = ", "rtt min = x/2 ms", "100% packet loss"] {
            assert_eq!(shortest(strange), None, "{strange:?}");
        }
    }
}
