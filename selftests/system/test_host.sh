#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Host mode: Postfix owns port 25 of the address. Strangers meet the daemon, promoted sources meet
# Postfix and leave no trace in the daemon; open sessions survive every change of the lists.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
postfix_new mx gate "smtpd_authorized_xclient_hosts = 127.0.0.0/8 [::1]/128" || bail "Postfix as the mail server"
mode=host
listen='"0.0.0.0:10025", "[::]:10025"'
protect="\"$GATE4:25\", \"[$GATE6]:25\""
backend='"127.0.0.1:25"'
stutter="first = 1s  interval = 200ms"
greylist="delay = 3s  delay_clean = 3s  delay_suspicious = 3s  jitter = 0  promote_after = 2"
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"

DAEMON='^S: 220 gate\.example\.net' POSTFIX='^S: 220 mx\.example\.net'
STORED='^S: 250 2\.0\.0 Ok: queued as'
DROPPED='^T: connect <timeout>'
SOURCES="192.0.2.7 2001:db8:1::7"
server_for() { case $1 in *:*) echo $GATE6 ;; *) echo $GATE4 ;; esac; }
hello() { talk "$1" "$(server_for "$1")" 'EHLO client.example.org' QUIT; }

# ---- strangers meet the daemon, and become known ----
for src in $SOURCES; do
	dst=$(server_for "$src")
	out=$(attempt "$src" "$dst" alice@sender.example user1@example.net)
	like "$src: a stranger's banner is the daemon's" "$out" "$DAEMON"
	like "$src: first attempt is 451" "$out" '^S: 451 4\.7\.1 Greylisted'
	attempt "$src" "$dst" bob@sender.example user1@example.net >/dev/null
done
for src in 203.0.113.7 2001:db8:77::7; do
	attempt "$src" "$(server_for "$src")" mid@sender.example user2@example.net >/dev/null
done
sleep 3.1
before=$(counter lookup_daemon)
for src in $SOURCES; do
	dst=$(server_for "$src")
	pin="$PIN/$(map_of "$src") $src"
	out=$(attempt "$src" "$dst" alice@sender.example user1@example.net)
	like "$src: the retry is delivered through the daemon" "$out" "$STORED"
	out=$(attempt "$src" "$dst" bob@sender.example user1@example.net ":map $pin 1")
	like "$src: the second sender promotes" "$out" "$STORED"
	unlike "$src: the entry is there" "$out" '<never>|<no pin'
done
between "lookup_daemon counted strangers" "$(($(counter lookup_daemon) - ${before:-0}))" 4 100

# ---- promoted sources meet Postfix itself ----
sleep 0.2
at=$(log_size)
before=$(counter lookup_mta)
for src in $SOURCES; do
	out=$(attempt "$src" "$(server_for "$src")" new@sender.example user3@example.net)
	like "$src: the next connection is answered by Postfix" "$out" "$POSTFIX"
	like "$src: and delivered by it" "$out" "$STORED"
done
sleep 0.3
for src in $SOURCES; do
	refuse "$src: no event in the daemon's log" logged "+$at" src="$src"
done
between "lookup_mta counted them" "$(($(counter lookup_mta) - ${before:-0}))" 2 20
like "Postfix saw the client itself" "$(cat "$T/mx/maillog")" 'client=unknown\[192\.0\.2\.7\]'

# ---- samples of theirs meet the daemon, which lets them through ----
resample() { sample=$1; gate_conf; gg reload; }
check "reload with sample = 1" resample 1
for src in $SOURCES; do
	out=$(attempt "$src" "$(server_for "$src")" new2@sender.example user3@example.net)
	like "$src: a sample is answered by the daemon" "$out" "$DAEMON"
	like "$src: and delivered at the first attempt" "$out" "$STORED"
	between "$src: without a stutter" "$(stamp whole <<<"$out")" 0 900
	check "$src: its decision is an observation" log_wait event=decision src="$src" verdict=observe
done
for src in $SOURCES; do
	out=$(talk "$src" "$(server_for "$src")" 'EHLO client.example.org' 'MAIL FROM:<new3@sender.example>' \
		'RCPT TO:<trap@example.net>' ":map $PIN/$(map_of "$src") $src 2" QUIT)
	like "$src: a sample that hits a trap is refused" "$out" '^S: 554 5\.7\.1'
	like "$src: and denied before its next SYN" "$out" '^T: map [0-9]'
	check "$src: it is demoted" log_wait event=demote src="$src" reason=trap
	gg forget "$src" >/dev/null
	gg allow "$src" >/dev/null
done
check "reload with sample = 0" resample 0
like "without samples it is Postfix again" "$(hello 192.0.2.7)" "$POSTFIX"

# ---- promotion and demotion in the middle of a session ----
for src in 203.0.113.7 2001:db8:77::7; do
	dst=$(server_for "$src")
	rm -f "$T/in" "$T/go"
	talk "$src" "$dst" 'EHLO client.example.org' 'MAIL FROM:<mid@sender.example>' ":touch $T/in" \
		":await $T/go" 'RCPT TO:<user2@example.net>' DATA ':body -' QUIT >"$T/mid" &
	job=$!
	wait_for 10 test -e "$T/in"
	check "$src: allow acts while its session is open" gg allow "$src"
	like "$src: a new connection meets Postfix" "$(hello "$src")" "$POSTFIX"
	touch "$T/go"
	wait $job
	like "$src: the open session stays with the daemon" "$(cat "$T/mid")" "$DAEMON"
	like "$src: and delivers" "$(cat "$T/mid")" "$STORED"

	rm -f "$T/in" "$T/go"
	talk "$src" "$dst" 'EHLO client.example.org' 'MAIL FROM:<mid2@sender.example>' ":touch $T/in" \
		":await $T/go" 'RCPT TO:<user2@example.net>' DATA ':body -' QUIT >"$T/mid" &
	job=$!
	wait_for 10 test -e "$T/in"
	check "$src: deny acts while its session is open" gg deny "$src" --action drop_new
	like "$src: a new connection is dropped" "$(TALK_TIMEOUT=1.5 hello "$src")" "$DROPPED"
	touch "$T/go"
	wait $job
	like "$src: the open session stays with Postfix" "$(cat "$T/mid")" "$POSTFIX"
	like "$src: and delivers" "$(cat "$T/mid")" "$STORED"
	gg deny "$src" --action reject >/dev/null
	out=$(talk "$src" "$dst" 'EHLO client.example.org' 'MAIL FROM:<mid@sender.example>' \
		'RCPT TO:<user2@example.net>' QUIT)
	like "$src: action reject gives it to the daemon, with a reason" "$out" '^S: 554 5\.7\.1 .*ticket'
	gg forget "$src" >/dev/null
	like "$src: forgotten, it is a stranger again" "$(hello "$src")" "$DAEMON"
done
check "demote event" log_wait event=demote src=203.0.113.7

# ---- the daemon is gone ----
gg deny 203.0.113.66 --action drop_new >/dev/null
gate_kill
answers() { hello "$1" | grep -qE "$2"; }
for src in 203.0.113.8 2001:db8:78::8; do
	check "$src: kill -9, when_down = open: a stranger reaches Postfix" wait_for 15 answers "$src" "$POSTFIX"
	like "$src: and is served" "$(attempt "$src" "$(server_for "$src")" down@sender.example user4@example.net)" "$STORED"
done
like "a drop_new verdict stays in force" "$(TALK_TIMEOUT=1.5 hello 203.0.113.66)" "$DROPPED"
like "an allowed source still meets Postfix" "$(hello 192.0.2.7)" "$POSTFIX"
check "a restart takes the socket lookup over" gate_start
like "strangers meet the daemon again" "$(hello 203.0.113.8)" "$DAEMON"
like "the promoted source is still known" "$(hello 2001:db8:1::7)" "$POSTFIX"

gate_stop; is "SIGTERM: exit code 0" $? 0
when_down=closed
gate_conf
check "starts with when_down = closed" gate_start
gate_kill
CLOSED='^T: connect <(refused|timeout)>'
closed() { TALK_TIMEOUT=2 hello "$1" | grep -qE "$CLOSED"; }
for src in 203.0.113.8 2001:db8:78::8; do
	check "$src: when_down = closed: a stranger is refused" wait_for 15 closed "$src"
done
like "when_down = closed: an allowed source still meets Postfix" "$(hello 192.0.2.7)" "$POSTFIX"

check "detach works without a daemon" on gate "$BUILD/greygate" -c "$T/greygate.conf" detach
like "detached: everyone meets Postfix" "$(hello 203.0.113.8)" "$POSTFIX"
unlike "detached: no program is left on the interface" "$(ip -n gate link show g0)" 'xdp'
is "detached: no pin is left" "$(pins)" 0
