# SPDX-License-Identifier: GPL-2.0-or-later
"""What the TLS clients of the tests share: connections that greet, and STARTTLS without a certificate."""
import socket
import ssl
import sys

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
    return data


def say(sock, *lines):
    for line in lines:
        sock.sendall(line + b"\r\n")
        reply(sock)


def connect(server, name):
    sock = socket.create_connection((server, 25), 30)
    # The end of a handshake has no answer: what is said behind it would wait for its delayed ACK.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reply(sock)
    say(sock, b"EHLO " + name)
    return sock
