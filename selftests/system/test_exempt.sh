#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Whom DNS keeps out of the traps: clients that a list allows by name, that a DNS list vouches for, that
# are another host of a pool; and that nobody falls in while DNS has not told.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
LOW4=192.0.2.26 LOW6=2001:db8:1::26
ip -n gate addr add $LOW4/24 dev g0; ip -n gate addr add $LOW6/64 dev g0 nodad
for a in 67 68 69; do ip -n client addr add 2001:db8:66::$a/64 dev c0 nodad; done
backend_up mail $MAIL4,25 "$T/mail" || exit 1
$PYTHON - >"$T/zone.json" <<'END'
import ipaddress, json
zone = {"8.2.0.192.white.list": [["A", "127.0.10.2"]],
        "spf.example": [["TXT", "v=spf1 ip4:203.0.113.8 ip6:2001:db8:79::9 -all"]]}
for addr, name in (("192.0.2.7", "mail.friend.example"), ("2001:db8:77::7", "six.friend.example"),
                   ("2001:db8:66::67", "near.friend.example"), ("203.0.113.7", "out1.pool.example"), ("2001:db8:78::8", "out2.pool.example")):
    zone[ipaddress.ip_address(addr).reverse_pointer] = [["PTR", name]]
    zone[name] = [["AAAA" if ":" in addr else "A", addr]]
nibbles = ipaddress.ip_address("2001:db8:66::68").reverse_pointer.removesuffix(".ip6.arpa")
zone[nibbles + ".white.list"] = [["A", "127.0.10.2"]]
print(json.dumps(zone))
END
dns_up 127.0.0.1 5353
echo friend.example >"$T/friends"; chmod 644 "$T/friends"
greylist="delay = 300s  delay_clean = 300s  delay_suspicious = 300s  jitter = 0"
servers='dns { servers = {"127.0.0.1:5353"}  timeout = 5s }'
vouch='dnslist "white.list" { weight = -3 }'
friends="list \"friends\" { file = \"$T/friends\"  format = postgrey-clients }"
trap_conf="addresses = {\"trap@example.net\"}  hosted = {\"example.net\"}  action = reject
	low_priority_mx = {\"$LOW4\", \"$LOW6\"}  low_priority_pause = 0  harvest = 3"
interfaces=
workers=1 # what one session has asked is known to the next

say() { # server source sender recipient...
	local server=$1 src=$2 from=$3; shift 3
	set -- "${@/#/RCPT TO:<}"
	talk "$src" "$server" 'EHLO client.example.org' "MAIL FROM:<$from>" "${@/%/>}" QUIT
}
mail() { say "$(server_for "$1")" "$@"; }
low() { say "$([[ $1 == *:* ]] && echo $LOW6 || echo $LOW4)" "$@"; }
trapped() { gg list trap | grep -q "^$1 "; }
restart() { # DNS mode, lists
	[ -z "$gate_pid" ] || gate_stop >/dev/null
	rm -rf "$T/state"
	echo "$1" >"$T/mode"
	extra="$servers
$2"
	gate_conf
	gate_start || bail "greygated starts"
}

# ---- answers that come late, or not ----
# The first mail of a source hears it. A name server that stands still for longer than anybody waits says nothing
# of that: then it is the first one of another life.
at_first() { # lists reply source sender recipient
	local lists=$1 reply=$2 i; shift 2
	for i in 1 2 3; do
		mail "$@" | tee "$T/heard" | grep -qE "$reply" && return
		restart "$way" "$lists"
	done
	cat "$T/heard"
	return 1
}
both="$vouch
$friends"
for way in ok "slow 0.15"; do
	restart "$way" "$both"
	for src in 192.0.2.7 2001:db8:77::7; do
		check "$way: a list allows $src by name: to a trap" at_first "$both" '^S: 250 2\.1\.5' $src u@x.example trap@example.net
		refuse "$way: $src is not trapped" trapped $src
	done
	check "$way: a DNS list vouches: a mistyped domain" at_first "$both" '^S: 250 2\.1\.5' 192.0.2.8 u@x.example typo@exmple.net
	refuse "$way: not trapped" trapped 192.0.2.8
	for src in 203.0.113.9 2001:db8:66::66; do
		check "$way: $src, of whom nobody knows: 554" at_first "$both" '^S: 554 5\.7\.1 .*spam trap' $src u@x.example trap@example.net
		check "$way: $src is trapped" trapped $src
	done
done
restart dead "$both"
for src in 192.0.2.7 192.0.2.8 2001:db8:77::7 203.0.113.9; do
	out=$(mail $src u@x.example trap@example.net typo@exmple.net user1@example.net)
	is "dead DNS: $src: each recipient is deferred" "$(grep -c '^S: 451 4\.7\.1 ' <<<"$out")" 3
	refuse "dead DNS: $src is not trapped" trapped $src
done
check "the decision says why" log_wait event=decision src=203.0.113.9 verdict=grey reason=no_evidence
echo ok >"$T/mode"
sprung() { mail 203.0.113.9 u@x.example trap@example.net | grep -q '^S: 554 5\.7\.1 .*spam trap'; }
check "DNS is back: so is the trap" wait_for 20 sprung
restart dead 'dnslist "bad.list" { weight = 3 }'
like "dead DNS that could exempt nobody: 554" "$(mail 203.0.113.9 u@x.example trap@example.net)" '^S: 554 5\.7\.1 .*spam trap'
check "trapped" trapped 203.0.113.9

# ---- who shares the /64 of a trap ----
denied='^S: 554 5\.7\.1 .*spam trap'
hears() { mail "$1" u@x.example "$2" | tee "$T/heard" | grep -qE "$3"; } # source recipient reply
for way in ok "slow 0.15"; do
	restart "$way" "$both"
	check "$way: the trap of one IPv6 address" wait_for 10 hears 2001:db8:66::66 trap@example.net "$denied"
	check "$way: a neighbour of whom nobody knows: 554" wait_for 10 hears 2001:db8:66::69 user1@example.net "$denied"
	for a in 67 68; do
		check "$way: one that is vouched for is served: $a" wait_for 10 hears 2001:db8:66::$a user1@example.net \
			'^S: 250 2\.1\.5'
	done
	refuse "$way: none has an entry of its own" eval 'for a in 67 68 69; do trapped 2001:db8:66::$a && break; done'
done
gate_stop; is "SIGTERM: exit code 0" $? 0
echo dead >"$T/mode"
gate_start || bail "greygated starts again"
for a in 67 68 69; do
	like "dead DNS: a neighbour waits: $a" "$(mail 2001:db8:66::$a u@y.example user1@example.net)" '^S: 451 4\.7\.1'
done
like "dead DNS: not the one that has hit it" "$(mail 2001:db8:66::66 u@y.example user1@example.net)" "$denied"
restart dead ""
mail 2001:db8:66::66 u@x.example trap@example.net >/dev/null
like "without such lists nobody is asked" "$(mail 2001:db8:66::67 u@x.example user1@example.net)" "$denied"

# ---- the last door ----
# Nobody waits for names at the first one: they are asked for beforehand, at the last one, without a recipient.
ask() {
	local pair jobs_=()
	for pair in 203.0.113.7,friend 2001:db8:78::8,friend 203.0.113.8,spf 2001:db8:79::9,spf; do
		low "${pair%,*}" "a@${pair#*,}.example" & jobs_+=($!)
	done
	wait "${jobs_[@]}"
}
restart ok ""
check "DNS has told of them" wait_for 10 dns_settled ask
like "a pool tries the first MX" "$(mail 203.0.113.7 a@friend.example user1@example.net)" '^S: 451'
like "another host of it the last one: no trap" "$(low 2001:db8:78::8 a@friend.example user1@example.net)" '^S: 451 4\.7\.1'
refuse "it is not trapped" trapped 2001:db8:78::8
like "SPF: first MX by IPv4" "$(mail 203.0.113.8 a@spf.example user2@example.net)" '^S: 451'
like "then the last one by IPv6: no trap" "$(low 2001:db8:79::9 a@spf.example user2@example.net)" '^S: 451 4\.7\.1'
refuse "it is not trapped" trapped 2001:db8:79::9
like "a stranger: 554" "$(low 2001:db8:66::66 a@spf.example user4@example.net)" '^S: 554 5\.7\.1 .*last MX'
check "it is trapped" trapped 2001:db8:66::66
like "the pool's host with another message: 554" "$(low 2001:db8:78::8 a@friend.example user3@example.net)" '^S: 554 5\.7\.1 .*last MX'
restart dead ""
like "dead DNS: no trap" "$(low 203.0.113.7 a@friend.example user1@example.net)" '^S: 451 4\.7\.1'
refuse "nobody is trapped" trapped 203.0.113.7
like "dead DNS: a host tries the first MX" "$(mail 203.0.113.8 a@spf.example user2@example.net)" '^S: 451'
# Where its policy comes later than its first attempt here, the older record of its network decides.
echo ok >"$T/mode"
weighed() { low 2001:db8:79::9 a@spf.example user2@example.net >/dev/null; logged event=decision src=2001:db8:79::9 spf=pass verdict=grey; }
check "DNS is back: it tries the last one by IPv6, no trap" wait_for 20 weighed
refuse "it is not trapped" trapped 2001:db8:79::9
gate_stop; is "SIGTERM: exit code 0" $? 0
