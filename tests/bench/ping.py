"""The section "Ping" of docs/performance.md: round-trip times and flood rate, beside iputils and fping.

Everything happens in two network namespaces made for it, joined by a pair of virtual cards (veth); nothing
leaves them. That needs root.
"""

import os
import re
import subprocess
import tempfile
from contextlib import contextmanager

from common import SOCKLAB, Missing, compiled, interleave, machine, median, need, pick, ratio, section, table

#: Requests of one measurement of round-trip times, and the time between two of them in seconds. (Below
#: 10 ms iputils does not sleep in between but asks again and again, which would compare two things at once.)
PINGS, INTERVAL = 50, 0.02
#: Requests of one flood.
FLOOD = 100_000
#: fping spreads its requests over many targets; it has 65,535 numbers for those of the last seconds.
TARGETS, EACH = 200, 300
ROUNDS = 5
#: How long one run may take before it is given up, in seconds.
AT_MOST = 30

OURS, USER_CLOCK, IPUTILS, FPING = "socklab ping", "socklab ping --user-clock", "iputils ping", "fping"
#: The two system calls of an echo and nothing else: icmp_calls.c.
CALLS = "the two system calls alone, in C"
#: The host at the other end of the pair, and this one.
FAR, NEAR = "10.7.0.2", "10.7.0.1"
HOSTS = {"loopback": "127.0.0.1", "veth": FAR}


@contextmanager
def namespaces():
    """Two namespaces joined by a pair of virtual cards; yields the name of the first."""
    a, b = (f"slbench-{os.getpid()}-{end}" for end in "ab")

    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    try:
        for name in (a, b):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", a, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", b)
        for name, address in ((a, NEAR), (b, FAR)):
            ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
        run(a, "ping", "-q", "-c", 3, "-i", 0.2, FAR)  # finds the neighbour
        yield a
    finally:
        for name in (a, b):
            subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL)


def run(namespace, *command):
    """Runs a pinger in the namespace and returns what it said. Its output goes to a file: a reader at
    the other end of a pipe would take part in the measurement."""
    words = ["ip", "netns", "exec", namespace, *map(str, command)]
    with tempfile.TemporaryFile("w+") as said:
        subprocess.run(words, stdout=said, stderr=subprocess.STDOUT, check=True, timeout=AT_MOST)
        said.seek(0)
        return said.read()


def times(text):
    """Least and average round-trip time in microseconds, from the last line of any of the pingers."""
    least, average = re.search(r"min/avg/max\S* = ([\d.]+)/([\d.]+)", text).groups()
    return {"min": float(least) * 1000, "avg": float(average) * 1000}


def round_trips(namespace, host):
    ping = ["-q", "-c", PINGS, "-i", INTERVAL, host]
    commands = {
        OURS: [SOCKLAB, "ping", *ping],
        USER_CLOCK: [SOCKLAB, "ping", "--user-clock", *ping],
        IPUTILS: ["ping", *ping],
        FPING: ["fping", "-q", "-c", PINGS, "-p", f"{INTERVAL * 1000:.0f}", host],
    }
    contenders = {
        name: lambda command=command: times(run(namespace, *command)) for name, command in commands.items()
    }
    return interleave(contenders, ROUNDS)


def flooded(namespace, *command):
    """Echoes per second of a flood of loopback."""
    text = run(namespace, *command, "-c", FLOOD, "127.0.0.1")
    sent, answered, took = re.search(r"(\d+) packets transmitted, (\d+) received.* time (\d+)ms", text).groups()
    if sent != answered:
        raise RuntimeError(f"a flood of loopback lost packets: {text[-300:]}")
    return int(answered) / int(took) * 1000


def fping_flooded(namespace):
    """The same of fping: every target in turn, without a pause."""
    targets = [f"127.0.1.{number}" for number in range(1, TARGETS + 1)]
    text = run(namespace, "fping", "-q", "-s", "-c", EACH, "-i", 0, "-p", 0, "-t", 500, *targets)
    answered = int(re.search(r"(\d+) ICMP Echo Replies received", text).group(1))
    return answered / float(re.search(r"([\d.]+) sec \(elapsed", text).group(1))


def floods(namespace):
    ours, iputils = (SOCKLAB, "ping", "-f"), ("ping", "-f")
    return interleave(
        {
            f"{OURS} -f": lambda: flooded(namespace, *ours),
            f"{IPUTILS} -f": lambda: flooded(namespace, *iputils),
            f"{OURS} -f -q": lambda: flooded(namespace, *ours, "-q"),
            f"{IPUTILS} -f -q": lambda: flooded(namespace, *iputils, "-q"),
            f"{FPING}, {TARGETS} targets": lambda: fping_flooded(namespace),
            CALLS: lambda: float(run(namespace, compiled("icmp_calls.c"), FLOOD)),
        },
        ROUNDS,
    )


def main():
    need("ping", "fping", "ip")
    if os.geteuid() != 0:
        raise Missing("network namespaces need root: run it with sudo")
    with namespaces() as namespace:
        trips = {}
        for place, host in HOSTS.items():
            print(f"  round trips, {place}", flush=True)
            trips[place] = round_trips(namespace, host)
        print("  flood", flush=True)
        rates = floods(namespace)
    write(trips, rates)


# --- the page ----------------------------------------------------------------------------------------


def write(trips, rates):
    rows = []
    for name in trips["loopback"]:
        cells = []
        for place in trips:
            averages = pick(trips[place], "avg")
            least = median(pick(trips[place], "min")[name])
            share = ratio(averages, name, IPUTILS)
            cells += [f"{least:.0f} µs", f"{median(averages[name]):.0f} µs ({share:.2f})"]
        rows.append([name, *cells])
    shares = {place: ratio(pick(trips[place], "avg"), USER_CLOCK, OURS) for place in trips}
    flood = ratio(rates, f"{OURS} -f", f"{IPUTILS} -f")
    quiet = ratio(rates, f"{OURS} -f -q", f"{IPUTILS} -f -q")
    calls = ratio(rates, CALLS, f"{OURS} -f -q")
    section(
        "ping",
        f"""
## Ping

{machine()}.

All in network namespaces of their own: over loopback, and over a pair of virtual cards (veth) to a second
host. {ROUNDS} rounds.

### Round-trip time

{PINGS} requests, {INTERVAL * 1000:.0f} ms apart. In parentheses: the ratio to iputils.

{table(["", "loopback, min", "avg", "veth, min", "avg"], rows)}

On the way out every one of them looks at the clock before `sendto`. On the way back iputils and `socklab ping`
take the time that the kernel noted when the packet came in (`SO_TIMESTAMPNS` in socket(7)); `--user-clock`
looks at the clock when `recvmsg` has returned, as the sheet's `time.time()` does. In between the scheduler has
to wake the program up: on loopback that made the average {shares["loopback"]:.2f} times as long, over veth
{shares["veth"]:.2f} times. fping takes the kernel's time too.

### Flood

Echoes per second over loopback, {FLOOD:,} requests:

{table(["", "echoes per second"], [[name, f"{median(values) / 1000:.0f}k"] for name, values in rates.items()])}

`socklab ping -f` does {flood:.2f} times the rate of iputils' `ping -f`: iputils writes each dot with a system call
of its own, here they are collected ([icmp_flood.rs](../src/ping/icmp_flood.rs)). With `-q` there are no dots, and it is
{quiet:.2f} times. Both then make two system calls an echo, `sendto` and `recvmsg`, and spend nine tenths of the time
in them: the kernel builds the request, answers it, and checks both, all within `sendto`. A C program that makes
the two calls and does nothing else, does not even look at the replies, is {calls:.2f} times as fast as ours. A flood
that is much faster would have to send many requests with one call, and then it is no longer "the next one when
the last is answered".
""",
    )
