"""The section "Echo" of docs/performance.md: our servers beside a C server, Python's and Debian's tools.

One load generator for all, load.c, on the same machine; see there what it does.
"""

import re
import resource
import subprocess
import sys
from pathlib import Path

from common import (
    SOCKLAB,
    SOURCES,
    Server,
    compiled,
    free_port,
    interleave,
    machine,
    median,
    need,
    pick,
    ratio,
    rss,
    section,
    svg,
    table,
)

#: Bytes of a message.
SIZE = 64
#: Connections that talk at the same time.
CROWDS = [1, 64, 512, 4096]
#: How long each measurement talks, beside a quarter as long before it counts, in seconds.
SECONDS = 0.8
ROUNDS = 5
#: Clients that connect at once.
BURST, BURST_ROUNDS = 5000, 3
#: Idle clients of the measurement of memory: of servers with a process per client, and of the others.
IDLE_PROCESSES, IDLE = 200, 2000
#: Clients that one echo-server shall hold.
HELD = 12000
#: How long one run of the load generator may take before it is given up, in seconds.
AT_MOST = 60
#: `EPOCH:` before stamp-server's echo: ten digits, a point, six digits, a colon.
STAMP = len("1763715600.123456:")

#: The server that ratios are taken to.
YARDSTICK = "C, epoll"


class Contender:
    """A server: its command line, with PORT for the port, and how many clients it can take."""

    def __init__(self, *command, most=100_000, extra=0, processes=False):
        self.command = [str(word) for word in command]
        self.most = most  # clients at once, by its design
        self.extra = extra  # bytes of a reply beside the message
        self.processes = processes  # whether each client has one

    def started(self):
        port = free_port()
        return Server([word.replace("PORT", str(port)) for word in self.command], port)

    def load(self, server, mode, clients, *more):
        """The command line of the load generator against it."""
        words = [compiled("load.c"), mode, server.port, clients, SIZE, self.extra, *more]
        return [str(word) for word in words]

    def run(self, mode, clients, *more):
        """One run of the load generator against a fresh server. Its results as a dict, with the
        server's own costs a message; None when there are more clients than it can take."""
        if clients > self.most:
            return None
        server = self.started()
        with server:
            run = subprocess.run(
                self.load(server, mode, clients, *more), capture_output=True, text=True, timeout=AT_MOST
            )
            # The system accounts for a process when its parent has waited for it: that is in `stop`.
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            server.stop()
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if run.returncode != 0:
            print(f"  {' '.join(self.command)}: {run.stderr.strip()}", file=sys.stderr)
            return None
        words = run.stdout.split()
        results = {key: float(value) for key, value in zip(words[::2], words[1::2])}
        if "messages" in results:
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            switches = after.ru_nvcsw + after.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw
            results["cpu"] = cpu * 1e6 / results["messages"]
            results["switches"] = switches / results["messages"]
        return results

    def hold(self, clients):
        """Holds idle clients that have each sent one message. Returns the KiB for each of them in the
        server's processes, and the MiB of the server with all of them."""
        if clients > self.most:
            return None
        with self.started() as server:
            before = resident(server.pid)
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            with subprocess.Popen(self.load(server, "hold", clients), **pipes) as load:
                held = load.stdout.readline()
                after = resident(server.pid)
                all_mib = rss(server.pid) / 1024 / 1024
                # The end of its input: it sends one more message each, and we end when all are answered.
                answered, _ = load.communicate(timeout=AT_MOST)
        if (held, answered) != (f"held {clients}\n", f"answered {clients}\n"):
            return None
        return {"each": (after - before) / clients / 1024, "all": all_mib}


def resident(leader):
    """Bytes of memory of a process and of the others in its group; pages that several share are
    divided among them (PSS in proc(5)). For a single process that is what it has resident."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            # The fields after the name, which stands in parentheses: state, parent, group.
            group = (process / "stat").read_text().rpartition(")")[2].split()[2]
            if int(group) == leader:
                rollup = (process / "smaps_rollup").read_text()
                total += int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE).group(1)) * 1024
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
    return total


def contenders():
    python = sys.executable
    stamp = [SOCKLAB, "stamp-server", "PORT", "--bind", "127.0.0.1"]
    socat = "TCP-LISTEN:PORT,bind=127.0.0.1,reuseaddr,fork,backlog=4096,nodelay"
    ncat = "ncat --listen --keep-open --max-conns 2000 --exec /bin/cat 127.0.0.1 PORT"
    return {
        "echo-server": Contender(SOCKLAB, "echo-server", "PORT"),
        "stamp-server": Contender(*stamp, extra=STAMP),
        "stamp-server --select": Contender(*stamp, "--select", extra=STAMP),
        YARDSTICK: Contender(compiled("echo_epoll.c"), "PORT"),
        # select(2) ends at descriptor 1,023.
        "Python, select": Contender(python, SOURCES / "echo_select.py", "PORT", most=1000),
        "Python, threads": Contender(python, SOURCES / "echo_threads.py", "PORT"),
        "socat, PIPE": Contender("socat", socat, "PIPE", processes=True, most=1000),
        "socat, EXEC:cat": Contender("socat", socat, "EXEC:cat", processes=True, most=1000),
        "ncat": Contender(*ncat.split(), processes=True, most=600),
    }


def main():
    need("gcc", "socat", "ncat", "gnuplot")
    servers = contenders()
    talk = {}
    for crowd in CROWDS:
        print(f"  {crowd} connections", file=sys.stderr)
        talk[crowd] = interleave(runs(servers, lambda server: server.run("echo", crowd, SECONDS)), ROUNDS)
    print(f"  {BURST} connects at once", file=sys.stderr)
    burst = interleave(runs(servers, lambda server: server.run("burst", BURST)), BURST_ROUNDS)
    print("  memory", file=sys.stderr)
    idle = interleave(runs(servers, lambda server: server.hold(idle_clients(server))), rounds=1)
    held = Contender(SOCKLAB, "echo-server", "PORT", "--max-clients", HELD).hold(HELD)
    write(servers, talk, burst, idle, held)


def runs(servers, measure):
    """For each server a callable without arguments, as `interleave` wants them."""
    return {name: lambda server=server: measure(server) for name, server in servers.items()}


def idle_clients(server):
    return IDLE_PROCESSES if server.processes else min(IDLE, server.most)


# --- the page ----------------------------------------------------------------------------------------


def write(servers, talk, burst, idle, held):
    draw(talk)
    rates = {crowd: pick(results, "rate") for crowd, results in talk.items()}
    at = {crowd: ratio(rates[crowd], "echo-server", YARDSTICK) for crowd in CROWDS}
    crowds = [f"{crowd} connection{'s' if crowd > 1 else ''}" for crowd in CROWDS]
    many = talk[64]
    socat = ratio(rates[64], "echo-server", "socat, EXEC:cat")
    pipe = ratio(rates[64], "echo-server", "socat, PIPE")
    longest = median(pick(talk[4096], "longest")["echo-server"])
    twice = [value for value in pick(burst, "retransmitted")["echo-server"] if value]

    def figure(key, name):
        return median(pick(many, key)[name])

    section(
        "echo",
        f"""
## Echo

{machine()}.

Messages of {SIZE} bytes; each client has one under way. The load generator,
[tests/bench/load.c](../tests/bench/load.c), is one thread over epoll and checks every reply. {ROUNDS} rounds of
{SECONDS} s. In parentheses: the ratio to a C server in one thread over epoll
([echo_epoll.c](../tests/bench/echo_epoll.c)), which does nothing but read and write.

### Round trips per second

{table(["", *crowds], [[name, *(rated(rates[crowd], name) for crowd in CROWDS)] for name in servers])}

![Round trips per second](performance-echo-rate.svg)

A thread per client costs a sleep and a wake per message. The thread that waits in `read` is asleep; the
arriving message makes it ready, the scheduler switches to it, it answers, and sleeps again. The server
over epoll stays awake: one `epoll_wait` reports all who have sent something meanwhile, and the more there
are, the more it gets for one call. What that means for the server, at 64 connections:

{table(
    ["", "processor time per message", "context switches per message"],
    [
        [name, f"{figure('cpu', name):.1f} µs", f"{figure('switches', name):.2f}"]
        for name, server in servers.items()
        if not server.processes
    ],
)}

So `echo-server` has {at[64]:.2f} of the C server's rate at 64 connections, {at[512]:.2f} at 512 and {at[4096]:.2f} at 4096.
That is the price of code that reads from top to bottom, and the handler cannot win it back: it is little more
than the two system calls. Four things around it do count, and are explained where they are done:

- `SCHED_BATCH` ([limits.rs](../src/kit/sys/limits.rs)): a woken thread does not interrupt the running one;
- waiting awake ([awake.rs](../src/kit/awake.rs)): while there are fewer clients than processors, a thread asks for
  a moment before it sleeps, since to wake an idle processor takes longer than all the rest of a round trip. With
  one client that makes `echo-server` {at[1]:.2f} times as fast as the C server;
- `TCP_NODELAY` ([serve.rs](../src/kit/serve.rs)): no reply waits for an ACK;
- a small stack and a small buffer for each thread (see Memory).

`stamp-server` prints a line for each message, and its threads wait for each other to do so: there is one standard
output. With `--select` the same program serves all clients in one thread over `poll`, and is faster with
many of them, although `poll`, unlike epoll, is handed the whole list each time. Python's `select` is close to
C because at 64 connections nearly all the work is the kernel's; it ends at descriptor 1,023, by the design of
select(2). Python's threads pass one lock from hand to hand, because only the one that has it may run.

socat and ncat start a process for each client. At 64 connections `echo-server` does {socat:.1f} times as many round
trips as socat with `EXEC:cat`, where each byte passes through two processes, and {pipe:.1f} times as many as
with `PIPE`, where it passes through one. (A dash: more clients than that program takes, or more than it can
take in at once; ncat keeps only ten newcomers waiting.)

### Latency

The median round trip and the 99th percentile (p50 / p99):

{table(["", *crowds], [[name, *(delays(talk[crowd], name) for crowd in CROWDS)] for name in servers])}

![99th percentile of the round trip](performance-echo-p99.svg)

With one message under way for each client, the mean is the number of connections divided by the rate. The
tail tells how fairly they take turns: at 4096 connections the longest single round trip of `echo-server` took
{duration(longest)} (the median of the rounds).

### A burst of {BURST:,} connects

All connects start before any is waited for, then each client sends one message:

{table(
    ["", "until all are connected", "until all are served", "clients that had to send twice"],
    [[name, *burst_row(burst, name)] for name in servers],
)}

A newcomer who finds the server's queue full is dropped without a word, and tries again after a second: that is
the second in slow rows. std's queue of 128, or ncat's of ten, is full at once; with 4,096
([`QUEUE`](../src/kit/tcp.rs)) the server has to accept only the rest while the burst lasts.
{"No client of `echo-server` had to." if not twice else
 f"In {len(twice)} of {BURST_ROUNDS} rounds clients of `echo-server` had to, {max(twice):.0f} at most: the queue was full for a moment, as the thread that accepts shares two processors with the clients."}

### Memory

Resident memory for each idle client that has sent one message ({IDLE:,} clients; {IDLE_PROCESSES} where each has a process;
{servers["Python, select"].most:,} with Python's `select`):

{table(
    ["", "resident for each client"],
    [[name, memory(idle[name][0])] for name in servers],
)}

A thread of `echo-server` touches a few pages of its stack and its buffer of 8 KiB. The kernel's share is not in
these figures: the buffers of the socket, the same for every server, and 16 KiB of kernel stack for each thread
or process.

{held_text(held)}
""",
    )


def rated(rates, name):
    rate = median(rates[name])
    return "–" if rate is None else f"{thousands(rate)} ({ratio(rates, name, YARDSTICK):.2f})"


def thousands(rate):
    return f"{rate / 1000:.0f}k" if rate >= 10_000 else f"{rate / 1000:.1f}k"


def delays(results, name):
    p50, p99 = median(pick(results, "p50")[name]), median(pick(results, "p99")[name])
    return "–" if p50 is None else f"{duration(p50)} / {duration(p99)}"


def duration(microseconds):
    if microseconds < 1000:
        return f"{microseconds:.0f} µs"
    return f"{microseconds / 1000:.1f} ms" if microseconds < 10_000 else f"{microseconds / 1000:.0f} ms"


def burst_row(burst, name):
    connected, served = median(pick(burst, "connected")[name]), median(pick(burst, "served")[name])
    if connected is None:
        return ["–", "–", "–"]
    twice = median(pick(burst, "retransmitted")[name])
    return [duration(connected * 1000), duration(served * 1000), f"{twice:.0f}"]


def memory(idle):
    return "–" if idle is None else f"{idle['each']:.1f} KiB"


def held_text(held):
    if held is None:
        return f"{HELD:,} connections could not be held here: see `ulimit -Hn`, which must allow as many descriptors."
    return (
        f"One `echo-server --max-clients {HELD}` held {HELD:,} connections, answered a message on each, and had\n"
        f"{held['all']:.0f} MiB resident. Beyond 16,000 threads a process runs out of memory mappings (four for each\n"
        "thread; `vm.max_map_count`), so the servers lower `--max-clients` to what fits."
    )


def draw(talk):
    labels = [f"{crowd:,}" for crowd in CROWDS]
    names = list(talk[CROWDS[0]])
    shown = {
        "performance-echo-rate.svg": ("rate", 1, "Round trips per second, 64-byte messages", "per second", "bars"),
        "performance-echo-p99.svg": ("p99", 1e-6, "99th percentile of the round trip", "seconds", "lines"),
    }
    for path, (key, unit, title, ylabel, kind) in shown.items():
        series = {}
        for name in names:
            values = [median(pick(talk[crowd], key)[name]) for crowd in CROWDS]
            series[name] = [value and value * unit for value in values]
        svg(path, title, labels, series, ylabel, "connections", kind, logy=kind == "lines")
