#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel's maps are full: an operator's entry takes the place of a learned one, and where there is
# none it is refused and nothing changes; what is learned waits for room; what is said is what the kernel does.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
backend_up mail $MAIL4,25 "$T/mail" || exit 1
limit="per_source = 1000  new_per_source = 0  new_per_cpu = 0  hosts = 1k  nets = 100  imports = 1k"
gate_conf
gate_start || bail "greygated starts"

# Commands over a few connections at once: many COMMAND KEY FORMAT FIRST LAST [KEY=VALUE...], with the
# two bytes of the number, or the only one, in FORMAT. Prints how many were done.
many() {
	$PYTHON - "$T/run/control.sock" "$@" <<'END'
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
path, command, key, form, first, last = sys.argv[1:7]
args = dict(a.split("=", 1) for a in sys.argv[7:])
def some(start):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    f = s.makefile("rw")
    done = 0
    for i in range(start, int(last), 8):
        n = (i >> 8, i & 255) if form.count("%") == 2 else (i,)
        f.write(json.dumps({"command": command, "args": dict(args, **{key: form % n})}) + "\n")
        f.flush()
        done += "done" in json.loads(f.readline())
    return done
with ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(some, range(int(first), int(first) + 8))))
END
}
# shellcheck disable=SC2016
origins() { # map: how many entries of each origin
	bpftool -j map dump pinned "$PIN/$1" | $PYTHON -c 'import collections, json, sys
c = collections.Counter(e["formatted"]["value"]["origin"] for e in json.load(sys.stdin))
print(*("%s=%d" % (k, c[k]) for k in sorted(c)))'
}
banner() { TALK_TIMEOUT=${2:-15} talk "$1" "$(server_for "$1")" QUIT | sed -n 1p; }
DROPPED='^T: connect <timeout>' SERVED='^S: 220 '

printf '203.0.113.0/24\n2001:db8:66::/48\n' | gg import feed - --verdict deny --action drop_new >/dev/null

# ---- full of what was learned ----
declare -A net=([4]=198.18.%d.%d [6]=2001:db8:a:%x::%x) src=([4]=203.0.113.66 [6]=2001:db8:66::66)
for v in 4 6; do
	# The kernel keeps some elements of a hash for each CPU: it is full somewhat above its limit.
	many correspondent-add name "${net[$v]}" 0 1150 for=1h >/dev/null
	unlike "IPv$v: full of learned entries: status says so" "$(gg status | grep -i problem)" 'none'
	like "IPv$v: and which limit it is" "$(gg status)" "kernel: hosts of IPv$v are full.*"
	like "IPv$v: the source is dropped" "$(banner ${src[$v]} 1.5)" "$DROPPED"
	like "IPv$v: an operator's allow finds room" "$(gg allow ${src[$v]})" 'the kernel knows'
	like "IPv$v: and the kernel lets it through" "$(banner ${src[$v]})" "$SERVED"
	like "IPv$v: explain: it is in the map" "$(gg explain ${src[$v]})" 'kernel +in the map'
	like "IPv$v: in the place of a learned one" "$(origins host$v)" 'GG_BY_OPERATOR=1( |$)'
	check "IPv$v: a deny finds room too" gg deny ${src[$v]} --action drop_new
	like "IPv$v: and is in force" "$(banner ${src[$v]} 1.5)" "$DROPPED"
	check "IPv$v: taken back" gg forget ${src[$v]}
done
between "who had to go is counted" "$(counter verdicts_evicted)" 2 500
between "and those that found no room" "$(counter kernel_full)" 2 1000
check "logged, with why" log_wait event=demote reason=room
# What an operator's entries have left of the room they were made goes first.
many correspondent-add name "${net[4]}" 1150 1250 for=1h >/dev/null
gg correspondent add 198.18.200.1 >/dev/null
like "explain: what is in memory alone is told to be" "$(gg explain 198.18.200.1)" \
	'kernel +not in the map: it leaves the client to the daemon'

# ---- full of operators' entries ----
for v in 4 6; do
	between "IPv$v: operators' entries push the learned ones out" \
		"$(many deny prefix "${net[$v]/198.18/198.19}" 2048 3300)" 1000 1150
	unlike "IPv$v: all of them" "$(origins host$v)" 'CORRESPONDENT'
	out=$(gg allow ${src[$v]} 2>&1); is "IPv$v: then one more is refused" $? 1
	like "IPv$v: by a limit that is named" "$out" 'limit hosts is 1000'
	like "IPv$v: with what mends it" "$out" 'greygate forget .*raise limit hosts'
	unlike "IPv$v: nothing was changed: explain" "$(gg explain ${src[$v]})" 'is let through'
	unlike "IPv$v: and list" "$(gg list allow)" "^${src[$v]}"
	like "IPv$v: the kernel goes on as before" "$(banner ${src[$v]} 1.5)" "$DROPPED"
	like "IPv$v: status says it" "$(gg status)" "hosts of IPv$v are full"
done
check "one is forgotten" gg forget 198.19.8.0
check "and makes room" gg allow 203.0.113.66
like "which the kernel acts on" "$(banner 203.0.113.66)" "$SERVED"

# ---- prefixes ----
declare -A wide=([4]=10.%d.0.0/16 [6]=2001:db8:b%02x::/48) more=([4]=172.16.0.0/12 [6]=2001:db9::/32)
for v in 4 6; do
	is "IPv$v: as many prefixes as there may be" "$(many deny prefix "${wide[$v]}" 0 105)" 100
	out=$(gg allow "${more[$v]}" 2>&1; echo "exit $?")
	like "IPv$v: one more is refused, by name" "${out//$'\n'/ }" 'limit nets is 100.*exit 1'
	like "IPv$v: status says it" "$(gg status)" "nets of IPv$v are full"
done
list1k() { $PYTHON -c 'import sys
for i in range(int(sys.argv[1])): print("20.%d.%d.0/24" % (i >> 8, i & 255))' "$1"; }
refuse "a list may not take the room of prefixes" eval 'list1k 1001 | gg import big - --verdict deny'
check "one that just fits may" eval 'list1k 999 | gg import big - --verdict deny'

# ---- what lasts ----
before=$(origins host4)
check "stop" gate_stop
check "start" gate_start
is "a restart finds the same" "$(origins host4)" "$before"
like "the allowed source is served" "$(banner 203.0.113.66)" "$SERVED"

# ---- a trap finds no room for the network of an IPv6 address ----
gate_stop; is "SIGTERM: exit code 0" $? 0
on gate "$BUILD/greygate" -c "$T/greygate.conf" detach >/dev/null
rm -rf "$T/state"
trap_conf='addresses = {"trap@example.net"}  action = reject'
gate_conf
gate_start || bail "greygated starts empty"
bot=2001:db8:77::7 near=2001:db8:77::1234
is "IPv6: as many prefixes as there may be" "$(many deny prefix 2a00:%x::/32 0 105)" 100
refuse "one more is refused" gg deny 2b00::/32
full=$(counter kernel_full)
like "a source hits a trap" "$(talk $bot $GATE6 'EHLO client.example.org' 'MAIL FROM:<bot@spam.example>' \
	'RCPT TO:<trap@example.net>' QUIT)" '^S: 554 5\.7\.1'
check "the address is denied in the kernel" map_is $bot GG_BY_TRAP
refuse "the network is not" net_is 2001:db8:77::/64 GG_BY_TRAP
is "which is counted" "$(counter kernel_full)" $((full + 1))
like "status says it" "$(gg status)" "nets of IPv6 are full"
like "but the daemon denies it" "$(gg explain $near)" '^2001:db8:77::/64: deny'
like "explain: without the kernel" "$(gg explain $near)" 'leaves the client to the daemon'
for does in "deny --action drop_new" allow; do
	# shellcheck disable=SC2086
	gg import wide - --verdict $does <<<2001:db8:77::/48 >/dev/null
	like "a list that comes to name a wider prefix with $does is obeyed" "$(gg explain $near)" \
		"kernel +not in the map: it goes by 2001:db8:77::/48, ${does/ --/ with }"
done
check "the list goes" gg import wide --remove
check "an operator's prefix makes room" gg forget 2a00:1::/32
check "and the network is denied in the kernel" wait_for 10 net_is 2001:db8:77::/64 GG_BY_TRAP
unlike "explain: by the kernel, too" "$(gg explain $near)" 'leaves the client to the daemon'
check "forgotten" gg forget $bot
unlike "both are" "$(gg explain $near)" ': deny'
gate_stop; is "SIGTERM: exit code 0" $? 0

# ---- what was learned gets its place when there is room again ----
on gate "$BUILD/greygate" -c "$T/greygate.conf" detach >/dev/null
rm -rf "$T/state"
greylist="delay = 1s  delay_clean = 1s  delay_suspicious = 1s  jitter = 0  promote_after = 1  promote_net_after = 2"
gate_conf
gate_start || bail "greygated starts empty"
declare -A hosts=([4]="192.0.2.7 192.0.2.8" [6]="2001:db8:1::7 2001:db8:1::8") at=([4]=192.0.2.0/24 [6]=2001:db8:1::/64)
delivered() { # source
	attempt "$1" "$(server_for "$1")" "a${1##*[.:]}@sender.example" user1@example.net | grep '^S: 250 2\.0\.0' >/dev/null
}
for v in 4 6; do
	is "IPv$v: as many prefixes as there may be" "$(many deny prefix "${wide[$v]}" 0 105)" 100
	for h in ${hosts[$v]}; do
		delivered $h
		check "$h: its retry is delivered" wait_for 10 delivered $h
	done
	check "IPv$v: their network is learned" log_wait event=promote net=${at[$v]}
	refuse "IPv$v: not by the kernel" net_is ${at[$v]} GG_BY_LEARNING
	like "IPv$v: explain says so" "$(gg explain ${hosts[$v]##* }9)" 'leaves the client to the daemon'
done
is "none has come late" "$(counter kernel_late)" 0
gg forget 10.1.0.0/16 >/dev/null
check "IPv4: until there is room" wait_for 10 net_is ${at[4]} GG_BY_LEARNING
late_is() { [ "$(counter kernel_late)" = "$1" ]; }
check "which is counted" wait_for 5 late_is 1
refuse "IPv6: there is none yet" net_is ${at[6]} GG_BY_LEARNING
gg forget 2001:db8:b01::/48 >/dev/null
check "IPv6: until there is room" wait_for 10 net_is ${at[6]} GG_BY_LEARNING
# 1152, of which the kernel takes somewhat more than 1000; the first 256 make room for the rest.
for v in 4 6; do
	many correspondent-add name "${net[$v]}" 0 1152 for=1h >/dev/null
	last=$(printf "${net[$v]}" 4 200)
	gg correspondent add "$last" >/dev/null
	like "IPv$v: a host that the kernel has no room for" "$(gg explain "$last")" 'kernel +not in the map'
done
gg forget 198.18.0.0/24 >/dev/null; gg forget 2001:db8:a:0::/80 >/dev/null
for v in 4 6; do
	check "IPv$v: gets its place as well" wait_for 20 map_is "$(printf "${net[$v]}" 4 200)" GG_BY_CORRESPONDENT
done
gate_stop; is "SIGTERM: exit code 0" $? 0

# ---- less room than the store needs: whom an operator lets in is not dropped for it ----
on gate "$BUILD/greygate" -c "$T/greygate.conf" detach >/dev/null
rm -rf "$T/state"
limit="per_source = 1000  new_per_source = 0  new_per_cpu = 0  hosts = 4k  nets = 100"
gate_conf
gate_start || bail "greygated starts empty"
declare -A denied=([4]=203.0.113.0/24 [6]=2001:db8:66::/48) within=([4]=203.0.113.%d [6]=2001:db8:66::%x)
declare -A other=([4]=203.0.113.252 [6]=2001:db8:66::fc)
for v in 4 6; do
	is "IPv$v: hosts that are denied" "$(many deny prefix "${net[$v]}" 0 1250)" 1250
	check "IPv$v: a network is, too" gg deny ${denied[$v]} --action drop_all
	is "IPv$v: and hosts in it are not" "$(many allow prefix "${within[$v]}" 1 251)" 250
done
room() { # hosts
	check "stop" gate_stop
	limit=$(sed "s/hosts = [0-9]*k/hosts = $1/" <<<"$limit")
	gate_conf
	check "start with limit hosts = $1" gate_start
}
room 1k
check "the log says that not all have room" wait_for 5 has 'no room for [0-9]+ entries of operators' "$T/gate.log"
like "status does" "$(gg status)" 'kernel: [0-9]+ entries of operators have no room'
for v in 4 6; do
	for i in 1 128 250; do
		# shellcheck disable=SC2059
		check "IPv$v: allowed host $i has its place" map_is "$(printf "${within[$v]}" $i)" GG_ALLOW
	done
	like "IPv$v: one is served" "$(banner ${src[$v]})" "$SERVED"
	check "IPv$v: the network is denied in the kernel" net_is ${denied[$v]} GG_DENY
	like "IPv$v: all of it but these" "$(gg explain ${other[$v]})" 'kernel +in the map'
done

check "memory was made larger" wait_for 5 has 'more than limit hosts and nets leave room for' "$T/gate.log"
is "so that none of operators' words was lost" "$(gg list deny | grep -cE '^(198\.18|2001:db8:a):?')" 2500

# ---- nor where all the room is not enough for them ----
room 4k
unlike "with room for all nothing is said" "$(gg status)" 'entries of operators|left to the daemon'
for v in 4 6; do
	is "IPv$v: more exceptions than there will be room for" \
		"$(many allow prefix "${net[$v]}" 0 1250)" 1250
done
room 1k
like "status says what is not in force" "$(gg status)" 'kernel: 2 prefixes are left to the daemon'
for v in 4 6; do
	check "IPv$v: the kernel leaves the denied network to the daemon" net_is ${denied[$v]} GG_UNKNOWN
	like "IPv$v: an exception is served" "$(banner ${src[$v]})" "$SERVED"
	like "IPv$v: the daemon denies the rest" "$(gg explain ${other[$v]})" "${denied[$v]}"
	like "IPv$v: explain says that it is left to it" "$(gg explain ${other[$v]})" \
		'kernel +left to the daemon, for want of room'
	unlike "IPv$v: and not that the kernel acts" "$(gg explain ${other[$v]})" 'in the map'
done
room 4k
for v in 4 6; do
	check "IPv$v: with room again the kernel denies it" net_is ${denied[$v]} GG_DENY
done
unlike "and nothing is said" "$(gg status)" 'entries of operators|left to the daemon'
gate_stop; is "SIGTERM: exit code 0" $? 0
