//! A network on paper: nodes, links, addresses and routes, without anything running.
//!
//! Pure, so that it is tested without root, drawn as a picture, and read like the sheet's own
//! description. [`super::networks`] has the built-in ones.

use std::collections::HashMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An end system: it sends and receives, and does not forward.
    Host,
    /// A host that forwards packets from one interface to another by its routing table.
    Router,
    /// A switch: it forwards frames by their hardware addresses and has no IP address itself.
    Switch,
}

/// An address with the length of its network's prefix, `10.0.0.2/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// The address itself.
    pub address: Ipv4Addr,
    /// How many of its leading bits name the network: 0 to 32.
    pub length: u8,
}

impl Prefix {
    /// From `10.0.0.2/24`; `None` if it is not of that form.
    pub fn parse(text: &str) -> Option<Prefix> {
        let (address, length) = text.split_once('/')?;
        let length = length.parse().ok().filter(|length| *length <= 32)?;
        Some(Prefix { address: address.parse().ok()?, length })
    }

    /// Whether `address` lies in this network: its first `length` bits are the same.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (u32::from(self.address) ^ u32::from(address)) & self.mask() == 0
    }

    /// The network's own name: the address with all bits behind the prefix zero.
    pub fn network(self) -> Prefix {
        Prefix { address: Ipv4Addr::from(u32::from(self.address) & self.mask()), length: self.length }
    }

    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.length)
    }
}

/// A static route: packets for `to` go to the neighbour `via`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where to; `0.0.0.0/0` is the default route.
    pub to: Prefix,
    /// The next router, which must be in a network that the node is connected to.
    pub via: Ipv4Addr,
}

/// One end of a link at a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// `h1-eth0`: the node's name and a number, as Mininet has it. At most 15 bytes (IFNAMSIZ).
    pub name: String,
    /// Its address; switches have none.
    pub address: Option<Prefix>,
}

/// A host, router or switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// `h1`, `s1`: a letter and up to seven more letters and digits.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// Its interfaces, in the order of its links.
    pub interfaces: Vec<Interface>,
    /// Its static routes; the networks of its interfaces need none.
    pub routes: Vec<Route>,
}

/// What a cable does to the packets that cross it, in each direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Bits per second; `None` sends at once.
    pub rate: Option<u64>,
    /// How long a packet is on its way.
    pub delay: Duration,
    /// The delay of each packet is off by up to this, either way; at most the delay itself.
    pub jitter: Duration,
    /// How many of 100 packets are lost.
    pub loss: f64,
    /// How many packets wait for the cable at most; the next one is dropped (tail drop).
    pub queue: usize,
}

/// The fastest cable, in bits per second. None of ours comes near it.
pub const FASTEST: u64 = 100_000_000_000;

/// The longest delay. A packet is on its way to the Moon for 1.3 seconds, to Mars for three minutes and
/// more.
pub const LONGEST_DELAY: Duration = Duration::from_secs(60);

impl Quality {
    /// Whether there can be such a cable.
    fn is_possible(&self) -> bool {
        self.rate.is_none_or(|rate| (1..=FASTEST).contains(&rate))
            && self.delay <= LONGEST_DELAY
            && self.jitter <= self.delay
            && (0.0..=100.0).contains(&self.loss)
            && self.queue >= 1
    }
}

/// `100 Mbit/s, 30 ms, 1 % loss`; a plain one is `no limits`.
impl fmt::Display for Quality {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
        let mut parts = Vec::new();
        parts.extend(self.rate.map(|rate| format!("{} Mbit/s", rate as f64 / 1e6)));
        if !self.delay.is_zero() {
            parts.push(format!("{} ms", milliseconds(self.delay)));
        }
        if !self.jitter.is_zero() {
            parts.push(format!("± {} ms", milliseconds(self.jitter)));
        }
        if self.loss > 0.0 {
            parts.push(format!("{} % loss", self.loss));
        }
        out.write_str(if parts.is_empty() { "no limits".to_string() } else { parts.join(", ") }.as_str())
    }
}

/// A cable that does nothing to its packets, with a queue as long as Linux gives a network card.
pub const PLAIN: Quality =
    Quality { rate: None, delay: Duration::ZERO, jitter: Duration::ZERO, loss: 0.0, queue: 1000 };

/// A cable of `rate` Mbit/s, `delay` milliseconds and `loss` per cent.
pub const fn cable(rate: u64, delay: u64, loss: f64) -> Quality {
    Quality { rate: Some(rate * 1_000_000), delay: Duration::from_millis(delay), loss, ..PLAIN }
}

/// A cable between two nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Its two ends: the number of the node in [`Plan::nodes`] and of the interface there.
    pub ends: [(usize, usize); 2],
    /// What it does to packets.
    pub quality: Quality,
}

/// A whole network.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Hosts, routers and switches.
    pub nodes: Vec<Node>,
    /// The cables between them.
    pub links: Vec<Link>,
}

impl Plan {
    /// A network without nodes. Its name is small letters and digits, as those of its nodes are.
    pub fn new(name: &'static str) -> Plan {
        assert!(is_name(name, 16), "{name:?}: a letter and up to 15 letters and digits, all small");
        Plan { name, nodes: Vec::new(), links: Vec::new() }
    }

    /// Adds an end system whose packets for other networks go to `gateway`.
    pub fn host(&mut self, name: &str, gateway: &str) {
        self.node(name, Kind::Host);
        self.route(name, "0.0.0.0/0", gateway);
    }

    /// Adds a router.
    pub fn router(&mut self, name: &str) {
        self.node(name, Kind::Router);
    }

    /// Adds a switch.
    pub fn switch(&mut self, name: &str) {
        self.node(name, Kind::Switch);
    }

    /// Tells `node` to send packets for the network `to` to the neighbour `via`.
    pub fn route(&mut self, node: &str, to: &str, via: &str) {
        let to = Prefix::parse(to).unwrap_or_else(|| panic!("{to}: a network is written 10.1.0.0/24"));
        let via = via.parse().unwrap_or_else(|_| panic!("{via}: an address is written 10.0.0.1"));
        let number = self.number(node);
        self.nodes[number].routes.push(Route { to, via });
    }

    /// Lays a cable. Each end is a node's name and the address its new interface gets there, for
    /// instance `("h1", "10.0.0.2/24")`; a switch gets the address `""`.
    pub fn link(&mut self, one: (&str, &str), other: (&str, &str), quality: Quality) {
        assert!(quality.is_possible(), "{} - {}: there is no such cable: {quality:?}", one.0, other.0);
        let ends = [one, other].map(|(node, address)| {
            let number = self.number(node);
            let node = &mut self.nodes[number];
            // As Mininet counts: hosts from eth0, switches from eth1.
            let first = usize::from(node.kind == Kind::Switch);
            let name = format!("{}-eth{}", node.name, node.interfaces.len() + first);
            let parsed = Prefix::parse(address);
            assert!(parsed.is_some() != (node.kind == Kind::Switch), "{name}: {address:?} does not fit it");
            node.interfaces.push(Interface { name, address: parsed });
            (number, node.interfaces.len() - 1)
        });
        self.links.push(Link { ends, quality });
    }

    /// The node of that name.
    pub fn find(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The address by which a host or router is called: that of its first interface.
    pub fn address(&self, name: &str) -> Option<Ipv4Addr> {
        Some(self.find(name)?.interfaces.first()?.address?.address)
    }

    /// The number of the link between two nodes, in either order.
    pub fn link_between(&self, one: &str, other: &str) -> Option<usize> {
        self.links.iter().position(|link| {
            let [a, b] = link.ends.map(|(node, _)| self.nodes[node].name.as_str());
            (a, b) == (one, other) || (b, a) == (one, other)
        })
    }

    /// Which interfaces can hear each other: the number of its segment for each (node, interface),
    /// where cables and switches join and routers do not. `plugged` tells which links are in.
    pub fn segments(&self, plugged: impl Fn(usize) -> bool) -> HashMap<(usize, usize), usize> {
        let mut segments: HashMap<(usize, usize), usize> = HashMap::new();
        let ports = |node: usize| (0..self.nodes[node].interfaces.len()).map(move |port| (node, port));
        for first in (0..self.nodes.len()).flat_map(ports) {
            let number = segments.len();
            let mut reached = vec![first];
            while let Some(port) = reached.pop() {
                if segments.contains_key(&port) {
                    continue;
                }
                let cable = self.links.iter().position(|link| link.ends.contains(&port));
                let Some(cable) = cable.filter(|cable| plugged(*cable)) else { continue };
                segments.insert(port, number);
                reached.extend(self.links[cable].ends);
                if self.nodes[port.0].kind == Kind::Switch {
                    reached.extend(ports(port.0));
                }
            }
        }
        segments
    }

    /// A plan is written in code, so a wrong one is a mistake in the program and panics: in the test
    /// that builds every plan, before anything runs.
    fn node(&mut self, name: &str, kind: Kind) {
        assert!(is_name(name, 8), "{name:?}: a letter and up to 7 letters and digits, all small");
        assert!(self.find(name).is_none(), "{name} is there twice");
        let (interfaces, routes) = (Vec::new(), Vec::new());
        self.nodes.push(Node { name: name.to_string(), kind, interfaces, routes });
    }

    fn number(&self, name: &str) -> usize {
        let found = self.nodes.iter().position(|node| node.name == name);
        found.unwrap_or_else(|| panic!("there is no node {name}"))
    }
}

/// Whether `name` can name a node or a network. It becomes a part of file names; and it begins with a
/// letter, because on a command line it stands for an address: `ping -c 10 h4` must keep its 10.
fn is_name(name: &str, longest: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= longest
        && name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let prefix = Prefix::parse("10.1.2.3/24").unwrap();
        assert_eq!(prefix.to_string(), "10.1.2.3/24");
        assert_eq!(prefix.network().to_string(), "10.1.2.0/24");
        assert!(prefix.contains("10.1.2.255".parse().unwrap()));
        assert!(!prefix.contains("10.1.3.0".parse().unwrap()));
        assert!(Prefix::parse("0.0.0.0/0").unwrap().contains(Ipv4Addr::BROADCAST));
        assert!(Prefix::parse("10.0.0.1/32").unwrap().contains("10.0.0.1".parse().unwrap()));
        for wrong in ["10.0.0.1", "10.0.0.1/33", "10.0.0/24", "/24", "10.0.0.1/-1"] {
            assert!(Prefix::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_mistake_in_a_plan_panics_before_anything_runs() {
        let refused = |change: fn(&mut Plan)| {
            std::panic::catch_unwind(|| {
                let mut plan = Plan::new("test");
                plan.host("h1", "10.0.0.1");
                plan.switch("s1");
                change(&mut plan);
            })
            .is_err()
        };
        assert!(!refused(|plan| plan.link(("h1", "10.0.0.2/24"), ("s1", ""), PLAIN)));
        for name in ["", "h1", "10", "H2", "h-2", "../etc", "ninechars"] {
            let nobody = std::panic::catch_unwind(|| {
                let mut plan = Plan::new("test");
                plan.router("h1");
                plan.router(name);
            });
            assert!(nobody.is_err(), "{name:?}");
        }
        assert!(std::panic::catch_unwind(|| Plan::new("my-net")).is_err());
        assert!(refused(|plan| plan.link(("h1", "10.0.0.2"), ("s1", ""), PLAIN)));
        assert!(refused(|plan| plan.link(("h1", "10.0.0.2/24"), ("s1", "10.0.0.3/24"), PLAIN)));
        assert!(refused(|plan| plan.link(("h1", "10.0.0.2/24"), ("h9", "10.0.0.3/24"), PLAIN)));
        assert!(refused(|plan| plan.route("h1", "10.1.0.0", "10.0.0.1")));
        for quality in [
            Quality { rate: Some(0), ..PLAIN },
            Quality { rate: Some(u64::MAX), ..PLAIN },
            Quality { delay: Duration::MAX, ..PLAIN },
            Quality { jitter: Duration::from_millis(1), ..PLAIN },
            Quality { loss: 101.0, ..PLAIN },
            Quality { loss: f64::NAN, ..PLAIN },
            Quality { queue: 0, ..PLAIN },
        ] {
            assert!(!quality.is_possible(), "{quality:?}");
        }
        assert!(cable(100_000, 60_000, 100.0).is_possible());
    }

    #[test]
    fn names_and_links() {
        let mut plan = Plan::new("test");
        plan.host("h1", "10.0.0.1");
        plan.router("r1");
        plan.switch("s1");
        plan.link(("h1", "10.0.0.2/24"), ("s1", ""), cable(100, 30, 1.0));
        plan.link(("r1", "10.0.0.1/24"), ("s1", ""), PLAIN);
        let names: Vec<&str> =
            plan.nodes.iter().flat_map(|node| &node.interfaces).map(|port| port.name.as_str()).collect();
        assert_eq!(names, ["h1-eth0", "r1-eth0", "s1-eth1", "s1-eth2"]);
        assert_eq!(plan.link_between("s1", "r1"), Some(1));
        assert_eq!(plan.link_between("h1", "r1"), None);
        assert_eq!(plan.address("h1").unwrap().to_string(), "10.0.0.2");
        assert_eq!(plan.address("s1"), None);
        // h1 and r1 hear each other through the switch, until one cable is out.
        let segments = plan.segments(|_| true);
        assert_eq!(segments[&(0, 0)], segments[&(1, 0)]);
        let segments = plan.segments(|link| link == 0);
        assert_eq!(segments[&(0, 0)], segments[&(2, 0)]);
        assert_eq!(segments.get(&(1, 0)), None);
    }
}
