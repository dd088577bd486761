#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Gateway mode with the interface that leads to the mail server left out, at the start or by a route
# that changes later, or with a firewall that knows of forward alone: the log, status and doctor say so,
# and with what they say mail arrives.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
ip -n client route add 198.51.100.0/24 via $GATE4; ip -n client route add 2001:db8:2::/64 via $GATE6
ip -n mail route add default via 198.51.100.1; ip -n mail -6 route add default via 2001:db8:2::1
on gate sh -c 'for f in /proc/sys/net/ipv[46]/conf/all/forwarding; do echo 1 >"$f"; done'
for a in $MAIL4 $MAIL6; do backend_up mail $a,25 "$T/backend" || exit 1; done
mode=gateway listen='' backend='' interfaces='"g0"' protect="\"$MAIL4:25\", \"[$MAIL6]:25\""
stutter="first = 0" greylist="mode = learn"
gate_conf

findings() { on gate "$BUILD/greygate" -c "$T/greygate.conf" --json doctor | $PYTHON -c 'import json, sys
for f in map(json.loads, sys.stdin):
    if f["check"] == sys.argv[2]: print(f["about"], f["level"], f[sys.argv[1]])' "$1" "${2:-way}"; }
problem() { gg status | grep -q "the way to .* leads by $1, which is not in interfaces"; }
well() { gg status | grep -qE '^  problems +none$'; }
told() { logged "+$at" event=kernel | grep -q "$1"; }

at=0
gate_start || bail "greygated starts"
check "the inner interface is left out: the log says so" wait_for 20 told "the way to $MAIL4:25 leads by g1, which is not in interfaces"
check "status too" problem g1
like "doctor fails for it" "$(findings what)" "^g1 fail leads to $MAIL4:25 and is not in interfaces"
is "once for both addresses" "$(findings what | wc -l)" 1
check "doctor: the mend" sh -c "$(findings mend | sed 's/^g1 fail //')"
gate_stop
like "mends it" "$(findings what)" "^g1 ok leads to $MAIL4:25$"
at=$(log_size)
gate_start || bail "greygated starts with what doctor has written"
check "status finds nothing" wait_for 5 well
refuse "the log says nothing" told 'leads by'
for src in 203.0.113.9 2001:db8:79::9; do
	case $src in *:*) server=$MAIL6 ;; *) server=$MAIL4 ;; esac
	like "$src: a stranger's mail arrives" "$(talk $src $server 'EHLO client.example.org' 'MAIL FROM:<joe@sender.example>' \
		'RCPT TO:<user1@example.net>' DATA ':body -' QUIT)" '^S: 250 2\.0\.0 stored'
done

mail_for() { case $1 in *:*) echo $MAIL6 ;; *) echo $MAIL4 ;; esac; }
firewall() { # how every router keeps strangers from itself, and lets mail through
	on gate nft -f - <<-END
		table inet fw {
			chain input {
				type filter hook input priority 0; policy drop;
				ct state established,related accept
				meta l4proto { icmp, ipv6-icmp } accept
				tcp dport 22 accept
			}
			chain forward {
				type filter hook forward priority 0; policy drop;
				ct state established,related accept
				iifname g0 oifname g1 tcp dport 25 accept
			}
		}
	END
}
like "doctor: the limits are those of the daemon" "$(findings what nofile)" "hard limit of greygated \(pid $gate_pid\)"
is "doctor: without a firewall all is well" "$(findings level firewall)" " ok ok"
check "a router's firewall" firewall
for src in 203.0.113.9 2001:db8:79::9; do
	unlike "$src: it drops the stranger" "$(TALK_TIMEOUT=1 talk $src "$(mail_for $src)" QUIT)" '^S: 220'
done
start_on client $PYTHON -c 'import socket, sys, time
keep = []
for i in range(20):
    keep.append(socket.socket()); keep[i].setblocking(False)
    keep[i].bind(("203.0.113.9", 0)); keep[i].connect_ex((sys.argv[1], 25))
time.sleep(120)' $MAIL4
unheard() { gg status | tr -s ' \n' ' ' | grep -q "strangers that tc hands to the daemon do not reach it: a firewall"; }
check "strangers knock, and status says that they are not heard" wait_for 60 unheard
check "the log too" told 'strangers that tc hands to the daemon do not reach it'
kill "$started"; wait "$started" 2>/dev/null
like "doctor fails for it" "$(findings what firewall)" '^ fail chain input of table inet fw drops strangers'
like "also where sbin is not in the path" "$(PATH=/usr/bin:/bin findings what firewall)" '^ fail chain input of table inet fw drops'
check "doctor: the mend" on gate sh -c "$(findings mend firewall | sed 's/^ fail //')"
is "mends it" "$(findings level firewall)" " ok ok"
for src in 203.0.113.9 2001:db8:79::9; do
	like "$src: the stranger is served" "$(talk $src "$(mail_for $src)" QUIT)" '^S: 220'
done
on gate nft delete table inet fw
rule() { on gate nft "flush ruleset; table inet fw { chain input { type filter hook input priority 0; $1; }; }"; }
check "a rule that logs before it drops" rule 'tcp flags & (fin|syn|rst|ack) == syn log prefix "new: " counter drop'
like "doctor fails for it" "$(findings what firewall)" '^ fail chain input of table inet fw drops strangers'
check "a rule for some sources" rule 'ip saddr 192.0.2.0/24 drop'
like "doctor names it" "$(findings what firewall)" '^ warn chain input of table inet fw may drop strangers: ip saddr 192.0.2.0/24 drop'
check "and the command to look at it" on gate sh -c "$(findings mend firewall | sed 's/^ warn //')"
check "rules of an ordinary firewall" rule 'ct state vmap { established : accept, invalid : drop }; tcp flags & (fin|syn) == (fin|syn) drop;
	ip saddr 192.0.2.0/24 tcp dport 22 drop; meta pkttype broadcast drop; icmp type redirect drop; iifname "wg*" drop'
is "doctor: all is well" "$(findings level firewall)" " ok ok"
on gate nft flush ruleset

# ---- rules of prerouting ----
in_prerouting() { on gate nft "flush ruleset; table inet fw { chain pre { type $1 hook prerouting priority mangle; $2; }; }"; }
met_by() { talk $1 "$(mail_for $1)" QUIT | grep -E '^S: 220' | cut -d' ' -f3; }
for rule in 'meta mark set ct mark' 'meta mark set mark and 0xffffff00'; do
	check "$rule" in_prerouting filter "$rule"
	like "$rule: doctor fails for it" "$(findings what firewall)" '^ fail chain pre of table inet fw changes the mark of strangers'
	check "$rule: the mend" on gate sh -c "$(findings mend firewall | sed 's/^ fail //')"
	is "$rule: doctor is content" "$(findings level firewall)" " ok ok"
	for src in 203.0.113.9 2001:db8:79::9; do is "$rule, $src: by the daemon" "$(met_by $src)" gate.example.net; done
done
check "a translation to the mail server" in_prerouting nat "ip daddr 192.0.2.99 tcp dport 25 dnat ip to $MAIL4:25"
like "doctor fails for it" "$(findings what firewall)" "^ fail chain pre of table inet fw translates to $MAIL4"
on gate nft flush ruleset
check "status is content" wait_for 30 well
check "the log says that they are heard" told 'strangers reach the daemon again'

ip -n gate link add d0 type veth peer name d1 && ip -n gate link set d0 up && ip -n gate link set d1 up ||
	bail "another interface"
ip -n gate -6 route add $MAIL6/128 dev d0
check "a route that changes: the log says so" wait_for 20 told "the way to .$MAIL6.:25 leads by d0"
check "status too" problem d0
like "doctor fails for it" "$(findings what)" 'd0 fail leads to '
ip -n gate -6 route del $MAIL6/128 dev d0
check "and back: the log says so" wait_for 20 told 'the way to each protected address leads by interfaces'
check "status is content" well
on gate ip link set g1 mtu 600
like "doctor: an interface too narrow for IPv6" "$(findings what)" \
	"^ fail no route to .$MAIL6.:25: g1 has no IPv6, its MTU of 600 is below 1280"
check "doctor: the mend" on gate sh -c "$(findings mend | sed -n 's/^ fail //p')"
unlike "mends it" "$(findings what)$(findings what mtu)" '1280'
on gate sh -c 'echo 1 >/proc/sys/net/ipv6/conf/g1/disable_ipv6'
like "doctor: an interface without IPv6" "$(findings what)" "^ fail no route to .$MAIL6.:25: g1 has no IPv6, disable_ipv6 is 1"
check "doctor: the mend" on gate sh -c "$(findings mend | sed -n 's/^ fail //p')"
unlike "mends it" "$(findings what)" 'disable_ipv6'
ip -n gate addr add 2001:db8:2::1/64 dev g1 nodad
ip -n gate route add unreachable $MAIL4; ip -n gate -6 route add unreachable $MAIL6
is "doctor: routes that say no" "$(findings what | grep -c '^ fail no route to')" 2
check "doctor: the mends" on gate sh -ec "$(findings mend | sed -n 's/^ fail //p' | sed 's/INTERFACE/g1/')"
is "mend it" "$(findings level)" "g1 ok ok"
ip -n gate route del $MAIL4 dev g1; ip -n gate -6 route del $MAIL6 dev g1
port() { gg status | tr -s ' \n' ' ' | grep -q 'interface g0: its master is br0 (bridge)'; }
if ip -n gate link add br0 type bridge 2>/dev/null; then
	at=$(log_size)
	ip -n gate link set br0 up; ip -n gate link set g0 master br0
	check "an interface becomes the port of a bridge: the log says so" wait_for 20 told \
		'interface g0: its master is br0 (bridge).*strangers go past the daemon.*; name br0 in interfaces'
	check "status too" port
	check "its mend" ip -n gate link set dev g0 nomaster
	check "mends it" wait_for 20 well
	ip -n gate link del br0
else
	skip "an interface becomes the port of a bridge" "this kernel has no bridge"
fi
upper() { gg status | tr -s ' \n' ' ' | grep -q 'an address of mv0 (macvlan) over it'; }
if ip -n gate link add mv0 link g0 type macvlan 2>/dev/null; then
	check "a macvlan over an interface: status says so" wait_for 20 upper
	like "doctor fails for it" "$(findings what way)" ' fail interface g0: what is for an address of mv0 '
	ip -n gate link del mv0
	check "without it status is content" wait_for 20 well
else
	skip "a macvlan over an interface" "this kernel has no macvlan"
fi
ip -n gate -6 route del 2001:db8:2::/64 dev g1
like "doctor: an address without a route fails" "$(findings what)" "^ fail no route to .$MAIL6.:25: Network is unreachable"
like "status has the same, and its mend" "$(COLUMNS=200 gg status)" \
	"no route to .$MAIL6.:25: Network is unreachable; $(findings mend | sed -n 's/^ fail //p')$"
check "doctor: the mend" on gate sh -c "$(findings mend | sed -n 's/^ fail //p')"
is "mends it" "$(findings level)" "g1 ok ok"
unlike "status tells no more of it" "$(gg status)" 'kernel: no route to '
ip -n gate link set g1 down
like "without the interface status tells of both addresses" "$(gg status | grep -c 'kernel: no route to ')" '^2$'
like "doctor: an interface that is down" "$(findings what)" "^ fail no route to $MAIL4:25: g1 is down"
like "doctor: its mend" "$(findings mend)" '^ fail ip link set dev g1 up$'
like "doctor: a gateway's interface fails for it" "$(findings what link)" '^g1 fail down'
refuse "no way at all is nothing of the kind" problem 'g.'
gate_stop
is "it stops" $? 0
