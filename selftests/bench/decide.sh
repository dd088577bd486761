#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row decide: the cost of a decision with a million and with ten million records in memory, and of
# greygate replay on a log of 80 000 mails with five attempts each. JSON to $raw. run.sh calls it.
set -u
for records in 1000000 10000000; do
	result=$("$BUILD/selftests/bench/decide" $records) || { echo "decide: $result" >&2; exit 1; }
	echo "{\"row\": \"decide\", \"result\": $result}" >>"$raw"
	echo "  $result"
done
awk 'BEGIN {
	OFS = "\t"
	print "time", "ip", "helo", "sender", "recipient", "rdns", "spf"
	split("0 310 900 2000 4000", delays, " ")
	for (i = 0; i < 80000; i++)
		for (k = 1; k <= 5; k++) {
			d = i % 20011; h = "mail-" k ".sender" d ".example"
			print int(i / 2) + delays[k], "198." 18 + d % 2 "." int(d / 2) % 256 "." d % 250, h,
				"user" i "@sender" d ".example", "rcpt" i % 1000 "@example.net", h, d % 2 ? "pass" : "none"
		}
}' | sort -s -n -k 1,1 >"$work/trace.tsv"
start=$EPOCHREALTIME
"$BUILD/greygate" replay "$work/trace.tsv" >"$work/replayed" || exit 1
seconds=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }')
attempts=$(sed -n 's/^# attempts\t//p' "$work/replayed")
echo "{\"row\": \"decide\", \"result\": {\"attempts\": $attempts, \"seconds\": $seconds}}" >>"$raw"
echo "  replay: $attempts attempts in $seconds s"
