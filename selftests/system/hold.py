# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that keep sessions, or their side of one, longer than they should.

hold.py open SOURCE SERVER,PORT COUNT FILE    opens COUNT connections, one after the other, waits for
        the first bytes of each, then makes FILE and holds them until FILE is gone; prints how many were
        greeted and how many were refused
hold.py call SOURCE SERVER,PORT COUNT FILE    the same, and each asks for one of user1, user2, ... from the
        null sender before the next one comes; prints how often it was told what
hold.py send SOURCE SERVER,PORT COUNT FILE    the same for user1 from a sender; in the end who was told 250
        sends a message, and how many of them were taken is printed
hold.py trickle SOURCE SERVER,PORT SECONDS    sends a command a byte at a time, so many SECONDS apart,
        and prints what it hears in the end
hold.py deaf SOURCE SERVER,PORT               pipelines EHLO after EHLO, reads nothing, and prints how
        it ends
"""
import os
import socket
import sys
import time

from dialog import reply, say


def connect():
    host, port = sys.argv[3].rsplit(",", 1)
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    s.settimeout(60)
    if sys.argv[1] == "deaf":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    s.bind((sys.argv[2], 0))
    s.connect((host, int(port)))
    return s


def wait():
    with open(sys.argv[5], "w"):
        pass
    while os.path.exists(sys.argv[5]):
        time.sleep(0.05)


def hold():
    held = []
    refused = 0
    for _ in range(int(sys.argv[4])):
        s = connect()
        if s.recv(1) == b"2":
            held.append(s)
        else:
            refused += 1
    print("greeted=%d refused=%d" % (len(held), refused), flush=True)
    wait()


def ask(envelopes):
    """One session for each; the sockets by what they were told, which is printed."""
    said = {}
    for sender, user in envelopes:
        s = connect()
        reply(s)
        say(s, b"EHLO client.example.org", b"MAIL FROM:<%s>" % sender)
        s.sendall(b"RCPT TO:<user%d@example.net>\r\n" % user)
        said.setdefault(reply(s)[:3].decode(), []).append(s)
    print(*sorted("%s=%d" % (code, len(held)) for code, held in said.items()), flush=True)
    return said


def call():
    held = ask((b"", i + 1) for i in range(int(sys.argv[4])))
    wait()
    held.clear()


def send():
    held = ask((b"held@sender.example", 1) for _ in range(int(sys.argv[4])))
    wait()
    taken = 0
    for s in held.get("250", []):
        say(s, b"DATA")
        s.sendall(b"Subject: held\r\n\r\nheld\r\n.\r\n")
        taken += reply(s).startswith(b"250")
        say(s, b"QUIT")
    print("delivered=%d" % taken)


def trickle():
    s = connect()
    s.recv(4096)
    got = b""
    s.settimeout(float(sys.argv[4]))
    for _ in range(60):
        try:
            s.sendall(b"N")
            got = s.recv(4096)
            break
        except TimeoutError:
            continue
        except OSError as error:
            got = str(error).encode()
            break
    print(got.decode().strip() or "<eof>")


def deaf():
    s = connect()
    s.recv(4096)
    lines = b"EHLO deaf.example.org\r\n" * 50
    s.settimeout(15)
    try:
        while True:
            s.sendall(lines)
    except TimeoutError:
        print("still there")
    except OSError:
        print("closed")


{"open": hold, "call": call, "send": send, "trickle": trickle, "deaf": deaf}[sys.argv[1]]()
