"""`make traffic-page`: makes the captures of docs/captures, counts them, and rewrites the measured part of
docs/traffic-analysis.md and its pictures.

Needs root (for tcpdump), tcpdump, unshare and gnuplot. Everything runs in a network namespace of its own,
so that nothing else is on its loopback interface and nothing leaves it.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from common import BUILT, DOCS, ROOT, SOCKLAB, Server, machine, need, svg, table

CAPTURES = DOCS / "captures"
PAGE = DOCS / "traffic-analysis.md"
BEGIN, END = "<!-- begin measured -->", "<!-- end measured -->"
#: Readings of the comparison, as the sheet's deliverable asks for "a number of" them.
READINGS = 100
#: Seconds between two readings: longer than the delayed acknowledgement takes, which is up to 40 ms.
INTERVAL = 0.06
#: How many readings a conversation has, in the second picture.
LENGTHS = [1, 2, 5, 10, 20, 50, 100]
#: All that `--transport` may take; one that this build does not know is left out.
TRANSPORTS = ["tcp", "udp", "reliable"]
PORT = 7001
#: How long tcpdump may take to begin, or to write its last packet.
PATIENCE = 5.0


class Recording:
    """tcpdump on the loopback interface, for a `with` block."""

    def __init__(self, path, port):
        self.path, self.port = path, port

    def __enter__(self):
        command = ["tcpdump", "-Z", "root", "-i", "lo", "-U", "--immediate-mode", "-w", self.path, "port", str(self.port)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        if "listening" not in line:
            raise RuntimeError(f"tcpdump: {line}")
        return self

    def __exit__(self, *_):
        time.sleep(0.3)
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=PATIENCE)


def client(transport, count, interval):
    """Runs the client; False if it does not know the transport."""
    words = ["--transport", transport, "--count", count, "--interval", interval, "--seed", 1]
    command = [SOCKLAB, "sensor-client", "127.0.0.1", PORT, *words]
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if ended.returncode == 2:
        return False
    if ended.returncode != 0:
        raise RuntimeError(ended.stderr)
    return True


def counted(path):
    """What `traffic` says: its lines, and the sums of its first flow."""
    output = subprocess.run([SOCKLAB, "traffic", path], capture_output=True, text=True, check=True).stdout
    sums = [[int(word) for word in line.split()[1:7]] for line in output.splitlines() if line.startswith("  both ")]
    ethernet = re.search(r"^  Ethernet +(\d+) +(\d+) +(\d+) in all headers +(\d+)", output, re.M)
    roles = re.search(r"handshake (\d+) \((\d+).*data (\d+) \((\d+).*alone (\d+) \((\d+).*close (\d+) \((\d+)", output)
    names = ["packets", "application", "transport", "network", "link", "all"]
    result = dict(zip(names, sums[0]))
    result["ethernet"] = int(ethernet[4])
    result["frames"] = int(ethernet[1])
    result["roles"] = [int(number) for number in roles.groups()] if roles else None
    return result


def reliable_apart(counts, plain):
    """`traffic` knows no protocol above UDP: what it counts as reliable UDP's application is messages and our own
    headers, handshake and acknowledgements together. The messages are those of plain UDP; the rest is transport."""
    own = counts["application"] - plain["application"]
    return {**counts, "application": plain["application"], "transport": counts["transport"] + own, "own": own}


def share(part, whole):
    return f"{100 * part / whole:.1f} %"


def measure():
    """Makes all captures; returns the counts by transport, and by transport and length."""
    CAPTURES.mkdir(exist_ok=True)
    whole, lengths = {}, {}
    with Server([SOCKLAB, "sensor-server", PORT]):
        time.sleep(0.2)
        for transport in TRANSPORTS:
            scratch = BUILT / "flow.pcap"
            for count in LENGTHS:
                with Recording(scratch, PORT):
                    if not client(transport, count, 0.01):
                        break
                lengths.setdefault(transport, []).append(counted(scratch))
            else:
                path = CAPTURES / f"sensor-{transport}.pcap"
                with Recording(path, PORT):
                    client(transport, READINGS, INTERVAL)
                whole[transport] = counted(path)
    if "reliable" in whole:
        whole["reliable"] = reliable_apart(whole["reliable"], whole["udp"])
        pairs = zip(lengths["reliable"], lengths["udp"])
        lengths["reliable"] = [reliable_apart(counts, plain) for counts, plain in pairs]
    if (CAPTURES / "pack.pcap").exists():
        # docs/binary-data.md shows its bytes, ports and all.
        return whole, lengths
    with Server([SOCKLAB, "pack-server", 10001, "--format", "!iif"]):
        with Recording(CAPTURES / "pack.pcap", 10001):
            words = ["--format", "!iif", "127.0.0.1", "10001", "1", "4", "2.7"]
            subprocess.run([SOCKLAB, "pack-client", *words], check=True, stdout=subprocess.DEVNULL)
    return whole, lengths


def draw(whole, lengths):
    names = [name.upper() if name != "reliable" else "reliable UDP" for name in whole]
    categories = [f"{name}, loopback" for name in names] + [f"{name}, Ethernet" for name in names]
    series = {}
    for layer in ["application", "transport", "network"]:
        series[layer] = [counts[layer] for counts in whole.values()] * 2
    series["link"] = [counts["link"] for counts in whole.values()]
    series["link"] += [
        counts["ethernet"] - counts["application"] - counts["transport"] - counts["network"]
        for counts in whole.values()
    ]
    svg("traffic-analysis-layers.svg", f"Bytes by layer of {READINGS} readings and their answers", categories, series, "bytes")
    curves = {}
    for name, counts in zip(names, lengths.values()):
        curves[name] = [100 - 100 * one["application"] / one["ethernet"] for one in counts]
    svg(
        "traffic-analysis-length.svg",
        "What is not the application's, on Ethernet, readings 10 ms apart",
        LENGTHS,
        curves,
        "per cent of all bytes",
        "readings in one conversation",
        kind="lines",
    )


def written(whole, lengths):
    """The measured part of the page."""
    rows = []
    for name, counts in whole.items():
        layers = [counts[key] for key in ["packets", "application", "transport", "network", "link", "all"]]
        rows.append([f"{name}, as captured", *layers, share(counts["all"] - counts["application"], counts["all"])])
        between = counts["ethernet"] - counts["application"] - counts["transport"] - counts["network"]
        layers = [counts[key] for key in ["frames", "application", "transport", "network"]]
        overhead = share(counts["ethernet"] - counts["application"], counts["ethernet"])
        rows.append([f"{name}, on Ethernet", *layers, between, counts["ethernet"], overhead])
    heading = ["", "packets", "application", "transport", "network", "link", "all", "overhead"]
    parts = [f"Measured on {machine()}, with {READINGS} readings {INTERVAL} s apart, seed 1.", table(heading, rows)]
    if "reliable" in whole:
        reliable = whole["reliable"]
        parts.append(
            f"Of reliable UDP's {reliable['transport']} bytes of transport {reliable['own']} are its own, and the rest UDP's."
        )
    parts.append("![Bytes by layer](traffic-analysis-layers.svg)")
    roles = whole["tcp"]["roles"]
    lines = [[name, roles[2 * n], roles[2 * n + 1]] for n, name in enumerate(["handshake", "data", "acknowledgements alone", "close"])]
    parts.append("What TCP's packets are there for:")
    parts.append(table(["", "packets", "bytes"], lines))
    parts.append("Overhead on Ethernet, by the number of readings in one conversation, 10 ms apart:")
    rows = []
    for name, counts in lengths.items():
        rows.append([name, *(share(one["ethernet"] - one["application"], one["ethernet"]) for one in counts)])
    parts.append(table(["readings, 10 ms apart", *LENGTHS], rows))
    parts.append("![Overhead by length](traffic-analysis-length.svg)")
    parts.append("The same from the stored captures:")
    for name in whole:
        path = f"docs/captures/sensor-{name}.pcap"
        output = subprocess.run([SOCKLAB, "traffic", path], capture_output=True, text=True, check=True, cwd=ROOT).stdout
        parts.append(f"```console\nshell$ socklab traffic {path}\n{output.strip()}\n```")
    return "\n\n".join(parts)


def main():
    need("tcpdump", "unshare", "gnuplot")
    if os.environ.get("SOCKLAB_NAMESPACE") != "1":
        script = 'ip link set lo up && exec "$0" "$@"'
        os.environ["SOCKLAB_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "-n", "sh", "-c", script, sys.executable, "-B", __file__])
    BUILT.mkdir(parents=True, exist_ok=True)
    Path(SOCKLAB).write_bytes((ROOT / "target" / "release" / "socklab").read_bytes())
    os.chmod(SOCKLAB, 0o755)
    whole, lengths = measure()
    draw(whole, lengths)
    before, rest = PAGE.read_text().split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{written(whole, lengths)}\n{END}{after}")


main()
