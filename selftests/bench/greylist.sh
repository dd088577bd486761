#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row greylist: first contacts a second, each answered 4xx at RCPT. greygated (no stutter, store and log on
# disk), the do-nothing responder and Postfix with postgrey take turns under the same load, each started
# afresh every time. One JSON object a run to $raw. run.sh calls it, in namespaces of its own.
set -u
. selftests/bench/servers.sh
repetitions=${REPETITIONS:-5}
connections=${CONNECTIONS:-64}

one() { # server repetition expected-code
	local result address=${1}_address
	result=$("$BUILD/selftests/bench/loadgen" --target "${!address}" --expect "$3" \
		--connections "$connections" --threads "$(nproc)" --warm-up 1 --seconds "${SECONDS_EACH:-2}" \
		--first-source $(($2 * 1000000)) --pid "$cpu_pid") || fail "the load generator failed at $1"
	echo "{\"row\": \"greylist\", \"server\": \"$1\", \"repetition\": $2, \"result\": $result}" >>"$raw"
	echo "  $1 $2: $(sed 's/.*"sessions_s": \([0-9]*\).*/\1/' <<<"$result") sessions/s"
}

ip link set lo up
# Closed connections stay in TIME_WAIT for a minute; none of the servers is to pay for another's.
sysctl -qw net.ipv4.tcp_max_tw_buckets=20000 net.core.somaxconn=4096

turn_greygated() { # repetition
	local stored
	greygated_start "first = 0s"
	one greygated "$1" 451
	greygated_stop
	stored=$(du -sk "$work/greygated/state" | cut -f1)
	[ "$stored" -gt 100 ] || fail "greygated stored nothing: $stored kB in its state_dir"
}

turn_responder() { responder_start; one responder "$1" 451; responder_stop; }

turn_postfix() { postfix_start 200; one postfix "$1" 450; postfix_stop; }

# Whoever follows whom may matter: the order moves on by one every time.
order=(greygated responder postfix)
for ((n = 1; n <= repetitions; n++)); do
	for server in "${order[@]}"; do "turn_$server" "$n"; done
	order=("${order[@]:1}" "${order[0]}")
done
