#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# relay mode behind wildcards on a machine with thousands of addresses: all are guarded; of more than
# there is room for, those that were guarded stay so, mail is taken on all, and status says what is not guarded.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
net_up || bail "network namespaces"
limit="per_source = 1000  new_per_source = 0  new_per_cpu = 0"
stranger=192.0.2.7 denied=203.0.113.66

# Addresses of 198.18.0.0/15 by their number.
addresses() { # add|del first last
	local i
	for ((i = $2; i <= $3; i++)); do echo "addr $1 198.18.$((i / 250)).$((i % 250 + 1))/32 dev lo"; done >"$T/batch"
	ip -n gate -batch "$T/batch" || bail "addresses"
}
serves() { # address,port
	like "$1: mail is taken" "$(talk $stranger "$1" 'EHLO client.example.org' QUIT 2>&1)" '^S: 221 '
}
guards() { unlike "$1: guarded" "$(TALK_TIMEOUT=2 talk $denied "$1" QUIT 2>&1)" '^S: '; }
problem() { gg status | grep -oE '[0-9]+ protected endpoints have no room'; }
ip -n client route add 198.18.0.0/15 via $GATE4

# ---- as many as machines have ----
addresses add 1 1200
gate_conf
gate_start || bail "greygated starts with 1200 addresses"
pass "greygated starts with 1200 addresses"
gg deny $denied --action drop_new >/dev/null
for a in $GATE4,25 198.18.0.2,25 198.18.4.201,25; do serves "$a"; guards "$a"; done
is "no problem" "$(problem)" ""

# ---- more of them while it runs ----
check "it stops" gate_stop
# 15 ports: an entry each, and one of the address.
listen='"[::]:25"'
for port in {25..39}; do listen+=", \"0.0.0.0:$port\""; done
addresses add 1201 1900
gate_conf
gate_start || bail "greygated starts with 1900 addresses at 15 ports"
is "no problem yet" "$(problem)" ""
guards $GATE4,39
addresses add 1901 2150
check "more than there is room for: the log says so" \
	wait_for 15 has 'protected endpoints have no room' "$T/gate.log"
like "so does status" "$(problem)" '^[1-9]'
for a in $GATE4,39 198.18.0.2,25 198.18.4.201,39; do serves "$a"; guards "$a"; done
serves 198.18.8.151,39
like "which is one that is not guarded" "$(TALK_TIMEOUT=5 talk $denied 198.18.8.151,39 QUIT 2>&1)" '^S: '
check "reload works" gg reload
like "the problem is still there" "$(problem)" '^[1-9]'
check "it stops with too many" gate_stop
gate_start || bail "greygated starts with too many"
pass "greygated starts with too many"
like "and says so at once" "$(problem)" '^[1-9]'
for a in $GATE4,39 198.18.0.2,25; do serves "$a"; guards "$a"; done

# ---- fewer ----
addresses del 1 200
check "where some go there is room again" wait_for 15 prints "" problem
guards 198.18.8.151,39
check "it stops again" gate_stop
