"""A web server as it is often handed in: it opens what it is asked for, and catches one kind of error."""
import socket

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 6789))
listener.listen(5)
print("listening on 127.0.0.1:6789 (tcp)", flush=True)
while True:
    connection, client = listener.accept()
    try:
        name = connection.recv(1024).split()[1]
        content = open(name[1:].decode()).read()
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + content.encode())
    except IOError:
        connection.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")
    connection.close()
