#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row relay: smtp-source to smtp-sink through greygated, which lets the triplet pass, and through haproxy in
# TCP mode, taking turns: messages of 4 KB, a connection each, then messages of 50 MB. JSON to $raw. run.sh
# calls it, in namespaces of its own.
set -u
. selftests/bench/servers.sh
repetitions=${REPETITIONS:-5}
small=4096 big=$((50 * 1024 * 1024))

source_run() { # address length count sessions
	smtp-source -s "$4" -l "$2" -m "$3" -f alice@sender.example -t user@example.net "$1" 2>&1
}
cpu() { awk '{ ns += $1 } END { printf "%.6f", ns / 1e9 }' /proc/"$1"/task/*/schedstat; }
rss() { awk '/^VmRSS/ { print $2 }' /proc/"$1"/status; }

# turn SERVER PID ADDRESS KIND LENGTH COUNT SESSIONS
turn() {
	local before after begin=$EPOCHREALTIME said kb seconds
	before=$(cpu "$2") kb=$(rss "$2")
	said=$(source_run "$3" "$5" "$6" "$7")
	seconds=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.4f", b - a }')
	[ -z "$said" ] || fail "$1: $said"
	after=$(cpu "$2")
	awk -v server="$1" -v kind="$4" -v n="$6" -v bytes="$5" -v s="$seconds" -v a="$before" -v b="$after" \
		-v kb="$kb" -v kb2="$(rss "$2")" 'BEGIN {
		printf "{\"row\": \"relay\", \"kind\": \"%s\", \"server\": \"%s\", \"messages_s\": %.1f, \"mb_s\": %.1f, " \
			"\"cpu_us\": %.1f, \"rss_before_kb\": %d, \"rss_kb\": %d}\n", kind, server, n / s, n * bytes / s / 1e6,
			(b - a) * 1e6 / n, kb, kb2 }' | tee -a "$raw" |
		sed 's/.*"kind": "\(.*\)", "server": "\(.*\)", "messages_s": \(.*\), "mb_s": \(.*\), "cpu_us": \(.*\), "rss_b.*/  \1 \2: \3 messages\/s, \4 MB\/s, CPU \5 us a message/'
}

ip link set lo up
sysctl -qw net.ipv4.tcp_max_tw_buckets=20000 net.core.somaxconn=4096
sink_start
haproxy_start; haproxy_pid=$server_pid
greygated_start "first = 0s" "greylist { delay = 1s  delay_clean = 1s  delay_suspicious = 1s  jitter = 0 }
	limit { per_source = 1000  message = 100m }
	upstream { xclient = no  idle = 2s }"
gate_pid=$server_pid
# The first attempt is deferred, and from the second on the triplet passes.
source_run $greygated_address 100 1 1 >/dev/null
sleep 2.1
said=$(source_run $greygated_address 100 1 1)
[ -z "$said" ] || fail "the retry did not pass: $said"

both() { # kind length count sessions: whoever is first is second the next time
	if [ $((n % 2)) = 0 ]; then
		turn haproxy "$haproxy_pid" $haproxy_address "$@"
		turn greygated "$gate_pid" $greygated_address "$@"
	else
		turn greygated "$gate_pid" $greygated_address "$@"
		turn haproxy "$haproxy_pid" $haproxy_address "$@"
	fi
}
for ((n = 0; n < 2 * repetitions; n++)); do both small $small "${MESSAGES:-4000}" 20; done
for ((n = 0; n < 2 * repetitions; n++)); do both big $big "${BIG:-4}" 1; done
kill "$haproxy_pid" "$sink_pid"
greygated_stop
