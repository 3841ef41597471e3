"""A client that takes one recv for one answer, as the sheets' clients do: see docs/scc231.md."""
import socket
import time

connection = socket.create_connection(("127.0.0.1", 12345))
for line in ("x" * 2000, "second", "third"):
    connection.sendall(line.encode())
    time.sleep(0.5)  # let the whole answer arrive: slowness is not the excuse
    answer = connection.recv(1024).decode()
    print("sent", line[:8], "got", answer.split(":", 1)[1][:8], flush=True)
