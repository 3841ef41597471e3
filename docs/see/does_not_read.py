"""A client that sends for ever and never reads an answer, until nobody takes its bytes any more."""
import socket

connection = socket.create_connection(("127.0.0.1", 12345))
connection.settimeout(2)
try:
    while True:
        connection.sendall(bytes(100_000))
except TimeoutError:
    print("all buffers are full", flush=True)
input()
