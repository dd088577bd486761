# SPDX-License-Identifier: GPL-2.0-or-later
"""Many clients at once, each from an address of its own in 127.0.0.0/8.

crowd.py SERVER PORT CLIENTS     prints how many had their message taken, how many were put off, how
                                 many saw anything else (with one example)
All of them connect and wait for each other after EHLO, so that they really are open together.
"""
import asyncio
import sys

server, port, clients = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
tally = {"taken": 0, "deferred": 0, "other": 0}
arrived = 0
together = asyncio.Event()
example = ""


async def reply(reader):
    while True:
        line = (await reader.readline()).decode("latin-1")
        if line[3:4] != "-":
            return line.strip()


async def one(number):
    global arrived, example
    here = False
    try:
        source = "127.%d.%d.%d" % (number // 60000 + 1, number // 250 % 240 + 1, number % 250 + 1)
        reader, writer = await asyncio.open_connection(server, port, local_addr=(source, 0))
        last = await reply(reader)
        writer.write(b"EHLO crowd.example.org\r\n")
        last = await reply(reader)
        arrived += 1
        here = True
        if arrived == clients:
            together.set()
        await together.wait()
        for line in (
            "MAIL FROM:<c%d@crowd.example>" % number,
            "RCPT TO:<user1@example.net>",
            "DATA",
            "Subject: %d\r\n\r\nhello\r\n." % number,
        ):
            writer.write(line.encode() + b"\r\n")
            last = await reply(reader)
            if not last.startswith(("2", "3")):
                break
        key = "taken" if last.startswith("250") else "deferred" if last.startswith("4") else "other"
        tally[key] += 1
        if key == "other":
            example = last or "<eof>"
        writer.write(b"QUIT\r\n")
        await reply(reader)
        writer.close()
    except OSError as error:
        tally["other"] += 1
        example = str(error)
    if not here:
        arrived += 1
        if arrived == clients:
            together.set()


async def main():
    await asyncio.wait_for(asyncio.gather(*(one(i) for i in range(clients))), 60)
    print("taken=%(taken)d deferred=%(deferred)d other=%(other)d" % tally, example)


asyncio.run(main())
