#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The Public Suffix List is read whole or not at all: what is no rule ends it, by its line. What the table
# says of each name is unit/policy/test_domain's.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
n=0

expect() { # exit code, text in what it says, rules, words...
	local rc want=$1 says=$2 rules=$3 got; shift 3
	printf '%b' "$rules" >"$T/list"
	got=$("$BUILD/suffixes" "$T/list" 2>&1); rc=$?
	n=$((n + 1))
	if [ $rc = "$want" ] && grep -qF -- "$says" <<<"$got"; then
		echo "ok $n - $*"
	else
		sed 's/^/# /' <<<"exit $rc: ${got:0:300}"
		echo "not ok $n - $*"
	fi
}

expect 0 "/* 2 labels" 'com\nco.com' "rules of one label and of two, the last without its line's end"
expect 0 "/* 3 labels" '// words\n\n*.ck // words\r\n!www.ck\ntest\r\n' "remarks, empty lines, a wildcard, an exception"
expect 0 "/* 3 labels" '公司.cn\n' "a name that is not ASCII, in both forms"
expect 1 "list:2: a..b: not a rule" 'com\na..b\n' "an empty label"
expect 1 "list:1: .com: not a rule" '.com\n' "an empty label at the beginning"
expect 1 "list:1: com.: not a rule" 'com.\n' "an empty label at the end"
expect 1 "list:1: a.*.b: not a rule" 'a.*.b\n' "a wildcard elsewhere than at the beginning"
expect 1 "list:1: *: not a rule" '*\n' "a wildcard alone"
expect 1 "list:1: !: not a rule" '!\n' "an exception of nothing"
expect 1 "not a rule" "$(printf 'a%.0s' {1..256}).com\n" "a label of 256 bytes"
expect 1 "it holds no rule" '// nothing\n' "no rule"
expect 1 "no room" "$(for i in {1..17000}; do printf 'x%d\\n' "$i"; done)" "more than there is room for"
got=$("$BUILD/suffixes" "$T/none" 2>&1); rc=$?
n=$((n + 1))
[ $rc = 1 ] && [ "$got" = "suffixes: $T/none: No such file or directory" ] && echo "ok $n - no file" ||
	echo "not ok $n - no file"
n=$((n + 1))
got=$("$BUILD/suffixes" /usr/share/publicsuffix/public_suffix_list.dat 2>&1 >/dev/full); rc=$?
[ $rc = 1 ] && grep -q "^suffixes: stdout: No space" <<<"$got" && echo "ok $n - a full disk" ||
	echo "not ok $n - a full disk"
echo "1..$n"
