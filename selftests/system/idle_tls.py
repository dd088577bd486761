# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds TLS sessions that say nothing more.

idle_tls.py SERVER COUNT HELD RELEASE     creates HELD when all stand, ends when RELEASE is there
"""
import os
import sys
import time

from dialog import connect, context, say

NAME = b"idle.example.org"
server, count, held, release = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]


def begin():
    sock = connect(server, NAME)
    say(sock, b"STARTTLS")
    sock = context.wrap_socket(sock)
    say(sock, b"EHLO " + NAME)
    return sock


sessions = [begin() for _ in range(count)]
open(held, "w").close()
end = time.monotonic() + 240  # those who come after them take their time on a busy machine
while not os.path.exists(release) and time.monotonic() < end:
    time.sleep(0.05)
