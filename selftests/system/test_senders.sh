#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Exim and OpenSMTPD send through the gate from queues of their own: opportunistic and mandatory TLS, the
# retry after 451, everything delivered once and intact.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/system/senders.sh
. "$HERE/senders.sh"
senders_ready || { skip "Exim and OpenSMTPD as senders" "$senders_why"; exit 0; }
net_up
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=gate.example.net" \
	-addext "subjectAltName=IP:$GATE4" -keyout "$T/key" -out "$T/pem" 2>"$T/openssl.log" || bail "openssl makes a certificate" "$(cat "$T/openssl.log")"
chown $GATE_USER "$T/key"
# OpenSMTPD verifies where it must encrypt, with what the machine believes: here, only.
mkdir -p /etc/ssl/certs && cp "$T/pem" /etc/ssl/certs/ca-certificates.crt
postfix_new mx mail || bail "Postfix as the mail server"

greylist="delay = 2s  delay_clean = 2s  delay_suspicious = 2s  jitter = 0  promote_after = 0"
tls="tls { certificate = \"$T/pem\"  key = \"$T/key\" }"
extra=$tls
gate_conf
gate_start || bail "greygated starts"
settings() { # the rest of the config
	extra=$1
	gate_renew
}

# A message that anything on the way could break: dots, long and empty lines, 8-bit text.
{
	printf '.\n..\n.a line that begins with a dot\n\n\n'
	head -c 30000 /dev/urandom | base64 -w 900
	printf 'gr\303\274n\n.\n'
} >"$T/body"
declare -A ports=([exim]=10025 [osmtpd]=10026) sources=([exim]=203.0.113.8 [osmtpd]=203.0.113.9)
hand_over() { # sender name: into the sender's queue
	on client swaks --server "127.0.0.1:${ports[$1]}" --from "$2@$1.example" --to user1@example.net --helo localhost \
		--header "X-Marker: $2-$1-end" --body "@$T/body" >"$T/swaks.$1" 2>&1 || { cat "$T/swaks.$1"; return 1; }
}
stored() { # sender name: as once as that it must be
	[ "$1" != osmtpd ] || opensmtpd_retry osmtpd
	boxed_is mx "$2-$1-end" 1
}
intact() { # sender name
	# swaks ends it with empty lines, which $() leaves out.
	[ "$(sed '1,/^$/d' "$(boxed_file mx "$2-$1-end")")" = "$(cat "$T/body")" ]
}
arrives() { # sender name tls
	check "$1, $2: it comes through" wait_for 20 stored "$1" "$2"
	check "$1, $2: after a 451" log_wait event=decision verdict=grey "from=$2@$1.example" "src=${sources[$1]}"
	if [ "$3" = clear ]; then
		log_wait event=relay verdict=pass "from=$2@$1.example" >/dev/null
		refuse "$1, $2: in the clear" logged event=relay verdict=pass "from=$2@$1.example" tls=TLSv1.3
	else
		check "$1, $2: in TLS" log_wait event=relay verdict=pass "from=$2@$1.example" "tls=$3"
	fi
	check "$1, $2: intact" intact "$1" "$2"
}

begin() { # may|encrypt: both anew, for neither a connection nor what it knows of the gate is to be left
	if [ -e "$T/osmtpd/pid" ]; then
		check "Exim stops" exim_stop exim client
		check "OpenSMTPD stops" opensmtpd_stop osmtpd client
	fi
	check "Exim starts: $1" exim_new exim client ${sources[exim]} $GATE4 "$1"
	check "OpenSMTPD starts: $1" opensmtpd_new osmtpd client ${sources[osmtpd]} $GATE4 "$1"
}

# ---- a delivery status notification, an address in UTF-8 ----
begin may
inject() { # sender address params recipient-params: straight into its queue
	on client $PYTHON "$HERE/talk.py" 127.0.0.1 "127.0.0.1,${ports[$1]}" 'EHLO localhost' "MAIL FROM:<$2>$3" \
		"RCPT TO:<user1@example.net>$4" DATA ':body -' QUIT >"$T/talk.$1" 2>&1
	grep -q '^S: 250 .*' <<<"$(tail -n 3 "$T/talk.$1")" || { cat "$T/talk.$1"; return 1; }
}
told() { # sender: the mail server has told it of the delivery, for NOTIFY came through
	[ "$1" != osmtpd ] || opensmtpd_retry osmtpd
	grep -q "to=<dsn@$1\.example>" "$T/mx/maillog" && grep -q 'sender delivery status notification' "$T/mx/maillog"
}
for s in exim osmtpd; do
	check "$s has a message with NOTIFY=SUCCESS" inject $s dsn@$s.example ' RET=HDRS ENVID=e1' ' NOTIFY=SUCCESS'
done
for s in exim osmtpd; do check "$s: the mail server notifies its sender" wait_for 20 told $s; done
check "exim has a message from an address in UTF-8" inject exim gr$'\303\274'n@exim.example ' SMTPUTF8' ''
utf8() { grep -qF "from=<gr"$'\303\274'"n@exim.example>" "$T/mx/maillog"; }
check "it comes through" wait_for 20 utf8
# RFC 5321 4.5.3.1.8: a hundred recipients are not too many, nor are the commands that it takes to name them.
crowd=$(printf ',user%d@example.net' {1..100})
check "exim has a message to 100 recipients" on client swaks --server 127.0.0.1:${ports[exim]} --from many@exim.example \
	--to "${crowd#,}" --helo localhost --header "To: many" --header "X-Marker: many-exim-end" --body "to many"
check "each of them gets it once" wait_for 20 boxed_is mx many-exim-end 100

begin may
for s in exim osmtpd; do check "$s has a message" hand_over $s may; done
for s in exim osmtpd; do arrives $s may TLSv1.3; done

settings "" || bail "no STARTTLS any more"
begin may
for s in exim osmtpd; do check "$s has a message, STARTTLS is not offered" hand_over $s plain; done
for s in exim osmtpd; do arrives $s plain clear; done

begin encrypt
for s in exim osmtpd; do check "$s has a message that must be encrypted" hand_over $s must; done
tried() { has "must-|required|TLS" "$T/exim/mainlog" && has 'TLS required' "$T/osmtpd/maillog"; }
check "both try" wait_for 10 tried
is "where there is no TLS none is sent" "$(boxed mx must-exim-end) $(boxed mx must-osmtpd-end)" "0 0"
is "but kept by Exim" "$(exim_queue exim)" 1
is "and by OpenSMTPD" "$(opensmtpd_queue osmtpd)" 1
settings "$tls" || bail "STARTTLS again"
begin encrypt
for s in exim osmtpd; do arrives $s must TLSv1.3; done

empty() { [ "$(exim_queue exim) $(opensmtpd_queue osmtpd)" = "0 0" ]; }
check "the queues are empty" wait_for 5 empty
is "and everything was delivered once" "$(find "$T/mx/box/new" -type f | wc -l)" 109
gate_stop; is "SIGTERM: exit code 0" $? 0
