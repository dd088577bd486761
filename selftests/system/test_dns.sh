#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Evidence by DNS: what a client's name, DNS lists and SPF come to; and name servers that are dead, slow,
# lying, cut their answers or fail, none of which may hold up a session.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
backend_up mail $MAIL4,25 "$T/mail" || exit 1
cat >"$T/zone.json" <<'END'
{
	"7.2.0.192.in-addr.arpa": [["PTR", "Mail.Good.Example."]],
	"mail.good.example": [["A", "192.0.2.7"], ["A", "192.0.2.70"]],
	"8.2.0.192.in-addr.arpa": [["PTR", "other.example"], ["PTR", "mail.good.example"]],
	"other.example": [["A", "198.51.100.99"]],
	"9.113.0.203.in-addr.arpa": [["TIMEOUT"]],
	"66.113.0.203.in-addr.arpa": [["CNAME", "66.sub.113.0.203.in-addr.arpa"]],
	"66.sub.113.0.203.in-addr.arpa": [["PTR", "nowhere.example"], ["PTR", "a.b"], ["PTR", "three.example"]],
	"three.example": [["A", "203.0.113.66"]],
	"7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": [["PTR", "six.good.example"]],
	"six.good.example": [["AAAA", "2001:db8:1::7"]],
	"8.2.0.192.bad.list": [["A", "127.0.0.4"]],
	"7.2.0.192.white.list": [["A", "127.0.10.2"]],
	"7.113.0.203.bad.list": [["A", "127.0.0.4"]],
	"8.113.0.203.bad.list": [["A", "127.255.255.254"]],
	"9.113.0.203.bad.list": [["A", "127.0.0.12"]],
	"66.113.0.203.white.list": [["A", "127.0.0.255"]],
	"7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bad.list": [["A", "127.0.0.3"]],
	"good.example": [["TXT", "v=spf1 redirect=_spf.good.example"]],
	"_spf.good.example": [["TXT", "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8:1::/64 -all exp=why.good.example"]],
	"all.example": [["TXT", "v=spf1 +all"]],
	"why.good.example": [["TXT", "%{c} is not ours"]]
}
END
$PYTHON - "$T/zone.json" <<'END'
import json, sys
with open(sys.argv[1], encoding="utf-8") as f:
    zone = json.load(f)
texts = [["TXT", "site-verification=%0232d" % i] for i in range(220)]
zone["large.example"] = texts[:99] + [["TXT", "v=spf1 ip4:203.0.113.8 -all"]] + texts[99:]
with open(sys.argv[1], "w", encoding="utf-8") as f:
    json.dump(zone, f)
END
dns_up 127.0.0.1 5353
interfaces=
greylist="delay = 300s  delay_clean = 300s  delay_suspicious = 300s"
lists='dnslist "bad.list" { weight = 2  replies = "127.0.0.2-11" }
dnslist "white.list" { weight = -3  replies = "127.0.*.*" }'
DNS='dns { servers = {"127.0.0.1:5353"}  timeout = 20s }' # longer than anything here takes
HELLO='EHLO client.example.org' FROM='MAIL FROM:<joe@Good.EXAMPLE>' TO='RCPT TO:<user1@example.net>'

# The last decision about a source as explain has it.
known() { # address key [sender]
	gg explain "$1" --json | $PYTHON -c 'import json, sys
rows = [r for r in json.load(sys.stdin)["rows"] if r["kind"] == "decision" and sys.argv[2] in ("", r["from"])]
print(max(rows, key=lambda r: r["time"])[sys.argv[1]] if rows else "no decision")' "$2" "${3-}"
}
evidence() { # address: all of it in one line
	echo "$(known "$1" rdns) '$(known "$1" name)' $(known "$1" spf) '$(known "$1" spf_domain)' $(known "$1" list_score)"
}
server_of() { case $1 in *:*) echo $GATE6 ;; *) echo $GATE4 ;; esac; }
try() { # source: prints the conversation
	talk "$1" "$(server_of "$1")" "$HELLO" "$FROM" "$TO" QUIT
}
restart() { # stutter
	[ -z "$gate_pid" ] || gate_stop >/dev/null
	rm -rf "$T/state"
	stutter=$1 extra="$DNS
$lists"
	gate_conf
	gate_start || bail "greygated starts"
}
timed() { # variable command...: ms that it takes, its output in $out
	local from=$EPOCHREALTIME name=$1; shift
	out=$("$@")
	printf -v "$name" %d "$(((${EPOCHREALTIME/./} - ${from/./}) / 1000))"
}
# A name server that stands still for longer than a session waits for it has answered by the next one.
learnt() { # source evidence-regex
	local i
	for i in 1 2 3; do
		evidence "$1" | grep -qE "$2" && return
		try "$1" >/dev/null
	done
}
deferred() { grep -qE '^S: 451 ' <<<"$1"; }

# ---- what is learned ----
restart "first = 1s  interval = 100ms"
pass "greygated starts"
expect() { # name source evidence
	local out; out=$(try "$2")
	like "$1: greylisted" "$out" '^S: 451 '
	learnt "$2" "^$3\$"
	is "$1" "$(evidence "$2")" "$3"
}
# Whom a list calls good does not wait.
unlike "a confirmed name, a good list, SPF pass: not greylisted" "$(try 192.0.2.7)" '^S: 451 '
is "a confirmed name, a good list, SPF pass" "$(evidence 192.0.2.7)" \
	"confirmed 'mail.good.example' pass 'good.example' -3"
expect "a name that leads elsewhere, a bad list" 192.0.2.8 "unconfirmed '' pass 'good.example' 2"
expect "no name, another bad list" 203.0.113.7 "none '' fail 'good.example' 2"
expect "a list over quota says nothing" 203.0.113.8 "none '' fail 'good.example' 0"
expect "no answer for the name, a reply outside the mask" 203.0.113.9 "unknown '' fail 'good.example' 0"
expect "the third of several names behind an alias, a refused list" 203.0.113.66 \
	"confirmed 'three.example' fail 'good.example' 0"
expect "IPv6: name, list and SPF" 2001:db8:1::7 "confirmed 'six.good.example' pass 'good.example' 2"
check "the log has it" log_wait event=decision rdns=mail.good.example spf=pass list_score=-3
check "a refusing list is told once" log_wait event=dns reason=list_refused zone=bad.list
between "counter dns_refused" "$(counter dns_refused)" 2 8
between "counter dns_asked" "$(counter dns_asked)" 20 200
between "counter dns_kept: answers are used again" "$(counter dns_kept)" 5 300
like "explain shows it to people" "$(gg explain 192.0.2.7)" 'name confirmed mail\.good\.example, SPF pass for good\.example, lists -3'
several() { local n; for n in 1 2 3 4 5 6 7 8 9 10 11 12; do try 192.0.2.7 >/dev/null & done; wait $(jobs -p | tail -n 12); }
check "once both workers have met it a session asks nothing again" wait_for 10 dns_settled several
spf_is() { # sender spf domain
	talk 192.0.2.7 $GATE4 "$HELLO" 'MAIL FROM:<>' "$TO" RSET "MAIL FROM:<$1>" "$TO" QUIT >/dev/null
	[ "$(known 192.0.2.7 spf "$1")/$(known 192.0.2.7 spf_domain "$1")" = "$2/$3" ]
}
check "each sender has an SPF of its own" wait_for 5 spf_is a@nowhere.example none ''
check "who vouches for everybody vouches for nobody" wait_for 5 spf_is a@all.example neutral all.example
vouched() {
	talk 203.0.113.8 $GATE4 "$HELLO" 'MAIL FROM:<a@large.example>' "$TO" QUIT >/dev/null
	[ "$(known 203.0.113.8 spf a@large.example)" = pass ]
}
check "an answer of 60 kB: the one SPF record in it counts" wait_for 10 vouched
is "reload changes the lists" "$(sed -i 's/weight = 2/weight = 7/' "$T/greygate.conf"; gg reload >/dev/null
	try 192.0.2.8 >/dev/null; known 192.0.2.8 list_score)" 7

# ---- bad days: nobody waits, nobody is refused for it ----
bad_day() { # name mode evidence-regex
	local out took n
	echo "$2" >"$T/mode"
	restart "first = 1s  interval = 100ms"
	for n in 203.0.113.7 2001:db8:1::7; do
		timed took try $n
		like "$1, $n: greylisted" "$out" '^S: 451 '
		between "$1, $n: not held beyond the banner" $took 900 15000
		learnt $n "$3"
		like "$1, $n: evidence" "$(evidence $n)" "$3"
	done
	restart "first = 0s"
	timed took try 203.0.113.7
	like "$1, no banner drawn out: greylisted" "$out" '^S: 451 '
	between "$1, no banner drawn out: at once" $took 0 15000
	talk 203.0.113.8 $GATE4 "$HELLO" "$FROM" "$TO" ':close' >/dev/null
	check "$1: no session is left" wait_for 5 no_session
}
no_session() { [ "$(counter sessions)" = 0 ]; }
nothing="^unknown '' (unknown|temperror) '(good.example)?' 0\$"
bad_day "dead" dead "$nothing"
bad_day "slow" "slow 1.5" "^(none|unknown|confirmed) '.*' (unknown|fail|pass) '(good.example)?' [02]\$"
bad_day "lying" lying "^(none '' fail|confirmed 'six.good.example' pass) 'good.example' 2\$"
bad_day "truncating" truncate "^(none '' fail|confirmed 'six.good.example' pass) 'good.example' 2\$"
between "truncating: asked over TCP" "$($PYTHON "$HERE/pick.py" value tcp <"$T/mode.asked")" 4 100
bad_day "SERVFAIL" servfail "$nothing"
bad_day "REFUSED" refused "$nothing"
bad_day "NXDOMAIN" nxdomain "^none '' none '' 0\$"
bad_day "wildcard" wild "^(none '' fail|unconfirmed '' fail|unconfirmed '' pass|confirmed '.*' pass) 'good.example' 0\$"

# ---- a recipient may wait for its sender's policy, but only after a banner that was drawn out ----
echo "slow 0.1" >"$T/mode"
restart "first = 1s  interval = 100ms"
timed took try 192.0.2.7
is "answers after 100 ms: known in time" "$(evidence 192.0.2.7)" "confirmed 'mail.good.example' pass 'good.example' -3"
between "and that is not held for longer" $took 900 15000
echo "slow 15" >"$T/mode"
restart "first = 0s"
try 192.0.2.7 >/dev/null
is "no banner drawn out: decided without them" "$(evidence 192.0.2.7)" "unknown '' unknown '' 0"

# ---- no answer at all, and back again ----
echo dead >"$T/mode"
DNS=${DNS/20s/2s}
restart "first = 0s"
for n in 192.0.2.7 192.0.2.8 203.0.113.7 203.0.113.8 2001:db8:1::7 2001:db8:77::7; do
	deferred "$(try $n)" || fail "dead, $n"
	deferred "$(try $n)" || fail "dead, $n again"
done
check "silence is told" wait_for 8 logged event=dns reason=silent
between "counter dns_timeouts" "$(counter dns_timeouts)" 8 200
like "status says so" "$(gg status)" 'dns: no name server answers'
echo ok >"$T/mode"
back() { try 192.0.2.7 >/dev/null; try 192.0.2.8 >/dev/null; try 203.0.113.9 >/dev/null; logged event=dns reason=answering; }
check "and that it is over" wait_for 25 back
all_back() { try 192.0.2.8 >/dev/null; [ "$(counter dns_silent)" = 0 ]; }
check "status forgets it" wait_for 25 all_back
kill "$dnsd_pid"
DNS=${DNS/2s/20s}
restart "first = 0s"
timed took try 203.0.113.7
between "no server listens: not held" $took 0 15000
out=$(on gate $PYTHON "$HERE/crowd.py" 127.0.0.1 25 200)
like "200 clients at once without a name server" "$out" '^taken=0 deferred=200 other=0'

# ---- the settings ----
extra='dns { servers = {"127.0.0.1:0"} }' gate_conf
like "a server with port 0 is refused" "$("$BUILD/greygated" -t -c "$T/greygate.conf" 2>&1)" 'dns\.servers: "127\.0\.0\.1:0": not an address'
gate_stop; is "SIGTERM: exit code 0" $? 0
