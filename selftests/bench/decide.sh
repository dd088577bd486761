#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row decide: the cost of a decision with a million and with ten million records in memory, and of
# greygate replay on two logs: 80 000 mails with five attempts each, and a million hosts with one
# each, where nothing is ever met again. JSON to $raw. run.sh calls it.
set -u
for records in 1000000 10000000; do
	result=$("$BUILD/selftests/bench/decide" $records) || { echo "decide: $result" >&2; exit 1; }
	echo "{\"row\": \"decide\", \"result\": $result}" >>"$raw"
	echo "  $result"
done
header() { printf 'time\tip\thelo\tsender\trecipient\trdns\tspf\n'; }
replay() { # log
	local start seconds attempts
	start=$EPOCHREALTIME
	"$BUILD/greygate" replay "$work/$1.tsv" >"$work/replayed" || exit 1
	seconds=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }')
	attempts=$(sed -n 's/^# attempts\t//p' "$work/replayed")
	echo "{\"row\": \"decide\", \"result\": {\"log\": \"$1\", \"attempts\": $attempts, \"seconds\": $seconds}}" >>"$raw"
	echo "  replay, $1: $attempts attempts in $seconds s"
	rm "$work/$1.tsv" "$work/replayed"
}

{
	header
	awk 'BEGIN {
		OFS = "\t"
		split("0 310 900 2000 4000", delays, " ")
		for (i = 0; i < 80000; i++)
			for (k = 1; k <= 5; k++) {
				d = i % 20011; h = "mail-" k ".sender" d ".example"
				print int(i / 2) + delays[k], "198." 18 + d % 2 "." int(d / 2) % 256 "." d % 250, h,
					"user" i "@sender" d ".example", "rcpt" i % 1000 "@example.net", h, d % 2 ? "pass" : "none"
			}
	}' | sort -s -n -k 1,1
} >"$work/retries.tsv"
replay retries
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
} >"$work/hosts.tsv"
replay hosts
