"""A mail client as it is often written for this assignment: simple_mail.py PORT TEXT

One recv is taken for one reply, a wrong reply is printed and nothing more, the message has no header,
and its dots are sent as they are.
"""

import socket
import sys

port, text = int(sys.argv[1]), sys.argv[2]
server = socket.create_connection(("127.0.0.1", port))


def step(line, expected):
    if line is not None:
        server.sendall(line.encode())
    reply = server.recv(1024).decode()
    print(reply, end="")
    if reply[:3] != expected:
        print(f"{expected} was expected")


step(None, "220")
step("HELO Alice\r\n", "250")
step("MAIL FROM:<alice@example.org>\r\n", "250")
step("RCPT TO:<bob@example.org>\r\n", "250")
step("DATA\r\n", "354")
server.sendall(b"\r\n" + text.encode())
step("\r\n.\r\n", "250")
step("QUIT\r\n", "221")
# To the end: a socket closed with bytes unread resets the connection, and what the server had not yet
# read is lost with it.
while late := server.recv(1024):
    print(late.decode(), end="")
