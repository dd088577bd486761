#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Service extensions: ours are those of the mail servers behind, parameters reach them as they came,
# and what a server has lost since EHLO is refused for the time being.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
# The sizes of Postfix are those of its configuration; nothing is greylisted until the last part.
postfix_new mx mail "smtpd_authorized_xclient_hosts = 198.51.100.0/24" || bail "Postfix as the mail server"
interfaces=
greylist="mode = off"
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"

SRC=192.0.2.7 HELLO='EHLO client.example.org'
FROM='MAIL FROM:<a@sender.example>' TO='RCPT TO:<user1@example.net>'
codes() { sed -nE 's/^S: ([0-9]{3})( .*|$)/\1/p' | xargs; } # last line of each reply
offers() { talk $SRC $GATE4 "$HELLO" QUIT; }
offer_is() { offers | grep -qE "^S: 250[- ]$1\$"; }
offer_gone() { ! offer_is "$1"; }

# ---- Postfix, with all and without each ----
for offer in 8BITMIME SMTPUTF8 DSN PIPELINING 'SIZE 52428800' ENHANCEDSTATUSCODES; do
	check "offered with Postfix behind: $offer" wait_for 10 offer_is "$offer"
done
for offer in 8BITMIME SMTPUTF8 DSN; do
	sed -i '/^smtpd_discard_ehlo_keywords/d' "$T/mx/etc/main.cf"
	echo "smtpd_discard_ehlo_keywords = $offer" >>"$T/mx/etc/main.cf"
	postfix_reload mx
	gg reload >/dev/null
	check "not offered when Postfix does not: $offer" wait_for 5 offer_gone "$offer"
	for other in 8BITMIME SMTPUTF8 DSN; do
		[ $other = $offer ] || check "and still offered: $other" wait_for 5 offer_is $other
	done
	declare -A use=([8BITMIME]=BODY=8BITMIME [SMTPUTF8]=SMTPUTF8 [DSN]=RET=HDRS)
	is "and not known as a parameter" "$(talk $SRC $GATE4 "$HELLO" "$FROM ${use[$offer]}" QUIT | codes)" "220 250 555 221"
done
sed -i '/^smtpd_discard_ehlo_keywords/d; s/^message_size_limit.*/message_size_limit = 1000000/' "$T/mx/etc/main.cf"
postfix_reload mx
gg reload >/dev/null
check "the smaller SIZE is offered" wait_for 5 offer_is 'SIZE 1000000'
is "and kept to" "$(talk $SRC $GATE4 "$HELLO" "$FROM SIZE=1000001" "$FROM SIZE=1000000" QUIT | codes)" \
	"220 250 552 250 221"

# ---- an internationalized message ----
printf 'From: <\303\274@b\303\274cher.example>\nSubject: Gr\303\274\303\237e\nX-Marker: utf8-marker\n\nh\303\244\n' >"$T/utf8"
out=$(talk $SRC $GATE4 "$HELLO" 'MAIL FROM:<ü@bücher.example> BODY=8BITMIME SMTPUTF8' "$TO" DATA ":body $T/utf8" QUIT)
is "SMTPUTF8: delivered" "$(codes <<<"$out")" "220 250 250 250 354 250 221"
check "SMTPUTF8: arrives" wait_for 10 boxed_is mx utf8-marker 1
like "SMTPUTF8: with its sender" "$(head -n 3 "$(boxed_file mx utf8-marker)")" '^Return-Path: <ü@bücher\.example>'
check "SMTPUTF8: in the log" log_wait event=decision from='ü@bücher.example'
check "swaks finds its way through DSN" on client swaks --server $GATE4 --from 'a@sender.example' --to user1@example.net \
	--header 'X-Marker: swaks-marker'
gate_stop; is "SIGTERM: exit code 0" $? 0

# ---- parameters as they came, and servers that lose what they had ----
B=$T/backend
backend_up mail "$MAIL4,26" "$B" || exit 1
says() {
	local lines=${1// /\\r\\n250-}
	printf '250-backend.example.net\\r\\n250-%s\\r\\n250 HELP\n' "${lines//=/ }" >"$B/ehlo"
}
says 'PIPELINING SIZE 8BITMIME SMTPUTF8 DSN'
backend="\"$MAIL4:26\""
gate_conf
gate_start || bail "greygated starts again"
check "offered: SMTPUTF8" wait_for 5 offer_is SMTPUTF8
check "offered: our own SIZE, when theirs has no number" offer_is 'SIZE 52428800'
out=$(talk $SRC $GATE4 "$HELLO" "$FROM SIZE=500 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B1" \
	"$TO NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx@example.com" 'RCPT TO:<user2@example.net> NOTIFY=NEVER' DATA ':body -' QUIT)
is "every parameter: delivered" "$(codes <<<"$out")" "220 250 250 250 250 354 250 221"
for line in "MAIL FROM:<a@sender.example> SIZE=500 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B1" \
	"RCPT TO:<user1@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx@example.com" "RCPT TO:<user2@example.net> NOTIFY=NEVER"; do
	check "the mail server hears: ${line%% *} ${line##* }" grep -qF -- " $line" "$B/log"
done
lost() { # name offers params reply [rcpt-params]
	says 'PIPELINING SIZE 8BITMIME SMTPUTF8 DSN'
	gg reload >/dev/null
	wait_for 5 offer_is SMTPUTF8 && wait_for 5 offer_is DSN && wait_for 5 offer_is 8BITMIME &&
		wait_for 5 offer_gone 'SIZE 100' || note "offers did not come back"
	talk $SRC $GATE4 "$HELLO" ":touch $T/greeted" ":await $T/lost" "$FROM $3" "$TO ${5-}" RSET NOOP QUIT >"$T/lost.out" &
	local pid=$!
	wait_for 5 test -e "$T/greeted"
	says "$2"
	touch "$T/lost"
	wait $pid
	rm -f "$T/greeted" "$T/lost"
	like "lost since EHLO: $1" "$(sed '1,/^C: RCPT/d' "$T/lost.out" | head -n 1)" "^S: $4"
	is "and the session goes on" "$(codes <"$T/lost.out")" "220 250 250 ${4%%[ -]*} 250 250 221"
}
lost 8BITMIME 'PIPELINING SIZE SMTPUTF8 DSN' BODY=8BITMIME '451 4\.4\.0'
check "a loss counts at once" offer_gone 8BITMIME
lost SMTPUTF8 'PIPELINING SIZE 8BITMIME DSN' SMTPUTF8 '451 4\.4\.0'
lost "DSN of the sender" 'PIPELINING SIZE 8BITMIME SMTPUTF8' RET=FULL '451 4\.4\.0'
lost "DSN of the recipient" 'PIPELINING SIZE 8BITMIME SMTPUTF8' '' '451 4\.4\.0' NOTIFY=NEVER
lost "a SIZE as large" 'PIPELINING SIZE=100 8BITMIME SMTPUTF8 DSN' SIZE=500 '451 4\.4\.0'
lost "a larger SIZE" 'PIPELINING SIZE=x 8BITMIME SMTPUTF8 DSN' SIZE=500 '250 '
is "backend_lacks counted them" "$(counter backend_lacks)" 5
says 'PIPELINING DSN'
: >"$B/log"
out=$(talk $SRC $GATE4 "$HELLO" "$FROM BODY=7BIT" "$TO" RSET QUIT)
gate_stop; is "SIGTERM: exit code 0" $? 0

# ---- two servers: what both have ----
backend_up mail "$MAIL4,27" "$T/second" || exit 1
says 'SIZE 8BITMIME SMTPUTF8'
printf '250-second.example.net\\r\\n250-8BITMIME\\r\\n250 DSN\n' >"$T/second/ehlo"
second=$started
backend="\"$MAIL4:26\", \"$MAIL4:27\""
greylist="delay = 300s  delay_clean = 300s  delay_suspicious = 300s  jitter = 0"
gate_conf
gate_start || bail "greygated starts a third time"
# The second one is asked after the first.
check "two servers: not what only the first has" wait_for 5 offer_gone SMTPUTF8
check "two servers: what both have" wait_for 5 offer_is 8BITMIME
check "two servers: not what only the second has" offer_gone DSN
kill $second
wait_for 5 gone $second
gg reload >/dev/null
check "the second is down: what the first has" wait_for 5 offer_is SMTPUTF8

# ---- one domain, two spellings ----
first=$(talk $SRC $GATE4 "$HELLO" 'MAIL FROM:<b@bücher.example> SMTPUTF8' 'RCPT TO:<u@BÜCHER.example>' QUIT)
like "U-labels: greylisted" "$first" '^S: 451 4\.7\.1'
again() { talk $SRC $GATE4 "$HELLO" 'MAIL FROM:<b@xn--bcher-kva.example>' 'RCPT TO:<u@xn--bcher-kva.example>' QUIT; }
like "A-labels: the same triplet, too early" "$(again)" "$(sed -nE 's/.*(ticket [0-9A-Z]+);.*/\1/p' <<<"$first")"
greylist="delay = 1s  delay_clean = 1s  delay_suspicious = 1s  jitter = 0"
check "a shorter delay" gate_renew
passes() { again | grep -q '^S: 250 2\.1\.5 recipient fine'; }
check "A-labels: the retry passes" wait_for 8 passes
gate_stop; is "SIGTERM: exit code 0" $? 0
