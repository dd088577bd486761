#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A reload takes a mail server out of backend: the transaction that is under way ends there, the next one of the
# same session and every other goes to the new one, and no connection to the old one stays.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
net_up || bail "network namespaces"
A=$T/a B=$T/b
backend_up mail $MAIL4,2525 "$A" && backend_up mail "$MAIL6,2525" "$B" || bail "mail servers"
greylist="mode = off"
limit="per_source = 1000  new_per_source = 0  hosts = 10k"
upstream="timeout = 15s  idle = 60s"
stored() { echo "$(find "$A" -name '*.eml' | wc -l) $(find "$B" -name '*.eml' | wc -l)"; }
# Connections to a mail server that were used and have not ended.
left() { awk '/MAIL FROM/ { used[$1] = 1 } /<end>/ { delete used[$1] } END { print length(used) }' "$1/log"; }
none_left() { [ "$(left "$1")" = 0 ]; }
letter() { # name: one transaction
	printf '%s\n' "MAIL FROM:<$1@sender.example>" 'RCPT TO:<user1@example.net>' DATA ':body -'
}
# One session: a message before the reload, one around it, then four after it.
session() { # source server name
	local steps
	mapfile -t steps < <(
		echo 'EHLO client.example.org'
		letter "$3-before"
		printf '%s\n' "MAIL FROM:<$3-around@sender.example>" 'RCPT TO:<user1@example.net>' ":touch $T/$3.open" \
			":await $T/$3.go" 'RCPT TO:<user2@example.net>' DATA ':body -'
		letter "$3-after"
		echo RSET
		letter "$3-reset"
		echo 'EHLO client.example.org'
		letter "$3-greeted"
		echo QUIT
	)
	TALK_TIMEOUT=60 talk "$1" "$2" "${steps[@]}" >"$T/$3.out" 2>&1
}
# Another one, which has delivered and says nothing from then on.
idler() { # source server name
	local steps
	mapfile -t steps < <(
		echo 'EHLO client.example.org'
		letter "$3"
		printf '%s\n' ":touch $T/$3.open" ":await $T/$3.go" QUIT
	)
	TALK_TIMEOUT=60 talk "$1" "$2" "${steps[@]}" >"$T/$3.out" 2>&1
}

backend="\"$MAIL4:2525\""
gate_conf
gate_start || bail "greygated starts"
pids=()
session 192.0.2.7 $GATE4 four & pids+=($!)
session 2001:db8:1::7 $GATE6 six & pids+=($!)
idler 203.0.113.8 $GATE4 idle & pids+=($!)
like "one whose connection is kept" "$(attempt 203.0.113.7 $GATE4 warm@sender.example user1@example.net)" \
	'^S: 250 2\.0\.0 stored'
for name in four six idle; do
	check "session $name stands" wait_for 20 test -e "$T/$name.open"
done
is "the old one has the first messages" "$(stored)" "4 0"

backend="\"[$MAIL6]:2525\""
check "reload: another mail server" gate_renew
like "a new session goes there" "$(attempt 203.0.113.7 $GATE4 new@sender.example user1@example.net)" \
	'^S: 250 2\.0\.0 stored'
is "at once" "$(stored)" "4 1"
touch "$T/four.go" "$T/six.go"
for i in 0 1; do wait "${pids[i]}"; done
for name in four six; do
	is "session $name: five messages taken" "$(grep -c '^S: 250 2\.0\.0 stored' "$T/$name.out")" 5
	check "session $name: the transaction under way ended where it began" grep -q "$name-around" "$A/log"
	refuse "session $name: no other went there" grep -qE "$name-(after|reset|greeted)" "$A/log"
	is "session $name: but to the new one" "$(grep -cE "MAIL FROM:<$name-(after|reset|greeted)" "$B/log")" 3
done
is "every message is stored, once" "$(stored)" "6 7"
check "nothing holds a connection to the old one, nor does the session that is silent" wait_for 20 none_left "$A"
touch "$T/idle.go"
wait "${pids[2]}"
like "which goes on all the same" "$(cat "$T/idle.out")" '^S: 221 '
gate_stop; is "SIGTERM: exit code 0" $? 0
