#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make bench, without its measurements: what the report says of rows that are whole, broken off, silent or
# missing, and that a run shows its progress and its times. Nothing is measured here.
. "$(dirname "$0")/lib.sh"

report() { # said becomes what it prints, rc its exit code
	rm -f "$T/bench.json"
	said=$($PYTHON selftests/bench/report.py "$T/bench" "$T/bench.json" 2>&1)
	rc=$?
}
json() { # expression of the object o
	$PYTHON -c 'import json, sys; o = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$T/bench.json" "$1"
}
short_lines() { awk 'length > 80 { bad = 1; print } END { exit bad }' <<<"$said"; }

mkdir "$T/bench"
contact='"result": {"sessions": 9, "wrong": 0, "failed": 0, "stalled": 0, "p50_us": 1000, "p99_us": 2000, "cpu_server": 1.0, "cpu_client": 1.0'
cat >"$T/bench/raw" <<-END_ROWS
	{"row": "greylist", "server": "greygated", "repetition": 1, $contact, "sessions_s": 9000}}
	{"row": "greylist", "server": "responder", "repetition": 1, $contact, "sessions_s": 10000}}
	{"row": "greylist", "server": "postfix", "repetition": 1, $contact, "sessions_s": 500}}
	{"row": "tls", "server": "s_server", "result": {"handshakes_s": 1000, "failed": 0}}
	{"row": "tls", "server": "greygated", "result": {"handshakes_s": 1100, "failed": 0}}
	{"row": "lists", "entries": 1000000, "load": 2.5, "swaps": 4, "packets": 20000000, "seconds": 10, "strangers": 0}
END_ROWS
# What the program of row xdp prints: hosts, Mpps of nftables and of xdp-filter.
xdp_row() {
	python3 - "$@" <<-'END_PYTHON'
		import json, sys
		mpps = dict(greygate=4, listed=3, nftables=float(sys.argv[2]), xdp_filter=float(sys.argv[3]), xdp_filter_ipv4=6.4, look=7, least=7.2, xdp_drop=8)
		way = {name: {"pps": each * 1e6, "ratio": 4 / each} for name, each in mpps.items()}
		print(json.dumps({"row": "xdp", "hosts": int(sys.argv[1]), "first": 3e6, "first_listed": 2e6, "arriving": way, "through_pair": way}))
	END_PYTHON
}
xdp_row 100000 1 5 >"$T/bench/xdp"
times() { printf '{"row": "%s", "seconds": %s, "trouble": "%s"}\n' "$@" >"$T/bench/times"; }

times greylist 61.2 '' tls 30.0 '' xdp 40.4 '' lists 20.0 ''
report
is "four whole rows: done" $rc 0
like "greylist beside the responder" "$said" 'greylist sessions/s, bare responder +9 000 +10 000 +0\.90 +>= 0\.8 +yes'
like "greylist beside Postfix + postgrey" "$said" 'Postfix\+postgrey +9 000 +500 +18\.00 +>= 8 +yes'
like "TLS" "$said" 'TLS handshakes/s, openssl s_server +1 100 +1 000 +1\.10 +>= 0\.8 +yes'
like "XDP" "$said" 'XDP deny Mpps, 100 k, nftables set +4\.00 +1\.00 +4\.00 +>= 2\.5 +yes'
like "xdp-filter with nothing but addresses" "$said" '^  with -f ipv4 xdp-filter drops 6\.40: 0\.62$'
like "what bounds it" "$said" '^  bare XDP_DROP itself is 8\.0 x nftables and 1\.6 x xdp-filter$'
like "what any list takes" "$said" '^  one look at a random line of as much memory as the index'
like "what any exact list takes" "$said" '^  the same in as much as 100 k addresses take at the least: 7\.2'
like "what it takes beyond that" "$said" '^  ns a frame beyond its 125: greygate 125, one look 18, the least 14, nftables$'
like "and through the pair" "$said" '^  sent through a veth pair by the CPU that drops: 4\.00, 4\.00 x nftables, 0\.80 x$'
like "and at first" "$said" '^  the first SYNs of each source, judged one by one: 3\.00; of a list'"'"'s 2\.00$'
like "the same as a list" "$said" 'XDP list Mpps, 100 k, nftables set +3\.00 +1\.00 +3\.00 +>= 2\.5 +yes'
like "lists" "$said" 's to load 1\.0 M prefixes +2\.50 +< 3 +yes'
like "the time of each row" "$said" '^seconds: greylist 61, tls 30, xdp 40, lists 20; together 2 min 32 s$'
check "80 columns" short_lines
is "bench.json: the times" "$(json '[(r["row"], r["seconds"]) for r in o["rows"]], o["seconds"]')" \
	"([('greylist', 61.2), ('tls', 30.0), ('xdp', 40.4), ('lists', 20.0)], 152)"
is "bench.json: the table" "$(json 'len(o["table"]), all(r["met"] is not False for r in o["table"])')" "(12, True)"
is "bench.json: all that was measured" "$(json 'len(o["raw"])')" 7

# Two turns of known sources, the second one half as fast for all.
cp "$T/bench/raw" "$T/raw"
for n in 1 2; do
	one="{\"sessions\": ${n}000, \"middle_us\": ${n}00.0}"
	three="$one, $one, ${one/00.0/10.0}" rounds="[${n}00, ${n}00, 1, ${n}00, ${n}00, 1],
		[${n}00, ${n}02, 1, ${n}02, ${n}00, 1], [9, 0, 1, 0, 9, 1]"
	many="{\"seconds\": 0.6, \"targets\": [$three, $three], \"rounds\": [$rounds]}"
	echo "{\"row\": \"host\", \"many\": $many, \"few\": {\"targets\": [$three]}}"
done >>"$T/bench/raw"
report
like "known sources: how many" "$said" 'host: connections/s, without us +15 000 +15 000 +1\.00 +>= 0\.98 +yes'
like "how fast" "$said" 'host: connect to banner, us, without us +150\.0 +150\.0 +1\.00 +>= 0\.98 +yes'
like "and without XDP" "$said" '^  no XDP at all on the veth pair: 15 000 connections/s, 160\.0 us$'
mv "$T/raw" "$T/bench/raw"

# A tarpit and a flood: whole, and each with what makes the figure worthless.
cp "$T/bench/raw" "$T/raw"
cp "$T/bench/xdp" "$T/xdp"
: >"$T/bench/xdp"
tarpit() { # sockets after, answered, held
	echo "{\"row\": \"tarpit\", \"wanted\": 1000, \"dialled\": {\"opened\": 1000}, \"answered\": $2, \"held\": $3,
		\"before\": {\"maps_bytes\": 9, \"sockets\": 5, \"rss_kb\": 9}, \"after\": {\"maps_bytes\": 9, \"sockets\": $1, \"rss_kb\": 9}}"
}
synflood() { # packets in two seconds
	echo "{\"row\": \"synflood\", \"quiet\": {\"sessions_s\": 1000}, \"flooded\": {\"sessions_s\": 990},
		\"flood\": {\"frames\": 6000000, \"seconds\": 3.0}, \"packets\": $1, \"seconds\": 2}"
}
times tarpit 5 '' synflood 5 ''
{ tarpit 5 1010 1000; synflood 4100000; } >"$T/bench/raw"
report
is "tarpit and SYN flood: done" $rc 0
like "conversations that XDP holds" "$said" 'tarpit: conversations held +1 000 +>= 1000 +yes'
like "and no socket" "$said" '^  sockets more than before +0 +0 +yes'
like "known sources under a flood" "$said" 'SYN flood: allowed conn\./s, unloaded +990 +1 000 +0\.99 +>= 0\.9 +yes'
like "that XDP sees" "$said" '^  M SYNs/s that XDP saw, made +2\.0 +2\.0 +1\.02 +>= 0\.5 +yes'
check "80 columns of both" short_lines
{ tarpit 6 0 0; synflood 9000; } >"$T/bench/raw"
report
like "conversations that somebody else holds" "$said" 'tarpit: conversations held +1 000 +>= 1000 +NO'
like "and who" "$said" '^  XDP answered 0 and held 0 of them$'
like "with a socket" "$said" '^  sockets more than before +1 +0 +NO'
like "a flood that XDP does not see" "$said" 'SYN flood: allowed conn\./s, unloaded +990 +1 000 +0\.99 +>= 0\.9 +NO'
like "by its own line" "$said" '^  M SYNs/s that XDP saw, made +0\.0 +2\.0 +0\.00 +>= 0\.5 +NO'
{ tarpit 5 1000 500; } >"$T/bench/raw"
times tarpit 5 ''
report
like "conversations that XDP only began" "$said" 'tarpit: conversations held +1 000 +>= 1000 +NO'
mv "$T/raw" "$T/bench/raw"
mv "$T/xdp" "$T/bench/xdp"

# Expiry: on either side one turn's sessions were held up by something else.
cp "$T/bench/raw" "$T/raw"
: >"$T/bench/xdp"
turn() { # phase, gone, p99.9, longest: us
	echo "{\"row\": \"expire\", \"phase\": \"$1\", \"gone\": $2, \"shelved\": {\"records\": 1000000, \"bytes\": 88000000}, $contact, \"p999_us\": $3, \"max_us\": $4}}"
}
{
	turn during 30000 3000 9000; turn without 0 2500 8000; turn mixed 3000 90000 900000
	turn during 30000 3500 300000; turn without 0 2000 7000
	turn during 30000 2500 8000; turn without 0 90000 400000
	echo '{"row": "expire", "phase": "steps", "records": 1000000, "result": {"steps": 1001, "p50_us": 200, "max_us": 650, "clock_max_us": 4500}}'
} >"$T/bench/raw"
times expire 70 ''
report
is "expiry: done" $rc 0
like "what a record costs on disk" "$said" 'bytes on disk a grey record +88 +<= 128 +yes'
like "the middle of the longest" "$said" 'longest session, ms more on expiry +1\.0 +<= 5 +yes'
like "and of p99.9" "$said" 'p99\.9 of sessions, ms more on expiry +0\.5 +<= 5 +yes'
like "how far apart they are" "$said" 'on expiry: 3 turns, 27 sessions, longest 8\.0 to 300\.0 ms, in the'
like "and what the store itself takes" "$said" 'ms of CPU, longest step of expiry +0\.65 +<= 5 +yes'
check "80 columns of expiry" short_lines
{
	turn during 30000 9000 20000; turn without 0 2500 8000
} >"$T/bench/raw"
report
like "sessions that wait for it" "$said" 'longest session, ms more on expiry +12\.0 +<= 5 +NO'
turn during 30000 9000 20000 >"$T/bench/raw"
report
is "only turns of one sort: an error" $rc 1
like "which says so" "$said" '^bench: no row was measured$'
mv "$T/raw" "$T/bench/raw"
xdp_row 100000 1 5 >"$T/bench/xdp"

# A row that broke off before its peer had a turn, another in the middle of a line.
sed -i '/s_server/d; $d' "$T/bench/raw"
printf '{"row": "lists", "entries": 10' >>"$T/bench/raw"
times greylist 61.2 '' tls 300 'killed, or not done after 300 s' xdp 40.4 '' lists 7 'exit code 1'
report
is "two rows broke off: their trouble was said before" $rc 0
like "tls: not measured" "$said" '^  tls: not measured: killed, or not done after 300 s$'
unlike "no line of tls" "$said" 'handshakes'
like "lists: not measured" "$said" '^  lists: not measured: exit code 1$'
like "greylist stays" "$said" 'bare responder +9 000'
like "xdp stays" "$said" 'XDP deny Mpps, 100 k, nftables set +4\.00'
is "bench.json: their trouble" "$(json '[r["trouble"] for r in o["rows"]]')" \
	"['', 'killed, or not done after 300 s', '', 'exit code 1']"
is "bench.json: what tls had measured is kept" "$(json 'sum(r["row"] == "tls" for r in o["raw"])')" 1

times greylist 61.2 'exit code 1' tls 30 'exit code 1' xdp 40 '' lists 7 'exit code 1'
report
like "a row that broke off later: its figures, and that it did" "$said" \
	'^  greylist: the turns before its end: exit code 1$'
like "with the figures" "$said" 'bare responder +9 000'

times greylist 61.2 '' tls 30 '' xdp 40.4 '' host 5 ''
report
is "a row that ended well without figures is an error" $rc 1
like "which" "$said" '^  tls: it ended well, but figures are missing$'
like "and one without any line" "$said" '^  host: it ended well, but figures are missing$'
is "what there is was written nevertheless" "$(json 'len(o["table"])')" 8

times greylist null 'missing: build/selftests/bench/loadgen build/selftests/bench/responder postfix postgrey'
: >"$T/bench/raw"
report
is "a row without its programs, and another's figures" $rc 0
like "what is missing" "$said" '^  greylist: not measured: missing: build/selftests/bench/loadgen$'
check "80 columns, however much it is" short_lines
unlike "no time for what was not begun" "$said" '^seconds:.*greylist'

: >"$T/bench/xdp"
report
is "nothing at all: an error" $rc 1
like "that says so" "$said" '^bench: no row was measured$'
refuse "and no file" test -e "$T/bench.json"

# ---- the run; in a copy, since bench.json is written into the tree ----

mkdir -p "$T/tree/selftests" "$T/build/selftests/bench"
cp -r selftests/bench "$T/tree/selftests/"
bench() { # row
	said=$(cd "$T" && BUILD=$T/build BENCH=$1 "$T/tree/selftests/bench/run.sh" 2>&1)
	rc=$?
}
bench nonsense
is "a row that is unknown: an error" $rc 1
like "that names the rows" "$said" 'no row "nonsense"; the rows are: greylist '
bench ''
is "nothing built: an error" $rc 1
all=$(wc -w <<<"$(sed -n 's/^rows="\(.*\)"/\1/p' selftests/bench/run.sh)")
is "each row says what it misses" "$(grep -cE "^[a-z]+ \([0-9]+ of $all\): not measured, missing: " <<<"$said")" "$all"

# The real one's place is taken by one that does as it is told.
xdp_row 100000 0.8 2 >"$T/build/selftests/bench/xdp.100000"
xdp_row 1000000 0.8 2 >"$T/build/selftests/bench/xdp.1000000"
cat >"$T/build/selftests/bench/xdp" <<-'END_XDP'
	#!/bin/sh
	[ "$1" = 100000 ] || . "$0.million"
	cat "$0.$1"
END_XDP
chmod 755 "$T/build/selftests/bench/xdp"
: >"$T/build/selftests/bench/xdp.million"
bench xdp
is "a run of one row" $rc 0
like "its progress" "$said" '^xdp \(1 of 1, after [0-9]+:[0-9]{2}\):$'
like "its figures" "$said" 'XDP deny Mpps, 1 M, nftables set +4\.00 +0\.80 +5\.00 +>= 5 +yes'
like "its time" "$said" '^seconds: xdp [0-9]+; together [0-9]+ min [0-9]+ s$'
mv "$T/tree/bench.json" "$T/"
is "in bench.json, too" "$(json '[(r["row"], r["trouble"]) for r in o["rows"]], len(o["table"])')" "([('xdp', '')], 12)"
echo 'echo "no room for a million" >&2; exit 3' >"$T/build/selftests/bench/xdp.million"
bench xdp
is "a row that fails half-way: an error" $rc 1
like "its own words" "$said" '^no room for a million$'
like "its exit code" "$said" '^xdp: could not be measured \(exit code 3\)$'
like "the half that it has" "$said" 'XDP deny Mpps, 100 k, nftables set +4\.00'
like "and that it is half" "$said" '^  xdp: the turns before its end: exit code 3$'
