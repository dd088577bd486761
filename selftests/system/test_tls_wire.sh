#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TLS as it may come over the wire: certificate chains of any length on both sides, handshakes that
# nobody ends, new keys in the middle of a message, clients that close their side and go on reading.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
net_up

key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256)
new_cert() { # file name [what openssl req is told more]
	openssl req -x509 "${key[@]}" -nodes -days 2 -subj "/CN=$2" -addext "subjectAltName=DNS:$2" \
		-keyout "$T/$1.key" -out "$T/$1.pem" "${@:3}" 2>"$T/openssl.log" ||
		bail "openssl makes a certificate" "$(cat "$T/openssl.log")"
	chown $GATE_USER "$T/$1.key"
}
# A chain whose length is that of one certificate's comment.
new_chain() { # file bytes
	new_cert filler filler.example.net -addext "nsComment=$(printf "%$2s" | tr ' ' x)"
	cat "$T/leaf.pem" "$T/filler.pem" >"$T/$1.pem"
}
new_cert leaf gate.example.net
CHAINS="4000 7400 8192 9000 20000"
for size in $CHAINS; do new_chain "chain$size" "$size"; done

postfix_new mx mail "smtpd_tls_chain_files = $T/leaf.key, $T/chain20000.pem" "smtpd_tls_security_level = may" \
	"smtpd_tls_received_header = yes" || bail "Postfix as the mail server"

greylist="mode = off"
chain_is() { extra="tls { certificate = \"$T/$1.pem\"  key = \"$T/leaf.key\"  backend = ${2:-required} }"; }
chain_is chain4000
gate_conf
gate_start || bail "greygated starts"
HELLO='EHLO client.example.org'
codes() { sed -nE 's/^S: ([0-9]{3})( .*|$)/\1/p' | xargs; }

# It has half a minute, while the rest goes on.
TALK_TIMEOUT=60 talk 203.0.113.9 $GATE4 "$HELLO" STARTTLS ':send \x16\x03\x01\x02' :eof >"$T/late" &
late=$!

# ---- chains ----
for size in $CHAINS; do
	chain_is "chain$size"
	check "reload: a chain of $size bytes and more" gate_renew
	for v in 1.2 1.3; do
		for to in $GATE4 $GATE6; do
			out=$(talk "" "$to" "$HELLO" STARTTLS ":tls $v" "$HELLO" NOOP QUIT :eof)
			is "it reaches a client of TLS $v at $to" "$(codes <<<"$out")" "220 250 220 250 250 221"
		done
	done
done
is "every handshake went well" "$(counter tls_handshakes)" 20
check "swaks gets a message through, to a mail server with such a chain" on client swaks --server $GATE4 --tls \
	--from a@sender.example --to user1@example.net --header "X-Marker: long-chain"
check "which has it" wait_for 10 boxed_is mx long-chain 1
like "by TLS" "$(cat "$(boxed_file mx long-chain)")" 'using TLSv1\.3'

# ---- certificates of two types for one name ----
new_cert other other.example.org
key=(-newkey rsa:2048)
new_cert rsa gate.example.net
extra="tls { certificate = {\"$T/leaf.pem\", \"$T/other.pem\", \"$T/rsa.pem\"}
	key = {\"$T/leaf.key\", \"$T/other.key\", \"$T/rsa.key\"} }"
check "reload: ECDSA and RSA for one name" gate_renew
s_client() { on client timeout 20 openssl s_client -connect $GATE4:25 -starttls smtp -name c.example.org "$@" </dev/null 2>&1; }
ECDSA='Peer signature type: ECDSA' RSA='Peer signature type: RSA'
for name in "-noservername" "-servername gate.example.net" "-servername nobody.example"; do
	for v in tls1_2 tls1_3; do
		# shellcheck disable=SC2086
		like "$v, $name: who knows both" "$(s_client -$v $name)" "$ECDSA"
		# shellcheck disable=SC2086
		like "who knows RSA" "$(s_client -$v $name -sigalgs RSA-PSS+SHA256:RSA+SHA256)" "$RSA"
	done
	# shellcheck disable=SC2086
	like "and by its ciphers" "$(s_client -tls1_2 $name -cipher ECDHE-RSA-AES128-GCM-SHA256)" "$RSA"
done
like "another name" "$(s_client -servername other.example.org)" 'subject=CN = other.example.org'
out=$(s_client -tls1_3 -servername other.example.org -sigalgs RSA-PSS+SHA256)
unlike "one that has no RSA" "$out" 'New, TLS'
check "the log says why" log_wait event=connect reason=tls_failed message="no suitable signature algorithm"

# ---- new keys ----
new_keys() { on client timeout 60 $PYTHON "$HERE/new_keys.py" "$@" 2>&1 | codes_of; }
codes_of() { sed -nE 's/^([0-9]{3} |<).*/\0/p' | cut -d' ' -f1 | xargs; }
for to in $GATE4 $GATE6; do
	for count in 1 40 300; do
		is "$count key updates within a message to $to" "$(new_keys $to $count text)" "250 250 354 250 221 <close_notify>"
		is "and within chunks" "$(new_keys $to $count chunks)" "250 250 250 250 221 <close_notify>"
	done
	is "without a word beside them" "$(new_keys $to 300 alone)" "250 221 <close_notify>"
done
is "none was too many" "$(counter limit_key_updates)" 0
like "301 are too many" "$(new_keys $GATE4 301 alone)" '^<'
updates_is() { [ "$(counter limit_key_updates)" = "$1" ]; }
check "limit_key_updates counted it" wait_for 5 updates_is 1
check "and the log says why" log_wait event=connect reason=tls_failed message="too many key updates or renegotiations"

# ---- clients that say no more, but go on reading ----
half() { on client timeout 60 $PYTHON "$HERE/half_tls.py" "$@" 2>&1 | codes_of; }
for to in $GATE4 $GATE6; do
	is "close_notify with all the commands, to $to" "$(half $to together)" "250 250 250 221 <close_notify>"
	# It meets the session in every state.
	for later in 0 0 0 0.001 0.002 0.004 0.008; do
		is "$later s behind them" "$(half $to apart $later)" "250 250 250 221 <close_notify>"
	done
	is "with the end of a message" "$(half $to dot)" "250 221 <close_notify>"
	is "without QUIT" "$(half $to open)" "250 250 250 <close_notify>"
	is "a side that is closed without it" "$(half $to bare)" "250 250 250 221 <close_notify>"
done

# ---- handshakes that nobody ends ----
talk 192.0.2.7 $GATE4 "$HELLO" STARTTLS ':send \x16\x03\x01\x02' :close >/dev/null
check "a client that leaves is logged" log_wait event=connect reason=tls_failed message="the connection ended before the handshake was over"
wait $late
is "one that stays silent loses its connection" "$(codes <"$T/late")" "220 250 220"
check "and the log says why" log_wait event=connect reason=tls_failed message="the handshake was not over within 30 seconds"
failed_is() { [ "$(counter tls_failed)" = "$1" ]; }
check "tls_failed has counted them: without RSA, too many keys, gone, silent" wait_for 5 failed_is 4
none_open() { [ "$(counter tls_open)" = 0 ]; }
check "and nothing stays open" wait_for 5 none_open
gate_stop; is "SIGTERM: exit code 0" $? 0
