#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Lost answers: a client that is gone before it can hear 250 sends the same message again, and it is
# not delivered twice; everything that differs in anything is.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
B=$T/backend
backend_up mail "$MAIL4,25" "$B" || exit 1
printf '250-backend.example.net\\r\\n250-8BITMIME\\r\\n250 CHUNKING\n' >"$B/ehlo"
interfaces=
greylist="mode = off"
limit="per_source = 1000  unconfirmed = 50"
upstream="timeout = 15s"
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"

HELLO='EHLO client.example.org'
offers() { talk 192.0.2.7 $GATE4 "$HELLO" QUIT | grep -q '^S: 250-CHUNKING$'; }
check "the mail server's offers are known" wait_for 10 offers
stored() { find "$B" -name '*.eml' | wc -l; }
mail() { # id size [pad]: writes $T/m
	{ printf 'From: <a@sender.example>\nMessage-ID: <%s@sender.example>\nSubject: %s\n\n' "$1" "${3-x}"
	head -c "$2" /dev/zero | tr '\0' y | fold -w 70; echo; } >"$T/m"
}
sender=a@sender.example
to=(user1@example.net)
envelope() { echo "$HELLO"; echo "MAIL FROM:<$sender>"; printf 'RCPT TO:<%s>\n' "${to[@]}"; }
send() { # step...: the message in $T/m with what follows it
	local steps; mapfile -t steps < <(envelope)
	talk "${source:-192.0.2.7}" "${server:-$GATE4}" "${steps[@]}" "$@"
}
again='^S: 250 2\.0\.0 Ok, the mail server has taken this message before'
fresh='^S: 250 2\.0\.0 stored as'
whole() { send DATA ":body $T/m" QUIT; }
# The client is gone before it is answered; the mail server has the message all the same.
vanish() { # step...
	local n; n=$(stored)
	send DATA ":part $T/m" ':send .\r\n' "$@" >/dev/null
	check "the mail server has what a client left behind" wait_for 5 more "$n"
}
more() { [ "$(stored)" -gt "$1" ]; }

# ---- at each point ----
for how in :reset :close; do
	mail "gone$how" 200
	vanish $how
	n=$(stored)
	like "gone ($how) before the answer: the retry is answered 250" "$(whole)" "$again"
	is "and not delivered again" "$(stored)" "$n"
	like "nor the one after it" "$(whole)" "$again"
	like "from another address, over IPv6" "$(source=2001:db8:1::7 server=$GATE6 whole)" "$again"
	is "still once" "$(stored)" "$n"
done
is "counted" "$(counter duplicates)" 6
check "and logged" log_wait event=relay reason=duplicate verdict=pass from=$sender
mail big 300000
vanish :reset
n=$(stored)
like "a big one, whose beginning the mail server hears again" "$(whole)" "$again"
is "once" "$(stored)" "$n"
mail big 300000
sed -i '$ s/y$/z/' "$T/m"
like "the same but for its last byte: delivered" "$(whole)" "$fresh"
mail half 5000
send DATA ":part $T/m" :reset >/dev/null
sleep 0.1
like "gone before the end: delivered" "$(whole)" "$fresh"
mail ended 200
send DATA ":body $T/m" :reset >/dev/null
like "gone after the answer, without a word: taken for one that has not heard" "$(whole)" "$again"

# ---- what shows that it has heard, and what does not ----
left() { [ "$(counter sessions)" = 0 ]; }
open() { counter unconfirmed; }
heard() { # name step...: with the message in $T/m and what follows it
	local name=$1 before; shift
	before=$(open)
	mail "$name" 200
	send DATA "$@" >/dev/null
	check "$name: the session is over" wait_for 10 left
	is "$name: it has heard" "$(open)" "$before"
	like "$name: the same again is delivered" "$(whole)" "$fresh"
	check "$name: the session is over again" wait_for 10 left
}
heard "QUIT" ":body $T/m" QUIT
heard "QUIT and the end, not waiting for its answer" ":body $T/m" ':last QUIT\r\n'
heard "QUIT along with the message" ":part $T/m" ':send .\r\nQUIT\r\n' ':reply 2' :close
heard "a FIN without a word" ":body $T/m" ':reads' :close
heard "commands, one by one" ":body $T/m" NOOP NOOP :reset
heard "another message" ":body $T/m" 'MAIL FROM:<b@sender.example>' 'RCPT TO:<user2@example.net>' DATA ":part $T/m" :reset
unheard() { # name step...: the client is gone before the mail server answers
	local name=$1 before n; shift
	before=$(open) n=$(stored)
	mail "$name" 200
	rm -f "$B/gone"
	echo await:gone >"$B/dot"
	send DATA ":part $T/m" "$@" :close >/dev/null
	touch "$B/gone"
	check "$name: the mail server has it" wait_for 10 more "$n"
	rm "$B/dot"
	check "$name: the session is over" wait_for 10 left
	is "$name: it has not heard" "$(open)" $((before + 1))
	like "$name: the same again is not delivered" "$(whole)" "$again"
	is "$name: once" "$(stored)" $((n + 1))
}
unheard "gone" ':send .\r\n'
unheard "gone, QUIT along with the message" ':send .\r\nQUIT\r\n'
unheard "gone, QUIT by itself" ':send .\r\n' ':sleep 0.2' ':send QUIT\r\n'
unheard "gone, commands and QUIT" ':send .\r\n' ':sleep 0.1' ':send RSET\r\nNOOP\r\n' ':sleep 0.1' ':send QUIT\r\n'

# ---- the same again before the mail server has answered ----
early='^S: 451 4\.3\.0 The mail server is still taking this message'
mail early 200
n=$(stored) before=$(counter duplicates_early)
rm -f "$B/gone"
echo await:gone >"$B/dot"
send DATA ":part $T/m" ':send .\r\n' :close >/dev/null
like "retried while the mail server thinks: put off" "$(whole)" "$early"
like "from another address, over IPv6" "$(source=2001:db8:1::7 server=$GATE6 whole)" "$early"
like "in chunks" "$(send ":chunks $T/m 100" QUIT)" "$early"
is "counted" "$(counter duplicates_early)" $((before + 3))
check "and logged" log_wait event=relay reason=under_way verdict=defer from=$sender
sender=b@sender.example
send DATA ":body $T/m" QUIT >"$T/other" &
other=$!
sender=a@sender.example
touch "$B/gone"
wait $other
like "another sender's is another message" "$(cat "$T/other")" "$fresh"
check "the mail server has both" wait_for 10 more $((n + 1))
rm "$B/dot"
check "the sessions are over" wait_for 10 left
like "retried after that: taken before" "$(whole)" "$again"
is "once each" "$(stored)" $((n + 2))
for how in '450 4.2.0 busy' close; do
	mail "early $how" 200
	echo "once:$how" >"$B/dot"
	send DATA ":body $T/m" ":sleep 2" QUIT >"$T/first" &
	first=$!
	check "the first one is answered ($how)" wait_for 10 grep -q '^S: 45' "$T/first"
	like "$how: nothing is under way any more" "$(whole)" "$fresh"
	wait $first
done

# ---- what differs ----
mail one 200
vanish :reset
to=(user2@example.net)
like "another recipient: delivered" "$(whole)" "$fresh"
to=(user1@example.net user2@example.net)
like "one recipient more: delivered" "$(whole)" "$fresh"
to=(user1@example.net) sender=b@sender.example
like "another sender: delivered" "$(whole)" "$fresh"
sender=a@sender.example
mail one 200 other
like "the same Message-ID, another text: delivered" "$(whole)" "$fresh"
mail two 200
like "another Message-ID: delivered" "$(whole)" "$fresh"
mail one 200
like "the same after all of that: taken before" "$(whole)" "$again"
to=(user1@example.net user2@example.net)
mail order 200
vanish :reset
to=(user2@example.net user1@example.net)
like "recipients in another order: taken before" "$(whole)" "$again"
to=(user1@example.net)
mail none 200
sed -i '/^Message-ID/d' "$T/m"
vanish :reset
like "without a Message-ID: delivered" "$(whole)" "$fresh"
mail refused 200
echo 'once:451 4.3.0 not now' >"$B/dot"
send DATA ":part $T/m" ':send .\r\n' :reset >/dev/null
check "the mail server has refused it" wait_for 10 test ! -e "$B/dot"
like "what the mail server refused: delivered" "$(whole)" "$fresh"

# ---- in chunks ----
mail chunks 3000
n=$(stored)
size=$(sed 's/$/\r/' "$T/m" | wc -c)
send ":chunks $T/m 1000" :reset >/dev/null
is "in chunks: delivered" "$(stored)" $((n + 1))
like "the same in other chunks: taken before" "$(send ":chunks $T/m 700" QUIT)" "$again"
like "in one" "$(send ":chunks $T/m $size" QUIT)" "$again"
like "after DATA" "$(whole)" "$again"
is "once" "$(stored)" $((n + 1))
mail dots 200
printf '%s\n' . .. .x x. >>"$T/m"
sed 's/^\./../' "$T/m" >"$T/stuffed"
n=$(stored)
size=$(sed 's/$/\r/' "$T/m" | wc -c)
send DATA ":body $T/m" :reset >/dev/null
is "dots in front of lines, after DATA: delivered" "$(stored)" $((n + 1))
like "in a chunk, where they are not stuffed: taken before" "$(send ":chunks $T/m $size" QUIT)" "$again"
cp "$T/stuffed" "$T/m"
like "a dot more in each is another message" "$(whole)" "$fresh"

# ---- bounded ----
for i in $(seq 70); do
	mail "many$i" 50
	send DATA ":body $T/m" :reset
done >/dev/null
between "limit unconfirmed: the longest remembered make room" "$(counter limit_unconfirmed)" 10 70
mail many70 50
like "the last one is still known" "$(whole)" "$again"
gate_stop; is "SIGTERM: exit code 0" $? 0

limit="per_source = 1000  unconfirmed = 0"
gate_conf
gate_start || bail "greygated starts without"
mail off 200
vanish :reset
like "limit unconfirmed = 0: delivered again" "$(whole)" "$fresh"
gate_stop; is "SIGTERM: exit code 0" $? 0
