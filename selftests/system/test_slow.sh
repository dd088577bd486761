#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A mail server that reads big messages slowly, but reads: nobody gives up, however long the kernel's
# send buffer lets no next piece in. One that stops reading is given up.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
net_up || bail "network namespaces"
B=$T/backend
mkdir "$B"
# At 100 KB/s a third of this is read in 13 s.
on gate sysctl -qw net.ipv4.tcp_wmem='4096 4194304 4194304'
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=mail.example.net \
	-keyout "$T/key" -out "$T/pem" 2>"$T/openssl.log" || bail "a certificate" "$(cat "$T/openssl.log")"
cat "$T/key" >>"$T/pem"
behave() { rm -f "$B/text"; [ $# = 0 ] || echo "$1" >"$B/text"; }
offers() { local IFS=-; printf '250-%s\\r\\n' backend.example.net "$@" 8BITMIME; echo '250 CHUNKING'; }
offers >"$B/ehlo"
start_on mail $PYTHON "$HERE/backend.py" "$MAIL4,25" "$B" --tls="$T/pem" 2>"$T/backend.log"
wait_for 10 grep -q listening "$B/log" || bail "the mail server starts" "$(cat "$T/backend.log")"
greylist="mode = off"
limit="per_source = 1000  message = 100m  state_time = 2s  session_time = 10s"
upstream="timeout = 1s  verify_recipients = no" # six seconds for bytes of a message
backend="\"$MAIL4:25\""
gate_conf
gate_start || bail "greygated starts"
export TALK_TIMEOUT=100
SRC4=192.0.2.7 SRC6=2001:db8:1::7
HELLO=('EHLO client.example.org' 'MAIL FROM:<a@sender.example>' 'RCPT TO:<user1@example.net>')
MB=$((78 * 13443))
jobs=()
big() { # name source server [step...]
	local name=$1; shift
	until_taken "$T/$name" "$1" "$2" "${HELLO[@]}" ':if 250' "${@:3}" QUIT &
	jobs+=($!)
}
# With a second for each answer, a busy machine's mail server may be too late at first.
until_taken() { # file talk's arguments...
	local i
	for i in 1 2 3 4 5 6; do
		talk "${@:2}" >"$1" 2>&1
		grep -q '^S: 451 4\.4\.' <(sed '1,/^C: RCPT/d' "$1" | head -n 1) || return
	done
}
arriving() { [ "$(find "$B" -name '*.part' -size +0 | wc -l)" = "$1" ]; }

# ---- six at once, slowly ----
behave slow:100
check "CHUNKING is offered" wait_for 20 sh -c "$(declare -f talk on); PYTHON=$PYTHON HERE=$HERE
	talk $SRC4 $GATE4 'EHLO client.example.org' QUIT | grep -q CHUNKING"
big plain4 $SRC4 $GATE4 DATA ':fill 8' :dot
big plain6 $SRC6 $GATE6 DATA ':fill 8' :dot
big chunks $SRC4 $GATE4 ':bigchunks 8 1000000'
check "three in the clear, one of them in chunks" wait_for 20 arriving 3
offers STARTTLS >"$B/ehlo"
big tls4 $SRC4 $GATE4 DATA ':fill 8' :dot
big tls6 $SRC6 $GATE6 DATA ':fill 8' :dot
big tls5 $SRC4 $GATE4 DATA ':fill 8' :dot
check "three in TLS" wait_for 20 arriving 6
failed=$(counter backend_failed)
sleep 13
is "for 13 s they are read, and none was given up" "$(counter backend_failed)" "$failed"
is "nor its client: state_time and session_time are its own" \
	"$(counter limit_state_time) $(counter limit_session_time)" "0 0"
check "none is through yet" arriving 6
behave
for job in "${jobs[@]}"; do wait "$job"; done
for name in plain4 plain6 tls4 tls6 tls5 chunks; do
	like "8 MB, $name: delivered" "$(tail -n 4 "$T/$name")" '^S: 250 2\.0\.0 stored as'
done
is "each of them whole" "$(find "$B" -name '*.eml' -size +$((8 * MB - 1))c -size -$((8 * MB + 4))c | wc -l)" 6
between "three of them went in TLS" "$(grep -c ' STARTTLS$' "$B/log")" 3 9

# ---- one that stops ----
behave stop
start=$EPOCHREALTIME
out=$(talk $SRC4 $GATE4 "${HELLO[@]}" DATA ':fill 8' :dot QUIT)
like "it stops reading: 451" "$out" '^S: 451 4\.4\.2'
between "after the time for it (s)" "$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')" 5.5 60
check "the log says why" log_wait event=relay verdict=defer reason=timeout
is "it counts" "$(counter backend_failed)" $((failed + 1))
behave
like "the retry is delivered" "$(talk $SRC4 $GATE4 "${HELLO[@]}" DATA ':fill 1' :dot QUIT)" '^S: 250 2\.0\.0 stored as'
none_left() { [ "$(counter sessions)" = 0 ] && [ "$(counter backend_open)" = 0 ]; }
check "no session and no connection is left" wait_for 20 none_left
gate_stop; is "SIGTERM: exit code 0" $? 0
