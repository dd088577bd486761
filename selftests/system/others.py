# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of packets that are none of greygate's business: echo requests, UDP, other TCP ports.

others.py ADDRESS...      one line for each question and what answered it
"""
import os
import socket
import struct
import sys
import time

PATIENCE = 1.0
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
    head = struct.pack("!BBHHH", ask, 0, 0, ident, 1)
    with socket.socket(family, socket.SOCK_RAW, protocol) as s:
        s.settimeout(PATIENCE)
        # The kernel fills in the checksum of ICMPv6. The first packets may only find the path's MTU.
        for _ in range(3):
            s.sendto(struct.pack("!BBHHH", ask, 0, checksum(head + body), ident, 1) + body, (address, 0))
            time.sleep(0.02)
        while True:
            data, _ = s.recvfrom(65535)
            if family == socket.AF_INET:
                data = data[(data[0] & 15) * 4:]
            if data[0] == answer and struct.unpack("!H", data[4:6])[0] == ident:
                return "answered, %d bytes" % len(data)


def connect(family, kind, address, port):
    with socket.socket(family, kind) as s:
        s.settimeout(PATIENCE)
        s.connect((address, port))
        s.send(b"x")
        s.recv(1)
        return "answered"


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
