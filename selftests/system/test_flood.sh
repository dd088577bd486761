#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Sources that open connections without end: who is denied for it and when, and what the log says.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
backend_up mail $MAIL4,25 "$T/backend" || bail "a mail server"
stutter="first = 0s  deny_limit = 1s"
limit="per_source = 1000  new_per_source = 10  offender_life = 30s"
gate_conf
gate_start || bail "greygated starts"

knock() { local how=$1 src=$2; shift 2; on client $PYTHON "$HERE/knock.py" "$how" "$src" "$(server_for "$src")" "$@"; }
# Of IPv6 it is the /64 that has a limit, and is denied.
limited() { case $1 in *::*) echo "${1%%::*}::/64" ;; *) echo "$1" ;; esac; }
told() { logged event=limit "src=$(limited "$1")" "reason=$2" verdict="${3:-deny}"; } # source reason [verdict]
times() { told "$@" | wc -l; }
# What the last end says, and how many begins and ends there were of all sources.
total() { told "$1" new_per_source allow | tail -n 1 | grep -oE '"dropped":[0-9]+' | cut -d: -f2; }
begins() { logged event=limit reason=new_per_source verdict=deny | wc -l; }
ends() { logged event=limit reason=new_per_source verdict=allow | wc -l; }
origin_of() { gg list deny | awk -v p="$(limited "$1")" '$1 == p' | grep -oE 'operator|limit'; }

# ---- who stays over it, and who does not ----
gg deny 203.0.113.8 --action stutter --for 14s >/dev/null
gg deny 2001:db8:78::/64 --action reject --for 14s >/dev/null
gg deny 203.0.113.66 --action reject >/dev/null
gg deny 2001:db8:66::/64 --action stutter >/dev/null
floods=()
for src in 203.0.113.8 2001:db8:78::8; do knock flood $src 30 24 >/dev/null & floods+=($!); done
for src in 203.0.113.66 2001:db8:66::66 203.0.113.9 2001:db8:79::9; do
	knock flood $src 30 13 >/dev/null & floods+=($!)
done
for src in 203.0.113.7 2001:db8:77::7; do
	knock pace $src 600,0.1 8,10.5 600,0.1 >"$T/pace.${src%%[.:]*}" & floods+=($!)
done
for src in 203.0.113.9 2001:db8:79::9; do
	check "$src goes on for ten seconds: denied" wait_for 20 told $src offender
	is "$src: by an entry of the limit" "$(origin_of $src)" limit
	check "$src: forget of the address" gg forget $src
	is "$src: ends it, of IPv6 that of its /64" "$(origin_of $src)" ""
done
for src in 203.0.113.8 2001:db8:78::8; do
	check "$src: of whom something is said is told of" wait_for 5 told $src lasting
	check "$src: and denied when that is over" wait_for 25 told $src offender
	is "$src: by an entry of the limit" "$(origin_of $src)" limit
done
wait "${floods[@]}"
for src in 203.0.113.66 2001:db8:66::66; do
	between "$src, denied for good: told of" "$(times $src lasting)" 1 2
	is "$src: never as denied by the limit" "$(times $src offender)" 0
	is "$src: what was said of it stands" "$(origin_of $src)" operator
done
for src in 203.0.113.7 2001:db8:77::7; do
	between "$src, which bursts twice and keeps its limit between: its connections" \
		"$(sed -n 2p "$T/pace.${src%%[.:]*}" | awk '{ print $1 - $2 }')" 0 3
	between "$src: was over it" "$(times $src new_per_source)" 1 9
	is "$src: not for ten seconds" "$(times $src offender)$(times $src lasting)" 00
	is "$src: and isn't denied" "$(origin_of $src)" ""
done
limit="per_source = 1000  new_per_source = 10  offender_life = 0"
check "offender_life = 0" gate_renew
for src in 192.0.2.8 2001:db8:1::8; do knock flood $src 30 12 >/dev/null & floods+=($!); done
for src in 192.0.2.8 2001:db8:1::8; do
	check "$src: told of" wait_for 20 told $src lasting
	is "$src: not denied" "$(times $src offender)$(origin_of $src)" 0
done
wait "${floods[@]}"

# ---- its end ----
# Those that have come again since the first floods were told then, and the others as it is looked for them.
for src in 192.0.2.8 2001:db8:1::8 203.0.113.66 2001:db8:66::66; do
	check "$src, which does not come again: the end is told" wait_for 70 told $src new_per_source allow
	between "$src: with how many were dropped" "$(total $src)" 100 2000
done
all_ended() { [ "$(ends)" = "$(begins)" ]; }
check "all ends are" wait_for 130 all_ended

# ---- a CPU over its budget ----
limit="per_source = 1000  new_per_source = 0  new_per_cpu = 50"
check "new_per_cpu" gate_renew
at=$(log_size)
pulses=(); for _ in $(seq 20); do pulses+=(1000,0.06 1,0.2); done
knock pace 203.0.113.8 "${pulses[@]}" >/dev/null
check "pulses over the budget are told" log_wait "+$at" event=limit reason=new_per_cpu verdict=deny cpu=
between "not with each of them" "$(logged "+$at" event=limit reason=new_per_cpu | wc -l)" 1 $((6 * $(nproc)))
begun() { logged "+$at" event=limit reason=new_per_cpu verdict=deny | grep -oE '"cpu":[0-9]+' | sort -u; }
over() { logged "+$at" event=limit reason=new_per_cpu verdict=allow | grep -oE '"cpu":[0-9]+' | sort -u; }
quiet() { knock pace 203.0.113.8 20,0.5 >/dev/null; [ "$(over)" = "$(begun)" ]; }
sleep 2.1
check "and its end, for each" wait_for 20 quiet
gate_stop; is "SIGTERM: exit code 0" $? 0
