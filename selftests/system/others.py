# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of packets that are none of greygate's business: echo requests, UDP, other TCP ports.

others.py ADDRESS...      one line for each question and what answered it
"""
import os
import socket
import struct
import sys
import time

PATIENCE = 10.0  # seconds; everything is answered, if only with a refusal
AGAIN = 0.1  # seconds until the same is asked again
PORTS = (26, 587)
ECHO = {socket.AF_INET: (socket.IPPROTO_ICMP, 8, 0), socket.AF_INET6: (socket.IPPROTO_ICMPV6, 128, 129)}


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def echo(family, address, size):
    protocol, ask, answer = ECHO[family]
    ident = os.getpid() & 0xFFFF
    body = bytes(size)
    head = struct.pack("!BBHHH", ask, 0, 0, ident, size)
    with socket.socket(family, socket.SOCK_RAW, protocol) as s:
        s.settimeout(AGAIN)
        end = time.monotonic() + PATIENCE
        # The kernel fills in the checksum of ICMPv6. The first packets may only find the path's MTU.
        ours = struct.pack("!BBHHH", ask, 0, checksum(head + body), ident, size) + body
        s.sendto(ours, (address, 0))
        while True:
            try:
                data, _ = s.recvfrom(65535)
            except TimeoutError:
                if time.monotonic() > end:
                    raise
                s.sendto(ours, (address, 0))
                continue
            if family == socket.AF_INET:
                data = data[(data[0] & 15) * 4:]
            # What answers an earlier question, of another size, may come late.
            if data[0] == answer and struct.unpack("!HH", data[4:8]) == (ident, size):
                return "answered, %d bytes" % len(data)


def connect(family, kind, address, port):
    with socket.socket(family, kind) as s:
        s.settimeout(PATIENCE)
        s.connect((address, port))
        s.settimeout(AGAIN)
        end = time.monotonic() + PATIENCE
        while True:
            s.send(b"x")
            try:
                s.recv(1)
                return "answered"
            except TimeoutError:
                if time.monotonic() > end:
                    raise


def say(words, ask, *args):
    try:
        print(words, ask(*args))
    except OSError as e:
        print(words, type(e).__name__)


for address in sys.argv[1:]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for size in (8, 1200, 4000):  # the last one in fragments
        say("%s echo %d:" % (address, size), echo, family, address, size)
    for port in PORTS:
        say("%s TCP %d:" % (address, port), connect, family, socket.SOCK_STREAM, address, port)
        say("%s UDP %d:" % (address, port), connect, family, socket.SOCK_DGRAM, address, port)
