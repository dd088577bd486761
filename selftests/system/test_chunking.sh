#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Messages in chunks (RFC 3030): they come out as they went in, nothing is smuggled in them, what
# can't be used is no command, and a mail server that breaks at any point costs no message.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
postfix_new mx mail "smtpd_authorized_xclient_hosts = 198.51.100.0/24 [2001:db8:2::]/64" ||
	bail "Postfix as the mail server"
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=gate.example.net -days 2 -keyout "$T/key.pem" \
	-out "$T/cert.pem" 2>/dev/null
chown nobody "$T/key.pem"
interfaces=
greylist="mode = off"
upstream="timeout = 15s"
limit="per_source = 1000  message = 60m  commands = 60  errors = 100"
extra="tls { certificate = \"$T/cert.pem\"  key = \"$T/key.pem\" }"
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"

SRC=192.0.2.7 HELLO='EHLO client.example.org'
FROM='MAIL FROM:<a@sender.example>' TO='RCPT TO:<user1@example.net>'
# "220 250x3 221": the last line of each reply, runs counted.
codes() { sed -nE 's/^S: ([0-9]{3})( .*|$)/\1/p' | uniq -c | awk '{ print $2 ($1 > 1 ? "x" $1 : "") }' | xargs; }
offer_is() { talk $SRC $GATE4 "$HELLO" QUIT | grep -q '^S: 250[- ]CHUNKING$'; }
offer_gone() { ! offer_is; }
chunked() { talk "${source:-$SRC}" "${server:-$GATE4}" "$HELLO" "$FROM" "$TO" "$@"; }

# ---- Postfix ----
check "CHUNKING is offered with Postfix behind" wait_for 10 offer_is
for m in one odd tls six; do
	{ printf 'From: <a@sender.example>\nSubject: %s\nX-Marker: %s-chunks\n\n.\n..\n.dot\n' $m $m
	for i in $(seq 40); do printf 'line %s of the message\n\n' "$i"; done; } >"$T/$m"
done
out=$(chunked ":chunks $T/one 100000" QUIT)
is "one chunk: delivered" "$(codes <<<"$out")" "220 250x4 221"
like "with the mail server's own words" "$out" '^S: 250 2\.0\.0 Ok: queued as|^S: 250 2\.0\.0 Ok: [0-9]+ bytes queued as'
cuts=(1 2 3 5 7 11 13 17 19 23 1 1 1 1 1 29)
is "chunks of any size, between CR and LF too" "$(chunked ":chunks $T/odd ${cuts[*]}" QUIT | tail -n 1)" "S: 221 2.0.0 gate.example.net Bye"
out=$(talk $SRC $GATE4 "$HELLO" STARTTLS :tls "$HELLO" "$FROM" "$TO" ":chunks $T/tls 300 40 1000" QUIT)
like "inside TLS" "$out" '^S: 250 2\.0\.0 Ok'
out=$(source=2001:db8:1::7 server=$GATE6 chunked ":chunks $T/six 250" QUIT)
like "over IPv6" "$(tail -n 3 <<<"$out")" '^S: 250 2\.0\.0 Ok'
for m in one odd tls six; do
	check "$m arrives" wait_for 10 boxed_is mx "$m-chunks" 1
	check "$m is the same byte for byte" ends_with "$(boxed_file mx "$m-chunks")" "$T/$m"
done
echo "smtpd_discard_ehlo_keywords = CHUNKING" >>"$T/mx/etc/main.cf"
postfix_reload mx
# A process of before may answer the first question: it is asked again.
learnt() { gg reload >/dev/null; sleep 0.3; offer_gone; }
check "not offered when Postfix does not" wait_for 10 learnt
is "and BDAT not known" "$(chunked 'BDAT 0 LAST' QUIT | codes)" "220 250x3 502 221"
gate_stop; is "SIGTERM: exit code 0" $? 0

# ---- a mail server with a script ----
B=$T/backend
backend_up mail "$MAIL4,26" "$B" || exit 1
with='250-backend.example.net\r\n250-8BITMIME\r\n250 CHUNKING'
echo "$with" >"$B/ehlo"
backend="\"$MAIL4:26\""
gate_conf
gate_start || bail "greygated starts again"
check "CHUNKING is offered again" wait_for 5 offer_is
stored() { find "$B" -name '*.eml' | wc -l; }
behave() { rm -f "$B"/{bdat,dot,text,rcpt}; [ $# = 0 ] || echo "$2" >"$B/$1"; }
crlf() { printf '%s\\r\\n' "$@"; }

before=$(stored) rss=$(gate_rss)
out=$(chunked ':bigchunks 50 1000000' QUIT)
is "50 MB in chunks of a megabyte: delivered" "$(codes <<<"$out")" "220 250x56 221"
is "once" "$(($(stored) - before))" 1
between "with the memory flat (kB more)" "$(($(gate_rss) - rss))" -100000 16000
all=$(crlf "$FROM" "$TO")
out=$(talk $SRC $GATE4 "$HELLO" ":send ${all}BDAT 4\\r\\nhi\\r\\nBDAT 3\\r\\na\\r\\nBDAT 0 LAST\\r\\n${all}BDAT 4 LAST\\r\\nyo\\r\\nQUIT\\r\\n" \
	':reply 9' :eof)
is "two messages in chunks in one segment" "$(codes <<<"$out")" "220 250x9 221"
is "both delivered" "$(($(stored) - before))" 3
last=$(find "$B" -name '*.eml' -size -100c -newer "$T/greygate.conf" | sort -V | tail -n 2 | xargs cat | tr -d '\r' | tr '\n' ' ')
is "as they were" "$last" "hi a yo "
n=$(stored)
before() { n=$(stored); }
same() { is "$1: nothing was delivered" "$(stored)" "$n"; }

# ---- what can't be used is no command ----
is "without recipients: 554, read to its end" "$(talk $SRC $GATE4 "$HELLO" "$FROM" ':send BDAT 6 LAST\r\nQUIT\r\n' :reply \
	NOOP QUIT | codes)" "220 250x2 554 250 221"
behave rcpt '550 5.1.1 nobody'
is "pipelined behind a refused recipient" "$(talk $SRC $GATE4 "$HELLO" ":send ${all}BDAT 6 LAST\\r\\nQUIT\\r\\n" ':reply 3' \
	NOOP QUIT | codes)" "220 250x2 550 554 250 221"
behave
is "before MAIL: 503" "$(talk $SRC $GATE4 "$HELLO" ':send BDAT 6\r\nQUIT\r\n' :reply NOOP QUIT | codes)" "220 250 503 250 221"
is "DATA among chunks: 503, and the message goes on" "$(chunked ':send BDAT 4\r\nhi\r\n' :reply DATA 'BDAT 0 LAST' QUIT | codes)" \
	"220 250x4 503 250 221"
before
is "RSET between chunks" "$(chunked ':send BDAT 4\r\nhi\r\n' :reply RSET ':send BDAT 6 LAST\r\nQUIT\r\n' :reply NOOP QUIT | codes)" \
	"220 250x5 503 250 221"
is "a chunk beyond limit message: read to its end, 552" "$(chunked ':send BDAT 62914561 LAST\r\n' ':fill 60' \
	":send $(head -c 1321 /dev/zero | tr '\0' x)" :reply NOOP QUIT | codes)" "220 250x3 552 250 221"
is "a size that can't be read: 501 and closed" "$(chunked 'BDAT many' ':send QUIT\r\n' :eof | codes)" "220 250x3 501"
is "one too big for any number" "$(chunked 'BDAT 18446744073709551616' :eof | codes)" "220 250x3 501"
same "so far"

# ---- smuggling ----
smuggled=$(crlf 'MAIL FROM:<evil@x.example>' 'RCPT TO:<evil@y.example>' DATA evil .)
count=$(counter smuggling)
bad='' tried=0
for vector in '\n.\n' '\n.\r\n' '\r\n.\n' '\r.\r' '\r.\r\n' '\r\n.\r' '\r\n\x00.\r\n' '\r\n.\x00\r\n' '\r\n.\r\r\n' '\n\n.\r\n'; do
	text="Subject: x\\r\\n\\r\\nhi$vector$smuggled"
	size=$(printf '%b' "$text" | wc -c)
	half=$((size / 2))
	tried=$((tried + 2))
	out=$(chunked ":send BDAT $size LAST\\r\\n$text" :reply NOOP QUIT | codes)
	[ "$out" = "220 250x3 550 250 221" ] || bad="$bad $vector($out)"
	out=$(chunked ":bytes BDAT $half\\r\\n$(printf '%b' "$text" | head -c $half | od -An -v -tx1 | tr -d '\n' | sed 's/ /\\x/g')" :reply \
		":send BDAT $((size - half)) LAST\\r\\n$(printf '%b' "$text" | tail -c +$((half + 1)) | od -An -v -tx1 | tr -d '\n' | sed 's/ /\\x/g')" \
		:reply NOOP QUIT | codes)
	[[ $out =~ ^220\ 250x[34]\ (550|550x1)\ (503\ )?250\ 221$ ]] || bad="$bad halves:$vector($out)"
done
is "every vector is refused with 550" "$bad" ""
same "smuggling"
is "counted" "$(($(counter smuggling) - count))" $tried
refuse "the mail server has heard nothing of it" grep -q evil "$B/log"

# ---- it breaks ----
behave bdat '452 4.3.1 no room'
is "a chunk refused: word for word, then no more" "$(chunked ':send BDAT 4\r\nhi\r\n' :reply ':send BDAT 6 LAST\r\nQUIT\r\n' :reply NOOP QUIT |
	sed '1,/^C: RCPT/d' | grep ^S: | xargs -d '\n')" \
	"S: 250 2.1.5 recipient fine S: 452 4.3.1 no room S: 503 5.5.1 Bad sequence of commands S: 250 2.0.0 Ok S: 221 2.0.0 gate.example.net Bye"
behave dot '550 5.7.9 not this'
like "the last one refused: word for word" "$(chunked ':send BDAT 4 LAST\r\nhi\r\n' :reply QUIT)" '^S: 550 5\.7\.9 not this$'
broken() { # stage how
	behave $1 $2
	out=$(chunked ':send BDAT 7\r\nhello\r\n' :reply ':send BDAT 6 LAST\r\nQUIT\r\n' :reply NOOP QUIT)
	like "$1 $2: 451" "$(sed '1,/^C: RCPT/d' <<<"$out")" '^S: 451 4\.4\.2'
	like "$1 $2: the session goes on" "$out" '^S: 221 '
}
for how in close reset garbage endless; do
	for stage in bdat dot text; do broken $stage $how; done
done
upstream="timeout = 1s"
check "a mail server has less time" gate_renew
broken bdat hang
upstream="timeout = 15s"
check "and as much as before" gate_renew
same "broken"
behave
says() { echo "$1" >"$B/ehlo"; }
check "still offered" offer_is
talk $SRC $GATE4 "$HELLO" ":touch $T/greeted" ":await $T/lost" "$FROM" "$TO" ':send BDAT 6 LAST\r\nQUIT\r\n' :reply NOOP QUIT >"$T/lost.out" &
waiting=$!
wait_for 10 test -e "$T/greeted"
says '250-backend.example.net\r\n250 8BITMIME'
touch "$T/lost"
wait $waiting
is "CHUNKING lost since EHLO: 451, for nothing in the message needs it" "$(codes <"$T/lost.out")" "220 250x3 451 250 221"
gate_stop; is "SIGTERM: exit code 0" $? 0
