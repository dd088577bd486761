#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row tarpit: a million connections opened by sources in the tarpit and left hanging there: each handshake is
# whole, as far as the client can see. What greygated, its maps and the kernel's sockets grow by counts.
# JSON to $raw. run.sh calls it.
set -u
. selftests/bench/servers.sh
. selftests/bench/nets.sh
wanted=${CONVERSATIONS:-1000000}

machine_new client; machine_new server
wire client c0 server s0
on server ip addr add $mail/24 dev s0
on server ip route add $network via 10.10.0.1
clients_at $mail 10.10.0.1/24
kernel_path_start server host '"s0"' 'listen = {"10.10.0.25:2525"} backend = {"10.10.0.25:25"}
		limit { new_per_source = 0  new_per_cpu = 0 }'
gg deny $network --action tarpit >/dev/null || fail "the network is not denied"

memory() {
	local maps sockets rss
	maps=$(for pin in "$work"/greygated/bpf/greygate/v1/*; do bpftool map show pinned "$pin"; done 2>/dev/null |
		sed -n 's/.*memlock \([0-9]*\)B.*/\1/p' | awk '{ n += $1 } END { print n }')
	sockets=$(on server awk '/^(TCP|TCP6):/ { n += $3 } END { print n }' /proc/net/sockstat /proc/net/sockstat6)
	rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$server_pid/status")
	echo "{\"maps_bytes\": ${maps:-0}, \"sockets\": $sockets, \"rss_kb\": $rss}"
}
sleep 1
before=$(memory)
dialled=$(on client "$BUILD/selftests/bench/frames" dial c0 --to $mail:25 --network $network \
	--mac "$(mac_of server s0)" --count "$wanted" --seconds 60) || fail "the connections could not be opened"
after=$(memory)
echo "  $dialled"
echo "{\"row\": \"tarpit\", \"wanted\": $wanted, \"dialled\": $dialled, \"before\": $before, \"after\": $after," \
	"\"answered\": $(stat_of tarpit_syn), \"held\": $(stat_of tarpit_held)}" >>"$raw"
kernel_path_stop server
