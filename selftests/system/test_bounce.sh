#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The null sender: callouts get the mail server's answer at once and leave no trace, bounces wait at
# DATA and are delivered on their retry, one recipient each, and nobody is promoted for them.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
postfix_new mx mail || bail "Postfix as the mail server"
# It refuses mail of its users to addresses that the gate's side does not know, and says so by
# callouts with the null sender.
inet_interfaces=loopback-only mailbox_domains='' postfix_new out client "relayhost = [$GATE4]" \
	"smtp_bind_address = 203.0.113.8" "address_verify_sender = <>" "address_verify_poll_count = 30" "address_verify_poll_delay = 1s" \
	"smtpd_recipient_restrictions = reject_unverified_recipient" "unverified_recipient_reject_code = 550" \
	"minimal_backoff_time = 2s" "maximal_backoff_time = 3s" "queue_run_delay = 2s" ||
	bail "Postfix as the one who asks"
greylist="delay = 3s  delay_clean = 3s  delay_suspicious = 3s  jitter = 0  promote_after = 1"
extra="mailbox \"user5@example.net\" { delay = 5m  delay_clean = 5m  delay_suspicious = 5m }" # it stays early
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"

SRC=203.0.113.7 HELLO='EHLO client.example.org' NULL='MAIL FROM:<>'
codes() { sed -nE 's/^S: ([0-9]{3})( .*|$)/\1/p' | xargs; } # last line of each reply
records() { gg list grey --json | grep -c '"source"'; }

# ---- callouts ----
callout() { # recipient server
	on client swaks --server "$2" --from '<>' --to "$1" --quit-after RCPT
}
check "swaks: a callout for a user is told 250" callout user1@example.net $GATE4
check "over IPv6 too" callout user1@example.net $GATE6
refuse "one for nobody is refused" callout nobody@example.net $GATE4
like "by the mail server" "$(cat "$T/said")" '^<\*\* 550 5\.1\.1'
out=$(talk $SRC $GATE4 "$HELLO" "$NULL" 'RCPT TO:<user1@example.net>' RSET "$NULL" \
	'RCPT TO:<nobody@example.net>' 'RCPT TO:<user2@example.net>' QUIT)
is "two callouts in one session; after a refusal another may be asked" "$(codes <<<"$out")" \
	"220 250 250 250 250 250 550 250 221"
check "Postfix: reject_unverified_recipient finds a user by its callout" on client swaks \
	--server 127.0.0.1 --helo here --from '' --to user3@example.net --quit-after RCPT
refuse "and that there is no such user" on client swaks \
	--server 127.0.0.1 --helo here --from '' --to nobody@example.net --quit-after RCPT
is "callouts leave no record" "$(records)" 0
refuse "nor a decision" logged event=decision verdict=grey

# ---- bounces ----
bounce() { # source server recipient
	talk "$1" "$2" "$HELLO" "$NULL" "RCPT TO:<$3>" :'if 250' DATA ':if 354' ':body -' QUIT
}
out=$(bounce $SRC $GATE4 user1@example.net)
is "a bounce waits at DATA, its recipient was taken" "$(codes <<<"$out")" "220 250 250 250 451 221"
like "with minutes and a ticket" "$out" '^S: 451 4\.7\.1 Greylisted, please retry in 1 minutes? \(ticket [0-9A-Z]{13}; '
check "it is noted" log_wait event=decision src=$SRC verdict=grey reason=first to=user1@example.net reply=451
ticket=$(sed -nE 's/.*\(ticket ([0-9A-Z]+);.*/\1/p' <<<"$out")
like "explain knows the ticket" "$(gg explain "$ticket")" 'from +<>'
is "the other family waits too" "$(bounce 2001:db8:77::7 $GATE6 user2@example.net | codes)" "220 250 250 250 451 221"
bounce $SRC $GATE4 user5@example.net >/dev/null
is "a retry before the delay waits still" "$(bounce $SRC $GATE4 user5@example.net | codes)" "220 250 250 250 451 221"
out=$(talk $SRC $GATE4 "$HELLO" "$NULL" 'RCPT TO:<user5@example.net>' 'RCPT TO:<user2@example.net>' DATA \
	RSET 'MAIL FROM:<a@sender.example>' 'RCPT TO:<user5@example.net>' QUIT)
is "one recipient: 452 for the second, the rest of the session goes on" "$(codes <<<"$out")" \
	"220 250 250 250 452 451 250 250 451 221"
like "452 4.5.3" "$out" '^S: 452 4\.5\.3 '
between "limit_recipients counted it" "$(counter limit_recipients)" 1 1
out=$(talk $SRC $GATE4 "$HELLO" ":send $NULL\\r\\nRCPT TO:<user5@example.net>\\r\\nDATA\\r\\n" ':reply 3' DATA QUIT)
is "pipelined; DATA again has nothing to deliver" "$(codes <<<"$out")" "220 250 250 250 451 451 221"
out=$(talk $SRC $GATE4 "$HELLO" "$NULL" 'RCPT TO:<user5@example.net>' ':send BDAT 6 LAST\r\nhello\n' :reply NOOP QUIT)
is "in a chunk it waits too, and its bytes are no commands" "$(codes <<<"$out")" "220 250 250 250 451 250 221"
bounce $SRC $GATE4 postmaster@example.net >/dev/null
check "postmaster is never deferred" log_wait event=decision to=postmaster@example.net verdict=pass reason=exempt
is "nothing was delivered so far" "$(find "$T/mx/box" -type f | wc -l)" 0
delivered() { [ "$(bounce "$@" | codes)" = "220 250 250 250 354 250 221" ]; }
check "the retry is delivered" wait_for 10 delivered $SRC $GATE4 user1@example.net
check "the retry over IPv6 too" wait_for 10 delivered 2001:db8:77::7 $GATE6 user2@example.net
check "both are in the mailbox" wait_for 5 boxed_is mx "Hello, world." 2
is "the next one to the same recipient waits for nothing" "$(bounce $SRC $GATE4 user1@example.net | codes)" \
	"220 250 250 250 354 250 221"
check "a bounce in the queue of Postfix arrives by itself" on client "$(command -v sendmail)" \
	-C "$T/out/etc" -f '<>' user4@example.net <<<$'Subject: undelivered\n\nqueued-bounce'
check "after its delay" wait_for 20 boxed_is mx queued-bounce 1
check "nobody was promoted for all that" test "$(counter promoted)" = 0
is "nor is there a count of any source" "$(gg export | grep -c '"state":"source"')" 0

# ---- learn ----
sed -i "s/^greylist {/greylist { mode = learn/" "$T/greygate.conf"
check "learn mode by a reload" gg reload
is "learn: a bounce waits for nothing" "$(bounce 192.0.2.8 $GATE4 user5@example.net | codes)" \
	"220 250 250 250 354 250 221"
check "learn: and is noted at DATA" log_wait event=decision src=192.0.2.8 verdict=pass reason=learn
learned=$(counter learned)
check "learn: a callout is not" callout user6@example.net $GATE4
is "learn: only the bounce was counted" "$(counter learned)" "$learned"
