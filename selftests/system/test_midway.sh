#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Gateway mode: what changes in the middle of long messages, of several clients at once, of some that are
# forwarded to Postfix and some that the daemon serves. Each message arrives whole, once for each recipient,
# and who comes next meets what is new.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/system/scenes.sh
. "$HERE/scenes.sh"
SERVER4=$MAIL4 SERVER6=$MAIL6
ONE="192.0.2.7 2001:db8:1::7" OTHER="203.0.113.7 2001:db8:77::7"

net_up || bail "network namespaces"
{
	ip -n client route add 198.51.100.0/24 via $GATE4; ip -n client route add 2001:db8:2::/64 via $GATE6
	ip -n mail route add default via 198.51.100.1; ip -n mail -6 route add default via 2001:db8:2::1
	on gate sh -c 'for f in /proc/sys/net/ipv[46]/conf/all/forwarding; do echo 1 >"$f"; done'
	on client ethtool -K c0 tx off gro on; on mail ethtool -K m0 tx off gro on
} >"$T/net.log" 2>&1
postfix_new mx mail || bail "Postfix as the mail server"
mode=gateway
interfaces='"g0", "g1"'
listen='' backend=''
protect="\"$MAIL4:25\", \"[$MAIL6]:25\""
greylist="mode = learn  promote_after = 60000"
gate_conf
check "greygated starts" gate_start

seq -f 'line %09.0f of one half, and what belongs to it' 55000 >"$T/half" # 2.5 MB
printf '%s\n' 192.0.2.0/24 2001:db8:1::/64 >"$T/one"
printf '%s\n' 203.0.113.0/24 2001:db8:77::/64 >"$T/other"

# A message of each source, and in the middle of all of them a command: midway NAME SOURCES COMMAND...
midway() {
	local name=$1 sources=$2 src n=0 jobs_='' of f; shift 2
	rm -f "$T/go" "$T"/in.* "$T"/mx/box/new/*
	for src in $sources; do
		n=$((n + 1))
		{ printf 'Subject: %s-%s.\nFrom: <a@sender.example>\n\n' "$name" $n; cat "$T/half"; } >"$T/begin.$n"
		cat "$T/begin.$n" "$T/half" >"$T/sent.$n"
		talk "$src" "$(server_for "$src")" 'EHLO client.example.org' 'MAIL FROM:<a@sender.example>' \
			'RCPT TO:<user1@example.net>' 'RCPT TO:<user2@example.net>' DATA ":part $T/begin.$n" \
			":touch $T/in.$n" ":await $T/go" ":part $T/half" :dot QUIT >"$T/talk.$n" &
		jobs_="$jobs_ $!"
	done
	for src in $(seq $n); do wait_for 10 test -e "$T/in.$src"; done
	"$@"
	touch "$T/go"
	# shellcheck disable=SC2086
	wait $jobs_
	n=0
	for src in $sources; do
		n=$((n + 1))
		like "$name, $src: its message is taken" "$(cat "$T/talk.$n")" "$STORED"
		check "$name, $src: stored once for each recipient" wait_for 5 boxed_is mx "Subject: $name-$n." 2
		of=0
		for f in "$T"/mx/box/new/*; do ends_with "$f" "$T/sent.$n" && of=$((of + 1)); done
		is "$name, $src: whole" "$of" 2
	done
}
began_with() { # name banner n...: whose the messages were
	local n
	for n in "${@:3}"; do like "$1: message $n began there" "$(cat "$T/talk.$n")" "$2"; done
}
now_meet() { # name banner source...
	local src
	for src in "${@:3}"; do like "$1, $src: who comes next" "$(TALK_TIMEOUT=1.5 hello "$src")" "$2"; done
}

# ---- a verdict expires ----
for src in $ONE; do gg allow "$src" --for 4s >/dev/null; done
expires() { for src in $ONE; do check "expiry, $src: a stranger again" wait_for 10 answers "$src" "$DAEMON"; done; }
midway expiry "$ONE $OTHER" expires
began_with expiry "$POSTFIX" 1 2
began_with expiry "$DAEMON" 3 4

# ---- whom the daemon serves is allowed ----
allow() { for src in $OTHER; do check "allowed, $src" gg allow "$src"; done; }
midway allowed "$OTHER" allow
began_with allowed "$DAEMON" 1 2
# shellcheck disable=SC2086
now_meet allowed "$POSTFIX" $OTHER
for src in $OTHER; do gg forget "$src" >/dev/null; done

# ---- lists are exchanged ----
# The forwarded ones become strangers, whom the daemon serves are denied.
check "import: some are allowed" gg import white "$T/one" --verdict allow
turn() {
	check "import: the others are denied" gg import bad "$T/other" --verdict deny --action drop_new
	check "import: and those are forgotten" gg import white --remove
}
midway turned "$ONE $OTHER" turn
began_with turned "$POSTFIX" 1 2
began_with turned "$DAEMON" 3 4
# shellcheck disable=SC2086
{ now_meet turned "$DAEMON" $ONE; now_meet turned "$DROPPED" $OTHER; }
# The forwarded ones are denied, whom the daemon serves are allowed.
check "import: no one is denied" gg import bad --remove
check "import: some are allowed again" gg import white "$T/one" --verdict allow
exchange() {
	check "import: the others are allowed in their place" gg import white "$T/other" --verdict allow
	check "import: and those are denied" gg import bad "$T/one" --verdict deny --action drop_new
}
midway exchanged "$ONE $OTHER" exchange
began_with exchanged "$POSTFIX" 1 2
began_with exchanged "$DAEMON" 3 4
# shellcheck disable=SC2086
{ now_meet exchanged "$DROPPED" $ONE; now_meet exchanged "$POSTFIX" $OTHER; }

# ---- the daemon is gone ----
die() { gate_kill; check "kill -9: a new one starts" gate_start; }
midway killed "$OTHER" die
began_with killed "$POSTFIX" 1 2
# shellcheck disable=SC2086
{ now_meet killed "$DROPPED" $ONE; now_meet killed "$POSTFIX" $OTHER; }
