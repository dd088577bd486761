#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Relay mode with XDP on the client's side: strangers are stuttered and greylisted, the retry is
# delivered once and intact, the second sender promotes, the promoted source waits for nothing.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
postfix_new mx mail "smtpd_authorized_xclient_hosts = 198.51.100.0/24 [2001:db8:2::]/64" ||
	bail "Postfix as the mail server"
inet_interfaces=loopback-only mailbox_domains='' postfix_new out client "relayhost = [$GATE4]" \
	"smtp_bind_address = 203.0.113.8" "smtp_bind_address6 = 2001:db8:78::8" \
	"minimal_backoff_time = 3s" "maximal_backoff_time = 4s" "queue_run_delay = 2s" ||
	bail "Postfix as the sender"
stutter="first = 2s  interval = 200ms"
greylist="delay = 5s  delay_clean = 5s  delay_suspicious = 5s  jitter = 0  promote_after = 2"
extra="mailbox \"user6@example.net\" { delay = 5m  delay_clean = 5m  delay_suspicious = 5m }"
gate_conf
gate_start || bail "greygated starts"
pass "greygated starts"

$PYTHON - "$T" <<'END'
import random, sys
rng = random.Random(1)
def lines(n):
    size = 0
    while size < n:
        kind = rng.randrange(12)
        if kind == 0: line = "." * rng.randrange(4)
        elif kind == 1: line = ""
        elif kind == 2: line = "." + "x" * rng.randrange(990)
        else: line = "".join(rng.choices("abcdefghij klmnop.=+/", k=rng.randrange(1, 78)))
        size += len(line) + 1
        yield line
for name, size in (("big4", 5 << 20), ("big6", 5 << 20), ("mixed", 3000)):
    with open(f"{sys.argv[1]}/{name}", "w") as f:
        f.write(f"From: <alice@sender.example>\nSubject: {name}\nX-Marker: {name}-marker\n\n")
        f.writelines(line + "\n" for line in lines(size))
END

S4=192.0.2.7 S6=2001:db8:1::7 M4=203.0.113.7
job() { # name command...: in the background, output in $T/NAME
	local name=$1; shift
	"$@" >"$T/$name" 2>&1 &
	jobs_run+=($!)
}
join() { wait "${jobs_run[@]}"; jobs_run=(); }
jobs_run=()
alice=alice@sender.example bob=bob@other.example carol=carol@third.example

# ---- first attempts, all at once ----
job queue on client swaks --server 127.0.0.1 --helo here --from dave@sender.example \
	--to user5@example.net --header "X-Marker: queued-marker" --body "from a real queue"
job alice4 attempt $S4 $GATE4 $alice user1@example.net
job alice6 attempt $S6 $GATE6 $alice user2@example.net
job bob4 attempt $S4 $GATE4 $bob user1@example.net
job bob6 attempt $S6 $GATE6 $bob user2@example.net
job carol talk $M4 $GATE4 'EHLO client.example.org' "MAIL FROM:<$carol>" 'RCPT TO:<user3@example.net>' QUIT
join
first_at=$EPOCHSECONDS
text='^S: 451 4\.7\.1 Greylisted, please retry in 1 minutes? \(ticket [0-9A-HJKMNP-TV-Z]{13}; postmaster@example\.net\)$'
for a in alice4 alice6 bob4 bob6 carol; do
	like "first attempt of $a is answered 451 with minutes, ticket, contact" "$(cat "$T/$a")" "$text"
done
for a in alice4 alice6; do
	note "$a: first byte after $(stamp first <"$T/$a") ms, banner took $(stamp banner <"$T/$a") ms in $(stamp pieces <"$T/$a") pieces"
	between "$a: the banner is stuttered for the configured time" "$(stamp whole <"$T/$a")" 1700 15000
	between "$a: one byte at a time" "$(stamp pieces <"$T/$a")" 8 60
done
like "the banner names the gateway" "$(cat "$T/alice4")" '^S: 220 gate\.example\.net'
is "nothing was delivered" "$(find "$T/mx/box" -type f | wc -l)" 0

given() { sed -nE 's/.*\(ticket ([0-9A-Z]+);.*/\1/p' <<<"$1"; }
ticket=$(given "$(cat "$T/alice4")")
out=$(gg explain "$ticket" 2>&1)
like "explain TICKET names the source" "$out" "192\.0\.2\.7"
like "explain TICKET names the sender" "$out" "$alice"
like "explain TICKET names the recipient" "$out" "user1@example\.net"
check "explain TICKET --json is JSON" sh -c "'$BUILD/greygate' -s '$T/run/control.sock' explain --json $ticket | $PYTHON -m json.tool"
refuse "explain of a ticket nobody was given fails" gg explain 0000000000000
for kv in session= port= helo=client.example.org from=$alice to=user1@example.net verdict=grey \
	reason=first class= identity= wait_s= ticket="$ticket" ts= reply=; do
	check "decision event has ${kv%%=*}" log_wait event=decision src=$S4 from=$alice "$kv"
done
check "connect event" log_wait event=connect src=$S6 port=

# ---- early, then mature ----
once=$(attempt $S4 $GATE4 $alice user6@example.net)
early=$(attempt $S4 $GATE4 $alice user6@example.net)
like "a retry before the delay is still 451" "$early" '^S: 451 4\.7\.1 Greylisted'
is "the ticket stays the same" "$(given "$early")" "$(given "$once")"
check "the early retry is logged as such" log_wait event=decision src=$S4 verdict=grey reason=early
while [ $((EPOCHSECONDS - first_at)) -lt 6 ]; do sleep 0.2; done

TALK_TIMEOUT=60
export TALK_TIMEOUT
deliver() { # source server sender recipient file [step...]
	local src=$1 dst=$2 from=$3 to=$4 file=$5; shift 5
	talk "$src" "$dst" 'EHLO client.example.org' "MAIL FROM:<$from>" "RCPT TO:<$to>" :'if 250' \
		DATA ':if 354' ":body $file" "$@" QUIT
}
job alice4 deliver $S4 $GATE4 $alice user1@example.net "$T/big4"
job alice6 deliver $S6 $GATE6 $alice user2@example.net "$T/big6"
job carol talk $M4 $GATE4 'EHLO client.example.org' "MAIL FROM:<$carol>" 'RCPT TO:<user3@example.net>' \
	'RCPT TO:<user4@example.net>' DATA ":body $T/mixed" QUIT
join
mixed_at=$EPOCHSECONDS
for a in alice4 alice6; do
	like "$a: the retry after the delay is delivered in that session" "$(cat "$T/$a")" '^S: 250 2\.0\.0 Ok: queued as'
done
is "mature and new recipient: 250 and 451, the message goes on" \
	"$(sed -nE '/^C: RCPT/,/^C: DATA/ s/^S: ([0-9]+).*/\1/p' "$T/carol" | xargs)" "250 451"
like "mature and new recipient: delivered" "$(cat "$T/carol")" '^S: 250 2\.0\.0 Ok: queued as'
for m in big4 big6 mixed; do
	check "$m is in the mailbox" wait_for 10 boxed_is mx "$m-marker" 1
	check "$m is the same byte for byte" ends_with "$(boxed_file mx "$m-marker")" "$T/$m"
done
like "only the mature recipient got it" "$(grep ^X-Original-To "$(boxed_file mx mixed-marker)")" 'user3@'
like "the mail server sees the IPv4 client" "$(head -n 8 "$(boxed_file mx big4-marker)")" \
	'from client\.example\.org \(unknown \[192\.0\.2\.7\]\)'
like "the mail server sees the IPv6 client" "$(head -n 8 "$(boxed_file mx big6-marker)")" \
	'from client\.example\.org \(unknown \[(IPv6:)?2001:db8:1::7\]\)'
check "relay event has the mail server's reply" log_wait event=relay src=$S4 reply= dur_ms=
refuse "one triplet alone promotes nobody" map_is $S4 GG_ALLOW

# ---- the second sender promotes ----
deliver $S4 $GATE4 $bob user1@example.net - ":map $PIN/host4 $S4 1" >"$T/bob4"
deliver $S6 $GATE6 $bob user2@example.net - ":map $PIN/host6 $S6 1" >"$T/bob6"
while [ $((EPOCHSECONDS - mixed_at)) -lt 6 ]; do sleep 0.2; done
deliver $M4 $GATE4 $carol user4@example.net - ":map $PIN/host4 $M4 1" >"$T/carol2"
best=$(for f in bob4 bob6 carol2; do stamp map <"$T/$f"; done | sort -n | head -n 1)
note "from the reply to the entry in the kernel's map, as a script sees it:" \
	"$(for f in bob4 bob6 carol2; do stamp map <"$T/$f"; done | xargs) ms"
between "the entry is in the kernel's map within 10 ms of the reply" "$best" 0 10
for a in $S4 $S6 $M4; do
	like "bpftool map lookup shows $a" "$(map_entry $a)" '"verdict": "?GG_ALLOW'
	like "$a was learned" "$(map_entry $a)" '"origin": "?GG_BY_LEARNING'
done
check "promote event" log_wait event=promote src=$S4
is "counter promoted" "$(counter promoted)" 3

# ---- the third connection ----
allow_before=$(counter allow_syn)
third4=$(attempt $S4 $GATE4 eve@new.example user2@example.net)
third6=$(attempt $S6 $GATE6 eve@new.example user2@example.net)
for t in "$third4" "$third6"; do
	is "third connection is not stuttered" "$(stamp pieces <<<"$t")" 1
	like "third connection: a new triplet is delivered at once" "$t" '^S: 250 2\.0\.0 Ok: queued as'
done
between "allow_syn counted them" "$(($(counter allow_syn) - ${allow_before:-0}))" 2 2

# ---- programs with many connections ----
check "swaks, pipelining" on client swaks --server $GATE4 --local-interface $S4 --pipeline \
	--from swaks@new.example --to user1@example.net --header "X-Marker: swaks-marker"
check "swaks' message is in the mailbox" wait_for 10 boxed_is mx swaks-marker 1
gg allow 2001:db8:1::/64 >/dev/null
source_run() { on client smtp-source -s 10 -m 40 -l 4000 -f src@new.example -t user1@example.net \
	-S "$1" -M client.example.org "inet:$2:25"; }
check "smtp-source, 10 sessions, IPv4" source_run par4-marker $GATE4
check "smtp-source, 10 sessions, IPv6" source_run par6-marker "[$GATE6]"
check "40 messages over IPv4, each once" wait_for 20 boxed_is mx par4-marker 40
check "40 messages over IPv6, each once" wait_for 20 boxed_is mx par6-marker 40

gg explain --json 192.0.2.7 | grep -o '"kind": *"decision"' | wc -l >"$T/decisions"
between "explain: its last decisions" "$(cat "$T/decisions")" 2 20
gg explain --json 192.0.2.7 | grep '"kind": *"decision"' | grep -oE '"time": *[^,}]+' >"$T/times"
check "newest first, whichever worker made them" sort -rc "$T/times"

# ---- a queue that retries by itself ----
check "Postfix as sender: delivered by its own retry" wait_for 30 boxed_is mx queued-marker 1
like "Postfix as sender: deferred first" "$(cat "$T/out/maillog")" 'status=deferred .*451 4\.7\.1 Greylisted'
check "Postfix as sender: then sent" wait_for 10 has 'status=sent .*250 2\.0\.0' "$T/out/maillog"
emptied() { postqueue -c "$T/out/etc" -p | grep -q 'queue is empty'; }
check "Postfix as sender: its queue is empty" wait_for 10 emptied

sleep 0.5
for m in big4 big6 mixed queued swaks; do
	is "$m was delivered once" "$(boxed mx $m-marker)" 1
done
is "every log line is JSON" "$(grep -vc '^{.*}$' "$T/gate.log")" 0
gate_stop
is "SIGTERM: exit code 0" $? 0
