"""What the benchmarks share: contenders in turn, medians, processes that are owned, the page, pictures.

Each section of docs/performance.md has its script here, `tests/bench/ROOM.py`, with a function `main()`;
`make bench` runs them all, `make bench ROOM=echo` one. Only Python's standard library and gnuplot are
needed; what a script compares with (Debian's socat, nginx, …) it names itself, see `need`.

How to measure on a machine whose speed drifts and where other programs run:

- Contenders take turns, A B C A B C …, so that a slow minute slows all of them (`interleave`).
- A figure is the median of its rounds: one lucky or one interrupted round does not move it (`median`).
- What is compared is the ratio *within* a round, and of those the median (`ratio`). Absolute figures
  are shown beside it, and belong to one machine on one day (`machine`).
"""

import os
import platform
import random
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SOURCES = ROOT / "tests" / "bench"
#: Where helper programs are compiled to.
BUILT = ROOT / "target" / "bench"
#: The program that is measured: a copy of the release build, which nobody replaces meanwhile.
SOCKLAB = str(BUILT / "socklab")

#: How long a server may take until it listens.
READY_WITHIN = 10.0
#: How long a server may take to end after SIGTERM before it is killed.
END_WITHIN = 8.0

# The servers of the peers do not raise their own limit of descriptors: they inherit ours.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))
# A polite end of this process runs the `finally` blocks that end the servers.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


# --- measuring ---------------------------------------------------------------------------------------


def interleave(contenders, rounds):
    """Calls each contender once a round, in the order of the dict, and returns what they returned.

    `contenders` maps a name to a callable without arguments that returns a number, or a dict of
    numbers, or None when it could not be measured. The result maps each name to its list, a round
    an item. One line a measurement goes to standard error, so that a long run shows its progress.
    """
    results = {name: [] for name in contenders}
    for number in range(1, rounds + 1):
        for name, measure in contenders.items():
            value = measure()
            results[name].append(value)
            print(f"  round {number}/{rounds}  {name}: {_short(value)}", file=sys.stderr, flush=True)
    return results


def _short(value):
    if isinstance(value, dict):
        return "  ".join(f"{key} {_short(item)}" for key, item in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def pick(results, key):
    """From lists of dicts the lists of one of their numbers: the results for one figure."""
    return {name: [value and value[key] for value in values] for name, values in results.items()}


def median(values):
    """The median of the values that were measured; None when there are none."""
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def ratio(results, name, base):
    """The median over the rounds of `name`'s value divided by `base`'s of the same round."""
    pairs = zip(results[name], results[base])
    return median([value / beside for value, beside in pairs if value is not None and beside])


# --- processes ---------------------------------------------------------------------------------------


class Missing(Exception):
    """A program that a section needs is not installed; says which and ends that section."""


def need(*programs):
    """Raises `Missing` unless every one of the programs is installed."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise Missing(f"install {', '.join(missing)} first (Debian: apt-get install …)")


def compiled(source, *libraries):
    """Compiles `tests/bench/SOURCE` with gcc and `-lNAME`s unless that is done; returns the program's path."""
    program = BUILT / Path(source).stem
    BUILT.mkdir(parents=True, exist_ok=True)
    source = SOURCES / source
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
        subprocess.run(["gcc", *flags, "-o", program, source, *libraries], check=True)
    return str(program)


def free_port():
    """A TCP port of the loopback interface that nobody uses at this moment.

    It is below those that the kernel gives to clients (`net.ipv4.ip_local_port_range`): between our
    look and the server's `bind`, one of thousands of clients could be given it.
    """
    for port in random.sample(range(20000, 30000), 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port between 20000 and 30000")


class Server:
    """A server process that belongs to a `with` block: ready when the block begins, gone after it.

        with Server([SOCKLAB, "echo-server", "0"]) as server:
            ... server.port, server.pid ...

    Ready means: a line of its standard error matches `ready` (group 1 is the port), or, when `port`
    is given, that port of the loopback interface accepts a connection. Standard output is thrown
    away. The process leads a group of its own, so that children it has forked end with it.
    """

    def __init__(self, command, port=None, ready=r"listening on \S*:(\d+)", **options):
        self.command = [str(word) for word in command]
        self.port = port
        self.ready = re.compile(ready)
        self.options = options
        self.process = None
        self.errors = None

    def __enter__(self):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.errors,
            start_new_session=True,
            **self.options,
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self.process.pid

    def said(self):
        """What it has written to standard error so far."""
        # Not read through the file's own position, which the server's writes share.
        size = os.fstat(self.errors.fileno()).st_size
        return os.pread(self.errors.fileno(), size, 0).decode(errors="replace")

    def _wait_until_ready(self):
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.port is None:
                found = self.ready.search(self.said())
                if found:
                    self.port = int(found.group(1))
                    return
            else:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                        return
            time.sleep(0.01)
        raise RuntimeError(f"{' '.join(self.command)} is not ready; it said: {self.said()!r}")

    def stop(self):
        """Ends it: SIGTERM, and SIGKILL to what is left of its group when it takes too long."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(END_WITHIN)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.errors.close()


def rss(pid):
    """Bytes of memory resident for a process at this moment. See proc(5), /proc/PID/status."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024


def machine():
    """One line about where and when: processors, memory, kernel, the commit that was measured."""
    processors = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", processors)
    memory = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    kernel = re.match(r"[\d.]+\d", platform.release()).group(0)
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip() or "unknown"
    return (
        f"{os.cpu_count()} × {model.group(1).strip() if model else platform.machine()}, "
        f"{int(memory.group(1)) / 1024 / 1024:.0f} GiB, Linux {kernel}, commit {commit}, {date.today()}"
    )


# --- the page ----------------------------------------------------------------------------------------

HEADER = """\
# Performance

How fast these programs are beside the tools that people really use, and why. `make bench` repeats every
measurement on your machine and rewrites this page; `make bench ROOM=echo` does one section.

Contenders run in turn, round after round, on the loopback interface of one machine that also runs the load
generator; each figure is the median of the rounds, each ratio the median of the ratios within a round.
Absolute figures move by 10 to 20 % from run to run and a lot from machine to machine. The ratios stay: read
those. The scripts are in `tests/bench/`.
"""


def section(name, markdown):
    """Makes `markdown` the part of docs/performance.md between the marks of section `name`.

    A new section takes its place in alphabetical order; a missing page is begun.
    """
    page = DOCS / "performance.md"
    DOCS.mkdir(exist_ok=True)
    text = page.read_text() if page.exists() else HEADER
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    part = f"{begin}\n{markdown.strip()}\n{end}"
    if begin in text and end in text:
        before, rest = text.split(begin, 1)
        text = before + part + rest.split(end, 1)[1]
    else:
        later = [found.start() for found in re.finditer(r"<!-- begin (\S+) -->", text) if found[1] > name]
        at = later[0] if later else len(text)
        text = f"{text[:at].rstrip()}\n\n{part}\n\n{text[at:]}".rstrip() + "\n"
    page.write_text(text)


def table(heading, rows):
    """A Markdown table; the first column is text, the others are aligned as numbers."""
    lines = [heading, ["---"] + ["---:"] * (len(heading) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


# --- pictures ----------------------------------------------------------------------------------------

#: Colours that stay apart for colour-blind readers and in grey (Okabe and Ito).
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#999999", "#000000", "#F0E442"]


def svg(path, title, categories, series, ylabel, xlabel="", kind="bars", logy=False, size=(900, 420)):
    """Draws docs/PATH through gnuplot. The same figures give the same file.

    categories  the places on the horizontal axis, left to right (numbers or words)
    series      maps the name of a series to its values, one a category; None leaves a gap
    kind        "bars": a group of bars for each category; "lines": a line for each series, the
                categories at equal distances
    """
    need("gnuplot")
    rows = [["x", *series]]
    for number, category in enumerate(categories):
        values = [values[number] for values in series.values()]
        rows.append([str(category), *("NaN" if value is None else f"{value:.6g}" for value in values)])
    data = "\n".join("\t".join(_quoted(cell) for cell in row) for row in rows)
    script = [
        "$data << END_OF_DATA",
        data,
        "END_OF_DATA",
        f"set terminal svg noenhanced size {size[0]},{size[1]} font 'sans-serif,13' background rgb 'white'",
        f"set output {_quoted(DOCS / path)}",
        "set datafile separator tab",
        "set encoding utf8",
        "set micro",
        f"set title {_quoted(title)}",
        f"set ylabel {_quoted(ylabel)}",
        f"set xlabel {_quoted(xlabel)}",
        "set key outside right top vertical Left reverse",
        "set grid ytics lc rgb '#dddddd'",
        "set border 3",
        "set tics nomirror",
        "set format y '%.0s %c'",
    ]
    if logy:
        script.append("set logscale y")
    else:
        script.append("set yrange [0:*]")
    plots = []
    for number, colour in zip(range(2, len(series) + 2), COLOURS):
        using = f"$data using {number}:xtic(1) title columnheader({number})"
        if kind == "bars":
            plots.append(f"{using} lc rgb '{colour}'")
        else:
            using = f"$data using 0:{number}:xtic(1) title columnheader({number})"
            plots.append(f"{using} with linespoints lw 2 pt 7 ps 0.7 lc rgb '{colour}'")
    if kind == "bars":
        script += ["set style data histogram", "set style histogram clustered gap 1", "set style fill solid"]
    else:
        script.append("set offsets 0.2, 0.2, 0, 0")
    script.append("plot " + ", \\\n     ".join(plots))
    DOCS.mkdir(exist_ok=True)
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)


def _quoted(text):
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
