#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row decide: the cost of a decision with a million and with ten million records in memory, and of
# greygate replay on three logs: 60 000 mails with five attempts each; a million hosts with one
# each, where nothing is ever met again; and a Postfix mail log of 75 000 mails, each refused once
# and taken ten minutes later. JSON to $raw. run.sh calls it.
set -u
for records in 1000000 10000000; do
	result=$("$BUILD/selftests/bench/decide" $records) || { echo "decide: $result" >&2; exit 1; }
	echo "{\"row\": \"decide\", \"result\": $result}" >>"$raw"
	echo "  $result"
done
header() { printf 'time\tip\thelo\tsender\trecipient\trdns\tspf\n'; }
replay() { # log format
	local start seconds attempts
	start=$EPOCHREALTIME
	"$BUILD/greygate" replay --format "$2" "$work/$1.log" >"$work/replayed" || exit 1
	seconds=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }')
	attempts=$(sed -n 's/^# attempts\t//p' "$work/replayed")
	echo "{\"row\": \"decide\", \"result\": {\"log\": \"$1\", \"attempts\": $attempts, \"seconds\": $seconds}}" >>"$raw"
	echo "  replay, $1: $attempts attempts in $seconds s"
	rm "$work/$1.log" "$work/replayed"
}

{
	header
	awk 'BEGIN {
		OFS = "\t"
		split("0 310 900 2000 4000", delays, " ")
		for (i = 0; i < 60000; i++)
			for (k = 1; k <= 5; k++) {
				d = i % 20011; h = "mail-" k ".sender" d ".example"
				print int(i / 2) + delays[k], "198." 18 + d % 2 "." int(d / 2) % 256 "." d % 250, h,
					"user" i "@sender" d ".example", "rcpt" i % 1000 "@example.net", h, d % 2 ? "pass" : "none"
			}
	}' | sort -s -n -k 1,1
} >"$work/retries.log"
replay retries tsv
{
	header
	awk 'BEGIN {
		OFS = "\t"
		for (i = 0; i < 1000000; i++) {
			h = "mail.host" i ".example"
			print int(i / 100), 11 + i % 150 "." int(i / 150) % 256 "." int(i / 38400) % 256 "." i % 250, h,
				"user" i "@host" i ".example", "rcpt" i % 1000 "@example.net", h, i % 2 ? "pass" : "none"
		}
	}'
} >"$work/hosts.log"
replay hosts tsv
awk '
function line(t, program, text) {
	printf "2026-01-05T%02d:%02d:%02d.000000+00:00 mx postfix/%s[4711]: %s\n", t / 3600, t / 60 % 60, t % 60, program, text
}
function of(i) { # names of the i-th mail, global
	d = i * 7919 % 30011
	client = "mail-" d % 5 ".out.sender" d ".example[198." 18 + d % 2 "." int(d / 2) % 256 "." d % 250 "]"
	from = "<user" i % 40000 "@sender" d ".example>"
	to = "<rcpt" i % 1000 "@example.net>"
}
BEGIN {
	mails = 75000; rate = 10; later = 600
	for (i = 0; i < mails + rate * later; i++) {
		t = int(i / rate)
		if (i < mails) {
			of(i)
			line(t, "smtpd", "connect from " client)
			line(t, "smtpd", "NOQUEUE: reject: RCPT from " client ": 450 4.7.1 " to ": Recipient address rejected: " \
				"Greylisted; from=" from " to=" to " proto=ESMTP helo=<mail.sender" d ".example>")
		}
		if (i >= rate * later) {
			of(i - rate * later)
			id = sprintf("%09X", i)
			line(t, "smtpd", id ": client=" client)
			line(t, "cleanup", id ": message-id=<" i "@sender" d ".example>")
			line(t, "qmgr", id ": from=" from ", size=4096, nrcpt=1 (queue active)")
			line(t, "lmtp", id ": to=" to ", relay=192.0.2.9[192.0.2.9]:24, delay=0.2, dsn=2.0.0, status=sent (250 ok)")
			line(t, "qmgr", id ": removed")
		}
	}
}' >"$work/postfix.log"
replay postfix postfix
