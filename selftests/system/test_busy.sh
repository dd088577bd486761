#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A mail server that takes three connections from one client and says 421 to the next: it is full, not
# down. What it has no room for goes to the next one, or comes again.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
net_up || bail "network namespaces"
services=$(echo "26 inet n - n - 100 smtpd"
	echo "  -o smtpd_client_connection_count_limit=0 -o syslog_name=second")
postfix_new mx mail "smtpd_client_connection_count_limit = 3" "syslog_name = first" || bail "Postfix"
MAILLOG=$T/mx/maillog

interfaces=
limit="per_source = 1000  hosts = 10k"
upstream="timeout = 60s  verify_probes = 1  verify_recipients = no"
export TALK_TIMEOUT=120
STORED='^S: 250 2\.0\.0 Ok: queued' BUSY='^S: 451 4\.3\.2 Mail server busy'
GATE='.*\[(198\.51\.100\.1|2001:db8:2::1)\]' # as Postfix sees it
one() { # source sender [user]
	attempt "$1" "$(server_for "$1")" "$2" "${3:-user1}@example.net"
}
downs() { logged event=relay verdict=down 2>/dev/null | wc -l; }
ended() { grep -cE "disconnect from $GATE" "$MAILLOG"; }
ended_is() { [ "$(ended)" -ge "$1" ]; }
idle() { [ "$(grep -cE " connect from $GATE" "$MAILLOG")" = "$(ended)" ]; }
served() { grep -cE "$1/smtpd.*: client=" "$MAILLOG"; } # first|second
served_is() { [ "$(served "$1")" = "$2" ]; }
# A daemon that knows nothing, has asked so many Postfixes what they offer, and has left them again.
begin() { # backends Postfixes
	local before src
	backend=$1
	[ -z "$gate_pid" ] || gate_stop
	before=$(ended)
	gate_renew || bail "greygated starts" "$(tail -n 3 "$T/gate.log")"
	wait_for 20 ended_is $((before + $2)) || bail "the mail servers are asked what they offer"
	wait_for 20 idle || bail "and are left"
	for src in 203.0.113.7 2001:db8:77::7; do
		gg allow $src >/dev/null || bail "greygate allow $src"
	done
}
hold() { # source: three clients with an accepted recipient each, which say no more
	local i
	rm -f "$T"/held.* "$T"/said.* "$T/go"
	for i in 1 2 3; do
		talk "$1" "$(server_for "$1")" 'EHLO client.example.org' "MAIL FROM:<held$i@sender.example>" \
			'RCPT TO:<user1@example.net>' ":touch $T/held.$i" ":await $T/go" DATA ':body -' QUIT >"$T/said.$i" &
		holders[i]=$!
		wait_for 20 test -e "$T/held.$i"
	done
	is "$1: three hold a connection each" "$(cat "$T"/said.* | grep -c '^S: 250 2\.1\.5')" 3
}
let_go() { # source
	touch "$T/go"
	wait "${holders[@]}"
	is "$1: their messages are delivered" "$(cat "$T"/said.* | grep -cE "$STORED")" 3
	check "$1: there is room again" wait_for 20 idle
}

for three in "$MAIL4 203.0.113.7 192.0.2.7" "[$MAIL6] 2001:db8:77::7 2001:db8:1::7"; do
	read -r mx src stranger <<<"$three"

	# ---- the only one ----
	begin "\"$mx:25\"" 1
	downs=$(downs)
	hold "$src"
	like "$src: one more hears that it is busy" "$(one "$src" more@sender.example)" "$BUSY"
	between "$src: backend_full counts it" "$(counter backend_full)" 1 99
	check "$src: the log says it" log_wait event=relay verdict=full backend="$mx:25"
	like "$src: so does status" "$(gg status --json)" "${mx//[\[\]]/.?}:25: takes no more connections"
	for i in 1 2; do
		one "$src" "more$i@sender.example" >"$T/more.$i" &
		others[i]=$!
	done
	wait "${others[@]}"
	is "$src: two more at once: so they do" "$(cat "$T"/more.? | grep -cE "$BUSY")" 2
	like "$src: a stranger's callout is deferred" "$(one "$stranger" '' user9)" '^S: 451 4\.7\.1 '
	check "$src: there was no room for the question" log_wait event=verify verdict=unclear \
		backend="$mx:25" reason="mail server is closing the connection (421)"
	is "$src: the mail server is not down" "$(downs)" "$downs"
	let_go "$src"
	like "$src: it takes mail as before" "$(one "$src" after@sender.example)" "$STORED"

	# ---- the first of two ----
	begin "\"$mx:25\", \"$MAIL4:26\"" 2
	hold "$src"
	second=$(served second)
	like "$src: one more is delivered" "$(one "$src" two@sender.example)" "$STORED"
	check "$src: by the second mail server" wait_for 10 served_is second $((second + 1))
	let_go "$src"
	first=$(served first)
	like "$src: the next one is delivered" "$(one "$src" three@sender.example)" "$STORED"
	check "$src: by the first one" wait_for 10 served_is first $((first + 1))
	is "$src: which was never down" "$(downs)" "$downs"
done

# ---- 421 where nothing stands ----
mkdir "$T/away"; echo '421 4.3.2 shutting down' >"$T/away/banner"
backend_up mail "$MAIL4,30" "$T/away" || exit 1
begin "\"$MAIL4:30\", \"$MAIL4:25\"" 1
like "421 to each connection: the next one takes it" "$(one 203.0.113.7 four@sender.example)" "$STORED"
check "and it is down" log_wait event=relay verdict=down backend=$MAIL4:30
is "not full" "$(counter backend_full)" 0
gate_stop; is "SIGTERM: exit code 0" $? 0
