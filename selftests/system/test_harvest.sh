#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Harvests of addresses: unknown recipients counted when the mail server says so, also where that is after
# the client has been told to come again; for whom, how often, and what mail servers say.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
for a in 192.0.2.11 192.0.2.12 203.0.113.11 203.0.113.12; do ip -n client addr add $a/24 dev c0; done
postfix_new mx mail || bail "Postfix as the mail server"
echo '{"8.2.0.192.white.list": [["A", "127.0.10.2"]]}' >"$T/zone.json"
dns_up 127.0.0.1 5353
servers='dns { servers = {"127.0.0.1:5353"} }' extra=$servers
greylist="delay = 1s  delay_clean = 1s  delay_suspicious = 1s  jitter = 0  promote_after = 1  promote_net_after = 0
	exempt = {\"192.0.2.12\"}"
upstream="timeout = 60s  verify_probes = 1" # one question after the other
trap_conf='hosted = {"example.net"}  life = 200s  max = 1000s  action = reject  harvest = 3'
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"

ask() { # source sender recipient...
	local src=$1 from=$2; shift 2
	set -- "${@/#/RCPT TO:<}"
	talk "$src" "$(server_for "$src")" 'EHLO client.example.org' "MAIL FROM:<$from>" "${@/%/@example.net>}" QUIT
}
release() { local a; for a; do gg forget "$a" >/dev/null; done; }
trapped() { map_is "$1" GG_BY_TRAP; }
late_is() { [ "$(counter harvest_late)" = "$1" ]; }
late_reaches() { [ "$(counter harvest_late)" -ge "$1" ]; }
answered() { logged event=verify to="$1@example.net"; }
# The mail server stands still, and goes on.
still() {
	mx_pids=$(tr -d ' ' <"$T/mx/spool/pid/master.pid")
	mx_pids+=" $(pgrep -P "$mx_pids" | xargs)"
	# shellcheck disable=SC2086
	kill -STOP $mx_pids
}
# shellcheck disable=SC2086
go_on() { kill -CONT $mx_pids; }

# ---- answers that come after the client has left ----
n=0
for src in 203.0.113.66 2001:db8:66::66; do
	n=$((n + 1))
	still
	out=$(ask $src h@spam.example first$n-{1,2,3,4})
	is "$src: a first contact hears nothing of them" "$(grep -c '^S: 451 4\.7\.1' <<<"$out")" 4
	refuse "$src: nor is it trapped before the mail server has spoken" trapped $src
	go_on
	check "$src: but then" wait_for 10 trapped $src
	check "$src: trap event with its cause" log_wait event=trap src=$src reason=harvest to=first$n-3@example.net
	like "$src: explain: why" "$(gg explain $src)" "too many unknown recipients in a row, at last first$n-3@example\.net"
	like "$src: its next mail is refused" "$(ask $src other@spam.example user1)" '^S: 554 5\.7\.1 .*spam trap'
	between "$src: once" "$(gg list trap | grep -c "^$src ")" 1 1
	check "$src: the fourth answer counts for nobody: it is trapped" wait_for 10 answered first$n-4
	gg forget $src >/dev/null
done
is "counter harvest_late" "$(counter harvest_late)" 6
is "counter trapped" "$(counter trapped)" 2

# Each of them counts once for each who asked, however often he did.
still
sources=(203.0.113.11 203.0.113.12 2001:db8:77::7 2001:db8:78::8)
for i in "${!sources[@]}"; do
	ask "${sources[i]}" h@spam.example same1 same2 same3 >"$T/same.$i" &
	asking[i]=$!
done
ask 192.0.2.11 h@spam.example same1 same1 same1 same1 >"$T/same.again"
wait "${asking[@]}"
is "five sources ask for the same ones: all are deferred" "$(cat "$T"/same.* | grep -c '^S: 451 4\.7\.1')" 16
go_on
for src in "${sources[@]}"; do check "$src is trapped" wait_for 10 trapped "$src"; done
refuse "who asked for one of them four times is not" trapped 192.0.2.11
is "the mail server was asked once" "$(logged event=verify to=same1@example.net | grep -c .)" 1
is "counter harvest_late: for each once" "$(counter harvest_late)" $((6 + 12 + 1))
for src in "${sources[@]}" 192.0.2.11; do gg forget "$src" >/dev/null; done

# A retry hears what was counted already.
ask 203.0.113.11 h@spam.example typo1 typo2 >/dev/null
check "two unknown ones are counted" wait_for 40 late_is 21
is "the retry of that mail hears it" "$(ask 203.0.113.11 h@spam.example typo1 typo2 | grep -c '^S: 550 5\.1\.1')" 2
refuse "and is not counted again" trapped 203.0.113.11
is "a third attempt is" "$(ask 203.0.113.11 h@spam.example typo1 | grep -c '^S: 550 5\.1\.1')" 1
check "and trapped" trapped 203.0.113.11
gg forget 203.0.113.11 >/dev/null

# A known one breaks the row, when its answer comes late as well.
ask 2001:db8:77::7 h@spam.example row1 row2 user1 row3 row4 >/dev/null
check "four unknown ones are counted" wait_for 40 late_is 25
refuse "a known one among them breaks the row" trapped 2001:db8:77::7
gg forget 2001:db8:77::7 >/dev/null

# ---- whom it never catches ----
still
ask 203.0.113.12 h@spam.example friend1 friend2 friend3 >/dev/null
gg allow 203.0.113.12 >/dev/null
ask 203.0.113.11 h@spam.example mark1 mark2 mark3 >/dev/null
go_on
check "a source without friends is trapped" wait_for 10 trapped 203.0.113.11
check "all was asked about" wait_for 10 answered friend3
refuse "not one that the operator has allowed meanwhile" trapped 203.0.113.12
gg forget 203.0.113.12 >/dev/null; gg forget 203.0.113.11 >/dev/null
late=$(counter harvest_late)
is "the null sender is answered at once" \
	"$(for i in 1 2 3 4; do ask 203.0.113.8 "" null$i; done | grep -c '^S: 550 5\.1\.1')" 4
is "an exempt source too" "$(ask 192.0.2.12 h@spam.example exempt{1,2,3,4} | grep -c '^S: 550 5\.1\.1')" 4
for src in 203.0.113.8 192.0.2.12; do refuse "$src is never trapped" trapped $src; done
is "nor anything counted" "$(counter harvest_late)" "$late"
attempt 192.0.2.11 $GATE4 h@spam.example user1@example.net >/dev/null
delivers() { attempt 192.0.2.11 $GATE4 h@spam.example user1@example.net | grep -q '^S: 250 2\.0\.0'; }
check "a source delivers" wait_for 10 delivers
check "and is learned" map_is 192.0.2.11 GG_ALLOW
ask 192.0.2.11 h@spam.example learned{1,2,3,4} >/dev/null
refuse "typos do not trap who has delivered" trapped 192.0.2.11
extra="$servers
dnslist \"white.list\" { weight = -3 }"
gate_renew
ask 192.0.2.8 h@spam.example vouched{1,2,3,4} >/dev/null
check "all is answered" wait_for 10 answered vouched4
ask 192.0.2.8 h@spam.example vouched{1,2,3,4} >/dev/null
refuse "nor whom a DNS list vouches for" trapped 192.0.2.8
# The list may have vouched only after those were told to come again, and then they are counted.
late=$(counter harvest_late)
echo dead >"$T/mode"
ask 203.0.113.9 h@spam.example dead{1,2,3,4} >/dev/null
check "dead DNS: all is counted" wait_for 40 late_reaches $((late + 4))
refuse "dead DNS: nobody is trapped whom it might vouch for" trapped 203.0.113.9
echo ok >"$T/mode"
n=0
sprung() { n=$((n + 1)); ask 203.0.113.9 h@spam.example alive$n >/dev/null; trapped 203.0.113.9; }
check "but when it does not" wait_for 20 sprung
extra=$servers
gate_renew

# ---- answers that are there already ----
ask 203.0.113.8 h@spam.example known1 known2 known3 >/dev/null
check "they are asked about" wait_for 10 trapped 203.0.113.8
out=$(ask 203.0.113.11 h@spam.example known1 known2)
is "the next one who asks is refused by the mail server" "$(grep -c '^S: 550 5\.1\.1' <<<"$out")" 2
refuse "two in a row are none too many" trapped 203.0.113.11
like "the third one, in another session, hears its answer" "$(ask 203.0.113.11 h@spam.example known3)" '^S: 550 5\.1\.1'
check "and the source is trapped" trapped 203.0.113.11
check "trap event with its cause" log_wait event=trap src=203.0.113.11 reason=harvest
ask 203.0.113.7 h@spam.example user2 >/dev/null
check "one that is known" log_wait event=verify to=user2@example.net verdict=valid
out=$(ask 2001:db8:78::8 h@spam.example known{1,2} user2 known{1,3})
is "IPv6: a known recipient breaks the row" "$(grep -c '^S: 550 5\.1\.1' <<<"$out")" 4
refuse "not trapped" trapped 2001:db8:78::8
gate_stop; is "SIGTERM: exit code 0" $? 0

# ---- what mail servers say ----
B=$T/backend
check "a mail server that says what it is told" backend_up mail $MAIL4,26 "$B"
mode=relay listen='"0.0.0.0:25", "[::]:25"' protect= backend="\"$MAIL4:26\""
greylist="mode = learn  promote_after = 0" upstream="timeout = 5s  verify_recipients = no"
trap_conf="life = 200s  action = reject  harvest = 3"
gate_conf
check "learn mode: greygated starts" gate_start
release 203.0.113.66 2001:db8:66::66
replied() { # source reply: three recipients, each gets it
	echo "$2" >"$B/rcpt"
	is "$2: the client hears it" \
		"$(ask "$1" h@spam.example a b c | grep -cxF "S: $(printf %b "$2" | tail -n 1 | tr -d '\r')")" 3
}
for reply in '550 No such user' '550' '550-No such\r\n550 user' '551 User not local' '553 Mailbox name not allowed' \
	'550 5.1.1 User unknown' '550 5.1.10 RecipientNotFound' '550 5.4.1 Access denied'; do
	for src in 203.0.113.66 2001:db8:66::66; do
		replied $src "$reply"
		check "$reply: a harvest of $src" trapped $src
		release $src
	done
done
for reply in '550 5.7.1 Client host blocked' '553 5.1.8 Bad sender' '550-No such user\r\n550 5.7.1 for you' \
	'550 5.0.0 no' '552 Mailbox full' '554 No' '501 Syntax' '450 No such user' '451 4.1.1 later'; do
	replied 203.0.113.66 "$reply"
	refuse "$reply: says nothing of the recipient" trapped 203.0.113.66
done
gate_stop; is "SIGTERM: exit code 0" $? 0
