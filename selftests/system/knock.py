# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections of a client that is no mail server.

knock.py hold SOURCE SERVER FILE    connects, wants a banner, says EHLO, waits until FILE exists, ends;
                                    prints what happened
knock.py flood SOURCE SERVER PER_SECOND SECONDS    connects and lets go; prints how many were answered
knock.py pace SOURCE SERVER PER_SECOND,SECONDS...    the same at one pace after the other; prints how many
                                                     were answered at once, of each
knock.py ports SOURCE SERVER FIRST COUNT    so many connections in one go, by ports from FIRST on; prints
                                            how many were greeted by which host, and who was not
"""
import collections
import os
import select
import socket
import sys
import time


def open_from(source, server, port=0):
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM)
    s.bind((source, port))
    s.setblocking(False)
    s.connect_ex((server, 25))
    return s


def hold(source, server, path):
    s = open_from(source, server)
    if not select.select([], [s], [], 30)[1] or s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        return print("not connected")
    print("connected", flush=True)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # no orphan stays behind
    s.send(b"EHLO bot.example.org\r\n")
    end = time.monotonic() + 200  # the probes come at longer and longer intervals
    while time.monotonic() < end:
        if select.select([s], [], [], 0.05)[0]:
            try:
                print("banner" if s.recv(100) else "closed")
            except OSError as e:
                print("reset" if isinstance(e, ConnectionResetError) else e)
            return None
        if os.path.exists(path):
            return print("silent")
    return print("silent for long")


def flood(source, server, rate, seconds):
    begin = time.monotonic()
    n = answered = 0
    opened = []
    while time.monotonic() < begin + seconds:
        opened.append(open_from(source, server))
        n += 1
        if len(opened) > 30:
            s = opened.pop(0)
            answered += bool(select.select([], [s], [], 0)[1])
            s.close()
        time.sleep(max(0, begin + n / rate - time.monotonic()))
    print(f"{n} {answered}")


def pace(source, server, phases):
    for phase in phases:
        rate, seconds = map(float, phase.split(","))
        begin = time.monotonic()
        opened = []
        while time.monotonic() < begin + seconds:
            opened.append(open_from(source, server))
            time.sleep(max(0, begin + len(opened) / rate - time.monotonic()))
        time.sleep(0.05)
        answered = len(select.select([], opened, [], 0)[1])
        print(f"{len(opened)} {answered}", flush=True)
        for s in opened:
            s.close()


def greeted_by(s):
    s.settimeout(60)
    try:
        banner = s.makefile("rb").readline().split()
        s.sendall(b"QUIT\r\n")
    except OSError as e:
        return "<%s>" % e
    return banner[1].decode() if len(banner) > 1 else "<nobody>"


def ports(source, server, first, count):
    opened = [open_from(source, server, port) for port in range(first, first + count)]
    tally = collections.Counter(greeted_by(s) for s in opened)
    print(*("%d %s" % (n, host) for host, n in sorted(tally.items())))


if sys.argv[1] == "hold":
    hold(*sys.argv[2:5])
elif sys.argv[1] == "pace":
    pace(*sys.argv[2:4], sys.argv[4:])
elif sys.argv[1] == "ports":
    ports(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
else:
    flood(sys.argv[2], sys.argv[3], float(sys.argv[4]), float(sys.argv[5]))
