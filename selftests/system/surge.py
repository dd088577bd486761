# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that come as fast as they are served, until they are told to stop.

surge.py SOURCE SERVER CLIENTS STOP [PORT]  each of CLIENTS connects from SOURCE, says EHLO and NOOP, QUIT,
                                            and begins again, until the file STOP is there; all to port 25,
                                            or one to each port from PORT on
Prints how many sessions had all their answers, how many did not (refused, reset, cut off, late), how
many of those were late, and an example.
"""
import os
import socket
import sys
import threading

source, server, clients, stop = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
first = int(sys.argv[5]) if len(sys.argv) > 5 else None
lock = threading.Lock()
whole = broken = late = 0
example = ""


def reply(f):
    while True:
        line = f.readline()
        if not line.endswith(b"\r\n"):
            raise OSError("cut off at %r" % line)
        if line[3:4] != b"-":
            return line


def session(port):
    s = socket.create_connection((server, port), 60, (source, 0))
    with s, s.makefile("rb") as f:
        for command, code in ((b"", b"220"), (b"EHLO surge.example.org", b"250"), (b"NOOP", b"250"), (b"QUIT", b"221")):
            if command:
                s.sendall(command + b"\r\n")
            line = reply(f)
            if not line.startswith(code):
                raise OSError("%r answered %r" % (command, line))


def run(port):
    global whole, broken, late, example
    while not os.path.exists(stop):
        try:
            session(port)
            with lock:
                whole += 1
        except OSError as error:
            with lock:
                broken += 1
                late += isinstance(error, TimeoutError)
                example = repr(error)


threads = [threading.Thread(target=run, args=(25 if first is None else first + i,)) for i in range(clients)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print("whole=%d broken=%d late=%d" % (whole, broken, late), example)
