# SPDX-License-Identifier: GPL-2.0-or-later
"""An SMTP client that does what it is told, byte by byte, and prints the conversation.

talk.py SOURCE SERVER[,PORT] STEP...      SOURCE "" leaves the choice to the kernel, as does a
                                          missing $SOURCE_PORT, and the next one then is none
                                          of the last thousands; $PADDING: bytes of IP options,
                                          or of an IPv6 destination header, that say nothing

Output: "C: " what was sent, "S: " a reply line, "T: name ms" a time. S: <eof>, <reset>, <timeout>
say how a read ended, T: connect <refused> and the like how a connect did (exit code 2).

A STEP is a command line (sent with CRLF; its whole reply is read) or one of
  :send TEXT       bytes with \\r \\n \\0 \\xHH escapes, no reply read
  :bytes TEXT      the same, a segment for each byte
  :cut N TEXT      the same, in two segments, the first one N bytes long
  :reply [N]       reads N replies (1)
  :body FILE       message, dot-stuffed, CRLF, and the final dot; reads the reply ("-": a small one)
  :part FILE       message without the final dot, no reply read
  :fill MB         that many MB of message text, no dot
  :dot             the final dot; reads the reply
  :chunks FILE N...    the file with CRLF in chunks (BDAT) of N bytes each, the last N again and again
                       up to the last one; reads every reply, stops at one that is no 250
  :bigchunks MB N      that many MB of message text in the same way
  :if CODE         goes on only if the last reply began with CODE, else straight to the last step
  :map PIN ADDRESS VERDICT   polls a pinned map; T: map, ms since the last reply
  :gone PIN ADDRESS          until there is no entry
  :kill PID        SIGKILL, at once after the last reply
  :touch FILE  :await FILE  :sleep S
  :tls [VERSION]   the handshake, after STARTTLS (VERSION: 1.2 or 1.3)
  :reads           T: reads, how many pieces have come since the last :reads; inside TLS at most a
                   record each
  :quiet           from here on only replies and times are printed
  :nobanner        (first step) does not read the banner
  :eof             reads until the server closes
  :last TEXT       bytes with escapes, and the FIN in the same segment
  :reset :close    leaves with a RST, with a FIN, when all that was sent has been received
"""
import codecs
import ctypes
import fcntl
import ipaddress
import itertools
import os
import signal
import socket
import ssl
import struct
import sys
import termios
import time

# linux/in.h: the port is chosen by connect, which goes from one to the next; bind draws one.
IP_BIND_ADDRESS_NO_PORT = 24
LIMIT = float(os.environ.get("TALK_TIMEOUT", "30"))
AWAITED = max(LIMIT, 60)  # what a test has yet to do is no matter of the server's
SMALL = "From: <a@example.org>\nSubject: hello\nMessage-Id: <%s@example.org>\n\nHello, world.\n.\n..\n"


def say(text):
    print(text, flush=True)


def unescape(text):
    return codecs.escape_decode(text.encode())[0]


def stuffed(data):
    data = data.replace(b"\r\n", b"\n")
    if not data.endswith(b"\n"):
        data += b"\n"
    data = data.replace(b"\n.", b"\n..")
    if data.startswith(b"."):
        data = b"." + data
    return data.replace(b"\n", b"\r\n")


class Gone(Exception):
    pass


class Talk:
    def __init__(self, source, server, maps):
        address, _, port = server.partition(",")
        self.buffer = b""
        self.code = ""
        self.replied = 0.0
        self.quiet = False
        self.reads = 0
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(LIMIT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            self.sock.bind((source, int(os.environ.get("SOURCE_PORT", "0"))))
        padding = int(os.environ.get("PADDING", "0"))
        if padding and family == socket.AF_INET:
            self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\1" * padding)
        elif padding:
            header = bytes([0, padding // 8 - 1])
            while len(header) < padding:
                size = min(padding - len(header) - 2, 250)
                header += bytes([0x1E, size]) + bytes(size)  # passed over by who doesn't know it
            self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, header)
        self.lib = ctypes.CDLL("libbpf.so.1", use_errno=True) if maps else None
        self.started = time.monotonic()
        try:
            self.sock.connect((address, int(port or 25)))
        except ConnectionRefusedError:
            say("T: connect <refused>")
            sys.exit(2)
        except socket.timeout:
            say("T: connect <timeout>")
            sys.exit(2)
        except OSError as error:
            say("T: connect <%s>" % error)
            sys.exit(2)

    def read(self):
        try:
            data = self.sock.recv(65536)
        except socket.timeout:
            raise Gone("<timeout>")
        except OSError:
            raise Gone("<reset>")
        if not data:
            raise Gone("<eof>")
        self.buffer += data
        self.reads += 1

    def line(self):
        while b"\n" not in self.buffer:
            self.read()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode("latin-1")

    def reply(self):
        while True:
            line = self.line()
            say("S: " + line)
            if line[3:4] != "-":
                break
        self.code = line[:3]
        self.replied = time.monotonic()

    def banner(self):
        """Reads the greeting and tells how it came: a stutter is many reads of a byte or so."""
        first = last = None
        pieces = 0
        while b"\n" not in self.buffer:
            self.read()
            last = time.monotonic()
            first = first or last
            pieces += 1
        self.reply()
        say("T: first %.1f" % ((first - self.started) * 1000))
        say("T: banner %.1f" % ((last - first) * 1000))
        say("T: whole %.1f" % ((last - self.started) * 1000))
        say("T: pieces %d" % pieces)

    def send(self, data):
        try:
            self.sock.sendall(data)
        except socket.timeout:
            raise Gone("<timeout>")
        except OSError:
            # What the server said before it closed is still to be read.
            pass

    def received(self):
        """Waits for the last acknowledgment: a RST takes with it what has not left yet."""
        end = time.monotonic() + LIMIT
        while struct.unpack("i", fcntl.ioctl(self.sock, termios.TIOCOUTQ, bytes(4)))[0]:
            if self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return
            if time.monotonic() > end:
                raise Gone("<timeout>")
            time.sleep(0.001)

    def body(self, name):
        if name == "-":
            data = (SMALL % time.time_ns()).encode()
        else:
            with open(name, "rb") as f:
                data = f.read()
        self.send(stuffed(data))

    def chunks(self, data, sizes):
        at = 0
        for n in itertools.chain(sizes, itertools.repeat(sizes[-1])):
            last = at + n >= len(data)
            piece = data[at : at + n]
            self.send(b"BDAT %d%s\r\n" % (len(piece), b" LAST" if last else b"") + piece)
            self.reply()
            at += n
            if last or self.code != "250":
                return

    def tls(self, version):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if version:
            context.minimum_version = ssl.TLSVersion["TLSv" + version.replace(".", "_")]
            context.maximum_version = context.minimum_version
        try:
            self.sock = context.wrap_socket(self.sock)
        except ssl.SSLError as error:
            raise Gone("<tls: %s>" % error.reason)
        except OSError:
            raise Gone("<tls: no answer>")
        say("T: tls " + self.sock.version())

    def poll_map(self, pin, address, verdict):
        fd = self.lib.bpf_obj_get(pin.encode())
        if fd < 0:
            say("T: map <no pin %s>" % pin)
            sys.exit(3)
        key = ipaddress.ip_address(address).packed
        value = ctypes.create_string_buffer(256)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            found = 0
            if self.lib.bpf_map_lookup_elem(fd, key, value) == 0:
                found = struct.unpack_from("=I", value.raw)[0]
            if found == verdict:
                say("T: map %.1f" % ((time.monotonic() - self.replied) * 1000))
                return
            time.sleep(0.0002)
        say("T: map <never>")

    def step(self, text):
        word, _, rest = text.partition(" ")
        if not text.startswith(":"):
            if not self.quiet:
                say("C: " + text)
            self.send(text.encode("utf-8", "surrogateescape") + b"\r\n")
            self.reply()
        elif word == ":send":
            self.send(unescape(rest))
        elif word == ":bytes":
            data = unescape(rest)
            for i in range(len(data)):
                self.send(data[i : i + 1])
                time.sleep(0.002)
        elif word == ":cut":
            at, _, rest = rest.partition(" ")
            data = unescape(rest)
            self.send(data[: int(at)])
            time.sleep(0.01)
            self.send(data[int(at) :])
        elif word == ":reply":
            for _ in range(int(rest or 1)):
                self.reply()
        elif word == ":body":
            self.body(rest)
            self.send(b".\r\n")
            self.reply()
        elif word == ":part":
            self.body(rest)
        elif word == ":fill":
            block = (b"x" * 76 + b"\r\n") * 13443
            for _ in range(int(rest)):
                self.send(block)
        elif word == ":chunks":
            name, *sizes = rest.split()
            with open(name, "rb") as f:
                self.chunks(f.read().replace(b"\n", b"\r\n"), [int(n) for n in sizes])
        elif word == ":bigchunks":
            size, n = rest.split()
            self.chunks((b"x" * 76 + b"\r\n") * 13443 * int(size), [int(n)])
        elif word == ":dot":
            self.send(b".\r\n")
            self.reply()
        elif word == ":map":
            pin, address, verdict = rest.split()
            self.poll_map(pin, address, int(verdict))
        elif word == ":gone":
            pin, address = rest.split()
            self.poll_map(pin, address, 0)
        elif word == ":kill":
            os.kill(int(rest), signal.SIGKILL)
        elif word == ":touch":
            open(rest, "w").close()
        elif word == ":await":
            end = time.monotonic() + AWAITED
            while not os.path.exists(rest):
                if time.monotonic() > end:
                    raise Gone("<nobody made %s>" % rest)
                time.sleep(0.005)
        elif word == ":sleep":
            time.sleep(float(rest))
        elif word == ":tls":
            self.tls(rest)
        elif word == ":reads":
            say("T: reads %d" % self.reads)
            self.reads = 0
        elif word == ":quiet":
            self.quiet = True
        elif word == ":eof":
            while True:
                self.reply()
        elif word == ":reset":
            self.received()
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()
            sys.exit(0)
        elif word == ":last":
            self.sock.send(unescape(rest), socket.MSG_MORE)
            self.sock.close()
            sys.exit(0)
        elif word == ":close":
            self.received()
            self.sock.close()
            sys.exit(0)
        else:
            sys.exit("talk.py: no such step: " + text)


def main():
    steps = sys.argv[3:]
    talk = Talk(sys.argv[1], sys.argv[2], any(s.startswith((":map ", ":gone ")) for s in steps))
    try:
        if steps[:1] == [":nobanner"]:
            steps.pop(0)
        else:
            talk.banner()
        while steps:
            step = steps.pop(0)
            if step.startswith(":if "):
                if not talk.code.startswith(step[4:]):
                    steps = steps[-1:]
                continue
            talk.step(step)
    except Gone as end:
        say("S: %s" % end)
        say("T: end %.1f" % ((time.monotonic() - talk.started) * 1000))
        return 1
    return 0


sys.exit(main())
