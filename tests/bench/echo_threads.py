"""echo_threads.py PORT: a peer for the benchmark, the sheet's server with a thread per client in Python."""

import socket
import sys
import threading


def echo(client):
    with client:
        try:
            while data := client.recv(1024):
                client.sendall(data)
        except OSError:
            pass  # a reset: the client is gone, as after the end of its stream


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
while True:
    client, _ = listener.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=echo, args=(client,), daemon=True).start()
