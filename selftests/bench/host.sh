#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row host: what a known source pays for greygated in host mode. Two machines stand beside each other, with a
# mail server (the responder) each: one is guarded by greygated, on the other an XDP program that does nothing
# stands in its place, so that a veth pair's way of taking XDP costs both the same. What that way costs, where a
# network card would not, a third machine tells, which has no XDP at all. Connections from 254 allowed addresses,
# as fast as they go (connections/s), to one machine after the other for some milliseconds, in an order in which the
# two come as often after each other and after the third; and two at a time (from connect to banner), each to any of
# them: what else the machine does is the same for all. Clients and mail servers have a CPU each: left alone, each
# server stays for long where it came to run first, which made two machines alike differ by 3 %. The kernel is asked
# what the programs take, too. JSON to $raw. run.sh calls it.
set -u
. selftests/bench/servers.sh
. selftests/bench/nets.sh
declare -A address=([with]=$mail [without]=10.20.0.25 [plain]=10.30.0.25)

machine_new client
server_at() { # machine, the client's interface and address
	machine_new "$1"
	wire client "$2" "$1" s0
	on "$1" ip addr add "${address[$1]}/24" dev s0
	on "$1" ip route add $network via "$3"
	on "$1" taskset -c 1 "$BUILD/selftests/bench/responder" "${address[$1]}:25" &
}
server_at with c0 10.10.0.1
server_at without c1 10.20.0.1
server_at plain c2 10.30.0.1
clients_at $mail 10.10.0.1/24
on client ip addr add 10.20.0.1/24 dev c1
on client ip addr add 10.30.0.1/24 dev c2
load() { # seconds connections server... [option...]
	local seconds=$1 connections=$2
	shift 2
	on client taskset -c 0 "$BUILD/selftests/bench/loadgen" "${@/#/--}" --network $network --until banner \
		--connections "$connections" --threads 1 --warm-up 0.05 --seconds "$seconds" || fail "no load"
}
begin without pass "$BUILD/selftests/bench/frames" pass s0
kernel_path_start with host '"s0"' 'listen = {"10.10.0.25:2525"} backend = {"10.10.0.25:25"}'
allow_all
before=$(stat_of connections)
a=target=${address[with]}:25 b=target=${address[without]}:25 c=target=${address[plain]}:25
all=("$a" "$b" "$c") turns=("$a" "$b" "$c" "$b" "$a" "$c")
load 0.5 2 "${all[@]}" >/dev/null
for ((n = 1; n <= ${REPETITIONS:-31}; n++)); do
	echo "{\"row\": \"host\", \"many\": $(load "${SECONDS_EACH:-2.4}" 64 "${turns[@]}" slice=0.02)," \
		"\"few\": $(load "${SECONDS_EACH:-0.6}" 2 "${all[@]}")}" >>"$raw"
done
# ns in all our programs so far, the reading of the clock around each run included.
in_programs() {
	bpftool -j prog show | python3 -c 'import json, sys
print(sum(p.get("run_time_ns", 0) for p in json.load(sys.stdin) if p.get("name", "").startswith("greygate_")))'
}
was=$(sysctl -n kernel.bpf_stats_enabled)
sysctl -qw kernel.bpf_stats_enabled=1
ns=$(in_programs)
result=$(load 1 2 "target=$mail:25")
ns=$(($(in_programs) - ns))
sysctl -qw kernel.bpf_stats_enabled="$was"
echo "{\"row\": \"host\", \"programs_ns\": $ns, \"result\": ${result:-null}}" >>"$raw"
after=$(stat_of connections)
[ "$before" = "$after" ] || fail "greygated itself accepted connections of allowed sources: $before, $after"
kernel_path_stop with
