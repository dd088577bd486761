# SPDX-License-Identifier: GPL-2.0-or-later
"""A client that makes its frames itself, for what no usual kernel sends.

frames.py INTERFACE MAC SOURCE SERVER [pieces|reversed] [tag=TPID:TCI]

Greets SERVER from SOURCE, which nobody on this machine has, by way of MAC; prints the banner and the first
line of the answer to EHLO. pieces: EHLO comes in two fragments; reversed: the later one first. tag: all frames
have this VLAN tag.
"""
import random
import select
import socket
import struct
import sys
import time

SYN, RST, ACK = 2, 4, 16
TCP, FRAGMENT = 6, 44
PIECE = 24  # bytes of the first one, TCP's header among them


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2 + len(data) % 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Client:
    def __init__(self, interface, mac, source, server, tag=b""):
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        self.six = family == socket.AF_INET6
        self.source, self.server = (socket.inet_pton(family, a) for a in (source, server))
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((interface, 0))
        self.ethernet = bytes.fromhex(mac.replace(":", "")) + self.socket.getsockname()[4] + tag
        self.port, self.next, self.heard = random.randrange(20000, 60000), random.getrandbits(31), 0

    def packet(self, payload, piece=None, number=0):
        """piece: where in the whole the payload stands, and whether more comes."""
        at, more = piece or (0, False)
        if self.six:
            if piece:
                payload = struct.pack("!BBHI", TCP, 0, at | more, number) + payload
            header = struct.pack("!IHBB", 6 << 28, len(payload), FRAGMENT if piece else TCP, 64)
            header += self.source + self.server
        else:
            header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), number & 0xffff, more << 13 | at // 8,
                                 64, TCP, 0) + self.source + self.server
            header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
        kind = b"\x86\xdd" if self.six else b"\x08\0"
        self.socket.send(self.ethernet + kind + header + payload)

    def send(self, flags, data=b"", how=()):
        segment = struct.pack("!HHIIBBHHH", self.port, 25, self.next, self.heard, 5 << 4, flags, 64240, 0, 0) + data
        pseudo = self.source + self.server + struct.pack("!HH", TCP, len(segment))
        segment = segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]
        number = random.getrandbits(32)
        pieces = [(segment[:PIECE], (0, True), number), (segment[PIECE:], (PIECE, False), number)]
        if "pieces" not in how and "reversed" not in how:
            pieces = [(segment,)]
        for piece in reversed(pieces) if "reversed" in how else pieces:
            self.packet(*piece)

    def receive(self, until):
        """What the server says next, b"" for no more than a SYN or an ACK; None: nothing came."""
        while select.select([self.socket], [], [], max(0, until - time.monotonic()))[0]:
            frame = self.socket.recv(65536)
            ip = frame[14:]
            if frame[12:14] != (b"\x86\xdd" if self.six else b"\x08\0") or ip[6 if self.six else 9] != TCP:
                continue
            addresses, size = (ip[8:40], struct.unpack("!H", ip[4:6])[0]) if self.six else \
                (ip[12:20], struct.unpack("!H", ip[2:4])[0] - 20)
            segment = ip[40:40 + size] if self.six else ip[20:20 + size]
            if addresses != self.server + self.source or struct.unpack("!HH", segment[:4]) != (25, self.port):
                continue
            number, flags = struct.unpack("!I", segment[4:8])[0], segment[13]
            data = segment[(segment[12] >> 4) * 4:]
            if flags & RST:
                return None
            if self.heard and number != self.heard:
                continue  # said before
            self.heard = number + len(data) + bool(flags & SYN) & 0xffffffff
            return data
        return None

    def line(self, repeat):
        """The server's next line. repeat() says again what may have been lost on the way."""
        heard, end = b"", time.monotonic() + 15
        while b"\n" not in heard and time.monotonic() < end:
            got = self.receive(min(end, time.monotonic() + 1))
            if got is None:
                repeat()
            elif got:
                self.send(ACK)
                heard += got
        return heard.decode(errors="replace").partition("\r\n")[0] or "<nothing>"


def main():
    interface, mac, source, server, *how = sys.argv[1:]
    tags = [h[4:].split(":") for h in how if h.startswith("tag=")]
    client = Client(interface, mac, source, server, b"".join(bytes.fromhex(t) for tag in tags for t in tag))
    end = time.monotonic() + 10
    client.send(SYN)
    while client.receive(time.monotonic() + 1) is None:
        if time.monotonic() > end:
            return print("<no connection>")
        client.send(SYN)
    client.next += 1
    client.send(ACK)
    print(client.line(lambda: client.send(ACK)))

    def hello():
        client.send(ACK, b"EHLO client.example.org\r\n", how)
    hello()
    print(client.line(hello))
    client.next += 25
    client.send(RST | ACK)


main()
