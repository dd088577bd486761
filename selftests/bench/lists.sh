#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row lists: greygate import of a million prefixes that cover 11.0.0.0/8 without a gap, and of others that
# do, while SYNs from random sources of 11.0.0.0/8 come at the rate that one CPU can make them: a packet
# that met a part of a list would be one of a stranger. JSON to $raw. run.sh calls it.
set -u
. selftests/bench/servers.sh
. selftests/bench/nets.sh

machine_new client; machine_new server
wire client c0 server s0
on server ip addr add $mail/24 dev s0
clients_at $mail 10.10.0.1/24
on server ip route add default via 10.10.0.1
on server "$BUILD/selftests/bench/responder" $mail:25 &
kernel_path_start server host '"s0"' 'listen = {"10.10.0.25:2525"} backend = {"10.10.0.25:25"} workers = 1'
mac=$(mac_of server s0)
python3 - "$work" <<'END'
import socket, struct, sys
def prefixes(f, first, last, size, length):
    for a in range(first << 24, last << 24, size):
        f.write("%s/%d\n" % (socket.inet_ntoa(struct.pack(">I", a)), length))
with open(sys.argv[1] + "/one", "w") as f:
    prefixes(f, 11, 12, 16, 28)
with open(sys.argv[1] + "/two", "w") as f:
    prefixes(f, 11, 12, 16, 28)
    for a in range(11 << 24, 12 << 24, 64):
        f.write("%s/29\n" % socket.inet_ntoa(struct.pack(">I", a + 8)))
END
put() { # file: seconds
	local start=$EPOCHREALTIME
	gg import big "$work/$1" --action drop_new >"$work/said" || fail "import: $(cat "$work/said")"
	awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }'
}
load=$(put one)
on client taskset -c 1 "$BUILD/selftests/bench/frames" flood c0 --to $mail:25 --network 11.0.0.0/8 \
	--mac "$mac" --seconds 30 >"$work/flood" &
flood=$!
sleep 2
# Whoever is not denied: let in, or over a limit of those who are not known.
strangers() { echo $(($(stat_of unknown_syn) + $(stat_of flood_source) + $(stat_of flood_budget))); }
packets=$(stat_of packets) before=$(strangers)
start=$EPOCHREALTIME
swaps=0
for file in two one two; do
	put $file >/dev/null
	swaps=$((swaps + 1))
	sleep 2
done
seconds=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
packets=$(($(stat_of packets) - packets)) strangers=$(($(strangers) - before))
wait $flood || fail "no flood"
entries=$(wc -l <"$work/one")
echo "  $entries prefixes in $load s; $swaps exchanges under $((packets / ${seconds%.*})) packets/s: $strangers let through"
echo "{\"row\": \"lists\", \"entries\": $entries, \"load\": $load, \"swaps\": $swaps, \"packets\": $packets," \
	"\"seconds\": $seconds, \"strangers\": $strangers}" >>"$raw"
kernel_path_stop server
