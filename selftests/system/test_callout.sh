#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Strangers that ask about recipients from the null sender and stay: what the mail server allows is left
# to those who have something to deliver.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
postfix_new mx mail "smtpd_client_connection_count_limit = 10" || bail "Postfix as the mail server"
interfaces=
stutter="first = 0s"
upstream="verify_probes = 4"
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"
gg allow 203.0.113.7 >/dev/null
gg allow 2001:db8:77::7 >/dev/null

HELLO='EHLO client.example.org' NULL='MAIL FROM:<>'
codes() { sed -nE 's/^S: ([0-9]{3})( .*|$)/\1/p' | xargs; } # last line of each reply
call() { # recipient...: what each is answered
	local steps=() r
	for r in "$@"; do steps+=("$NULL" "RCPT TO:<$r>" RSET); done
	talk "${source:-192.0.2.7}" "${server:-$GATE4}" "$HELLO" "${steps[@]}" QUIT |
		sed -n '/^C: RCPT/,/^C: RSET/s/^S: //p' | cut -c1-9 | xargs
}

# How often a worker has gone to sleep.
naps() { awk '/^Name:/ { of = $2 == "worker" } of && /^voluntary/ { n += $2 } END { print n }' \
	/proc/"$gate_pid"/task/*/status; }

# ---- Postfix, which takes ten connections of a client ----
for v in 4 6; do
	source=192.0.2.7 server=$GATE4 known=203.0.113.7
	[ $v = 4 ] || source=2001:db8:1::7 server=$GATE6 known=2001:db8:77::7
	on client $PYTHON "$HERE/hold.py" call $source $server,25 40 "$T/held" >"$T/said" &
	holder=$!
	wait_for 60 test -e "$T/held" || bail "IPv$v: one stranger asks about forty and stays"
	is "IPv$v: each is answered with what Postfix says" "$(cat "$T/said")" "250=40"
	is "IPv$v: none of them holds a connection to it" "$(counter backend_open)" 0
	for i in 1 2; do
		is "IPv$v: an allowed source delivers meanwhile" \
			"$(attempt $known $server a@sender.example user1@example.net | codes)" \
			"220 250 250 250 354 250 221"
	done
	rm "$T/held"; wait $holder
done
refuse "the mail server was never taken for down" logged event=relay verdict=down
unset source server
is "whom it does not know it refuses" "$(call nobody@example.net user1@example.net)" "550 5.1.1 250 2.1.5"
is "callouts leave no record" "$(gg list grey --json | grep -c '"source"')" 0

# ---- who can't be asked about ----
is "SMTPUTF8: greylisted like any other" "$(talk 192.0.2.7 $GATE4 "$HELLO" "$NULL SMTPUTF8" \
	'RCPT TO:<gärtner@example.net>' QUIT | codes)" "220 250 250 451 221"

# ---- a mail server that takes its time ----
B=$T/backend
mkdir -p "$B"; echo '^user' >"$B/known"
backend_up mail $MAIL4,26 "$B" || exit 1
backend="\"$MAIL4:26\"" upstream="timeout = 60s  verify_probes = 2  verify_recipients = no"
check "another mail server" gate_renew
echo 'await:go' >"$B/rcpt"
for i in 1 2 3 4; do
	(TALK_TIMEOUT=60 call user$((i % 2 + 70))@example.net nobody$((i % 2))@example.net) >"$T/call.$i" &
	calls[i]=$!
done
check "four ask, and the mail server is asked" wait_for 20 has 'RCPT TO:<[a-z2-7]{16}@example' "$B/log"
is "an ordinary stranger does not wait" "$(attempt 192.0.2.8 $GATE4 a@sender.example user80@example.net | codes)" \
	"220 250 250 451 221"
# A worker that looked for answers would be up a hundred times in these two seconds.
before=$(naps) seconds=$EPOCHREALTIME
sleep 2
between "meanwhile the workers sleep" \
	"$(awk -v n="$(($(naps) - before))" -v a="$seconds" -v b="$EPOCHREALTIME" 'BEGIN { print n / (b - a) }')" 0.1 25
touch "$B/go"
wait "${calls[@]}"
is "each hears its answer" "$(cat "$T"/call.*)" "$(for i in 1 2 3 4; do echo "250 2.1.5 550 5.1.1"; done)"
is "nobody has had a connection of their own" "$(counter backend_open)" 0

# ---- no more than so many wait, and not for ever ----
rm "$B/go"
upstream="timeout = 60s  verify_waiting = 0"
check "nobody may wait" gate_renew
is "the answer is not there: greylisted" "$(call user90@example.net)" "451 4.7.1"
is "limit_waiting counted it" "$(counter limit_waiting)" 1
check "it is noted, so that a bounce gets through" log_wait event=decision to=user90@example.net verdict=grey reply=451
touch "$B/go"
check "the answer comes" log_wait event=verify to=user90@example.net verdict=valid
is "who asks again hears it" "$(call user90@example.net)" "250 2.1.5"
rm "$B/go"
upstream="timeout = 60s  verify_recipients = no"
check "they may wait again" gate_renew
(TALK_TIMEOUT=120 call user99@example.net) >"$T/call" &
calls=($!)
check "the mail server is asked" wait_for 20 has 'RCPT TO:<user99@' "$B/log"
refuse "the client waits" grep -q . "$T/call"
upstream="timeout = 50s  verify_recipients = no"
check "a reload forgets what was asked" gate_renew
wait "${calls[@]}"
is "who waited is greylisted" "$(cat "$T/call")" "451 4.7.1"
upstream="timeout = 1s"
check "upstream timeout = 1s" gate_renew
is "a mail server that hangs: greylisted in the end" "$(call user91@example.net)" "451 4.7.1"
touch "$B/go"
