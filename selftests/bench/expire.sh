#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row expire: a daemon that holds RECORDS grey records, of which some run out for 5 s, 10 000 each second,
# and for as many s none does, in turns; sessions in each. One session that was held up by something else
# says nothing of the store, so the middle of the turns' longest ones is compared, and of their p99.9. What
# a turn was is told by the store's own count. Then how long the store takes for a step of it, over all of
# the records. JSON to $raw. run.sh calls it, in namespaces of its own.
set -u
. selftests/bench/servers.sh
records=${RECORDS:-1000000}
pairs=${PAIRS:-5}
turn=5 # s; the sessions of 3 are measured
rate=10000
window=600 # s
lead=15    # s, for the store to be filled and read

ip link set lo up
sysctl -qw net.ipv4.tcp_max_tw_buckets=20000 net.core.somaxconn=4096

shelved() { "$BUILD/selftests/bench/shelve" "$1" "$records" "$first" $rate $turn >"$work/shelved"; }
stored() { # key of the store's status
	"$BUILD/greygate" -s "$greygated_control" status --json |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["store"][sys.argv[1]])' "$1"
}
wait_until() { # s since the epoch: 1 if it is over
	local left
	left=$(awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", a - b }')
	[[ $left != -* ]] && sleep "$left"
}

one() { # beginning of the turn, s since the epoch
	local gone phase=mixed result
	# What ran out in the last second of the turn before is gone by then.
	wait_until "$1.9" || return
	gone=$(stored expired)
	# Few connections: what is sought is a pause, not the limit of the machine.
	result=$("$BUILD/selftests/bench/loadgen" --target "$greygated_address" --expect 451 --connections 4 \
		--threads 1 --warm-up 0.3 --seconds 3 --pid "$cpu_pid") || fail "the load generator failed"
	gone=$(($(stored expired) - gone))
	[ $gone != 0 ] || phase=without
	[ $gone -lt $((rate * 3 / 2)) ] || phase=during
	echo "{\"row\": \"expire\", \"phase\": \"$phase\", \"gone\": $gone, \"shelved\": $(cat "$work/shelved"), \"result\": $result}" >>"$raw"
	echo "  $phase: $gone expired, longest session $(sed 's/.*"max_us": \([0-9]*\).*/\1/' <<<"$result") us"
}

first=$(($(date +%s) - window + lead))
greygated_seed=shelved
greygated_start "first = 0s" "greylist { window = ${window}s  delay = 60s  delay_suspicious = 120s }"
held=$(($(stored grey) + $(stored expired)))
[ $held = "$records" ] || fail "greygated has $held of $records records"
for ((k = 0; k < 2 * pairs; k++)); do
	one $((first + window + 1 + k * turn))
done
greygated_stop

# The rows of a step are as many as in userspace/store/writer.c.
mkdir "$work/letgo"
shelved "$work/letgo"
result=$("$BUILD/selftests/bench/letgo" "$work/letgo" 1000) || fail "letgo failed"
echo "{\"row\": \"expire\", \"phase\": \"steps\", \"records\": $records, \"result\": $result}" >>"$raw"
echo "  steps: $result"
