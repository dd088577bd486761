#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A name server with a script: answers from a file, well or badly.

dnsd.py [--mode FILE] ADDRESS PORT ZONE.json [ZONE.json#N ...]

A zone is a JSON object of names, each with a list of [TYPE, VALUE] or ["TIMEOUT"]; FILE#N is the zone of
scenario N of a test suite (selftests/data). Each zone listens on a port of its own, from PORT upwards, over
UDP and TCP. The mode is read from a file before every answer, so that a test can change it:

  ok          the answer; NXDOMAIN for what is not in the zone
  dead        nothing
  slow S      the answer after S seconds
  lying       wrong id, wrong question and garbage, from the right address, and then the answer
  wild        127.0.0.1, 192.0.2.1 or what else is no DNS list's reply, to every A question
  truncate    cut over UDP, whole over TCP
  servfail, refused, nxdomain
"""
import asyncio
import ipaddress
import json
import os
import struct
import sys

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
NAMES = {v: k for k, v in TYPES.items()}
asked = {}


def pack_name(name):
    out = b""
    for label in name.rstrip(".").split("."):
        raw = label.encode()
        if raw and len(raw) < 64:
            out += bytes([len(raw)]) + raw
    return out + b"\0"


def read_name(data, at):
    labels = []
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode(errors="replace"))
        at += 1 + data[at]
    return ".".join(labels).lower(), at + 1


def pack_data(kind, value):
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind == "MX":
        return struct.pack("!H", value[0]) + pack_name(value[1])
    if kind == "TXT":
        pieces = [p.encode() for p in ([value] if isinstance(value, str) else value)]
        pieces = [p[i:i + 255] for p in pieces for i in range(0, max(len(p), 1), 255)]
        return b"".join(bytes([len(p)]) + p for p in pieces) or b"\0"
    return pack_name(value)


def record(name, kind, value, ttl=300):
    data = pack_data(kind, value)
    return pack_name(name) + struct.pack("!HHIH", TYPES[kind], 1, ttl, len(data)) + data


class Zone:
    def __init__(self, spec, mode):
        path, _, number = spec.partition("#")
        with open(path, encoding="utf-8") as f:
            data = json.load(f)
        if number:
            data = data["scenarios"][int(number)]["zone"]
        # As on the wire, where a label can't be empty.
        self.names = {read_name(pack_name(k), 0)[0]: v for k, v in data.items()}
        self.mode = mode

    def mode_now(self):
        try:
            with open(self.mode, encoding="utf-8") as f:
                return f.read().split() or ["ok"]
        except (OSError, TypeError):
            return ["ok"]

    def lookup(self, name, kind):
        """Packed answers, whether the name exists, whether nothing is to be said."""
        out, exists = [], False
        for _ in range(8):
            rows = self.names.get(name)
            if rows is None:
                break
            exists = True
            found = [record(name, kind, r[1]) for r in rows if r[0] == kind]
            out += found
            alias = [r[1] for r in rows if r[0] == "CNAME"]
            if found or not alias:
                return out, True, not found and ["TIMEOUT"] in rows
            out.append(record(name, "CNAME", alias[0]))
            name = alias[0].rstrip(".").lower()
        return out, exists, False

    def answer(self, query, tcp, mode):
        """Bytes to send, or None."""
        ident, = struct.unpack("!H", query[:2])
        name, at = read_name(query, 12)
        kind = NAMES.get(struct.unpack("!H", query[at:at + 2])[0], "?")
        question = query[12:at + 4]
        asked[kind] = asked.get(kind, 0) + 1
        rcode = {"servfail": 2, "nxdomain": 3, "refused": 5}.get(mode)
        out, exists, silent = self.lookup(name, kind)
        if mode == "wild" and kind == "A":
            out, exists, silent = [record(name, "A", a) for a in ("192.0.2.1", "127.0.0.2")], True, False
        if mode == "dead" or (silent and rcode is None):
            return None
        if rcode is not None:
            out = []
        else:
            rcode = 0 if exists else 3
        flags = 0x8180 | rcode
        whole = struct.pack("!HHHHHH", ident, flags, 1, len(out), 0, 0) + question + b"".join(out)
        if not tcp and (mode == "truncate" or len(whole) > 1232):
            return struct.pack("!HHHHHH", ident, flags | 0x200, 1, 0, 0, 0) + question
        return whole


class Udp(asyncio.DatagramProtocol):
    def __init__(self, zone):
        self.zone = zone

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        mode = self.zone.mode_now()
        out = self.zone.answer(data, False, mode[0])
        if out is None:
            return
        if mode[0] == "lying":
            self.transport.sendto(bytes([out[0] ^ 1]) + out[1:], addr)
            self.transport.sendto(out[:12] + b"\3lie\0" + out[12:], addr)
            self.transport.sendto(out[:7], addr)
            self.transport.sendto(out[:6] + b"\xff\xff" + out[8:12] + b"\xc0\x0c" * 9, addr)
        delay = float(mode[1]) if mode[0] == "slow" else 0
        asyncio.get_running_loop().call_later(delay, self.transport.sendto, out, addr)


def tcp(zone):
    async def serve(reader, writer):
        try:
            while True:
                size, = struct.unpack("!H", await reader.readexactly(2))
                query = await reader.readexactly(size)
                mode = zone.mode_now()
                out = zone.answer(query, True, mode[0])
                asked["tcp"] = asked.get("tcp", 0) + 1
                if mode[0] == "slow":
                    await asyncio.sleep(float(mode[1]))
                if out is not None:
                    writer.write(struct.pack("!H", len(out)) + out)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
    return serve


async def main(args):
    mode = None
    if args[0] == "--mode":
        mode = args[1]
        args = args[2:]
    address, port = args[0], int(args[1])
    loop = asyncio.get_running_loop()
    keep = []
    for i, spec in enumerate(args[2:]):
        zone = Zone(spec, mode)
        keep.append(await loop.create_datagram_endpoint(lambda z=zone: Udp(z), (address, port + i)))
        keep.append(await asyncio.start_server(tcp(zone), address, port + i))
    print("ready", os.getpid(), flush=True)
    while True:
        await asyncio.sleep(0.2)
        if mode:
            with open(mode + ".asked.new", "w", encoding="utf-8") as f:
                json.dump(asked, f)
            os.replace(mode + ".asked.new", mode + ".asked")


asyncio.run(main(sys.argv[1:]))
