#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns what the rows wrote into the table of targets and bench.json.

usage: report.py WORKDIR BENCH.JSON

WORKDIR/raw has one JSON object a line (all rows but xdp), WORKDIR/xdp those of the xdp program,
WORKDIR/times how long each row took (null: it was not begun) and what was in its way. A row that
broke off costs its own lines at most. Exit 1 when a row that was not in trouble has no figures.
"""
import datetime
import json
import os
import platform
import statistics
import sys
import textwrap

GREYLIST_PEERS = (("responder", "bare responder", 0.8), ("postfix", "Postfix+postgrey", 8))
# The peer's name in the xdp program's output, in words, and the least ratio; None: for information.
XDP_PEERS = {100000: (("nftables", "nftables set", 2.5), ("xdp_filter", "xdp-filter", None),
                      ("xdp_drop", "bare XDP_DROP", None)),
             1000000: (("nftables", "nftables set", 5), ("xdp_filter", "xdp-filter", 2),
                       ("xdp_drop", "bare XDP_DROP", 0.5))}


def objects(path):
    """Every JSON object of a file, whatever stands between them; of one that was cut off, none."""
    if not os.path.exists(path):
        return []
    decoder, found = json.JSONDecoder(), []
    with open(path) as f:
        text = f.read()
    at = text.find("{")
    while at >= 0:
        try:
            value, at = decoder.raw_decode(text, at)
            found.append(value)
        except ValueError:
            at = text.find("\n", at)
        at = text.find("{", at) if at >= 0 else at
    return found


def number(value, digits=0):
    return f"{value:,.{digits}f}".replace(",", " ")


class Table:
    """Lines of 80 columns: what, ours, the peer's, ratio, target, met."""

    def __init__(self):
        self.lines, self.rows = [], []

    def add(self, what, ours, peer=None, ratio=None, target="", met=None, digits=0):
        self.rows.append({"row": what, "ours": ours, "peer": peer, "ratio": ratio,
                          "target": target, "met": met})
        self.lines.append(f"{what:<37}{number(ours, digits):>10}"
                          f"{'' if peer is None else number(peer, digits):>11}"
                          f"{'' if ratio is None else f'{ratio:.2f}':>8}{target:>9}"
                          f"{'' if met is None else 'yes' if met else 'NO':>5}")

    def note(self, text):
        self.lines += textwrap.wrap(text, 80, initial_indent="  ", subsequent_indent="    ",
                                    break_long_words=False)

    def measured(self, row, found):
        """The lines of a row; none of them when a figure that they need is not there."""
        lines, rows = len(self.lines), len(self.rows)
        try:
            row(found, self)
        except (ArithmeticError, LookupError, ValueError):
            del self.lines[lines:], self.rows[rows:]
        return len(self.rows) > rows

    def show(self):
        print(f"\n{'':<37}{'ours':>10}{'peer':>11}{'ratio':>8}{'target':>9}{'met':>5}")
        print("\n".join(self.lines))


def greylist(raw, table):
    runs = [o for o in raw if o["row"] == "greylist"]
    rate = {}
    for run in runs:
        rate.setdefault(run["server"], []).append(run["result"])
        for trouble in ("wrong", "failed", "stalled"):
            if run["result"][trouble]:
                table.note(f"{run['server']} {run['repetition']}: {run['result'][trouble]} {trouble} "
                           f"of {run['result']['sessions']} sessions "
                           f"({run['result']['first_wrong'] or run['result']['last_error']})")
    if "greygated" not in rate:
        return
    median = {s: statistics.median(r["sessions_s"] for r in rate[s]) for s in rate}
    for name, words, least in GREYLIST_PEERS:
        if name in median:
            ratio = median["greygated"] / median[name]
            table.add(f"greylist sessions/s, {words}", median["greygated"], median[name], ratio,
                      f">= {least}", ratio >= least)
    shared = sum(r["cpu_client"] + r["cpu_server"] < 0.9 * os.cpu_count()
                 for s in ("greygated", "responder") for r in rate.get(s, ()))
    if shared:
        table.note(f"{shared} runs of greygated and the responder had to share the CPUs with others")
    for name in rate:
        mid = {k: statistics.median(r[k] for r in rate[name])
               for k in ("p50_us", "p99_us", "cpu_server")}
        line = f"{name}: p50 {mid['p50_us'] / 1000:.1f} ms, p99 {mid['p99_us'] / 1000:.1f} ms"
        if mid["cpu_server"]:
            cost = [(r["cpu_server"] + r["cpu_client"]) / r["sessions_s"] * 1e6 for r in rate[name]]
            own = [r["cpu_server"] / r["sessions_s"] * 1e6 for r in rate[name]]
            line += (f"; CPU a session {statistics.median(own):.0f} us, "
                     f"with client {statistics.median(cost):.0f} us")
        table.note(line)


def stutter(raw, table):
    parts = [o for o in raw if o["row"] == "stutter"]
    events = {o["result"]["event"]: o["result"] for o in parts if "result" in o}
    if len(events) < 3:
        return
    part, held, done = events["part"], events["held"], events["done"]
    wanted = parts[0]["wanted"]
    said = next((o["status"] for o in parts if "status" in o), {})
    table.add("stuttering sessions at 1 byte/s", done["on_pace"], None, None, f">= {wanted}",
              done["on_pace"] >= wanted)
    table.add("  bytes/s received", done["bytes_s"], None, None, f"~ {wanted}",
              abs(done["bytes_s"] / wanted - 1) < 0.02)
    own = (held["rss_kb"] - part["rss_kb"]) * 1024 / max(held["sessions"] - part["sessions"], 1)
    table.add("  our bytes a session (RSS growth)", own, None, None, "<= 256", own <= 256)
    table.note(f"RSS {part['rss_kb'] / 1024:.1f} MiB at {number(part['sessions'])} sessions, "
               f"{held['rss_kb'] / 1024:.1f} MiB at {number(held['sessions'])}")
    table.add("  cores used by the daemon", done["cpu_server"], None, None, "< 1",
              done["cpu_server"] < 1, digits=2)
    table.note(f"kernel: {held['slab_delta_kb'] * 1024 / max(held['sessions'], 1):.0f} bytes of slab a "
               f"session, the client's socket included")
    if "session_bytes" in said:
        table.note(f"greygated counts {said['session_bytes']} bytes a stuttering session")
    for trouble in ("refused", "closed", "wrong"):
        if done[trouble]:
            table.note(f"{done[trouble]} sessions {trouble}")


def relay(raw, table):
    runs = [o for o in raw if o["row"] == "relay"]

    def values(kind, server, key):
        return [o[key] for o in runs if (o["kind"], o["server"]) == (kind, server)]

    def median(kind, server, key):
        return statistics.median(values(kind, server, key))

    for kind, key, what in (("small", "messages_s", "relayed messages/s, 4 KB"),
                                  ("big", "mb_s", "relayed MB/s, 50 MB")):
        if not any(o["kind"] == kind for o in runs):
            continue
        ours, peer = median(kind, "greygated", key), median(kind, "haproxy", key)
        # Turns that are neighbours had the same share of the machine.
        ratio = statistics.median(a / b for a, b in zip(values(kind, "greygated", key),
                                                        values(kind, "haproxy", key)))
        table.add(f"{what}, haproxy", ours, peer, ratio, ">= 1.0", ratio >= 1)
        # What others take of the machine lengthens a turn, never shortens it.
        cpu, peer_cpu = (min(values(kind, server, "cpu_us")) for server in ("greygated", "haproxy"))
        table.note(f"CPU a message, the least of {len(values(kind, 'haproxy', 'cpu_us'))} turns: greygated "
                   f"{number(cpu)} us, haproxy {number(peer_cpu)} us: {peer_cpu / cpu:.2f} x")
    big = [o for o in runs if (o["kind"], o["server"]) == ("big", "greygated")]
    if big:
        grown = max(o["rss_kb"] for o in big) - big[0]["rss_before_kb"]
        table.add("  MB the daemon grew meanwhile", grown / 1024, None, None, "<= 1", grown <= 1024,
                  digits=2)
        table.note(f"RSS {big[0]['rss_before_kb'] / 1024:.1f} MiB before the messages of 50 MB, "
                   f"{big[-1]['rss_kb'] / 1024:.1f} MiB after")


def tls(raw, table):
    runs = [o for o in raw if o["row"] == "tls"]
    if not runs:
        return
    rate = {s: statistics.median([o["result"]["handshakes_s"] for o in runs if o["server"] == s])
            for s in ("greygated", "s_server")}
    ratio = rate["greygated"] / rate["s_server"]
    table.add("TLS handshakes/s, openssl s_server", rate["greygated"], rate["s_server"], ratio,
              ">= 0.8", ratio >= 0.8)
    lost = sum(o["result"]["failed"] for o in runs)
    if lost:
        table.note(f"{lost} handshakes failed")


LOGS = {"retries": "five tries each", "hosts": "a million hosts", "postfix": "Postfix log"}


def decide(raw, table):
    for o in (o["result"] for o in raw if o["row"] == "decide"):
        if "attempts" in o:
            rate = o["attempts"] / o["seconds"]
            table.add("replay attempts/s, " + LOGS[o["log"]], rate, None, None,
                      ">= 200000", rate >= 200000)
            continue
        millions = f"{o['records'] / 1e6:.0f} M records"
        if o["records"] <= 1000000:
            table.add(f"decision us, {millions}", o["mean_ns"] / 1000, None, None, "< 5",
                      o["mean_ns"] < 5000, digits=2)
        else:
            table.add(f"decision p99 us, {millions}", o["p99_ns"] / 1000, None, None, "< 50",
                      o["p99_ns"] < 50000, digits=2)
            table.add("  MB of memory", o["rss_kb"] / 1024, None, None, "< 1500",
                      o["rss_kb"] < 1500 * 1024)


def host(raw, table):
    runs = [o for o in raw if o["row"] == "host" and "many" in o]
    if not runs:
        return
    # Each run has all three machines in turns: with us, without us, without XDP, without us, with us, without XDP.
    turns = ((0, 4), (1, 3), (2, 5))
    many = [[sum(o["many"]["targets"][i]["sessions"] for i in pair) * 3 / o["many"]["seconds"] for pair in turns]
            for o in runs]
    few = [[t["middle_us"] for t in o["few"]["targets"]] for o in runs]
    rate, wait = ([statistics.median(each) for each in zip(*figures)] for figures in (many, few))
    # From turn to turn: what else the machine does lasts for some turns, and a median sees past it.
    rates = sorted((turn[0] + turn[4]) / (turn[1] + turn[3]) for o in runs for turn in o["many"]["rounds"]
                   if turn[1] + turn[3])
    waits = sorted(without / ours for ours, without, _ in few)
    for words, a, b, ratios, digits in (("host: connections/s, without us", rate[0], rate[1], rates, 0),
                                        ("host: connect to banner, us, without us", wait[0], wait[1], waits, 1)):
        ratio = statistics.median(ratios)
        table.add(words, a, b, ratio, ">= 0.98", ratio >= 0.98, digits)
    table.note("half of the ratios lie within " + " and ".join(
        f"{each[len(each) // 4]:.3f} to {each[len(each) * 3 // 4]:.3f}" for each in (rates, waits)))
    for o in (o for o in raw if o["row"] == "host" and o.get("result")):
        # Those of the warm-up are not among the sessions.
        result = o["result"]
        each = o["programs_ns"] / result["sessions"] / 1000 * (result["seconds"] / (result["seconds"] + 0.05))
        table.note(f"our programs take {each:.1f} us of a connection, their measuring included")
    # A veth pair with XDP builds its packets anew; that is in both figures above.
    table.note(f"no XDP at all on the veth pair: {number(rate[2])} connections/s, {wait[2]:.1f} us")


def gateway(raw, table):
    runs = [o for o in raw if o["row"] == "gateway"]
    if not runs:
        return

    def arrived(o):
        sent = o["sent"]
        return (sent["frames"] / sent["seconds"] / 1e6
                * o["arrived"]["frames"] / (sent["frames"] + sent["warm_up"]))

    ours, peer = (statistics.median(arrived(o) for o in runs if o["by"] == by)
                  for by in ("greygate", "kernel"))
    table.add("gateway: Mpps, kernel routing", ours, peer, ours / peer, ">= 2", ours / peer >= 2,
              digits=2)
    lost = max(1 - o["arrived"]["frames"] / (o["sent"]["frames"] + o["sent"]["warm_up"]) for o in runs)
    if lost > 0.001:
        table.note(f"{lost:.1%} of a run's frames did not arrive")


def tarpit(raw, table):
    for o in (o for o in raw if o["row"] == "tarpit"):
        opened, before, after = o["dialled"]["opened"], o["before"], o["after"]
        # By XDP, and by nobody else; an ACK or two may have been lost on their way.
        by_xdp = o["answered"] >= opened and o["held"] >= 0.99 * opened
        table.add("tarpit: conversations held", opened, None, None, f">= {o['wanted']}",
                  opened >= o["wanted"] and by_xdp)
        if not by_xdp:
            table.note(f"XDP answered {number(o['answered'])} and held {number(o['held'])} of them")
        grown = (after["maps_bytes"] - before["maps_bytes"]
                 + (after["rss_kb"] - before["rss_kb"]) * 1024) / max(opened, 1)
        table.add("  bytes each, daemon and maps", grown, None, None, "0", grown < 0.5, digits=1)
        sockets = after["sockets"] - before["sockets"]
        table.add("  sockets more than before", sockets, None, None, "0", sockets <= 0)


def synflood(raw, table):
    runs = [o for o in raw if o["row"] == "synflood"]
    if not runs:
        return
    quiet, flooded = (statistics.median(o[k]["sessions_s"] for o in runs) for k in ("quiet", "flooded"))
    made = statistics.median(o["flood"]["frames"] / o["flood"]["seconds"] for o in runs)
    # Those of the load are few among them.
    seen = statistics.median(o["packets"] / o["seconds"] for o in runs)
    table.add("SYN flood: allowed conn./s, unloaded", flooded, quiet, flooded / quiet, ">= 0.9",
              flooded / quiet >= 0.9 and seen >= 0.5 * made)
    table.add("  M SYNs/s that XDP saw, made", seen / 1e6, made / 1e6, seen / made, ">= 0.5",
              seen >= 0.5 * made, digits=1)


def expire(raw, table):
    turns = [o for o in raw if o["row"] == "expire" and o["phase"] != "steps"]
    ms = {(phase, key): [o["result"][key] / 1000 for o in turns if o["phase"] == phase]
          for phase in ("during", "without") for key in ("max_us", "p999_us")}
    if not all(ms.values()):
        return
    shelved = turns[0]["shelved"]
    each = shelved["bytes"] / shelved["records"]
    table.add("bytes on disk a grey record", each, None, None, "<= 128", each <= 128)
    middle = {k: statistics.median(v) for k, v in ms.items()}
    for key, what in (("max_us", "longest session"), ("p999_us", "p99.9 of sessions")):
        more = middle["during", key] - middle["without", key]
        table.add(f"{what}, ms more on expiry", more, None, None, "<= 5", more <= 5, digits=1)
    for phase, words in (("during", "on expiry"), ("without", "without")):
        longest = ms[phase, "max_us"]
        count = sum(o["result"]["sessions"] for o in turns if o["phase"] == phase)
        table.note(f"{words}: {len(longest)} turns, {number(count)} sessions, longest "
                   f"{min(longest):.1f} to {max(longest):.1f} ms, in the middle "
                   f"{middle[phase, 'max_us']:.1f}; p99.9 {middle[phase, 'p999_us']:.1f}")
    gone = sum(o["gone"] for o in turns)
    table.note(f"{number(gone)} of {number(shelved['records'])} records expired in those turns")
    for o in (o for o in raw if o["row"] == "expire" and o["phase"] == "steps"):
        step = o["result"]
        table.add("ms of CPU, longest step of expiry", step["max_us"] / 1000, None, None, "<= 5",
                  step["max_us"] <= 5000, digits=2)
        table.note(f"{number(step['steps'])} steps for {number(o['records'])} records, in the middle "
                   f"{step['p50_us'] / 1000:.2f}; by the clock up to {step['clock_max_us'] / 1000:.1f}")


def lists(raw, table):
    for o in (o for o in raw if o["row"] == "lists"):
        table.add(f"s to load {o['entries'] / 1e6:.1f} M prefixes", o["load"], None, None, "< 3",
                  o["load"] < 3, digits=2)
        table.add("  packets judged by a part of a list", o["strangers"], None, None, "0",
                  o["strangers"] == 0)
        mpps = o["packets"] / o["seconds"] / 1e6
        table.add(f"  Mpps during {o['swaps']} exchanges", mpps, None, None, ">= 1", mpps >= 1, digits=2)


def restore(raw, table):
    turns = [o for o in raw if o["row"] == "restore"]
    for pins, words in (("none", "nothing pinned"), ("kept", "pins kept")):
        runs = [o["result"] for o in turns if o["pins"] == pins]
        if not runs:
            continue
        took, learned = statistics.median(r["seconds"] for r in runs), turns[0]["learned"]
        table.add(f"s to start, {learned / 1e6:.0f} M learned, {words}", took, None, None, "< 2",
                  took < 2, digits=2)
        table.note(f"CPU {statistics.median(r['cpu'] for r in runs):.2f} s")


def xdp(found, table):
    for o in found:
        hosts, here, pair = o["hosts"], o["arriving"], o["through_pair"]
        size = "1 M" if hosts == 1000000 else f"{hosts // 1000} k"
        pps = {name: each["pps"] for name, each in here.items()}
        for name, words, least in XDP_PEERS.get(hosts, XDP_PEERS[1000000]):
            ratio = here[name]["ratio"]
            table.add(f"XDP deny Mpps, {size}, {words}", pps["greygate"] / 1e6, pps[name] / 1e6, ratio,
                      f">= {least}" if least else "", ratio >= least if least else None, digits=2)
        table.note(f"with -f ipv4 xdp-filter drops {number(pps['xdp_filter_ipv4'] / 1e6, 2)}: "
                   f"{here['xdp_filter_ipv4']['ratio']:.2f}")
        for name, words, least in XDP_PEERS.get(hosts, XDP_PEERS[1000000]):
            ratio = here["listed"]["pps"] / pps[name]
            table.add(f"XDP list Mpps, {size}, {words}", pps["listed"] / 1e6, pps[name] / 1e6, ratio,
                      f">= {least}" if least else "", ratio >= least if least else None, digits=2)
        # What takes no time at all is no faster than that.
        table.note(f"bare XDP_DROP itself is {pps['xdp_drop'] / pps['nftables']:.1f} x nftables and "
                   f"{pps['xdp_drop'] / pps['xdp_filter']:.1f} x xdp-filter")
        table.note(f"one look at a random line of as much memory as the index, then XDP_DROP: "
                   f"{number(pps['look'] / 1e6, 2)}: {here['look']['ratio']:.2f}")
        # Whoever looks is no faster than that either, however small he keeps them.
        table.note(f"the same in as much as {size} addresses take at the least: "
                   f"{number(pps['least'] / 1e6, 2)}, {pps['least'] / pps['nftables']:.1f} x nftables, "
                   f"{pps['least'] / pps['xdp_filter']:.1f} x xdp-filter, "
                   f"{pps['least'] / pps['xdp_drop']:.2f} of bare")
        beyond = {name: 1e9 / each - 1e9 / pps["xdp_drop"] for name, each in pps.items()}
        table.note(f"ns a frame beyond its {1e9 / pps['xdp_drop']:.0f}: greygate {beyond['greygate']:.0f}, "
                   f"one look {beyond['look']:.0f}, the least {beyond['least']:.0f}, nftables {beyond['nftables']:.0f}, xdp-filter {beyond['xdp_filter']:.0f}, "
                   f"with -f ipv4 {beyond['xdp_filter_ipv4']:.0f}")
        table.note(f"sent through a veth pair by the CPU that drops: {number(pair['greygate']['pps'] / 1e6, 2)}, "
                   f"{pair['nftables']['ratio']:.2f} x nftables, {pair['xdp_filter']['ratio']:.2f} x xdp-filter, "
                   f"{pair['xdp_drop']['ratio']:.2f} x bare")
        table.note(f"the first SYNs of each source, judged one by one: {o['first'] / 1e6:.2f}; of a list's "
                   f"{o['first_listed'] / 1e6:.2f}")


# In the order of the table.
ROWS = {"greylist": greylist, "stutter": stutter, "relay": relay, "tls": tls, "decide": decide,
        "expire": expire, "host": host, "gateway": gateway, "tarpit": tarpit, "synflood": synflood,
        "xdp": xdp, "lists": lists, "restore": restore}


def show_times(times, together):
    rows = ", ".join(f"{t['row']} {t['seconds']:.0f}" for t in times if t["seconds"] is not None)
    print("\n" + textwrap.fill(f"seconds: {rows}; together {together // 60:.0f} min "
                               f"{together % 60:.0f} s", 80, subsequent_indent="  "))


def main():
    work, path = sys.argv[1:]
    raw, xdp_raw, times = (objects(os.path.join(work, name)) for name in ("raw", "xdp", "times"))
    trouble = {t["row"]: t["trouble"] for t in times}
    table, silent = Table(), False
    for name, row in ROWS.items():
        figures = table.measured(row, xdp_raw if name == "xdp" else raw)
        if trouble.get(name):
            table.note(f"{name}: {'the turns before its end' if figures else 'not measured'}: "
                       f"{trouble[name]}")
        elif name in trouble and not figures:
            table.note(f"{name}: it ended well, but figures are missing")
            silent = True
    if not table.rows:
        print("bench: no row was measured", file=sys.stderr)
        return 1
    table.show()
    together = round(sum(t["seconds"] or 0 for t in times))
    show_times(times, together)
    result = {"machine": {"cpus": os.cpu_count(), "kernel": platform.release(),
                          "arch": platform.machine(),
                          "date": datetime.datetime.now(datetime.timezone.utc).isoformat("T", "seconds")},
              "seconds": together, "rows": times,
              "table": table.rows, "raw": raw + [{"row": "xdp", "result": o} for o in xdp_raw]}
    with open(path, "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    print(f"\nfigures: {path}")
    return int(silent)


if __name__ == "__main__":
    sys.exit(main())
