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
limited() { case $1 in *::*) echo "${1%%::*}::" ;; *) echo "$1" ;; esac; }
entry_of() { case $1 in *::*) echo "${1%%::*}::/64" ;; *) echo "$1" ;; esac; }
told() { logged event=limit "src=$(limited "$1")" "reason=$2" verdict="${3:-deny}"; } # source reason [verdict]
times() { told "$@" | wc -l; }
origin_of() { gg list deny | awk -v p="$(entry_of "$1")" '$1 == p' | grep -oE 'operator|limit'; }

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
gate_stop; is "SIGTERM: exit code 0" $? 0
