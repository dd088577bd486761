# SPDX-License-Identifier: GPL-2.0-or-later
"""A TLS 1.3 client that asks for new keys again and again, and waits for no answer in between.

new_keys.py SERVER COUNT WHERE      prints the replies and how the connection ended

WHERE: text (with a line of the message behind each), chunks (the same, in a chunk of its own after the
first half), alone (with nothing in between, before a NOOP)
"""
import ctypes
import socket
import sys

from dialog import connect, say

NAME = b"keys.example.org"
ENVELOPE = [b"MAIL FROM:<a@sender.example>", b"RCPT TO:<user1@example.net>"]
LINE = b"a line of the message\r\n"
KEY_UPDATE_REQUESTED = 1
TLS1_3, SET_MIN_PROTO_VERSION = 0x304, 123
ZERO_RETURN = 6

lib = ctypes.CDLL("libssl.so.3")
for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
    getattr(lib, name).restype = ctypes.c_void_p
P, I = ctypes.c_void_p, ctypes.c_int
lib.SSL_CTX_new.argtypes = lib.SSL_new.argtypes = lib.SSL_connect.argtypes = [P]
lib.SSL_CTX_ctrl.argtypes = [P, I, ctypes.c_long, P]
lib.SSL_set_fd.argtypes = lib.SSL_key_update.argtypes = lib.SSL_get_error.argtypes = [P, I]
lib.SSL_read.argtypes = lib.SSL_write.argtypes = [P, P, I]

server, count, where = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sock = connect(server, NAME)
say(sock, b"STARTTLS")
sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
sock.setblocking(True)
context = lib.SSL_CTX_new(lib.TLS_client_method())
lib.SSL_CTX_ctrl(context, SET_MIN_PROTO_VERSION, TLS1_3, None)
tls = lib.SSL_new(context)
lib.SSL_set_fd(tls, sock.fileno())
if lib.SSL_connect(tls) != 1:
    sys.exit("no handshake")


class End(Exception):
    pass


class Inside:
    """The session inside, for dialog.py."""

    @staticmethod
    def sendall(data):
        lib.SSL_write(tls, data, len(data))

    @staticmethod
    def recv(size):
        buf = ctypes.create_string_buffer(size)
        n = lib.SSL_read(tls, buf, size)
        if n <= 0:
            raise End("<close_notify>" if lib.SSL_get_error(tls, n) == ZERO_RETURN else "<broken>")
        return buf.raw[:n]


def renew(times, behind):
    for _ in range(times):
        lib.SSL_key_update(tls, KEY_UPDATE_REQUESTED)
        Inside.sendall(behind)


def chunk(times, last):
    Inside.sendall(b"BDAT %d%s\r\n" % (len(LINE) * times, b" LAST" if last else b""))
    renew(times, LINE)


say(Inside, b"EHLO " + NAME)
if where == "alone":
    for _ in range(count):
        lib.SSL_key_update(tls, KEY_UPDATE_REQUESTED)
        lib.SSL_do_handshake(P(tls))
    Inside.sendall(b"NOOP\r\n")
else:
    Inside.sendall(b"\r\n".join(ENVELOPE) + b"\r\n")
    if where == "text":
        Inside.sendall(b"DATA\r\n")
        renew(count, LINE)
        Inside.sendall(b".\r\n")
    else:
        chunk(count // 2, False)
        chunk(count - count // 2, True)
Inside.sendall(b"QUIT\r\n")
try:
    while True:
        print(Inside.recv(65536).decode().replace("\r\n", "\n"), end="", flush=True)
except End as end:
    print(end)
