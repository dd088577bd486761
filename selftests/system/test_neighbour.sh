#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Gateway mode: a neighbour that comes back with another MAC address and tells nobody, as after a failover
# whose announcement was lost. What XDP sends to it alone finds it again, on both sides and in both families.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/system/scenes.sh
. "$HERE/scenes.sh"
SERVER4=$MAIL4 SERVER6=$MAIL6

net_up || bail "network namespaces"
ip -n client route add 198.51.100.0/24 via $GATE4; ip -n client route add 2001:db8:2::/64 via $GATE6
ip -n mail route add default via 198.51.100.1; ip -n mail -6 route add default via 2001:db8:2::1
on gate sh -c 'for f in /proc/sys/net/ipv[46]/conf/all/forwarding; do echo 1 >"$f"; done'
on client ethtool -K c0 tx off gro on >/dev/null; on mail ethtool -K m0 tx off gro on >/dev/null
# How long the kernel believes what it has just heard is half a minute otherwise.
for side in g0 g1; do
	for family in 4 6; do on gate sysctl -qw net.ipv$family.neigh.$side.base_reachable_time_ms=2000; done
done
for a in $MAIL4 $MAIL6; do backend_up mail $a,25 "$T/backend" || exit 1; done
mode=gateway listen='' backend='' interfaces='"g0", "g1"' protect="\"$MAIL4:25\", \"[$MAIL6]:25\""
gate_conf
gate_start || bail "greygated starts"

sources="192.0.2.7 2001:db8:1::7"
for src in $sources; do
	gg allow $src >/dev/null || bail "greygate allow $src"
	like "$src: is the mail server's" "$(hello $src)" '^S: 220 '
done

# The other ends are told of nothing: they know who the gate is.
known() { # namespace interface gate's interface
	local mac a
	mac=$(mac_of gate "$3")
	for a in $(ip -n gate -br addr show "$3" | awk '{ for (i = 3; i <= NF; i++) print $i }'); do
		ip -n "$1" neigh replace "${a%/*}" lladdr "$mac" dev "$2" nud permanent
	done
}
another_card() { # namespace interface address
	on $1 sysctl -qw net.ipv4.conf.$2.arp_notify=0 net.ipv6.conf.$2.ndisc_notify=0
	ip -n $1 link set dev $2 address $3
}
found() { TALK_TIMEOUT=1.5 hello "$1" 2>/dev/null | grep -q '^S: 220 '; }

# Five seconds until the kernel doubts, three of asking, and the turn of a packet.
known mail m0 g1
another_card mail m0 02:11:22:33:44:66
for src in $sources; do check "$src: the mail server's other card is found" wait_for 10 found $src; done

known client c0 g0
another_card client c0 02:11:22:33:44:77
for src in $sources; do check "$src: its own router's other card is found" wait_for 10 found $src; done
check "greygate forwards" [ "$(counter forwarded)" -gt 0 ]
gate_stop
is "it stops" $? 0
