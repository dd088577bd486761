#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What nobody uses any more goes by itself, from memory, from the kernel's maps and from the store: hosts and
# networks, learned and trapped, IPv4 and IPv6. What is used stays, however much of it there is.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
backend_up mail $MAIL4,25 "$T/backend" || exit 1
greylist="delay = 1s  delay_clean = 1s  delay_suspicious = 1s  jitter = 0  promote_after = 1  promote_net_after = 2
	window = 12s  keep = 12s"
trap_conf='addresses = {"trap@example.net"}  life = 8s  action = reject'
limit="per_source = 2000  new_per_source = 0  new_per_cpu = 0"
extra="correspondent { life = 10m }"
gate_conf
gate_start || bail "greygated starts"

verdicts() { gg status --json | $PYTHON "$HERE/pick.py" value verdicts; }
# How many entries the kernel has of the daemon's own: host4 host6 own4 own6 net4 net6
kernel() {
	printf "map dump pinned $PIN/%s\n" host4 host6 own4 own6 net4 net6 | bpftool -j batch file - |
		$PYTHON -c 'import json, sys; print(*(len(each["output"]) for each in json.load(sys.stdin)))'
}
try() { attempt "$1" "$(server_for "$1")" "$2-${1//[.:]/-}@sender.example" user1@example.net; } # source sender
# Of these at the same time, since what comes of them lives for seconds; $T/said.SOURCE has what each one heard.
each() { # source... -- command...: which gets the source and what stands behind it
	local src sources=() jobs_=()
	while [ "$1" != -- ]; do sources+=("$1"); shift; done
	shift
	for src in "${sources[@]}"; do "$1" "$src" "${@:2}" >"$T/said.$src" & jobs_+=($!); done
	wait "${jobs_[@]}"
}
bait() { attempt "$1" "$(server_for "$1")" bot@spam.example trap@example.net; } # source
HOSTS="203.0.113.7 203.0.113.8 2001:db8:77::7 2001:db8:77::8"
NETS="203.0.113.0/24 2001:db8:77::/64"
ip -n client addr add 2001:db8:77::8/64 dev c0 nodad
ip -n client route add local 198.18.0.0/16 dev lo
ip -n gate route add 198.18.0.0/16 via 192.0.2.7

# ---- more of what is used than one look at the kernel lets live on ----
many=1500
write_to() { # how many, from which, for: whom our users wrote to, and two more; prints how many were taken
	$PYTHON - "$T/run/control.sock" "$@" <<-'END'
		import json, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect(sys.argv[1])
		f = s.makefile("rw")
		n, first = int(sys.argv[2]), int(sys.argv[3])
		names = ["198.18.%d.%d" % (i >> 8, i & 255) for i in range(first, first + n)]
		done = 0
		for name in names + ["198.19.0.1", "2001:db8:ffff::1"]:
		    print(json.dumps({"command": "correspondent-add", "args": {"name": name, "for": sys.argv[4]}}), file=f, flush=True)
		    done += "done" in json.loads(f.readline())
		print(done)
	END
}
# The kernel sees them and the daemon doesn't, as in host and gateway mode: their SYNs go no further, for
# want of a checksum.
knock() { # how many, from which
	on client $PYTHON - $GATE4 "$@" <<-'END'
		import socket, struct, sys
		n, first = int(sys.argv[2]), int(sys.argv[3])
		for i in range(first, first + n):
		    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as s:
		        s.bind(("198.18.%d.%d" % (i >> 8, i & 255), 0))
		        s.sendto(struct.pack("!HHIIBBHHH", 2000, 25, 1, 0, 5 << 4, 2, 1024, 0, 0), (sys.argv[1], 0))
	END
}
seen() { # how many hosts the kernel has seen
	bpftool -j map dump pinned "$PIN/host4" | $PYTHON -c 'import json, sys
print(sum(e["formatted"]["value"]["last_seen"] > 0 for e in json.load(sys.stdin)))'
}
is "our users write to $many hosts, and to two more" "$(write_to $many 0 25s)" $((many + 2))
# A busy kernel may have no room for some of them.
all_seen() { knock $many 0; [ "$(seen)" = $many ]; }
check "the many knock, and the kernel has seen each of them" wait_for 5 all_seen

# ---- learned and trapped, hosts and networks ----
is "of their own the daemon has as many, and so has the kernel" "$(verdicts) $(kernel)" \
	"$((many + 2)) $((many + 1)) 1 0 0 0 0"
BOTS="192.0.2.8 2001:db8:66::66"
# shellcheck disable=SC2086
{
	each $HOSTS -- try first
	for h in $HOSTS; do like "$h waits" "$(cat "$T/said.$h")" '^S: 451 '; done
	sleep 1.1
	each $HOSTS -- try first
	each $BOTS -- bait
}
now="$(verdicts) $(kernel)"
for net in $NETS; do check "$net is learned" net_is $net GG_ALLOW; done
check "2001:db8:66::/64 is trapped" net_is 2001:db8:66::/64 GG_BY_TRAP
for h in $HOSTS; do like "$h: its retry is delivered" "$(cat "$T/said.$h")" '^S: 250 2\.0\.0'; done
for h in $BOTS; do like "$h walks into a trap" "$(cat "$T/said.$h")" '^S: 554 5\.7\.1'; done
is "in memory and in the kernel: two learned hosts and their network, a trap, of each family" \
	"$now" "$((many + 2 + 9)) $((many + 1 + 3)) 4 1 2 1 2"

# ---- what nobody uses goes ----
# Whoever looks while they are over and still there takes nothing from them.
aged() { gg list learned >/dev/null; gg list trap >/dev/null; [ "$(verdicts)" = $many ]; }
check "all of these go, and the two that nobody was" wait_for 25 aged
is "from the kernel as well: what is used is all there is" "$(kernel)" "$many 0 0 0 0 0"
for what in $HOSTS $NETS 198.19.0.1 2001:db8:ffff::1; do
	check "$what: that is logged" log_wait event=demote "src=$what" reason=idle
done
is "they are counted, and nothing else was" "$(counter demoted)" 8
is "nor are traps" "$(gg list trap --json | grep -c GG_BY_TRAP)" 0
for h in 203.0.113.7 2001:db8:77::7; do like "$h: a stranger again" "$(try $h anew)" '^S: 451 '; done

# ---- what is used stays ----
between "what is used has its ten minutes" "$(gg correspondent list --json | grep -c '"198\.18\.')" $many $many
gate_stop; is "it stops" $? 0
gate_start || bail "greygated starts again"
is "a restart finds the same" "$(verdicts) $(kernel)" "$many $many 0 0 0 0 0"

# ---- a network that is demoted ----
SIX="2001:db8:77::7 2001:db8:77::8"
# shellcheck disable=SC2086
{ each $SIX -- try more; sleep 1.1; each $SIX -- try more; }
for h in $SIX; do like "$h: its retry is delivered" "$(cat "$T/said.$h")" '^S: 250 2\.0\.0'; done
check "their network is learned anew" net_is 2001:db8:77::/64 GG_ALLOW
like "a neighbour in it walks into a trap" \
	"$(attempt 2001:db8:77::8 $GATE6 bot@spam.example trap@example.net)" '^S: 554 5\.7\.1'
check "the network is denied in its place" net_is 2001:db8:77::/64 GG_DENY
check "forgotten" gg forget 2001:db8:77::8
refuse "the network has gone from the kernel" net_is 2001:db8:77::/64 GG_
is "and from memory: what is left is the host that earned its place" "$(verdicts) $(kernel)" \
	"$((many + 1)) $many 1 0 0 0 0"

# ---- what is used all the while, and by so many ----
# At each look at the kernel all of them are due again, and they are more than live on at once.
extra="correspondent { life = 24s }" greylist=${greylist/keep = 12s/keep = 24s}
check "a life of 24 seconds" gate_renew
first=$((128 << 8))
is "our users write to $many other hosts, for 24 seconds" "$(write_to $many $first 24s)" $((many + 2))
for ((end = SECONDS + 36; SECONDS < end;)); do knock $many $first; sleep 1; done
is "who goes on knocking all that time stays" \
	"$(gg correspondent list --json | grep -cE '"198\.18\.1(2[89]|3[0-9])\.')" $many
is "and is allowed by the kernel" "$(bpftool -j map dump pinned "$PIN/host4" | $PYTHON -c 'import json, sys
print(sum(e["formatted"]["key"]["addr"][2] > 127 for e in json.load(sys.stdin)))')" $many
gate_stop; is "it stops" $? 0
