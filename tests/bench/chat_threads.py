"""The peer "Python, threads" of chat.py: a group room as it is usually written, with the lock it needs.

A thread a member; whoever speaks sends the line to everyone else itself. Usage: chat_threads.py PORT
"""

import socket
import sys
import threading

members = []
lock = threading.Lock()


def attend(connection, name):
    with lock:
        members.append(connection)
    try:
        for line in connection.makefile("rb"):
            with lock:
                for other in members:
                    if other is not connection:
                        other.sendall(name + b": " + line)
    except OSError:
        pass
    finally:
        with lock:
            members.remove(connection)
        connection.close()


threading.stack_size(128 * 1024)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
print(f"listening on 127.0.0.1:{sys.argv[1]}", file=sys.stderr, flush=True)
number = 0
while True:
    accepted, _ = listener.accept()
    number += 1
    name = f"guest{number}".encode()
    threading.Thread(target=attend, args=(accepted, name), daemon=True).start()
