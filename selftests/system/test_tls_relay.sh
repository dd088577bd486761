#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TLS on both sides with Postfix: as a sender that may or must encrypt, as a mail server that offers,
# demands or breaks STARTTLS; several mail servers, the first of which comes and goes.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
net_up
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=gate.example.net" \
	-keyout "$T/key" -out "$T/pem" 2>"$T/openssl.log" || bail "openssl makes a certificate" "$(cat "$T/openssl.log")"
chown $GATE_USER "$T/key"

postfix_new mx mail "smtpd_authorized_xclient_hosts = 198.51.100.0/24 [2001:db8:2::]/64" \
	"smtpd_tls_cert_file = $T/pem" "smtpd_tls_key_file = $T/key" "smtpd_tls_loglevel = 1" \
	"smtpd_tls_received_header = yes" || bail "Postfix as the mail server"
inet_interfaces=loopback-only mailbox_domains='' postfix_new out client "relayhost = [$GATE4]" \
	"smtp_bind_address = 203.0.113.8" "smtp_bind_address6 = 2001:db8:78::8" "smtp_tls_loglevel = 1" \
	"minimal_backoff_time = 3s" "maximal_backoff_time = 4s" "queue_run_delay = 2s" ||
	bail "Postfix as the sender"
mx() { postfix_reload mx "$@"; }
out() { postfix_reload out "$@"; }

backend="\"$MAIL4:25\", \"[$MAIL6]:26\""
tls="certificate = \"$T/pem\"  key = \"$T/key\""
greylist="mode = off"
extra="tls { $tls }"
gate_conf
gate_start || bail "greygated starts"
count=0
deliver() { # how Postfix is to encrypt
	count=$((count + 1))
	out "smtp_tls_security_level = $1"
	on client swaks --server 127.0.0.1 --from "a$count@sender.example" --to user1@example.net \
		--header "X-Marker: marker-$count-end" >"$T/swaks" 2>&1 &&
		wait_for 20 boxed_is mx "marker-$count-end" 1
}
last() { boxed_file mx "marker-$count-end"; }

# ---- Postfix as a sender ----
for level in none may encrypt; do
	check "Postfix with smtp_tls_security_level = $level gets through" deliver $level
done
check "its TLS is in our log" log_wait event=relay verdict=pass from=a2@sender.example tls=TLSv1.3
check "as well when it is mandatory" log_wait event=relay verdict=pass from=a3@sender.example tls=TLSv1.3
refuse "and not when there was none" logged event=relay verdict=pass from=a1@sender.example tls=TLSv1.3

# ---- Postfix as the mail server ----
unlike "opportunistic: none offered, in the clear" "$(cat "$(last)")" 'using TLSv1'
mx "smtpd_tls_security_level = may"
check "opportunistic: a server that may" deliver may
like "is spoken to in TLS" "$(cat "$(last)")" 'using TLSv1\.3'
like "and hears the client's address all the same" "$(cat "$(last)")" '203\.0\.113\.8'
mx "smtpd_tls_security_level = encrypt"
check "opportunistic: a server that must" deliver may
like "is spoken to in TLS, too" "$(cat "$(last)")" 'using TLSv1\.3'
head -c 3000000 /dev/urandom | base64 -w 76 >"$T/big"
check "a message of 4 MB through TLS on both sides" on client swaks --server $GATE4 --tls \
	--from big@sender.example --to user1@example.net --body "@$T/big" --header "X-Marker: big-marker"
check "is stored once" wait_for 10 boxed_is mx big-marker 1
check "and is what it was" cmp "$T/big" <(grep -v "^$" "$(boxed_file mx big-marker)" | tail -n "$(wc -l <"$T/big")")
mx "smtpd_tls_security_level = may" "smtpd_tls_mandatory_protocols = TLSv1" "smtpd_tls_protocols = TLSv1"
check "opportunistic: a handshake that fails is done without" deliver may
unlike "in the clear" "$(cat "$(last)")" 'using TLSv1'
is "backend_plain counted it" "$(counter backend_plain)" 1
mx "smtpd_tls_protocols = >=TLSv1" "smtpd_tls_mandatory_protocols = >=TLSv1"

reload_tls() {
	extra="tls { $tls  backend = $1 }"
	gate_renew
}
check "reload: required" reload_tls required
check "required: a server that may" deliver may
like "is spoken to in TLS" "$(cat "$(last)")" 'using TLSv1\.3'
mx "smtpd_tls_security_level = none"
out=$(attempt 192.0.2.7 $GATE4 r@sender.example user1@example.net)
like "required: a server without gets no mail" "$out" '^S: 451 4\.4\.'
check "and the log says why" log_wait event=relay verdict=down \
	reason="mail server does not offer STARTTLS, which tls backend requires"
# What status says of the first mail server: in words, and a key of --json.
says() { gg status | grep -F "backend $MAIL4:25: "; }
said() { gg status --json | $PYTHON -c 'import json, sys
print(*[b[sys.argv[2]] for b in json.load(sys.stdin)["backend_problems"] if b["backend"] == sys.argv[1]])' "$MAIL4:25" "$1"; }
like "status says it, too, and the mend" "$(says)" \
	'does not offer STARTTLS, which tls backend requires; switch STARTTLS on there, .*; others are asked first'
is "--json has the cause in a word" "$(said cause)" no_starttls
like "and the mend" "$(said mend)" 'tls backend = opportunistic'
like "of another it says another" "$(gg status)" "backend \\[$MAIL6\\]:26: does not answer \\(connect\\)"
mx "smtpd_tls_security_level = may" "smtpd_tls_mandatory_protocols = TLSv1" "smtpd_tls_protocols = TLSv1"
like "required: a handshake that fails" "$(attempt 192.0.2.7 $GATE4 r@sender.example user1@example.net)" '^S: 451 4\.4\.'
like "is what status says then" "$(says)" 'TLS handshake with the mail server failed: .*; see its log; it must speak TLS 1\.2'
is "--json has it in a word" "$(said cause)" tls
mx "smtpd_tls_protocols = >=TLSv1" "smtpd_tls_mandatory_protocols = >=TLSv1"
check "reload: none" reload_tls none
nothing_said() { [ -z "$(says)$(said cause)" ]; }
check "it answers as it is to, and status has nothing against it" wait_for 10 nothing_said
check "none: a server that may" deliver may
unlike "is spoken to in the clear" "$(cat "$(last)")" 'using TLSv1'
gate_stop; is "SIGTERM: exit code 0" $? 0

# ---- the first of two mail servers comes and goes ----
serve() { backend_up mail "$1" "$T/$2" || bail "a mail server"; }
serve $MAIL4,31 first; first=$started
serve $MAIL6,32 second
backend="\"$MAIL4:31\", \"[$MAIL6]:32\""
extra=
gate_conf
gate_start || bail "greygated starts"
eml() { find "$T/$1" -name '*.eml' | wc -l; }
send() { attempt 192.0.2.7 $GATE4 s@sender.example user1@example.net; }
send >/dev/null
is "the first in order gets the mail" "$(eml first) $(eml second)" "1 0"
kill -KILL "$first"; wait "$first" 2>/dev/null
like "it is gone: the second takes over within the same attempt" "$(send)" '^S: 250 .*queued|^S: 250 2'
is "and has the message" "$(eml first) $(eml second)" "1 1"
check "the log says so" log_wait event=relay verdict=down backend=$MAIL4:31
like "status says so" "$(gg status --json)" "backend $MAIL4:31: does not answer"
serve $MAIL4,31 first; first=$started
send >/dev/null
is "as long as it counts as down the second is asked at once" "$(eml first) $(eml second)" "1 2"
echo '421 4.3.2 full' >"$T/second/banner"
send >/dev/null
is "but before nobody gets the mail, the first is tried again" "$(eml first) $(eml second)" "2 2"
check "it is up again" log_wait event=relay verdict=up backend=$MAIL4:31
rm "$T/second/banner"
send >/dev/null
is "and gets the mail as before" "$(eml first) $(eml second)" "3 2"
gate_stop; is "SIGTERM: exit code 0" $? 0
