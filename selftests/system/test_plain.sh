#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A mail server that offers STARTTLS and hangs up, says nothing or talks nonsense in the handshake: with tls
# backend = opportunistic mail goes on in the clear, with required and verified none is handed on.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
net_up || bail "network namespaces"
A=$T/a
mkdir "$A"
listens() { on mail bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null; }
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=mail.example.net" \
	-keyout "$T/key" -out "$T/pem" 2>"$T/openssl.log" || bail "openssl makes a certificate" "$(cat "$T/openssl.log")"
cat "$T/key" "$T/pem" >"$T/both"
chmod 644 "$T/pem"
for address in $MAIL4 "$MAIL6"; do
	start_on mail $PYTHON "$HERE/backend.py" "$address,2525" "$A" --tls="$T/both" 2>>"$T/backend.log"
	wait_for 10 listens "$address" 2525 || bail "a mail server" "$(cat "$T/backend.log")"
done
greylist="mode = off"
limit="per_source = 1000  new_per_source = 0  hosts = 10k"
upstream="timeout = 2s"
to() { backend=$1; gate_stop >/dev/null 2>&1; gate_renew; } # a daemon that knows nothing
n=0
export TALK_TIMEOUT=60
send() { n=$((n + 1)); attempt "${1:-192.0.2.7}" "${2:-$GATE4}" "a$n@sender.example" user1@example.net; }
behave() { rm -f "$A"/{starttls,shake}; [ $# = 0 ] || echo "$2" >"$A/$1"; }
stored() { find "$A" -type f -name '*.eml' | wc -l; }
told=0

# ---- opportunistic ----
for where in "$MAIL4 192.0.2.7 $GATE4" "[$MAIL6] 2001:db8:1::7 $GATE6"; do
	read -r server client gate <<<"$where"
	behave shake close
	to "\"$server:2525\"" || bail "greygated starts" "$(tail -n 3 "$T/gate.log")"
	counted=0
	for how in "shake close" "shake reset" "shake hang" "shake garbage" "starttls close" "starttls reset"; do
		# shellcheck disable=SC2086
		behave $how
		like "$server, $how: in the clear" "$(send $client $gate)" '^S: 250 2\.0\.0 stored'
		told=$((told + 1)) counted=$((counted + 1))
		is "$server, $how: counted" "$(counter backend_plain)" $counted
		is "$server, $how: a message each" "$(stored)" $told
	done
	refuse "$server: it has never been down" logged event=relay verdict=down
done

# ---- several at once, one connection after the other ----
behave shake reset
to "\"$MAIL4:2525\""
pids=()
for i in 7 8 9; do send 203.0.113.$i >"$T/at.$i" & pids+=($!); done
wait "${pids[@]}"
is "three at once: each is delivered" "$(cat "$T"/at.* | grep -c '^S: 250 2\.0\.0 stored')" 3
told=$((told + 3))
like "two recipients of one message" "$(talk 192.0.2.7 $GATE4 'EHLO client.example.org' 'MAIL FROM:<two@sender.example>' \
	'RCPT TO:<user1@example.net>' 'RCPT TO:<user2@example.net>' DATA ':body -' QUIT)" '^S: 250 2\.0\.0 stored'
told=$((told + 1))
is "every message is stored, once" "$(stored)" $told

# ---- one that is really gone ----
behave shake close
to "\"$MAIL4:2526\", \"[$MAIL6]:2525\""
like "the first is gone: the second takes it, in the clear" "$(send)" '^S: 250 2\.0\.0 stored'
told=$((told + 1))
check "and the first alone is down" log_wait event=relay verdict=down "backend=$MAIL4:2526"
refuse "not the second" logged event=relay verdict=down "backend=[$MAIL6]:2525"

# ---- never where it is required ----
for tls in 'backend = required' "backend = verified  backend_ca = \"$T/pem\""; do
	behave shake close
	extra="tls { $tls }"
	to "\"$MAIL4:2525\""
	: >"$A/log"
	for how in "shake close" "shake reset" "shake hang" "starttls close"; do
		# shellcheck disable=SC2086
		behave $how
		like "${tls%%  *}, $how: 451" "$(send)" '^S: 451 4\.4\.'
		refuse "${tls%%  *}, $how: no envelope in the clear" grep -q MAIL "$A/log"
		is "${tls%%  *}, $how: not counted" "$(counter backend_plain)" 0
	done
done
check "the log says what it died of" log_wait event=relay verdict=down \
	reason="mail server closed the connection in the TLS handshake"
is "nothing more is stored" "$(stored)" $told
gate_stop; is "SIGTERM: exit code 0" $? 0
