#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the mail server is told of the client: every attribute of XCLIENT, a PROXY header to Postfix and
# through haproxy, or neither.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
net_up
# Port 25 speaks XCLIENT, 26 wants a PROXY header, 31 TLS behind it, 28 wants what haproxy (27) says instead
# of us.
services=$(for port in 26 28 31; do
	echo "$port inet n - n - 100 smtpd"
	echo "  -o smtpd_upstream_proxy_protocol=haproxy -o smtpd_authorized_xclient_hosts= -o syslog_name=p$port"
done
echo "  -o smtpd_tls_security_level=encrypt -o smtpd_tls_received_header=yes"
echo "  -o smtpd_tls_cert_file=$T/pem -o smtpd_tls_key_file=$T/key")
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=mx.example.net" \
	-keyout "$T/key" -out "$T/pem" 2>"$T/openssl.log" || bail "openssl makes a certificate" "$(cat "$T/openssl.log")"
postfix_new mx mail "smtpd_authorized_xclient_hosts = 198.51.100.0/24 [2001:db8:2::]/64" \
	"smtpd_upstream_proxy_timeout = 3s" || bail "Postfix as the mail server"
cat >"$T/haproxy.cfg" <<-END
	defaults
	  mode tcp
	  timeout connect 3s
	  timeout client 30s
	  timeout server 30s
	frontend in
	  bind $MAIL4:27 accept-proxy
	  bind [$MAIL6]:27 accept-proxy
	  default_backend out
	backend out
	  server mx 127.0.0.1:28 send-proxy-v2
END
haproxy -c -f "$T/haproxy.cfg" >"$T/haproxy.log" 2>&1 || bail "haproxy's configuration" "$(cat "$T/haproxy.log")"
start_on mail haproxy -f "$T/haproxy.cfg" -db >"$T/haproxy.log" 2>&1
listens() { on mail bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null; }
for port in 26 27 28 31; do wait_for 5 listens $MAIL4 $port || bail "port $port listens" "$(cat "$T/haproxy.log")"; done

greylist="mode = off"
to() { # backend, upstream section: has the daemon use it
	backend=$1 upstream="timeout = 15s $2"
	gate_renew
}
count=0
deliver() { # source server: sets received to the mail server's own header
	count=$((count + 1))
	on client swaks --server "$2" --local-interface "$1" --from "a$count@sender.example" --to user1@example.net \
		--helo helo.client.example --header "X-Marker: marker-$count-end" >"$T/swaks" 2>&1 &&
		wait_for 5 boxed_is mx "marker-$count-end" 1 || { cat "$T/swaks"; return 1; }
	received=$(sed -n '/^Received: from/,/^[^ \t].*:/p' "$(boxed_file mx "marker-$count-end")" | head -n 3 | tr -s '\n\t ' ' ')
}

# ---- neither, XCLIENT ----
to "\"$MAIL4:25\"" "xclient = no" || bail "greygated starts"
check "neither: a message is delivered" deliver 192.0.2.7 $GATE4
like "the mail server sees the gate" "$received" 'gate\.example\.net.*\[198\.51\.100\.1\]'
check "reload: XCLIENT to Postfix" to "\"$MAIL4:25\", \"[$MAIL6]:25\"" "xclient = auto"
check "a message is delivered" deliver 192.0.2.7 $GATE4
like "and is the client's for the mail server" "$received" 'from helo\.client\.example \(\S+ \[192\.0\.2\.7\]\)'
check "the same over IPv6" deliver 2001:db8:1::7 $GATE6
like "is the client's for the mail server" "$received" 'from helo\.client\.example \(\S+ \[IPv6:2001:db8:1::7\]\)'

# ---- PROXY to Postfix ----
check "reload: PROXY to Postfix" to "\"$MAIL4:26\"" "proxy = v2"
check "a message is delivered" deliver 192.0.2.7 $GATE4
like "and is the client's for the mail server" "$received" 'from helo\.client\.example \(\S+ \[192\.0\.2\.7\]\)'
check "the same over IPv6, on a connection over IPv4" deliver 2001:db8:1::7 $GATE6
like "is the client's for the mail server" "$received" 'from helo\.client\.example \(\S+ \[IPv6:2001:db8:1::7\]\)'
check "reload: over IPv6" to "\"[$MAIL6]:26\"" "proxy = v2"
check "IPv4 on a connection over IPv6" deliver 203.0.113.8 $GATE4
like "is the client's for the mail server" "$received" '\[203\.0\.113\.8\]'

# ---- PROXY first, TLS behind it ----
extra="tls { backend = required }"
for host in "$MAIL4" "[$MAIL6]"; do
	check "reload: PROXY and TLS to $host" to "\"$host:31\"" "proxy = v2"
	for way in "192.0.2.7 $GATE4 192\.0\.2\.7" "2001:db8:1::7 $GATE6 IPv6:2001:db8:1::7"; do
		read -r src gate shown <<<"$way"
		check "$src to $host: a message is delivered" deliver "$src" "$gate"
		like "$src to $host: the client's, in TLS" "$received" \
			"from helo\.client\.example \(\S+ \[$shown\]\) \(using TLSv1\.3 "
	done
done
extra=

# ---- through haproxy ----
check "reload: through haproxy" to "\"$MAIL4:27\", \"[$MAIL6]:27\"" "proxy = v2"
check "a message is delivered" deliver 192.0.2.8 $GATE4
like "the client's address comes through" "$received" 'from helo\.client\.example \(\S+ \[192\.0\.2\.8\]\)'
check "the same over IPv6" deliver 2001:db8:1::8 $GATE6
like "the client's address comes through" "$received" '\[IPv6:2001:db8:1::8\]'
many() { # several at a time, each its own address
	local i pids=()
	for i in 7 8; do
		(on client swaks --server $GATE4 --local-interface 192.0.2.$i --from m@sender.example --to user1@example.net \
			--header "X-Marker: many-$i" >/dev/null) & pids+=($!)
		(on client swaks --server "$GATE6" --local-interface 2001:db8:1::$i --from m@sender.example --to user1@example.net \
			--header "X-Marker: many-6-$i" >/dev/null) & pids+=($!)
	done
	wait "${pids[@]}"
}
many
for i in 7 8; do
	wait_for 5 boxed_is mx "many-$i" 1; wait_for 5 boxed_is mx "many-6-$i" 1
	like "several at a time: 192.0.2.$i is itself" "$(cat "$(boxed_file mx "many-$i")")" "\[192\.0\.2\.$i\]"
	like "and 2001:db8:1::$i" "$(cat "$(boxed_file mx "many-6-$i")")" "\[IPv6:2001:db8:1::$i\]"
done

# ---- one that does not expect it, one that does and gets none ----
check "reload: PROXY to a server that expects none" to "\"$MAIL4:25\"" "proxy = v2"
out=$(attempt 192.0.2.7 $GATE4 a@sender.example user1@example.net)
like "the message is put off, not lost" "$out" '^S: 4[0-9][0-9] 4\.'
unlike "and not answered with a yes" "$out" '^S: 250 2\.0\.0'
check "reload: none to a server that expects it" to "\"$MAIL4:26\"" "proxy = no"
out=$(attempt 192.0.2.7 $GATE4 a@sender.example user1@example.net)
like "the message is put off, too" "$out" '^S: 4[0-9][0-9] 4\.'
gate_stop; is "SIGTERM: exit code 0" $? 0

# ---- the bytes, the health check, the names ----
# The names of the client: 7.2.0.192.in-addr.arpa has one that leads back, 8 one that doesn't, 9's server fails.
mkdir "$T/sink"
cat >"$T/header.py" <<'END'
"""Takes one connection after the other and appends what a PROXY header must be to a file."""
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((sys.argv[1], 29)); s.listen(8)
while True:
    c, _ = s.accept()
    c.settimeout(3)
    data = b""
    try:
        while len(data) < 16 or len(data) < 16 + data[15]:
            piece = c.recv(100)
            if not piece: break
            data += piece
        c.sendall(b"220 sink ESMTP\r\n")
        line = c.recv(200)
    except OSError:
        line = b""
    with open(sys.argv[2], "a") as f: f.write(data.hex() + " " + line.decode().strip() + "\n")
    c.close()
END
start_on mail $PYTHON "$T/header.py" $MAIL4 "$T/headers" 2>>"$T/backend.log"
wait_for 5 listens $MAIL4 29
to "\"$MAIL4:29\"" "proxy = v2" || bail "greygated starts"
S=0d0a0d0a000d0a515549540a
check "the health check sends a header without a client" wait_for 5 has "^${S}20000000 EHLO gate" "$T/headers"
attempt 192.0.2.7 $GATE4 a@sender.example user1@example.net >/dev/null
check "byte for byte: IPv4" wait_for 3 has "^${S}2111000cc0000207c0000219[0-9a-f]{4}0019 EHLO client\.example\.org$" "$T/headers"
attempt 2001:db8:1::7 $GATE6 a@sender.example user1@example.net >/dev/null
check "byte for byte: IPv6" wait_for 3 has \
	"^${S}2121002420010db800010000000000000000000720010db8000100000000000000000025[0-9a-f]{4}0019 EHLO client" "$T/headers"
gate_stop; is "SIGTERM: exit code 0" $? 0

cat >"$T/zone.json" <<'END'
{
	"7.2.0.192.in-addr.arpa": [["PTR", "mta.client.example"]],
	"mta.client.example": [["A", "192.0.2.7"]],
	"8.2.0.192.in-addr.arpa": [["PTR", "liar.client.example"]],
	"liar.client.example": [["A", "192.0.2.99"]],
	"7.113.0.203.in-addr.arpa": [["TIMEOUT"]]
}
END
dns_up 127.0.0.1 5353
backend_up mail $MAIL4,30 "$T/told" \
	"ehlo=250-mx\r\n250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT REVERSE_NAME" || bail "a mail server"
stutter="first = 300ms  interval = 100ms"
extra='dns { servers = {"127.0.0.1:5353"}  timeout = 500ms }'
to "\"$MAIL4:30\"" "xclient = auto" || bail "greygated starts"
tells() { # source server regex
	attempt "$1" "$2" "x@sender.example" user1@example.net >/dev/null
	grep XCLIENT "$T/told/log" | tail -n 1 | tee "$T/told/last" | grep -qE -- "$3"
}
told() { # name source server regex: DNS may be late the first time
	wait_for 5 tells "${@:2}"
	like "$1" "$(cat "$T/told/last")" "$4"
}
told "XCLIENT: every attribute, a confirmed name" 192.0.2.7 $GATE4 \
	'XCLIENT ADDR=192\.0\.2\.7 PORT=[0-9]+ PROTO=ESMTP LOGIN=\[UNAVAILABLE\] DESTADDR=192\.0\.2\.25 DESTPORT=25 HELO=client\.example\.org NAME=mta\.client\.example REVERSE_NAME=mta\.client\.example$'
told "a name that does not lead back" 192.0.2.8 $GATE4 'NAME=\[UNAVAILABLE\] REVERSE_NAME=liar\.client\.example$'
told "no name" 203.0.113.8 $GATE4 'ADDR=203\.0\.113\.8 .* NAME=\[UNAVAILABLE\] REVERSE_NAME=\[UNAVAILABLE\]$'
told "a name server that does not answer" 203.0.113.7 $GATE4 'NAME=\[TEMPUNAVAIL\] REVERSE_NAME=\[TEMPUNAVAIL\]$'
told "IPv6" 2001:db8:1::7 $GATE6 'ADDR=IPV6:2001:db8:1::7 .* DESTADDR=IPV6:2001:db8:1::25 DESTPORT=25 '
gate_stop; is "SIGTERM: exit code 0" $? 0
