"""echo_select.py PORT: a peer for the benchmark, the sheets' one-thread server in Python.

As the slides have it: `select.select` on all sockets, `recv` and `sendall` on those that are readable. It
keeps their two faults, which belong to what is measured: `sendall` waits for a client that does not read,
and select(2) cannot watch a descriptor beyond 1,023.
"""

import select
import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
sockets = [listener]
while True:
    readable, _, _ = select.select(sockets, [], [])
    for ready in readable:
        if ready is listener:
            client, _ = listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sockets.append(client)
            continue
        try:
            data = ready.recv(1024)
            if data:
                ready.sendall(data)
                continue
        except OSError:
            pass  # a reset: the client is gone, as after the end of its stream
        sockets.remove(ready)
        ready.close()
