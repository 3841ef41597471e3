"""A client that says half a request and then nothing."""
import socket

connection = socket.create_connection(("127.0.0.1", 6789))
connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
print("half a request is sent", flush=True)
print(connection.recv(1024).decode().splitlines()[0])
