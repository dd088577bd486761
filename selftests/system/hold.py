# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that keep sessions, or their side of one, longer than they should.

hold.py open SOURCE SERVER,PORT COUNT FILE    opens COUNT connections, one after the other, waits for
        the first bytes of each, then makes FILE and holds them until FILE is gone; prints how many were
        greeted and how many were refused
hold.py call SOURCE SERVER,PORT COUNT FILE    the same, and each asks for one of user1, user2, ... from the
        null sender before the next one comes; prints how often it was told what
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
    s.settimeout(20)
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


def call():
    held = []
    said = {}
    for i in range(int(sys.argv[4])):
        s = connect()
        held.append(s)
        reply(s)
        say(s, b"EHLO client.example.org", b"MAIL FROM:<>")
        s.sendall(b"RCPT TO:<user%d@example.net>\r\n" % (i + 1))
        code = reply(s)[:3].decode()
        said[code] = said.get(code, 0) + 1
    print(*sorted("%s=%d" % c for c in said.items()), flush=True)
    wait()


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


{"open": hold, "call": call, "trickle": trickle, "deaf": deaf}[sys.argv[1]]()
