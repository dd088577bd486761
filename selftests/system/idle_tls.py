# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds TLS sessions that say nothing more.

idle_tls.py SERVER COUNT HELD RELEASE     creates HELD when all stand, ends when RELEASE is there
"""
import os
import socket
import ssl
import sys
import time

server, count, held, release = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
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


def begin():
    sock = socket.create_connection((server, 25), 30)
    reply(sock)
    for line in (b"EHLO idle.example.org\r\n", b"STARTTLS\r\n"):
        sock.sendall(line)
        reply(sock)
    sock = context.wrap_socket(sock)
    sock.sendall(b"EHLO idle.example.org\r\n")
    reply(sock)
    return sock


sessions = [begin() for _ in range(count)]
open(held, "w").close()
end = time.monotonic() + 60
while not os.path.exists(release) and time.monotonic() < end:
    time.sleep(0.05)
