#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row synflood: connections a second that allowed sources complete in host mode, without and under SYNs from
# random sources of 11.0.0.0/8 at the rate that one CPU can make them. Client and mail server have the other
# CPU to themselves in both. JSON to $raw. run.sh calls it.
set -u
. selftests/bench/servers.sh
. selftests/bench/nets.sh
if [ "$(nproc)" -lt 2 ]; then fail "one CPU is for the flood: a second one is needed"; fi

machine_new client; machine_new server
wire client c0 server s0
# The client's frames by the first queue, the flood's, which are sent by the other CPU, by the second: what
# the hash of a network card does for half of the clients.
on client sh -c "mount -t sysfs none /sys && for q in 0 1; do echo \$((q + 1)) >/sys/class/net/c0/queues/tx-\$q/xps_cpus; done"
on server ip addr add $mail/24 dev s0
on server ip route add default via 10.10.0.1
clients_at $mail 10.10.0.1/24
taskset -p -c 0 $$ >/dev/null
on server "$BUILD/selftests/bench/responder" $mail:25 &
kernel_path_start server host '"s0"' 'listen = {"10.10.0.25:2525"} backend = {"10.10.0.25:25"} workers = 1'
allow_all
mac=$(mac_of server s0)
seconds=${SECONDS_EACH:-2}
load() {
	on client "$BUILD/selftests/bench/loadgen" --target $mail:25 --network $network --until banner \
		--connections 16 --threads 1 --warm-up 0.3 --seconds "$seconds" || fail "no load"
}
for ((n = 1; n <= ${REPETITIONS:-5}; n++)); do
	quiet=$(load)
	on client taskset -c 1 "$BUILD/selftests/bench/frames" flood c0 --to $mail:25 --network 11.0.0.0/8 \
		--mac "$mac" --seconds "$(awk -v s="$seconds" 'BEGIN { print s + 2.5 }')" >"$work/flood" &
	flood=$!
	sleep 1
	before=$(stat_of packets)
	flooded=$(load)
	seen=$(($(stat_of packets) - before))
	wait $flood || fail "no flood"
	echo "  $n: quiet $(figure "$quiet" sessions_s), flooded $(figure "$flooded" sessions_s), $(cat "$work/flood")"
	echo "{\"row\": \"synflood\", \"repetition\": $n, \"quiet\": $quiet, \"flooded\": $flooded," \
		"\"flood\": $(cat "$work/flood"), \"packets\": $seen, \"seconds\": $seconds}" >>"$raw"
done
kernel_path_stop server
