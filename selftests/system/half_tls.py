# SPDX-License-Identifier: GPL-2.0-or-later
"""A TLS client that says everything at once and closes its side (close_notify), but goes on reading.

half_tls.py SERVER MODE [SECONDS]     prints the replies and how the connection ended

MODE: together (the notice comes with the commands), apart (so much later), bare (no notice: the side
is closed by TCP alone), dot (with DATA, whose text and end come with the notice), open (no QUIT)
"""
import socket
import ssl
import sys
import time

from dialog import connect, context, reply, say

NAME = b"half.example.org"
MESSAGE = b"Message-Id: <%d@half.example.org>\r\n\r\nHello\r\n" % time.time_ns()
ENVELOPE = b"MAIL FROM:<a@sender.example>\r\nRCPT TO:<user1@example.net>\r\n"

server, mode = sys.argv[1:3]
sock = connect(server, NAME)
say(sock, b"STARTTLS")
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(incoming, outgoing)


def flush():
    sock.sendall(outgoing.read())


def more():
    """Whatever comes next; False at the end."""
    data = sock.recv(65536)
    if data:
        incoming.write(data)
    return bool(data)


def until_it_works(what):
    while True:
        try:
            return what()
        except ssl.SSLWantReadError:
            flush()
            if not more():
                sys.exit("closed")


class Inside:
    """The session inside, for dialog.py."""

    sendall = staticmethod(lambda data: (tls.write(data), flush()))
    recv = staticmethod(lambda n: until_it_works(lambda: tls.read(n)))


until_it_works(tls.do_handshake)
flush()
say(Inside, b"EHLO " + NAME)
if mode == "dot":
    say(Inside, *ENVELOPE.splitlines(), b"DATA")
    tls.write(MESSAGE + b".\r\nQUIT\r\n")
else:
    tls.write(ENVELOPE + b"BDAT %d LAST\r\n" % len(MESSAGE) + MESSAGE)
    if mode != "open":
        tls.write(b"QUIT\r\n")
if mode == "apart":
    flush()
    time.sleep(float(sys.argv[3]))
if mode != "bare":
    try:
        tls.unwrap()
    except ssl.SSLWantReadError:
        pass
flush()
if mode == "bare":
    sock.shutdown(socket.SHUT_WR)
sock.settimeout(60)
end = "<eof>"
try:
    while True:
        try:
            data = tls.read(65536)
        except ssl.SSLWantReadError:
            if more():
                continue
            break
        except ssl.SSLZeroReturnError:
            data = b""
        if not data:
            end = "<close_notify>"
            break
        print(data.decode().replace("\r\n", "\n"), end="")
except OSError as error:
    end = "<%s>" % error
print(end)
