"""The section "Web" of docs/performance.md: web-server beside nginx, lighttpd, busybox and Python.

One load generator for all: wrk, on the same machine. No server writes an access log.
"""

import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import (
    SOCKLAB,
    Server,
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

#: What is asked for: a name for the column, the file, connections at the same time, and whether each
#: request has a connection of its own.
LOADS = [
    ("1 KiB, 64", "1k", 64, False),
    ("1 KiB, 256", "1k", 256, False),
    ("1 KiB, new each", "1k", 64, True),
    ("100 KiB, 64", "100k", 64, False),
    ("100 KiB, 256", "100k", 256, False),
    ("10 MiB, 64", "10m", 64, False),
    ("10 MiB, 256", "10m", 256, False),
]
FILES = {"1k": 1 << 10, "100k": 100 << 10, "10m": 10 << 20}
#: How long each measurement lasts, in seconds, for large files and others, and how often it is repeated.
#: (Of 256 answers of 10 MiB side by side few are complete after one second.)
SECONDS_LARGE, SECONDS, ROUNDS = 3, 1, 5
#: Requests whose system calls are counted, and idle connections whose memory is.
COUNTED, IDLE = 1000, 256
#: How long wrk may take before it is given up, in seconds.
AT_MOST = 30

OURS, YARDSTICK = "socklab", "nginx"

NGINX = """
worker_processes 2; pid {folder}/pid; error_log {folder}/errors; daemon off;
events {{ worker_connections 4096; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; types {{ }}
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}/www; }}
}}
"""
LIGHTTPD = """
server.document-root = "{folder}/www"
server.bind = "127.0.0.1"
server.port = {port}
server.max-keep-alive-requests = 0
server.max-fds = 8192
server.listen-backlog = 4096
"""


class Contender:
    """A server that runs for the whole section."""

    def __init__(self, name, folder):
        port = free_port()
        www = f"{folder}/www"
        commands = {
            OURS: [SOCKLAB, "web-server", port, "--bind", "127.0.0.1", "--root", www, "--quiet"],
            "nginx": ["nginx", "-p", folder, "-c", f"{folder}/nginx.conf"],
            "lighttpd": ["lighttpd", "-D", "-f", f"{folder}/lighttpd.conf"],
            "busybox": ["busybox", "httpd", "-f", "-p", f"127.0.0.1:{port}", "-h", www],
            "http.server": [
                *("python3", "-m", "http.server", port, "--bind", "127.0.0.1"),
                *("--directory", www, "--protocol", "HTTP/1.1"),
            ],
        }
        for name_of_file, text in (("nginx.conf", NGINX), ("lighttpd.conf", LIGHTTPD)):
            if name_of_file.startswith(name):
                Path(folder, name_of_file).write_text(text.format(folder=folder, port=port))
        self.server = Server(commands[name], port=port)

    def processes(self):
        """Its process and those it has started, from /proc/PID/stat (the fourth word is the parent)."""
        found = {self.server.pid}
        grown = True
        while grown:
            grown = False
            for stat in Path("/proc").glob("[0-9]*/stat"):
                try:
                    words = stat.read_text().rsplit(")", 1)
                except OSError:
                    continue
                pid, parent = int(stat.parent.name), int(words[1].split()[1])
                if parent in found and pid not in found:
                    found.add(pid)
                    grown = True
        return sorted(found)


def load(port, file, connections, fresh):
    """One run of wrk: requests a second, and the 99th percentile of the latency in milliseconds."""
    seconds = SECONDS_LARGE if file == "10m" else SECONDS
    command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
    if fresh:
        command += ["-H", "Connection: close"]
    command.append(f"http://127.0.0.1:{port}/{file}")
    output = subprocess.run(command, capture_output=True, text=True, timeout=AT_MOST).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    slow = re.search(r"99%\s+([\d.]+)(us|ms|s)", output)
    if not rate or not slow or float(rate[1]) == 0:
        return None
    return {"rate": float(rate[1]), "p99": float(slow[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[slow[2]]}


def ask(connection, file):
    """One request on a connection, its answer read to the end; false if the server closes after it."""
    connection.sendall(f"GET /{file} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(65536)
        if not piece:
            return False
        answer += piece
    head, body = answer.split(b"\r\n\r\n", 1)
    length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
    received = len(body)
    while received < length:
        piece = connection.recv(65536)
        if not piece:
            return False
        received += len(piece)
    return b"connection: close" not in head.lower()


def system_calls(contender):
    """System calls for a request of 1 KiB on one connection, as strace counts them."""
    with tempfile.NamedTemporaryFile("r") as summary:
        pids = [word for pid in contender.processes() for word in ("-p", str(pid))]
        tracer = subprocess.Popen(
            ["strace", "-f", "-c", "-U", "calls,name", "-o", summary.name, *pids],
            stderr=subprocess.PIPE,
            text=True,
        )
        # It says "Process N attached", one line a process.
        for _ in contender.processes():
            tracer.stderr.readline()
        time.sleep(0.3)
        # A few others, so that nobody waits awake for the only one (src/kit/awake.rs).
        others = [socket.create_connection(("127.0.0.1", contender.server.port)) for _ in range(4)]
        connection = socket.create_connection(("127.0.0.1", contender.server.port))
        for _ in range(COUNTED):
            if not ask(connection, "1k"):
                connection.close()
                connection = socket.create_connection(("127.0.0.1", contender.server.port))
        for one in [connection, *others]:
            one.close()
        time.sleep(0.2)
        tracer.terminate()
        tracer.communicate()
        calls = [int(found) for found in re.findall(r"(?m)^\s*(\d+)\s+(?!total)\w+$", summary.read())]
    return sum(calls) / COUNTED


def memory(contender):
    """Resident bytes of all its processes while idle connections are kept, of which each had an answer."""
    connections = []
    try:
        for _ in range(IDLE):
            connection = socket.create_connection(("127.0.0.1", contender.server.port))
            ask(connection, "1k")
            connections.append(connection)
        return sum(rss(pid) for pid in contender.processes())
    finally:
        for connection in connections:
            connection.close()


def main():
    need("nginx", "lighttpd", "busybox", "wrk", "strace")
    folder = tempfile.mkdtemp(prefix="socklab-bench-")
    servers = {}
    try:
        Path(folder).chmod(0o755)
        Path(folder, "www").mkdir(mode=0o755)
        for name, size in FILES.items():
            Path(folder, "www", name).write_bytes(b"x" * size)
        for name in (OURS, "nginx", "lighttpd", "busybox", "http.server"):
            contender = Contender(name, folder)
            contender.server.__enter__()
            servers[name] = contender
        measure(servers)
    finally:
        for contender in servers.values():
            contender.server.stop()
        shutil.rmtree(folder)


def measure(servers):
    rates, rows, slow_rows = {}, {name: [] for name in servers}, {name: [] for name in servers}
    for heading, file, connections, fresh in LOADS:
        print(f" {heading}", file=sys.stderr)
        contenders = {
            name: lambda port=contender.server.port: load(port, file, connections, fresh)
            for name, contender in servers.items()
        }
        results = interleave(contenders, ROUNDS)
        rate, p99 = pick(results, "rate"), pick(results, "p99")
        rates[heading] = {name: ratio(rate, name, YARDSTICK) for name in servers}
        for name in servers:
            value, beside = median(rate[name]), rates[heading][name]
            rows[name].append("–" if value is None else f"{beside:.2f} ({value:,.0f})")
            value = median(p99[name])
            slow_rows[name].append("–" if value is None else f"{value:.1f}")
    headings = [heading for heading, *_ in LOADS]
    calls = {name: system_calls(contender) for name, contender in servers.items()}
    used = {name: memory(contender) for name, contender in servers.items()}
    svg(
        "pictures/web-rates.svg",
        "Requests per second, relative to nginx",
        headings,
        {name: [rates[heading][name] for heading in headings] for name in servers},
        "times nginx",
        size=(1000, 420),
    )
    section(
        "web",
        f"""\
## Web

Files over HTTP/1.1: how often a second, relative to nginx with two workers (and how many). The columns are the
size of the file and the number of connections; "new each" opens one for each request. Measured with wrk,
{ROUNDS} rounds of {SECONDS} s ({SECONDS_LARGE} s for 10 MiB), no access logs. {machine()}.

{table(["Server", *headings], [[name, *cells] for name, cells in rows.items()])}

![Requests per second, relative to nginx](pictures/web-rates.svg)

The 99th percentile of the time for an answer, in milliseconds:

{table(["Server", *headings], [[name, *cells] for name, cells in slow_rows.items()])}

What a request of 1 KiB on an open connection costs, and what {IDLE} idle connections do:

{table(
    ["Server", "system calls a request", f"MiB for {IDLE} idle connections"],
    [[name, f"{calls[name]:.1f}", f"{used[name] / 2**20:.1f}"] for name in servers],
)}

The six system calls are `recvfrom`, `openat2`, `statx`, `pread64`, `sendto` and `close`: the file is opened below
the root and looked at each time, so what is sent is what is there. Up to 16 KiB go out in one call with the head;
larger files go from the page cache to the socket inside the kernel (`sendfile`). A thread a connection costs a
sleep and a wake-up per request, which nginx and lighttpd share among many connections; SCHED_BATCH
(`src/kit/sys/limits.rs: schedule_as_batch`) keeps the wake-ups from interrupting whoever is answering. With many
connections the price shows in the slowest answers. Where each request has a connection of its own, that goes to a
thread whose last client has just left (`src/kit/crew.rs: Crew`); to start a thread for each took twice as many system
calls, 30 instead of 15, and little more than half the rate.
busybox starts a process for each connection and closes it after one answer.
""",
    )
