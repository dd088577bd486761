#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row stutter: sessions that get one byte a second, all at once, from greygated. Its memory is what the
# process grows by while they are held, beside what it says of itself. JSON to $raw. run.sh calls it, in
# namespaces of its own.
set -u
. selftests/bench/servers.sh
sessions=${SESSIONS:-50000}

ip link set lo up
sysctl -qw net.core.somaxconn=4096
greygated_start "first = 600s  interval = 1s  max_sessions = $((sessions * 2))"
"$BUILD/selftests/bench/hold" --target $greygated_address --sessions "$sessions" --rate 5000 \
	--seconds "${SECONDS_EACH:-10}" --pid "$server_pid" |
	while read -r line; do
		echo "{\"row\": \"stutter\", \"wanted\": $sessions, \"result\": $line}" >>"$raw"
		case $line in *'"held"'*)
			for what in status stats; do
				if said=$("$BUILD/greygate" -s "$greygated_control" --json $what); then
					echo "{\"row\": \"stutter\", \"$what\": $said}" | tr -d '\n' >>"$raw"
					echo >>"$raw"
				fi
			done
			echo "  $(sed 's/.*"sessions": \([0-9]*\).*/\1/' <<<"$line") sessions are held" ;;
		esac
	done
[ "${PIPESTATUS[0]}" = 0 ] || fail "the connections could not be held"
greygated_stop
