"""The topology's cables: how exactly they keep delays, rates and losses. Needs root.

First the tutorial's network from h1 to h4, as the sheet has it. Then one cable of it, the one between the
routers h2 and h3, whose delay and rate are changed with the shell's own `link` command. All is measured
from inside, by iputils ping and by iperf3, and compared with what was asked for.
"""

import os
import re
import statistics
import subprocess

from common import SOCKLAB, Missing, interleave, machine, median, need, section, table

ROUNDS = 3
#: One way, in milliseconds.
DELAYS = [0, 1, 5, 20, 100, 200]
#: Mbit/s; None is a cable without limits.
RATES = [1, 10, 100, 1000, None]
#: Pings of one measurement, after those that wait for ARP.
PINGS, WARM_UP = 40, 3
#: Pings of one measurement of loss, and the seconds between two.
MANY, APART = 1000, 0.01
#: Seconds of one iperf3 run that count, after those that do not.
SECONDS, OMITTED = 3, 1
#: A measurement that takes longer than this is given up.
PATIENCE = 90
#: Of a full Ethernet frame (without preamble and checksum) TCP with time stamps carries this much.
PAYLOAD = 1448 / 1514
#: From h1 to h4 and back, in milliseconds: 2 × (30 + 10 + 100 + 100).
SUM = 480
#: The share of round trips that is lost: two cables of 1 %, crossed twice.
LOSS = 1 - 0.99**4


def commands(*lines):
    """What the tutorial's network prints for these commands."""
    text = "\n".join(lines) + "\n"
    done = subprocess.run(
        [SOCKLAB, "topology"], input=text, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"topology: {done.stderr.strip()}")
    return done.stdout


def times(shown):
    """The times of many pings of one each, in milliseconds, without those that wait for ARP."""
    # One after the other: for a single ping iputils shows microseconds whatever the time, in its summary.
    return [float(time) for time in re.findall(r"mdev = ([\d.]+)/", shown)][WARM_UP:]


def pings(address):
    """The shell's command for them."""
    return f"sh -c 'for _ in $(seq {PINGS + WARM_UP}); do ping -c 1 -q {address}; done'"


def across():
    """h1 to h4: milliseconds of the median round trip, and the TTL that comes back."""
    shown = commands("link h1 s1 loss 0", "link s1 h2 loss 0", "h1 ping -c 1 h4", f"h1 {pings('10.1.0.2')}")
    return {"ms": statistics.median(times(shown)), "ttl": int(re.search(r"ttl=(\d+)", shown).group(1))}


def lost():
    """How many of MANY round trips from h1 to h4 are lost, with the sheet's own cables."""
    # Three first, for the neighbours to be known; `true`, because one of them may be lost.
    shown = commands("h1 sh -c 'ping -c 3 10.1.0.2; true'", f"h1 ping -c {MANY} -i {APART} -W 2 -q h4")
    return MANY - int(re.findall(r"(\d+) received", shown)[-1])


def slowest():
    """Mbit/s of payload from h1 to h2, over the slowest cable on the way, without its losses."""
    return rate("h1", "h2", "link h1 s1 loss 0", "link s1 h2 loss 0")


def round_trip(delay):
    """Milliseconds that the median round trip over one cable takes beyond twice its delay."""
    shown = commands(f"link h2 h3 delay {delay}", f"h2 {pings('192.168.0.1')}")
    return statistics.median(times(shown)) - 2 * delay


def rate(client, server, *links):
    """Mbit/s of payload that arrive."""
    shown = commands(
        *links,
        f"{server} iperf3 -s -1 &",
        f"{client} sleep 0.5",
        f"{client} iperf3 -c {server} -t {SECONDS} -O {OMITTED} -f m",
    )
    return float(re.findall(r"([\d.]+) Mbits/sec +receiver", shown)[-1])


def one_rate(asked):
    """Mbit/s of payload over one cable."""
    return rate("h2", "h3", f"link h2 h3 rate {asked or 'none'}")


def main():
    need("ip", "ping", "iperf3")
    if os.geteuid() != 0:
        raise Missing("the topology needs root")
    sheet = interleave({"h1 - h4": across, "lost": lost, "h1 - h2": slowest}, ROUNDS)
    late = interleave({f"{delay} ms": (lambda d=delay: round_trip(d)) for delay in DELAYS}, ROUNDS)
    rates = interleave({name(asked): (lambda r=asked: one_rate(r)) for asked in RATES}, ROUNDS)

    sent, gone = MANY * ROUNDS, sum(sheet["lost"])
    deviation = (LOSS * (1 - LOSS) / sent) ** 0.5
    trips = [trip["ms"] for trip in sheet["h1 - h4"]]
    sheet_rows = [
        ["TTL", "62", " ".join(sorted({str(trip["ttl"]) for trip in sheet["h1 - h4"]}))],
        ["round trip, ms", f"{SUM}", f"{median(trips):.2f} (+{100 * (median(trips) / SUM - 1):.2f} %)"],
        [
            "round trips lost",
            f"{100 * LOSS:.2f} %",
            f"{100 * gone / sent:.2f} % of {sent:,} (one standard deviation is {100 * deviation:.2f})",
        ],
        [
            "TCP payload to h2, Mbit/s",
            f"{10 * PAYLOAD:.2f}",
            f"{median(sheet['h1 - h2']):.2f} ({100 * median(sheet['h1 - h2']) / (10 * PAYLOAD):.1f} %)",
        ],
    ]
    delay_rows = [[asked, f"{median(values):.3f}", f"{max(values):.3f}"] for asked, values in late.items()]
    rate_rows = []
    for asked in RATES:
        got = median(rates[name(asked)])
        wanted = asked and asked * PAYLOAD
        share = f"{100 * got / wanted:.1f} %" if asked else "–"
        rate_rows.append([name(asked), f"{wanted:.2f}" if asked else "–", f"{got:.2f}", share])
    section(
        "topology",
        f"""\
## Topology: the cables

{machine()}.

Measured from inside with iputils ping and iperf3, {ROUNDS} rounds; the whole program, the kernel and the
measuring tools share the machine's processors.

### The sheet's network, from h1 to h4

{table(["", "expected", "measured"], sheet_rows)}

The round trip is the median of the rounds' medians of {PINGS} pings. Loss is counted over all rounds; with a
seed it is the same each time, packet by packet
(`tests/topology_cables.rs: a_seed_loses_the_packets_that_arithmetic_says`).

### Delay: one cable

| Delay asked for, one way | round trip beyond twice that, median of {PINGS} pings, ms | worst round, ms |
| --- | ---: | ---: |
{rows(delay_rows)}

A round trip crosses the cable twice, and each crossing costs a read, two wakes and a write. A sleeping thread
is woken late, by how much the scheduler decides; so the relay sleeps until 60 µs before a frame is due and
spins for the rest, and asks for timers that are not rounded (`src/topology/relay.rs: next`,
PR_SET_TIMERSLACK). On a machine whose processors are all busy the error is as long as a time slice.

### Rate: one cable

{table(["Mbit/s asked for", "payload expected", "payload measured", "of what is expected"], rate_rows)}

A rate counts whole frames, as Linux's own shapers do. Of a frame of 1,514 bytes TCP carries 1,448, so iperf3
shows 95.6 % of it. Without a limit the cable is as fast as two threads that copy every frame.
""",
    )


def name(asked):
    return str(asked) if asked else "no limit"


def rows(cells):
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)
