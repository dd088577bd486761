#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Promotion of sources and of their networks, and demotion with each cause: a trap, the mail
# server's refusals, the operator, idleness; in the daemon, in the kernel's maps, over a restart.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
backend_up mail $MAIL4,25 "$T/backend" || bail "a mail server"
greylist="delay = 1s  delay_clean = 1s  delay_suspicious = 1s  jitter = 0  promote_after = 1  promote_net_after = 2  demote_after = 10"
trap_conf='addresses = {"trap@example.net"}  life = 300s  action = reject'
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"
ip -n client addr add 2001:db8:1::5/64 dev c0 nodad

try() { attempt "$1" "$(server_for "$1")" "$2" user1@example.net; } # source sender
delivered() { try "$1" "$2" | grep -qE '^S: 250 .*queued|^S: 250 2\.0\.0'; }
greylisted() { try "$1" "$2" | grep -qE '^S: 451 4\.7\.1'; }
retried() { wait_for 5 delivered "$1" "$2"; }
learned() { gg list learned --json | grep -q "\"$1\""; }

# 203.0.113.7 to .9, 2001:db8:1::7 and ::8 are of one network each
learn() { # hosts...
	local h
	for h in "$@"; do
		check "$h: a stranger waits" greylisted "$h" "first-${h//:/x}@sender.example"
		check "$h: its retry is delivered" retried "$h" "first-${h//:/x}@sender.example"
		check "$h: is learned" learned "$h"
	done
}
learn 203.0.113.7
refuse "one host is not its network" learned 203.0.113.0/24
like "explain tells how far the network is" "$(gg explain 203.0.113.9)" \
	'203\.0\.113\.0/24: 1 of its addresses learned.* after 2'
like "so does export" "$(gg export)" '"state":"network","source":"203\.0\.113\.0/24".*"hosts":1'
check "its neighbour waits" greylisted 203.0.113.9 "early@sender.example"
learn 203.0.113.8 2001:db8:1::7 2001:db8:1::8
for net in 203.0.113.0/24 2001:db8:1::/64; do
	check "$net is learned with its second host" learned $net
	check "$net is in the kernel's map" net_is $net GG_ALLOW
	check "$net is logged" log_wait event=promote net=$net
done
check "a new host of it waits for nothing" delivered 203.0.113.9 "new@sender.example"
is "promotions are counted" "$(counter promoted)" 6

# ---- over a restart ----
gate_stop; is "it stops" $? 0
gate_start || bail "greygated starts again"
check "the network is still allowed" delivered 203.0.113.9 "again@sender.example"

# ---- a trap ----
like "a learned network's host that mails a trap is refused" \
	"$(attempt 203.0.113.9 $GATE4 spam@sender.example trap@example.net)" '^S: 554 5\.7\.1'
refuse "the network is no longer learned" learned 203.0.113.0/24
refuse "nor in the kernel's map" net_is 203.0.113.0/24 GG_ALLOW
check "that is logged" log_wait event=demote src=203.0.113.0/24 reason=trap
check "the host is denied in the kernel" map_is 203.0.113.9 GG_DENY
check "a stranger of the network waits" greylisted 203.0.113.66 "other@sender.example"
check "what a neighbour earned itself stays" delivered 203.0.113.7 "other@sender.example"
like "a learned host that mails a trap is refused" \
	"$(attempt 203.0.113.7 $GATE4 spam@sender.example trap@example.net)" '^S: 554 5\.7\.1'
check "and denied in the kernel" map_is 203.0.113.7 GG_DENY
check "and demoted" log_wait event=demote src=203.0.113.7 reason=trap
like "the null sender is never trapped" "$(attempt 203.0.113.8 $GATE4 '' trap@example.net)" '^S: 250'
check "its place stays" learned 203.0.113.8
between "demotions are counted" "$(counter demoted)" 2 2

# ---- what the mail server refuses ----
# learned: 203.0.113.8 by itself, 2001:db8:1::/64 as a network
refused() { # source times
	local i
	for i in $(seq "$2"); do
		talk "$1" "$(server_for "$1")" 'EHLO client.example.org' "MAIL FROM:<spam$i@sender.example>" \
			'RCPT TO:<user1@example.net>' ':if 250' DATA ':if 354' ':body -' QUIT
	done >"$T/refused"
}
try 203.0.113.8 good@sender.example >/dev/null
echo '554 5.7.1 spam' >"$T/backend/dot"
refused 203.0.113.8 5
like "its own answers: handed back" "$(cat "$T/refused")" '^S: 554 5\.7\.1 spam'
check "a few refusals among what was taken cost nothing" learned 203.0.113.8
refused 203.0.113.8 4
refuse "half of ten refused: its place is lost" learned 203.0.113.8
refuse "in the kernel's map too" map_is 203.0.113.8 GG_ALLOW
check "that is logged" log_wait event=demote src=203.0.113.8 reason=refused
like "explain tells" "$(gg explain 203.0.113.8)" 'demote \(refused\)'
echo '550 5.7.1 go away' >"$T/backend/rcpt"
refused 2001:db8:1::5 20
refuse "a network's hosts together lose its place" learned 2001:db8:1::/64
check "that is logged, too" log_wait event=demote src=2001:db8:1::/64 reason=refused
check "and what its hosts earned themselves stays" learned 2001:db8:1::8
for i in $(seq 12); do talk 2001:db8:1::8 $GATE6 'EHLO client.example.org' 'MAIL FROM:<>' 'RCPT TO:<user1@example.net>' QUIT; done >/dev/null
check "callouts that are refused cost nothing" learned 2001:db8:1::8
rm "$T/backend/dot" "$T/backend/rcpt"
check "demoted, it waits as at first" greylisted 203.0.113.8 "anew@sender.example"
check "its retry is delivered" retried 203.0.113.8 "anew@sender.example"
check "and it is learned anew" learned 203.0.113.8
gg forget 2001:db8:1::/64 >/dev/null
for h in 2001:db8:1::7 2001:db8:1::8; do
	check "$h waits" greylisted $h "more-${h//:/x}@sender.example"
	check "$h retries" retried $h "more-${h//:/x}@sender.example"
done
check "their network is learned anew" learned 2001:db8:1::/64

# ---- the operator ----
check "forget one host" gg forget 2001:db8:1::7
refuse "its network goes with it" learned 2001:db8:1::/64
check "by the operator" log_wait event=demote src=2001:db8:1::/64 reason=operator
check "it has to wait as at first" greylisted 2001:db8:1::7 "next@sender.example"
check "the other host stays" learned 2001:db8:1::8
check "the retry is delivered" retried 2001:db8:1::7 "next@sender.example"
check "it is learned anew" learned 2001:db8:1::7
refuse "its network only by as many hosts as at first" learned 2001:db8:1::/64
