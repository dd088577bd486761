#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A learned source in a trap, where DNS could exempt it: nothing is asked of it before, and the answers
# of its first sessions lie in memory still, or have to be asked for.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
backend_up mail $MAIL4,25 "$T/mail" || exit 1
cat >"$T/zone.json" <<'END'
{"8.2.0.192.white.list": [["A", "127.0.10.2"]], "7.2.0.192.in-addr.arpa": [["PTR", "mail.friend.example"]],
 "mail.friend.example": [["A", "192.0.2.7"]]}
END
dns_up 127.0.0.1 5353
echo friend.example >"$T/friends"; chmod 644 "$T/friends"
greylist="delay = 1s  delay_clean = 1s  delay_suspicious = 1s  jitter = 0  promote_after = 1"
trap_conf='addresses = {"trap@example.net"}  hosted = {"example.net"}  action = reject  harvest = 3'
servers='dns { servers = {"127.0.0.1:5353"}  timeout = 5s }'
vouch='dnslist "white.list" { weight = -3 }'
friends="list \"friends\" { file = \"$T/friends\"  format = postgrey-clients }"
workers=1 # its answers are those of all sessions
interfaces=

mail() { # source recipient...
	local src=$1; shift
	set -- "${@/#/RCPT TO:<}"
	talk "$src" "$(server_for "$src")" 'EHLO client.example.org' 'MAIL FROM:<u@x.example>' "${@/%/>}" QUIT
}
trapped() { gg list trap | grep -q "^$1 "; }
learned() { gg list learned | grep -q "^$1 "; }
# A triplet of its own each: what a neighbour has passed earns nobody anything.
learns() { attempt "$1" "$(server_for "$1")" "a@n${1##*[.:]}.example" user1@example.net | grep -q '^S: 250 2.0.0 stored' && learned "$1"; }
restart() { # lists
	[ -z "$gate_pid" ] || gone "$gate_pid" || gate_stop >/dev/null
	rm -rf "$T/state"
	echo ok >"$T/mode"
	extra="$servers
$1"
	gate_conf
	gate_start || bail "greygated starts"
}
sprung='^S: 554 5\.7\.1 .*spam trap'
is_trapped() { # how source...
	local how=$1 src before; shift
	for src; do
		check "$how: $src is learned" wait_for 8 learns "$src"
		before=$(counter dns_asked)
		like "$how: its answers are in memory: $src: 554" "$(mail "$src" trap@example.net)" "$sprung"
		check "$how: $src is trapped" trapped "$src"
		refuse "$how: $src has lost its place" learned "$src"
		is "$how: no question was asked again" "$(counter dns_asked)" "$before"
	done
}

restart "$vouch"
is_trapped "a DNS list" 203.0.113.9 2001:db8:66::66
echo '^user' >"$T/mail/known"
check "another one is learned" wait_for 8 learns 203.0.113.7
harvests() { mail 203.0.113.7 nobody{1,2,3,4,5,6,7,8,9}@example.net >/dev/null; trapped 203.0.113.7; }
check "it is trapped for a harvest like any stranger" wait_for 8 harvests
rm "$T/mail/known"

restart "$friends"
is_trapped "names" 203.0.113.9

restart ""
for src in 192.0.2.7 192.0.2.8 203.0.113.9; do
	check "without lists: $src is learned" wait_for 8 learns $src
done
extra="$servers
$vouch
$friends"
check "lists are configured" gate_renew
echo "slow 0.1" >"$T/mode"
like "what they say is waited for: 554" "$(mail 203.0.113.9 trap@example.net)" "$sprung"
for src in 192.0.2.7 192.0.2.8; do
	unlike "what they allow is let through: $src" "$(mail $src trap@example.net)" '^S: (451|554)'
	check "$src has kept its place" learned $src
done

# ---- samples in host mode ----
mode=host listen='"0.0.0.0:10025", "[::]:10025"' protect="\"$GATE4:25\", \"[$GATE6]:25\""
backend='"127.0.0.1:25"' interfaces='"g0"' sample=1
gate_stop >/dev/null
backend_up gate 127.0.0.1,25 "$T/box" || exit 1
restart "$vouch"
is_trapped "a sample" 203.0.113.9 2001:db8:66::66
check "denied before its next SYN" map_is 203.0.113.9 GG_BY_TRAP
check "the demotion is told" log_wait event=demote src=203.0.113.9 reason=trap
gate_stop; is "SIGTERM: exit code 0" $? 0
