"""A client that takes one recv for one answer, as the sheet's client does: see docs/scc231.md."""
import socket
import time

connection = socket.create_connection(("127.0.0.1", 12345))
for line in ("x" * 2000, "second", "third"):
    connection.sendall(line.encode())
    time.sleep(1)  # let the whole answer arrive: slowness is not the excuse
    print("sent", len(line), "bytes, received", len(connection.recv(1024)), flush=True)
