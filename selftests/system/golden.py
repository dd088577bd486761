# SPDX-License-Identifier: GPL-2.0-or-later
"""Plays a transcript to a server and compares every reply, byte for byte.

golden.py SOURCE SERVER,PORT WHOLE|BYTES FILE

Lines of FILE: "C: " a line of the client (CRLF is added), "X: " raw bytes of it with \\r \\n \\0 \\xHH
escapes, "S: " a line that the server has to say then, "E:" the server closes, "#" a comment.
BYTES sends every byte in a segment of its own. Prints the first difference and exits 1, or nothing.
"""
import codecs
import socket
import sys

source, target, how, name = sys.argv[1:]
host, port = target.rsplit(",", 1)
sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
sock.settimeout(60)
sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
sock.bind((source, 0))
sock.connect((host, int(port)))
got = b""


def line():
    global got
    while b"\r\n" not in got:
        try:
            data = sock.recv(65536)
        except OSError as error:
            return "<%s>" % error
        if not data:
            return "<eof>"
        got += data
    first, got = got.split(b"\r\n", 1)
    return first.decode("utf-8", "backslashreplace")


def send(data):
    try:
        for i in range(0, len(data), 1 if how == "BYTES" else len(data)):
            sock.sendall(data[i : i + (1 if how == "BYTES" else len(data))])
    except OSError:
        pass  # what the server said is still to be read


with open(name, encoding="utf-8") as transcript:
    for number, text in enumerate(transcript, 1):
        kind, rest = text[:2], text[3:].rstrip("\n")
        if kind == "C:":
            send(rest.encode() + b"\r\n")
        elif kind == "X:":
            send(codecs.escape_decode(rest.encode())[0])
        elif kind in ("S:", "E:"):
            said = line()
            if said != (rest if kind == "S:" else "<eof>"):
                print("%s:%d: expected %r, got %r" % (name, number, rest, said))
                sys.exit(1)
        elif text.strip() and text[0] != "#":
            sys.exit("%s:%d: what is this?" % (name, number))
