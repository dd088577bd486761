#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The tarpit holds a real TCP client for as long as its entry says, and nothing on this side remembers
# it. A source that opens connections without end meets its limit, and in the end a deny.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
mkdir "$T/backend"
start_on mail $PYTHON "$HERE/backend.py" $MAIL4,25 "$T/backend" 2>"$T/backend.log"
on client "$BUILD/selftests/system/xdppass" c0 || bail "an XDP program at the client's end"
limit="per_source = 1000  new_per_source = 5  offender_life = 4s"
gate_conf
gate_start || bail "greygated starts"
like "the program is native" "$(ip -n gate link show g0)" 'xdp'

knock() { local how=$1 src=$2; shift 2; on client $PYTHON "$HERE/knock.py" "$how" "$src" "$(server_for "$src")" "$@"; }
bracketed() { case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac; }
grown() { [ "$(counter "$1")" -gt "$2" ]; }
served() { talk "$1" "$(server_for "$1")" 'EHLO client.example.org' QUIT | grep -qE '^S: 250[- ]gate\.example\.net'; }
export TALK_TIMEOUT=10

# ---- the tarpit ----
for src in 203.0.113.66 2001:db8:66::66; do
	rm -f "$T/in" "$T/go" "$T/never"
	talk $src "$(server_for $src)" 'EHLO client.example.org' ":touch $T/in" ":await $T/go" NOOP QUIT >"$T/open" &
	open=$!
	wait_for 5 test -e "$T/in"
	check "$src: deny --action tarpit" gg deny $src --action tarpit
	held=$(counter tarpit_held)
	knock hold $src "$T/never" >"$T/held" &
	client=$!
	check "$src: the client believes it is connected" wait_for 5 has '^connected' "$T/held"
	check "$src: its probes are answered" wait_for 5 grown tarpit_held $((held + 3))
	is "$src: what it wants to say stays with it" \
		"$(on client ss -Htn state established src "$(bracketed $src)" | awk '$2 { print $2 }')" 22
	is "$src: the gate knows of the session from before only" \
		"$(on gate ss -Htan dst "$(bracketed $src)" | wc -l)" 1
	touch "$T/go"; wait $open
	like "$src: the session from before goes on" "$(cat "$T/open")" '^S: 221'
	is "$src: it is held all the time" "$(cat "$T/held")" connected
	gg forget $src >/dev/null
	wait $client
	like "$src: forgotten: its next probe tells it the truth" "$(cat "$T/held")" '^reset'
	check "$src: forgotten: served" served $src
done
between "answered SYNs are counted" "$(counter tarpit_syn)" 2 20

# ---- floods ----
gg allow 192.0.2.8 >/dev/null
read -r sent answered <<<"$(knock flood 192.0.2.8 50 2)"
between "an allowed source has no limit" "$answered" $((sent - 31)) "$sent"
knock flood 203.0.113.9 40 13 >"$T/flood" &
flood=$!
check "a source over its limit is reported" wait_for 5 logged event=limit src=203.0.113.9 verdict=deny reason=new_per_source
check "others are served meanwhile" served 203.0.113.8
check "when it goes on it is denied" wait_for 14 map_is 203.0.113.9 GG_DENY
like "the entry says why" "$(map_entry 203.0.113.9)" '"origin": "?GG_BY_LIMIT'
check "with an event" log_wait event=limit src=203.0.113.9 reason=offender
wait $flood
read -r sent answered <"$T/flood"
between "$answered of $sent were answered" "$answered" 5 $((sent / 3))
between "flood_source is counted" "$(counter flood_source)" $((sent / 4)) "$((2 * sent))"
check "the deny is over by itself" wait_for 15 served 203.0.113.9
gate_stop; is "SIGTERM: exit code 0" $? 0
