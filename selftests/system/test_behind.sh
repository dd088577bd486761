#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What stands behind an operator's word on the very same prefix: it holds against greylist.exempt over
# reload, restart and upgrade, and what is behind it is in force again as soon as it ends; so is a list's
# entry, and meanwhile no wider prefix is what the kernel goes by.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
backend_up mail $MAIL4,25 "$T/backend" || exit 1
EXEMPT='exempt = {"203.0.113.7", "2001:db8:77::/64", "203.0.113.8", "203.0.113.9"}'
waits="delay = 300s  delay_clean = 300s  delay_suspicious = 300s"
greylist="$waits $EXEMPT"
gate_conf
gate_start || bail "greygated starts"
export TALK_TIMEOUT=5
mail_from() {
	TALK_TIMEOUT=${2:-5} talk "$1" "$(server_for "$1")" 'EHLO client.example.org' \
		"MAIL FROM:<joe@$RANDOM.example>" 'RCPT TO:<user1@example.net>' QUIT
}
served() { mail_from "$1" | grep -qE '^S: 250 2\.1\.5'; }
refused() { mail_from "$1" | grep -qE '^S: 554 5\.7\.1'; }
dropped() { mail_from "$1" 1.5 | grep -qE '^T: connect <timeout>'; }
grey() { mail_from "$1" | grep -qE '^S: 451 4\.7\.1'; }
denies() { gg list deny | grep -qE "^$1 "; }
allows() { gg list allow | grep -qE "^$1 "; }
six=2001:db8:77::7 net6=2001:db8:77::/64

# ---- greylist.exempt ----
for src in 203.0.113.7 $six 203.0.113.8 203.0.113.9; do check "exempt: $src is served" served $src; done
out=$(gg forget 203.0.113.8)
like "forget says what it is" "$out" '^203\.0\.113\.8 stands in greylist\.exempt of the configuration, and stays allowed'
unlike "and not that nothing was known" "$out" 'nothing was known'
like "forget --json" "$(gg --json forget $net6)" '"exempt": ?true'
like "explain says how it ends" "$(gg explain 203.0.113.8)" 'greylist\.exempt'
like "deny says what it wins over" "$(gg deny 203.0.113.7 --action drop_all)" \
	'^203\.0\.113\.7 stands in greylist\.exempt of the configuration: the deny wins while it lasts'
like "deny --json" "$(gg --json deny $net6 --reason hacked)" '"exempt": ?true'
unlike "another deny says nothing of it" "$(gg --json deny 192.0.2.7; gg deny 192.0.2.8)" 'exempt'
check "an operator's allow" gg allow 203.0.113.8 --reason mine
like "explain says how the deny ends" "$(gg explain 203.0.113.7)" 'greygate forget'
holds() { # when
	check "$1: IPv4 is denied" dropped 203.0.113.7
	check "$1: IPv6 is denied" refused $six
	check "$1: they are listed" eval 'denies 203.0.113.7 && denies $net6'
	check "$1: the kernel agrees" eval 'map_is 203.0.113.7 GG_DENY && net_is $net6 GG_DENY'
	check "$1: another one is exempt" served 203.0.113.9
}
holds "at once"
check "reload" gg reload
holds "reload"
check "SIGHUP" gate_renew
holds "SIGHUP"
gate_stop; is "SIGTERM: exit code 0" $? 0
check "restart" gate_start
holds "restart"
old=$gate_pid
kill -USR2 "$gate_pid"
check "upgrade" wait_for 20 is_another "$old"
gate_pid=$(pid_now)
holds "upgrade"

# ---- taken out of the settings, and put back ----
greylist="$waits"
check "reload without exempt" gate_renew
check "IPv4 is denied" dropped 203.0.113.7
check "IPv6 is denied" refused $six
check "the operator's allow stands" served 203.0.113.8
check "who was just exempt is a stranger" grey 203.0.113.9
refuse "and not known to the kernel" map_is 203.0.113.9 GG_ALLOW
kill -TERM "$gate_pid"
check "it stops" wait_for 10 gone "$gate_pid"
check "restart without exempt" gate_start
check "the store has the denies" eval 'denies 203.0.113.7 && denies $net6'
check "and the allow" allows 203.0.113.8
refuse "and no exemption" allows 203.0.113.9
greylist="$waits $EXEMPT"
check "exempt again" gate_renew
holds "exempt again"

# ---- its end ----
forgotten() { gg forget "$1" | tee "$T/out" | grep -q ': forgotten'; }
check "forget of the deny" forgotten 203.0.113.7
like "it says what is left" "$(cat "$T/out")" '^203\.0\.113\.7 stands in greylist\.exempt'
check "forget: exempt at once" served 203.0.113.7
check "forget of the IPv6 deny" forgotten $net6
check "forget: exempt at once" served $six
check "forget of the allow" forgotten 203.0.113.8
check "still exempt" served 203.0.113.8
check "a deny is backed up" eval 'gg deny 203.0.113.7 && gg deny $net6 && gg -c "$T/greygate.conf" backup "$T/backup"'
check "and forgotten" eval 'forgotten 203.0.113.7 && forgotten $net6 && served 203.0.113.7'
check "restore brings it back" gg -c "$T/greygate.conf" restore "$T/backup"
for src in 203.0.113.7 $six; do check "restored: $src is denied" refused $src; done
check "and forgotten again" eval 'forgotten 203.0.113.7 && forgotten $net6'
for word in "deny 203.0.113.7" "deny $net6" "allow 203.0.113.8"; do
	# shellcheck disable=SC2086
	check "$word --for 10s" gg $word --for 10s
done
check "meanwhile IPv4 is denied" refused 203.0.113.7
check "meanwhile IPv6 is denied" refused $six
check "a reload meanwhile" gg reload
check "which changes nothing" eval 'refused 203.0.113.7 && refused $six'
sleep 12.5 # and not a sweep, which is a minute away
for src in 203.0.113.7 $six 203.0.113.8; do check "over: $src is exempt" served $src; done
check "over: in the kernel, too" eval 'map_is 203.0.113.7 GG_ALLOW && net_is $net6 GG_ALLOW && map_is 203.0.113.8 GG_ALLOW'
unlike "nobody is said to have lost a place" "$(grep '"event":"demote"' "$T/gate.log" | grep -v operator)" .
gg deny 203.0.113.7 --for 3s >/dev/null
gate_kill
sleep 4
check "restart after its end" gate_start
check "exempt" served 203.0.113.7
refuse "no deny" denies 203.0.113.7

# ---- what is no operator's does not take its place ----
for src in 203.0.113.9 $six; do
	talk $src "$(server_for $src)" 'EHLO client.example.org' 'MAIL FROM:<bot@spam.example>' 'RCPT TO:<trap@example.net>' QUIT >/dev/null
	check "a trap: $src stays exempt" served $src
done
unlike "nobody is trapped" "$(gg list trap)" '203\.0\.113\.9|2001:db8:77'
gate_stop; is "SIGTERM: exit code 0" $? 0

# ---- a list ----
for at in "$GATE4" "$GATE6" 127.0.0.1; do
	backend_up gate "$at,25" "$T/b$at" || exit 1
done
printf '203.0.113.0/24\n2001:db8:77::/64\n' >"$T/bad"
printf '203.0.0.0/16\n2001:db8::/32\n' >"$T/good"
chmod 644 "$T/bad" "$T/good"
mode=host listen='"0.0.0.0:10025", "[::]:10025"' backend='"127.0.0.1:25"'
protect="\"$GATE4:25\", \"[$GATE6]:25\"" greylist=$waits
extra="list \"bad\" { file = \"$T/bad\"  verdict = deny  action = drop_new }
list \"good\" { file = \"$T/good\"  verdict = allow }"
gate_conf
check "host mode" gate_start
meets_mail() { talk "$1" "$(server_for "$1")" QUIT | grep -qE '^S: 220 backend\.example\.net'; }
unjudged() { TALK_TIMEOUT=1.5 meets_mail "$1"; }
for src in 203.0.113.7 $six; do check "a list: $src is dropped" dropped $src; done
check "the list around it: the mail server" meets_mail 2001:db8:78::8
for p in 203.0.113.0/24 $net6; do check "$p: deny --for 8s" gg deny $p --action reject --for 8s; done
for src in 203.0.113.7 $six; do check "$src: meanwhile refused" refused $src; done
watch() { # until both are dropped by the list; fails as soon as one meets the mail server
	local src seen late=$((SECONDS + 40))
	while :; do
		seen=0
		for src in 203.0.113.7 $six; do
			unjudged $src && { echo "$src met the mail server"; return 1; }
			dropped $src && seen=$((seen + 1))
		done
		[ $seen = 2 ] && return 0
		[ $SECONDS -lt $late ] || { echo "the list is not in force"; return 1; }
	done
}
check "over: the list is in force, and nobody meets the mail server before" watch
check "the kernel has it" eval 'net_is 203.0.113.0/24 GG_BY_IMPORT && net_is $net6 GG_BY_IMPORT'
for p in 203.0.113.0/24 $net6; do gg allow $p --for 10s >/dev/null; done
check "a reload with the lists anew meanwhile" gate_renew
for src in 203.0.113.7 $six; do check "$src: allowed" meets_mail $src; done
sleep 11.5
check "over, after a reload" watch
for p in 203.0.113.0/24 $net6; do gg allow $p --for 3s >/dev/null; done
gate_kill
sleep 4
check "killed: restart after the end" gate_start
check "over, after a restart" watch
gate_stop; is "SIGTERM: exit code 0" $? 0
