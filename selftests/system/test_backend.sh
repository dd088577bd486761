#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Bad days of the mail server behind the gateway. Whatever it does at whatever moment, the client gets
# a 4xx or the mail server's own words; a message is stored exactly when the client was told 250.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
B=$T/backend
interfaces=
greylist="mode = off"
upstream="timeout = 15s"
limit="per_source = 1000  message = 100m"
trap_conf="harvest = 0" # unknown recipients by the dozen are the test here
backend="\"$MAIL4:26\", \"$MAIL4:25\"" # nobody listens on the first one
gate_conf
backend_up mail $MAIL4,25 "$B" || exit 1
backend_pid=$started
gate_start || bail "greygated starts"
pass "greygated starts"

SRC=192.0.2.7
export TALK_TIMEOUT=40
patience() { upstream="timeout = $1"; check "upstream timeout = $1" gate_renew; }
told=0 # messages that a client was told are delivered
behave() { rm -f "$B"/{banner,ehlo,helo,mail,rcpt,data,text,dot}; [ $# = 0 ] || echo "$2" >"$B/$1"; }
message() { # [step...]
	talk ${source:-$SRC} ${server:-$GATE4} 'EHLO client.example.org' 'MAIL FROM:<a@sender.example>' \
		'RCPT TO:<user1@example.net>' ':if 250' DATA ':if 354' ':body -' "$@" QUIT
}
stored() { find "$B" -name '*.eml' | wc -l; }
delivered() { # name output
	told=$((told + 1))
	like "$1: delivered" "$2" '^S: 250 2\.0\.0 stored as'
}
refused() { # name output regex: refused, and nothing was stored
	local after; after=$(sed '1,/^C: EHLO/d' <<<"$2" | grep -A99 -E '^C: (MAIL|RCPT)')
	if grep -q '^S: 250 2\.0\.0 stored' <<<"$2"; then
		fail "$1" "told 250: $2"
	elif [ "$(stored)" != "$told" ]; then
		fail "$1" "told $told times 250, stored $(stored)"; told=$(stored)
	else
		like "$1" "$after" "$3"
	fi
}

delivered "the second backend of the list takes over from a dead one, IPv4" "$(message)"
delivered "the same over IPv6" "$(source=2001:db8:1::7 server=$GATE6 message)"
delivered "two messages, one session, the first" "$(message 'MAIL FROM:<b@sender.example>' \
	'RCPT TO:<user2@example.net>' DATA ':body -')"
told=$((told + 1))
is "two messages, one session, both stored" "$(stored)" $told

# ---- its replies are handed back verbatim ----
n=0
for stage in mail rcpt data dot; do
	for reply in '450 4.2.0 busy today' '550 5.7.9 not from you' '452-4.3.1 two lines\r\n452 4.3.1 of it' '554 no enhanced code'; do
		n=$((n + 1))
		behave $stage "$reply"
		last=${reply##*\\r\\n}
		refused "$stage: '$last' comes back word for word" "$(message)" "^S: ${last//./\\.}\$"
	done
	behave $stage '421 4.3.2 closing now'
	out=$(message)
	refused "$stage: 421 comes back word for word" "$out" '^S: 421 4\.3\.2 closing now$'
	refuse "$stage: and QUIT has no answer then" grep -q '^S: 221 ' <<<"$out"
done

# ---- after more than was asked for session and daemon go on ----
answers() { # output: replies to what came after EHLO, one word each
	sed '1,/^S: 250 HELP/d' <<<"$1" | grep -oE '^S: [0-9]{3} ' | cut -c4-6 | xargs
}
for stage in mail rcpt; do
	for reply in '550 5.1.1 nobody\r\n421 4.7.0 too many errors' \
		'250 fine\r\n250 and once more' '550 5.1.1 nobody\r\n250 but then'; do
		behave $stage "$reply"
		out=$(talk $SRC $GATE4 'EHLO client.example.org' 'MAIL FROM:<a@sender.example>' \
			'RCPT TO:<user1@example.net>' 'RCPT TO:<user2@example.net>' \
			'RCPT TO:<user3@example.net>' RSET NOOP QUIT)
		like "$stage: '${reply%%\\*}...' and then more recipients: each has its answer" \
			"$(answers "$out")" '^250 ([45][0-9]{2} ){3}250 250 221$'
	done
done
# ---- a 421 ends the session too, whatever is behind the command ----
all='MAIL FROM:<a@sender.example>\r\nRCPT TO:<user1@example.net>\r\nRCPT TO:<user2@example.net>\r\nDATA\r\n'
behind='MAIL FROM:<b@sender.example>\r\nRCPT TO:<user3@example.net>\r\nQUIT\r\n'
for stage in mail rcpt data; do
	behave $stage '421 4.3.2 not now'
	out=$(talk $SRC $GATE4 'EHLO client.example.org' ":send $all$behind" :eof)
	like "$stage: 421, and nothing behind it" "$(answers "$out") $(tail -n 1 <<<"$out")" '^250 (250 250 )?421 T: end'
done
behave dot '421 4.3.2 not stored'
out=$(talk $SRC $GATE4 'EHLO client.example.org' ":send $all" ':reply 4' \
	":send From: <a@sender.example>\r\nMessage-ID: <bye@sender.example>\r\n\r\nhello\r\n.\r\n$behind" :eof)
like "dot: 421, and nothing behind it" "$(answers "$out") $(tail -n 1 <<<"$out")" '^250 250 250 354 421 T: end'
is "nothing of it was stored" "$(stored)" $told
behave
delivered "the retry" "$(message)"

# ---- a client that does not read its answers for a while still gets every one ----
on gate sysctl -qw net.ipv4.tcp_wmem='4096 16384 65536'
behave rcpt "550 5.1.1 $(printf 'nobody of that name %.0s' $(seq 20))"
for n in 20 40 80; do
	is "$n recipients pipelined, read late: a reply to each" \
		"$(on client $PYTHON "$HERE/slow.py" $SRC $GATE4,25 $n)" \
		"$((n + 3)) replies to $((n + 3)) commands, the last one 221"
done
on gate sysctl -qw net.ipv4.tcp_wmem='4096 16384 4194304'
behave
for stage in banner ehlo; do
	for reply in '421 4.3.2 not now' '554 5.3.0 go away'; do
		behave $stage "$reply"
		[ $stage = ehlo ] && echo "$reply" >"$B/helo"
		refused "$stage: '$reply' becomes a 4xx" "$(message)" '^S: 4[25][0-9] '
	done
done
behave ehlo '502 5.5.1 no EHLO here'
delivered "a server without EHLO is spoken to with HELO" "$(message)"
behave banner '220-first line\r\n220 second line'
delivered "a banner of two lines" "$(message)"

# ---- it breaks ----
for how in close reset garbage endless; do
	for stage in banner ehlo mail rcpt data text dot; do
		behave $stage $how
		file=-
		if [ $stage = text ]; then
			head -c 60000 /dev/zero | tr '\0' 'y' | fold -w 70 >"$T/text"; file=$T/text
			out=$(talk $SRC $GATE4 'EHLO client.example.org' 'MAIL FROM:<a@sender.example>' \
				'RCPT TO:<user1@example.net>' ':if 250' DATA ':if 354' ":body $file" QUIT)
		else
			out=$(message)
		fi
		refused "$stage: $how becomes a 4xx" "$out" '^S: 4[25][0-9] '
		unlike "$stage: $how never becomes a 5xx or a lost session" "$out" '^S: (5|<)'
	done
done
patience 1s
for stage in banner ehlo mail rcpt data dot; do
	behave $stage hang
	start=$EPOCHREALTIME
	out=$(message)
	took=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
	refused "$stage: silence becomes a 4xx" "$out" '^S: 4[25][0-9] '
	limits="0.9 20"
	[ $stage = data ] && limits="3.9 30"
	# Giving up early on the reply to a whole message would mean delivering it twice.
	[ $stage = dot ] && limits="19 39"
	# shellcheck disable=SC2086
	between "$stage: silence: within the time for it ($took s)" "$took" $limits
done
behave
patience 15s
delivered "after all that the next message goes through" "$(message)"
kill "$backend_pid"
wait "$backend_pid" 2>/dev/null
refused "connection refused becomes 451" "$(message)" '^S: 451 4\.4\.1'
ip -n gate link set g1 down
refused "no route becomes 451" "$(message)" '^S: 451 4\.4\.1'
ip -n gate link set g1 up
ip -n gate addr add 2001:db8:2::1/64 dev g1 nodad 2>/dev/null
ip -n mail link set m0 down
patience 1s
start=$EPOCHREALTIME
refused "a dead wire becomes 451" "$(message)" '^S: 451 4\.4\.1'
between "a dead wire: within upstream.timeout for each backend" \
	"$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')" 0 30
patience 15s
ip -n mail link set m0 up
ip -n mail addr add $MAIL6/64 dev m0 nodad 2>/dev/null
backend_up mail $MAIL4,25 "$B" || exit 1
delivered "the mail server is back" "$(message)"
between "counter backend_failed" "$(counter backend_failed)" 30 500

# ---- the client goes away ----
head -c 300000 /dev/zero | tr '\0' 'z' | fold -w 70 >"$T/half"
for leave in :close :reset; do
	for step in ":part $T/half" ":send only a little\\r\\n"; do
		talk $SRC $GATE4 'EHLO client.example.org' 'MAIL FROM:<gone@sender.example>' \
			'RCPT TO:<user1@example.net>' DATA "$step" ':sleep 0.1' $leave >/dev/null
	done
done
sleep 0.3
is "a client gone in the middle of DATA: no message" "$(stored)" $told
is "no copy was ended with a dot by the gateway" \
	"$(find "$B" -name '*.part' -newer "$T/half" -exec tail -qc 5 {} \; | tr -d '\r' | grep -c '^\.$')" 0
sessions() { [ "$(counter sessions)" = 0 ] && [ "$(counter backend_open)" = 0 ]; }
check "no session and no connection to the mail server is left" wait_for 5 sessions

# ---- a slow reader ----
behave text slow:5000
base=$(gate_rss)
start=$EPOCHREALTIME
TALK_TIMEOUT=60 talk $SRC $GATE4 'EHLO client.example.org' 'MAIL FROM:<big@sender.example>' \
	'RCPT TO:<user1@example.net>' DATA ':fill 50' ":touch $T/sent" ':dot' QUIT >"$T/big" &
job=$!
peak=$base
until gone $job; do
	rss=$(gate_rss)
	[ "$rss" -gt "$peak" ] && peak=$rss
	sleep 0.1
done
wait $job
took=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
delivered "50 MB to a slow reader" "$(cat "$T/big")"
note "50 MB took $took s; RssAnon $base kB before, $peak kB at most"
between "the client was held back" "$took" 5 60
between "the message was never held in memory (kB more)" $((peak - base)) 0 8192
between "it arrived whole" "$(find "$B" -name '*.eml' -size +50000k | wc -l)" 1 1
behave

# ---- XCLIENT ----
refuse "XCLIENT is not spoken where it is not offered" grep -q XCLIENT "$B/log"
like "then the gateway greets in its own name" "$(cat "$B/log")" '^[0-9]+ EHLO gate\.example\.net'
gate_stop || fail "SIGTERM: exit code 0"
backend="\"[$MAIL6]:25\""
gate_conf
backend_up mail "$MAIL6,25" "$B" --xclient || exit 1
gate_start || bail "greygated starts with another backend"
delivered "XCLIENT, IPv4 client" "$(message)"
delivered "XCLIENT, IPv6 client" "$(source=2001:db8:1::7 server=$GATE6 message)"
line=$(grep -m1 'XCLIENT.*ADDR=192\.0\.2\.7' "$B/log")
for attr in ADDR=192.0.2.7 PROTO=ESMTP HELO=client.example.org PORT= NAME=; do
	like "XCLIENT names ${attr%%=*}" "$line" " ${attr//./\\.}"
done
like "XCLIENT over IPv6 has its prefix" "$(cat "$B/log")" 'XCLIENT.*ADDR=IPV6:2001:db8:1::7'
echo '421 4.3.2 bye' >"$B/xclient"
refused "XCLIENT answered 421 becomes a 4xx" "$(message)" '^S: 4[25][0-9] '
rm "$B/xclient"
check "every message told 250 is stored, no other" test "$(stored)" = $told
gate_stop; is "SIGTERM: exit code 0" $? 0
