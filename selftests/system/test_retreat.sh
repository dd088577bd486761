#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An upgrade that comes to nothing after the new process has put its programs and maps in the place of the
# old ones', in another layout or size, or its lists into the same: it is killed, or hangs and is ended. The
# old programs are back over the old maps, with the old lists, and nothing else is left; nobody is refused, no
# session breaks. Then one that goes well, and what a start finds after both were killed.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/system/scenes.sh
. "$HERE/scenes.sh"

net_up || bail "network namespaces"
ip -n client route add 198.51.100.0/24 via $GATE4; ip -n client route add 2001:db8:2::/64 via $GATE6
ip -n mail route add default via 198.51.100.1; ip -n mail -6 route add default via 2001:db8:2::1
on gate sh -c 'for f in /proc/sys/net/ipv[46]/conf/all/forwarding; do echo 1 >"$f"; done'
on client ethtool -K c0 tx off gro on >/dev/null; on mail ethtool -K m0 tx off gro on >/dev/null
DENIED="203.0.113.66 2001:db8:66::66" STRANGERS="203.0.113.9 2001:db8:79::9" KNOWN="192.0.2.8 2001:db8:1::8"
export TALK_TIMEOUT=120
stutter="first = 100ms  interval = 20ms  deny_limit = 200ms"
limit="per_source = 1000  new_per_source = 0"
when_down=closed
drain_time=60s
NEXT=$BUILD/selftests/greygated-next # the same, with another GG_SCHEMA
ONE=$T/bpf/greygate/v1 TWO=$T/bpf/greygate/v2

# What stands there and is started the next time.
becomes() { cp "$1" "$T/greygated.new" && mv "$T/greygated.new" "$T/greygated"; }
# As the service is, without the right to signal processes of other users.
start() { # program
	becomes "$1"
	start_on gate setpriv --bounding-set -kill "$T/greygated" -c "$T/greygate.conf" -f >"$T/gate.out" 2>>"$T/gate.log"
	gate_pid=$started
	wait_for 20 gate_up && ! gone "$gate_pid"
}
next=

# Who is attached, one a line: where, and whether it reads the maps pinned there.
attached() { # pins
	$PYTHON - "$1" <<-'END'
		import json, os, subprocess, sys
		def bpftool(*args, ns=()):
		    got = subprocess.run([*ns, "bpftool", "-j", *args], capture_output=True, text=True)
		    return json.loads(got.stdout or "null")
		gate = ("nsenter", "--net=/run/netns/gate")
		meta = (bpftool("map", "show", "pinned", sys.argv[1] + "/meta") or {}).get("id")
		conf = (bpftool("map", "show", "pinned", sys.argv[1] + "/conf") or {}).get("id")
		def whose(number):
		    maps = bpftool("prog", "show", "id", str(number)).get("map_ids", [])
		    return "ours" if {meta, conf} & set(maps) else "foreign"
		net = bpftool("net", ns=gate)[0]
		for x in net["xdp"]: print("xdp", x["devname"], whose(x["id"]))
		for x in net["tc"]: print("tc", x["devname"], x["kind"], whose(x["id"]))
		inode = os.stat("/run/netns/gate").st_ino
		for x in bpftool("link", "show"):
		    if x.get("netns_ino") == inode: print("sk_lookup", whose(x["prog_id"]))
	END
}
declare -A expected=(
	[gateway]="tc g0 clsact/egress ours,tc g0 clsact/ingress ours,tc g1 clsact/egress ours,tc g1 clsact/ingress ours,xdp g0 ours,xdp g1 ours"
	[host]="sk_lookup ours,xdp g0 ours"
)
attached_now() { attached "$1" | sort | paste -sd,; }
all_pins() { (cd "$T/bpf/greygate" && ls -d v*) | xargs; }
missing() { gg status --json | $PYTHON -c 'import json, sys
for m in json.load(sys.stdin)["kernel"]["missing"]: print(m["program"], m["interface"], m["state"], m["why"])'; }
in_kernel() { # address verdict: in the map that the daemon's pins name
	# shellcheck disable=SC2046
	bpftool map lookup pinned "$PIN/$(map_of "$1")" key $(key_of "$1") 2>/dev/null | grep -q "$2"
}
# The configuration has a list with this action.
printf '203.0.113.240/28\n2001:db8:67::/48\n' >"$T/list"
list() { extra="list \"file\" { file = \"$T/list\"  verdict = deny  action = $1 }"; }
settle_in() { # name
	local src
	PIN=$ONE
	list drop_new
	gate_conf
	start "$BUILD/greygated" || bail "$1: greygated starts"
	for src in $DENIED; do gg deny "$src" --action drop_new >/dev/null; done
	for src in ${known-}; do gg allow "$src" >/dev/null; done
	is "$1: what is attached" "$(attached_now $ONE)" "${expected[$mode]}"
	scene_meetings "$1"
	wait_for 10 all_offer
}
# All is as it was before the attempt.
went_back() { # name what-the-log-says
	check "$1: the upgrade is refused" wait_for 30 logged "+$at" event=upgrade verdict=refused
	like "$1: says why" "$(logged "+$at" event=upgrade verdict=refused)" "$2"
	no_fifo
	is "$1: the old process goes on" "$(pid_now)" "$gate_pid"
	check "$1: the new one is gone" gone "$next"
	is "$1: its programs are attached, and nobody's else" "$(attached_now $ONE)" "${expected[$mode]}"
	is "$1: and its maps pinned" "$(all_pins)" v1
	is "$1: status lacks nothing" "$(missing)" ""
	is "$1: nothing went wrong" "$(logged "+$at" event=error)" ""
	for net in 203.0.113.240/28 2001:db8:67::/48; do
		check "$1: $net: a list is what this one has read" net_is $net GG_DROP_NEW
	done
	like "$1: its pins are its user's" "$(stat -c %U $ONE)" "^$GATE_USER$"
	n=$((n + 1))
	check "$1: what is denied now" gg deny 198.18.7.$n
	check "$1: is in the kernel at once" in_kernel 198.18.7.$n GG_DENY
	scene_meetings "$1"
	echo "203.0.113.224/28" >"$T/list$n"
	check "$1: lists are exchanged, by the pins" gg import l$n "$T/list$n" --verdict deny --action drop_new
	check "$1: and in force" net_is 203.0.113.224/28 GG_DENY
	check "$1: settings can be reloaded" gg reload
}
n=0
# Sessions that are there all the while, and clients that come without end.
crowd_begin() { # server
	local src
	rm -f "$T/stop" "$T"/in.* "$T/go"
	on client $PYTHON "$HERE/surge.py" 203.0.113.8 "$1" 3 "$T/stop" >"$T/surge" &
	surge=$!
	open=
	for src in 203.0.113.7 $KNOWN; do # a stranger's with the daemon, the others' with Postfix
		talk $src "$(server_for $src)" 'EHLO client.example.org' ":touch $T/in.$src" ":await $T/go" \
			NOOP QUIT >"$T/open.$src" &
		open="$open $!"
		wait_for 10 test -e "$T/in.$src"
	done
}
crowd_end() { # name
	local src
	touch "$T/stop" "$T/go"
	# shellcheck disable=SC2086
	wait $surge $open
	like "$1: the crowd saw nothing of it" "$(cat "$T/surge")" '^whole=[1-9][0-9]* broken=0 late=0 $'
	for src in 203.0.113.7 $KNOWN; do
		like "$1, $src: the open session lived on" "$(cat "$T/open.$src")" '^S: 221 '
	done
	for src in $KNOWN; do like "$1, $src: with Postfix" "$(cat "$T/open.$src")" "$POSTFIX"; done
}
killed() { # name: the new process, where it hangs
	at=$(log_size)
	check "$1: a new process gets as far as the kernel" hanging
	is "$1: with programs of its own" "$(attached_now "$new_pins")" "${expected[$mode]}"
	[ -z "${good-}" ] || cp "$good" "$T/greygate.conf"
	kill -KILL "$next"
	went_back "$1" 'ended before it was ready'
}
rules=$(routing)

# ---- host: native and generic XDP, another layout, another size ----
postfix_new mx gate "smtpd_authorized_xclient_hosts = 127.0.0.0/8 [::1]/128" || bail "Postfix beside the daemon"
mode=host listen='"0.0.0.0:10025", "[::]:10025"' protect="\"$GATE4:25\", \"[$GATE6]:25\"" backend='"127.0.0.1:25"'
known=$KNOWN
settle_in host
crowd_begin $GATE4
becomes "$NEXT"
new_pins=$TWO killed "host, another layout"
new_pins=$TWO killed "host, once more"
becomes "$BUILD/greygated"
limit="$limit  hosts = 200000"
cp "$T/greygate.conf" "$T/good.conf"
gate_conf
good=$T/good.conf new_pins=$ONE killed "host, another size"
limit="per_source = 1000  new_per_source = 0"
list reject
gate_conf
good=$T/good.conf new_pins=$ONE killed "host, another list"
list drop_new
at=$(log_size)
on gate ip link set dev g0 xdp off
check "host: what somebody takes away then comes back" wait_for 10 logged "+$at" event=kernel verdict=attached interface=g0
is "host: over its maps" "$(attached_now $ONE)" "${expected[host]}"
crowd_end host
gate_kill
check "host: killed" wait_for 10 no_processes
start "$BUILD/greygated" || bail "greygated starts after that"
is "host: what was said after each of them is known" "$(gg list deny | grep -c '^198\.18\.7\.')" "$n"

# A program that never says a word, when the daemon is stopped.
printf '#!/bin/sh\nexec sleep 1000\n' >"$T/mute" && chmod 755 "$T/mute"
becomes "$T/mute"
at=$(log_size)
kill -USR2 "$gate_pid"
mute() { next=$(pgrep -P "$(pgrep -P "$gate_pid" -x greygate-start)" -x sleep); }
check "host: a program that says nothing" wait_for 10 mute
check "host: a stop waits for its end" gate_stop 20
like "host: the log says so" "$(logged "+$at" event=upgrade verdict=ended "pid=$next")" SIGTERM
check "host: it is gone" gone "$next"
is "host: the old programs stay" "$(attached_now $ONE)" "${expected[host]}"
xdp=generic
gate_conf
start "$BUILD/greygated" || bail "greygated starts with xdp = generic"
wait_for 10 all_offer
becomes "$NEXT"
new_pins=$TWO killed "host, generic XDP"
scene_end host
xdp=auto
postfix -c "$T/mx/etc" stop >/dev/null 2>&1

# ---- gateway ----
postfix_new mx mail || bail "Postfix behind the gate"
SERVER4=$MAIL4 SERVER6=$MAIL6
mode=gateway interfaces='"g0", "g1"' listen='' backend='' protect="\"$MAIL4:25\", \"[$MAIL6]:25\""
settle_in gateway
crowd_begin $MAIL4
becomes "$NEXT"
new_pins=$TWO killed "gateway, another layout"
crowd_end gateway

# One that hangs through its minute, with SIGTERM held back.
at=$(log_size)
check "gateway: one that hangs" hanging
check "gateway: it is ended after its minute" wait_for 75 logged "+$at" event=upgrade verdict=ended "pid=$next"
like "gateway: how, the log says" "$(logged "+$at" event=upgrade verdict=ended)" 'did not end by itself: SIGKILL'
went_back "gateway, hanging" 'did not get ready within a minute'

# The daemon is stopped meanwhile.
at=$(log_size)
check "gateway: another that hangs" hanging
kill -TERM "$gate_pid"
check "gateway: a stop waits for its end" wait_for 30 gone "$gate_pid"
like "gateway: the log says so" "$(logged "+$at" event=upgrade verdict=ended)" SIGKILL
check "gateway: no process is left of both" wait_for 5 no_processes
is "gateway: and the old programs" "$(attached_now $ONE)" "${expected[gateway]}"
is "gateway: over the old maps" "$(all_pins)" v1
no_fifo

# Both are killed: what the next start finds goes, in either layout.
for program in "$BUILD/greygated" "$NEXT"; do
	start "$BUILD/greygated" || fail "starts again"
	wait_for 10 all_offer
	becomes "$NEXT"
	check "gateway: one more that hangs" hanging
	kill -KILL "$gate_pid" "$next"
	check "gateway: both are killed" wait_for 10 no_processes
	no_fifo
	check "gateway: ${program##*/} starts" start "$program"
	PIN=$(echo "$T"/bpf/greygate/v?)
	is "gateway: its pins are the only ones" "$(all_pins)" "$([ "$program" = "$NEXT" ] && echo v2 || echo v1)"
	is "gateway: and its programs" "$(attached_now "$PIN")" "${expected[gateway]}"
	scene_meetings "gateway, ${program##*/}"
	[ "$program" = "$NEXT" ] || gate_kill
done

# The old one alone is killed: the new one goes on by itself.
becomes "$BUILD/greygated"
check "gateway: back to the first layout, and it hangs" hanging
gate_kill
echo >&9
check "gateway: the new process serves" wait_for 20 is_another "$gate_pid"
gate_pid=$(pid_now)
no_fifo
PIN=$ONE
is "gateway: the old pins are gone" "$(all_pins)" v1
is "gateway: and the old programs" "$(attached_now $ONE)" "${expected[gateway]}"
scene_meetings "gateway, the old one killed"

# ---- and an upgrade that goes well ----
crowd_begin $MAIL4
old=$gate_pid
becomes "$NEXT"
kill -USR2 "$old"
check "gateway: an upgrade to another layout" wait_for 30 is_another "$old"
gate_pid=$(pid_now) PIN=$TWO
is "gateway: the old pins are gone" "$(all_pins)" v2
is "gateway: and the old programs" "$(attached_now $TWO)" "${expected[gateway]}"
scene_meetings "gateway, upgraded"
crowd_end "gateway, upgraded"
check "gateway: the old process ends" wait_for 10 gone "$old"
scene_end gateway
