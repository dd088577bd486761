#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A tour of greygate in throw-away network namespaces: a client, a gateway, a mail server, real
# packets and real mail. Exits non-zero if any step did not happen. `make demo` builds and runs it.
[ "$(id -u)" = 0 ] || { echo "demo: needs root (network namespaces, XDP): sudo make demo" >&2; exit 1; }
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/system/lib.sh"

bold='' dim='' good='' bad='' plain=''
if [ -t 1 ]; then
	bold=$'\e[1m' dim=$'\e[2m' good=$'\e[32m' bad=$'\e[31m' plain=$'\e[0m'
fi
steps=0
title() { steps=$((steps + 1)); printf '\n%s%d. %s%s\n' "$bold" $steps "$*" "$plain"; }
tell() { fold -s -w 75 <<<"$*" | sed 's/ *$//; s/^/   /'; }
show() { fold -s -w 70 | sed "s/ *\$//; s/^/$dim      | /; s/\$/$plain/"; }
must() { # claim command...
	local claim=$1; shift
	if "$@" >/dev/null 2>&1; then
		printf '   %s[ ok ]%s %s\n' "$good" "$plain" "$claim"
	else
		printf '   %s[FAIL]%s %s\n' "$bad" "$plain" "$claim"
		tap_bad=$((tap_bad + 1))
	fi
}
said() { grep -qE "$1" <<<"$out"; }
seconds() { awk -v ms="$(stamp "$1" <<<"$out")" 'BEGIN { printf "%.1f", ms / 1000 }'; }
dialogue() { grep -E '^(C|S): ' <<<"$out" | grep -E "$1" | show; }
at_least() { awk -v a="${1:-0}" -v b="$2" 'BEGIN { exit !(a >= b) }'; }
at_most() { awk -v a="${1:-9e9}" -v b="$2" 'BEGIN { exit !(a <= b) }'; }
give_up() { printf '   %s[FAIL]%s %s\n' "$bad" "$plain" "$*"; tap_bad=1; exit 1; }

CLIENT=192.0.2.7 BOT=203.0.113.66
cat <<-END
	${bold}greygate: a tour${plain}

	   client                gateway                     mail server
	   $CLIENT  --------  $GATE4  -------------  $MAIL4
	   $BOT (a bot)   XDP + greygated             Postfix

	   Three network namespaces; nothing of it is left when the tour is over.
END
net_up || give_up "no network namespaces"
postfix_new mx mail "smtpd_authorized_xclient_hosts = 198.51.100.0/24" || give_up "Postfix does not start"
stutter="first = 3s  interval = 100ms"
greylist="delay = 4s  delay_clean = 4s  delay_suspicious = 4s  jitter = 0  promote_after = 2"
trap_conf='addresses = {"old-address@example.net"}  action = drop_new'
gate_conf
gate_start || give_up "greygated does not start: $(tail -n 3 "$T/gate.log")"

title "A stranger's first attempt"
tell "The client has never been seen here. The banner comes to it one byte at a time; then it is" \
	"asked to come back. A mail server does, most spam engines don't."
out=$(attempt $CLIENT $GATE4 alice@sender.example user1@example.net)
dialogue '220|RCPT|451'
must "the banner took $(seconds whole) s, byte by byte" at_least "$(stamp whole <<<"$out")" 2500
must "the answer is 451: greylisted, with minutes, a ticket and a contact" \
	said '^S: 451 4\.7\.1 Greylisted, please retry in .* \(ticket [0-9A-Z]{13}; '
must "nothing reached the mail server" sh -c "! grep -q 'from=<alice' '$T/mx/maillog'"
ticket=$(sed -nE 's/.*\(ticket ([0-9A-Z]+);.*/\1/p' <<<"$out")
tell "The ticket leads back to the decision:  greygate explain $ticket"
out=$(gg explain "$ticket")
sed '/^last decisions/,$d' <<<"$out" | show
must "it is explained" said "$CLIENT"
attempt $CLIENT $GATE4 bob@sender.example user1@example.net >/dev/null

title "The retry is delivered"
tell "The delay (4 s here, 5 minutes by default) is over. The same sender tries again and is" \
	"passed on while it waits: greygate keeps no queue."
sleep 1
out=$(attempt $CLIENT $GATE4 alice@sender.example user1@example.net)
dialogue 'RCPT|^S: 250 2|354'
must "the client got the mail server's own 250" said '^S: 250 2\.0\.0 Ok: queued as'
must "the message is in the mailbox, once" wait_for 5 boxed_is mx 'From: <a@example.org>' 1
must "the mail server saw the client's address, not the gateway's" grep -q "client=unknown\[$CLIENT\]" "$T/mx/maillog"

title "The source is promoted"
tell "A second sender behind the same address passes too. That is what a mail server looks like:" \
	"the address goes into the kernel's map."
out=$(attempt $CLIENT $GATE4 bob@sender.example user1@example.net ":map $PIN/host4 $CLIENT 1")
must "delivered" said '^S: 250 2\.0\.0 Ok: queued as'
must "the entry was there $(stamp map <<<"$out") ms after the reply, as a script sees it" \
	at_most "$(stamp map <<<"$out")" 1000
tell "bpftool map lookup pinned .../v1/host4 key $(key_of $CLIENT)"
out=$(map_entry $CLIENT)
grep -E 'verdict|origin|hits' <<<"$out" | show
must "bpftool shows GG_ALLOW, by learning" said 'GG_ALLOW'

title "The third connection: no stutter, no greylist"
before=$(counter allow_syn)
out=$(attempt $CLIENT $GATE4 somebody.new@sender.example user2@example.net)
dialogue '220|RCPT|queued'
must "the banner came after $(seconds whole) s" at_most "$(stamp whole <<<"$out")" 1500
must "a sender never seen before is delivered at once" said '^S: 250 2\.0\.0 Ok: queued as'
must "the XDP program knew it: allow_syn went from ${before:-?} to $(counter allow_syn)" \
	at_least "$(counter allow_syn)" $((${before:-0} + 1))

title "A bot walks into a trap"
tell "old-address@example.net is nobody's mailbox; only spammers still write to it. One hit, and" \
	"the bot's packets are dropped by XDP before the kernel sees a connection."
out=$(talk $BOT $GATE4 'EHLO bot' 'MAIL FROM:<win@prize.example>' 'RCPT TO:<old-address@example.net>' \
	":map $PIN/host4 $BOT 2" QUIT)
dialogue 'RCPT|^S: [45]5'
must "the bot is denied in the kernel's map" map_is $BOT GG_DENY
before=$(counter drop_new)
out=$(TALK_TIMEOUT=3 talk $BOT $GATE4 'EHLO bot')
must "its next connection gets no answer at all" said '^T: connect <timeout>'
must "XDP dropped it: drop_new went from ${before:-?} to $(counter drop_new)" \
	at_least "$(counter drop_new)" $((${before:-0} + 1))

title "Host mode: the mail server on the same machine"
tell "greygate starts again, now beside a Postfix that owns port 25 itself. It remembers what it" \
	"learned: strangers get greygate, the promoted client gets Postfix, with nothing in between."
gate_stop || true
stutter="first = 0s"
postfix_new local gate "smtpd_authorized_xclient_hosts = 127.0.0.0/8" || give_up "Postfix does not start"
mode=host listen='"0.0.0.0:10025"' protect="\"$GATE4:25\"" backend='"127.0.0.1:25"'
gate_conf
must "greygated starts in host mode" gate_start
out=$(talk 203.0.113.9 $GATE4 'EHLO stranger' QUIT)
dialogue 220
must "a stranger on port 25 meets greygate" said '^S: 220 gate\.example\.net'
at=$(log_size)
out=$(attempt $CLIENT $GATE4 alice@sender.example user3@example.net)
dialogue '220|queued'
must "the promoted client on port 25 meets Postfix itself" said '^S: 220 local\.example\.net'
sleep 0.2
must "the daemon has no event about it" sh -c "! tail -c +$((at + 1)) '$T/gate.log' | grep -q $CLIENT"
must "the bot is still dropped" sh -c "TALK_TIMEOUT=2; export TALK_TIMEOUT
	nsenter --net=/run/netns/client $PYTHON '$HERE/talk.py' $BOT $GATE4 | grep -q '<timeout>'"
gate_stop || true

echo
if [ "$tap_bad" = 0 ]; then
	echo "${good}Every step happened.${plain} Took $SECONDS s."
else
	echo "${bad}$tap_bad steps did not happen.${plain}"
fi
