#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Somebody takes our programs, rules or the interface itself away while the daemon runs: the log says so
# once, status and doctor show it, it is put back, and then strangers, known and denied sources fare as
# before. What somebody else has put in our place stays. Relay, host and gateway mode.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/system/scenes.sh
. "$HERE/scenes.sh"

net_up || bail "network namespaces"
ip -n client route add 198.51.100.0/24 via $GATE4; ip -n client route add 2001:db8:2::/64 via $GATE6
ip -n mail route add default via 198.51.100.1; ip -n mail -6 route add default via 2001:db8:2::1
on gate sh -c 'for f in /proc/sys/net/ipv[46]/conf/all/forwarding; do echo 1 >"$f"; done'
offloads() { on client ethtool -K c0 tx off gro on >/dev/null; on mail ethtool -K m0 tx off gro on >/dev/null; }
offloads
DENIED="203.0.113.66 2001:db8:66::66" STRANGERS="203.0.113.9 2001:db8:79::9" KNOWN="192.0.2.8 2001:db8:1::8"
export TALK_TIMEOUT=30
stutter="first = 100ms  interval = 20ms  deny_limit = 200ms"

missing() { gg status --json | $PYTHON -c 'import json, sys
for m in json.load(sys.stdin)["kernel"]["missing"]: print(m["program"], m["interface"], m["state"], m["mend"])'; }
whole() { [ -z "$(missing)" ]; }
lacks() { missing | grep -qE "$1"; }
told() { logged "+$at" event=kernel "program=$1" "verdict=$2" ${3:+"interface=$3"}; }
told_once() { [ "$(told "$@" | wc -l)" = 1 ]; }
on_link() { ip -n gate link show "$1" | grep -q xdp; }
lost() { # name program interface command...: it is gone, and put back
	local name=$1 program=$2 interface=$3; shift 3
	at=$(log_size)
	check "$name: taken away" on gate "$@"
	check "$name: the log says so" wait_for 10 told "$program" gone $interface
	check "$name: and that it is back" wait_for 10 told "$program" attached $interface
	check "$name: each once" told_once "$program" gone $interface
	check "$name: status lacks nothing" wait_for 5 whole
}
dropped() { TALK_TIMEOUT=1.5 hello "$1" | grep -qE "$DROPPED"; }
begin() { # mode
	local src
	mode=$1
	gate_conf
	gate_start || bail "$1: greygated starts"
	for src in $DENIED; do gg deny "$src" --action drop_new >/dev/null; done
	for src in ${known-}; do gg allow "$src" >/dev/null; done
	scene_meetings "$1"
	check "$1: status lacks nothing" whole
}
rules=$(routing)
doctor() { on gate "$BUILD/greygate" -s "$T/run/control.sock" -c "$T/greygate.conf" doctor; }

# ---- relay: the XDP program, somebody else's, the interface ----
backend_up mail $MAIL4,25 "$T/backend" || exit 1
backend_pid=$started
begin relay
lost "xdp off" "XDP program" g0 ip link set dev g0 xdp off
check "xdp off: it is on the interface" on_link g0
scene_meetings "xdp off"
is "counted as lost" "$(counter kernel_lost)" 1
is "and as back" "$(counter kernel_restored)" 1
lost "bpftool net detach" "XDP program" g0 bpftool net detach xdpdrv dev g0

remake() {
	ip -n gate link del g0
	check "interface deleted: the log says so" wait_for 10 told "XDP program" no_interface g0
	like "status too" "$(gg status)" 'g0: XDP program: there is no such interface any more'
	ip -n client link add c0 type veth peer name g0 netns gate && ip -n client link set c0 up && ip -n gate link set g0 up
	for a in $CLIENT_NETS4; do ip -n client addr add "$a"/24 dev c0; done
	for a in $CLIENT_NETS6; do ip -n client addr add "$a"/64 dev c0 nodad; done
	ip -n gate addr add $GATE4/24 dev g0; ip -n gate addr add $GATE6/64 dev g0 nodad
	ip -n gate route add 203.0.113.0/24 dev g0
	for a in 77 78 79 66; do ip -n gate route add 2001:db8:$a::/64 dev g0; done
	ip -n client route add 198.51.100.0/24 via $GATE4; ip -n client route add 2001:db8:2::/64 via $GATE6
	offloads
}
at=$(log_size)
remake
check "interface made anew: the program is on it" wait_for 10 told "XDP program" attached g0
# The addresses are followed by themselves, and not at once.
check "and protects its address again" wait_for 15 dropped 2001:db8:66::66

extra="reattach = no"
check "reattach = no" gate_renew
at=$(log_size)
on gate ip link set dev g0 xdp off
check "reattach = no: it is told" wait_for 10 told "XDP program" gone g0
like "with the command that mends it" "$(told "XDP program" gone g0)" "kill -USR2 $gate_pid"
like "status tells it" "$(gg status)" 'g0: XDP program: taken away by somebody; kill -USR2'
like "and shows it" "$(gg status)" '^ +g0: XDP program: gone'
like "doctor fails for it" "$(doctor)" "^fail +attached +g0: XDP program: taken away"
for src in $STRANGERS $DENIED; do
	like "$src: mail is served, by the daemon alone" "$(hello "$src")" '^S: (220|554)'
done
refuse "it stays off" on_link g0

# Of those at work on this machine each has to wait for the others: they share /run/xdp-filter.lck.
check "somebody else's program" wait_for 5 on gate xdp-filter load -m native g0
check "is told" wait_for 10 told "XDP program" replaced g0
extra=
check "reattach = yes" gate_renew
named() { told "XDP program" replaced g0 | grep -q 'remove it (ip link set dev g0 xdp off)'; }
check "and named, with what would mend it" wait_for 10 named
like "it is not thrown off" "$(ip -n gate -d link show g0)" 'name xdpfilt'
check "status says the command" lacks '^XDP program g0 replaced ip link set dev g0 xdp off'
check "it is taken away by whoever put it there" wait_for 5 on gate xdp-filter unload g0
check "and ours is back" wait_for 15 told "XDP program" attached g0
scene_meetings "after somebody else"
old_pid=$gate_pid
kill -USR2 "$gate_pid"
check "an upgrade goes on as ever" wait_for 20 is_another "$old_pid"
gate_pid=$(pid_now)
check "and its process lacks nothing" wait_for 5 whole
lost "after an upgrade" "XDP program" g0 ip link set dev g0 xdp off
at=$(log_size)
on gate mv "$PIN/asking" "$PIN/elsewhere"
unpinned() { logged "+$at" event=kernel | grep -q "pin $PIN/asking is gone.*restart greygated"; }
check "a map's pin is gone: the log says so at once" wait_for 10 unpinned
like "status says so while all stands" "$(gg status)" "kernel: pin $PIN/asking is gone"
on gate ip link set dev g0 xdp off
check "what is missing then is told" wait_for 10 told "XDP program" gone g0
like "with the mend" "$(gg status)" 'g0: XDP program: taken away by somebody; systemctl restart greygated'
like "for programs too" "$(gg status --json)" "\"unpinned\":\"$PIN/asking\""
like "doctor names it" "$(doctor)" "^fail +pins +$PIN/asking is gone"
on gate mv "$PIN/elsewhere" "$PIN/asking"
check "pinned again, the program is back" wait_for 10 told "XDP program" attached g0
unlike "and status says no more of it" "$(gg status)" "is gone"
at=$(log_size)
kill -KILL "$(pgrep -n greygate-start)"
failed() { logged "+$at" event=kernel | grep -q 'greygate-start.*is gone.*restart greygated'; }
check "who could put it back is gone: the log says so at once" wait_for 10 failed
like "status says so while all stands" "$(gg status)" 'problems  kernel: greygate-start is gone'
like "and doctor" "$(doctor)" "^fail +starter .*greygate-start is gone"
on gate ip link set dev g0 xdp off
check "what is missing then is told" wait_for 10 told "XDP program" gone g0
like "with the mend" "$(gg status)" 'g0: XDP program: taken away by somebody; systemctl restart greygated'
kill -TERM "$gate_pid"
check "it stops" wait_for 10 gone "$gate_pid"
is "detach is not undone" "$(on gate "$BUILD/greygate" -c "$T/greygate.conf" detach >/dev/null; on_link g0; echo $?)" 1
kill "$backend_pid"
rm -rf "$T/state"

# ---- host: the socket lookup program ----
postfix_new mx gate "smtpd_authorized_xclient_hosts = 127.0.0.0/8 [::1]/128" || bail "Postfix beside the daemon"
listen='"0.0.0.0:10025", "[::]:10025"' protect="\"$GATE4:25\", \"[$GATE6]:25\"" backend='"127.0.0.1:25"'
known=$KNOWN
begin host
lost "lookup" "socket lookup program" "" bpftool link detach pinned "$PIN/link_lookup"
lost "all at once" "socket lookup program" "" sh -c "ip link set dev g0 xdp off
	bpftool link detach pinned $PIN/link_lookup"
check "all at once: all of it is back" on_link g0
scene_meetings "all at once"
scene_end host
postfix -c "$T/mx/etc" stop >/dev/null 2>&1

# ---- gateway: rules, routes, tc, XDP, an interface ----
postfix_new mx mail || bail "Postfix behind the gate"
SERVER4=$MAIL4 SERVER6=$MAIL6
interfaces='"g0", "g1"' listen='' backend='' protect="\"$MAIL4:25\", \"[$MAIL6]:25\""
begin gateway
with=$(routing)
lost "ip rule del" "policy rules and routes" "" ip rule del pref 10000 iif g0
lost "ip route flush" "policy rules and routes" "" ip -6 route flush table 26489
is "the rules are as before" "$(routing)" "$with"
# Whatever is added without a priority comes before all rules: VPNs, second uplinks. Both ways.
first() { on gate ip "$1" rule | awk '!/from all lookup local/ { print /fwmark 0x67726579/ ? "ours" : "others"; exit }'; }
ours() { on gate ip "$1" rule | grep -c 'fwmark 0x67726579'; }
for turn in 1 2; do
	lost "overtaken $turn" "policy rules and routes" "" sh -c "ip rule add table main suppress_prefixlength 0; ip rule add iif g0 table main
		ip -6 rule add iif g0 table main; ip rule add iif g1 table main; ip -6 rule add iif g1 table main"
	for family in -4 -6; do
		is "overtaken $turn, $family: ours are first again" "$(first $family)" ours
		is "overtaken $turn, $family: and one for each interface" "$(ours $family)" 2
	done
	like "overtaken $turn: the log says by what" "$(told "policy rules and routes" gone)" 'a rule of others stands before them'
	scene_meetings "overtaken $turn"
done
# Rules that came and went, time and again.
for family in -4 -6; do for g in g0 g1; do
	on gate sh -c "ip $family rule add pref 4000 fwmark 0x67726579 iif $g lookup 26489 protocol 67
		ip $family rule del \$(ip $family rule | sed -n 's/^\([0-9]*\):.*fwmark 0x67726579 iif $g .*/pref \1/p' | grep -v 'pref 4000') iif $g"
done; done
high() { ! { on gate ip rule; on gate ip -6 rule; } | grep -q '^4000:'; }
on gate sh -c 'for i in 1 2; do for g in g0 g1; do ip rule del iif $g table main; ip -6 rule del iif $g table main; done; ip rule del table main suppress_prefixlength 0; done'
check "sunk: they go back up" wait_for 20 high
check "sunk: status lacks nothing" wait_for 10 whole
is "sunk: the rules are as before" "$(routing)" "$with"
at=$(log_size)
on gate ip rule add pref 0 from 203.0.113.250 table main
stuck() { told "policy rules and routes" gone | grep -q 'give it a priority of 2 or more'; }
check "what can't be passed is told, with the mend" wait_for 10 stuck
like "status tells it too" "$(gg status)" 'policy rules and routes: a rule of others stands before them.*priority of 2 or more'
on gate ip rule del pref 0 from 203.0.113.250
check "all is well when it has gone" wait_for 10 whole
old_pid=$gate_pid
kill -USR2 "$gate_pid"
check "an upgrade" wait_for 20 is_another "$old_pid"
gate_pid=$(pid_now)
is "brings the rules back to where they were" "$(routing)" "$with"
lost "the way out" "tc program on the way out" g0 tc filter del dev g0 egress
lost "clsact" "tc program" g0 tc qdisc del dev g0 clsact
lost "all at once" "XDP program" g1 sh -c "tc qdisc del dev g1 clsact; ip link set dev g0 xdp off; ip link set dev g1 xdp off
	ip rule del pref 10000 iif g0; ip -6 rule del pref 10000 iif g1"
is "all at once: the rules are as before" "$(routing)" "$with"
scene_meetings "all at once"
at=$(log_size)
remake
check "interface made anew: XDP is on it" wait_for 10 told "XDP program" attached g0
check "so is tc" wait_for 10 told "tc program" attached g0
check "status lacks nothing" wait_for 5 whole
before=$(counter forwarded)
renamed() { told "$1" no_interface g0 | grep -q "is called wan0 now.*name wan0 in interfaces and restart, or ip link set dev wan0 name g0"; }
at=$(log_size)
# Live, where the kernel can.
on gate ip link set dev g0 name wan0 2>/dev/null || on gate sh -c 'ip link set dev g0 down; ip link set dev g0 name wan0 up'
check "interface renamed: the log names it, and the mend" wait_for 10 renamed "tc program"
like "and that strangers go past" "$(told "tc program" no_interface g0)" 'what comes by it goes past the daemon, strangers too'
like "status too" "$(gg status)" 'g0: tc program: the interface is called wan0 now: what comes by it goes past the daemon, strangers too; name wan0 in'
on gate sh -c 'ip link set dev wan0 down; ip link set dev wan0 name g0 up'
check "renamed back: all stands again" wait_for 10 whole
ip -n gate addr replace $GATE6/64 dev g0 nodad; ip -n gate route replace 203.0.113.0/24 dev g0
for a in 77 78 79 66; do ip -n gate route replace 2001:db8:$a::/64 dev g0; done
scene_meetings "interface made anew"
between "known sources are forwarded by XDP" "$(($(counter forwarded) - before))" 4 100000
scene_end gateway
