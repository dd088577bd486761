#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What EHLO offers while the mail server is down: nothing that a strict sender would miss, and
# nothing that it takes for a refusal. What was learned outlives the daemon.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
interfaces=
greylist="mode = off"
gate_conf
gate_start || bail "greygated starts while the mail server is down"
pass "greygated starts while the mail server is down"

SRC=192.0.2.7 HELLO='EHLO client.example.org'
TO='RCPT TO:<user1@example.net>'
codes() { sed -nE 's/^S: ([0-9]{3})( .*|$)/\1/p' | xargs; } # last line of each reply
offers() { talk $SRC $GATE4 "$HELLO" QUIT | sed -nE 's/^S: 250[- ]([0-9A-Z]+).*/\1/p' | sort | xargs; }
offers_are() { [ "$(offers)" = "$1" ]; }
everything="8BITMIME CHUNKING DSN ENHANCEDSTATUSCODES HELP PIPELINING SIZE SMTPUTF8"

# ---- nothing is known ----
check "everything is offered that can be carried" offers_are "$everything"
is "and a message that needs it is deferred" "$(talk $SRC $GATE4 "$HELLO" \
	'MAIL FROM:<ü@bücher.example> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e' "$TO NOTIFY=NEVER" QUIT | codes)" \
	"220 250 250 451 221"

mailbox_domains='' inet_interfaces=127.0.0.1 postfix_new sender client "relayhost = [$GATE4]" \
	"smtp_bind_address = $SRC" "minimal_backoff_time = 2s" "maximal_backoff_time = 2s" "queue_run_delay = 2s" ||
	bail "Postfix as a sender"
says() { grep -aqE "to=<$1.*status=$2" "$T/sender/maillog"; }
is "Postfix has a message that needs SMTPUTF8" "$(talk 127.0.0.1 127.0.0.1 "$HELLO" \
	'MAIL FROM:<jörg@sender.example> SMTPUTF8 BODY=8BITMIME' 'RCPT TO:<user1@example.net>' DATA ':body -' QUIT | codes)" \
	"220 250 250 250 354 250 221"
check "it is deferred" wait_for 15 says user1@example.net deferred
refuse "and not returned" grep -aq 'status=bounced' "$T/sender/maillog"

# ---- the mail server comes up ----
B=$T/backend
mkdir "$B"
reply() { printf '250-backend.example.net\\r\\n250-%s\\r\\n250 HELP\n' "${1// /\\r\\n250-}" >"$B/ehlo"; }
mail_up() { start_on mail $PYTHON "$HERE/backend.py" "$MAIL4,25" "$B" 2>>"$T/backend.log" && mail_pid=$started; }
# A client that was greeted before relies on what it was offered.
talk $SRC $GATE4 "$HELLO" ":touch $T/greeted" ":await $T/up" 'MAIL FROM:<a@sender.example> RET=HDRS' "$TO" QUIT >"$T/before.out" &
before=$!
check "a client is greeted" wait_for 10 test -e "$T/greeted"
reply 'PIPELINING SIZE 8BITMIME SMTPUTF8 CHUNKING' # all that Postfix needs, at whatever moment it tries
mail_up
learned="8BITMIME CHUNKING HELP PIPELINING SIZE SMTPUTF8"
check "the mail server's offers are ours" wait_for 20 offers_are "$learned"
touch "$T/up"
wait $before
is "what the mail server turns out not to have is deferred" "$(codes <"$T/before.out")" "220 250 250 451 221"
is "and then not known" "$(talk $SRC $GATE4 "$HELLO" 'MAIL FROM:<a@sender.example> RET=HDRS' QUIT | codes)" "220 250 555 221"
reply 'PIPELINING SIZE 8BITMIME SMTPUTF8 DSN CHUNKING'
gg reload >/dev/null
learned="8BITMIME CHUNKING DSN HELP PIPELINING SIZE SMTPUTF8"
check "and known, when it is there" wait_for 20 offers_are "$learned"
check "Postfix tries again and delivers" wait_for 15 says user1@example.net sent
refuse "and has returned nothing" grep -aq 'status=bounced' "$T/sender/maillog"
on client postfix -c "$T/sender/etc" stop 2>/dev/null

# ---- what was learned, while it is down again ----
kept() { grep -q '25 0 .*8BITMIME.*SMTPUTF8' "$T/state/offers"; }
check "it is kept" wait_for 10 kept
kill "$mail_pid"
gate_stop; is "SIGTERM: exit code 0" $? 0
wait_for 5 gone "$mail_pid"
gate_start || bail "greygated starts again while the mail server is down"
check "the next start knows it" offers_are "$learned"
gate_stop; is "SIGTERM: exit code 0" $? 0
echo "not an EHLO" >"$T/state/offers"
gate_start || bail "greygated starts with rubbish in offers"
check "what is no such file is said" log_wait event=error
check "and nothing is believed of it" offers_are "$everything"
gate_stop; is "SIGTERM: exit code 0" $? 0
