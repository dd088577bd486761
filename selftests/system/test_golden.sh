#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The conversations of selftests/data/transcripts with the running daemon, over IPv4 and IPv6, whole
# and byte by byte: every reply as it stands there.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
B=$T/backend
# A chunk's answer is the mail server's or, when all of it had been answered before its end came, ours.
backend_up mail "$MAIL4,25" "$B" 'dot=250 2.0.0 stored' 'bdat=250 2.0.0 Ok, go on' || exit 1
printf '250-b.example.net\\r\\n250-8BITMIME\\r\\n250-SMTPUTF8\\r\\n250-DSN\\r\\n250-ENHANCEDSTATUSCODES\\r\\n250 CHUNKING\n' >"$B/ehlo"
interfaces=
greylist="mode = off"
limit="per_source = 1000  message = 100000  errors = 50"
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"
offers() { talk 192.0.2.7 $GATE4 'EHLO client.example.org' QUIT | grep -q '^S: 250-CHUNKING$'; }
check "the mail server's offers are known" wait_for 10 offers

played=0
for file in selftests/data/transcripts/*.txt; do
	name=$(basename "$file" .txt)
	for how in WHOLE BYTES; do
		check "$name, $how, IPv4" on client $PYTHON "$HERE/golden.py" 192.0.2.7 "$GATE4,25" $how "$file"
		check "$name, $how, IPv6" on client $PYTHON "$HERE/golden.py" 2001:db8:1::7 "$GATE6,25" $how "$file"
		played=$((played + 1))
	done
done
between "there are some" $played 10 100
refuse "nothing of a smuggled message reached the mail server" grep -q evil "$B/log"
gate_stop; is "SIGTERM: exit code 0" $? 0
