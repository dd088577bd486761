#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SIGUSR2 in each mode: the new process takes all over, the old one brings its sessions to their end.
# No connection is refused, no session broken, no message lost or doubled, and a new process that does
# not get ready changes nothing.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/system/scenes.sh
. "$HERE/scenes.sh"

net_up || bail "network namespaces"
ip -n client route add 198.51.100.0/24 via $GATE4; ip -n client route add 2001:db8:2::/64 via $GATE6
ip -n mail route add default via 198.51.100.1; ip -n mail -6 route add default via 2001:db8:2::1
on gate sh -c 'for f in /proc/sys/net/ipv[46]/conf/all/forwarding; do echo 1 >"$f"; done'
on client ethtool -K c0 tx off gro on >/dev/null; on mail ethtool -K m0 tx off gro on >/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=gate.example.net \
	-keyout "$T/gate.key" -out "$T/gate.pem" 2>/dev/null
chown $GATE_USER "$T/gate.key"
export TALK_TIMEOUT=120
SRC=192.0.2.7
declare -A OTHER=([4]=203.0.113.7 [6]=2001:db8:77::7)
HELLO='EHLO client.example.org' FROM='MAIL FROM:<a@sender.example>' TO='RCPT TO:<user1@example.net>'
stutter="first = 0s  interval = 200ms  deny_limit = 8s"
greylist="delay = 1s  delay_clean = 1s  delay_suspicious = 1s  jitter = 0  promote_after = 1"
limit="per_source = 1000  message = 10m  new_per_source = 0"
extra="tls { certificate = \"$T/gate.pem\"  key = \"$T/gate.key\" }"
# Another program can come to stand where the daemon was started from.
cp "$BUILD/greygated" "$T/greygated"
gate_start() {
	start_on gate "$T/greygated" -c "$T/greygate.conf" -f >"$T/gate.out" 2>>"$T/gate.log"
	gate_pid=$started
	wait_for 10 gate_up && ! gone "$gate_pid"
}

# Two halves of 5 MB, which differ in every line.
seq -f 'line %09.0f of the first half, and what belongs to it' 40000 >"$T/half1"
seq -f 'line %09.0f of the second half, and what belongs to it' 40000 >"$T/half2"

upgrade() { # the new pid is gate_pid then
	old_pid=$gate_pid
	kill -USR2 "$gate_pid"
	wait_for 20 is_another "$old_pid" || return 1
	gate_pid=$(pid_now)
}

# The message stops in the middle while the daemon is replaced, and then goes on.
long_message() { # name source server
	# With all headers that Postfix would else add.
	{
		printf 'From: <a@sender.example>\nTo: <user1@example.net>\nDate: Sat, 21 Nov 2026 12:00:00 +0000\n'
		printf 'Message-Id: <%s@sender.example>\nSubject: %s\n\n' "$1" "$1"
		cat "$T/half1"
	} >"$T/$1.part"
	cat "$T/$1.part" "$T/half2" >"$T/$1.sent"
	talk "$2" "$3" "$HELLO" "$FROM" "$TO" DATA ":part $T/$1.part" ":touch $T/$1.in" ":await $T/$1.go" \
		":part $T/half2" :dot QUIT >"$T/$1.out"
}
tls_session() { # name server
	talk 203.0.113.9 "$2" "$HELLO" STARTTLS ':tls 1.3' "$HELLO" ":touch $T/$1.in" ":await $T/$1.go" NOOP \
		"$FROM" "$TO" QUIT
}
stops() { [ "$(logged "$1" event=stop reason=upgrade | wc -l)" = "$2" ]; } # +offset how-many
learned() { gg list learned | grep -q "^$1 "; }

everything() { # mode server its-IPv6-address mail-server
	local name=$1 server=$2 mx=$4 v jobs_ log
	local -A servers=([4]=$2 [6]=$3)
	drain_time=120s gate_conf
	gate_start || bail "$name: greygated starts"
	log=$(log_size)
	for v in 4 6; do attempt ${OTHER[$v]} "${servers[$v]}" a@sender.example user1@example.net >/dev/null; done
	gg deny 203.0.113.66 --action stutter --reason upgrade >/dev/null
	sleep 1.1

	jobs_=
	for v in 4 6; do
		long_message "$name-$v" ${OTHER[$v]} "${servers[$v]}" &
		jobs_="$jobs_ $!"
	done
	tls_session "$name-tls" "$server" >"$T/$name-tls.out" &
	jobs_="$jobs_ $!"
	talk 203.0.113.66 "$server" "$HELLO" "$FROM" "$TO" QUIT >"$T/$name-slow.out" &
	jobs_="$jobs_ $!"
	for v in 4 6; do
		wait_for 10 test -e "$T/$name-$v.in" || fail "$name: the message is on its way" "$(cat "$T/$name-$v.out")"
	done
	wait_for 10 test -e "$T/$name-tls.in" || fail "$name: the TLS session stands" "$(cat "$T/$name-tls.out")"
	on client $PYTHON "$HERE/surge.py" 203.0.113.8 "$server" 4 "$T/$name.stop" >"$T/$name.surge" &
	jobs_="$jobs_ $!"
	check "$name: a new process takes over" upgrade
	first_old=$old_pid
	refuse "$name: the old one is still there, with its sessions" gone "$first_old"
	like "$name: status says so" "$(gg status)" "before +process $first_old, before the upgrade, drains [0-9]+ session"
	check "$name: once more at once" upgrade
	check "$name: and a third time" upgrade
	touch "$T/$name.stop" "$T/$name-4.go" "$T/$name-6.go" "$T/$name-tls.go"
	# shellcheck disable=SC2086
	wait $jobs_
	like "$name: the crowd saw nothing of it" "$(cat "$T/$name.surge")" '^whole=[1-9][0-9]{1,} broken=0 late=0 $'
	for v in 4 6; do
		like "$name: the long message is taken over IPv$v" "$(cat "$T/$name-$v.out")" '^S: 250 2\.0\.0'
		wait_for 5 boxed_is "$mx" "Subject: $name-$v" 1
		is "$name: it arrived once" "$(boxed "$mx" "Subject: $name-$v")" 1
		check "$name: and whole" ends_with "$(boxed_file "$mx" "Subject: $name-$v")" "$T/$name-$v.sent"
	done
	like "$name: the TLS session lived on" "$(cat "$T/$name-tls.out")" '^S: 221 '
	like "$name: so did the stuttered one" "$(cat "$T/$name-slow.out")" '^S: 221 '
	check "$name: the first process ends when it has nothing to do any more" wait_for 8 gone "$first_old"
	check "$name: each of the old ones says why" wait_for 5 stops "+$log" 3
	like "$name: the new one has the verdicts" "$(gg list deny)" '203\.0\.113\.66 .*upgrade'
	check "$name: so has the kernel" map_is 203.0.113.66 GG_DENY
	for v in 4 6; do
		check "$name: and what an old one learned while it ended" wait_for 3 learned ${OTHER[$v]}
		check "$name: and so has the kernel" wait_for 3 map_is ${OTHER[$v]} GG_ALLOW
	done
	check "$name: reload works" gg reload
}
# A new process that does not get ready.
refused() { # name what-the-log-says
	local at; at=$(log_size)
	kill -USR2 "$gate_pid"
	check "$1: refused" wait_for 20 logged "+$at" event=upgrade verdict=refused
	like "$1: says why" "$(logged "+$at" event=upgrade verdict=refused)" "$2"
	is "$1: the old one goes on" "$(pid_now)" "$gate_pid"
	like "$1: and serves" "$(talk $SRC ${to:-$GATE4} "$HELLO" QUIT)" '^S: 221 '
	at=$((at % 200 + 1))
	gg deny 198.18.0.$at >/dev/null
	check "$1: and decides in the kernel" map_is 198.18.0.$at GG_DENY
}
rules=$(routing)

postfix_new mx mail || bail "Postfix as the mail server"

# An interface more, which nothing comes by.
ip -n gate link add g2 type veth peer name e2 && ip -n gate link set g2 up && ip -n gate link set e2 up ||
	bail "another veth pair"
mode=gateway interfaces='"g0", "g1", "g2"' listen='' backend='' protect="\"$MAIL4:25\", \"[$MAIL6]:25\""
everything gateway $MAIL4 $MAIL6 mx
cp "$T/greygate.conf" "$T/good.conf"
sed "s/^protect = .*/protect = {\"$MAIL4:25\"}/" "$T/good.conf" >"$T/greygate.conf"
to=$MAIL4 refused "an endpoint less" "protect: .$MAIL6.:25 can.t be taken out by an upgrade"
sed 's/^interfaces = .*/interfaces = {"g0", "g1"}/' "$T/good.conf" >"$T/greygate.conf"
to=$MAIL4 refused "an interface less" "interfaces: g2 can.t be taken out by an upgrade"
like "its program is still there" "$(on gate tc filter show dev g2 ingress)" greygate
ip -n gate link del g2
check "one less that is gone: a new process takes over" upgrade
cp "$T/good.conf" "$T/greygate.conf"
like "who comes second is told who was first" "$(on gate "$T/greygated" -c "$T/greygate.conf" -f 2>&1)" \
	"in use by process $(pid_now): "
scene_end gateway
unset listen backend protect
mode=relay interfaces='"g0"'
everything relay $GATE4 $GATE6 mx

# ---- a new process that does not get ready ----
cp "$T/greygate.conf" "$T/good.conf"
echo 'nonsense = 1' >>"$T/greygate.conf"
refused "a broken configuration" 'greygate\.conf:[0-9]+: nonsense'
sed 's/^interfaces = .*/interfaces = {"nosuch0"}/' "$T/good.conf" >"$T/greygate.conf"
refused "an interface that is not there" nosuch0
sed 's/^workers = .*/workers = 3/' "$T/good.conf" >"$T/greygate.conf"
refused "another number of workers" 'workers can.t be changed by an upgrade'
cp "$T/good.conf" "$T/greygate.conf"
rm "$T/greygated"
refused "no program" "greygated.*No such file"
cp /bin/false "$T/greygated"
refused "another program" 'ended before it was ready'
cp "$BUILD/greygated" "$T/greygated.new" && mv "$T/greygated.new" "$T/greygated"
is "refusals are counted" "$(counter upgrades_refused)" 5
check "with the right one it goes well" upgrade
like "what was said meanwhile is known" "$(gg list deny | wc -l)" '^[6-9]$'

# ---- a client alone at each of many listeners: nobody comes behind it who would have it seen ----
alone_at_sixteen() { # upgrades what-it-is-like [what-becomes-of-the-old-one]
	local i job
	rm -f "$T/doors.stop"
	on client $PYTHON "$HERE/surge.py" 203.0.113.8 $GATE4 16 "$T/doors.stop" 2501 >"$T/doors.surge" &
	job=$!
	for ((i = 1; i <= $1; i++)); do
		sleep 0.3
		check "sixteen listeners, $2: upgrade $i" upgrade
		[ $# = 2 ] || "$3"
	done
	sleep 0.5
	touch "$T/doors.stop"
	wait $job
}
gate_stop >/dev/null
doors=$(seq -f "\"$GATE4:%.0f\"" -s ', ' 2501 2516)
listen=$doors drain_time=120s gate_conf
gate_start || bail "sixteen listeners"
alone_at_sixteen 4 "time to drain"
like "each client met one or the other" "$(cat "$T/doors.surge")" '^whole=[1-9][0-9]{2,} broken=0 late=0 $'
# Who was served by the one that had no time came again; the queues are not left to themselves.
kill_old() { kill -9 "$old_pid"; }
alone_at_sixteen 4 "killed" kill_old
like "the same" "$(cat "$T/doors.surge")" '^whole=[1-9][0-9]{2,} broken=[0-9]+ late=0 '
sed -i 's/^drain_time = .*/drain_time = 0s/' "$T/greygate.conf"
check "drain_time = 0s" gg reload
alone_at_sixteen 6 "none"
like "and nobody waited for good" "$(cat "$T/doors.surge")" '^whole=[1-9][0-9]{2,} broken=[0-9]+ late=0 '
gate_stop >/dev/null
gate_conf
gate_start || bail "the usual listeners"

# ---- what the old process takes back while it ends ----
greylist="$greylist  promote_net_after = 2" drain_time=60s gate_renew
learns() { attempt "$1" $GATE4 "a@n${1##*.}.example" user1@example.net >/dev/null; learned "$1"; }
for src in 203.0.113.7 203.0.113.8; do check "$src is learned" wait_for 8 learns $src; done
net=203.0.113.0/24
check "and the network of both" learned $net
talk 203.0.113.9 $GATE4 "$HELLO" ":touch $T/trapped" ":await $T/trapped.go" "$FROM" 'RCPT TO:<trap@example.net>' \
	QUIT >"$T/trapped.out" &
job=$!
wait_for 5 test -e "$T/trapped"
check "a session of another host of it, and an upgrade" upgrade
check "the new process has the network" learned $net
check "so has the kernel" net_is $net GG_ALLOW
touch "$T/trapped.go"; wait $job
taken_back() { ! learned $net && ! net_is $net GG_ALLOW; }
check "until that session mails a trap" wait_for 5 taken_back
like "whose host is denied" "$(gg list deny)" '^203\.0\.113\.9 '
check "what the others have earned stays" learned 203.0.113.8

# ---- the new process dies while the old one has sessions ----
talk $SRC $GATE4 "$HELLO" ":touch $T/lasting" ":await $T/lasting.go" NOOP QUIT >"$T/lasting.out" &
job=$!
wait_for 5 test -e "$T/lasting"
check "a session, and an upgrade" upgrade
kill -9 "$gate_pid"; wait_for 5 gone "$gate_pid"
refuse "the old process is still there" gone "$old_pid"
check "the next start doesn't wait for it" gate_start
like "who comes is served" "$(talk 203.0.113.8 $GATE4 QUIT)" '^S: 220'
touch "$T/lasting.go"; wait $job
like "and so is the session" "$(cat "$T/lasting.out")" '^S: 221'
check "then the old process ends" wait_for 8 gone "$old_pid"

# ---- drain_time ends it ----
sed -i 's/^drain_time = .*/drain_time = 3s/' "$T/greygate.conf"
check "drain_time is changed" gg reload
talk $SRC $GATE4 "$HELLO" ":touch $T/idle" :eof >"$T/idle.out" &
job=$!
wait_for 5 test -e "$T/idle"
check "an idle session, and an upgrade" upgrade
check "the old process ends after drain_time" wait_for 8 gone "$old_pid"
wait $job
like "the idle client was told" "$(cat "$T/idle.out")" '^S: 421 4\.3\.2'
kill -9 "$gate_pid"; wait_for 5 no_processes
pass "kill -9 leaves no helper"
gate_start || fail "starts again"
scene_end relay

# ---- host mode ----
postfix_new host gate || bail "Postfix on the gate"
mode=host listen='"0.0.0.0:10025", "[::]:10025"' protect="\"$GATE4:25\", \"[$GATE6]:25\"" backend='"127.0.0.1:25"'
everything host $GATE4 $GATE6 host
scene_end host
