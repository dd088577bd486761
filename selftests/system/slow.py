# SPDX-License-Identifier: GPL-2.0-or-later
"""A client that pipelines a whole envelope and reads nothing until later, through a small window.

slow.py SOURCE SERVER,PORT RECIPIENTS [SECONDS]: prints how many replies came to how many commands.
"""
import socket
import sys
import time

source, target, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
pause = float(sys.argv[4]) if len(sys.argv) > 4 else 1.5
host, port = target.rsplit(",", 1)
family = socket.AF_INET6 if ":" in host else socket.AF_INET
s = socket.socket(family)
s.settimeout(60)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
s.bind((source, 0))
s.connect((host, int(port)))
got = b""


def replies():
    return [l for l in got.split(b"\r\n")[:-1] if l[3:4] == b" "]


def read_until(n):
    global got
    while len(replies()) < n:
        data = s.recv(65536)
        if not data:
            break
        got += data


read_until(1)
s.sendall(b"EHLO slow.example.org\r\n")
read_until(2)
commands = [b"MAIL FROM:<a@sender.example>"]
commands += [b"RCPT TO:<user%d@example.net>" % i for i in range(count)]
commands += [b"NOOP", b"QUIT"]
s.sendall(b"\r\n".join(commands) + b"\r\n")
time.sleep(pause)
try:
    read_until(2 + len(commands))
except TimeoutError:
    pass
print("%d replies to %d commands, the last one %s" % (
    len(replies()) - 2, len(commands), replies()[-1][:3].decode()))
