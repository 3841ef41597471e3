"""A chat room whose loop sends to one member after the other: see docs/b3-chat-tasks.md."""
import socket
import threading

members = [socket.socketpair() for _ in range(2)]
deaf, other = members  # the first does not read


def room():
    for _ in range(100):
        for ours, _ in members:
            ours.sendall(b"x" * 100_000)


threading.Thread(target=room, daemon=True).start()
got = 0
other[1].settimeout(1)
try:
    while True:
        got += len(other[1].recv(65536))
except TimeoutError:
    print("of 100 lines the other got less than 5:", got < 500_000, flush=True)
