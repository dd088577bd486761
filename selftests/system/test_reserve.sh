#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Strangers that are let through and stay: the last connections to the mail server are for sources that are
# allowed or learned, and no stranger holds more than its share.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
net_up || bail "network namespaces"
postfix_new mx mail || bail "Postfix as the mail server"
interfaces=
export TALK_TIMEOUT=120
STORED='^S: 250 2\.0\.0 Ok: queued' BUSY='^S: 451 4\.3\.2 Mail server busy' MANY='^S: 451 4\.7\.0 Too many'
LEARNED4=203.0.113.7 LEARNED6=2001:db8:77::7
one() { # source [sender]
	attempt "$1" "$(server_for "$1")" "${2:-one@sender.example}" user1@example.net
}
stored() { one "$@" | grep -q "$STORED"; }
open_is() { [ "$(counter backend_open)" = "$1" ]; }
# So many sessions of a source, one after the other, each with a recipient; who got it stays.
hold() { # name source sessions
	on client $PYTHON "$HERE/hold.py" send "$2" "$(server_for "$2"),25" "$3" "$T/$1" >"$T/$1.said" &
	holders[$1]=$!
	wait_for 30 test -e "$T/$1" || bail "$2: $3 sessions"
}
said() { head -n 1 "$T/$1.said"; }
status_says() { gg status --json | grep -qE '"upstream": ?\{"open": ?[7-9], ?"max": ?10, ?"strangers_max": ?7\}'; }
# They send their messages, and go.
let_go() { # what name messages
	rm "$T/$2"
	wait "${holders[$2]}"
	is "$1" "$(sed -n 2p "$T/$2.said")" "delivered=$3"
}
declare -A holders

# ---- sources that learn their place, then a time in which all are let through ----
rest="delay_clean = 1s  delay_suspicious = 1s  jitter = 0  promote_after = 2"
greylist="delay = 1s  $rest"
settings() { upstream="timeout = 60s  verify_recipients = no  connections = 10  $*"; }
settings "reserve = 30  per_source = 1000"
gate_conf
gate_start || bail "greygated starts"
for src in $LEARNED4 $LEARNED6; do
	for i in 1 2; do stored $src "s$i@sender.example"; done
done
for src in $LEARNED4 $LEARNED6; do
	for i in 1 2; do check "$src: s$i is delivered" wait_for 20 stored $src "s$i@sender.example"; done
done
is "two sources are learned" "$(counter promoted)" 2
greylist="mode = learn  $rest"
check "mode learn" gate_renew
check "nobody has a connection" wait_for 20 open_is 0
like "status says how many strangers may use" "$(gg status)" 'upstream +0 of 10 connections open; strangers may use 7$'

# ---- as many strangers as may ----
while read -r name src other learned; do
	before=$(counter limit_reserve)
	hold "$name" "$src" 9
	is "$src: seven of nine are let through" "$(said "$name")" "250=7 451=2"
	is "$src: limit_reserve counts the others" "$(counter limit_reserve)" $((before + 2))
	check "$src: the log names them" log_wait event=limit reason=reserve "src=$src" to=user1@example.net reply=451
	like "$src: a stranger from elsewhere is told to come again" "$(one "$other")" "$BUSY"
	for i in 1 2 3; do
		like "$src: $learned, learned, delivers at once ($i)" "$(one "$learned" "l$i@sender.example")" "$STORED"
	done
	check "$src: status --json" wait_for 5 status_says
	let_go "$src: who was let through delivers" "$name" 7
	check "$src: who was told to come again delivers too" wait_for 20 stored "$other"
	check "$src: nobody has a connection" wait_for 20 open_is 0
done <<-END
	four 192.0.2.7 203.0.113.8 $LEARNED4
	six 2001:db8:1::7 2001:db8:78::8 $LEARNED6
END
is "upstream connections was never the reason" "$(counter limit_backend)" 0

# ---- both families, and a reload under them ----
hold four 192.0.2.7 4
hold six 2001:db8:1::7 4
is "IPv4 and IPv6 share what there is" "$(said four), $(said six)" "250=4, 250=3 451=1"
settings "reserve = 0  per_source = 1000"
check "reserve = 0" gate_renew
hold more 203.0.113.8 4
is "strangers get the rest" "$(said more)" "250=3 451=1"
is "limit_backend counts who is too many" "$(counter limit_backend)" 1
like "a learned source is told to come again" "$(one $LEARNED4)" "$BUSY"
settings "reserve = 50  per_source = 1000"
check "reserve = 50" gate_renew
let_go "the three deliver" more 3
let_go "so do the four" four 4
check "three are left" wait_for 20 open_is 3
hold four 192.0.2.8 3
is "two more make five" "$(said four)" "250=2 451=1"
like "a learned source delivers" "$(one $LEARNED6)" "$STORED"
let_go "the last of IPv6 deliver" six 3
let_go "and of IPv4" four 2
check "nobody has a connection" wait_for 20 open_is 0

# ---- no source holds more than its share ----
settings "reserve = 0  per_source = 2"
check "per_source = 2" gate_renew
for two in "192.0.2.7 192.0.2.8" "2001:db8:1::7 2001:db8:78::8"; do
	read -r src other <<<"$two"
	before=$(counter limit_held)
	hold held "$src" 4
	is "$src: two of four" "$(said held)" "250=2 451=2"
	is "$src: limit_held counts the others" "$(counter limit_held)" $((before + 2))
	check "$src: the log names them" log_wait event=limit reason=held "src=$src" reply=451
	like "$src: what it hears" "$(one "$src")" "$MANY"
	like "$src: $other is another one" "$(one "$other")" "$STORED"
	let_go "$src: the two deliver" held 2
	check "$src: then it does" wait_for 20 stored "$src"
done
check "nobody has a connection" wait_for 20 open_is 0
hold held 2001:db8:1::7 2
like "an IPv6 source is its /64" "$(one 2001:db8:1::8)" "$MANY"
let_go "who holds them delivers" held 2
hold held $LEARNED4 6
is "a learned source is not counted" "$(said held)" "250=6"
let_go "it delivers" held 6
is "no delivery has failed" "$(counter backend_failed)" 0
gate_stop; is "SIGTERM: exit code 0" $? 0
