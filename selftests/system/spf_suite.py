#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every case of the openspf suite for RFC 7208 through `greygate spf` and a name server.

spf_suite.py GREYGATE SUITE.json ADDRESS PORT TIMEOUT

TIMEOUT is for scenarios in which somebody does not answer; where all do, they have as long as they need, and so
has a case that comes out wrong, for the name server may have been late.
Expects scenario N on PORT + N (see dnsd.py). Prints what failed and one line "PASSED of CASES".
"""
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

greygate, suite, address, port, timeout = sys.argv[1:6]
with open(suite, encoding="utf-8") as f:
    scenarios = json.load(f)["scenarios"]


def config(folder, n, patience):
    path = os.path.join(folder, f"{n}.{patience}.conf")
    with open(path, "w", encoding="utf-8") as out:
        out.write('listen = {"127.0.0.1:2525"}\nbackend = {"127.0.0.1:10025"}\n'
                  f'dns {{ servers = {{"{address}:{int(port) + n}"}} '
                  f'timeout = {patience} }}\n')
    return path


def wrong(conf, test):
    got = subprocess.run([greygate, "-c", conf, "--json", "spf", test["host"], test["helo"],
                          test["mailfrom"]], capture_output=True, text=True, timeout=200, check=False)
    if got.returncode:
        return f"{test['name']}: {got.stderr}"
    answer = json.loads(got.stdout)
    want = test.get("explanation", answer["explanation"])
    if answer["result"] not in test["result"]:
        return f"{test['name']}: {answer['result']}, not {test['result']}: {answer['path']}"
    if answer["explanation"] != ("" if want == "DEFAULT" else want):
        return f"{test['name']}: explained as {answer['explanation']!r}, not {want!r}"
    return None


def run(job):
    confs, test = job
    for conf in confs:
        said = wrong(conf, test)
        if not said:
            break
    return said


def patience(zone):
    return (timeout, "20s") if any(["TIMEOUT"] in rows for rows in zone.values()) else ("30s",)


with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(8) as pool:
    jobs = [(confs, test) for n, s in enumerate(scenarios)
            for confs in [[config(folder, n, p) for p in patience(s["zone"])]] for test in s["tests"]]
    failed = [w for w in pool.map(run, jobs) if w]
for w in failed:
    print(w)
print(f"{len(jobs) - len(failed)} of {len(jobs)}")
sys.exit(bool(failed))
