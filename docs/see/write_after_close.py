"""A client that writes to a server that has closed: see docs/b3-chat-tasks.md."""
import socket
import time

listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
server.close()
time.sleep(0.3)  # the end of the stream has long arrived
for line in ("first", "second"):
    try:
        client.sendall(line.encode())
        print(line, "line: sent without an error", flush=True)
    except OSError as error:
        print(line, "line:", error.strerror, flush=True)
    time.sleep(0.3)  # let the answer to it arrive
