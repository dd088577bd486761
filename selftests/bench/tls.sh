#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row tls: full TLS handshakes a second, greygated by STARTTLS and openssl s_server at once, with the same
# certificate and the same client, taking turns. JSON to $raw. run.sh calls it, in namespaces of its own.
set -u
. selftests/bench/servers.sh
repetitions=${REPETITIONS:-5}

ip link set lo up
sysctl -qw net.core.somaxconn=4096
openssl req -x509 -newkey "${KEY:-rsa:2048}" -nodes -days 2 -subj /CN=bench.example \
	-keyout "$work/key.pem" -out "$work/certificate.pem" 2>"$work/openssl.log" ||
	fail "openssl makes no certificate: $(cat "$work/openssl.log")"
chmod 644 "$work/key.pem"
s_server_start; s_server_pid=$server_pid
greygated_start "first = 0s" "tls { certificate = \"$work/certificate.pem\"  key = \"$work/key.pem\" }
	limit { per_source = 1000 }"
gate_pid=$server_pid
# A client that is known: what is asked of strangers belongs to another row.
"$BUILD/greygate" -s "$greygated_control" allow 127.0.0.1 >/dev/null || fail "the client is not allowed"

one() { # server pid address [option]
	local result
	result=$("$BUILD/selftests/bench/shake" --target "$3" --threads "$(nproc)" --seconds "${SECONDS_EACH:-2}" \
		--pid "$2" "${@:4}") || fail "no handshakes with $1"
	echo "{\"row\": \"tls\", \"server\": \"$1\", \"result\": $result}" >>"$raw"
	echo "  $1: $(sed 's/.*"handshakes_s": \([0-9]*\).*/\1/' <<<"$result") handshakes/s"
}
for ((n = 0; n < repetitions; n++)); do
	one s_server "$s_server_pid" $s_server_address
	one greygated "$gate_pid" $greygated_address --starttls
done
kill "$s_server_pid"
greygated_stop
