#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Gateway mode: by which port of the client's the daemon speaks to the mail server. By the client's own,
# also one below 1024; where that can't be had by one that no forwarded connection of the same client is
# likely to have, which it would break.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/system/scenes.sh
. "$HERE/scenes.sh"
SERVER4=$MAIL4 SERVER6=$MAIL6
SOURCES="203.0.113.7 2001:db8:77::7"

net_up || bail "network namespaces"
{
	ip -n client route add 198.51.100.0/24 via $GATE4; ip -n client route add 2001:db8:2::/64 via $GATE6
	ip -n mail route add default via 198.51.100.1; ip -n mail -6 route add default via 2001:db8:2::1
	on gate sh -c 'for f in /proc/sys/net/ipv[46]/conf/all/forwarding; do echo 1 >"$f"; done'
	on client ethtool -K c0 tx off gro on; on mail ethtool -K m0 tx off gro on
} >"$T/net.log" 2>&1
postfix_new mx mail "smtpd_client_port_logging = yes" || bail "Postfix as the mail server"
mode=gateway
interfaces='"g0", "g1"'
listen='' backend=''
protect="\"$MAIL4:25\", \"[$MAIL6]:25\""
greylist="mode = learn  promote_after = 60000"
gate_conf
check "greygated starts" gate_start

# The client's port that a sender's message came to the mail server by.
port_of() { # sender
	local id
	postfix_said mx
	id=$(sed -nE "s/.* ([0-9A-F]+): from=<$1@sender\.example>.*/\1/p" "$T/mx/maillog")
	sed -nE "s/.* ${id:-none}: client=.*\]:([0-9]+)$/\1/p" "$T/mx/maillog"
}
# The same, of a session with the daemon: by_port PORT SOURCE SENDER [STEP...]
by_port() {
	local port=$1 src=$2 sender=$3; shift 3
	SOURCE_PORT=$port attempt "$src" "$(server_for "$src")" "$sender@sender.example" user1@example.net "$@"
}
name_of() { echo "${1%%[.:]*}$2"; } # source marker: a sender

for src in $SOURCES; do
	for port in 30000 1023 700 1; do
		sender=$(name_of "$src" p$port)
		out=$(by_port $port "$src" "$sender")
		like "$src: from port $port it meets the daemon" "$out" "$DAEMON"
		like "$src: and delivers" "$out" "$STORED"
		is "$src: by port $port" "$(port_of "$sender")" $port
	done
done

# ---- a port that can't be had ----
taken() { on gate ss -Htn state established sport = :30002 dport = :25 | grep -qF "$1"; }
# By a connection of the same two ends that is there already, as one in TIME_WAIT would be.
for src in $SOURCES; do
	sender=$(name_of "$src" taken)
	start_on gate $PYTHON -c 'import socket, sys, time
source, server = sys.argv[1:]
s = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(*((41, 75) if ":" in source else (0, 19)), 1) # IPV6_TRANSPARENT, IP_TRANSPARENT
s.bind((source, 30002)); s.connect((server, 25)); time.sleep(600)' "$src" "$(server_for "$src")"
	check "$src: somebody on the gate speaks to the mail server by port 30002" wait_for 5 taken "$src"
	like "$src: from that port it delivers through the daemon" "$(by_port 30002 "$src" "$sender")" "$STORED"
	between "$src: by a port that clients hardly use" "$(port_of "$sender")" 1024 9999
done
# Somebody listens there; and what the kernel would take is what forwarded connections of the same client have.
for a in 0.0.0.0 ::; do
	start_on gate $PYTHON -c 'import socket, sys, time
f = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(f); f == socket.AF_INET or s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
s.bind((sys.argv[1], 30001)); s.listen(); time.sleep(600)' $a
done
squatters() { [ "$(on gate ss -Hltn sport = :30001 | wc -l)" = 2 ]; }
check "somebody on the gate listens on port 30001" wait_for 5 squatters
on gate sh -c 'echo 40000 40003 >/proc/sys/net/ipv4/ip_local_port_range'
PORTS="40000 40001 40002 40003"
seq -f 'line %09.0f of the message, and what belongs to it' 2000 >"$T/half"
for src in $SOURCES; do
	dst=$(server_for "$src")
	rm -f "$T"/in* "$T"/go*
	SOURCE_PORT=30001 talk "$src" "$dst" 'EHLO client.example.org' ":touch $T/in" ":await $T/go" \
		"MAIL FROM:<$(name_of "$src" aside)@sender.example>" 'RCPT TO:<user2@example.net>' DATA ':body -' RSET \
		"MAIL FROM:<$(name_of "$src" again)@sender.example>" 'RCPT TO:<user2@example.net>' DATA ':body -' QUIT \
		>"$T/session" &
	session=$!
	check "$src: a session with the daemon" wait_for 10 test -e "$T/in"
	gg allow "$src" >/dev/null
	jobs_=
	for port in $PORTS; do
		SOURCE_PORT=$port talk "$src" "$dst" 'EHLO client.example.org' "MAIL FROM:<f@sender.example>" \
			'RCPT TO:<user3@example.net>' DATA ":part $T/half" ":touch $T/in$port" ":await $T/go.on" \
			":part $T/half" :dot QUIT >"$T/forwarded$port" &
		jobs_="$jobs_ $!"
	done
	for port in $PORTS; do
		check "$src: a forwarded connection by port $port" wait_for 10 test -e "$T/in$port"
	done
	touch "$T/go"; wait $session
	is "$src: the session delivers twice" "$(grep -cE "$STORED" "$T/session")" 2
	touch "$T/go.on"
	# shellcheck disable=SC2086
	wait $jobs_
	for sender in aside again; do
		between "$src: $sender: by a port that clients hardly use" "$(port_of "$(name_of "$src" $sender)")" 1024 9999
	done
	for port in $PORTS; do
		like "$src: the forwarded connection by port $port is with Postfix" "$(cat "$T/forwarded$port")" "$POSTFIX"
		like "$src: and lives on" "$(cat "$T/forwarded$port")" "$STORED"
	done
	gg forget "$src" >/dev/null
done

# ---- rights ----
caps=$(for t in /proc/"$gate_pid"/task/*; do sed -n 's/^Cap\(Prm\|Eff\):\t//p' "$t/status"; done | sort -u | xargs)
is "the daemon has CAP_NET_RAW and CAP_NET_BIND_SERVICE in its workers, and no thread another" "$caps" \
	"0000000000000000 0000000000002400"
