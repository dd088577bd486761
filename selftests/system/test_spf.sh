#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `greygate spf`: the openspf suite for RFC 7208 through a real name server, case by case; and what the
# command prints.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

ip netns add gate && ip -n gate link set lo up || bail "network namespace"
SUITE=selftests/data/rfc7208-tests.json
zones=(); for n in $(seq 0 15); do zones+=("$SUITE#$n"); done
dns_up ::1 5300 "${zones[@]}"
suite() { on gate $PYTHON "$HERE/spf_suite.py" "$BUILD/greygate" $SUITE '[::1]' 5300 600ms; }
out=$(suite); note "RFC 7208 suite: $(tail -n 1 <<<"$out") cases"
is "every case of the suite" "$out" "203 of 203"
echo truncate >"$T/mode"
out=$(suite); note "over TCP: $(tail -n 1 <<<"$out") cases"
is "and every case over TCP" "$out" "203 of 203"
echo ok >"$T/mode"

spf() { on gate "$BUILD/greygate" spf "$@" 2>&1; }
out=$(spf 192.168.218.40 msgbas2x.cos.example.com test@example.com --server '[::1]:5313')
like "the result" "$out" '^(pass|softfail) for example\.com$'
like "the path: records" "$out" '^  example\.com: v=spf1 redirect='
like "the path: terms" "$out" '^    ip4:192\.168\.218\.40: pass$'
out=$(spf 1.2.3.4 mail.example.com '<>' --server '[::1]:5314' --json)
like "the null sender asks for the HELO name" "$out" '"result":"none".*"decided":"mail\.example\.com: no SPF record"'
out=$(spf 1.2.3.4 mail.example.net 'x@example.net' --server '[::1]:5300')
like "the explanation" "$out" '^  explanation  x$'
like "no such server: temperror" "$(spf 1.2.3.4 a.b x@c.example --server 127.0.0.1:5399)" '^temperror for c\.example$'
like "a domain in UTF-8 is asked for by its A-label" "$(spf 1.2.3.4 a.b x@BÜCHER.example --server 127.0.0.1:5399)" '^temperror for xn--bcher-kva\.example$'
refuse "no address" spf 1.2.3 a.b x@c.example
refuse "no server" spf 1.2.3.4 a.b x@c.example --server nowhere
refuse "a configuration that does not load" on gate "$BUILD/greygate" -c /dev/null spf 1.2.3.4 a.b x@c.example
