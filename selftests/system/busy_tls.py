# SPDX-License-Identifier: GPL-2.0-or-later
"""Begins many TLS handshakes in one moment and, beside them, goes on in the clear.

busy_tls.py SERVER HANDSHAKES COMMANDS   prints how many handshakes had their answer later than the last
of the commands
"""
import socket
import ssl
import struct
import sys
import time

from dialog import connect, context, say

NAME = b"busy.example.org"


def arrived(sock):
    """When the kernel had the last bytes of it (ms): whoever reads them may be late itself."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return time.monotonic() * 1000 - struct.unpack_from("I", info, 52)[0]  # tcpi_last_data_recv


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
answered = arrived(plain)
for sock, _ in clients:
    if not sock.recv(1):
        sys.exit("a handshake without an answer")
print(sum(arrived(sock) > answered for sock, _ in clients))
