#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Recipients are verified by asking the mail server: Postfix, which refuses those it does not know, and
# a scripted one on its bad days. No client waits for that.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=mx.example.net" \
	-keyout "$T/key" -out "$T/pem" 2>"$T/openssl.log" || bail "openssl makes a certificate"
postfix_new mx mail "smtpd_tls_cert_file = $T/pem" "smtpd_tls_key_file = $T/key" ||
	bail "Postfix as the mail server"
interfaces=
verify="verify_keep = 10m  verify_keep_unknown = 10m"
upstream="timeout = 10s  verify_probes = 2  $verify"
stutter="first = 0s  deny_limit = 1s"
greylist="delay = 1s  delay_clean = 1s  delay_suspicious = 1s  jitter = 0  promote_after = 0"
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"

SRC=192.0.2.7 HELLO='EHLO client.example.org' FROM='MAIL FROM:<a@sender.example>'
export TALK_TIMEOUT=15
# One RCPT for each recipient, of $sender, or of one that nobody has seen: the replies.
rcpt() { # recipient...
	local steps=() r
	for r in "$@"; do steps+=("RCPT TO:<$r>"); done
	talk ${source:-$SRC} ${server:-$GATE4} "$HELLO" "MAIL FROM:<${sender:-a@s$RANDOM-$RANDOM.example}>" \
		"${steps[@]}" QUIT |
		sed -n '/^C: RCPT/,/^C: QUIT/s/^S: //p'
}
answers() { rcpt "$@" | cut -c1-9 | xargs; }
nobody_asks() { on mail ss -Htn state established "sport = :$1" | wc -l | grep -qx 0; } # port
asked() { logged event=verify to="$1" >/dev/null; } # recipient

# ---- Postfix ----
is "a first contact is deferred, whoever it is for" "$(answers user1@example.net nobody@example.net)" \
	"451 4.7.1 451 4.7.1"
check "the mail server was asked about one it knows" log_wait event=verify to=user1@example.net verdict=valid
check "and one it does not" log_wait event=verify to=nobody@example.net verdict=unknown
like "the first one's decision says that it was being asked" \
	"$(log_said event=decision to=nobody@example.net verdict=grey)" '"recipient": ?"asked"'
own=$(on gate $PYTHON "$HERE/talk.py" "" $MAIL4 "$HELLO" "MAIL FROM:<>" 'RCPT TO:<nobody@example.net>' QUIT |
	grep '^S: 550')
is "a retry is refused in the mail server's own words" "S: $(rcpt nobody@example.net)" "$own"
is "over IPv6 too" "S: $(source=2001:db8:1::7 server=$GATE6 rcpt nobody@EXAMPLE.NET)" "$own"
is "one recipient is refused, the others are not" \
	"$(answers user1@example.net nobody@example.net user1@example.net)" "451 4.7.1 550 5.1.1 451 4.7.1"
check "the decision is logged" log_wait event=decision to=nobody@example.net verdict=deny reason=unknown_user \
	recipient=unknown
like "and explained" "$(gg explain $SRC)" 'recipient unknown to the mail server'
like "as is the other one's" "$(gg explain $SRC)" 'recipient known to the mail server'
like "explain --json has it" "$(gg explain --json 203.0.113.7 2>&1; gg explain --json $SRC)" '"recipient": ?"valid"'
out=$(gg explain nobody@example.net)
like "explain MAILBOX: what the mail server said" "$out" 'reply +550 5\.1\.1 .*User unknown[^?]*$'
like "and until when it holds" "$out" 'until +'
like "explain MAILBOX --json" "$(gg explain --json user1@example.net)" '"state": ?"valid"'
between "counter verify_refused" "$(counter verify_refused)" 3 3
between "counter verify_asked: each once" "$(counter verify_asked)" 2 2
sender=b@sender.example rcpt user2@example.net >/dev/null
passes() { sender=b@sender.example rcpt "$1" | grep -q '^250 2\.1\.5'; }
check "a known one passes on its retry" wait_for 4 passes user2@example.net
like "status tells how many are known" "$(gg status)" 'mailboxes +[0-9]+ known from the mail server'
for i in $(seq 12); do rcpt "box$i@example.net" "user$i@example.net" >/dev/null; done
check "many are asked about" wait_for 5 asked user12@example.net
check "the last unknown one too" wait_for 5 asked box12@example.net
unlike "Postfix has not slowed us down" "$(cat "$T/mx/maillog")" 'too many errors'
connections=$(grep -c ' connect from ' "$T/mx/maillog")
between "on few connections" "$connections" 2 14
check "from the null sender, with RSET between" wait_for 10 has 'disconnect from.* rset=([2-9]|1[0-9])' "$T/mx/maillog"
out=$(source=203.0.113.66 rcpt trap@example.net; source=203.0.113.66 rcpt trap@example.net)
unlike "of a greytrap address not a word is asked" "$(cat "$T/mx/maillog")" 'trap@example\.net'
unlike "nor of itself is a word said" "$out" '^550'
rcpt late2@example.net >/dev/null; check "one more is asked about" wait_for 5 asked late2@example.net
like "it is unknown" "$(rcpt late2@example.net)" '^550 5\.1\.1'
echo '/^late2@example\.net$/ box/' >>"$T/mx/etc/users"
postfix_reload mx
kill -HUP "$gate_pid"; log_wait event=reload verdict=done >/dev/null
like "a reload forgets what was said" "$(rcpt late2@example.net)" '^451 4\.7\.1'
check "and asks again" log_wait event=verify to=late2@example.net verdict=valid
postfix_reload mx "smtpd_tls_security_level = encrypt"
check "the connections from before are given up" wait_for 15 nobody_asks 25
rcpt tls1@example.net >/dev/null
check "a mail server that demands TLS is asked within it" log_wait event=verify to=tls1@example.net verdict=unknown
gate_stop; is "SIGTERM: exit code 0" $? 0

# ---- a scripted mail server ----
B=$T/backend
mkdir "$B"
backend_start() { # [option...]
	start_on mail $PYTHON "$HERE/backend.py" $MAIL4,26 "$B" "$@" 2>>"$T/backend.log"
	backend_pid=$started
	wait_for 5 has listening "$B/log"
}
backend_start || bail "the scripted mail server starts"
behave() { rm -f "$B"/{banner,mail,rcpt,known}; [ $# = 0 ] || echo "$2" >"$B/$1"; }
seen() { grep -c "RCPT TO:<$1>" "$B/log"; } # how often the mail server was asked about it
backend="\"$MAIL4:27\", \"$MAIL4:26\"" # nobody listens on the first one
upstream="timeout = 30s  verify_probes = 2  $verify  verify_keep_domain = 5s"
trap_conf='addresses = {}'
: >"$T/gate.log"
gate_conf
gate_start || bail "greygated starts with two mail servers"

is "a mail server that takes anyone" "$(answers some@any.example)" "451 4.7.1"
check "is found out" log_wait event=verify verdict=any reason=domain to=some@any.example
is "and asked no more" "$(answers other@any.example third@any.example)" "451 4.7.1 451 4.7.1"
like "status names the domain" "$(gg status)" 'any\.example: any is taken'
check "which the log says" log_wait event=decision to=third@any.example recipient=any
is "nobody else in it was asked about" "$(grep -c 'RCPT TO:<.*@any.example>' "$B/log")" 1
unlike "and the one who was is nobody" "$(cat "$B/log")" 'RCPT TO:<(some|other|third)@'
behave known '^(user[0-9]*|some)@'
sleep 5
rcpt later@any.example >/dev/null
check "it is tried again" log_wait event=verify verdict=select reason=domain to=later@any.example
check "and its recipients are verified then" log_wait event=verify verdict=unknown to=later@any.example
unlike "which status shows" "$(gg status)" 'any is taken'

behave rcpt '450 4.2.0 busy'
rcpt four@any.example >/dev/null
check "a temporary answer says nothing" log_wait event=verify verdict=unclear to=four@any.example
is "and refuses nobody" "$(answers four@any.example)" "451 4.7.1"
behave rcpt '554 5.7.1 not from you'
rcpt policy@any.example >/dev/null
check "nor does a refusal of us" log_wait event=verify verdict=unclear to=policy@any.example
is "refuse anybody" "$(answers policy@any.example)" "451 4.7.1"
behave mail '550 5.7.1 no null sender here'
rcpt null@any.example >/dev/null
check "nor one of the null sender" log_wait event=verify verdict=unclear reason=sender to=null@any.example
for how in close reset garbage '421 4.3.2 closing' '550 5.1.1 no\r\n250 or yes'; do
	behave rcpt "$how"; s=${how//[^a-z0-9]/}
	rcpt "$s@any.example" >/dev/null
	check "$how: is survived" log_wait event=verify verdict=unclear to="$s@any.example"
	is "$how: refuses nobody" "$(answers "$s@any.example")" "451 4.7.1"
done
behave known '^user[0-9]*@'
rcpt again@any.example >/dev/null
check "a mail server that recovers is asked" log_wait event=verify verdict=unknown to=again@any.example

# ---- never more than so many at once ----
check "what was open is given up" wait_for 15 nobody_asks 26
echo await:go >"$B/unknown"
opened=$(grep -c ' EHLO ' "$B/log")
for i in $(seq 12); do
	talk 203.0.113.7 $GATE4 "$HELLO" "MAIL FROM:<c$i@sender.example>" "RCPT TO:<crowd$i@any.example>" \
		'RCPT TO:<same@any.example>' QUIT >"$T/crowd.$i" &
	crowd[i]=$!
done
wait "${crowd[@]}"
is "strangers are deferred while the mail server hangs" "$(cat "$T"/crowd.* | grep -c '^S: 451 4\.7\.1')" 24
crowd_asked() { logged event=decision recipient=asked | grep -c '"to": *"crowd'; }
soon "without waiting for it" 12 crowd_asked
connections() { echo $(($(grep -c ' EHLO ' "$B/log") - opened)); }
soon "two questions at once, no more" 2 connections
touch "$B/go"
check "the rest is asked when it answers again" wait_for 15 asked crowd12@any.example
wait_for 15 asked same@any.example
sender=b@sender.example rcpt user5@any.example >/dev/null
between "about the same one once" "$(seen same@any.example)" 0 1
kill "$backend_pid"; wait "$backend_pid" 2>/dev/null
is "no mail server: deferred" "$(answers down@any.example user5@any.example)" "451 4.7.1 451 4.7.1"
check "and asked in vain" log_wait event=verify verdict=unclear to=down@any.example
in_vain() { sender=b@sender.example rcpt user5@any.example | grep -q '^451 4\.4\.1'; }
check "whoever is let through then hears 451" wait_for 4 in_vain
behave known '^user[0-9]*@'
: >"$B/log"; backend_start || bail "the scripted mail server starts again"
check "and is served when it is back" wait_for 10 passes user5@any.example
upstream="timeout = 2s"
check "reload: a short timeout" gate_renew
behave rcpt hang
rcpt hung@any.example >/dev/null
check "hang: is given up" wait_for 10 logged event=verify verdict=unclear to=hung@any.example
upstream="timeout = 2s  verify_recipients = no"
gate_renew
size=$(log_size)
is "verify_recipients = no: nobody is asked about" "$(answers off@any.example)" "451 4.7.1"
log_wait event=decision to=off@any.example
refuse "and the log has no word of it" logged event=decision to=off@any.example recipient= +"$size"
like "status says so" "$(gg status)" 'mailboxes +not asked about'
gate_stop; is "SIGTERM: exit code 0" $? 0
