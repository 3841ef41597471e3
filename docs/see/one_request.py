"""A server that takes one recv for one message and closes, as the example of unit B3 does."""
import socket

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 50000))
listener.listen(5)
print("listening on 127.0.0.1:50000 (tcp)", flush=True)
connection, client = listener.accept()
input()  # the server is busy; meanwhile everything arrives
print("one recv:", connection.recv(1024)[-40:], flush=True)
connection.close()
