#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row lists: greygate import of a million prefixes that cover 11.0.0.0/8 without a gap, and of others that
# do, while SYNs from sources all over 11.0.0.0/8 come at the rate that one CPU can make and judge them. Both
# lists drop every one of them: a packet that met a part of a list would be one of a stranger. The sources
# are 256 at even distances, so that no part of a list is missing unseen and what bounds the rate is
# not the memory behind a million random ways through a trie. Everything else has the other CPU. JSON to
# $raw. run.sh calls it.
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
taskset -a -p -c 0 "$server_pid" >/dev/null
taskset -p -c 0 $$ >/dev/null
# Of all packets those that were not dropped by a list; that no flood is under way, so that the three belong
# together.
strangers() { echo $(($(stat_of packets) - $(stat_of drop_new) - $(stat_of not_ours))); }
before=$(strangers)
on client taskset -c 1 "$BUILD/selftests/bench/frames" flood c0 --to $mail:25 --network 11.0.0.0/8 \
	--spread 8 --mac "$mac" --seconds ${SECONDS_EACH:-25} >"$work/flood" &
flood=$!
sleep 1
packets=0 seconds=0 swaps=0
for file in two one two one; do
	kill -0 $flood || break
	count=$(stat_of packets)
	start=$EPOCHREALTIME
	put $file >/dev/null
	seconds=$(awk -v a="$start" -v b="$EPOCHREALTIME" -v s="$seconds" 'BEGIN { printf "%.2f", s + b - a }')
	packets=$((packets + $(stat_of packets) - count))
	swaps=$((swaps + 1))
done
wait $flood || fail "no flood"
strangers=$(($(strangers) - before))
entries=$(wc -l <"$work/one")
echo "  $entries prefixes in $load s; $swaps exchanges in $seconds s under" \
	"$(awk -v p=$packets -v s=$seconds 'BEGIN { printf "%.2f", p / s / 1e6 }') Mpps: $strangers let through; $(cat "$work/flood")"
echo "{\"row\": \"lists\", \"entries\": $entries, \"load\": $load, \"swaps\": $swaps, \"packets\": $packets," \
	"\"seconds\": $seconds, \"strangers\": $strangers, \"flood\": $(cat "$work/flood")}" >>"$raw"
kernel_path_stop server
