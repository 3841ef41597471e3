//! Captures, made in a network namespace of their own, and what is counted in them: by us, and by tshark.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::common::{can_run, installed, is_root, socklab, SOCKLAB};

/// What is counted of a conversation, by us and by tshark.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
pub struct Counts {
    pub packets: u64,
    pub application: u64,
    pub transport: u64,
    pub network: u64,
    pub all: u64,
    pub retransmissions: u64,
    pub out_of_order: u64,
}

/// Our counts of each flow, by protocol and ends.
pub fn ours(capture: &Path) -> BTreeMap<String, Counts> {
    let ended = socklab(&[Path::new("traffic"), capture], b"");
    assert_eq!(ended.code, 0, "{ended:#?}");
    let mut flows = BTreeMap::new();
    let mut name = String::new();
    for line in &ended.out {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [protocol, from, "->", to, _, "s"] => {
                let (mut ends, to) = (vec![from], to.trim_end_matches(','));
                ends.push(to);
                ends.sort_unstable();
                name = format!("{protocol} {} {}", ends[0], ends[1]);
                // A connection that uses the ports of an earlier one is a flow of its own.
                while flows.contains_key(&name) {
                    name += "+";
                }
            }
            ["both", ..] if !name.is_empty() => {
                let numbers: Vec<u64> = words[1..7].iter().map(|word| word.parse().unwrap()).collect();
                let [packets, application, transport, network, _, all] = numbers[..] else { unreachable!() };
                let counts = Counts { packets, application, transport, network, all, ..Counts::default() };
                flows.insert(name.clone(), counts);
            }
            ["retransmissions", again, "out", "of", "order", overtaken, ..] => {
                let number = |word: &str| word.trim_matches([',', ';']).parse().unwrap();
                let counts = flows.get_mut(&name).unwrap();
                (counts.retransmissions, counts.out_of_order) = (number(again), number(overtaken));
            }
            ["all", _, "flows"] => name.clear(),
            _ => {}
        }
    }
    flows
}

/// tshark's.
pub fn theirs(capture: &Path) -> BTreeMap<String, Counts> {
    let fields = [
        "ip.src",
        "ip.dst",
        "ipv6.src",
        "ipv6.dst",
        "tcp.srcport",
        "tcp.dstport",
        "udp.srcport",
        "udp.dstport",
        "frame.len",
        "ip.len",
        "ip.hdr_len",
        "ipv6.plen",
        "tcp.hdr_len",
        "tcp.analysis.retransmission",
        "tcp.stream",
        "icmp.type",
        "icmpv6.type",
        "tcp.analysis.out_of_order",
    ];
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(capture).args(["-T", "fields", "-E", "occurrence=f", "-E", "separator=;"]);
    // Each fragment is to be counted as itself.
    tshark.args(["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-Y", "ip || ipv6"]);
    fields.iter().for_each(|field| {
        tshark.args(["-e", field]);
    });
    let output = tshark.output().unwrap();
    let mut flows: BTreeMap<String, Counts> = BTreeMap::new();
    let mut streams = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let columns: Vec<&str> = line.split(';').collect();
        let get = |name: &str| columns[fields.iter().position(|field| *field == name).unwrap()];
        let number = |name: &str| get(name).parse::<u64>().unwrap_or(0);
        let six = get("ip.src").is_empty();
        let icmp = !get("icmp.type").is_empty() || !get("icmpv6.type").is_empty();
        let (protocol, transport) = match (icmp, get("tcp.srcport"), get("udp.srcport")) {
            (true, ..) => ("icmp", 8),
            // A later fragment: it has no ports.
            (_, "", "") => ("udp", 0),
            (_, "", _) => ("udp", 8),
            _ => ("tcp", number("tcp.hdr_len")),
        };
        let end = |side: &str| {
            let port = if icmp { "" } else { get(&format!("{protocol}.{side}port")) };
            match (six, port) {
                (false, "") => get(&format!("ip.{side}")).to_string(),
                (true, "") => get(&format!("ipv6.{side}")).to_string(),
                (false, port) => format!("{}:{port}", get(&format!("ip.{side}"))),
                (true, port) => format!("[{}]:{port}", get(&format!("ipv6.{side}"))),
            }
        };
        let mut ends = [end("src"), end("dst")];
        ends.sort_unstable();
        let mut name = format!("{protocol} {} {}", ends[0], ends[1]);
        if protocol == "tcp" {
            let of_name: &mut Vec<String> = streams.entry(name.clone()).or_default();
            let stream = get("tcp.stream").to_string();
            if !of_name.contains(&stream) {
                of_name.push(stream.clone());
            }
            let place = of_name.iter().position(|known| *known == stream).unwrap();
            name += &"+".repeat(place);
        }
        let network = if six { 40 } else { number("ip.hdr_len") };
        let total = if six { 40 + number("ipv6.plen") } else { number("ip.len") };
        let counts = flows.entry(name).or_default();
        counts.packets += 1;
        counts.all += number("frame.len");
        counts.network += network;
        counts.transport += transport;
        counts.application += total - network - transport;
        counts.retransmissions += u64::from(!get("tcp.analysis.retransmission").is_empty());
        counts.out_of_order += u64::from(!get("tcp.analysis.out_of_order").is_empty());
    }
    flows
}

/// Runs a shell script in a network namespace of its own, in `folder`, with socklab on its PATH.
pub fn in_namespace(folder: &Path, script: &str) {
    let programs = Path::new(SOCKLAB).parent().unwrap().display().to_string();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    let lossy = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lossy.py");
    // `ready FILE TEXT` waits for a text; `capture INTERFACE FILE`; `done_capturing HOST` sends a last datagram
    // there and waits until it has been captured, for tcpdump gets packets a while after they have passed.
    let prelude = format!(
        r#"set -e
        LOSSY={lossy}
        ready() {{ n=0; until grep -q "$2" "$1" 2>/dev/null; do n=$((n+1)); test $n -lt 1200; sleep 0.05; done; }}
        capture() {{
            CAPTURED=$2; tcpdump -Z root -i "$1" -U -w "$2" 2>capture.log & CAPTURE=$!; ready capture.log listening
        }}
        done_capturing() {{
            socklab udp-sender "$1" 9 'the end of this capture' || true
            ready "$CAPTURED" 'the end of this capture'; kill -INT $CAPTURE; wait $CAPTURE
        }}
        "#
    );
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-c", &(prelude + script)]).current_dir(folder).env("PATH", path);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Whether captures can be made and compared here.
pub fn can_capture() -> bool {
    let programs = ["tcpdump", "tshark", "unshare", "ip", "python3", "ping"];
    let missing = programs.iter().find(|program| !installed(program));
    can_run(is_root(), "captures need root")
        && can_run(missing.is_none(), &format!("{} is missing", missing.unwrap_or(&"")))
}
