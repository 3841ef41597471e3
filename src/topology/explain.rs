//! Which way a packet takes, hop by hop, and what is wrong with it. Pure: it works on what `ip` said
//! about each node ([`View`]), so that the sheet's mistakes are tested without a network.
//!
//! Each node decides for itself, by its own routing table only: among the routes whose network contains
//! the destination it takes the one with the longest prefix. A route names the *next* hop, never the
//! way; a way exists only if all the nodes along it happen to agree. And it exists twice: the answer
//! needs a way back, which may be another one.
//!
//! Limits: it follows the main table's routes with one next hop, over the plan's own interfaces. It does
//! not know policy rules, firewalls, `blackhole` routes, or which of several source addresses a program
//! has chosen.

use std::cmp::Reverse;
use std::net::Ipv4Addr;

use super::plan::Prefix;

/// How many hops before a way counts as endless: the TTL that Linux gives a packet.
const TTL: usize = 64;

/// A line of a routing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which destinations it is for.
    pub to: Prefix,
    /// The next router; `None` if the destination itself is a neighbour.
    pub via: Option<Ipv4Addr>,
    /// The interface.
    pub device: String,
}

/// An address of an interface. An interface with two addresses is here twice.
#[derive(Debug, Clone)]
pub struct Port {
    /// The interface's name.
    pub name: String,
    /// The address, and the network it is in.
    pub address: Prefix,
    /// Whether the interface is up, which is its user's to say (`ip link set … down`).
    pub up: bool,
    /// The number of the segment it is plugged into: what is joined by cables and switches is one
    /// segment. `None` when the cable is out.
    pub segment: Option<usize>,
}

/// What one node looks like from outside.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// Its addresses, in the order of its interfaces.
    pub ports: Vec<Port>,
    /// Its routing table.
    pub routes: Vec<Entry>,
    /// Whether it forwards packets that are not for itself.
    pub forwards: bool,
}

/// All hosts and routers of a network as they are now.
#[derive(Debug, Clone, Default)]
pub struct View(pub Vec<Seen>);

/// Reads one line of `ip route`; `None` for a kind of route that this does not follow.
pub fn parse_route(line: &str) -> Option<Entry> {
    let mut words = line.split_whitespace();
    let to = match words.next()? {
        "default" => Prefix { address: Ipv4Addr::UNSPECIFIED, length: 0 },
        network if network.contains('/') => Prefix::parse(network)?,
        host => Prefix { address: host.parse().ok()?, length: 32 },
    };
    let (mut via, mut device) = (None, String::new());
    while let Some(word) = words.next() {
        match word {
            "via" => via = Some(words.next()?.parse().ok()?),
            "dev" => device = words.next()?.to_string(),
            _ => {}
        }
    }
    Some(Entry { to, via, device })
}

/// The interface that one line of `ip -o link` is about, if it is up:
/// `2: h1-eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 …`.
pub fn parse_up(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip(1);
    let (name, flags) = (words.next()?, words.next()?);
    let mut flags = flags.trim_start_matches('<').trim_end_matches('>').split(',');
    flags.any(|flag| flag == "UP").then(|| name.trim_end_matches(':'))
}

impl View {
    fn find(&self, name: &str) -> Option<&Seen> {
        self.0.iter().find(|node| node.name == name)
    }

    /// Who has an address, and where: in that segment if anybody there has it, otherwise elsewhere.
    fn owner(&self, address: Ipv4Addr, segment: Option<usize>) -> Option<(&Seen, &Port)> {
        let ports = self.0.iter().flat_map(|node| node.ports.iter().map(move |port| (node, port)));
        let owners = ports.filter(|(_, port)| port.address.address == address);
        owners.min_by_key(|(_, port)| (port.segment.is_none() || port.segment != segment, !port.up))
    }

    /// The way from one node to an address: a line for each hop, and at its end whether it arrives.
    pub fn way(&self, from: &str, to: Ipv4Addr) -> (Vec<String>, bool) {
        let mut lines = Vec::new();
        let Some(mut node) = self.find(from) else { return (vec![format!("{from} is no host")], false) };
        for hop in 0..TTL {
            if node.has(to) {
                lines.push(format!("{}: {to} is its own address: arrived", node.name));
                return (lines, true);
            }
            if hop > 0 && !node.forwards {
                let name = &node.name;
                lines.push(format!(
                    "{name}: WRONG: it is a host and does not forward (net.ipv4.ip_forward is 0)"
                ));
                return (lines, false);
            }
            match self.step(node, to) {
                Ok((line, next)) => {
                    lines.push(line);
                    node = next;
                }
                Err(line) => {
                    lines.push(line);
                    return (lines, false);
                }
            }
        }
        lines.truncate(6);
        lines.push(format!("WRONG: and so on, round and round, until the TTL of {TTL} is used up"));
        (lines, false)
    }

    /// One node's decision: the line that tells it, and the node the packet goes to.
    fn step(&self, node: &Seen, to: Ipv4Addr) -> Result<(String, &Seen), String> {
        let name = &node.name;
        let matching = node.routes.iter().filter(|route| route.to.contains(to));
        // Of several with the same length, `ip` lists the one that counts (the lowest metric) first.
        let Some(route) = matching.min_by_key(|route| Reverse(route.to.length)) else {
            return Err(format!("{name}: WRONG: no route to {to}: \"Network is unreachable\""));
        };
        let hop = route.via.unwrap_or(to);
        let what = match (route.to.length, route.via) {
            (0, Some(via)) => format!("no better route, so the default one: via {via}"),
            (_, Some(via)) => format!("{} is the longest match: via {via}", route.to),
            (_, None) => format!("{} is the longest match: a neighbour", route.to),
        };
        let told = format!("{name}: to {to}, {what} on {}", route.device);
        if node.has(hop) {
            return Err(format!(
                "{told}\n    WRONG: {hop} is {name}'s own address; a route must name a neighbour"
            ));
        }
        let here = node.ports.iter().find(|port| port.name == route.device).and_then(|port| port.segment);
        let Some((next, there)) = self.owner(hop, here) else {
            return Err(format!(
                "{told}\n    WRONG: nobody has the address {hop}, so nobody answers the ARP request"
            ));
        };
        let other = &next.name;
        if here.is_none() || here != there.segment {
            let device = &route.device;
            return Err(format!(
                "{told}\n    WRONG: {other} has {hop}, but no cable leads there from {device}"
            ));
        }
        if !there.up {
            let down = &there.name;
            return Err(format!("{told}\n    WRONG: {other} has {hop}, but its interface {down} is down"));
        }
        Ok((told, next))
    }

    /// The way there and the way back, as text.
    pub fn explain(&self, from: (&str, Ipv4Addr), to: (&str, Ipv4Addr)) -> Vec<String> {
        let (there, arrives) = self.way(from.0, to.1);
        let (back, returns) = self.way(to.0, from.1);
        let mut lines = vec![format!("there, {} to {}:", from.0, to.0)];
        lines.extend(there.iter().map(|line| format!("  {line}")));
        lines.push(format!("back, {} to {}:", to.0, from.0));
        lines.extend(back.iter().map(|line| format!("  {line}")));
        lines.push(match (arrives, returns) {
            (true, true) => "both ways lead to their end".to_string(),
            (false, _) => format!("packets from {} do not reach {}", from.0, to.0),
            (true, false) => format!("packets reach {}, but its answers do not come back", to.0),
        });
        lines
    }
}

impl Seen {
    fn has(&self, address: Ipv4Addr) -> bool {
        self.ports.iter().any(|port| port.address.address == address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::networks;
    use crate::topology::plan::Plan;

    /// A plan as it would look when it runs, with every cable plugged in.
    fn view(plan: &Plan) -> View {
        let segments = plan.segments(|_| true);
        let nodes = plan.nodes.iter().enumerate().map(|(number, node)| {
            let ports = node.interfaces.iter().enumerate().filter_map(|(port, interface)| {
                let (name, address) = (interface.name.clone(), interface.address?);
                let segment = segments.get(&(number, port)).copied();
                Some(Port { name, address, up: true, segment })
            });
            let ports: Vec<Port> = ports.collect();
            let near = ports.iter().map(|port| Entry {
                to: port.address.network(),
                via: None,
                device: port.name.clone(),
            });
            let far = node.routes.iter().map(|route| {
                let device = ports.iter().find(|port| port.address.contains(route.via));
                let device = device.map(|port| port.name.clone());
                Entry { to: route.to, via: Some(route.via), device: device.unwrap_or_default() }
            });
            let routes = near.clone().chain(far).collect();
            let forwards = node.kind == crate::topology::plan::Kind::Router;
            Seen { name: node.name.clone(), ports, routes, forwards }
        });
        View(nodes.collect())
    }

    fn tutorial() -> View {
        view(&networks::tutorial())
    }

    fn address(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    #[test]
    fn the_sheets_network_routes_both_ways() {
        let lines = tutorial().explain(("h1", address("10.0.0.2")), ("h4", address("10.1.0.2")));
        let expected = [
            "there, h1 to h4:",
            "  h1: to 10.1.0.2, no better route, so the default one: via 10.0.0.1 on h1-eth0",
            "  h2: to 10.1.0.2, 10.1.0.0/24 is the longest match: via 192.168.0.1 on h2-eth1",
            "  h3: to 10.1.0.2, 10.1.0.0/24 is the longest match: a neighbour on h3-eth0",
            "  h4: 10.1.0.2 is its own address: arrived",
            "back, h4 to h1:",
            "  h4: to 10.0.0.2, no better route, so the default one: via 10.1.0.1 on h4-eth0",
            "  h3: to 10.0.0.2, 10.0.0.0/24 is the longest match: via 192.168.0.2 on h3-eth1",
            "  h2: to 10.0.0.2, 10.0.0.0/24 is the longest match: a neighbour on h2-eth0",
            "  h1: 10.0.0.2 is its own address: arrived",
            "both ways lead to their end",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_sheets_mistake_is_found() {
        // The link parameters of the sheet give h4 the address that its default route points to.
        let mut view = tutorial();
        for (name, new) in [("h4", "10.1.0.1/24"), ("h3", "10.1.0.2/24")] {
            let node = view.0.iter_mut().find(|node| node.name == name).unwrap();
            node.ports[0].address = Prefix::parse(new).unwrap();
        }
        let (lines, arrives) = view.way("h4", address("10.0.0.2"));
        assert!(!arrives);
        assert!(
            lines[0].ends_with("WRONG: 10.1.0.1 is h4's own address; a route must name a neighbour"),
            "{lines:?}"
        );
    }

    #[test]
    fn other_mistakes() {
        let broken = |change: &dyn Fn(&mut View)| {
            let mut view = tutorial();
            change(&mut view);
            let (lines, arrives) = view.way("h1", address("10.1.0.2"));
            assert!(!arrives);
            lines.last().unwrap().clone()
        };
        let find = |view: &View, name: &str| view.0.iter().position(|node| node.name == name).unwrap();
        let no_route = broken(&|view| {
            let h2 = find(view, "h2");
            view.0[h2].routes.retain(|route| route.via.is_none());
        });
        assert_eq!(no_route, "h2: WRONG: no route to 10.1.0.2: \"Network is unreachable\"");
        let no_forwarding = broken(&|view| {
            let h2 = find(view, "h2");
            view.0[h2].forwards = false;
        });
        assert!(no_forwarding.starts_with("h2: WRONG: it is a host"), "{no_forwarding}");
        let unplugged = broken(&|view| {
            let h3 = find(view, "h3");
            view.0[h3].ports[1].segment = None;
        });
        assert!(unplugged.contains("no cable leads there"), "{unplugged}");
        let down = broken(&|view| {
            let h3 = find(view, "h3");
            view.0[h3].ports[1].up = false;
        });
        assert!(down.ends_with("WRONG: h3 has 192.168.0.1, but its interface h3-eth1 is down"), "{down}");
        let nobody = broken(&|view| {
            let h1 = find(view, "h1");
            view.0[h1].routes.last_mut().unwrap().via = Some(address("10.0.0.9"));
        });
        assert!(nobody.contains("nobody has the address 10.0.0.9"), "{nobody}");
        let circle = broken(&|view| {
            let h3 = find(view, "h3");
            view.0[h3].routes.retain(|route| route.to.address != address("10.1.0.0"));
            let back = Entry {
                to: Prefix::parse("0.0.0.0/0").unwrap(),
                via: Some(address("192.168.0.2")),
                device: "h3-eth1".into(),
            };
            view.0[h3].routes.push(back);
        });
        assert!(circle.contains("round and round"), "{circle}");
    }

    #[test]
    fn lines_of_ip_route() {
        let route = parse_route("default via 10.0.0.1 dev h1-eth0 ").unwrap();
        assert_eq!(
            (route.to.length, route.via, route.device.as_str()),
            (0, Some(address("10.0.0.1")), "h1-eth0")
        );
        let near = parse_route("10.0.0.0/24 dev h1-eth0 proto kernel scope link src 10.0.0.2").unwrap();
        assert_eq!((near.to.to_string().as_str(), near.via), ("10.0.0.0/24", None));
        assert_eq!(parse_route("10.9.9.9 via 10.0.0.1 dev x").unwrap().to.length, 32);
        assert_eq!(parse_route("blackhole 10.0.0.0/8"), None);
        assert_eq!(parse_route(""), None);
    }

    #[test]
    fn lines_of_ip_link() {
        let up = "2: h1-eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc pfifo_fast state UP";
        assert_eq!(parse_up(up), Some("h1-eth0"));
        assert_eq!(parse_up("2: h1-eth0: <NO-CARRIER,BROADCAST,UP> mtu 1500 state DOWN"), Some("h1-eth0"));
        for down in ["2: h1-eth0: <BROADCAST,MULTICAST> mtu 1500", "2: x: <LOWER_UP> mtu", "2: x:", ""] {
            assert_eq!(parse_up(down), None, "{down}");
        }
    }
}
