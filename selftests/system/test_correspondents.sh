#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Correspondents: whom our users write to is not delayed, by domain where SPF or the client's name
# proves it, by address of the host; from the command, from a log, and as the way out shows it in host
# and gateway mode.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
backend_up mail $MAIL4,25 "$T/backend" || exit 1
cat >"$T/zone.json" <<'END'
{
	"friend.example": [["TXT", "v=spf1 ip4:203.0.113.0/24 ip6:2001:db8:77::/64 -all"]],
	"other.example": [["TXT", "v=spf1 ip4:203.0.113.0/24 -all"]],
	"7.2.0.192.in-addr.arpa": [["PTR", "mail.friend.example"]],
	"mail.friend.example": [["A", "192.0.2.7"]]
}
END
dns_up 127.0.0.1 5353
stutter="first = 300ms  interval = 100ms"
workers=1 # what one session has asked is known to the next
greylist="delay = 300s  delay_clean = 300s  delay_suspicious = 300s  promote_after = 0"
trap_conf='addresses = {"trap@example.net"}  hosted = {"example.net", "ours.example"}  action = reject'
extra='dns { servers = {"127.0.0.1:5353"}  timeout = 2s }
correspondent { life = 100s }'
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"

mail() { # source sender [recipient]
	talk "$1" "$(server_for "$1")" 'EHLO client.example.org' "MAIL FROM:<$2>" "RCPT TO:<${3:-user1@example.net}>" QUIT
}
corr() { gg correspondent "$@"; }
GREY='^S: 451 4\.7\.1' TAKEN='^S: 250 2\.1\.5'

ask() { # what DNS says of each, beforehand
	local pair jobs_=()
	for pair in 203.0.113.7,bob@friend 2001:db8:77::7,bob@friend 192.0.2.8,bob@friend 192.0.2.7,x@unknown 203.0.113.8,x@other; do
		talk "${pair%,*}" "$(server_for "${pair%,*}")" 'EHLO client.example.org' "MAIL FROM:<${pair#*,}.example>" QUIT &
		jobs_+=($!)
	done
	wait "${jobs_[@]}"
}

# ---- domains ----
check "DNS has told of them" wait_for 10 dns_settled ask
like "a stranger waits" "$(mail 203.0.113.7 bob@friend.example)" "$GREY"
check "add of somebody's address" corr add Bob@Mail.FRIEND.example
like "list has the domain that was registered" "$(corr list)" '^friend\.example +domain +ends in 1m'
like "SPF passes: it does not wait" "$(mail 203.0.113.7 carol@friend.example)" "$TAKEN"
check "that is logged" log_wait event=decision src=203.0.113.7 verdict=pass reason=correspondent
like "IPv6 too" "$(mail 2001:db8:77::7 dave@friend.example)" "$TAKEN"
like "SPF fails: it waits" "$(mail 192.0.2.8 carol@friend.example)" "$GREY"
like "the confirmed name lies in the domain: whatever the sender" "$(mail 192.0.2.7 x@unknown.example)" "$TAKEN"
like "SPF passes for somebody else: it waits" "$(mail 203.0.113.8 x@other.example)" "$GREY"
like "a trap is one even so" "$(mail 203.0.113.9 bob@friend.example trap@example.net)" '^S: 554 5\.7\.1'
between "they are counted" "$(counter answered)" 3 3

# ---- hosts ----
for src in 203.0.113.66 2001:db8:66::66; do
	check "$src: add of a host" corr add $src --for 50s
	like "$src: allowed in the kernel, with its origin" "$(map_entry $src)" 'GG_BY_CORRESPONDENT'
	like "$src: does not wait" "$(mail $src x@unknown.example)" "$TAKEN"
	like "$src: explain" "$(gg explain $src)" 'correspondent'
	like "$src: loses its place by a trap" "$(mail $src x@unknown.example trap@example.net)" '^S: 554'
	check "$src: denied in the kernel" map_is $src GG_DENY
	refuse "$src: and is not let in again by a mail to it" corr add $src
	gg forget $src >/dev/null
done
gg deny 203.0.113.0/24 --reason "by hand" >/dev/null
refuse "a host in a denied network is none" corr add 203.0.113.8
gg forget 203.0.113.0/24 >/dev/null
gg allow 203.0.113.8 >/dev/null
refuse "what the operator allows is his" corr add 203.0.113.8
gg forget 203.0.113.8 >/dev/null
for bad in "" "no domain" co.uk x@ @ 192.0.2.0/24 $MAIL4 gate.example.net user@ours.example sub.example.net; do
	refuse "'$bad' is refused" corr add "$bad"
done
corr frob >/dev/null 2>&1; is "a wrong word is a usage error" $? 2
corr add x.example --for never >/dev/null 2>&1; is "a wrong duration is a failure" $? 1

# ---- a log ----
out=$(corr add - --json <<'END'
# a comment
plain.example

Nov 21 20:00:00 mx postfix/smtp[77]: 4ABC: to=<al@logged.example>, relay=mx.logged.example[203.0.113.9]:25, delay=1, dsn=2.0.0, status=sent (250 ok)
Nov 21 20:00:00 mx postfix/smtp[77]: 4ABD: to=<al@late.example>, relay=mx.late.example[203.0.113.8]:25, delay=1, dsn=4.0.0, status=deferred (450 no)
Nov 21 20:00:00 mx postfix/smtpd[77]: connect from unknown[203.0.113.8]
2001:db8:79::9
END
)
gg forget 203.0.113.9 >/dev/null
like "names and lines of a log" "$out" '^\{"added":4,"failed":0,"passed_over":2,"lines":7\}'
out=$(corr list --json | $PYTHON -c 'import json, sys
print(*sorted(json.loads(line)["name"] for line in sys.stdin))')
is "list --json has them all" "$out" "2001:db8:79::9 friend.example logged.example plain.example"
fed() { # line...: greygate's words on both outputs, and $code
	out=$(printf '%b\n' "$@" | gg correspondent add - 2>&1); code=$?
}
fed one.example 'no domain' 'b\xfccher.example' '-x.example' co.uk 'two.ex\0ample' three.example user@ours.example BÜCHER.example
is "a feed with bad lines: exit code 1" $code 1
for line in 'line 3: .*not UTF-8' 'line 4: "-x\.example" is neither' 'line 5: "co\.uk" is no domain' 'line 6: a NUL byte' \
	'line 8: ours\.example is on our own side' '3 added or renewed, 5 refused, 1 of 9 lines passed over'; do
	like "it says: $line" "$out" "$line"
done
like "the lines behind them are read" "$(corr list)" '^three\.example +domain'
like "a domain in UTF-8 is listed as DNS has it" "$(corr list)" '^xn--bcher-kva\.example +domain'
check "and known by its other spelling" corr del bücher.example
refuse "once" corr del xn--bcher-kva.example
check "del of another one" corr del three.example
corr del one.example >/dev/null
fed '# nothing' ''
is "a feed of nothing: exit code 0" "$code $out" "0 0 added or renewed, 0 refused, 0 of 2 lines passed over"
like "a name that is not UTF-8" "$(corr add $'b\xfccher.example' 2>&1)" 'b\?cher\.example" is not UTF-8'
check "del of a host" corr del 2001:db8:79::9
refuse "del of it again" corr del 2001:db8:79::9
like "it waits" "$(mail 2001:db8:79::9 x@unknown.example)" "$GREY"
check "del of a domain" corr del plain.example

# ---- for how long ----
corr add 203.0.113.8 --for 1s >/dev/null
corr add other.example --for 1s >/dev/null
check "add over a restart" corr add 2001:db8:78::8
sleep 1.1
gate_kill
check "restart" gate_start
check "DNS has told of them again" wait_for 10 dns_settled ask
like "restart: the domain stands" "$(mail 203.0.113.7 erin@friend.example)" "$TAKEN"
like "restart: the host stands" "$(mail 2001:db8:78::8 x@unknown.example)" "$TAKEN"
like "it is over: the host waits" "$(mail 203.0.113.8 x@unknown.example)" "$GREY"
like "it is over: the domain waits" "$(mail 203.0.113.8 y@other.example)" "$GREY"
unlike "neither is listed" "$(corr list)" '203\.0\.113\.8|other\.example'
corr add friend.example --for 15s >/dev/null
ends() { corr list --json | $PYTHON -c 'import json, sys
print(*(row["expires"] for row in map(json.loads, sys.stdin) if row["name"] == sys.argv[1]))' "$1"; }
before=$(ends friend.example)
sleep 1.1
like "one that is used" "$(mail 203.0.113.7 use@friend.example)" "$TAKEN"
between "lasts longer" "$(ends friend.example)" $((before + 1)) $((before + 1000))
gate_stop; is "SIGTERM: exit code 0" $? 0

# ---- the way out ----
FAR="203.0.113.9 2001:db8:79::9"
for far in $FAR; do backend_up client "$far,25" "$T/far" || exit 1; done
write_to() { on "$1" $PYTHON "$HERE/talk.py" "" "$2" 'EHLO mx.example.net' QUIT >"$T/out"; } # namespace host
known() { map_is "$1" GG_BY_CORRESPONDENT; }
outward() { # title namespace source of the protected side
	like "$1: a stranger meets the daemon" "$(talk 203.0.113.9 "$MX4" QUIT)" '^S: 220 gate\.'
	for far in $FAR; do
		write_to "$2" "$far"
		like "$1: $far is written to" "$(cat "$T/out")" '^S: 221'
		check "$1: $far is a correspondent" wait_for 5 known "$far"
		like "$1: $far is listed" "$(corr list)" "^$far +host"
	done
	like "$1: its answer meets the mail server itself" "$(talk 203.0.113.9 "$MX4" QUIT)" "$MTA"
	like "$1: IPv6 too" "$(talk 2001:db8:79::9 "$MX6" QUIT)" "$MTA"
	write_to "$2" 203.0.113.8 # refused
	write_to "$2" 203.0.113.7,26
	# Somebody's connection to the mail server, from his own port 25.
	SOURCE_PORT=25 talk 203.0.113.66 "$MX4" QUIT >/dev/null
	sleep 1.5
	for not in 203.0.113.8 203.0.113.7 203.0.113.66; do
		refuse "$1: $not is none" known $not
	done
	between "$1: they were counted" "$(counter egress_named)" 2 2
}
rm -rf "$T/state"
unset extra
mode=host listen='"0.0.0.0:10025", "[::]:10025"' protect="\"$GATE4:25\", \"[$GATE6]:25\""
backend='"127.0.0.1:25"' trap_conf='life = 10s' stutter='first = 0s'
backend_up gate ::,25 "$T/mta" banner='220 mta.example.net' || exit 1
mta_pid=$started
MTA='^S: 220 mta\.' MX4=$GATE4 MX6=$GATE6
gate_conf
check "host mode: greygated starts" gate_start
outward "host mode" gate
gate_stop; is "SIGTERM: exit code 0" $? 0
is "nothing stands on the way out" "$(on gate tc filter show dev g0 egress; on gate tc qdisc show dev g0 | grep clsact)" ""
on gate "$BUILD/greygate" -c "$T/greygate.conf" detach >/dev/null

kill $mta_pid
wait $mta_pid 2>/dev/null
ip -n client route add 198.51.100.0/24 via $GATE4; ip -n client route add 2001:db8:2::/64 via $GATE6
ip -n mail route add default via 198.51.100.1; ip -n mail -6 route add default via 2001:db8:2::1
on gate sh -c 'for f in /proc/sys/net/ipv[46]/conf/all/forwarding; do echo 1 >"$f"; done'
on client ethtool -K c0 tx off gro on >/dev/null; on mail ethtool -K m0 tx off gro on >/dev/null
rm -rf "$T/state"
mode=gateway interfaces='"g0", "g1"' listen='' backend='' protect="\"$MAIL4:25\", \"[$MAIL6]:25\""
backend_up mail $MAIL6,25 "$T/mta6" || exit 1
MTA='^S: 220 ' MX4=$MAIL4 MX6=$MAIL6
gate_conf
check "gateway mode: greygated starts" gate_start
outward "gateway mode" mail
gate_stop; is "SIGTERM: exit code 0" $? 0
on gate "$BUILD/greygate" -c "$T/greygate.conf" detach >"$T/said"
like "detach takes the program off the way out" "$(cat "$T/said")" 'g0: tc program detached from the way out'
is "nothing is left of it" "$(on gate tc filter show dev g0 egress; on gate tc qdisc show dev g0 | grep clsact)" ""
