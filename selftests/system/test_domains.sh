#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Settings of domains and mailboxes: each recipient of a message by its own, learn and opt-out at
# each level, a reload under open sessions, what explain and replay say of it.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
backend_up mail $MAIL4,25 "$T/backend" || exit 1
interfaces=
greylist="delay = 300s  delay_clean = 300s  delay_suspicious = 300s  jitter = 0  promote_after = 1"
extra='domain "off.example" { mode = off }
mailbox "strict@off.example" { mode = enforce }
domain "learn.example" { mode = learn }
domain ".learn.example" { mode = off }
domain "fast.example" { delay = 2s  delay_suspicious = 2s  promote_after = 0 }
mailbox "ceo@grey.example" { mode = off }
mailbox "Student@grey.example" { mode = learn }
domain "brief.example" { delay = 1s  delay_suspicious = 1s  window = 4s }'
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"

SRC=192.0.2.7 HELLO='EHLO client.example.org' FROM='MAIL FROM:<a@sender.example>'
codes() { sed -nE 's/^S: ([0-9]{3})( .*|$)/\1/p' | xargs; } # last line of each reply
rcpts() { # source server recipient...: the replies to RCPT
	local src=$1 dst=$2 r steps=(); shift 2
	for r; do steps+=("RCPT TO:<$r>"); done
	talk "$src" "$dst" "$HELLO" "$FROM" "${steps[@]}" QUIT | sed -n '/^C: RCPT/,/^C: QUIT/p' | codes | sed 's/ 221$//'
}
verdict() { # recipient key=value...
	local to=$1; shift
	log_wait event=decision to="$to" "$@"
}

# ---- one message, every level ----
all=(u@grey.example ceo@grey.example CEO@Grey.Example student@grey.example u@off.example strict@off.example
	u@learn.example u@sub.learn.example u@deep.sub.learn.example u@fast.example u@notlearn.example
	postmaster@grey.example abuse@fast.example)
for way in "$SRC $GATE4" "2001:db8:1::7 $GATE6"; do
	# shellcheck disable=SC2086
	is "${way%% *}: each recipient by its own settings" "$(rcpts $way "${all[@]}")" \
		"451 250 250 250 250 451 250 250 250 451 451 250 250"
done
check "the mailbox opted out" verdict ceo@grey.example verdict=pass reason=off
check "a mailbox learns" verdict student@grey.example verdict=pass reason=learn
check "a domain is off" verdict u@off.example verdict=pass reason=off
check "but for one mailbox" verdict strict@off.example verdict=grey reason=first
check "a domain learns" verdict u@learn.example verdict=pass reason=learn
check "what lies below it is off" verdict u@deep.sub.learn.example verdict=pass reason=off
check "postmaster is exempt" verdict postmaster@grey.example reason=exempt
between "learned are counted" "$(counter learned)" 4 4
recorded() { gg list grey --json | grep -E '"to":"u@learn\.example"'; }
check "learn records everything" wait_for 5 recorded
unlike "off records nothing" "$(gg list grey --json)" '"to":"(u@off|ceo@grey)\.example"'
sleep 2
out=$(talk $SRC $GATE4 "$HELLO" "$FROM" 'RCPT TO:<u@grey.example>' 'RCPT TO:<u@fast.example>' \
	'RCPT TO:<u@off.example>' DATA ':body -' QUIT)
is "a shorter delay passes, the longer one waits on, in one message" "$(codes <<<"$out")" \
	"220 250 250 451 250 250 354 250 221"
is "promote_after = 0: mail to it promotes nobody" "$(counter promoted)" 0

# ---- not a part of a second too early ----
on_the_second() { # late in one, so that two begin within hardly more than one
	$PYTHON -c 'import time; time.sleep((0.9 - time.time()) % 1)'
}
through() { attempt $SRC $GATE4 second@sender.example u@fast.example | grep -q '^S: 354'; }
on_the_second
before=$(date +%s%3N)
refuse "a first attempt waits" through
check "its retries get through" wait_for 20 through
between "not before the delay is over, in ms" $(($(date +%s%3N) - before)) 2000 100000

# ---- explain ----
out=$(gg explain ceo@grey.example)
like "explain a mailbox: what holds" "$out" 'ceo@grey\.example is let through'
like "and where it was set" "$out" 'mode +off +mailbox ceo@grey\.example'
like "the rest is the greylist's" "$out" 'delay +5m +greylist'
like "a domain below another" "$(gg explain x@y.learn.example)" 'mode +off +domain \.learn\.example'
like "postmaster" "$(gg explain postmaster@fast.example)" 'is never greylisted'
is "in 80 columns" "$(gg explain strict@off.example | awk 'length > 80' | wc -l)" 0
like "as JSON" "$(gg explain ceo@grey.example --json)" '"key": ?"mode", ?"value": ?"off", ?"from": ?"mailbox ceo@grey\.example"'
ticket=$(talk $SRC $GATE4 "$HELLO" 'MAIL FROM:<b@sender.example>' 'RCPT TO:<u@fast.example>' QUIT |
	sed -nE 's/.*\(ticket ([0-9A-Z]+);.*/\1/p')
like "explain TICKET says which level a setting is from" "$(gg explain "$ticket")" 'delay +2s +domain fast\.example'

# ---- lifetimes ----
is "a window of its own: first" "$(rcpts $SRC $GATE4 u@brief.example)" 451
sleep 5
is "over: counts as a first one" "$(rcpts $SRC $GATE4 u@brief.example)" 451
check "and says so" verdict u@brief.example verdict=grey reason=late

# ---- learn, then go live ----
whole() { attempt 203.0.113.8 $GATE4 "$1" live@learn.example | codes; } # sender
is "learn: a stranger's mail is delivered at once" "$(whole old@sender.example)" "220 250 250 250 354 250 221"
between "learn: promotes nobody" "$(counter promoted)" 0 0
sed -i 's/^domain "learn.example".*/domain "learn.example" { mode = enforce }/' "$T/greygate.conf"
check "it goes live by a reload" gg reload
is "live: who was learned passes at once" "$(whole old@sender.example)" "220 250 250 250 354 250 221"
check "live: as one that is known" verdict live@learn.example from=old@sender.example verdict=pass reason=known
is "live: a stranger waits" "$(whole new@sender.example)" "220 250 250 451 221"

# ---- reload under a session ----
mkfifo "$T/go"
talk $SRC $GATE4 "$HELLO" "$FROM" 'RCPT TO:<n@grey.example>' 'RCPT TO:<u@off.example>' ":touch $T/ready" \
	":await $T/reloaded" 'RCPT TO:<n@grey.example>' 'RCPT TO:<n@off.example>' DATA ':body -' QUIT >"$T/open" &
open=$!
check "a session is in its transaction" wait_for 5 test -e "$T/ready"
sed -i 's/^domain "off.example".*/domain "off.example" { }/; s/^mailbox "ceo.*/domain "grey.example" { mode = off }/' \
	"$T/greygate.conf"
check "reload" gg reload
touch "$T/reloaded"
wait $open
is "its next recipients go by the new settings, what was accepted is delivered" "$(codes <"$T/open")" \
	"220 250 250 451 250 250 451 354 250 221"
cp "$T/greygate.conf" "$T/good.conf"
echo 'domain "off.example" { delay = 25h }' >>"$T/greygate.conf"
refuse "a wrong section is refused" gg reload
like "with file, line, key and what is allowed" "$(cat "$T/said")" 'greygate\.conf:[0-9]+: domain\.delay: "25h": .*allowed is'
is "and changes nothing" "$(rcpts $SRC $GATE4 m@grey.example)" 250
cp "$T/good.conf" "$T/greygate.conf"

# ---- replay goes by the same ----
printf 'time\tip\thelo\tsender\trecipient\trdns\tspf\n' >"$T/log"
for to in u@grey.example student@grey.example x@sub.learn.example u@fast.example strict@off.example; do
	printf '0\t203.0.113.9\th.example\ts@t.example\t%s\t\tnone\n' "$to" >>"$T/log"
done
is "replay judges each recipient by its settings" "$("$BUILD/greygate" -c "$T/greygate.conf" replay "$T/log" |
	grep '^0' | cut -f8,9,11 | tr '\t' ' ' | paste -sd,)" \
	"pass off 0,pass learn 0,pass off 0,grey first 2,grey first 300"
