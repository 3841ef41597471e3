"""The section "Mail" of docs/performance.md: mail-server beside Postfix and aiosmtpd, mail-client beside
swaks and Python's smtplib.

Everything stays on the loopback interface; Postfix runs with a configuration of its own, see
tests/peers/postfix.sh.
"""

import contextlib
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import (
    ROOT,
    SOCKLAB,
    SOURCES,
    Missing,
    Server,
    free_port,
    interleave,
    machine,
    median,
    need,
    ratio,
    section,
    table,
)

#: Clients that deliver at the same time, each one message after the other on one connection.
CROWDS = [1, 16]
#: How long they deliver, in seconds.
SECONDS = 2.0
ROUNDS = 5
#: The message: a short header and a text, as long as a short mail.
MESSAGE = b"From: ada@example.org\r\nSubject: Networks\r\n\r\n" + b"I love computer networks! Do you?\r\n" * 28
#: Programs started one after the other, each for one message.
STARTS = 20
#: How long one reply may take, in seconds.
PATIENCE = 30.0

OURS = "mail-server"


def main():
    need("swaks", "openssl")
    if shutil.which("postconf") is None or os.geteuid() != 0:
        raise Missing("Postfix has to be installed, and this to be run as root, as Postfix itself")
    if subprocess.run([sys.executable, "-c", "import aiosmtpd"], capture_output=True).returncode != 0:
        raise Missing("install aiosmtpd first (pip install aiosmtpd)")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        # Postfix delivers as a user of its own.
        os.chmod(folder, 0o755)
        folder = Path(folder)
        ports = {name: start(running, folder) for name, start in SERVERS.items()}
        delivered = {}
        for crowd in CROWDS:
            servers = {name: lambda port=port: rate(port, crowd) for name, port in ports.items()}
            delivered[crowd] = interleave(servers, ROUNDS)
        clients = {name: lambda command=command: starts(command, ports[OURS]) for name, command in CLIENTS.items()}
        started = interleave(clients, ROUNDS)
    section("mail", page(delivered, started))


# --- the servers -------------------------------------------------------------------------------------


def ours(running, folder):
    return running.enter_context(Server([SOCKLAB, "mail-server", "0", "--mailbox", folder / "ours"])).port


def aiosmtpd(running, folder):
    command = [sys.executable, SOURCES / "mail_aiosmtpd.py", free_port(), folder / "aiosmtpd"]
    return running.enter_context(Server(command, port=command[2])).port


def postfix(running, folder):
    authority = ["sh", ROOT / "tests/peers/authority.sh", folder / "lab"]
    subprocess.run(authority, check=True, capture_output=True)
    certificate, key = folder / "lab/good.pem", folder / "lab/good.key"
    command = ["sh", ROOT / "tests/peers/postfix.sh", folder / "postfix", free_port(), certificate, key]
    return running.enter_context(Server(command, port=command[3])).port


SERVERS = {OURS: ours, "Postfix": postfix, "aiosmtpd": aiosmtpd}


def rate(port, crowd):
    """Messages per second that `crowd` clients together have had acknowledged."""
    # Plain processes: a multiprocessing.Pool has threads beside its forks, and now and then one stays locked.
    context = multiprocessing.get_context("fork")
    begin = time.monotonic() + 0.3
    clients = []
    for _ in range(crowd):
        count, sent = context.Pipe(duplex=False)
        client = context.Process(target=deliver, args=(port, begin, sent), daemon=True)
        client.start()
        sent.close()
        clients.append((client, count))
    acknowledged = 0
    for client, count in clients:
        if not count.poll(2 * PATIENCE):
            raise RuntimeError("a client of the benchmark did not come to its end")
        acknowledged += count.recv()
        client.join()
    return acknowledged / SECONDS


def deliver(port, begin, counted):
    """One client: delivers from `begin` on, and tells how many messages were acknowledged in time."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def step(line, expected):
            if line:
                server.sendall(line)
            reply = server.recv(4096)
            # Each of these replies is one short line, so it arrives at once.
            if not (reply.startswith(expected) and reply.endswith(b"\n")):
                raise RuntimeError(f"{line[:40]} was answered with {reply}")

        step(b"", b"220")
        step(b"HELO pc\r\n", b"250")
        time.sleep(max(0.0, begin - time.monotonic()))
        count = 0
        while True:
            step(b"MAIL FROM:<ada@example.org>\r\n", b"250")
            step(b"RCPT TO:<bob@example.org>\r\n", b"250")
            step(b"DATA\r\n", b"354")
            step(MESSAGE + b".\r\n", b"250")
            if time.monotonic() > begin + SECONDS:
                counted.send(count)
                return
            count += 1


# --- the clients -------------------------------------------------------------------------------------

SMTPLIB = """
import smtplib, sys
from email.message import EmailMessage
message = EmailMessage()
message["From"], message["To"], message["Subject"] = "ada@example.org", "bob@example.org", "Networks"
message.set_content("I love computer networks!")
with smtplib.SMTP("127.0.0.1", int(sys.argv[1])) as server:
    server.send_message(message)
"""

CLIENTS = {
    "mail-client": lambda port: [SOCKLAB, "mail-client", "--server", f"127.0.0.1:{port}"] + ADDRESSES,
    "swaks": lambda port: ["swaks", "--server", f"127.0.0.1:{port}", "--helo", "pc"] + ADDRESSES,
    "Python, smtplib": lambda port: [sys.executable, "-c", SMTPLIB, str(port)],
}
ADDRESSES = ["--from", "ada@example.org", "--to", "bob@example.org"]


def starts(command, port):
    """Seconds from the start of a client to its end, one message sent."""
    began = time.monotonic()
    for _ in range(STARTS):
        subprocess.run(command(port), check=True, capture_output=True, timeout=PATIENCE)
    return (time.monotonic() - began) / STARTS


# --- the page ----------------------------------------------------------------------------------------


def page(delivered, started):
    def rated(crowd, name):
        results = delivered[crowd]
        return f"{median(results[name]):,.0f} ({ratio(results, name, 'Postfix'):.2f})"

    def took(name):
        return f"{median(started[name]) * 1000:.0f} ms ({ratio(started, name, 'mail-client'):.1f})"

    return f"""
## Mail

{machine()}.

Messages of {len(MESSAGE):,} bytes. A client process per connection delivers one after the other for
{SECONDS:.0f} s and counts what was acknowledged; {ROUNDS} rounds. In parentheses: the ratio to Postfix.

### Messages per second

{table(["", *(f"{crowd} connection{'s' * (crowd > 1)}" for crowd in CROWDS)],
       [[name, *(rated(crowd, name) for crowd in CROWDS)] for name in SERVERS])}

`mail-server` and Postfix make the disk have a message before they say 250: `fsync` of the file, and
([maildir.rs](../src/mail/maildir.rs)) of its folder. aiosmtpd's Maildir leaves that out, and a crash of the machine loses
what it has acknowledged. On this virtual machine an `fsync` takes some 50 µs; on a disk that turns it takes
milliseconds, and then little else counts. With many connections those waits overlap. Postfix does more for a message, which
passes through its queue and several processes and is delivered after the 250.

### Clients

From the start of the program to its end, one message sent to `mail-server`; {STARTS} starts a round,
{ROUNDS} rounds. In parentheses: the ratio to `mail-client`.

{table(["", "time"], [[name, took(name)] for name in CLIENTS])}

The others start an interpreter first.
"""


if __name__ == "__main__":
    main()
