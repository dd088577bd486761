#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Denies: every action at once and only as far as it says, prefixes with exceptions, expiry, traps,
# undoing, and verdicts that outlive the daemon.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
backend_up mail $MAIL4,25 "$T/backend" || exit 1
stutter="first = 0s  interval = 100ms  deny_limit = 3s"
greylist="delay = 1s  delay_clean = 1s  delay_suspicious = 1s  jitter = 0  promote_after = 1  window = 6s  keep = 6s"
trap_conf='addresses = {"trap@example.net", "@unused.example.net"}  life = 100s  max = 30d  action = reject'
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"

export TALK_TIMEOUT=30
say() { # source step...
	local src=$1; shift
	talk "$src" "$(server_for "$src")" 'EHLO client.example.org' "$@" QUIT
}
mail_from() { say "$1" 'MAIL FROM:<someone@sender.example>' "RCPT TO:<${2:-user1@example.net}>"; }
DROPPED='^T: connect <timeout>' SERVED='^S: 250[- ]gate\.example\.net'
dropped() { TALK_TIMEOUT=1.5 say "$1" | grep -qE "$DROPPED"; }
served() { say "$1" | grep -qE "$SERVED"; }
denied() { mail_from "$1" | grep -qE '^S: 554 5\.7\.1'; }

# ---- every action ----
declare -A patience=([drop_new]=30 [drop_all]=3) # the second one is to see nothing come
for src in 203.0.113.66 2001:db8:66::66; do
	check "$src: a stranger is served" served $src
	check "$src: deny" gg deny $src --reason "bad manners"
	out=$(mail_from $src)
	like "$src: reject: 554 with reason and ticket" "$out" \
		'^S: 554 5\.7\.1 .*bad manners.*ticket [0-9A-HJKMNP-TV-Z]{13}'
	like "$src: reject: the contact stays reachable in the text" "$out" 'postmaster@example\.net'
	ticket=$(sed -nE 's/.*ticket ([0-9A-Z]{13}).*/\1/p' <<<"$out" | head -n 1)
	like "$src: explain of that ticket" "$(gg explain "$ticket" 2>&1)" "$src"
	like "$src: explain of the address" "$(gg explain $src 2>&1)" 'deny'
	like "$src: list deny" "$(gg list deny 2>&1)" "$src"
	like "$src: bpftool shows it" "$(map_entry $src)" '"action": "?GG_REJECT'

	gg deny $src --action stutter >/dev/null
	out=$(mail_from $src)
	between "$src: stutter: the answer takes its time" "$(stamp whole <<<"$out")" 1000 30000
	like "$src: stutter: then 5xx or 4xx" "$out" '^S: (554 5\.7\.1|451|450)|^S: <eof>'

	gg forget $src >/dev/null
	for action in drop_new drop_all; do
		rm -f "$T/in" "$T/go"
		TALK_TIMEOUT=${patience[$action]} say $src NOOP ":touch $T/in" ":await $T/go" NOOP >"$T/open" &
		job=$!
		wait_for 5 test -e "$T/in"
		gg deny $src --action $action >/dev/null
		check "$src: $action: a new connection is dropped" dropped $src
		touch "$T/go"
		wait $job
		if [ $action = drop_new ]; then
			like "$src: drop_new: the open session goes on" "$(cat "$T/open")" '^S: 221'
		else
			like "$src: drop_all: the open session is cut" "$(cat "$T/open")" '^S: <timeout>'
		fi
		gg forget $src >/dev/null
	done
	check "$src: forgotten: served again" served $src
done
between "drop_new is counted" "$(counter drop_new)" 2 1000
between "drop_all is counted" "$(counter drop_all)" 2 1000

# ---- prefixes ----
check "deny of an IPv4 prefix" gg deny 203.0.113.0/24 --action drop_new
check "allow of an address in it" gg allow 203.0.113.7
check "203.0.113.8 is dropped" dropped 203.0.113.8
check "203.0.113.7 is served" served 203.0.113.7
check "192.0.2.7 is served" served 192.0.2.7
check "deny of an IPv6 prefix" gg deny 2001:db8:78::/48 --action drop_new
check "allow of a longer prefix in it" gg allow 2001:db8:78:0:0:0:0:8/126
check "2001:db8:78::8 is served" served 2001:db8:78::8
check "a stranger of another network is served" served 2001:db8:79::9
check "forget of the longer prefix" gg forget 2001:db8:78::8/126
check "2001:db8:78::8 is dropped" dropped 2001:db8:78::8
check "forget of the IPv6 prefix" gg forget 2001:db8:78::/48
check "2001:db8:78::8 is served again" served 2001:db8:78::8
check "forget of the IPv4 prefix" gg forget 203.0.113.0/24
check "203.0.113.8 is served again" served 203.0.113.8
for bad in 203.0.113.0/33 2001:db8::/129 300.1.2.3 example.net ""; do
	refuse "deny '$bad' is refused" gg deny "$bad"
done
gg deny 203.0.113.8 --action no_such >/dev/null 2>&1
between "an unknown action is an error" $? 1 2

# ---- for a while ----
# Who knocks when it is over already comes too late: it is said again.
brief() { gg deny 203.0.113.9 --for 5s --action drop_new && dropped 203.0.113.9; }
check "--for 5s: dropped" wait_for 5 brief
check "--for 5s: over by itself" wait_for 12 served 203.0.113.9

# ---- traps ----
hit() { # source trap
	talk "$1" "$(server_for "$1")" 'EHLO client.example.org' 'MAIL FROM:<bot@spam.example>' \
		"RCPT TO:<$2>" ":map $PIN/$(map_of "$1") $1 2" QUIT
}
refuse "before the hit there is no entry" map_is 192.0.2.8 GG_DENY
one=$(hit 192.0.2.8 trap@example.net)
two=$(hit 2001:db8:1::8 Anything@unused.example.net)
check "trap add" gg trap add bait@example.net
like "trap list" "$(gg trap list 2>&1)" 'bait@example\.net'
three=$(hit 203.0.113.66 bait@example.net)
times=$(for o in "$one" "$two" "$three"; do stamp map <<<"$o"; done | xargs)
note "from the reply to the deny in the kernel's map, as a script sees it: $times ms"
unlike "each trap hit denies its source" "$times" 'never|pin'
between "within 10 ms of the reply" "$(tr ' ' '\n' <<<"$times" | sort -n | head -n 1)" 0 10
check "trap event" log_wait event=trap src=192.0.2.8
like "the entry says where it comes from" "$(map_entry 192.0.2.8)" '"origin": "?GG_BY_TRAP'
check "IPv4: denied for any recipient now" denied 192.0.2.8
check "IPv6: denied for any recipient now" denied 2001:db8:1::8
is "counter trapped" "$(counter trapped)" 3
check "forget releases it" gg forget 203.0.113.66
check "released: served again" served 203.0.113.66
check "trap del" gg trap del bait@example.net
refuse "trap del of what is not there" gg trap del bait@example.net
unlike "trap list is shorter" "$(gg trap list 2>&1)" 'bait@example\.net'
unlike "the address is an ordinary one again" "$(mail_from 203.0.113.66 bait@example.net)" '^S: 5'

# A trap lasts from the last mail: 192.0.2.8 goes on, 2001:db8:1::8 does not.
ends() { gg list trap --json | $PYTHON -c 'import json, sys
print(*(row["expires"] for row in map(json.loads, sys.stdin) if row.get("prefix") == sys.argv[1]))' "$1"; }
first_end=$(ends 192.0.2.8) second_end=$(ends 2001:db8:1::8)
sleep 1.1
mail_from 192.0.2.8 >/dev/null
between "who goes on is denied for longer" "$(ends 192.0.2.8)" $((first_end + 1)) $((first_end + 1000))
between "who stays away is not" "$(ends 2001:db8:1::8)" "$second_end" "$second_end"
gg forget 2001:db8:1::8 >/dev/null
trap_conf=${trap_conf/100s/2s}
check "traps that last no longer than two seconds" gate_renew
one=$(hit 2001:db8:79::9 trap@example.net)
unlike "one of those denies its source" "$(stamp map <<<"$one")" 'never|pin'
over() { [ -z "$(ends 2001:db8:79::9)" ]; }
check "the trap is over when it stays away" wait_for 8 over
like "and a stranger's reply is greylisting" "$(mail_from 2001:db8:79::9)" '^S: 451'

# ---- learned entries: the used one stays, the idle one goes ----
both() { # at once, since what they are known by lives for seconds
	attempt 203.0.113.7 $GATE4 keep@sender7.example user1@example.net >/dev/null &
	attempt 203.0.113.8 $GATE4 keep@sender8.example user1@example.net >/dev/null
	wait $!
}
for src in 203.0.113.7 203.0.113.8; do gg forget $src >/dev/null; done
promoted() { both; map_is 203.0.113.7 GG_ALLOW && map_is 203.0.113.8 GG_ALLOW; }
check "two sources are promoted by their retries" wait_for 10 promoted
idle_gone() { say 203.0.113.7 >/dev/null; ! map_is 203.0.113.8 GG_ALLOW; }
check "keep: the idle entry expires" wait_for 20 idle_gone
for _ in 1 2 3 4 5 6 7; do say 203.0.113.7 >/dev/null; sleep 0.5; done
check "keep: the used entry stays" map_is 203.0.113.7 GG_ALLOW
unlike "keep: and is still in force" "$(attempt 203.0.113.7 $GATE4 fresh@sender.example user1@example.net)" '^S: 451'

# ---- a learned source that walks into a trap has lost its place; one the operator allows has not ----
like "a learned source hits a trap: 554" "$(attempt 203.0.113.7 $GATE4 good@sender.example trap@example.net)" '^S: 554'
check "it is denied" map_is 203.0.113.7 GG_DENY
check "demote event with its cause" log_wait event=demote src=203.0.113.7 reason=trap
gg allow 203.0.113.8 >/dev/null
unlike "an allowed source is never trapped" "$(attempt 203.0.113.8 $GATE4 good@sender.example trap@example.net)" '^S: 554 5\.7\.1'
check "it stays allowed" map_is 203.0.113.8 GG_ALLOW
gg forget 203.0.113.7 >/dev/null
gg forget 203.0.113.8 >/dev/null

# ---- without the daemon, and after it is back ----
gg deny 203.0.113.66 --action drop_new >/dev/null
gg deny 2001:db8:79::/64 --action drop_new --reason "kept" >/dev/null
gg deny 192.0.2.7 --reason "still here" >/dev/null
gate_kill
check "kill -9: IPv4 deny stays in force" dropped 203.0.113.66
check "kill -9: IPv6 prefix deny stays in force" dropped 2001:db8:79::9
refuse "kill -9: a stranger is not dropped but refused" dropped 203.0.113.9
check "restart" gate_start
check "restart: IPv4 deny is in force" dropped 203.0.113.66
check "restart: IPv6 prefix deny is in force" dropped 2001:db8:79::9
like "restart: reject with its reason" "$(mail_from 192.0.2.7)" '^S: 554 5\.7\.1 .*still here'
out=$(gg list deny)
for a in 203.0.113.66 2001:db8:79:: 192.0.2.7; do
	like "restart: list deny shows $a" "$out" "$a"
done
check "restart: others are served" served 203.0.113.9
check "forget after the restart" gg forget 203.0.113.66
check "forgotten after the restart: served" served 203.0.113.66

# ---- the same verdicts without any program in the kernel ----
gg deny 203.0.113.66 --action reject --reason "off the fast path" >/dev/null
gate_stop; is "SIGTERM: exit code 0" $? 0
check "SIGTERM: denies stay in force" dropped 2001:db8:79::9
on gate "$BUILD/greygate" -c "$T/greygate.conf" detach >/dev/null
interfaces=
stutter="first = 1s  interval = 100ms  deny_limit = 2s"
gate_conf
check "starts without an interface" gate_start
unlike "no program is on the interface" "$(ip -n gate link show g0)" xdp
like "no fast path: reject" "$(mail_from 203.0.113.66)" '^S: 554 5\.7\.1'
unlike "no fast path: drop_new is not served either" "$(mail_from 2001:db8:79::9)" '^S: (250 2\.1\.5|354|45)'
gg allow 203.0.113.8 >/dev/null
out=$(mail_from 203.0.113.8 whoever@example.net)
is "no fast path: allow is not stuttered" "$(stamp pieces <<<"$out")" 1
like "no fast path: allow is not greylisted" "$out" '^S: 250 2\.1\.5'
gate_stop; is "SIGTERM: exit code 0" $? 0

# ---- generic XDP ----
interfaces='"g0"' xdp=generic
gate_conf
check "starts with xdp = generic" gate_start
like "the interface has the generic kind" "$(ip -n gate link show g0)" 'xdpgeneric'
check "xdp = generic: an IPv6 prefix from before is dropped" dropped 2001:db8:79::9
gg deny 203.0.113.9 --action drop_new >/dev/null
check "xdp = generic: a new deny is dropped" dropped 203.0.113.9
check "xdp = generic: others are served" served 203.0.113.7
gate_stop; is "SIGTERM: exit code 0" $? 0
