#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# upstream idle: connections to the mail server that are kept for the next message; whom they are not kept
# for, when they end, and that a client never hears of one that ended too early.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
net_up
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=mx" \
	-keyout "$T/key" -out "$T/pem" 2>"$T/openssl.log" || bail "openssl makes a certificate" "$(cat "$T/openssl.log")"
B=$T/backend
serve() { # port directory...
	backend_up mail "$MAIL4,$1" "${@:2}" || bail "a mail server"
	served=$started
}
serve 25 "$B"
first=$served
serve 27 "$B.x" --xclient
smtp_service=26 postfix_new mx mail "smtpd_tls_security_level = may" "smtpd_tls_cert_file = $T/pem" "smtpd_tls_key_file = $T/key" \
	"smtpd_tls_loglevel = 1" || bail "Postfix"

greylist="mode = off"
# One sender brings two hundred messages: over the default of new_per_source for ten seconds it is denied.
limit="per_source = 1000  new_per_source = 0"
settings() { # backend port, section upstream
	backend="\"$MAIL4:$1\"" upstream=$2
	gate_renew
}
count=0
passes() { # name [client]: one message
	count=$((count + 1))
	like "$1: delivered" "$(attempt "${2:-192.0.2.7}" $GATE4 "a$count@sender.example" user1@example.net)" '^S: 250 2\.0\.0 (stored|Ok)'
}
# Two, the second of which comes at once behind the first: its client was greeted before.
pass_both() { # name [client of the second]
	local second
	rm -f "$T/greeted" "$T/next"
	talk "${2:-192.0.2.7}" $GATE4 'EHLO client.example.org' ":touch $T/greeted" ":await $T/next" \
		"MAIL FROM:<a$((count + 2))@sender.example>" 'RCPT TO:<user1@example.net>' ':if 250' DATA ':if 354' ':body -' \
		QUIT >"$T/second" &
	second=$!
	wait_for 10 test -e "$T/greeted"
	passes "$1"
	touch "$T/next"; wait $second
	count=$((count + 1))
	like "another: delivered" "$(cat "$T/second")" '^S: 250 2\.0\.0 (stored|Ok)'
}
# By which connection of the mail server a sender's message went; they are numbered.
way_of() { sed -n "s/^\([0-9]*\) MAIL FROM:<$2@.*/\1/p" "$1/log" | tail -n 1; }
parted() { grep -q "^$1 QUIT" "$B/log"; }
# One worker: a connection is kept by the worker whose session it was.
sed_conf() { sed -i 's/workers = 2/workers = 1/' "$T/greygate.conf"; }
eval "$(declare -f gate_conf | sed '1s/gate_conf/plain_conf/')"
gate_conf() { plain_conf && sed_conf; }

check "greygated starts" settings 25 "timeout = 5s  idle = 3s"
pass_both "the first message" 203.0.113.7
is "of another client: by the same connection" "$(way_of "$B" a2)" "$(way_of "$B" a1)"
is "backend_reused counts it" "$(counter backend_reused)" 1
w=$(way_of "$B" a2)
check "nobody needs it: it is ended with QUIT" wait_for 8 parted "$w"
passes "the next"
[ "$(way_of "$B" a3)" != "$w" ]; is "goes by a fresh one" $? 0

# ---- ended too early ----
echo 'once:close' >"$B/mail"
passes "the mail server closes at MAIL"
[ "$(way_of "$B" a4)" != "$(way_of "$B" a3)" ]; is "went by a fresh one" $? 0
echo 'once:reset' >"$B/mail"
passes "it resets the connection at MAIL"
echo 'once:421 4.4.2 idle for too long' >"$B/mail"
passes "it answers MAIL with 421"
echo 'once:close' >"$B/rcpt"
passes "it closes at RCPT"
kill -KILL "$first"; wait "$first" 2>/dev/null
serve 25 "$B"
passes "it was started anew"
# The daemon sleeps while a client names its recipient and the mail server goes: it finds both at once.
count=$((count + 1))
talk 192.0.2.7 $GATE4 'EHLO client.example.org' "MAIL FROM:<a$count@sender.example>" ":touch $T/asks" ":await $T/asleep" \
	"RCPT TO:<user1@example.net>" ':if 250' DATA ':if 354' ':body -' QUIT >"$T/both" &
client=$!
check "a client is about to name its recipient" wait_for 5 test -e "$T/asks"
asleep() { ! cat /proc/"$gate_pid"/task/*/status | grep '^State:' | grep -qv 'stopped'; }
kill -STOP "$gate_pid"
check "the daemon sleeps" wait_for 5 asleep
touch "$T/asleep"
# Bytes that the daemon has not read.
unread() { on gate ss -Htn state established 'sport = :25' | awk '$1 > 0 { n++ } END { exit !n }'; }
check "and names it" wait_for 5 unread
kill -KILL "$served"; wait "$served" 2>/dev/null
serve 25 "$B"
kill -CONT "$gate_pid"; wait "$client"
like "it goes in that moment: delivered" "$(cat "$T/both")" '^S: 250 2\.0\.0 stored'
is "each was delivered once" "$(find "$B" -name '*.eml' | wc -l)" "$count"
refuse "and nothing was put off" logged event=relay verdict=defer

# ---- not kept ----
w=$(way_of "$B" "a$count")
echo 'once:550 5.1.1 unknown' >"$B/rcpt"
out=$(attempt 192.0.2.7 $GATE4 "refused@sender.example" user1@example.net)
like "a refused recipient is refused" "$out" '^S: 550 5\.1\.1 unknown'
check "an open transaction is not left to others" wait_for 2 parted "$(way_of "$B" refused)"
echo 'once:450 4.2.0 busy' >"$B/mail"
out=$(attempt 192.0.2.7 $GATE4 "busy@sender.example" user1@example.net)
like "a refusal of MAIL is handed on as it is" "$out" '^S: 450 4\.2\.0 busy'
passes "before a reload"
check "reload: it is another configuration" settings 25 "timeout = 5s  idle = 4s"
w=$(way_of "$B" "a$count")
passes "after it"
[ "$(way_of "$B" "a$count")" != "$w" ]; is "goes by a fresh connection" $? 0
check "reload: a mail server that is told the client by XCLIENT" settings 27 "timeout = 5s  idle = 4s"
passes "a message"
passes "another"
[ "$(way_of "$B.x" "a$count")" != "$(way_of "$B.x" "a$((count - 1))")" ]
is "each has a connection of its own" $? 0
check "reload: it is not told" settings 27 "timeout = 5s  idle = 4s  xclient = no"
pass_both "a message"
is "they share one" "$(way_of "$B.x" "a$count")" "$(way_of "$B.x" "a$((count - 1))")"

# ---- many, and TLS ----
check "reload: Postfix with TLS" settings 26 "timeout = 1m  idle = 4s  xclient = no"
on client smtp-source -s 10 -m 200 -l 4000 -f many@sender.example -t user1@example.net $GATE4:25 >"$T/said" 2>&1
rc=$?; note "$(cat "$T/said")"; is "200 messages, ten at a time" $rc 0
arrived() { [ "$(find "$T/mx/box/new" -type f | wc -l)" = "$1" ]; }
check "are all delivered, once" wait_for 10 arrived 200
postfix_said mx
connects=$(grep -c 'postfix/smtpd.*: connect from' "$T/mx/maillog")
between "by a few connections" "$connects" 1 60
check "in TLS" wait_for 5 grep -q 'TLS connection established from' "$T/mx/maillog"
gate_stop; is "SIGTERM: exit code 0" $? 0
# One that has brought no mail is the probe's, which SIGTERM may have cut short.
is "every connection that brought mail was ended with QUIT" \
	"$(grep 'disconnect from.* mail=' "$T/mx/maillog" | grep -vc ' quit=1')" 0
