#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# greygate report: what came of the mail, by class and by domain, from live records; the same figures
# as `greygate replay` has of the same attempts.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
backend_up mail $MAIL4,25 "$T/backend" || bail "a mail server"
interfaces=
greylist="delay = 2s  delay_clean = 2s  delay_suspicious = 2s  jitter = 0  promote_after = 0"
extra='dns { servers = {"127.0.0.1:9"}  timeout = 300ms }
domain "learn.example" { mode = learn }
domain "brief.example" { delay = 1s  window = 3s }'
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"

try() { # source sender recipient
	local server=$GATE4
	case $1 in *:*) server=$GATE6 ;; esac
	attempt "$1" $server "$2" "$3" >/dev/null
	noted "$@"
}
noted() { printf '%s\t%s\tclient.example.org\t%s\t%s\n' "$((EPOCHSECONDS - began))" "$1" "$2" "$3" >>"$T/log"; }
# In one session, for it is to be too early however slow the machine is.
try_twice() { # source sender recipient
	local steps=("MAIL FROM:<$2>" "RCPT TO:<$3>" RSET)
	talk "$1" $GATE4 'EHLO client.example.org' "${steps[@]}" "${steps[@]}" QUIT >/dev/null
	noted "$@"; noted "$@"
}
pick() { "$BUILD/greygate" -s "$T/run/control.sock" report "${@:2}" --json | $PYTHON -c "
import json, sys
r = json.load(sys.stdin)
def row(kind, name):
    return next(x for x in r['rows'] if x['kind'] == kind and name in (x.get('domain'), x.get('class')))
print($1)"; }

is "nothing yet" "$(pick "r['summary']['mails'], len(r['rows'])")" "0 0"
like "and it says so in words" "$(gg report)" '^all +0 +0 +0 +0 +0 +- '
began=$EPOCHSECONDS
printf 'time\tip\thelo\tsender\trecipient\n' >"$T/log"
try 192.0.2.7 a@one.example user1@example.net
try 192.0.2.7 a@one.example user2@example.net
try 203.0.113.7 b@TWO.example user1@example.net
try 2001:db8:77::7 b@two.example user1@other.example
try 192.0.2.7 '' user1@example.net
try_twice 203.0.113.8 spam@bot.example user1@example.net
try 203.0.113.66 x@one.example user1@learn.example
try 203.0.113.66 y@one.example user2@learn.example
try 203.0.113.66 postmaster-is-exempt@one.example postmaster@example.net
attempt 203.0.113.9 $GATE4 z@brief.example user@brief.example >/dev/null
sleep 2.5
try 192.0.2.8 a@one.example user1@example.net
try 203.0.113.9 b@two.example user1@example.net
try 2001:db8:77::7 b@two.example user1@other.example
try 192.0.2.7 '' user1@example.net
try 192.0.2.7 a@one.example user1@example.net
sleep 1.5
attempt 203.0.113.9 $GATE4 z@brief.example user@brief.example >/dev/null

# What is queued for the store comes to be there.
s="r['summary']"
soon "mails, never passed, of those seen once" "9 3 2" pick "$s['mails'], $s['never_passed'], $s['not_retried']"
soon "attempts, deferred, passed; what learn let through is no deferral" "8 7 15" \
	pick "$s['deferred'], $s['passed'], $s['attempts']"
soon "learned" "2 2" pick "$s['learned'], row('learned', 'learn.example')['mails']"
between "the delay of those that passed" "$(pick "$s['p50']")" 2 60
is "by class" "$(pick "[x['class'] for x in r['rows'] if x['kind'] == 'class'], row('class', 'default')['mails']")" "['default'] 9"
is "by recipient domain" "$(pick "[(x['domain'], x['mails'], x['never_passed']) for x in r['rows'] if x['kind'] == 'recipient_domain' and x['domain'] != 'brief.example']")" \
	"[('example.net', 5, 2), ('other.example', 1, 0)]"
is "by sender domain, whatever its case" "$(pick "[(x['domain'], x['mails'], x['never_passed']) for x in r['rows'] if x['kind'] == 'domain' and x['domain'] != 'brief.example']")" \
	"[('one.example', 2, 1), ('two.example', 2, 0), ('<>', 1, 0), ('bot.example', 1, 1)]"
is "what came after its window is counted" "$(pick "r['since_start']['late']")" 1
is "--since: nothing is that young" "$(sleep 2; pick "$s['mails']" --since 1s)" 0
is "--since: all of it" "$(pick "$s['mails']" --since 1h)" 9
refuse "--since wants a duration" gg report --since yesterday
like "and says what one is" "$(cat "$T/said")" 'a duration of at least 1s'
out=$(gg report)
is "in 80 columns" "$(awk 'length > 80' <<<"$out")" ""
like "words: by class" "$out" '^default +9 +8 +7 +3 +2 +[0-9]+s'
like "words: learned" "$out" 'learn mode let 2 of them through'
like "words: by domain" "$out" '^example\.net +5 +2 '
like "words: the null sender" "$out" '^<> +1 +0 '

# ---- replay has the same figures of the same attempts ----
summary() { "$BUILD/greygate" -c "$T/greygate.conf" replay "$T/log" --json | tail -n 1 | $PYTHON -c "
import json, sys
s = json.load(sys.stdin)['summary']
print([(x['domain'], x['mails'], x['never_passed']) for x in s['domains'] if x['domain'] in ('two.example', 'bot.example', '<>')])"; }
is "replay: the same by sender domain" "$(summary)" "[('two.example', 2, 0), ('<>', 1, 0), ('bot.example', 1, 1)]"

# ---- over a restart ----
gate_kill
gate_start || bail "greygated starts again"
is "figures outlive kill -9" "$(pick "$s['mails'] >= 8, $s['learned'], $s['passed'], $s['p50'] >= 2")" "True 2 7 True"
