#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Starting, stopping, dying and reloading: nothing that was answered is forgotten, nothing half-made is
# left behind, a bad configuration changes nothing.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
backend_up mail $MAIL4,25 "$T/backend" || bail "a mail server"
drain_time=60s
export TALK_TIMEOUT=15
SRC=192.0.2.7 OTHER=203.0.113.7
conf() {
	greylist="delay = ${1:-1s}  delay_clean = ${1:-1s}  delay_suspicious = ${1:-1s}  jitter = 0  promote_after = 50"
	gate_conf
}
clean() { # what an interface and the pins look like when greygate never was there
	! ip -n gate link show g0 | grep -q xdp && [ "$(pins)" = 0 ]
}

# ---- starts that fail: one line that names the thing and the mend, nothing left ----
conf
fails() { # name regex command...
	local name=$1 regex=$2 rc; shift 2
	"$@" >"$T/fail.out" 2>"$T/fail.err"
	rc=$?
	is "$name: exit code 1" $rc 1
	is "$name: one line" "$(wc -l <"$T/fail.err")" 1
	like "$name: names it" "$(cat "$T/fail.err")" "$regex"
	like "$name: nothing on standard output" "$(cat "$T/fail.out")" '^$'
	check "$name: nothing is attached or pinned" clean
}
start_with() { # sed expression for the configuration
	sed "$1" "$T/greygate.conf" >"$T/other.conf"
	on gate timeout 60 "$BUILD/greygated" -c "$T/other.conf" -f
}
capless() { # capabilities...
	on gate timeout 60 setpriv --bounding-set "$1" --inh-caps "$1" "$BUILD/greygated" -c "$T/greygate.conf" -f
}
start_on gate $PYTHON -c 'import socket, sys, time
s = socket.create_server((sys.argv[1], 25)); time.sleep(60)' $GATE4
squatter=$started
wait_for 5 sh -c "nsenter --net=/run/netns/gate ss -Hltn | grep -q ':25 '"
sed -i "s/^listen = .*/listen = {\"$GATE4:25\", \"[::]:25\"}/" "$T/greygate.conf"
fails "port in use" "$GATE4:25.*(in use|other program|another)" start_with ''
doctor_says() { on gate "$BUILD/greygate" -c "$1" doctor; }
like "port in use: doctor tells it, too" "$(doctor_says "$T/greygate.conf")" "^fail +listen +listen $GATE4:25: .* in use"
kill $squatter; wait $squatter 2>/dev/null
fails "no such interface" 'nosuch0' start_with 's/^interfaces = .*/interfaces = {"nosuch0"}/'
on gate ip tuntap add dev t0 mode tun
without_ethernet() { # mode, what to do about it
	sed "s/^mode = .*/mode = $1/; s/^interfaces = .*/interfaces = {\"t0\", \"g0\"}/" "$T/greygate.conf" >"$T/tun.conf"
	fails "$1: an interface without Ethernet headers" "t0.*no Ethernet header.*$2" start_with_file "$T/tun.conf"
	like "$1: doctor tells it, too" "$(on gate "$BUILD/greygate" -c "$T/tun.conf" doctor)" \
		'^fail +ethernet +t0: its packets have no Ethernet header'
}
start_with_file() { on gate timeout 60 "$BUILD/greygated" -c "$1" -f; }
without_ethernet relay 'take it out of interfaces; the daemon alone'
# Where no program is attached there is nothing to refuse.
sed -i 's/^interfaces = .*/&\nxdp = off/' "$T/tun.conf"
unlike "xdp = off: doctor does not" "$(on gate "$BUILD/greygate" -c "$T/tun.conf" doctor)" 'Ethernet header'
on gate ip link del t0
fails "unknown user" 'nosuchuser' start_with 's/^user = .*/user = "nosuchuser"/'
mkdir "$T/readonly" && mount -t tmpfs -o ro greygate-ro "$T/readonly"
fails "unwritable state directory" "$T/readonly" start_with "s:^state_dir = .*:state_dir = \"$T/readonly/state\":"
like "unwritable state directory: doctor tells it, too" "$(doctor_says "$T/other.conf")" \
	"^fail +state_dir +store $T/readonly/state: Read-only file system"
fails "a file as state directory" "$T/greygate.conf" start_with "s:^state_dir = .*:state_dir = \"$T/greygate.conf\":"
mkdir "$T/nobpf"
fails "no bpffs" "$T/nobpf.*(bpffs|mount)" start_with "s:^bpffs = .*:bpffs = \"$T/nobpf/greygate\":"
fails "missing capability BPF" '(CAP_|capabilit|privilege|root)' capless -bpf,-sys_admin,-perfmon
fails "missing capability NET_ADMIN" '(CAP_|capabilit|privilege|root)' capless -net_admin,-sys_admin
fails "missing capability NET_BIND_SERVICE" ':25.*(CAP_NET_BIND_SERVICE|capabilit|privilege|root)' capless -net_bind_service
fails "missing capability SETGID" 'CAP_SETGID' capless -setgid
fails "missing capability SETUID" 'CAP_SETUID' capless -setuid
# In a time namespace the kernel's programs would find the daemon gone for good, or never.
at_offset() { on gate timeout 60 unshare --time --monotonic "$1" "$BUILD/${@:2}"; }
for off in -30 100000; do
	fails "a clock $off s off" "CLOCK_MONOTONIC is $off s off.*start greygated outside" \
		at_offset $off greygated -c "$T/greygate.conf" -f
	like "doctor: a clock $off s off" "$(at_offset $off greygate -c "$T/greygate.conf" doctor)" \
		"^fail +clock +a time namespace, CLOCK_MONOTONIC is $off s off"
done
like "doctor: the machine's own clock" "$(on gate "$BUILD/greygate" -c "$T/greygate.conf" doctor)" '^ok +clock '
cat >"$T/ringless.py" <<'END'
import ctypes, os, struct, sys
# io_uring_setup is answered EPERM, as by kernel.io_uring_disabled and by containers
code = b"".join(struct.pack("HBBI", *i) for i in ((0x20, 0, 0, 0), (0x15, 0, 1, 425), (6, 0, 0, 0x50001), (6, 0, 0, 0x7FFF0000)))
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
if ctypes.CDLL(None).prctl(22, 2, ctypes.byref(Program(4, code))):
    sys.exit("no seccomp")
os.execv(sys.argv[1], sys.argv[1:])
END
ringless() { on gate timeout 60 $PYTHON "$T/ringless.py" "$BUILD/greygated" -c "$T/greygate.conf" -f; }
fails "no io_uring" 'io_uring_setup: .*io_uring_disabled' ringless
out=$(doctor_says "$T/greygate.conf")
unlike "doctor finds nothing else that fails" "$out" '^fail'
like "doctor: io_uring" "$out" '^ok +io_uring '
# By then the program is on the interface, and the rights to take it away are gone.
mkdir -p "$T/nobody" && sed -e 's/^user = .*/user = "nobody"/' -e "s:^state_dir = .*:state_dir = \"$T/nobody\":" \
	"$T/greygate.conf" >"$T/nobody.conf"
limited() { # option of prlimit, configuration
	local rc
	on gate timeout 60 prlimit "$1" "$BUILD/greygated" -c "$2" -f 2>"$T/limited.err"
	rc=$?
	grep -v '^{' "$T/limited.err" >&2
	return $rc
}
fails "no more processes for the user" 'thread: .*ulimit -u' limited --nproc=1 "$T/nobody.conf"
fails "too little memory for the workers" 'worker memory: .*lower limit' limited --as=$((2 << 30)) "$T/greygate.conf"
# At whatever step there is no descriptor left: what is said is how to have more.
for n in 8 10 12 14 16 18 20 21 22 24 28 32 48 64 80; do
	limited --nofile=$n "$T/greygate.conf" 2>&1 | sed "s/^/nofile=$n: /"
done >"$T/descriptors"
is "too few descriptors: each start says one line" "$(wc -l <"$T/descriptors")" 15
is "and it names LimitNOFILE" "$(grep -vE 'LimitNOFILE' "$T/descriptors")" ''
is "and blames nothing else" "$(grep -E 'ulimit -[uv]|change listen|no such|none of that name|memory|may own' "$T/descriptors")" ''
check "and leaves nothing attached or pinned" clean
fails "a control socket nobody can make" "$T/readonly" start_with "s:^control = .*:control = \"$T/readonly/c.sock\":"
fails "no such configuration" "$T/none.conf" on gate timeout 60 "$BUILD/greygated" -c "$T/none.conf" -f
fails "a bad value" "other\.conf:[0-9]+: .*sideways" start_with 's/^mode = .*/mode = sideways/'
fails "a bad address" "other\.conf:[0-9]+: .*300\.1\.2\.3" start_with 's/^backend = .*/backend = {"300.1.2.3:25"}/'
sed 's/^contact/kontact/' "$T/greygate.conf" >"$T/other.conf"
refuse "-t refuses an unknown key" "$BUILD/greygated" -t -c "$T/other.conf"
like "-t says FILE:LINE" "$("$BUILD/greygated" -t -c "$T/other.conf" 2>&1)" 'other\.conf:[0-9]+: .*kontact'
check "-t takes a good file" "$BUILD/greygated" -t -c "$T/greygate.conf"
"$BUILD/greygated" -p >"$T/every.conf"
check "-p prints what -t takes" "$BUILD/greygated" -t -c "$T/every.conf"
like "-p prints every section" "$(grep -cE '^#?[a-z]+ .*\{$' "$T/every.conf")" '^1[0-9]$'
is "help fits 80 columns" "$({ "$BUILD/greygated" -h; "$BUILD/greygate" --help; cat "$T/every.conf"; } | grep -cE '.{81}')" 0

# ---- a first start that is killed in its midst ----
conf
caught=
halfway() { [ -e "$T/bpf/greygate/v1-new/meta" ] && kill -STOP "$gate_pid"; }
for _ in 1 2 3 4 5; do
	start_on gate "$BUILD/greygated" -c "$T/greygate.conf" -f >"$T/gate.out" 2>>"$T/gate.log"
	gate_pid=$started
	until halfway || [ -e "$PIN" ] || gone "$gate_pid"; do :; done
	[ -e "$PIN" ] || caught=yes
	gate_kill
	[ -z "$caught" ] || break
	on gate "$BUILD/greygate" -c "$T/greygate.conf" detach >/dev/null 2>&1
done
if [ -n "$caught" ]; then
	check "kill -9 in the midst of a first start: nothing is attached or pinned" wait_for 10 clean
else
	skip "kill -9 in the midst of a first start" "it was too fast for this machine"
fi

# ---- without standard input, output and error ----
helpers() { pgrep '^greygate-' | wc -l; }
for how in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
	eval "nsenter --net=/run/netns/gate \"$BUILD/greygated\" -c \"$T/greygate.conf\" -f >>\"$T/gate.out\" 2>>\"$T/gate.log\" $how &"
	gate_pid=$!
	check "$how: it starts" wait_for 10 gg status
	is "$how: nothing is in their place" "$(readlink /proc/"$gate_pid"/fd/[012] | grep -cE 'socket|anon')" 0
	kill -USR2 "$gate_pid"
	check "$how: it upgrades" wait_for 10 is_another "$gate_pid"
	wait_for 10 gone "$gate_pid"
	gate_pid=$(pid_now)
	kill -TERM "$gate_pid"
	check "$how: it ends" wait_for 10 gone "$gate_pid"
	soon "$how: and its helpers with it" 0 helpers
done
on gate "$BUILD/greygate" -c "$T/greygate.conf" detach >/dev/null

conf
gate_start || bail "greygated starts"
pass "after all that it starts"
like "the program is on the interface" "$(ip -n gate link show g0)" 'xdp'
second() { on gate timeout 60 "$BUILD/greygated" -c "$T/greygate.conf" -f; }
if second >/dev/null 2>"$T/fail.err"; then
	fail "a second daemon with the same configuration is refused"
else
	like "a second daemon with the same configuration is refused" "$(wc -l <"$T/fail.err")" '^1$'
fi
check "and the first one lives on" gg status

run_twice() { on gate timeout 60 "$HERE/../../tools/run.sh" "$T/greygate.conf"; }
out=$(run_twice 2>&1)
is "make run beside it: exit code 1" $? 1
like "make run beside it: says who it is, and how to stop it" "$out" "process $gate_pid .*kill $gate_pid"
is "make run beside it: says no more" "$(wc -l <<<"$out")" 1
check "and the first one still lives on" gg status
like "with its program" "$(ip -n gate link show g0)" 'xdp'

# ---- kill -9: records and verdicts ----
grey() { # sender...: first attempts, one session
	local s steps=()
	for s in "$@"; do steps+=("MAIL FROM:<$s@sender.example>" 'RCPT TO:<user1@example.net>' RSET); done
	talk $SRC $GATE4 'EHLO client.example.org' "${steps[@]}" QUIT
}
out=$(grey one s1 s2 s3 s4 s5 s6 s7 s8 s9 s10)
is "eleven first attempts" "$(grep -c '^S: 451 4.7.1 Greylisted' <<<"$out")" 11
gg allow $OTHER >/dev/null
written() { gg list grey | grep -c '@sender\.example'; }
soon "they come to be in the store" 11 written
sleep 1.2 # the delay, for a retry
gate_kill
like "kill -9: the program stays on the interface" "$(ip -n gate link show g0)" 'xdp'
check "kill -9: verdicts stay in the map" map_is $OTHER GG_ALLOW
refuse "a restart without memory for its workers" limited --as=$((2 << 30)) "$T/greygate.conf"
like "it leaves the program of before" "$(ip -n gate link show g0)" 'xdp'
check "and its verdicts" map_is $OTHER GG_ALLOW
check "restart" gate_start
check "restart: verdicts are taken over" map_is $OTHER GG_ALLOW
like "restart: the CLI lists them" "$(gg list allow)" "$OTHER"
like "restart: an allowed source is served at once" \
	"$(attempt $OTHER $GATE4 any@sender.example user2@example.net)" '^S: 250 2\.0\.0 stored'
like "restart: an attempt from before counts, the retry passes" \
	"$(attempt $SRC $GATE4 one@sender.example user1@example.net)" '^S: 250 2\.0\.0 stored'
kept=0
for n in 1 2 3 4 5 6 7 8 9 10; do
	out=$(attempt $SRC $GATE4 s$n@sender.example user1@example.net ":kill $gate_pid")
	wait "$gate_pid" 2>/dev/null
	grep -q '^S: 250 2\.0\.0 stored' <<<"$out" || { note "retry $n: $out"; continue; }
	gate_start || break
	at=$(log_size)
	attempt $SRC $GATE4 s$n@sender.example user1@example.net >"$T/again"
	if log_wait "+$at" event=decision from=s$n@sender.example verdict=pass reason=known; then
		kept=$((kept + 1))
	else
		note "$(cat "$T/again")" "$(tail -c "+$at" "$T/gate.log" | grep decision)"
	fi
done
is "a passed triplet answered 250 and then kill -9: remembered, ten times of ten" $kept 10

# ---- reload ----
grow() { sed -n 's/.*"wait_s": *\([0-9]*\).*/\1/p' | tail -n 1; }
wait_of() { # sender: wait_s of a first attempt
	local at; at=$(log_size)
	grey "$1" >/dev/null
	log_wait "+$at" event=decision from="$1@sender.example"
	logged "+$at" event=decision from="$1@sender.example" | grow
}
between "delay = 1s is in force" "$(wait_of r1)" 0 1
conf 500s
at=$(log_size)
kill -HUP "$gate_pid"
check "SIGHUP is logged" log_wait "+$at" event=reload
between "SIGHUP applies a changed delay" "$(wait_of r2)" 490 500
conf 700s
check "greygate reload" gg reload
between "greygate reload applies a changed delay" "$(wait_of r3)" 690 700
cp "$T/greygate.conf" "$T/good.conf"
for broken in 's/^mode = .*/mode = sideways/' 's/^greylist { .*/greylist { delay = 900s  dely = 1s }/' \
	's/^contact/kontact/' 's/^limit { .*/limit { line = 7 }/' 's/^stutter { /stutter { {/'; do
	sed -e "$broken" -e 's/delay = 700s/delay = 900s/' "$T/good.conf" >"$T/greygate.conf"
	refuse "reload of '$broken' is refused" gg reload
	like "reload of '$broken' says FILE:LINE" "$(gg reload 2>&1)" 'greygate\.conf:[0-9]+: '
done
at=$(log_size)
kill -HUP "$gate_pid"
check "SIGHUP with a broken file is logged" log_wait "+$at"
wait_for 3 sh -c "tail -c +$at '$T/gate.log' | grep -q 'greygate.conf:[0-9]*: '"
like "SIGHUP with a broken file says FILE:LINE" "$(tail -c "+$at" "$T/gate.log")" 'greygate\.conf:[0-9]+: '
between "a broken file changes nothing" "$(wait_of r4)" 690 700
sed 's/^workers = .*/workers = 1/' "$T/good.conf" >"$T/greygate.conf"
out=$(gg reload 2>&1)
like "a key that needs a restart is named" "$out" 'workers.*restart|restart.*workers'
cp "$T/good.conf" "$T/greygate.conf"
check "the good file again" gg reload

# ---- a reload that waits ----
# For a file that somebody is still to write, as for one on a disk that hangs, for long lists and for imports.
heartbeat() { bpftool -j map dump pinned "$PIN/meta" | grep -oE '"heartbeat": ?[0-9]+' | tail -n 1; }
heard_since() { [ -n "$1" ] && [ "$(heartbeat)" != "$1" ]; }
rm "$T/greygate.conf" && mkfifo "$T/greygate.conf"
at=$(log_size)
kill -HUP "$gate_pid"
for i in 1 2 3 4; do
	before=$(heartbeat)
	check "while a reload waits the kernel hears that the daemon lives: $i" wait_for 5 heard_since "$before"
done
gg reload >"$T/waited" 2>&1 &
job=$!
unlike "and it is not done" "$(logged "+$at" event=reload)" done
cat "$T/good.conf" >"$T/greygate.conf"
check "then it is" log_wait "+$at" event=reload verdict=done
cat "$T/good.conf" >"$T/greygate.conf"
wait $job
is "who has asked meanwhile gets one of its own" "$? $(cat "$T/waited")" "0 the new configuration is in force"
rm "$T/greygate.conf" && cp "$T/good.conf" "$T/greygate.conf"

# ---- SIGTERM ----
rm -f "$T/in" "$T/go"
talk $OTHER $GATE4 'EHLO client.example.org' 'MAIL FROM:<drain@sender.example>' \
	'RCPT TO:<user2@example.net>' DATA ":part $T/good.conf" ":touch $T/in" ":await $T/go" :dot QUIT \
	>"$T/drain" &
job=$!
wait_for 5 test -e "$T/in"
kill -TERM "$gate_pid"
refused() { TALK_TIMEOUT=2 talk $SRC $GATE4 'EHLO client.example.org' QUIT | grep -qE '^S: 421 4\.3\.2|<refused>|<timeout>'; }
check "draining: new connections are refused" wait_for 3 refused
refuse "draining: the daemon waits for the session in DATA" gone "$gate_pid"
touch "$T/go"
wait $job
like "draining: the session in DATA is finished" "$(cat "$T/drain")" '^S: 250 2\.0\.0 stored'
check "drained: it ends" wait_for 6 gone "$gate_pid"
wait "$gate_pid"
is "drained: exit code 0" $? 0
like "stop event" "$(logged event=stop)" stop
drain_time=1s; conf
gate_start || fail "starts again"
talk $OTHER $GATE4 'EHLO client.example.org' 'MAIL FROM:<drain@sender.example>' \
	'RCPT TO:<user2@example.net>' DATA ":part $T/good.conf" ":touch $T/in2" :reply >"$T/drain" &
job=$!
wait_for 5 test -e "$T/in2"
gate_stop 8; is "drain_time ends it: exit code 0" $? 0
wait $job
like "drain_time ends it: the session is told or closed" "$(cat "$T/drain")" '^S: (421|451|<eof>|<reset>)'

# ---- a store that is broken is set aside ----
head -c 65536 /dev/urandom >"$T/state/store"
at=$(log_size)
check "starts with a corrupt store" gate_start
damage_said() { tail -c "+$((at + 1))" "$T/gate.log" | grep -q 'damaged.*renamed to'; }
check "says so in the log" wait_for 3 damage_said
like "says so in status" "$(gg status)" 'damaged'
check "the damaged one is kept" sh -c "ls $T/state/store.bad-*"
like "and serves" "$(grey fresh)" '^S: 451 4\.7\.1 Greylisted'
gate_stop; is "and ends well" $? 0

# ---- a disk that is full, and has room again ----
mkdir "$T/small" && mount -t tmpfs -o size=1m,mode=755 greygate-small "$T/small" && mkdir "$T/small/state"
chown $GATE_USER "$T/small/state"
sed -i "s:^state_dir = .*:state_dir = \"$T/small/state\":" "$T/greygate.conf"
check "starts in a small file system" gate_start
dd if=/dev/zero of="$T/small/filler" bs=4k status=none 2>/dev/null
troubled() { gg status | grep -q 'store: '; }
for n in 1 2 3 4 5 6 7 8; do
	gg allow 198.51.100.0/2$n --reason "a disk that fills up" >/dev/null 2>&1
	grey full$n-{a,b,c,d,e,f,g,h} >/dev/null
	troubled && break
done
check "a full disk: status says so" wait_for 20 troubled
like "a full disk: mail goes on" "$(grey fullest)" '^S: 451 4\.7\.1 Greylisted'
unwritten() { gg status | grep -q 'changes are only in memory'; }
n=0
while { [ $n = 0 ] || ! unwritten; } && [ $n -lt 200 ]; do
	n=$((n + 1))
	gg allow 192.0.2.$n --reason "$(printf '%0100d' $n)" >/dev/null 2>"$T/unsaved"
done
check "what cannot be written is told" unwritten
like "by the command too" "$(cat "$T/unsaved")" 'warning: it is not on disk yet.*No space left'
gg trap add kept@example.net >/dev/null 2>&1; is "trap add: done" $? 0
like "trap list has what is not on disk" "$(gg trap list)" '^kept@example\.net'
gg trap del kept@example.net >/dev/null 2>&1
refuse "nor what is no trap any more" sh -c "'$BUILD/greygate' -c '$T/greygate.conf' trap list | grep -q kept@"
gg trap add kept@example.net >/dev/null 2>&1
gg deny 203.0.113.0/24 --reason "while it was full" >/dev/null 2>&1; is "deny: done" $? 0
rm "$T/small/filler"
untroubled() { gg status | grep -q . && ! troubled; }
check "room again: status says no more of it" wait_for 60 untroubled
gate_stop; is "and it ends well" $? 0
check "and starts again" gate_start
like "a deny of that time is there" "$(gg list deny)" '^203\.0\.113\.0/24 .*while it was full'
like "and the trap" "$(gg trap list)" '^kept@example\.net'
like "and the last allow" "$(gg list allow)" "^192\.0\.2\.$n "
gate_stop; is "and ends well" $? 0

# ---- the clock is set back ----
cat >"$T/clock.c" <<'END'
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
/* An hour less as soon as the file is there. */
int clock_gettime(clockid_t c, struct timespec *t)
{
	int rc = (int)syscall(SYS_clock_gettime, c, t);

	if (!rc && c == CLOCK_REALTIME && !access(getenv("BACK"), F_OK))
		t->tv_sec -= 3600;
	return rc;
}
END
check "a clock that can be set" cc -shared -fPIC -o "$T/clock.so" "$T/clock.c"
start_on gate env LD_PRELOAD="$T/clock.so" BACK="$T/back" "$BUILD/greygated" -c "$T/greygate.conf" -f \
	>"$T/gate.out" 2>>"$T/gate.log"
gate_pid=$started
check "a start with it" wait_for 10 gate_up
touch "$T/back"
like "an hour back, status tells how long it is up" "$(gg status | head -n 1)" ', up [0-9]+ s, '
between "so does --json" "$(gg status --json | $PYTHON "$HERE/pick.py" value uptime_s)" 0 60
is "detach does not touch what a daemon runs on, and names the mend" \
	"$(on gate "$BUILD/greygate" -c "$T/greygate.conf" --json detach 2>/dev/null | $PYTHON -c '
import json, sys
o = json.load(sys.stdin)
print(o["error"], "|", o["mend"])')" \
	"bpffs $T/bpf/greygate: a running greygated works on it | stop that one first, or give this one a bpffs of its own"
gate_stop; is "and it ends well" $? 0
check "detach leaves nothing" on gate "$BUILD/greygate" -c "$T/greygate.conf" detach
check "really nothing" clean
