"""A client whose request comes in two pieces, as a slow line may cut it; the second follows after so many
seconds (5 unless told), if there is no answer before. Prints the status line of the answer."""
import select
import socket
import sys

connection = socket.create_connection(("127.0.0.1", 6789))
connection.sendall(b"GET /Hel")
answered, _, _ = select.select([connection], [], [], float(sys.argv[1]) if sys.argv[1:] else 5)
if not answered:
    connection.sendall(b"loWorld.html HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
print(connection.recv(1024).decode().splitlines()[0])
