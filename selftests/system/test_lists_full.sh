#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Lists that have grown beyond limit.imports: while greygated runs they change nothing, and at a start what was
# last good of them is in force, on maps that are kept and on new ones, after kill -9 and through an upgrade.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
mkdir "$T/lists"
backend_up mail $MAIL4,25 "$T/mail" || exit 1
L=$T/lists
numbers() { $PYTHON -c 'import sys
print("\n".join(f"10.{i >> 8}.{i & 255}.1" for i in range(int(sys.argv[1]))))' "$1"; }
printf '203.0.113.7\n2001:db8:77::/48\n' >"$L/small"
{ numbers 500; echo 203.0.113.8; } >"$L/feed"
echo 203.0.113.9 >"$L/named"
lists() { # file...
	local name
	for name; do
		echo "list \"$name\" { file = \"$L/$name\"  format = cidr  verdict = deny  message = \"see $name\" }"
	done
}
interfaces='"g0"' greylist="delay = 300s  delay_clean = 300s  delay_suspicious = 300s" limit="imports = 1k"
dns="dns { servers = {\"127.0.0.1:9\"}  timeout = 300ms }"
extra="$dns
$(lists small feed named)"
gate_conf
gate_start || bail "greygated starts"

rcpt() { # source: what the daemon says to a recipient
	talk "$1" "$(server_for "$1")" 'EHLO client.example.org' "MAIL FROM:<joe@$RANDOM.example>" \
		'RCPT TO:<user1@example.net>' QUIT | sed -n 's/^S: //p' | tail -n 2 | head -n 1
}
entries() { gg status --json | $PYTHON -c 'import json, sys
print(*("%s=%d" % (r["name"], r["entries"]) for r in json.load(sys.stdin)["lists"]))'; }
why() { gg status; }
LISTED="203.0.113.7 small;2001:db8:77::7 small;203.0.113.8 feed;203.0.113.9 named"
all_refused() { # title
	local row
	is "$1: all lists have their entries" "$(entries)" "small=2 feed=501 named=1"
	while read -r -d ';' row; do
		like "$1: ${row% *} is refused" "$(rcpt "${row% *}")" "^554 5\\.7\\.1 see ${row#* }"
	done <<<"$LISTED;"
	like "$1: a stranger is none of them" "$(rcpt 203.0.113.66)" '^451 '
	like "$1: the kernel has them" "$(bpftool map dump pinned "$PIN/net4" | tr -d '\n ')" '203,0,113,8\].*GG_BY_IMPORT'
}
all_refused "as they are"

# ---- the feed has grown ----
{ numbers 3000; echo 203.0.113.8; } >"$L/feed"
gg reload >/dev/null
all_refused "after a reload"
like "which says so" "$(why)" 'lists: they have become too many entries: raise limit imports; they stay as they were'
for end in gate_stop gate_kill; do
	$end
	check "$end: greygated starts" gate_start
	all_refused "$end and a start"
	like "$end: status says what was left out" "$(why)" 'feed: 3001 entries are too many with those of the other lists; raise limit imports'
done
gate_stop
on gate "$BUILD/greygate" -c "$T/greygate.conf" detach >/dev/null
check "without pins: greygated starts" gate_start
all_refused "on new maps"
check "the log says that it was kept" log_wait event=list list=feed reason=kept
old=$gate_pid
kill -USR2 "$old"
check "an upgrade goes through" log_wait event=upgrade verdict=done
check "and the former process ends" wait_for 10 gone "$old"
gate_pid=$(pid_now)
all_refused "after an upgrade"
numbers 600 >"$L/feed"
echo 203.0.113.8 >>"$L/feed"
gg reload >/dev/null
is "it fits again: a reload takes it" "$(entries)" "small=2 feed=601 named=1"
unlike "nothing is said of it any more" "$(why)" 'raise limit'

kill -TERM "$gate_pid"
check "it ends" wait_for 10 gone "$gate_pid"

# ---- a list that never was in force, and a limit that was lowered ----
numbers 5000 >"$L/big"
extra="$dns
$(lists big small feed named)"
gate_conf
check "a new list that is too large: greygated starts" gate_start
is "it is left out, the others are in force" "$(entries)" "big=0 small=2 feed=601 named=1"
like "status names it" "$(why)" 'big: 5000 entries are too many'
like "the others refuse" "$(rcpt 203.0.113.8)" '^554 5\.7\.1 see feed'
gate_stop
{ numbers 1500; echo 203.0.113.8; } >"$L/feed"
extra="$dns
$(lists small feed named)"
limit="imports = 2k"
gate_conf
check "more room: greygated starts" gate_start
is "all are in force" "$(entries)" "small=2 feed=1501 named=1"
gate_stop
limit="imports = 1k"
gate_conf
check "less room than what was in force takes: greygated starts" gate_start
is "lists go from the last one on until the others fit" "$(entries)" "small=2 feed=0 named=0"
like "who stands first is refused" "$(rcpt 2001:db8:77::7)" '^554 5\.7\.1 see small'
like "status says what to do" "$(why)" 'feed: 1501 entries are too many with those of the other lists; raise limit imports'
gate_stop
limit="imports = 2k"
gate_conf
check "it is raised again: greygated starts" gate_start
is "all are in force again" "$(entries)" "small=2 feed=1501 named=1"
gate_stop; is "SIGTERM: exit code 0" $? 0
