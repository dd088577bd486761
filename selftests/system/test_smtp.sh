#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SMTP over the wire: pipelining and segment borders, lines that are no lines, every limit, many
# clients at once.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
B=$T/backend
backend_up mail $MAIL4,25 "$B" || bail "a mail server"
interfaces=
greylist="mode = off"
stutter="first = 0s  deny_limit = 1s"
limit="per_source = 1000  commands = 40  errors = 5  recipients = 3  message = 64k  state_time = 3s  session_time = 10s"
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"

SRC=192.0.2.7 HELLO='EHLO client.example.org'
export TALK_TIMEOUT=15
codes() { sed -nE 's/^S: ([0-9]{3})( .*|$)/\1/p' | xargs; } # last line of each reply
crlf() { printf '%s\\r\\n' "$@"; }
eml() { find "$B" -name '*.eml' | wc -l; }
FROM='MAIL FROM:<a@sender.example>' TO='RCPT TO:<user1@example.net>'

# ---- verbs ----
out=$(talk $SRC $GATE4 "$HELLO" NOOP 'NOOP with words' HELP 'VRFY user1' RSET "$FROM" RSET "$FROM" "$TO" \
	RSET DATA QUIT :eof)
is "NOOP HELP VRFY RSET QUIT" "$(codes <<<"$out")" "220 250 250 250 214 252 250 250 250 250 250 250 503 221"
like "QUIT closes" "$out" '^S: <eof>'
out=$(talk $SRC $GATE4 'HELO client.example.org' "$FROM" "$TO" DATA ':body -' QUIT)
is "HELO: a whole message" "$(codes <<<"$out")" "220 250 250 250 354 250 221"
unlike "HELO: one line" "$out" '^S: 250-'
is "lower case, trailing blanks" "$(talk $SRC $GATE4 'ehlo client.example.org ' 'mail from:<a@sender.example> ' \
	'rcpt to:<user1@example.net> ' 'rset ' quit | codes)" "220 250 250 250 250 221"
is "commands out of order" "$(talk $SRC $GATE4 "$TO" "$HELLO" "$TO" DATA QUIT | codes)" "220 503 250 503 503 221"
out=$(talk $SRC $GATE4 "$HELLO" 'MAIL FROM:<>' "$TO" DATA ':body -' QUIT)
is "null reverse-path" "$(codes <<<"$out")" "220 250 250 250 354 250 221"
out=$(talk $SRC $GATE4 "$HELLO" QUIT) # the mail server's own offers are known since the first message
for offer in PIPELINING 8BITMIME 'SIZE 65536'; do
	like "EHLO offers $offer" "$out" "^S: 250[- ]$offer\$"
done
unlike "EHLO offers nothing that is not there" "$out" '^S: 250[- ](CHUNKING|ENHANCEDSTATUSCODES|STARTTLS|XCLIENT|ETRN|AUTH)'
is "quoted local part, source route, literal, postmaster" "$(talk $SRC $GATE4 "$HELLO" \
	'MAIL FROM:<"a b\"c"@sender.example>' 'RCPT TO:<@one.example,@two.example:user1@example.net>' \
	'RCPT TO:<user1@[192.0.2.1]>' 'RCPT TO:<Postmaster>' RSET QUIT | codes)" "220 250 250 250 250 250 250 221"
for bad in 'MAIL FROM:a@b.example' 'MAIL FROM:<a@b.example' 'MAIL FROM:<@>' 'MAIL FROM:<a b@c.example>' 'MAIL' 'MAIL FROM:' \
	'MAIL FROM:<a@b..example>' 'MAIL FROM:<a@b.example> SIZE=x' 'MAIL FROM:<a@b.example> BODY=9BIT' 'MAIL FROM:<a@b.example> FOO=BAR'; do
	like "'$bad' is a 5xx" "$(talk $SRC $GATE4 "$HELLO" "$bad" QUIT | codes)" '^220 250 5[0-9]{2} 221$'
done

# ---- segments ----
body="Subject: in one\\r\\n\\r\\nhello\\r\\n..dot\\r\\n.\\r\\n"
n=$(eml)
out=$(talk $SRC $GATE4 ":send $(crlf "$HELLO")" :reply ":send $(crlf "$FROM" "$TO" DATA)" ':reply 3' \
	":send $body" :reply QUIT)
is "MAIL RCPT DATA in one segment" "$(codes <<<"$out")" "220 250 250 250 354 250 221"
out=$(talk $SRC $GATE4 "$HELLO" ":send $(crlf "$FROM" "$TO" DATA)$body$(crlf "$FROM" 'RCPT TO:<user2@example.net>' \
	DATA)${body}$(crlf QUIT)" ':reply 9' :eof)
is "two messages and QUIT in one segment" "$(codes <<<"$out")" "220 250 250 250 354 250 250 250 354 250 221"
is "all three were delivered" "$(($(eml) - n))" 3
last=$(find "$B" -name '*.eml' -newer "$T/greygate.conf" | sort -V | tail -n 1)
like "dots are as the client sent them" "$(tr -d '\r' <"$last")" '^\.\.dot$'
check "swaks --pipeline" on client swaks --server $GATE4 --pipeline --from a@sender.example --to user1@example.net
check "swaks over IPv6" on client swaks --server $GATE6 --from a@sender.example --to user1@example.net
n=$(eml)
out=$(talk 2001:db8:1::7 $GATE6 ":bytes $(crlf "$HELLO")" :reply ":bytes $(crlf "$FROM")" :reply \
	":bytes $(crlf "$TO")" :reply ":bytes $(crlf DATA)" :reply ":bytes $body" :reply ":bytes $(crlf QUIT)" :eof)
is "a session byte by byte, IPv6" "$(codes <<<"$out")" "220 250 250 250 354 250 221"
is "and delivered" "$(($(eml) - n))" 1
all="$(crlf "$HELLO" "$FROM" "$TO" DATA)$body$(crlf NOOP RSET QUIT)"
real=$(printf '%b' "$all" | wc -c)
bad='' n=$(eml)
for cut in $(seq 1 5 "$real"); do
	got=$(talk $SRC $GATE4 ":cut $cut $all" ':reply 8' :eof | codes)
	[ "$got" = "220 250 250 250 354 250 250 250 221" ] || bad="$bad $cut($got)"
done
is "a session cut in two at every fifth byte" "$bad" ""
is "each delivered once" "$(($(eml) - n))" "$(seq 1 5 "$real" | wc -l)"

# ---- lines that are no lines ----
long=$(head -c 3000 /dev/zero | tr '\0' a)
huge=$(head -c 60000 /dev/zero | tr '\0' a)
out=$(talk $SRC $GATE4 "$HELLO" ":send NOOP $long\\r\\n" :reply NOOP ":send $huge\\r\\nNOOP\\r\\n" ':reply 2' QUIT)
is "a line too long is one error, the next is fine" "$(codes <<<"$out")" "220 250 500 250 500 250 221"
between "limit_line counted them" "$(counter limit_line)" 2 2
for what in 'NUL:NO\x00OP' '8-bit:NOOP \xff\xfe' 'bare LF:NOOP x\nNOOP' 'bare CR:NOOP x\rNOOP' 'CR CR LF:NOOP x\r'; do
	out=$(talk $SRC $GATE4 "$HELLO" ":send ${what#*:}\\r\\n" :reply NOOP QUIT)
	is "${what%%:*} in a command is a 500, once" "$(codes <<<"$out")" "220 250 500 250 221"
done
n=$(eml)
for what in 'NUL:a\x00b' 'bare LF:one\ntwo' 'bare CR:one\rtwo' 'LF dot LF:one\n.\nMAIL FROM:<evil@x.example>' \
	'LF dot CR LF:one\n.\r\nRSET' 'CR LF dot LF:one\r\n.\nRSET' 'CR dot CR:one\r.\rRSET' 'CR LF dot CR:one\r\n.\rRSET'; do
	out=$(talk $SRC $GATE4 "$HELLO" "$FROM" "$TO" DATA ":send Subject: x\\r\\n\\r\\n${what#*:}\\r\\n.\\r\\n" :reply NOOP QUIT)
	is "${what%%:*} in a message refuses it, nothing is smuggled" "$(codes <<<"$out")" "220 250 250 250 354 550 250 221"
done
is "none of them reached the mail server" "$(eml)" "$n"
between "smuggling counted them" "$(counter smuggling)" 8 8
out=$(talk $SRC $GATE4 "$HELLO" "$FROM BODY=8BITMIME" "$TO" DATA ':send Subject: 8\r\n\r\nGr\xfc\xdfe\r\n.\r\n' :reply QUIT)
is "8-bit in a message is fine" "$(codes <<<"$out")" "220 250 250 250 354 250 221"
check "and arrives" sh -c "LC_ALL=C grep -laP 'Gr\\xfc\\xdfe' $B/*.eml"

# ---- limits ----
out=$(talk $SRC $GATE4 "$HELLO" X1 X2 X3 X4 X5 X6 X7)
like "limit errors: 421 and closed" "$out" '^S: 421 4\.7\.0'
like "limit errors: closed" "$out" '^S: <(eof|reset)>'
between "limit errors: after as many" "$(grep -c '^S: 500' <<<"$out")" 4 5
noops=(); for _ in $(seq 50); do noops+=(NOOP); done
out=$(talk $SRC $GATE4 "$HELLO" "${noops[@]}")
like "limit commands: 421 and closed" "$out" '^S: 421 4\.7\.0'
between "limit commands: after as many" "$(grep -c '^S: 250 ' <<<"$out")" 36 40
out=$(talk $SRC $GATE4 "$HELLO" "$FROM" "$TO" 'RCPT TO:<user2@example.net>' 'RCPT TO:<user3@example.net>' \
	'RCPT TO:<user4@example.net>' DATA ':body -' QUIT)
is "limit recipients: 452, the others go on" "$(codes <<<"$out")" "220 250 250 250 250 250 452 354 250 221"
is "limit message: SIZE= too big is refused at MAIL" \
	"$(talk $SRC $GATE4 "$HELLO" "$FROM SIZE=70000" "$FROM SIZE=60000" QUIT | codes)" "220 250 552 250 221"
n=$(eml)
is "limit message: a bigger one is refused at its end" \
	"$(talk $SRC $GATE4 "$HELLO" "$FROM" "$TO" DATA ':fill 1' :dot NOOP QUIT | codes)" "220 250 250 250 354 552 250 221"
is "limit message: it was not delivered" "$(eml)" "$n"
talk $SRC $GATE4 "$HELLO" :eof >"$T/idle" &
idle=$!
steps=(); for _ in $(seq 16); do steps+=(NOOP ':sleep 0.8'); done
talk $SRC $GATE4 "$HELLO" "${steps[@]}" :eof >"$T/busy" &
busy=$!
talk $SRC $GATE4 "$HELLO" "$FROM" "$TO" DATA ':send half a message\r\n' :reply :eof >"$T/half" &
half=$!
talk $SRC $GATE4 "$HELLO" "$FROM" "$TO" ':send BDAT 1000 LAST\r\nhalf a chunk\r\n' :reply :eof >"$T/chunk" &
chunk=$!
# Three bytes a second without the end of a line are no sign of life; lines are.
drips=(); for _ in $(seq 6); do drips+=(':send xx' ':sleep 0.6'); done
talk $SRC $GATE4 "$HELLO" "$FROM" "$TO" DATA "${drips[@]}" :reply :eof >"$T/drip" &
drip=$!
lines=(); for _ in $(seq 8); do lines+=(':send x\r\n' ':sleep 0.6'); done
talk $SRC $GATE4 "$HELLO" "$FROM" "$TO" DATA "${lines[@]}" ':send .\r\n' :reply QUIT >"$T/lines" &
lines=$!
wait $idle $half $busy $chunk $drip $lines
like "limit state_time: 421" "$(cat "$T/idle")" '^S: 421 4\.4\.2'
between "limit state_time: in time" "$(stamp end <"$T/idle")" 2700 9500
for in in half chunk; do
	like "limit state_time in the middle of a message ($in): 421" "$(cat "$T/$in")" '^S: 421 4\.4\.2'
	like "limit state_time in the middle of a message ($in): closed" "$(cat "$T/$in")" '^S: <(eof|reset)>'
done
like "limit state_time: a line that never ends is not waited for" "$(cat "$T/drip")" '^S: 421 4\.4\.2'
like "limit state_time: short lines in time are a message" "$(cat "$T/lines")" '^S: 250 .*
S: 221'
like "limit session_time: 421" "$(cat "$T/busy")" '^S: 421 4\.4\.2'
between "limit session_time: in time" "$(stamp end <"$T/busy")" 9500 25000
for c in limit_errors limit_commands limit_recipients limit_message limit_state_time limit_session_time; do
	between "counter $c" "$(counter $c)" 1 5
done
is "half a message was not delivered, lines were" "$(eml)" $((n + 1))

# ---- many at once ----
# Who waits for the others longer than that is another matter.
limit="per_source = 1000  recipients = 3"
check "reload: more time" gate_renew
n=$(eml)
out=$(on gate $PYTHON "$HERE/crowd.py" 127.0.0.1 25 300)
like "300 clients of 300 addresses at once" "$out" '^taken=300 deferred=0 other=0'
is "300 messages were stored" "$(($(eml) - n))" 300
gate_stop; is "SIGTERM: exit code 0" $? 0

limit="per_source = 7  sessions = 16"
extra="relief { shorten = 100  unstutter = 100  refuse = 100 }"
gate_conf
gate_start || bail "greygated starts again"
holders=()
hold() { # source how-many
	local n
	for n in $(seq "$2"); do
		talk "$1" $GATE4 "$HELLO" ":touch $T/held.$1.$n" ":await $T/release" QUIT >/dev/null &
		holders+=($!)
		wait_for 5 test -e "$T/held.$1.$n"
	done
}
hold $SRC 7
like "limit per_source: the eighth of an address is told 421" "$(talk $SRC $GATE4 "$HELLO" QUIT)" '^S: 421 4\.'
hold 203.0.113.7 7; hold 203.0.113.8 2
like "limit sessions: the seventeenth is told 421" "$(talk 203.0.113.9 $GATE4 "$HELLO" QUIT)" '^S: 421 4\.3\.2'
is "counters limit_source and limit_sessions" "$(counter limit_source) $(counter limit_sessions)" "1 1"
touch "$T/release"; wait "${holders[@]}"
free() { talk 203.0.113.9 $GATE4 "$HELLO" QUIT | grep -q '^S: 221'; }
check "and there is room again" wait_for 5 free
gate_stop; is "SIGTERM: exit code 0" $? 0
