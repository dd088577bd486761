#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A client that the mail server refuses once it knows who it is hears the mail server's own words; its
# mail goes nowhere else, and nobody else's goes another way for it.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
net_up || bail "network namespaces"
OTHER4=198.51.100.3
B=$T/backend
ip -n mail addr add $OTHER4/24 dev m0
services=$(echo "26 inet n - n - 100 smtpd"
	echo "  -o smtpd_upstream_proxy_protocol=haproxy -o smtpd_authorized_xclient_hosts="
	echo "27 inet n - n - 100 smtpd"
	echo "  -o smtpd_upstream_proxy_protocol=haproxy -o syslog_name=second -o smtpd_client_restrictions=")
cat >"$T/access" <<-END2
	192.0.2.7 450 4.7.1 come again
	2001:db8:1::7 450 4.7.1 come again
	192.0.2.8 554 5.7.1 never come again
	2001:db8:1::8 554 5.7.1 never come again
END2
postfix_new mx mail "smtpd_authorized_xclient_hosts = 198.51.100.0/24 [2001:db8:2::]/64" \
	"smtpd_client_restrictions = check_client_access texthash:$T/access" || bail "Postfix"
backend_up mail $OTHER4,2525 "$B" || bail "a second mail server"

greylist="mode = off"
limit="per_source = 1000  hosts = 10k"
GREETED='^S: 250 2\.0\.0 Ok: queued'
to() { # backend, upstream section: has the daemon use it
	backend=$1 upstream="timeout = 30s $2"
	gate_renew
}
one() { attempt "$1" "$(gate_for "$1")" "a@sender.example" user1@example.net; } # source
gate_for() { case $1 in *:*) echo "$GATE6" ;; *) echo $GATE4 ;; esac; }
elsewhere() { cat "$B/log" "$T/mx/maillog" | grep -cE 'MAIL FROM|second/smtpd.*: client='; }
downs() { logged event=relay verdict=down 2>/dev/null | wc -l; }
several() { # source: three recipients, one of them again after RSET
	talk "$1" "$(gate_for "$1")" 'EHLO client.example.org' 'MAIL FROM:<a@sender.example>' \
		'RCPT TO:<user1@example.net>' 'RCPT TO:<user2@example.net>' 'RCPT TO:<user3@example.net>' \
		RSET 'MAIL FROM:<b@sender.example>' 'RCPT TO:<user1@example.net>' QUIT
}

for way in "xclient = auto|$MAIL4:25|2525" "xclient = auto|[$MAIL6]:25|2525" \
	"proxy = v2|$MAIL4:26|27" "proxy = v2|[$MAIL6]:26|27"; do
	IFS='|' read -r told first second <<<"$way"
	how="$told to $first"
	to "\"$first\", \"$OTHER4:$second\"" "$told" || bail "greygated takes $how" "$(tail -n 3 "$T/gate.log")"
	for three in "192.0.2.7 192.0.2.8 203.0.113.7" "2001:db8:1::7 2001:db8:1::8 2001:db8:77::7"; do
		read -r later never welcome <<<"$three"
		like "$how: $later hears its 450" "$(one "$later")" '^S: 450 4\.7\.1 .*come again'
		like "$how: $never hears its 554" "$(one "$never")" '^S: 554 5\.7\.1 .*never come again'
		like "$how: $welcome is delivered" "$(one "$welcome")" "$GREETED"
	done
	out=$(several 192.0.2.8)
	is "$how: every recipient, and the next transaction's, hears it" \
		"$(grep -c '^S: 554 5\.7\.1 .*never come again' <<<"$out")" 4
	like "$how: and the session goes on to its end" "$out" '^S: 221 '
	pids=()
	for src in 192.0.2.7 192.0.2.8 203.0.113.7; do one $src >"$T/at.$src" & pids+=($!); done
	wait "${pids[@]}"
	like "$how: at once: 450" "$(cat "$T/at.192.0.2.7")" '^S: 450 4\.7\.1 .*come again'
	like "$how: at once: 554" "$(cat "$T/at.192.0.2.8")" '^S: 554 5\.7\.1 .*never come again'
	like "$how: at once: delivered" "$(cat "$T/at.203.0.113.7")" "$GREETED"
done
is "the mail server was never down" "$(downs)" 0
is "nothing went to the second one" "$(elsewhere)" 0
check "the log has the mail server's words" log_wait event=relay verdict=deny reason=client src=192.0.2.8
check "and of who may come again" log_wait event=relay verdict=defer reason=client src=192.0.2.7

# ---- an impatient one: each recipient costs no connection of its own ----
connects() { grep -c 'postfix.*smtpd.*: connect from .*\[192\.0\.2\.8\]' "$T/mx/maillog"; }
postfix_said mx
before=$(connects)
several 192.0.2.8 >/dev/null
postfix_said mx
is "two transactions of a refused client: two connections" $(($(connects) - before)) 2

# ---- every client refused ----
refused() { logged event=relay verdict=up | grep -c 'refuses one client after the other'; }
is "some refused clients are no reason for a line" "$(refused)" 0
for _ in $(seq 1 10); do several 192.0.2.8 >/dev/null; done
soon "twenty in a row are, for one" 1 refused

# ---- the scripted one: it closes behind its refusal; 421 is its own affair ----
backend_up mail $MAIL4,30 "$T/first" --xclient || bail "a third one"
to "\"$MAIL4:30\", \"$OTHER4:2525\"" "xclient = auto" || bail "greygated takes the scripted one"
out() { echo "$1" >"$T/first/xclient"; several 203.0.113.7; }
for words in '554 5.7.1 not you' '451 4.7.1 not now' '554-5.7.1 two\r\n554 5.7.1 lines' '421 4.7.0 too often'; do
	out=$(out "$words")
	like "XCLIENT answered '$words' comes back" "$out" "^S: ${words##*\\n}\$"
done
is "the mail server is still up" "$(downs)" 0
is "and the second one was not asked" "$(elsewhere)" 0
for words in '550 5.7.0 insufficient authorization' '501 5.5.4 what'; do
	out=$(out "$words")
	like "'$words': goes on without" "$out" '^S: 250 2\.1\.5 recipient fine'
done
out=$(out '421 4.3.2 shutting down')
like "421 4.3.2: the second one takes it" "$out" '^S: 250 2\.1\.5 recipient fine'
check "the first one is down" log_wait event=relay verdict=down
between "the second one was asked" "$(elsewhere)" 1 2
gate_stop; is "SIGTERM: exit code 0" $? 0
