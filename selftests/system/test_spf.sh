#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `greygate spf`: the openspf suite for RFC 7208 through a real name server, case by case; and what the
# command prints.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

ip netns add gate && ip -n gate link set lo up || bail "network namespace"
SUITE=selftests/data/rfc7208-tests.json
zones=(); for n in $(seq 0 15); do zones+=("$SUITE#$n"); done
$PYTHON - >"$T/large.json" <<'END'
import json
texts = lambda n: [["TXT", "site-verification=" + "%0232d" % i] for i in range(n)]
record = [["TXT", "v=spf1 ip4:192.0.2.7 ip6:2001:db8::7 -all"]]
pieces = "".join("ip4:198.51.100.%d " % i for i in range(200))
print(json.dumps({
    "first.example": record + texts(220),
    "last.example": texts(220) + record,
    "two.example": texts(110) + record + texts(100) + record,
    "none.example": texts(220),
    "pieces.example": texts(110) + [["TXT", ["v=sp", "f1 " + pieces, "ip4:192.0.2.7", " -all"]]] + texts(100),
    "short.example": [["TXT", ""]] * 2200 + record,
    "include.example": [["TXT", "v=spf1 include:last.example -all"]],
    "exp.example": [["TXT", "v=spf1 -all exp=none.example"]],
    "alias.example": [["CNAME", "last.example"]],
    "a.example": [["TXT", "v=spf1 a -all"]] + [["AAAA", "2001:db8:1::%x" % i] for i in range(1700)],
    "toolong.example": [["TXT", "v=spf1 " + "ip4:192.0.2.7 " * 1200 + "-all"]],
}))
END
dns_up ::1 5300 "${zones[@]}" "$T/large.json"
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

# ---- answers of 60 kB, which come over TCP only ----
large() { spf "$1" mail.example "x@$2.example" --server '[::1]:5316'; } # client domain
for name in first last pieces short include alias; do
	like "$name: one record among many texts: pass" "$(large 192.0.2.7 $name)" "^pass for $name\.example$"
	like "$name: fail" "$(large 203.0.113.9 $name)" "^fail for $name\.example$"
done
like "over IPv6" "$(large 2001:db8::7 last)" '^pass for'
like "two records among many texts" "$(large 192.0.2.7 two)" '^permerror for two\.example'
like "no record among many texts" "$(large 192.0.2.7 none)" '^none'
out=$(large 192.0.2.7 exp)
like "many texts explain nothing" "$out" '^fail for exp\.example'
unlike "so nothing is shown" "$out" 'explanation'
like "1700 addresses: the last one" "$(large 2001:db8:1::6a3 a)" '^pass for a\.example'
like "1700 addresses: none of them" "$(large 2001:db8:1::6a4 a)" '^fail for a\.example'
like "a record that is too long is no reason to try again" "$(large 192.0.2.7 toolong)" '^permerror for toolong\.example'
