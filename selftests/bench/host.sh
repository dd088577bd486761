#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row host: what a known source pays for greygated in host mode. Two machines stand beside each other, with a
# mail server (the responder) each: one is guarded by greygated, on the other an XDP program that does nothing
# stands in its place, so that a veth pair's way of taking XDP costs both the same. Connections from 254
# allowed addresses, as fast as they go (connections/s) and a few at a time (from connect to banner), to the
# two in turns of a fraction of a second: what else the machine does is the same for both. JSON to $raw.
# run.sh calls it.
set -u
. selftests/bench/servers.sh
. selftests/bench/nets.sh
bare=10.20.0.25

machine_new client; machine_new server; machine_new bare
wire client c0 server s0
wire client c1 bare s0
on server ip addr add $mail/24 dev s0
on server ip route add $network via 10.10.0.1
on bare ip addr add $bare/24 dev s0
on bare ip route add $network via 10.20.0.1
clients_at $mail 10.10.0.1/24
on client ip addr add 10.20.0.1/24 dev c1
on server "$BUILD/selftests/bench/responder" $mail:25 &
on bare "$BUILD/selftests/bench/responder" $bare:25 &
load() { # server connections seconds
	on client "$BUILD/selftests/bench/loadgen" --target "$1:25" --network $network --until banner \
		--connections "$2" --threads 1 --warm-up 0.1 --seconds "$3" || fail "no load"
}
begin bare pass "$BUILD/selftests/bench/frames" pass s0
kernel_path_start server host '"s0"' 'listen = {"10.10.0.25:2525"} backend = {"10.10.0.25:25"}'
allow_all
before=$(stat_of connections)
one() { # with|without repetition
	local to=$mail
	[ "$1" = with ] || to=$bare
	echo "{\"row\": \"host\", \"greygated\": \"$1\", \"repetition\": $2, \"many\": $(load $to 64 "$seconds")," \
		"\"few\": $(load $to 2 "$seconds")}" >>"$raw"
}
seconds=${SECONDS_EACH:-0.4}
load $mail 2 0.5 >/dev/null
load $bare 2 0.5 >/dev/null
for ((n = 1; n <= ${REPETITIONS:-31}; n++)); do
	if ((n % 2)); then one with $n; one without $n; else one without $n; one with $n; fi
done
after=$(stat_of connections)
[ "$before" = "$after" ] || fail "greygated itself accepted connections of allowed sources: $before, $after"
kernel_path_stop server
