#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What an earlier start has put into the kernel does not go on judging when a later one has no use for it: without
# interfaces, with xdp = off, in another mode, under another bpffs; by a restart and by an upgrade. An upgrade that
# comes to nothing leaves all as it was. Nobody else's is touched.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/system/scenes.sh
. "$HERE/scenes.sh"

net_up || bail "network namespaces"
backend_up mail "$MAIL4,25" "$T/mail" || bail "a mail server"
export TALK_TIMEOUT=2
DENIED="203.0.113.66 2001:db8:66::66" LISTED=203.0.113.9
extra="dns { servers = {\"127.0.0.1:9\"}  timeout = 300ms }"
when_down=closed
drain_time=60s

met_by() { hello "$1" | grep -oE "$DAEMON|$POSTFIX|$DROPPED" | head -n 1; }
are_met() { # name banner source...
	local name=$1 want=$2 src; shift 2
	for src; do is "$name: $src" "$(met_by "$src")" "${want#^}"; done
}
DAEMON=${DAEMON//\\/} POSTFIX=${POSTFIX//\\/} DROPPED=${DROPPED//\\/}
deny() {
	local src
	for src in $DENIED; do gg deny "$src" --action drop_new >/dev/null; done
	echo $LISTED | gg import list - --verdict deny --action drop_new >/dev/null
}
forget() {
	local src
	for src in $DENIED; do gg forget "$src" >/dev/null; done
	gg import list --remove >/dev/null
}
# Interfaces with an XDP program, and sk_lookup links of the gate's namespace.
attached() {
	on gate bpftool net show | sed -n 's/^\([a-z0-9]*\)([0-9]*) driver id.*/\1/p'
	bpftool link show | grep -c "netns_ino $(stat -L -c %i /run/netns/gate) .*sk_lookup"
}
attached_now() { attached | paste -sd' '; }
upgrade() {
	local before
	before=$(pid_now)
	kill -USR2 "$gate_pid"
	wait_for 20 is_another "$before" && gate_pid=$(pid_now)
}
restart() { gate_stop && gate_conf && gate_start; }
renewed() { gate_conf && upgrade; }
stop_now() { kill -TERM "$gate_pid"; wait_for 10 gone "$gate_pid"; } # by an upgrade it is no child any more

# ---- relay: switched off ----
gate_conf
gate_start || bail "greygated starts"
deny
are_met "relay, in the kernel" "$DROPPED" $DENIED $LISTED
is "relay: what is attached" "$(attached_now)" "g0 0"
for how in restart renewed; do
	for off in "interfaces=" "xdp=off"; do
		name="$how, $off"
		at=$(log_size)
		case $off in xdp*) xdp=off ;; *) interfaces= ;; esac
		check "$name: the daemon goes on" $how
		is "$name: nothing is attached" "$(attached_now)" 0
		is "$name: nor pinned" "$(pins)" 0
		like "$name: the log says what went" "$(logged "+$at" event=start)" \
			'no longer used: g0: XDP program .* detached'
		forget
		are_met "$name: who is forgotten" "$DAEMON" $DENIED $LISTED
		deny
		unset xdp interfaces
		check "$name: and back" $how
		is "$name, back: what is attached" "$(attached_now)" "g0 0"
		are_met "$name, back: who is denied" "$DROPPED" $DENIED $LISTED
		[ $how = renewed ] || continue
		stop_now; gate_start || bail "greygated starts"
	done
done

# ---- an upgrade from a version that left no note ----
rm "$T/state/kernel"
check "without a note: an upgrade" upgrade
stop_now
xdp=off
gate_conf
check "without a note: then a start with xdp = off" gate_start
is "without a note: nothing is attached" "$(attached_now)" 0
stop_now
unset xdp
gate_conf
gate_start || bail "greygated starts"

# ---- an upgrade to xdp = off that comes to nothing ----
wait_for 10 all_offer
cp "$T/greygate.conf" "$T/good.conf"
xdp=off
gate_conf
check "killed: a new process gets as far as the kernel" hanging
is "killed: nothing is attached any more" "$(attached_now)" 0
at=$(log_size)
cp "$T/good.conf" "$T/greygate.conf"
kill -KILL "$next"
check "killed: the upgrade is refused" wait_for 30 logged "+$at" event=upgrade verdict=refused
no_fifo
is "killed: the old process goes on" "$(pid_now)" "$gate_pid"
is "killed: its program is attached" "$(attached_now)" "g0 0"
is "killed: nothing went wrong" "$(logged "+$at" event=error)" ""
are_met "killed: who is denied" "$DROPPED" $DENIED $LISTED
forget
are_met "killed: who is forgotten, in the kernel too" "$DAEMON" $DENIED $LISTED
unset xdp

# ---- a note that names no bpf file system, or somebody else's ----
stop_now
mkdir -p "$T/elsewhere/v1" && touch "$T/elsewhere/v1/host4"
mv "$T/state/kernel" "$T/kernel.before"
printf 'greygate kernel 1\n%s\n' "$T/elsewhere" >"$T/state/kernel"
check "a note of elsewhere: greygated starts" gate_start
check "a note of elsewhere: no file there is touched" test -e "$T/elsewhere/v1/host4"
is "a note of elsewhere: the next one is right" "$(cat "$T/state/kernel")" "$(cat "$T/kernel.before")"
deny
sed -e "s#$T/state#$T/second#; s#$T/run/control#$T/run/second#" -e "s#interfaces = .*#interfaces = {}#" \
	-e "s#listen = .*#listen = {\"127.0.0.1:2626\"}#" "$T/greygate.conf" >"$T/second.conf"
mkdir "$T/second"
cp "$T/state/kernel" "$T/second/kernel"
chown -R $GATE_USER "$T/second"
start_on gate "$BUILD/greygated" -c "$T/second.conf" -f >/dev/null 2>"$T/second.log"
second=$started
check "a second daemon starts" wait_for 10 "$BUILD/greygate" -s "$T/run/second.sock" status
is "a second daemon: complains of nothing" "$($PYTHON "$HERE/pick.py" lines "$T/second.log" event=error)" ""
is "a second daemon: the first one's stays" "$(attached_now)" "g0 0"
are_met "a second daemon: who is denied by the first" "$DROPPED" $DENIED $LISTED
kill -TERM "$second"; wait_for 10 gone "$second"
stop_now

# ---- host mode, closed: another bpffs, then no kernel at all ----
postfix_new mx gate "smtpd_authorized_xclient_hosts = 127.0.0.0/8 [::1]/128" || bail "Postfix beside the daemon"
mode=host listen='"0.0.0.0:10025", "[::]:10025"' backend='"127.0.0.1:25"' protect="\"$GATE4:25\", \"[$GATE6]:25\""
gate_conf
gate_start || bail "greygated starts in host mode"
forget
gg allow 203.0.113.7 >/dev/null
gate_stop
sed -i "s#\"$T/bpf/greygate\"#\"$T/bpf/other\"#" "$T/greygate.conf"
gate_start || bail "greygated starts with another bpffs"
is "another bpffs: one lookup" "$(attached_now)" "g0 1"
check "another bpffs: nothing is left of the first" test ! -e "$T/bpf/greygate"
for src in 203.0.113.8 2001:db8:77::7; do gg allow "$src" >/dev/null; done
are_met "another bpffs: who is allowed now" "$POSTFIX" 203.0.113.7 203.0.113.8 2001:db8:77::7
are_met "another bpffs: strangers" "$DAEMON" $DENIED
gate_stop
mode=relay listen='"0.0.0.0:25", "[::]:25"' backend="\"$MAIL4:25\"" protect='' interfaces=''
kill "$(cat "$T/mx/spool/pid/master.pid")"
free() { ! on gate bash -c 'exec 3<>/dev/tcp/127.0.0.1/25' 2>/dev/null; }
wait_for 10 free
gate_conf
check "relay without interfaces: starts" gate_start
is "relay without interfaces: nothing is attached" "$(attached_now)" 0
is "relay without interfaces: nor pinned" "$(pins)" 0
are_met "relay without interfaces: everybody" "$DAEMON" 203.0.113.7 $DENIED 2001:db8:77::7
stop_now
check "the end: nothing is noted" test ! -e "$T/state/kernel"
