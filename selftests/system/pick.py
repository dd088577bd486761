# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads greygate's JSON for the shell.

pick.py value KEY             the first value of KEY anywhere in the document on standard input
pick.py lines FILE K=V...     the lines of a log in which every pair holds; exit 1 if there is none
                              (K= alone: the key is there; +OFFSET: only from that byte on)
"""
import json
import sys


def find(node, key):
    if isinstance(node, dict):
        if key in node and not isinstance(node[key], (dict, list)):
            return node[key]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            value = find(child, key)
            if value is not None:
                return value
    return None


def text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def lines(name, pairs):
    seen = False
    with open(name, "rb") as log:
        for pair in pairs:
            if pair.startswith("+"):
                log.seek(int(pair[1:]))
        wanted = [p.split("=", 1) for p in pairs if not p.startswith("+")]
        for raw in log:
            try:
                entry = json.loads(raw)
            except ValueError:
                continue
            if all(k in entry and (v == "" or text(entry[k]) == v) for k, v in wanted):
                sys.stdout.write(raw.decode("utf-8", "replace"))
                seen = True
    return 0 if seen else 1


if sys.argv[1] == "value":
    value = find(json.load(sys.stdin), sys.argv[2])
    if value is None:
        sys.exit(1)
    print(text(value))
else:
    sys.exit(lines(sys.argv[2], sys.argv[3:]))
