# SPDX-License-Identifier: GPL-2.0-or-later
"""A mail server that misbehaves on request.

backend.py ADDRESS,PORT DIRECTORY [--xclient] [--tls=PEM] [STAGE=BEHAVIOUR]...

STAGE: banner ehlo mail rcpt data text dot bdat rset quit xclient starttls shake (text: in the middle
of a message or of a chunk; bdat: to a chunk that is not the last one, whose answer is dot's; shake:
after the client's first words of the handshake)
BEHAVIOUR: a reply of one's own ("450 4.2.0 busy", \\r\\n escapes understood), or
  close      closes the connection instead of answering
  reset      the same with a RST
  hang       answers nothing any more
  garbage    answers with something that is no SMTP reply
  endless    answers with a reply that never ends
  await:FILE answers as ever once DIRECTORY/FILE is there
  slow:N     (text) reads N KiB a second for as long as it is told to
  stop       (text) reads nothing any more for as long as it is told to
  once:HOW   (in a file) one of the above, the next time only

--tls: offers STARTTLS, with the certificate and key in that file.
known=REGEX: recipients that it does not match are refused with 550 5.1.1.

The behaviour is read from DIRECTORY/STAGE if that file is there, so that it can change while the
server runs. Messages that were answered 250 lie in DIRECTORY/*.eml, those broken off in
DIRECTORY/*.part; DIRECTORY/log has a line for each command.
"""
import codecs
import itertools
import os
import re
import socket
import ssl
import struct
import sys
import threading
import time

args = sys.argv[3:]
directory = sys.argv[2]
xclient = "--xclient" in args
pem = next((a[6:] for a in args if a.startswith("--tls=")), None)
table = dict(a.split("=", 1) for a in args if "=" in a)
numbers = itertools.count(1)
log = open(os.path.join(directory, "log"), "a", buffering=1)


class Over(Exception):
    pass


def behaviour(stage):
    try:
        path = os.path.join(directory, stage)
        with open(path) as f:
            how = f.read().strip()
        if how.startswith("once:"):
            os.unlink(path)
        return how.removeprefix("once:")
    except FileNotFoundError:
        return table.get(stage)


def unknown(line):
    known = behaviour("known")
    address = line.decode("latin-1").partition("<")[2].partition(">")[0]
    return known and not re.search(known, address)


def act(sock, stage, reply, keep=None):
    """Answers as it is told to. keep: done before a 2xx goes out, so that whoever reads it finds it done."""
    how = behaviour(stage) or reply
    if how.startswith("await:"):
        while not os.path.exists(os.path.join(directory, how[6:])):
            time.sleep(0.01)
        how = reply
    if how == "close":
        raise Over
    if how == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Over
    if how == "stop":
        while behaviour(stage) == how:
            time.sleep(0.05)
        raise Over
    if how == "hang":
        while sock.recv(65536):
            pass
        raise Over
    if how == "garbage":
        sock.sendall(b"\x00\xff\x16\x03\x01 this is not SMTP\r\n")
        return "garbage"
    if how == "endless":
        for _ in range(100000):
            sock.sendall(b"250-more\r\n")
        return how
    if keep and how.startswith("2"):
        keep()
    sock.sendall(codecs.escape_decode(how.encode())[0] + b"\r\n")
    return how


class Reader:
    """Lines, and messages up to their lone dot; what follows it stays for the next line."""

    def __init__(self, sock):
        self.sock = sock
        self.rest = b""

    def fill(self, size=65536):
        data = self.sock.recv(size)
        self.rest += data
        return bool(data)

    def line(self):
        while b"\n" not in self.rest:
            if not self.fill():
                return b""
        line, self.rest = self.rest.split(b"\n", 1)
        return line + b"\n"

    def message(self, out):
        how = behaviour("text")
        slow = how and how.startswith("slow:")
        self.rest = b"\r\n" + self.rest
        first, seen = 2, 0
        while True:
            end = self.rest.find(b"\r\n.\r\n")
            keep = len(self.rest) - 4 if end < 0 else end + 5
            if keep > 0:
                out.write(self.rest[first:keep])
                seen += keep
                first = 0
                self.rest = self.rest[keep:]
            if how and not slow and (seen > 20000 or end >= 0):
                act(self.sock, "text", "close")
                raise Over
            if end >= 0:
                return True
            if slow:
                time.sleep(0.05)
                how = behaviour("text")
                slow = how and how.startswith("slow:")
            if not self.fill(int(how[5:]) * 1024 // 20 if slow else 65536):
                return False

    def chunk(self, out, size):
        while size:
            how = behaviour("text")
            if not self.rest and not self.fill(min(size, 65536)):
                return False
            if how and not how.startswith("slow:"):
                act(self.sock, "text", "close")
                raise Over
            piece, self.rest = self.rest[:size], self.rest[size:]
            out.write(piece)
            size -= len(piece)
            if how:
                time.sleep(len(piece) / 1024 / int(how[5:]))
        return True


def serve(sock):
    reader = Reader(sock)
    number = next(numbers)
    base = os.path.join(directory, "%d.%d" % (os.getpid(), number))
    name = base + ".part"
    count = recipients = 0
    named = secured = False
    chunks = None
    try:
        act(sock, "banner", "220 backend.example.net ESMTP")
        while True:
            line = reader.line()
            if not line:
                break
            log.write("%d %s\n" % (number, line.decode("latin-1").rstrip()))
            verb = line.split()[0].upper().decode("latin-1") if line.split() else ""
            if verb == "EHLO":
                offers = ["backend.example.net", "PIPELINING", "SIZE 104857600", "8BITMIME"]
                if pem and not secured:
                    offers.append("STARTTLS")
                if xclient and not named:
                    offers.append("XCLIENT NAME ADDR PORT PROTO HELO")
                text = "\r\n".join("250-" + o for o in offers[:-1]) + "\r\n250 " + offers[-1]
                act(sock, "ehlo", text)
            elif verb == "HELO":
                act(sock, "helo", "250 backend.example.net")
            elif verb == "STARTTLS":
                act(sock, "starttls", "220 2.0.0 go on")
                if behaviour("shake"):
                    reader.fill()
                    act(sock, "shake", "close")
                    raise Over
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(pem)
                sock = reader.sock = context.wrap_socket(sock, server_side=True)
                secured = True
            elif verb == "XCLIENT":
                named = True
                act(sock, "xclient", "220 backend.example.net ESMTP")
            elif verb == "MAIL":
                chunks = None
                act(sock, "mail", "250 2.1.0 sender fine")
                recipients = 0
            elif verb == "RCPT" and unknown(line):
                act(sock, "unknown", "550 5.1.1 no such user here")
            elif verb == "RCPT":
                recipients += act(sock, "rcpt", "250 2.1.5 recipient fine").startswith("2")
            elif verb == "DATA":
                reply = "354 go on" if recipients else "554 5.5.1 no recipients"
                if not act(sock, "data", reply).startswith("3"):
                    continue
                count += 1
                with open(name, "wb") as out:
                    whole = reader.message(out)
                if not whole:
                    break
                kept = "%s-%d.eml" % (base, count)
                act(sock, "dot", "250 2.0.0 stored as %d" % number, lambda: os.rename(name, kept))
            elif verb == "BDAT":
                words = line.split()
                if not chunks:
                    count += 1
                    chunks = open(name, "wb")
                if not reader.chunk(chunks, int(words[1])):
                    break
                if len(words) == 2:
                    act(sock, "bdat", "250 2.0.0 %s octets" % words[1].decode())
                    continue
                chunks.close()
                chunks = None
                reply = "250 2.0.0 stored as %d" % number if recipients else "503 5.5.1 no recipients"
                kept = "%s-%d.eml" % (base, count)
                act(sock, "dot", reply, lambda: os.rename(name, kept))
            elif verb == "RSET":
                act(sock, "rset", "250 2.0.0 ok")
            elif verb == "QUIT":
                act(sock, "quit", "221 2.0.0 bye")
                break
            else:
                act(sock, "other", "500 5.5.1 what")
    except (Over, OSError):
        pass
    log.write("%d <end>\n" % number)
    sock.close()


def main():
    address, _, port = sys.argv[1].partition(",")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Little room in the kernel, so that a slow reader is felt at once.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 131072)
    listener.bind((address, int(port)))
    listener.listen(256)
    log.write("0 <listening>\n")
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


main()
