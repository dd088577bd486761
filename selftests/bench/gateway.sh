#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row gateway: frames of allowed sources on their way to the mail server, sent on by greygated's XDP program
# and, by turns, routed by the kernel without greygated. Segments of connections, 256 sources, one CPU. What
# arrives at the mail server's interface counts. JSON to $raw. run.sh calls it.
set -u
. selftests/bench/servers.sh
. selftests/bench/nets.sh

machine_new client; machine_new gate; machine_new server
wire client c0 gate g0
wire gate g1 server s0
on gate ip addr add 10.20.0.1/24 dev g0
on gate ip addr add 10.10.0.1/24 dev g1
on gate ip route add $network via 10.20.0.2
on gate sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
on server ip addr add $mail/24 dev s0
on server ip route add default via 10.10.0.1
clients_at 10.20.0.1 10.20.0.2/24
for end in "client c0" "gate g0" "gate g1" "server s0"; do
	# XDP carries no checksum offload; GRO is what gives a veth end room for frames.
	set -- $end; on "$1" ethtool -K "$2" tx off gro on >/dev/null
done
# What counts at the end of the way counts all, so nobody there can answer.
on gate ip neigh replace $mail lladdr "$(mac_of server s0)" dev g1 nud permanent
mac=$(mac_of gate g0)

one() { # greygate|kernel repetition
	local sent arrived
	begin server sink "$BUILD/selftests/bench/frames" sink s0
	sent=$(on client taskset -c 0 "$BUILD/selftests/bench/frames" flood c0 --to $mail:25 --network $network \
		--mac "$mac" --data --seconds "${SECONDS_EACH:-2}") || fail "no frames"
	sleep 0.2
	kill $started; wait_end $started
	arrived=$(tail -n 1 "$work/sink")
	echo "  $1 $2: sent $sent, arrived $arrived"
	echo "{\"row\": \"gateway\", \"by\": \"$1\", \"repetition\": $2, \"sent\": $sent, \"arrived\": $arrived}" >>"$raw"
}
turn_kernel() { one kernel "$1"; }
turn_greygate() {
	kernel_path_start gate gateway '"g0", "g1"' ''
	allow_all
	one greygate "$1"
	kernel_path_stop gate
}
for ((n = 1; n <= ${REPETITIONS:-5}; n++)); do
	if ((n % 2)); then turn_greygate $n; turn_kernel $n; else turn_kernel $n; turn_greygate $n; fi
done
