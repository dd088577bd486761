#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tls backend = verified: Postfix as the mail server with good, expired, foreign and wrongly named
# certificates; mail goes only where the certificate is good, and nowhere is any lost.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
net_up

# $T/NAME.pem and $T/NAME.key, from the issuer ca or from itself.
issue() { # NAME SUBJECT-ALTERNATIVE-NAMES FROM UNTIL
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -addext "subjectAltName=$2" \
		-keyout "$T/$1.key" -out "$T/$1.csr" 2>>"$T/openssl.log" &&
		openssl ca -batch -config "$T/ca.conf" -startdate "$3" -enddate "$4" -in "$T/$1.csr" -out "$T/$1.pem" \
			-notext 2>>"$T/openssl.log"
}
self() { # NAME SUBJECT-ALTERNATIVE-NAMES
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
		-addext "subjectAltName=$2" -keyout "$T/$1.key" -out "$T/$1.pem" 2>>"$T/openssl.log"
}
cat >"$T/ca.conf" <<-END
	[ca]
	default_ca = here
	[here]
	certificate = $T/ca.pem
	private_key = $T/ca.key
	database = $T/ca.db
	new_certs_dir = $T
	rand_serial = yes
	default_md = sha256
	policy = any
	copy_extensions = copy
	unique_subject = no
	[any]
	commonName = supplied
END
: >"$T/ca.db"
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=ca" \
		-keyout "$T/ca.key" -out "$T/ca.pem" 2>>"$T/openssl.log" &&
		issue good "DNS:mail.example.net,IP:$MAIL4,IP:$MAIL6" 20200101000000Z 20400101000000Z &&
		issue other "DNS:other.example,IP:192.0.2.99" 20200101000000Z 20400101000000Z &&
		issue expired "DNS:mail.example.net" 20200101000000Z 20200201000000Z &&
		issue early "DNS:mail.example.net" 20390101000000Z 20400101000000Z &&
		self selfmade "DNS:mail.example.net,IP:$MAIL4"
} || bail "certificates" "$(cat "$T/openssl.log")"
chmod 644 "$T"/*.pem

# A port for each certificate: smtpd instances of one Postfix.
certificates=(good other expired early selfmade)
services=$(port=31
	for c in "${certificates[@]}"; do
		echo "$port inet n - n - 100 smtpd"
		echo "  -o smtpd_tls_cert_file=$T/$c.pem -o smtpd_tls_key_file=$T/$c.key"
		port=$((port + 1))
	done
	echo "36 inet n - n - 100 smtpd -o smtpd_tls_security_level=none")
postfix_new mx mail "smtpd_tls_security_level = may" "smtpd_tls_received_header = yes" || bail "Postfix as the mail server"

greylist="mode = off"
use() { # backend, the rest of section tls
	backend=$1 extra="tls { backend = verified  backend_ca = \"${ca:-$T/ca.pem}\"  $2 }"
	gate_renew
}
count=0
passes() { # name
	count=$((count + 1))
	local out; out=$(attempt 192.0.2.7 $GATE4 "a$count@sender.example" user1@example.net)
	like "$1: delivered" "$out" '^S: 250 2\.0\.0'
	wait_for 5 boxed_is mx "a$count@sender.example" 1
	like "in TLS" "$(cat "$(boxed_file mx "a$count@sender.example")")" 'using TLSv1\.3'
}
refused() { # name reason mend
	count=$((count + 1))
	local out; out=$(attempt 192.0.2.7 $GATE4 "a$count@sender.example" user1@example.net)
	like "$1: the client hears 451" "$out" '^S: 451 4\.4\.'
	check "and the log says why" log_wait event=relay verdict=defer "from=a$count@sender.example" "reason=$2"
	like "and status, with the mend" "$(gg status)" "backend .*: $2; ($3).*; all mail is put off with 451"
}
NAME='backend_name = "mail.example.net"'
CERT="mail server's certificate:" RENEW="renew it there, or set tls backend_ca and backend_name"

check "greygated starts" use "\"$MAIL4:31\"" "$NAME"
passes "a certificate with the name"
use "\"$MAIL4:31\"" 'backend_name = {"elsewhere.example", "mail.example.net"}'
passes "with one of two names"
use "\"$MAIL4:31\"" ""
passes "without a name: with the address"
use "\"[$MAIL6]:31\"" ""
passes "with the IPv6 address"
use "\"$MAIL4:32\"" "$NAME"
refused "another name" "$CERT hostname mismatch" "$RENEW"
use "\"$MAIL4:32\"" ""
refused "another address" "$CERT IP address mismatch" "$RENEW"
use "\"$MAIL4:33\"" "$NAME"
refused "expired" "$CERT certificate has expired" "$RENEW"
use "\"$MAIL4:34\"" "$NAME"
refused "not yet valid" "$CERT certificate is not yet valid" "$RENEW"
use "\"$MAIL4:35\"" "$NAME"
refused "self-signed" "$CERT self-signed certificate" "$RENEW"
is "backend_distrusted counted each" "$(counter backend_distrusted)" 5
ca=$T/selfmade.pem use "\"$MAIL4:35\"" "$NAME"
passes "self-signed, and believed itself"
use "\"$MAIL4:36\"" "$NAME"
refused "no STARTTLS" "mail server does not offer STARTTLS, which tls backend requires" "switch STARTTLS on there"
use "\"$MAIL4:33\", \"[$MAIL6]:31\"" "$NAME"
passes "the first expired, the second good: the second"
is "nothing that was refused got through" "$(find "$T/mx/box/new" -type f | wc -l)" 6

# ---- what can't be ----
extra="tls { backend = verified }"
gate_conf
out=$("$BUILD/greygated" -t -c "$T/greygate.conf" 2>&1)
like "verified without issuers is no configuration" "$out" 'tls\.backend: verified needs tls\.backend_ca'
before=$(log_size)
ca=$T/none.pem
extra="tls { backend = verified  backend_ca = \"$ca\" }"
gate_conf
kill -HUP "$gate_pid"
kept() { tail -c +$((before + 1)) "$T/gate.log" | grep -q "tls backend_ca $ca: .*PEM file"; }
check "a reload with issuers that are not there changes nothing and says so" wait_for 3 kept
passes "and mail goes on"
gate_stop; is "SIGTERM: exit code 0" $? 0
