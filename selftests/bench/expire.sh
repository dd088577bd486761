#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row expire: the same load twice on a daemon that holds RECORDS grey records: once while nothing of them
# is over, once while they run out, from the first one on: the store lets go of 20 000 a second, so that it
# is at it all the time. JSON to $raw. run.sh calls it, in namespaces of its own.
set -u
. selftests/bench/servers.sh
records=${RECORDS:-1000000}
seconds=${SECONDS_EACH:-25}
window=600

ip link set lo up
sysctl -qw net.ipv4.tcp_max_tw_buckets=20000 net.core.somaxconn=4096

shelved() { "$BUILD/selftests/bench/shelve" "$1" "$records" "$first" 20000 >"$work/shelved"; }
stored() { # key of the store's status
	"$BUILD/greygate" -s "$greygated_control" status --json |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["store"][sys.argv[1]])' "$1"
}

turn() { # phase, s until the records are over
	local before gone after result
	first=$(($(date +%s) - window + $2))
	greygated_seed=shelved
	greygated_start "first = 0s" "greylist { window = ${window}s  delay = 60s  delay_suspicious = 120s }"
	before=$(stored grey)
	[ "$before" = "$records" ] || fail "greygated has $before of $records records"
	gone=$(stored expired)
	while [ "$1" = during ] && [ "$gone" = 0 ]; do
		[ "$(date +%s)" -lt $((first + window + 30)) ] || fail "no record expires"
		sleep 0.1
		gone=$(stored expired)
	done
	# Few connections: what is sought is a pause, not the limit of the machine.
	result=$("$BUILD/selftests/bench/loadgen" --target "$greygated_address" --expect 451 --connections 4 \
		--threads 1 --warm-up 2 --seconds "$seconds" --pid "$cpu_pid") || fail "the load generator failed"
	after=$(stored expired)
	greygated_stop
	echo "{\"row\": \"expire\", \"phase\": \"$1\", \"gone\": $((after - gone)), \"shelved\": $(cat "$work/shelved"), \"result\": $result}" >>"$raw"
	echo "  $1: $((after - gone)) expired, longest session $(sed 's/.*"max_us": \([0-9]*\).*/\1/' <<<"$result") us"
}

turn without 500
turn during 15
