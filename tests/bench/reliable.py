"""The section "Reliable UDP" of docs/performance.md: goodput and bytes on the wire beside kernel TCP and ENet.

One cable of the topology's between two hosts (`two_hosts.rs`), each in a network namespace of its own, is the network
of every contender. Needs root, gcc and libenet-dev.

For a first look: `ROUNDS=1 CONTENDERS=socklab,bbr make bench ROOM=reliable` prints figures and writes no page.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from common import BUILT, ROOT, SOCKLAB, SOURCES, Missing, Server, compiled, interleave, machine, median, need, pick
from common import section, svg, table

#: The cable: Mbit/s, milliseconds each way, packets in its queue.
RATE, DELAY, QUEUE = 100, 20, 150
#: Per cent of all packets that are lost, each way.
LOSSES = [0, 1, 5]
#: Megabytes of one transfer, by contender and loss: over twenty seconds for the fast ones, less of the slow.
SIZES = {
    "socklab": {0: 250, 1: 250, 5: 250},
    "TCP bbr": {0: 250, 1: 250, 5: 250},
    "TCP cubic": {0: 150, 1: 6, 5: 2},
    "ENet": {0: 8, 1: 8, 5: 5},
}
#: Megabytes that go beside a flow of TCP: long enough that it does not matter who was there first.
BESIDE = 200
ROUNDS = int(os.environ.get("ROUNDS", 3))
#: A frame of ours on the cable: 1,400 bytes of message in 1,454 with the smallest headers there could be
#: (Ethernet 14, IPv4 20, UDP 8, and 12 for a protocol's own).
CEILING = RATE * 1400 / 1454
#: A transfer may take so many seconds.
PATIENCE = 180
PORT, TCP_PORT, ENET_PORT = 7002, 7003, 7004
HERE, THERE = "10.7.0.1", "10.7.0.2"


class Cable:
    """The two hosts, for a `with` block."""

    def __enter__(self):
        program = ROOT / "target" / "release" / "examples" / "two_hosts"
        words = [str(word) for word in [program, RATE, DELAY, 0, QUEUE, 1]]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline().split()
        if ready[:1] != ["ready"]:
            raise RuntimeError("two_hosts does not build its network")
        self.here, self.there = ready[1:]
        for host in [self.here, self.there]:
            # Each transfer begins knowing nothing, as ours do.
            subprocess.run([*inside(host), "sysctl", "-qw", "net.ipv4.tcp_no_metrics_save=1"], check=True)
        subprocess.run([*inside(self.here), "ping", "-qc", "3", THERE], check=True, stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(20)

    def ask(self, command):
        """Gives a command and returns the answer."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def wire(self):
        """Bytes of all frames that the two hosts have sent so far."""
        total = 0
        for host, name in [(self.here, "a-eth0"), (self.there, "b-eth0")]:
            path = f"/sys/class/net/{name}/statistics/tx_bytes"
            total += int(subprocess.run([*inside(host), "cat", path], capture_output=True, text=True, check=True).stdout)
        return total


def inside(namespace):
    return ["ip", "netns", "exec", namespace]


def run(command):
    """What a program prints on its standard output."""
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=PATIENCE, check=False)
    if ended.returncode != 0:
        raise RuntimeError(f"{command}: {ended.stderr}")
    return ended.stdout


def source(megabytes):
    """A file of so many megabytes in memory."""
    path = Path(f"/dev/shm/socklab-reliable-{megabytes}")
    if not path.exists() or path.stat().st_size != megabytes * 10**6:
        path.write_bytes(os.urandom(10**6) * megabytes)
    return path


def ours(cable, size):
    """Sends a file with reliable-send; returns the seconds until it is stored."""
    command = [SOCKLAB, "reliable-receive", PORT, "--bind", THERE, "-o", "/dev/shm/socklab-reliable-received", "--force"]
    with Server([*inside(cable.there), *command]) as receiver:
        said = run([*inside(cable.here), SOCKLAB, "reliable-send", source(size), THERE, PORT])
        # It ends by itself, and what it says until then is on the wire too.
        receiver.process.wait(20)
    return float(re.search(r"bytes in ([\d.]+) s", said)[1])


def tcp(cable, size, name):
    """Sends bytes over TCP."""
    words = [*inside(cable.here), sys.executable, SOURCES / "reliable_tcp.py", "send", THERE, TCP_PORT, size * 10**6, name]
    return float(run(words))


def enet(cable, size):
    """Sends bytes over ENet."""
    return float(run([*inside(cable.here), compiled("reliable_enet.c", "-lenet"), "send", THERE, ENET_PORT, size * 10**6]))


def measure(cable, name, loss):
    """One transfer: Mbit/s, and bytes on the wire for each byte delivered."""
    cable.ask(f"loss {loss}")
    size = SIZES[name][loss]
    before = cable.wire()
    match name:
        case "socklab":
            seconds = ours(cable, size)
        case "ENet":
            seconds = enet(cable, size)
        case _:
            seconds = tcp(cable, size, name.split()[1])
    # What is still under way.
    time.sleep(0.3)
    return {"rate": 8 * size / seconds, "wire": (cable.wire() - before) / size / 10**6}


def fairness(cable, receiver):
    """A file beside one flow of TCP cubic that was there before and stays: both rates meanwhile."""
    cable.ask("loss 0")
    words = [*inside(cable.here), sys.executable, str(SOURCES / "reliable_tcp.py"), "flow", THERE, str(TCP_PORT), "cubic"]
    flow = subprocess.Popen(words)
    try:
        time.sleep(5)
        began = time.monotonic()
        seconds = ours(cable, BESIDE)
        ended = began + seconds
    finally:
        flow.kill()
        flow.wait()
    marks = [tuple(map(float, line.split())) for line in Path(receiver).read_text().splitlines()]
    during = [mark for mark in marks if began <= mark[0] <= ended]
    (first, low), (last, high) = during[0], during[-1]
    time.sleep(1)
    return {"ours": 8 * BESIDE / seconds, "cubic": 8 * (high - low) / (last - first) / 1e6}


def measured(names):
    """All figures: by contender and loss, and the fairness."""
    log = BUILT / "reliable-tcp.log"
    with Cable() as cable:
        # `Server` throws standard output away; a shell keeps it.
        receive = f"exec {sys.executable} {SOURCES / 'reliable_tcp.py'} receive {TCP_PORT} > {log}"
        with Server([*inside(cable.there), "sh", "-c", receive]):
            with Server([*inside(cable.there), compiled("reliable_enet.c", "-lenet"), "receive", ENET_PORT]):
                contenders = {
                    (name, loss): (lambda n=name, l=loss: measure(cable, n, l)) for loss in LOSSES for name in names
                }
                results = interleave(contenders, ROUNDS)
                both = {"beside cubic": lambda: fairness(cable, log)} if "socklab" in names else {}
                beside = interleave(both, ROUNDS)
    return results, beside.get("beside cubic")


def main():
    need("ip", "gcc")
    if os.geteuid() != 0:
        raise Missing("network namespaces need root")
    # The cable is a program, too: what else runs on the machine must not become a part of the network.
    os.nice(-20)
    subprocess.run(["cargo", "build", "--quiet", "--release", "--example", "two_hosts"], check=True, cwd=ROOT)
    asked = os.environ.get("CONTENDERS")
    names = [name for name in SIZES if not asked or any(word in name for word in asked.split(","))]
    try:
        results, beside = measured(names)
    finally:
        for path in Path("/dev/shm").glob("socklab-reliable-*"):
            path.unlink()
    if asked or ROUNDS < 3:
        return
    rate, wire = pick(results, "rate"), pick(results, "wire")
    ceilings = [CEILING * (1 - loss / 100) for loss in LOSSES]
    rows = [["the ceiling", *(f"{ceiling:.1f}" for ceiling in ceilings), *[""] * len(LOSSES)]]
    for name in names:
        rates = [f"{median(rate[name, loss]):.1f}" for loss in LOSSES]
        rows.append([name, *rates, *(f"{median(wire[name, loss]):.3f}" for loss in LOSSES)])
    shares = [
        [name, *(f"{median(rate[name, loss]) / ceiling:.3f}" for loss, ceiling in zip(LOSSES, ceilings))] for name in names
    ]
    svg(
        "performance-reliable.svg",
        f"Goodput, {RATE} Mbit/s, {DELAY} ms each way, queue {QUEUE}",
        [f"{loss} % loss each way" for loss in LOSSES],
        {name: [median(rate[name, loss]) for loss in LOSSES] for name in names},
        "Mbit/s",
    )
    ours_beside, cubic_beside = (median([values[key] for values in beside]) for key in ["ours", "cubic"])
    runs = ", ".join(f"{values['ours']:.0f}" for values in beside)
    losses = [f"{loss} %" for loss in LOSSES]
    section(
        "reliable",
        f"""\
## Reliable UDP

{machine()}.

A file from one host to another over one cable of the topology's: {RATE} Mbit/s, {DELAY} ms each way, a queue of {QUEUE} packets,
and so many per cent of all packets lost, in either direction. `socklab` is `reliable-send` to `reliable-receive`; the
time is from its first packet until it knows that the file is stored: 250 MB, over twenty seconds, for it and for bbr, less for
those that take longer. TCP is the kernel's, with two of its congestion
controls; ENet is Debian's library with its own defaults. All of it, the cable included, runs at the highest priority (nice -20), or other
programs would be a part of the network. {ROUNDS} rounds, medians; wire bytes are those of all frames that the
two hosts have sent, acknowledgements included.

{table(["Mbit/s, and wire bytes for each byte delivered, at a loss of", *losses, *(f"wire, {loss}" for loss in losses)], rows)}

As a part of the ceiling, {CEILING:.1f} Mbit/s less what is lost:

{table(["", *losses], shares)}

![Goodput by loss](performance-reliable.svg)

**Cubic and ENet** take each loss for a sign that the network is full and slow down. At 1 % hardly a round trip is without
one, and they hardly send at all; ENet also has a window of at most 64 KiB, which is 13 Mbit/s over 40 ms whatever the
network could carry. **Bbr and ours** measure how fast packets arrive and send as fast, whatever is lost on the way
([reliable-udp.md](reliable-udp.md) has the model). What is left of the ceiling goes to the handshake, the start, and the
last round trip.

**Beside a flow of TCP cubic** that was there before, on the cable without loss, a file of {BESIDE} MB went at {ours_beside:.0f} Mbit/s
and the flow at {cubic_beside:.0f} meanwhile. It differs from run to run: {runs}.
""",
    )


if __name__ == "__main__":
    main()
