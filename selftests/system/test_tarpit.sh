#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The tarpit holds a real TCP client for as long as its entry says, and nothing on this side remembers
# it. A source that opens connections without end meets its limit, and in the end a deny. In relay and
# in gateway mode.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
ip -n client route add 198.51.100.0/24 via $GATE4; ip -n client route add 2001:db8:2::/64 via $GATE6
ip -n mail route add default via 198.51.100.1; ip -n mail -6 route add default via 2001:db8:2::1
on gate sh -c 'for f in /proc/sys/net/ipv[46]/conf/all/forwarding; do echo 1 >"$f"; done'
on client ethtool -K c0 tx off gro on >/dev/null; on mail ethtool -K m0 tx off gro on >/dev/null
backend_up mail $MAIL4,25 "$T/backend" || bail "a mail server"
limit="per_source = 1000  new_per_source = 5  offender_life = 4s"
gate_conf
gate_start || bail "greygated starts"
like "the program is native" "$(ip -n gate link show g0)" 'xdp'
like "the log says what the tarpit needs of a veth pair" "$(log_said event=start interface=g0)" 'tarpit.*the other end'

doctor_says() { # key: of the finding about the tarpit
	on gate "$BUILD/greygate" -c "$T/greygate.conf" --json doctor | $PYTHON -c 'import json, sys
for f in map(json.loads, sys.stdin):
    if (f["check"], f["about"]) == ("tarpit", "g0"): print(f[sys.argv[1]])' "$1"
}
is "doctor: the tarpit is mute" "$(doctor_says level)" warn
# Of those at work on this machine each has to wait for the others: they share /run/xdp-filter.lck.
check "doctor: what mends it" wait_for 5 sh -c "$(doctor_says mend)"
is "mends it" "$(doctor_says level)" ok

knock() { local how=$1 src=$2; shift 2; on client $PYTHON "$HERE/knock.py" "$how" "$src" "$(server_for "$src")" "$@"; }
bracketed() { case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac; }
grown() { [ "$(counter "$1")" -gt "$2" ]; }
served() { talk "$1" "$(server_for "$1")" 'EHLO client.example.org' QUIT | grep -qE '^S: 250[- ]gate\.example\.net'; }
export TALK_TIMEOUT=10

tarpit() { # source
	local src=$1 open client held
	rm -f "$T/in" "$T/go" "$T/never"
	talk $src "$(server_for $src)" 'EHLO client.example.org' ":touch $T/in" ":await $T/go" NOOP QUIT >"$T/open" &
	open=$!
	wait_for 5 test -e "$T/in"
	check "$mode, $src: deny --action tarpit" gg deny $src --action tarpit
	held=$(counter tarpit_held)
	knock hold $src "$T/never" >"$T/held" &
	client=$!
	check "$mode, $src: the client believes it is connected" wait_for 5 has '^connected' "$T/held"
	check "$mode, $src: its probes are answered" wait_for 5 grown tarpit_held $((held + 3))
	is "$mode, $src: what it wants to say stays with it" \
		"$(on client ss -Htn state established src "$(bracketed $src)" | awk '$2 { print $2 }')" 22
	is "$mode, $src: the gate knows of the session from before only" \
		"$(on gate ss -Htan src "$(bracketed "$(server_for $src)")" dst "$(bracketed $src)" | wc -l)" 1
	touch "$T/go"; wait $open
	like "$mode, $src: the session from before goes on" "$(cat "$T/open")" '^S: 221'
	is "$mode, $src: it is held all the time" "$(cat "$T/held")" connected
	gg forget $src >/dev/null
	wait $client
	like "$mode, $src: forgotten: its next probe tells it the truth" "$(cat "$T/held")" '^reset'
	check "$mode, $src: forgotten: served" served $src
}

# Of IPv6 it is the /64 that has a limit, and is denied.
declare -A limited=([203.0.113.9]=203.0.113.9 [2001:db8:79::9]=2001:db8:79::/64)
limit_entry() { # source
	# shellcheck disable=SC2046
	case $1 in
	*:*) bpftool map lookup pinned "$PIN/net6" key 128 0 0 0 $(key_of "$1") 2>/dev/null ;;
	*) map_entry "$1" ;;
	esac
}
is_denied() { limit_entry "$1" >"$T/entry.${1%%[.:]*}" && has GG_DENY "$T/entry.${1%%[.:]*}"; }
# The entry lives for seconds: it is looked at by somebody who has nothing else to do.
offend() { # source
	local flood open as=${1%%[.:]*}
	talk "$1" "$(server_for "$1")" 'EHLO client.example.org' "MAIL FROM:<a@$mode.example>" \
		":touch $T/here.$as" ":await $T/go.$as" 'RCPT TO:<user1@example.net>' QUIT >"$T/open.$as" &
	open=$!
	wait_for 5 test -e "$T/here.$as"
	knock flood "$1" 40 13 >"$T/flood.$as" &
	flood=$!
	wait_for 20 is_denied "$1"
	touch "$T/go.$as"
	wait $open $flood
	rm -f "$T/here.$as" "$T/go.$as"
}

both() { # mode
	local src jobs_=() sent answered syns
	syns=$(counter tarpit_syn)
	for src in 203.0.113.9 2001:db8:79::9; do
		offend $src & jobs_+=($!)
	done
	for src in 203.0.113.9 2001:db8:79::9; do
		check "$mode, $src: over its limit is reported" \
			wait_for 5 logged "+$at" event=limit "src=${limited[$src]}" verdict=deny reason=new_per_source
	done
	for src in 203.0.113.8 2001:db8:78::8; do check "$mode, $src: others are served meanwhile" served $src; done
	for src in 203.0.113.66 2001:db8:66::66; do tarpit $src; done
	between "$mode: answered SYNs are counted" "$(($(counter tarpit_syn) - syns))" 2 20
	wait "${jobs_[@]}"
	for src in 203.0.113.9 2001:db8:79::9; do
		like "$mode, $src: when it goes on it is denied, and the entry says why" "$(cat "$T/entry.${src%%[.:]*}")" \
			'"origin": "?GG_BY_LIMIT'
		like "$mode, $src: the session from before goes on, and no mail of it bounces" \
			"$(tr '\n' ' ' <"$T/open.${src%%[.:]*}")" 'S: 451 4\.7\.1 .*S: 221'
		check "$mode, $src: with an event" wait_for 3 logged "+$at" event=limit "src=${limited[$src]}" reason=offender
		read -r sent answered <"$T/flood.${src%%[.:]*}"
		between "$mode, $src: $answered of $sent were answered" "$answered" 5 $((sent / 3))
		check "$mode, $src: the deny is over by itself" wait_for 15 served $src
	done
	between "$mode: flood_source is counted" "$(counter flood_source)" $((sent / 4)) "$((4 * sent))"
}

mode=relay at=0
both
gg allow 192.0.2.8 >/dev/null
read -r sent answered <<<"$(knock flood 192.0.2.8 50 2)"
between "an allowed source has no limit" "$answered" $((sent - 31)) "$sent"
gate_stop; is "SIGTERM: exit code 0" $? 0
check "detach" on gate "$BUILD/greygate" -c "$T/greygate.conf" detach

mode=gateway interfaces='"g0", "g1"' listen='' backend='' protect="\"$MAIL4:25\", \"[$MAIL6]:25\""
SERVER4=$MAIL4 SERVER6=$MAIL6 at=$(log_size)
gate_conf
check "gateway mode" gate_start
both
gate_stop; is "SIGTERM: exit code 0" $? 0
