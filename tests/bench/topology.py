"""The topology's cables: how exactly they keep delays and rates. Needs root.

One cable is measured, the one between the routers h2 and h3 of the tutorial's network, whose delay and
rate are changed with the shell's own `link` command: by iputils ping and by iperf3. What is compared
with is what was asked for.
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
#: Seconds of one iperf3 run that count, after those that do not.
SECONDS, OMITTED = 3, 1
#: A measurement that takes longer than this is given up.
PATIENCE = 90
#: Of a full Ethernet frame (without preamble and checksum) TCP with time stamps carries this much.
PAYLOAD = 1448 / 1514


def commands(*lines):
    """What the tutorial's network prints for these commands."""
    text = "\n".join(lines) + "\n"
    done = subprocess.run(
        [SOCKLAB, "topology"], input=text, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"topology: {done.stderr.strip()}")
    return done.stdout


def round_trip(delay):
    """Milliseconds that the median round trip takes beyond twice the delay."""
    # One after the other: for a single ping iputils shows microseconds whatever the time, in its summary.
    pings = f"for _ in $(seq {PINGS + WARM_UP}); do ping -c 1 -q 192.168.0.1; done"
    shown = commands(f"link h2 h3 delay {delay}", f"h2 sh -c '{pings}'")
    times = [float(time) for time in re.findall(r"mdev = ([\d.]+)/", shown)][WARM_UP:]
    return statistics.median(times) - 2 * delay


def rate(asked):
    """Mbit/s of payload that arrive."""
    shown = commands(
        f"link h2 h3 rate {asked or 'none'}",
        "h3 iperf3 -s -1 &",
        "h2 sleep 0.5",
        f"h2 iperf3 -c h3 -t {SECONDS} -O {OMITTED} -f m",
    )
    return float(re.findall(r"([\d.]+) Mbits/sec +receiver", shown)[-1])


def main():
    need("ip", "ping", "iperf3")
    if os.geteuid() != 0:
        raise Missing("the topology needs root")
    late = interleave({f"{delay} ms": (lambda d=delay: round_trip(d)) for delay in DELAYS}, ROUNDS)
    rates = interleave({name(asked): (lambda r=asked: rate(r)) for asked in RATES}, ROUNDS)

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

One cable of the tutorial's network, between two routers, measured from inside with iputils ping and iperf3.
{ROUNDS} rounds; the whole program, the kernel and the measuring tools share the machine's processors.

### Delay

| Delay asked for, one way | round trip beyond twice that, median of {PINGS} pings, ms | worst round, ms |
| --- | ---: | ---: |
{rows(delay_rows)}

A round trip crosses the cable twice, and each crossing costs a read, two wakes and a write. A sleeping thread
is woken late, by how much the scheduler decides; so the relay sleeps until 60 µs before a frame is due and
spins for the rest, and asks for timers that are not rounded (`src/topology/relay.rs: sleep_until`,
PR_SET_TIMERSLACK). On a machine whose processors are all busy the error is as long as a time slice.

### Rate

{table(["Mbit/s asked for", "payload expected", "payload measured", "of what is expected"], rate_rows)}

A rate counts whole frames, as Linux's own shapers do. Of a frame of 1,514 bytes TCP carries 1,448, so iperf3
shows 95.6 % of it. Without a limit the cable is as fast as two threads that copy every frame.
""",
    )


def name(asked):
    return str(asked) if asked else "no limit"


def rows(cells):
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)
