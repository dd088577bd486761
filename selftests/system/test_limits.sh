#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Clients that take their time, too many of one source, and what is done without under load.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
interfaces=
backend="\"$MAIL4:25\"" # nobody listens, nobody gets that far
stutter="first = 0s  deny_limit = 1s"
limit="per_source = 3  commands = 1m  state_time = 2s  session_time = 10s"
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"

# ---- control clients ----
asking=()
for i in $(seq 256); do gg status >"$T/status.$i" 2>&1 & asking+=($!); done
refused=0
for pid in "${asking[@]}"; do wait "$pid" || refused=$((refused + 1)); done
is "256 times greygate status at once: every one is answered" $refused 0
# Connections that never ask; once the file is gone, what they have heard.
on gate $PYTHON - "$T/run/control.sock" "$T/mute" >"$T/heard" <<'END' &
import os, socket, sys, time
mute = [socket.socket(socket.AF_UNIX) for _ in range(80)]
for s in mute:
	s.connect(sys.argv[1])
	s.setblocking(False)
open(sys.argv[2], "w").close()
while os.path.exists(sys.argv[2]):
	time.sleep(0.05)
for s in mute:
	try:
		print(s.recv(1000).decode(), end="")
	except BlockingIOError:
		pass
END
mute=$!
check "80 clients that say nothing" wait_for 10 test -e "$T/mute"
check "the operator is served all the same" gg allow 203.0.113.99
rm "$T/mute"; wait $mute
between "those who were in his way are told why" "$(grep -c 'no request came, and other clients wait' "$T/heard")" 17 80

SRC=192.0.2.7 HELLO='EHLO client.example.org'
export TALK_TIMEOUT=20
hold() { on "${ns:-client}" $PYTHON "$HERE/hold.py" "$@"; }
grown() { [ "$(counter "$1")" -ge "$2" ]; } # counter at-least

# ---- clients that take their time ----
like "a line a byte at a time, IPv4: 421" "$(hold trickle $SRC $GATE4,25 0.4)" '^421 4\.4\.2'
like "a line a byte at a time, IPv6: 421" "$(hold trickle 2001:db8:1::7 $GATE6,25 0.4)" '^421 4\.4\.2'
between "counter limit_state_time" "$(counter limit_state_time)" 2 2
check "the log says so" log_wait event=limit reason=state_time src=2001:db8:1::7
is "a client that reads no reply is closed" "$(hold deaf $SRC $GATE4,25)" closed
between "which state_time did" "$(counter limit_state_time)" 3 3
hold deaf 203.0.113.7 $GATE4,25 >"$T/deaf1" & deaf1=$!
hold deaf 2001:db8:77::7 $GATE6,25 >"$T/deaf2" & deaf2=$!
like "meanwhile others are served" "$(talk 203.0.113.8 $GATE4 "$HELLO" QUIT)" '^S: 221'
wait $deaf1 $deaf2
is "two of them at once" "$(cat "$T/deaf1" "$T/deaf2" | xargs)" "closed closed"
steps=(); for _ in $(seq 9); do steps+=(':send x\r\n' ':sleep 1'); done
out=$(talk $SRC $GATE4 "$HELLO" 'MAIL FROM:<a@sender.example>' "${steps[@]}" :eof)
like "lines that come in time end with session_time" "$out" '^S: (421 4\.[47]\.[02]|<eof>)'

# ---- one source ----
limit="per_source = 3"
check "time enough for the rest" gate_renew
hold open 2001:db8:1::7 $GATE6,25 2 "$T/a" >"$T/a.out" & a=$!
hold open 2001:db8:1::8 $GATE6,25 1 "$T/b" >"$T/b.out" & b=$!
check "three sessions of one IPv6 /64" wait_for 5 test -e "$T/a" -a -e "$T/b"
like "the fourth, of another address in it: 421" "$(talk 2001:db8:1::7 $GATE6 :eof)" '^S: 421 4\.3\.2'
like "another /64 is served" "$(talk 2001:db8:77::7 $GATE6 QUIT)" '^S: 221'
between "counter limit_source" "$(counter limit_source)" 1 1
check "the log says which" log_wait event=limit reason=per_source src=2001:db8:1::7
rm "$T/a" "$T/b"; wait $a $b
is "all of them were greeted" "$(cat "$T/a.out" "$T/b.out" | xargs)" "greeted=2 refused=0 greeted=1 refused=0"
gate_stop; is "SIGTERM: exit code 0" $? 0

# ---- load ----
limit="per_source = 1000  sessions = 40"
stutter="first = 4s  interval = 100ms  deny_limit = 60s"
extra="relief { shorten = 50  first = 300ms  unstutter = 70  refuse = 90  leave = 18 }"
gate_conf
gate_start || bail "greygated starts again"
gg allow 127.0.0.1 >/dev/null
gg deny 203.0.113.66 --action stutter >/dev/null
step() { gg status --json | $PYTHON "$HERE/pick.py" value step; }
step_is() { [ "$(step)" = "$1" ]; }
# So many sessions of an allowed source, for as long as the file is there.
load() { # file how-many
	ns=gate hold open 127.0.0.1 127.0.0.1,25 "$2" "$T/$1" >>"$T/load" &
	wait_for 10 test -e "$T/$1"
}
pieces() { talk "$1" "$2" QUIT | sed -n 's/^T: pieces //p'; } # in which the banner came
is "no load, no relief" "$(step)" none
between "a stranger is stuttered for its whole time" "$(pieces $SRC $GATE4)" 11 60
start_on client $PYTHON "$HERE/talk.py" 203.0.113.66 $GATE4 :eof >"$T/denied"; denied=$started
wait_for 5 eval '[ "$(counter stuttering)" = 1 ]'
load l1 20
check "half the sessions: step shorter" wait_for 5 step_is shorter
check "the log says so" log_wait event=limit reason=relief verdict=enter step=shorter
between "a stranger is stuttered for a shorter time" "$(pieces $SRC $GATE4)" 1 10
between "IPv6 too" "$(pieces 2001:db8:1::7 $GATE6)" 1 10
between "counter relief_shortened" "$(counter relief_shortened)" 2 4
is "who is denied is stuttered still" "$(counter stuttering)" 1
load l2 9
check "more: step unstuttered" wait_for 5 step_is unstuttered
wait_for 5 eval '[ "$(counter stuttering)" = 0 ]'
is "who is being stuttered for a deny is let go" "$(counter stuttering)" 0
kill $denied; wait $denied 2>/dev/null
out=$(talk 203.0.113.66 $GATE4 "$HELLO" 'MAIL FROM:<a@sender.example>' 'RCPT TO:<user1@example.net>' QUIT)
like "who comes now is told at once" "$out" '^S: 554 5\.7\.1'
is "with the whole banner in one piece" "$(sed -n 's/^T: pieces //p' <<<"$out")" 1
check "counter relief_unstuttered" grown relief_unstuttered 2
load l3 8
check "still more: step refuse" wait_for 5 step_is refuse
like "a stranger is told 421" "$(talk $SRC $GATE4 :eof)" '^S: 421 4\.3\.2'
like "IPv6 too" "$(talk 2001:db8:1::7 $GATE6 :eof)" '^S: 421 4\.3\.2'
like "an allowed source is served" "$(ns=gate on gate $PYTHON "$HERE/talk.py" 127.0.0.1 127.0.0.1 QUIT)" '^S: 221'
between "counter relief_refused" "$(counter relief_refused)" 2 2
check "the log says so" log_wait event=limit reason=relief src=$SRC
like "status tells the step and since when" "$(gg status)" 'relief +refuse since .*entered'
rm "$T/l3"
wait_for 5 eval '[ "$(counter sessions)" -le 29 ]'
is "a little less load: the step stays" "$(step)" refuse
like "and a stranger is refused still" "$(talk $SRC $GATE4 :eof)" '^S: 421 4\.3\.2'
rm "$T/l2"
check "less: back to shorter" wait_for 5 step_is shorter
check "the log says so" log_wait event=limit reason=relief verdict=leave
like "a stranger is greeted again" "$(talk $SRC $GATE4 QUIT)" '^S: 221'
rm "$T/l1"
check "none: no relief" wait_for 5 step_is none
between "a stranger is stuttered for its whole time again" "$(pieces $SRC $GATE4)" 11 60
is "each step was entered once" "$(gg status --json | grep -oE '"(shorter|unstuttered|refuse)": ?1\b' | wc -l)" 3
is "all of the load was greeted" "$(sort -u "$T/load" | xargs)" "greeted=20 refused=0 greeted=8 refused=0 greeted=9 refused=0"
gate_stop; is "SIGTERM: exit code 0" $? 0
