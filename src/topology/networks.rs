//! The built-in networks. Copy one, change it, give it a name of its own, and add it to [`ALL`].

use std::time::Duration;

use super::plan::{cable, Plan, Quality, PLAIN};

/// What `socklab topology NAME` can build.
pub const ALL: [fn() -> Plan; 2] = [tutorial, continents];

/// The network of that name.
pub fn find(name: &str) -> Option<Plan> {
    ALL.iter().map(|plan| plan()).find(|plan| plan.name == name)
}

/// The names that [`find`] knows.
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|plan| plan().name).collect()
}

/// SCC.231, part 2: two networks with a router each.
///
/// ```text
///  10.0.0.0/24                        192.168.0.0/24                        10.1.0.0/24
///  h1 .2 ────── s1 ────── .1 h2 .2 ──────────────── .1 h3 .1 ────── s2 ────── .2 h4
///    100 Mbit/s   10 Mbit/s            no limits            100 Mbit/s   100 Mbit/s
///    30 ms, 1 %   10 ms, 1 %                                100 ms       100 ms
/// ```
///
/// The sheet gives the addresses of h3 and h4 twice and differently; these are the ones that route.
pub fn tutorial() -> Plan {
    let mut net = Plan::new("tutorial");
    net.host("h1", "10.0.0.1");
    net.router("h2");
    net.router("h3");
    net.host("h4", "10.1.0.1");
    net.switch("s1");
    net.switch("s2");

    net.link(("h1", "10.0.0.2/24"), ("s1", ""), cable(100, 30, 1.0));
    net.link(("h2", "10.0.0.1/24"), ("s1", ""), cable(10, 10, 1.0));
    net.link(("h3", "10.1.0.1/24"), ("s2", ""), cable(100, 100, 0.0));
    net.link(("h4", "10.1.0.2/24"), ("s2", ""), cable(100, 100, 0.0));
    net.link(("h2", "192.168.0.2/24"), ("h3", "192.168.0.1/24"), PLAIN);

    // Each router knows its own two networks; the third must be told.
    net.route("h2", "10.1.0.0/24", "192.168.0.1");
    net.route("h3", "10.0.0.0/24", "192.168.0.2");
    net
}

/// A host at home and four on other continents, each behind a router in the middle, with delays like
/// those of the real Internet (one way, from Western Europe; a round trip takes twice as long).
///
/// ```text
///                     ┌── 45 ms ── america    10.1.0.2
///  home ── 5 ms ── r1 ├── 85 ms ── asia       10.2.0.2
///  10.0.0.2           ├── 140 ms ─ oceania    10.3.0.2
///                     └── 80 ms ── africa     10.4.0.2
/// ```
pub fn continents() -> Plan {
    let far =
        |delay, jitter, loss| Quality { jitter: Duration::from_millis(jitter), ..cable(100, delay, loss) };
    let mut net = Plan::new("continents");
    net.router("r1");
    for (number, (name, quality)) in [
        ("home", far(5, 0, 0.0)),
        ("america", far(45, 1, 0.0)),
        ("asia", far(85, 2, 0.5)),
        ("oceania", far(140, 3, 0.5)),
        ("africa", far(80, 4, 1.0)),
    ]
    .into_iter()
    .enumerate()
    {
        net.host(name, &format!("10.{number}.0.1"));
        let (host, router) = (format!("10.{number}.0.2/24"), format!("10.{number}.0.1/24"));
        net.link((name, &host), ("r1", &router), quality);
    }
    net
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::command::{self, Command};

    #[test]
    fn the_sheets_network() {
        let net = tutorial();
        assert_eq!(net.nodes.len(), 6);
        assert_eq!(net.links.len(), 5);
        assert_eq!(net.address("h1").unwrap().to_string(), "10.0.0.2");
        assert_eq!(net.address("h4").unwrap().to_string(), "10.1.0.2");
        // A round trip h1 - h4 crosses these four twice: 480 ms, and 0.99^4 of them come back.
        let on_the_way = [("h1", "s1"), ("s1", "h2"), ("h3", "s2"), ("s2", "h4")];
        let delay: Duration =
            on_the_way.iter().map(|(a, b)| net.links[net.link_between(a, b).unwrap()].quality.delay).sum();
        assert_eq!(delay * 2, Duration::from_millis(480));
    }

    #[test]
    fn every_plan_can_be_built() {
        for name in names() {
            let net = find(name).unwrap();
            assert_eq!(net.name, name);
            assert!(!["exec", "clean", "picture"].contains(&name), "{name} is a command");
            for node in &net.nodes {
                let command = command::parse(&format!("{} true", node.name), |word| word == node.name);
                assert!(matches!(command, Ok(Command::Run(..))), "{} is a command", node.name);
                for port in &node.interfaces {
                    // IFNAMSIZ is 16 with the closing zero.
                    assert!(port.name.len() <= 15, "{}", port.name);
                }
                for route in &node.routes {
                    let near = node.interfaces.iter().filter_map(|port| port.address);
                    let own = near.clone().any(|prefix| prefix.address == route.via);
                    let reachable = near.into_iter().any(|prefix| prefix.contains(route.via));
                    assert!(reachable && !own, "{}: {} is no neighbour", node.name, route.via);
                }
            }
        }
        assert!(find("moon").is_none());
    }
}
