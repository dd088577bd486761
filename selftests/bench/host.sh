#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row host: what a known source pays for greygated in host mode. The mail server is the responder, on the
# machine that greygated guards; connections from 254 allowed addresses, as fast as they go (connections/s)
# and a few at a time (from connect to banner). Without greygated an XDP program that does nothing stands in
# its place, so that a veth pair's way of taking XDP costs both the same. JSON to $raw. run.sh calls it.
set -u
. selftests/bench/servers.sh
. selftests/bench/nets.sh

machine_new client; machine_new server
wire client c0 server s0
on server ip addr add $mail/24 dev s0
on server ip route add $network via 10.10.0.1
clients_at $mail 10.10.0.1/24
on server "$BUILD/selftests/bench/responder" $mail:25 &
load() { # connections
	on client "$BUILD/selftests/bench/loadgen" --target $mail:25 --network $network --until banner \
		--connections "$1" --threads 1 --warm-up 0.3 --seconds "${SECONDS_EACH:-1.5}" || fail "no load"
}
ready() { on client "$BUILD/selftests/bench/loadgen" --target $mail:25 --network $network --until banner \
	--connections 1 --warm-up 0 --seconds 0.1 >/dev/null 2>&1; }
for try in $(seq 50); do ready && break; sleep 0.1; done

one() { # with|without repetition
	echo "{\"row\": \"host\", \"greygated\": \"$1\", \"repetition\": $2, \"many\": $(load 64), \"few\": $(load 2)}" \
		>>"$raw"
}
turn_without() { # repetition
	begin server pass "$BUILD/selftests/bench/frames" pass s0
	one without "$1"
	kill $started; wait_end $started
}
turn_with() {
	local before after
	kernel_path_start server host '"s0"' 'listen = {"10.10.0.25:2525"} backend = {"10.10.0.25:25"}'
	allow_all
	before=$(stat_of connections)
	one with "$1"
	after=$(stat_of connections)
	[ "$before" = "$after" ] || fail "greygated itself accepted connections of allowed sources: $before, $after"
	kernel_path_stop server
}
for ((n = 1; n <= ${REPETITIONS:-7}; n++)); do
	if ((n % 2)); then turn_with $n; turn_without $n; else turn_without $n; turn_with $n; fi
done
