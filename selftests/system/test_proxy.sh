#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# PROXY headers from listed load balancers: who the client is, malformed and missing headers, and that
# nothing, the kernel included, ever acts on the balancer's own address.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
net_up
B=$T/backend
backend_up mail $MAIL4,25 "$B" --xclient || bail "a mail server"
greylist="delay = 1s  delay_clean = 1s  delay_suspicious = 1s  jitter = 0  promote_after = 1"
limit="per_source = 2"
stutter="first = 400ms  interval = 100ms"
trap_conf='addresses = {"trap@example.net"}  action = reject'
extra='proxy_protocol_from = {"192.0.2.8", "2001:db8:1::8"}'
gate_conf
gate_start || bail "greygated starts"

LB4=192.0.2.8 LB6=2001:db8:1::8 HELLO='EHLO client.example.org'
FROM='MAIL FROM:<a@sender.example>' TO='RCPT TO:<user1@example.net>'
codes() { sed -nE 's/^S: ([0-9]{3})( .*|$)/\1/p' | xargs; }
V1='PROXY TCP4 203.0.113.50 192.0.2.25 40000 25\r\n'
# behind BALANCER SERVER HEADER STEP...: a client behind a balancer; it does not read before it is greeted
behind() { talk "$1" "$2" :nobanner ":send $3" :reply "${@:4}"; }

# ---- who the client is ----
out=$(behind $LB4 $GATE4 "$V1" "$HELLO" "$FROM" "$TO" QUIT)
is "version 1: the first attempt is greylisted" "$(codes <<<"$out")" "220 250 250 451 221"
check "for the client that was named" log_wait event=decision src=203.0.113.50 port=40000 verdict=grey
out=$(behind $LB6 $GATE6 'PROXY TCP6 2001:db8:50::5 2001:db8:1::25 40000 25\r\n' "$HELLO" "$FROM" "$TO" QUIT)
is "the same over IPv6" "$(codes <<<"$out")" "220 250 250 451 221"
check "for the client that was named" log_wait event=decision src=2001:db8:50::5 verdict=grey
v2() { # swaks as a balancer with version 2
	on client swaks --server $GATE4 --local-interface $LB4 --proxy-version 2 --proxy-family AF_INET --proxy-protocol STREAM \
		--proxy-command PROXY --proxy-source "$1" --proxy-source-port 40001 --proxy-dest 192.0.2.25 --proxy-dest-port 25 \
		--from a@sender.example --to user1@example.net --helo client.example.org
}
v2 198.18.7.60 >"$T/said" 2>&1
like "version 2, by swaks: greylisted" "$(cat "$T/said")" '<\*\* 451 4\.7\.1'
check "for the client that was named" log_wait event=decision src=198.18.7.60 verdict=grey
passed() { v2 198.18.7.60 2>&1 | grep -q '250 2.0.0 stored'; }
check "the retry is delivered" wait_for 5 passed
like "the mail server hears whom it is from" "$(cat "$B/log")" 'XCLIENT .*ADDR=198\.18\.7\.60'
check "and the client is promoted" log_wait event=promote src=198.18.7.60
check "version 1, by swaks" on client swaks --server $GATE4 --local-interface $LB4 \
	--proxy "TCP4 198.18.7.60 192.0.2.25 40000 25" --from a@sender.example --to user1@example.net
out=$(behind $LB4 $GATE4 'PROXY UNKNOWN\r\n' "$HELLO" QUIT)
is "UNKNOWN: the balancer's own connection" "$(codes <<<"$out")" "220 250 221"
out=$(behind $LB4 $GATE4 '\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00' "$HELLO" QUIT)
is "LOCAL, too" "$(codes <<<"$out")" "220 250 221"
out=$(behind $LB4 $GATE4 'PROXY TCP4 127.0.0.1 127.0.0.1 40000 25\r\n' "$HELLO" QUIT)
is "a client on its loopback, too" "$(codes <<<"$out")" "220 250 221"
is "proxy_local counted them" "$(counter proxy_local)" 3
out=$(talk $LB4 $GATE4 :nobanner ':send \r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff\xc6\x12\x09\x37\xc0\x00\x02\x19\x9c\x40\x00\x19\x04\xff\xf0' \
	":send $(printf 'x%.0s' {1..65520})" :reply "$HELLO" "$FROM" "$TO" QUIT)
is "64 KB of values behind the addresses are skipped" "$(codes <<<"$out")" "220 250 250 451 221"
check "and the client is the one that was named" log_wait event=decision src=198.18.9.55 verdict=grey

# ---- what is no header ----
n=$(counter proxy_refused)
silent() { # name steps...
	local out
	out=$(talk $LB4 $GATE4 :nobanner "${@:2}" :eof)
	unlike "$1: closed without a word" "$out" '^S: [0-9]'
	like "$1: closed" "$out" '^S: <(eof|reset)>'
}
silent "a command" ":send $HELLO\\r\\n"
silent "a port too large" ':send PROXY TCP4 203.0.113.50 192.0.2.25 70000 25\r\n'
silent "the wrong family" ':send PROXY TCP6 203.0.113.50 192.0.2.25 40000 25\r\n'
silent "a bare LF" ':send PROXY TCP4 203.0.113.50 192.0.2.25 40000 25\n'
silent "version 3" ':send \r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c'
silent "a client that is multicast" ':send PROXY TCP4 224.0.0.1 192.0.2.25 40000 25\r\n'
silent "a value behind the addresses that is cut" ':send \r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0f\xc0\x00\x02\x07\xc0\x00\x02\x19\x9c\x40\x00\x19\x04\xff\xff'
silent "a checksum that is wrong" ':send \r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x13\xc0\x00\x02\x07\xc0\x00\x02\x19\x9c\x40\x00\x19\x03\x00\x04\x01\x02\x03\x04'
silent "a socket of UNIX without its names" ':send \r\n\r\n\x00\r\nQUIT\n\x21\x31\x00\x0c\xc0\x00\x02\x07\xc0\x00\x02\x19\x9c\x40\x00\x19'
why_said() { logged event=connect reason=proxy_header src=$LB4 | grep -q "\"message\":\"$1"; }
is "proxy_refused counted each" "$(counter proxy_refused)" $((n + 9))
for why in 'no PROXY header' 'version 1: not a line' 'version 2: another version' 'version 2: cut'; do
	check "and the log says why: $why" wait_for 3 why_said "$why"
done
out=$(talk $LB4 $GATE4 :nobanner ':send \r\n\r\n\x00\r\nQUIT\n\x21\x12\x00\x0c\xc0\x00\x02\x07\xc0\x00\x02\x19\x9c\x40\x00\x19' :reply QUIT)
is "UDP names no client of ours: the connection is the balancer's own" "$(codes <<<"$out")" "220 221"
out=$(talk $LB4 $GATE4 :nobanner ':send PROXY TCP4 203' :eof)
between "half a header: closed after 5 s" "$(stamp end <<<"$out")" 4500 25000
out=$(talk $LB4 $GATE4 :nobanner ":bytes $V1" :reply QUIT)
is "a header byte by byte is one" "$(codes <<<"$out")" "220 221"
out=$(behind $LB4 $GATE4 "$V1$HELLO\\r\\n" :reply "MAIL FROM:<early@sender.example>" "$TO" QUIT)
is "what follows the header in the same segment is the client's" "$(codes <<<"$out")" "220 250 250 451 221"
check "who has spoken too early" log_wait event=decision src=203.0.113.50 evidence=early_talk
out=$(talk 192.0.2.7 $GATE4 ":send $V1" :reply "$HELLO" "$FROM" "$TO" QUIT)
is "from anybody else it is an unknown command" "$(codes <<<"$out")" "220 500 250 250 451 221"
check "and not believed" log_wait event=decision src=192.0.2.7 verdict=grey

# ---- the balancer is never judged ----
check "the kernel passes the balancer" map_is $LB4 GG_ALLOW
check "over IPv6, too" map_is $LB6 GG_ALLOW
gg deny 203.0.113.50 --action reject >/dev/null
out=$(behind $LB4 $GATE4 "$V1" "$HELLO" "$FROM" "$TO" QUIT)
is "a denied client is denied" "$(codes <<<"$out")" "220 250 250 554 221"
out=$(behind $LB4 $GATE4 'PROXY TCP4 203.0.113.51 192.0.2.25 40000 25\r\n' "$HELLO" "$FROM" 'RCPT TO:<trap@example.net>' QUIT)
is "a client in a trap is denied" "$(codes <<<"$out")" "220 250 250 554 221"
check "by its own address" map_is 203.0.113.51 GG_DENY
# its own address in the header: mail of that machine, or its health check
for lb in "$LB4 $GATE4 TCP4 192.0.2.25" "$LB6 $GATE6 TCP6 2001:db8:1::25"; do
	read -r lb gate family here <<<"$lb"
	out=$(behind "$lb" "$gate" "PROXY $family $lb $here 40000 25\\r\\n" "$HELLO" "$FROM" 'RCPT TO:<trap@example.net>' "$TO" QUIT)
	is "$lb names itself: neither trapped nor greylisted" "$(codes <<<"$out")" "220 250 250 250 250 221"
	check "$lb: the kernel still passes it" map_is "$lb" GG_ALLOW
	like "$lb: explain says what it is" "$(gg explain "$lb")" "^$lb is a load balancer's"
	unlike "$lb: list deny has no such entry" "$(gg list deny)" "^$lb "
	for action in reject drop_new drop_all; do
		refuse "$lb can't be denied ($action)" gg deny "$lb" --action $action
		like "with the mend" "$(cat "$T/said")" 'out of proxy_protocol_from'
	done
done
for action in reject drop_new drop_all; do
	gg deny 192.0.2.0/24 --action $action >/dev/null
	out=$(behind $LB4 $GATE4 'PROXY TCP4 198.18.7.60 192.0.2.25 40000 25\r\n' "$HELLO" "$FROM" "$TO" QUIT)
	is "its network on a deny list ($action) harms nobody behind it" "$(codes <<<"$out")" "220 250 250 250 221"
done
like "nor does explain say so" "$(gg explain $LB4 --json)" '"verdict": ?"balancer"'
check "in the kernel it is as it was" map_is $LB4 GG_ALLOW
gg forget 192.0.2.0/24 >/dev/null
check "nor is it forgotten there" map_is $LB4 GG_ALLOW
holders=()
for i in 1 2 3 4 5; do
	behind $LB4 $GATE4 "PROXY TCP4 203.0.113.10$i 192.0.2.25 40000 25\\r\\n" ":touch $T/held.$i" ":await $T/release" QUIT >"$T/holder.$i" &
	holders+=($!)
	wait_for 5 test -e "$T/held.$i"
done
touch "$T/release"; wait "${holders[@]}"
is "limit per_source counts the clients, not the balancer" "$(cat "$T"/holder.* | codes)" "220 221 220 221 220 221 220 221 220 221"

# ---- reload, restart ----
extra=
gate_renew
check "no longer listed: it can be denied" gg deny $LB4 --action reject
check "in the kernel, too" map_is $LB4 GG_DENY
extra='proxy_protocol_from = {"192.0.2.0/29", "192.0.2.8/30"}'
gate_conf
kill -HUP "$gate_pid"
unlisted() { ! map_is $LB4 GG_DENY; }
check "listed as a part of a network: no entry of its own is left in the kernel" wait_for 5 unlisted
like "list shows it as idle" "$(gg list deny)" "^$LB4 +idle "
like "explain, too" "$(gg explain $LB4)" '^  idle '
gate_stop; is "SIGTERM: exit code 0" $? 0
gate_start || bail "greygated starts again"
check "nor after a restart" unlisted
out=$(behind $LB4 $GATE4 'PROXY TCP4 198.18.7.60 192.0.2.25 40000 25\r\n' "$HELLO" "$FROM" "$TO" QUIT)
is "and clients get through" "$(codes <<<"$out")" "220 250 250 250 221"

# ---- what the mail server is told ----
printf '250-backend\\r\\n250 XCLIENT NAME ADDR PORT DESTADDR DESTPORT' >"$B/ehlo"
gg allow 198.18.7.60 >/dev/null
gg allow 2001:db8:50::5 >/dev/null
gg allow 203.0.113.50 >/dev/null
told() { # BALANCER SERVER HEADER: what XCLIENT says of both ends
	behind "$1" "$2" "$3\\r\\n" "$HELLO" "$FROM" "$TO" QUIT >/dev/null
	grep -o 'XCLIENT .*' "$B/log" | tail -1 | tr ' ' '\n' | sed -nE 's/^(DEST)?(ADDR|PORT)=//p' | xargs
}
is "where the client came to, as the balancer says" \
	"$(told $LB4 $GATE4 'PROXY TCP4 198.18.7.60 198.18.0.1 4000 26')" "198.18.7.60 4000 198.18.0.1 26"
is "IPv6 behind an IPv4 connection" "$(told $LB4 $GATE4 'PROXY TCP6 2001:db8:50::5 2001:db8:99::25 4000 26')" \
	"IPV6:2001:db8:50::5 4000 IPV6:2001:db8:99::25 26"
like "no destination: the one that the connection has" "$(told $LB4 $GATE4 'PROXY TCP4 203.0.113.50 0.0.0.0 4000 0')" \
	"^203\.0\.113\.50 4000 192\.0\.2\.25 25$"
like "UNKNOWN: the same" "$(told $LB4 $GATE4 'PROXY UNKNOWN')" "^192\.0\.2\.8 [0-9]+ 192\.0\.2\.25 25$"
gate_stop; is "SIGTERM: exit code 0" $? 0
