# SPDX-License-Identifier: GPL-2.0-or-later
"""Begins many TLS handshakes in one moment and, beside them, goes on in the clear.

busy_tls.py SERVER HANDSHAKES COMMANDS   prints how many handshakes were still waiting for their answer
when the last of the commands had been answered
"""
import select
import ssl
import sys

from dialog import connect, context, say

NAME = b"busy.example.org"
server, count, commands = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
plain = connect(server, NAME)
clients = []
for _ in range(count):
    sock, out = connect(server, NAME), ssl.MemoryBIO()
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
