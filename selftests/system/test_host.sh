#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Host mode: Postfix owns port 25 of the address. Strangers meet the daemon, promoted sources meet
# Postfix and leave no trace in the daemon; open sessions survive every change of the lists.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/system/scenes.sh
. "$HERE/scenes.sh"

net_up || bail "network namespaces"
postfix_new mx gate "smtpd_authorized_xclient_hosts = 127.0.0.0/8 [::1]/128" || bail "Postfix as the mail server"
mode=host
listen='"0.0.0.0:10025", "[::]:10025"'
protect="\"$GATE4:25\", \"[$GATE6]:25\""
backend='"127.0.0.1:25"'
short="first = 200ms  interval = 20ms  deny_limit = 200ms"
stutter=$short
greylist="delay = 1s  delay_clean = 1s  delay_suspicious = 1s  jitter = 0  promote_after = 2"
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"


# ---- strangers meet the daemon, and become known ----
scene_strangers
sleep 1.1
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
before=$(counter lookup_mta)
scene_frames
scene_known
between "lookup_mta counted them" "$(($(counter lookup_mta) - ${before:-0}))" 2 20
postfix_said mx
like "Postfix saw the client itself" "$(cat "$T/mx/maillog")" 'client=unknown\[192\.0\.2\.7\]'

# ---- samples of theirs meet the daemon, which lets them through ----
resample() { sample=$1 stutter=$2; gate_conf; gg reload; }
check "reload with sample = 1" resample 1 "first = 10s  interval = 1s  deny_limit = 200ms"
for src in $SOURCES; do
	out=$(attempt "$src" "$(server_for "$src")" new2@sender.example user3@example.net)
	like "$src: a sample is answered by the daemon" "$out" "$DAEMON"
	like "$src: and delivered at the first attempt" "$out" "$STORED"
	between "$src: without a stutter" "$(stamp whole <<<"$out")" 0 9000
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
check "reload with sample = 0" resample 0 "$short"
like "without samples it is Postfix again" "$(hello 192.0.2.7)" "$POSTFIX"

# ---- promotion and demotion in the middle of a session ----
scene_open_sessions
check "demote event" log_wait event=demote src=203.0.113.7

# ---- a reload changes what is protected ----
guarded=$protect
at=$(log_size)
protect="$guarded, \"192.0.2.26:25\", \"[2001:db8:1::26]:25\""
ip -n gate addr add 192.0.2.26/24 dev g0
ip -n gate addr add 2001:db8:1::26/64 dev g0 nodad
gate_conf
check "greygate reload with more to protect" gg reload
while read -r src dst; do
	like "$dst: guarded by now" "$(talk "$src" "$dst" 'EHLO client.example.org' QUIT)" "$DAEMON"
	rm -f "$T/in.$dst"
	talk "$src" "$dst" 'EHLO client.example.org' ":touch $T/in.$dst" ":await $T/out" 'MAIL FROM:<open@sender.example>' \
		'RCPT TO:<user1@example.net>' QUIT >"$T/open.$dst" &
	wait_for 10 test -e "$T/in.$dst"
done <<-END
	203.0.113.8 192.0.2.26
	2001:db8:78::8 2001:db8:1::26
END
check "the log says so" log_wait "+$at" event=reload verdict=done
protect=$guarded
check "SIGHUP with less" gate_renew
for dst in 192.0.2.26 2001:db8:1::26; do
	src=203.0.113.8; [ $dst = 192.0.2.26 ] || src=2001:db8:78::8
	like "$dst: left alone by now" "$(talk $src $dst 'EHLO client.example.org' QUIT)" "$POSTFIX"
	like "$src: the others are guarded as before" "$(hello $src)" "$DAEMON"
done
touch "$T/out"
for dst in 192.0.2.26 2001:db8:1::26; do
	check "$dst: its open session goes on" wait_for 20 grep -q '^S: 221' "$T/open.$dst"
	like "$dst: with the daemon" "$(cat "$T/open.$dst")" '^S: 451 4\.7\.1 Greylisted'
done
at=$(log_size)
sed -i 's/^mode = .*/mode = sideways/' "$T/greygate.conf"
refuse "a file with an error is refused" gg reload
check "the log says that too" log_wait "+$at" event=reload verdict=refused
gate_conf

# ---- the mail server on a protected address that is the second one of its network ----
for where in 192.0.2.26:25 '[2001:db8:1::26]:25'; do
	gate_stop; is "backend = $where: SIGTERM: exit code 0" $? 0
	# What is at the mail server by now comes from no address that XCLIENT is for: it is not told.
	backend="\"$where\"" protect="\"$where\"" upstream='xclient = no' gate_conf
	at=$(log_size)
	check "backend = $where: greygated starts" gate_start
	src=203.0.113.8 dst=${where%:25}
	case $where in \[*) src=2001:db8:78::8 dst=${dst//[][]/} ;; esac
	talk $src "$dst" 'EHLO client.example.org' 'MAIL FROM:<second@sender.example>' \
		'RCPT TO:<user1@example.net>' QUIT >/dev/null
	sleep 1.1
	like "backend = $where: a stranger's retry is delivered" \
		"$(attempt $src "$dst" second@sender.example user1@example.net)" "$STORED"
	is "backend = $where: and the daemon is no client of its own" \
		"$(tail -c "+$at" "$T/gate.log" | grep '"event":"connect"' | grep -vc "\"src\":\"$src\"")" 0
done
gate_stop; is "SIGTERM: exit code 0" $? 0
gate_conf
check "and back" gate_start

# ---- the daemon is gone ----
gg deny 203.0.113.66 --action drop_new >/dev/null
gate_kill
scene_down_open
check "a restart takes the socket lookup over" gate_start
like "strangers meet the daemon again" "$(hello 203.0.113.8)" "$DAEMON"
like "the promoted source is still known" "$(hello 2001:db8:1::7)" "$POSTFIX"

gate_stop; is "SIGTERM: exit code 0" $? 0
when_down=closed
gate_conf
check "starts with when_down = closed" gate_start
gate_kill
scene_down_closed

check "detach works without a daemon" on gate "$BUILD/greygate" -c "$T/greygate.conf" detach
like "detached: everyone meets Postfix" "$(hello 203.0.113.8)" "$POSTFIX"
unlike "detached: no program is left on the interface" "$(ip -n gate link show g0)" 'xdp'
is "detached: no pin is left" "$(pins)" 0

# ---- a family that listen has no address of ----
when_down=closed
for listen in '"[::1]:10025"' '"127.0.0.1:10025"'; do
	gate_conf
	check "listen = $listen: greygated starts" gate_start
	for src in 203.0.113.8 2001:db8:79::9; do
		like "listen = $listen: $src meets the daemon" "$(hello $src)" "$DAEMON"
	done
	is "listen = $listen: nothing of it listens to others" \
		"$(on gate ss -Hltnp | grep greygated | grep -vcE ' (127\.0\.0\.1|\[::1\]):')" 0
	gate_stop; is "listen = $listen: SIGTERM: exit code 0" $? 0
done
