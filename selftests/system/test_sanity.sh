#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What clients give away by their manners: each check off, as evidence and with reject; real clients of
# other protocols on the port.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
net_up
B=$T/backend
backend_up mail $MAIL4,25 "$B" || bail "a mail server"
interfaces=
greylist="mode = off"
limit="per_source = 1000  errors = 4  commands = 16"
stutter="first = 500ms  interval = 100ms"
SRC=192.0.2.7 HELLO='EHLO client.example.org'
FROM='MAIL FROM:<a@sender.example>' TO='RCPT TO:<user1@example.net>'
codes() { sed -nE 's/^S: ([0-9]{3})( .*|$)/\1/p' | xargs; }
crlf() { printf '%s\\r\\n' "$@"; }
checks() { # off|evidence|reject: for all of them
	extra="check { early_talk = $1  pipelining = $1  helo_syntax = $1  helo_name = $1  helo_literal = $1
		helo_ours = $1  non_smtp = $1  errors = $1  paths = $1 }"
	gate_renew
}
rude() { # what steps...: the conversation of one rude client, its recipient's code last
	local src=$SRC to=$GATE4
	case $1 in *6) src=2001:db8:1::7 to=$GATE6 ;; esac
	talk $src $to "${@:2}" "$FROM" "$TO" RSET QUIT
}
all() { # last step of who speaks HTTP: runs every kind of rudeness; prints "KIND codes"
	echo "early_talk $(talk $SRC $GATE4 :nobanner ":send $(crlf "$HELLO")" ':reply 2' "$FROM" "$TO" QUIT | codes)"
	echo "pipelining $(rude x ":send $(crlf "$HELLO" NOOP)" ':reply 2' | codes)"
	echo "helo_syntax $(rude x 'EHLO what is this?' 'HELO c.example.org' | codes)"
	echo "helo_name $(rude x 'EHLO localhost' | codes)"
	echo "helo_name $(rude x 'EHLO 192.0.2.7' | codes)"
	echo "helo_literal $(rude x 'EHLO [192.0.2.8]' | codes)"
	echo "helo_literal $(rude x6 'EHLO [IPv6:2001:db8:1::8]' | codes)"
	echo "helo_ours $(rude x 'EHLO GATE.example.net' | codes)"
	echo "non_smtp $(talk $SRC $GATE4 'GET / HTTP/1.1' "$1" | codes)"
	echo "errors $(rude x "$HELLO" X1 X2 X3 X4 | codes)"
	echo "paths $(FROM='MAIL FROM:<taro..yamada@docomo.example>' rude x "$HELLO" | codes)"
	echo "paths $(TO='RCPT TO:<taro.@example.net>' rude x6 "$HELLO" | codes)"
	echo "none $(rude x "$HELLO" | codes)"
	echo "none $(rude x 'EHLO [192.0.2.7]' | codes)"
	echo "none $(rude x6 'EHLO [IPv6:2001:db8:1:0::7]' | codes)"
}
gate_conf
gate_start || bail "greygated starts"
unlike "polite clients have nothing held against them" \
	"$(rude x "$HELLO" | codes; log_said event=decision)" '"evidence"'

check "reload: all off" checks off
good="220 250 250 250 250 221"
is "off: everybody is served" "$(all QUIT)" "early_talk 220 250 250 250 221
pipelining 220 250 250 250 250 250 221
helo_syntax 220 250 250 250 250 250 221
helo_name $good
helo_name $good
helo_literal $good
helo_literal $good
helo_ours $good
non_smtp 220 500 221
errors 220 250 500 500 500 500 250 250 250 221
paths $good
paths $good
none $good
none $good
none $good"
for c in early_talk pipelining helo_syntax helo_name helo_literal helo_ours non_smtp errors paths refused; do
	is "off: check_$c counts nothing" "$(counter check_$c)" 0
done

check "reload: all evidence" checks evidence
is "evidence: everybody is served" "$(all QUIT | grep -v 550 | awk '{ print $1 }' | sort -u | xargs)" \
	"early_talk errors helo_literal helo_name helo_ours helo_syntax non_smtp none paths pipelining"
for c in early_talk:1 pipelining:1 helo_syntax:1 helo_name:2 helo_literal:2 helo_ours:1 non_smtp:1 errors:1 paths:2 refused:0; do
	is "evidence: check_${c%:*} counted" "$(counter "check_${c%:*}")" "${c#*:}"
done
for c in early_talk pipelining helo_syntax helo_name helo_literal helo_ours errors paths; do
	check "evidence: $c is in the log of the decision" log_wait event=decision verdict=pass evidence=$c
done
rude x 'GET / HTTP/1.1' "$HELLO" >/dev/null
check "evidence: non_smtp is in the log of the decision" log_wait event=decision verdict=pass evidence=non_smtp

endless=(); for _ in $(seq 20); do endless+=(X); done
n=$(counter limit_errors)
is "evidence: nobody goes on for ever: limit commands" "$(talk $SRC $GATE4 "$HELLO" "${endless[@]}" | codes)" \
	"220 250$(printf ' 500%.0s' {1..15}) 421"
is "evidence: limit_errors is not what ended it" "$(counter limit_errors)" "$n"

check "reload: all reject" checks reject
n=$(counter limit_errors)
bad="220 250 250 550 250 221"
is "reject: recipients are refused, other protocols shown the door" "$(all :eof)" "early_talk 220 250 250 550 221
pipelining 220 250 250 250 550 250 221
helo_syntax 220 501 250 250 550 250 221
helo_name $bad
helo_name $bad
helo_literal $bad
helo_literal $bad
helo_ours $bad
non_smtp 220 550
errors 220 250 500 500 500 500 421
paths 220 250 501 503 250 221
paths 220 250 250 501 250 221
none $good
none $good
none $good"
is "reject: limit_errors counts who is shown the door" "$(counter limit_errors)" $((n + 1))
out=$(rude x 'EHLO localhost')
like "with a reason, a ticket and a contact" "$out" \
	'^S: 550 5\.5\.0 Refused: EHLO without a fully qualified name \(ticket [0-9A-Z]{13}; postmaster@example\.net\)$'
like "explain knows it" "$(gg explain $SRC)" 'helo_name'
like "postmaster stays reachable" "$(talk $SRC $GATE4 'EHLO localhost' "$FROM" 'RCPT TO:<postmaster@example.net>' QUIT | codes)" \
	'^220 250 250 250 221$'
gg allow $SRC >/dev/null
is "an allowed source may be as it is" "$(rude x 'EHLO localhost' | codes)" "$good"
gg forget $SRC >/dev/null

# ---- real clients of other protocols ----
like "curl speaks HTTP" "$(on client $PYTHON - <<-END 2>&1
	import http.client
	try: http.client.HTTPConnection("$GATE4", 25, timeout=10).request("GET", "/")
	except Exception as e: print(e)
	c = http.client.HTTPConnection("$GATE4", 25, timeout=10)
	c.request("POST", "/", b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<user1@example.net>\r\n")
	print(c.sock.makefile("rb").read().decode())
END
)" '550 5\.5\.0 This is a mail server'
n=$(counter check_non_smtp)
on client timeout 10 openssl s_client -connect $GATE4:25 </dev/null >/dev/null 2>&1
soon "a TLS ClientHello on the plain port is known" $((n + 1)) counter check_non_smtp
gate_stop; is "SIGTERM: exit code 0" $? 0
