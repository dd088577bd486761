# SPDX-License-Identifier: GPL-2.0-or-later
"""Begins many TLS handshakes in one moment and, beside them, goes on in the clear.

busy_tls.py SERVER HANDSHAKES COMMANDS   prints how many handshakes were still waiting for their answer
when the last of the commands had been answered
"""
import select
import socket
import ssl
import sys

server, count, commands = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def reply(sock):
    data = b""
    while not (data.endswith(b"\r\n") and data.splitlines()[-1][3:4] == b" "):
        got = sock.recv(4096)
        if not got:
            sys.exit("closed after %r" % data)
        data += got


def say(sock, *lines):
    for line in lines:
        sock.sendall(line + b"\r\n")
        reply(sock)


def connect():
    sock = socket.create_connection((server, 25), 30)
    reply(sock)
    say(sock, b"EHLO busy.example.org")
    return sock


plain = connect()
clients = []
for _ in range(count):
    sock, out = connect(), ssl.MemoryBIO()
    say(sock, b"STARTTLS")
    try:
        context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    except ssl.SSLWantReadError:
        pass
    clients.append((sock, out.read()))
for sock, hello in clients:
    sock.sendall(hello)
say(plain, *[b"NOOP"] * commands)
waiting = {sock.fileno() for sock, _ in clients}
waiting -= set(select.select(list(waiting), [], [], 0)[0])
print(len(waiting))
# And none of them is forgotten.
for sock, _ in clients:
    if not sock.recv(1):
        sys.exit("a handshake without an answer")
