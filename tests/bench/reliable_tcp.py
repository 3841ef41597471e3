"""A peer for reliable.py: bytes over the kernel's TCP, with a congestion control that is chosen by name.

    reliable_tcp.py receive PORT                receives transfers until it is killed; answers each with a byte
    reliable_tcp.py send HOST PORT BYTES NAME   sends so many and prints the seconds until the answer
    reliable_tcp.py flow HOST PORT NAME         sends until it is killed

The receiver prints, each time a quarter of a megabyte has come, the clock (CLOCK_MONOTONIC) and all bytes so far.
"""

import socket
import sys
import threading
import time

CHUNK = 1 << 18
#: A transfer in which nothing moves for so many seconds is given up.
PATIENCE = 60

total = 0


def serve(connection):
    """One transfer."""
    global total
    step = total // CHUNK
    while data := connection.recv(CHUNK):
        total += len(data)
        if total // CHUNK > step:
            step = total // CHUNK
            print(f"{time.monotonic():.6f} {total}", flush=True)
    connection.sendall(b"!")
    connection.close()


def receive(port):
    """Transfers, a thread each."""
    with socket.create_server(("0.0.0.0", port)) as listener:
        print(f"listening on 0.0.0.0:{port} (tcp)", file=sys.stderr, flush=True)
        while True:
            threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()


def connect(host, port, name):
    """A connection that is controlled as `name` does it."""
    connection = socket.socket()
    connection.settimeout(PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
    connection.connect((host, int(port)))
    return connection


def main():
    """See above."""
    match sys.argv[1:]:
        case ["receive", port]:
            receive(int(port))
        case ["send", host, port, count, name]:
            began = time.monotonic()
            connection = connect(host, port, name)
            connection.sendall(bytes(int(count)))
            connection.shutdown(socket.SHUT_WR)
            if connection.recv(1) != b"!":
                sys.exit("no answer")
            print(f"{time.monotonic() - began:.6f}")
        case ["flow", host, port, name]:
            connection = connect(host, port, name)
            while True:
                connection.sendall(bytes(CHUNK))
        case _:
            sys.exit(__doc__)


main()
