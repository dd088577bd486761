#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Traps: patterns, whole domains, relay probes, low-priority MX; whom they never catch; how
# long they last, and how a source gets out.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
LOW4=192.0.2.26 LOW6=2001:db8:1::26
ip -n gate addr add $LOW4/24 dev g0; ip -n gate addr add $LOW6/64 dev g0 nodad
for a in 192.0.2.12 192.0.2.13 192.0.2.14 203.0.113.11; do
	ip -n client addr add $a/24 dev c0
done
for a in 67 68 69; do ip -n client addr add 2001:db8:66::$a/64 dev c0 nodad; done
postfix_new mx mail || bail "Postfix as the mail server"
echo '{}' >"$T/zone.json"
dns_up 127.0.0.1 5353
extra='dns { servers = {"127.0.0.1:5353"} }'
greylist="delay = 1s  delay_clean = 1s  delay_suspicious = 1s  jitter = 0  promote_after = 1  promote_net_after = 0"
traps='addresses = {"sales-*@example.net", "old@example.net", "@*.unused.example.net"}
	hosted = {"example.net", "*.hosted.example"}  life = 200s  max = 1000s  action = reject'
trap_conf="$traps  low_priority_pause = 1s"
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"

say() { # source step...
	local src=$1; shift
	talk "$src" "${server:-$(server_for "$src")}" 'EHLO client.example.org' "$@" QUIT
}
mail() { say "$1" "MAIL FROM:<${3-bot@spam.example}>" "RCPT TO:<${2:-user1@example.net}>"; }
trapped() { map_is "$1" GG_BY_TRAP; }
release() { local a; for a; do gg forget "$a" >/dev/null; done; }
# Seconds until a deny ends.
lasts() { gg list trap --json | $PYTHON -c "
import json, sys, time
for line in sys.stdin:
    row = json.loads(line)
    if row.get('prefix') == '$1':
        print(round(row['expires'] - time.time()))"; }

# ---- patterns and domains ----
for to in sales-2009@example.net SALES-@EXAMPLE.net x@deep.unused.example.net; do
	like "$to is a trap" "$(mail 203.0.113.66 $to)" '^S: 554 5\.7\.1 .*spam trap'
	check "$to: denied in the kernel" trapped 203.0.113.66
	release 203.0.113.66
done
for to in sales@example.net postmaster@deep.unused.example.net x@sub.hosted.example 'user1@[192.0.2.25]'; do
	unlike "$to is no trap" "$(mail 203.0.113.66 "$to")" '^S: 554 .*ticket'
done
check "trap add of a pattern" gg trap add 'bait?@example.net'
like "trap list shows it" "$(gg trap list)" 'bait\?@example\.net +greygate trap add'
refuse "trap add of it twice" gg trap add 'BAIT?@example.net'
refuse "trap add of what is no pattern of a mailbox" gg trap add 'bait?'
check "trap add of the same in quotes: another thing" gg trap add '"bait?"@example.net'
check "trap del of that" gg trap del '"bait?"@example.net'
check "trap add of a domain in UTF-8" gg trap add '@BÜCHER.example'
refuse "trap add of its other spelling" gg trap add @xn--bcher-kva.example
like "trap add of what is not UTF-8" "$(gg trap add $'@b\xfccher.example' 2>&1)" 'b\?cher\.example" is not UTF-8'
for to in x@xn--bcher-kva.example x@bücher.EXAMPLE; do
	like "$to is a trap" "$(say 203.0.113.66 'MAIL FROM:<bot@spam.example> SMTPUTF8' "RCPT TO:<$to>")" '^S: 554 5\.7\.1 .*spam trap'
	release 203.0.113.66
done
check "trap del by the other spelling" gg trap del @xn--bcher-kva.example
like "the pattern catches" "$(mail 2001:db8:66::66 bait7@example.net)" '^S: 554'
check "IPv6: denied in the kernel" trapped 2001:db8:66::66
out=$(gg explain 2001:db8:66::66)
like "explain: why" "$out" 'mail to bait7@example\.net'
like "explain: until when" "$out" 'in (3|[12]?[0-9]) ?m'
like "explain: how to get out" "$out" 'greygate forget 2001:db8:66::66'
release 2001:db8:66::66

# ---- IPv6: with the address goes its /64 ----
net_trapped() { net_is "$1" GG_BY_TRAP; }
traps() { gg list trap --json | grep -c '"prefix"'; }
gg correspondent add 2001:db8:66::68 >/dev/null
A=2001:db8:66::66 B=2001:db8:66::67 C=2001:db8:66::68 N=2001:db8:66::/64
mail $A bait7@example.net >/dev/null
check "the /64 is denied in the kernel" net_trapped $N
is "list has one row of it" "$(traps)" 1
like "of the address, with its network" "$(gg list trap --json)" "\"prefix\": ?\"$A\".*\"network\": ?\"$N\""
like "explain names the network" "$(gg explain $A)" "network +$N"
like "the next address of it is refused" "$(mail $B)" '^S: 554 5\.7\.1 .*spam trap'
refuse "and has no entry of its own" map_is $B GG_DENY
like "explain of it: the network" "$(gg explain $B)" "^$N: deny"
like "explain: why" "$(gg explain $B)" 'mail to bait7@example\.net'
unlike "another /64 is not" "$(mail 2001:db8:78::8)" '^S: 554'
unlike "an address in it that was learned is served" "$(mail $C)" '^S: 554'
gg allow $B >/dev/null
unlike "one that the operator allows too" "$(mail $B)" '^S: 554'
like "which frees nobody else" "$(mail 2001:db8:66::69)" '^S: 554 5\.7\.1'
release $B
refuse "forgotten: it takes the network with it" net_trapped $N
check "but not an address that has hit a trap itself" trapped $A
release $A $C
refuse "forget ADDRESS: nothing is left of it" trapped $A
mail $A bait7@example.net >/dev/null
release $A
refuse "forget ADDRESS: nor of its network" net_trapped $N
is "nor in the list" "$(traps)" 0
unlike "nobody in it is refused" "$(mail $B)" '^S: 554'
mail $A bait7@example.net >/dev/null
first=$(gg list trap --json | $PYTHON "$HERE/pick.py" value expires)
later() { mail $B >/dev/null; [ "$(gg list trap --json | $PYTHON "$HERE/pick.py" value expires)" -gt "$first" ]; }
check "mail of a neighbour starts the clock again" wait_for 5 later
is "the list still has one row" "$(traps)" 1
like "a neighbour that hits a trap" "$(mail $B old@example.net)" '^S: 554'
check "is denied itself" trapped $B
between "and doubles the time" "$(lasts $B)" 300 400
gate_stop; is "SIGTERM: exit code 0" $? 0
on gate "$BUILD/greygate" -c "$T/greygate.conf" detach >/dev/null
gate_start || bail "greygated starts again"
for a in $A $B; do check "a restart without the kernel's maps: $a is denied" trapped $a; done
check "and the network" net_trapped $N
between "the end stands" "$(lasts $B)" 300 400
gg allow $A >/dev/null
refuse "allow ADDRESS undoes its trap" net_trapped $N
release $A $B
trap_conf="$traps  low_priority_pause = 1s"; trap_conf=${trap_conf/action = reject/action = drop_new}
gate_renew
gg allow $C >/dev/null
mail $A bait7@example.net >/dev/null
check "trap.action drop_new: the network is denied in the kernel" net_trapped $N
like "an allowed address in it is served" "$(mail $C)" '^S: 220'
like "the next one has no answer" "$(TALK_TIMEOUT=1 mail $B)" '^T: connect <timeout>'
release $A
trap_conf=${trap_conf/life = 200s/life = 2s}
gate_renew
like "a trap of two seconds" "$(mail $A bait7@example.net)" '^S: 554'
served() { TALK_TIMEOUT=1 mail $B | grep -q '^S: 220'; }
check "until its time is over" wait_for 20 served
release $A $C
trap_conf="$traps  low_priority_pause = 1s"
gate_renew

# ---- relay probes ----
like "mail for a domain not hosted: 554" "$(mail 203.0.113.66 probe@elsewhere.example)" '^S: 554 5\.7\.1 .*relay probe'
check "it is trapped" trapped 203.0.113.66
check "trap event with its cause" log_wait event=trap src=203.0.113.66 reason=relay
release 203.0.113.66
unlike "not for the null sender" "$(mail 203.0.113.66 probe@elsewhere.example "")" '^S: 554 .*ticket'
refuse "nor trapped" trapped 203.0.113.66
unlike "null sender to a trap: neither" "$(mail 203.0.113.66 old@example.net "")" '^S: 554 .*ticket'
refuse "nor trapped" trapped 203.0.113.66
gg allow 203.0.113.66 >/dev/null
unlike "an allowed source may ask" "$(mail 203.0.113.66 probe@elsewhere.example)" '^S: 554 .*ticket'
refuse "and is not trapped" trapped 203.0.113.66
release 203.0.113.66

# ---- how long ----
mail 203.0.113.66 old@example.net >/dev/null
between "the first hit" "$(lasts 203.0.113.66)" 100 200
say 203.0.113.66 'MAIL FROM:<bot@spam.example>' 'RCPT TO:<old@example.net>' 'RCPT TO:<old@example.net>' \
	'RCPT TO:<probe@elsewhere.example>' >/dev/null
between "a further hit doubles it, a session once" "$(lasts 203.0.113.66)" 300 400
mail 203.0.113.66 user1@example.net >/dev/null
between "other mail does not" "$(lasts 203.0.113.66)" 300 400
for _ in 1 2 3; do mail 203.0.113.66 old@example.net >/dev/null; done
between "trap.max is the most" "$(lasts 203.0.113.66)" 900 1000
release 203.0.113.66
mail 203.0.113.66 old@example.net >/dev/null
between "forgotten: it begins anew" "$(lasts 203.0.113.66)" 100 200
# Two clients at once, of one source and of two.
for i in 1 2; do mail 203.0.113.11 old@example.net >"$T/one$i" & mail 2001:db8:78::8 sales-$i@example.net >"$T/two$i" & done
wait_for 10 eval '[ "$(cat "$T"/one? "$T"/two? | grep -c "^S: 221")" = 4 ]'
is "two clients of two sources at once: each is refused" "$(cat "$T"/one? "$T"/two? | grep -c '^S: 554 5')" 4
check "and denied" trapped 203.0.113.11
check "IPv6 too" trapped 2001:db8:78::8
gate_kill; gate_start || bail "greygated starts again"
between "restart: the end stands" "$(lasts 203.0.113.66)" 100 200
like "restart: the operator's pattern stands" "$(mail 203.0.113.7 bait1@example.net)" '^S: 554'
release 203.0.113.7 203.0.113.11 2001:db8:78::8

# ---- low-priority MX ----
low() { local src=$1; shift; server=$([[ $src == *:* ]] && echo $LOW6 || echo $LOW4) mail "$src" "$@"; }
lows() { # title
	like "$1: mail to the first MX is greylisted" "$(mail 192.0.2.12 user1@example.net $RANDOM@spam.example)" '^S: 451'
	like "$1: then the last one is no trap" "$(low 192.0.2.12 user1@example.net $RANDOM@spam.example)" '^S: 451'
	like "$1: nor for a neighbour of its network" "$(low 192.0.2.13 user2@example.net $RANDOM@spam.example)" '^S: 451'
	like "$1: the null sender is not trapped" "$(low 203.0.113.9 user1@example.net "")" '^S: 250 2\.1\.5'
	like "$1: the last MX first: 554" "$(low 203.0.113.9)" '^S: 554 5\.7\.1 .*last MX'
	check "$1: trapped" trapped 203.0.113.9
	check "$1: trap event with its cause" log_wait event=trap src=203.0.113.9 reason=low_priority_mx
	like "$1: IPv6: the last MX first: 554" "$(low 2001:db8:79::9)" '^S: 554 5\.7\.1 .*last MX'
	like "$1: postmaster is reached" "$(low 2001:db8:66::66 postmaster@example.net)" '^S: (250|550)'
	release 203.0.113.9 2001:db8:79::9 192.0.2.12 192.0.2.13
}
trap_conf="$traps  low_priority_mx = {\"$LOW4\", \"$LOW6\"}  low_priority_pause = 1s"
gate_conf
check "reload with low_priority_mx" gg reload
sleep 1.1 # the pause after the start
lows "relay mode"
mail 192.0.2.14 user1@example.net late@sender.example >/dev/null
sleep 1.1
postfix -c "$T/mx/etc" stop >/dev/null 2>&1
like "the mail server is down: 451" "$(mail 192.0.2.14 user1@example.net late@sender.example)" '^S: 451 4\.[34]'
like "the last MX is no trap now" "$(low 203.0.113.9 user1@example.net $RANDOM@spam.example)" '^S: 451 4\.7\.1'
on mail postfix -c "$T/mx/etc" start >/dev/null 2>&1
back() { mail 192.0.2.14 user1@example.net late@sender.example | grep -q '^S: 250 2\.1\.5'; }
check "the mail server is back" wait_for 10 back
sprung() { low 203.0.113.9 user1@example.net $RANDOM@spam.example | grep -q '^S: 554 5\.7\.1 .*last MX'; }
check "and the trap, some time later" wait_for 10 sprung
gate_stop; is "SIGTERM: exit code 0" $? 0

mode=host listen='"0.0.0.0:10025", "[::]:10025"'
protect="\"$GATE4:25\", \"[$GATE6]:25\", \"$LOW4:25\", \"[$LOW6]:25\""
trap_conf="$traps  low_priority_mx = {\"$LOW4\", \"$LOW6\"}"
gate_conf
check "host mode: greygated starts" gate_start
release 203.0.113.9
like "host mode: after a start it is no trap for a while" "$(low 203.0.113.9 user1@example.net $RANDOM@spam.example)" '^S: (451|421)'
trap_conf+="  low_priority_pause = 0"
gate_conf
check "host mode: reload without that pause" gg reload
lows "host mode"
gate_stop; is "SIGTERM: exit code 0" $? 0
