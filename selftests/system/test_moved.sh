#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A mail server that greets and is then lost: until it took a recipient the transaction begins again at the
# next one; afterwards the client hears 451 4.4.2. Nothing is stored twice.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
net_up || bail "network namespaces"
OTHER4=198.51.100.3
A=$T/a B=$T/b
mkdir "$A" "$B"
ip -n mail addr add $OTHER4/24 dev m0
listens() { on mail bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null; }
serve() { # address port directory
	start_on mail $PYTHON "$HERE/backend.py" "$1,$2" "$3" 2>>"$T/backend.log"
	wait_for 10 listens "$1" "$2" || bail "a mail server" "$(cat "$T/backend.log")"
}
serve $MAIL4 2525 "$A"
serve "$MAIL6" 2525 "$A"
smtp_service=25 postfix_new mx mail || bail "Postfix"
greylist="mode = off"
limit="per_source = 1000  new_per_source = 0  hosts = 10k"
upstream="timeout = 3s"
to() { backend=$1; gate_stop >/dev/null 2>&1; gate_renew; } # a daemon that knows nothing
n=0
export TALK_TIMEOUT=60
send() { n=$((n + 1)); attempt "${1:-192.0.2.7}" "${2:-$GATE4}" "a$n@sender.example" user1@example.net; }
behave() { rm -f "$A"/{mail,rcpt,data,banner}; [ $# = 0 ] || echo "$2" >"$A/$1"; }
downs() { logged event=relay verdict=down 2>/dev/null | grep -c .; }
stored() { find "$A" "$B" "$T/mx/box/new" -type f \( -name '*.eml' -o -path '*/box/new/*' \) | wc -l; }
all_stored() { [ "$(stored)" = "$told" ]; }
told=0
POSTFIX='^S: 250 2\.0\.0 Ok: queued'

# ---- Postfix behind one that misbehaves ----
for place in "$MAIL4 mail" "[$MAIL6] rcpt"; do
	read -r first stage <<<"$place"
	for how in close reset garbage '421 4.3.2 going' hang; do
		behave
		to "\"$first:2525\", \"[$MAIL6]:25\"" || bail "greygated starts" "$(tail -n 3 "$T/gate.log")"
		behave $stage "$how"
		like "$first, $stage: $how: the next one takes it" "$(send)" "$POSTFIX"
		is "$first, $stage: $how: one loss leaves it up" "$(downs)" 0
		is "$first, $stage: $how: counted" "$(counter backend_moved)" 1
		told=$((told + 1))
	done
done
behave
to "\"$MAIL4:2525\", \"$MAIL4:25\""
behave rcpt '450 4.2.0 busy'
like "a refusal is no loss: it is handed on" "$(send)" '^S: 450 4\.2\.0 busy'
behave rcpt 'once:421 4.3.2 going'
like "IPv6 client" "$(send 2001:db8:1::7 $GATE6)" "$POSTFIX"
told=$((told + 1))

# ---- after the first recipient ----
behave
two() { # stage how: two recipients, the second of which the mail server does not live to see
	behave
	rm -f "$T/one" "$T/go"
	talk 192.0.2.7 $GATE4 'EHLO client.example.org' 'MAIL FROM:<two@sender.example>' 'RCPT TO:<user1@example.net>' \
		":touch $T/one" ":await $T/go" 'RCPT TO:<user2@example.net>' DATA QUIT >"$T/two" &
	local job=$!
	wait_for 20 test -e "$T/one"
	behave rcpt "$1"
	touch "$T/go"
	wait $job
	cat "$T/two"
}
out=$(two close)
like "lost at the second recipient: 4.4.2" "$out" '^S: 451 4\.4\.2 '
unlike "and nothing is promised any more" "$out" '^S: (354|250 2\.1\.5 Ok)'
like "421 at the second recipient is handed on" "$(two '421 4.3.2 going')" '^S: 421 4\.3\.2 going'

# ---- several in a row ----
check "three in a row: it is down" log_wait event=relay verdict=down backend=$MAIL4:2525
behave
before=$(grep -c 'MAIL FROM' "$A/log")
like "the next client's mail goes to the other" "$(send 203.0.113.7)" "$POSTFIX"
told=$((told + 1))
is "and the lost one is not asked, though it greets" "$(grep -c 'MAIL FROM' "$A/log")" "$before"
to "\"$MAIL4:2525\", \"$MAIL4:25\""
before=$(downs)
behave data close
like "lost at DATA: 4.4.2" "$(send)" '^S: 451 4\.4\.2 '
behave
like "and an answer" "$(send)" '^S: 250 2\.0\.0 stored'; told=$((told + 1))
for _ in 1 2 3; do
	behave mail close
	send >/dev/null; send >/dev/null; told=$((told + 2))
	behave
	like "two in a row, and an answer" "$(send)" '^S: 250 2\.0\.0 stored'; told=$((told + 1))
done
is "are no reason to leave it" "$(downs)" "$before"
behave mail close
size=$(log_size)
pids=()
for i in 7 8; do send 192.0.2.$i >"$T/at.$i" & pids+=($!); done
for i in 7 8 9; do send 203.0.113.$i >"$T/at.$i$i" & pids+=($!); done
wait "${pids[@]}"
is "five at once: each is delivered" "$(cat "$T"/at.* | grep -cE "$POSTFIX")" 5
told=$((told + 5))
check "and it is left" log_wait "+$size" event=relay verdict=down backend=$MAIL4:2525

# ---- the only one ----
behave
to "\"$MAIL4:2525\""
behave mail once:close
like "the only one: a fresh connection" "$(send)" '^S: 250 2\.0\.0 stored'; told=$((told + 1))
for how in close garbage hang; do
	behave rcpt $how
	like "the only one: $how is 4.4.2" "$(send)" '^S: 451 4\.4\.2 '
done
behave rcpt '421 4.3.2 going'
like "the only one: 421 is handed on" "$(send)" '^S: 421 4\.3\.2 going'
behave
like "down as it is, there is no other: it is asked" "$(send)" '^S: 250 2\.0\.0 stored'; told=$((told + 1))
check "and up again" log_wait event=relay verdict=up

# ---- an overdue greeting ----
to "\"$MAIL4:2525\", \"$MAIL4:25\""
behave banner hang
like "a banner that never comes: the next one takes it" "$(send)" "$POSTFIX"; told=$((told + 1))
check "every message told 250 is stored, once" wait_for 20 all_stored
gate_stop; is "SIGTERM: exit code 0" $? 0
