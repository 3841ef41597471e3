"""The loop of the assignment's skeleton: a file is sent one letter at a time. Says how many calls that took."""
import socket

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 6789))
listener.listen(5)
print("listening on 127.0.0.1:6789 (tcp)", flush=True)
connection, client = listener.accept()
connection.recv(1024)
content = open("docs/site/HelloWorld.html").read()
connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
calls = 1
for i in range(0, len(content)):
    connection.send(content[i].encode())
    calls += 1
connection.close()
print(f"{calls} calls of send for {len(content)} letters")
