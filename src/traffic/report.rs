//! The report: one table a flow, as text. Pure.

use std::net::SocketAddr;

use super::flow::{Flow, Flows, Sum, ROLES};
use super::packet::{End, Protocol};

/// One end as the report shows it: `127.0.0.1:7001`, `[::1]:7001`, or without a port.
pub fn end((address, port): End) -> String {
    if port == 0 {
        address.to_string()
    } else {
        SocketAddr::new(address, port).to_string()
    }
}

/// A protocol's name.
fn name(protocol: Protocol) -> String {
    match protocol {
        Protocol::Tcp => "tcp".to_string(),
        Protocol::Udp => "udp".to_string(),
        Protocol::Icmp => "icmp".to_string(),
        Protocol::Other(number) => format!("ip-protocol-{number}"),
    }
}

/// The lines about one flow.
pub fn flow(flow: &Flow) -> Vec<String> {
    let ends = format!("{} -> {}", end(flow.ends[0]), end(flow.ends[1]));
    let seconds = flow.time.1.saturating_sub(flow.time.0) as f64 / 1e9;
    let mut both = flow.sums[0];
    both.join(&flow.sums[1]);
    let mut lines = vec![
        format!("{} {ends}, {seconds:.6} s", name(flow.protocol)),
        heading(),
        row("->", &flow.sums[0]),
        row("<-", &flow.sums[1]),
        row("both", &both),
        ethernet(&both),
    ];
    if flow.protocol == Protocol::Tcp {
        let roles = ROLES.map(|(role, name)| {
            let (packets, bytes) = flow.roles[role as usize];
            format!("{name} {packets} ({bytes} bytes)")
        });
        lines.push(format!("  packets for {}", roles.join(", ")));
        let (again, overtaken, ending) = (flow.retransmissions, flow.out_of_order, flow.segments.ending());
        let repeated = match flow.repeated {
            0 => String::new(),
            count => format!(" ({count} of these bring only what had passed before)"),
        };
        lines.push(format!("  retransmissions {again}, out of order {overtaken}{repeated}; {ending}"));
    }
    lines
}

/// The lines about the whole capture, if it has more than one flow.
pub fn total(flows: &Flows, other: (u64, u64)) -> Vec<String> {
    let mut lines = Vec::new();
    let mut all = flows.beyond;
    for sum in flows.list.iter().flat_map(|flow| &flow.sums) {
        all.join(sum);
    }
    if flows.list.len() > 1 {
        lines.extend([
            format!("all {} flows", flows.list.len()),
            heading(),
            row("both", &all),
            ethernet(&all),
        ]);
    }
    if flows.beyond.packets > 0 {
        lines.push(format!("{} packets belong to flows beyond these", flows.beyond.packets));
    }
    if other.0 > 0 {
        lines.push(format!("not IP: {} packets, {} bytes", other.0, other.1));
    }
    lines
}

fn heading() -> String {
    let columns = ["packets", "application", "transport", "network", "link", "all", "overhead"];
    let columns: Vec<String> = columns.iter().map(|name| format!("{name:>11}")).collect();
    format!("  {:<10}{}", "bytes", columns.join(" "))
}

/// One line of the table.
fn row(name: &str, sum: &Sum) -> String {
    let Sum { packets, application, transport, network, link, .. } = *sum;
    format!(
        "  {name:<10}{packets:>11} {application:>11} {transport:>11} {network:>11} {link:>11} {:>11} {:>11}",
        sum.all(),
        percent(application, sum.all())
    )
}

/// The same packets on a real Ethernet; see [`super::ethernet`].
fn ethernet(sum: &Sum) -> String {
    let (frames, bytes) = sum.ethernet;
    // What was cut into smaller packets has more headers, so the layers between are summed up.
    let between = bytes.saturating_sub(sum.application);
    format!(
        "  {:<10}{frames:>11} {:>11} {:>35} {bytes:>11} {:>11}",
        "Ethernet",
        sum.application,
        format!("{between} in all headers"),
        percent(sum.application, bytes)
    )
}

/// The share of all bytes that is not the application's.
fn percent(application: u64, all: u64) -> String {
    if all == 0 {
        return "-".to_string();
    }
    format!("{:.1} %", 100.0 * (all - application.min(all)) as f64 / all as f64)
}
