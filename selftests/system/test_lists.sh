#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Lists through the running daemon: names only where DNS confirms them, addresses of both families,
# recipients, words of an access map, a reload that adds, removes, or finds a broken file.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
mkdir "$T/lists"
backend_up mail $MAIL4,25 "$T/mail" || exit 1
cat >"$T/zone.json" <<'END'
{
	"7.2.0.192.in-addr.arpa": [["PTR", "Mail.Good.Example."]],
	"mail.good.example": [["A", "192.0.2.7"]],
	"8.2.0.192.in-addr.arpa": [["PTR", "mail.good.example"]],
	"7.113.0.203.in-addr.arpa": [["PTR", "spam.bad.example"]],
	"spam.bad.example": [["A", "203.0.113.7"]],
	"66.113.0.203.in-addr.arpa": [["PTR", "mx12.pattern.example"]],
	"mx12.pattern.example": [["A", "203.0.113.66"]],
	"7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": [["PTR", "six.good.example"]],
	"six.good.example": [["AAAA", "2001:db8:1::7"]]
}
END
dns_up 127.0.0.1 5353

L=$T/lists
printf '# ours\ngood.example\n/^mx\\d+\\.pattern\\.example$/\n' >"$L/senders"
printf 'bad.example\tREJECT no mail from your house\n' >"$L/access"
printf 'box@\nu@BÜCHER.example\nuser@@example.net\n' >"$L/recipients"
printf '203.0.113.8/30\n2001:db8:77::/48 ; SBL7\n' >"$L/drop"
printf '203.0.113.9\n' >"$L/allow"
interfaces= stutter="first = 200ms  interval = 100ms"
workers=1 # what one session has asked is known to the next
greylist="delay = 300s  delay_clean = 300s  delay_suspicious = 300s"
extra="dns { servers = {\"127.0.0.1:5353\"}  timeout = 2s }
list \"senders\" { file = \"$L/senders\"  format = postgrey-clients }
list \"access\" { file = \"$L/access\"  format = access }
list \"recipients\" { file = \"$L/recipients\"  format = postgrey-recipients }
list \"drop\" { file = \"$L/drop\"  format = spamhaus-drop  message = \"see https://drop.example/\" }
list \"allow\" { file = \"$L/allow\"  verdict = allow }"
gate_conf
gate_start || bail "greygated starts"

server_of() { case $1 in *:*) echo $GATE6 ;; *) echo $GATE4 ;; esac; }
# What the daemon says to a recipient.
rcpt() { # source [recipient]
	talk "$1" "$(server_of "$1")" 'EHLO client.example.org' "MAIL FROM:<joe@$RANDOM.example>" \
		"RCPT TO:<${2-user1@example.net}>" QUIT | sed -n 's/^S: //p' | tail -n 2 | head -n 1
}
list_row() { # name key
	gg status --json | $PYTHON -c 'import json, sys
print([r for r in json.load(sys.stdin)["lists"] if r["name"] == sys.argv[1]][0][sys.argv[2]])' "$@"
}

meet() { # everybody at once, without a recipient
	local src jobs_=()
	for src in 192.0.2.7 192.0.2.8 203.0.113.7 203.0.113.66 2001:db8:1::7; do
		talk $src "$(server_of $src)" 'EHLO client.example.org' QUIT & jobs_+=($!)
	done
	wait "${jobs_[@]}"
}

# ---- who is named ----
check "DNS has told their names" wait_for 10 dns_settled meet
like "a confirmed name below a domain of a postgrey list passes at once" "$(rcpt 192.0.2.7)" '^250 '
check "the log names list and line" log_wait event=decision src=192.0.2.7 verdict=allow reason=list list=senders line=2
like "the same name unconfirmed is greylisted" "$(rcpt 192.0.2.8)" '^451 '
like "a pattern of the list" "$(rcpt 203.0.113.66)" '^250 '
like "a name over IPv6" "$(rcpt 2001:db8:1::7)" '^250 '
like "who is in no list is greylisted" "$(rcpt 2001:db8:66::66)" '^451 '
said=$(on client swaks --server $GATE4 --local-interface 203.0.113.7 --from joe@bad.example --to user1@example.net 2>&1)
like "an access map's words for a confirmed name, seen by swaks" "$said" '554 5\.7\.1 .*no mail from your house'
check "the log names list and line of a refusal" log_wait event=decision src=203.0.113.7 verdict=deny reason=list list=access line=1 reply=554
like "an address of a list that denies, with its message" "$(rcpt 203.0.113.8)" '^554 5\.7\.1 .*see https://drop\.example/'
like "the narrower entry of another list allows" "$(rcpt 203.0.113.9)" '^250 '
like "an IPv6 network of the list" "$(rcpt 2001:db8:77::7)" '^554 5\.7\.1 .*drop\.example'
like "postmaster does not undo a list" "$(rcpt 203.0.113.8 postmaster@example.net)" '^554 '
like "a recipient of a list waits for nobody" "$(rcpt 192.0.2.8 box@example.net)" '^250 '
like "nor with an extension" "$(rcpt 192.0.2.8 Box+x@example.net)" '^250 '
like "which does not help the denied" "$(rcpt 203.0.113.8 box@example.net)" '^554 '
check "its line in the log" log_wait event=decision src=192.0.2.8 verdict=pass reason=list list=recipients line=1
like "a recipient's domain in its other spelling" "$(rcpt 192.0.2.8 u@xn--bcher-kva.example)" '^250 '
check "line 2 in the log" log_wait event=decision src=192.0.2.8 verdict=pass reason=list list=recipients line=2
like "explain: in UTF-8" "$(gg explain u@bücher.example)" 'allow by list recipients, line 2'
like "a line that no mailbox can be: file and line in the log" "$(cat "$T/gate.log")" 'lists/recipients:3: .*user@@example\.net.*not a mail address'

# ---- what is shown ----
like "explain: list and line of an address" "$(gg explain 203.0.113.8)" '^203\.0\.113\.8: deny by list drop, line 1$'
like "explain: what it comes to" "$(gg explain 203.0.113.8)" '^203\.0\.113\.8 is refused$'
like "explain: what would change it" "$(gg explain 203.0.113.8)" 'take line 1 out of the file of list drop and reload'
like "explain: list and line of a name" "$(gg explain 192.0.2.7)" 'mail\.good\.example: allow by list senders, line 2$'
like "explain: a recipient" "$(gg explain box@example.net)" '^box@example\.net: allow by list recipients, line 1$'
is "hits of a list" "$(list_row drop hits)" 4
like "hits in status" "$(gg status)" 'senders: postgrey-clients, 2 entries, 3 hits'
like "hits in stats" "$(gg stats)" '^ +4  drop$'
is "a name counts for its list, too" "$(list_row access hits)" 1

# ---- reload ----
printf 'bad.example\n' >"$L/senders"
printf '# nothing\n' >"$L/access"
printf '203.0.113.64/26\n' >"$L/drop"
check "reload" gg reload
like "a name that was taken out" "$(rcpt 192.0.2.7)" '^451 '
like "a name that came" "$(rcpt 203.0.113.7)" '^250 '
like "an address that was taken out" "$(rcpt 203.0.113.8)" '^451 '
like "an address that came" "$(rcpt 203.0.113.66)" '^554 .*drop\.example'
is "hits go on" "$(list_row drop hits)" 5

printf '<html>\n<body>404 not found\n' >"$L/drop"
rm "$L/senders"
printf 'nothing here\n203.0.113.9\n' >"$L/allow"
kill -HUP "$gate_pid"
check "a broken file is said in the log" log_wait event=list list=drop reason=kept
check "and which line" log_wait event=list list=allow reason=line message="$L/allow:1: \"here\": words behind an address; a comment begins with # or ;"
like "the list before it stays in force" "$(rcpt 203.0.113.66)" '^554 .*drop\.example'
like "that of a missing file, too" "$(rcpt 203.0.113.7)" '^250 '
like "one bad line does not spoil a list" "$(rcpt 203.0.113.9)" '^250 '
like "status tells the broken one" "$(gg status)" "list drop: $L/drop:2: 2 lines are bad and 0 entries good: not a list of format spamhaus-drop; what was read"
like "and the missing one" "$(gg status)" "list senders: $L/senders: cannot be read: No such file or directory; what was read"
between "when it failed" "$(list_row senders failed)" "$((EPOCHSECONDS - 60))" "$EPOCHSECONDS"
like "greygate reload tells it" "$(gg reload 2>&1)" '^greygate: list drop: .* stays in force$'
printf '192.0.2.0/24\n' >"$L/drop"
printf 'good.example\n' >"$L/senders"
check "mended" gg reload
unlike "status is content again" "$(gg status)" 'list (drop|senders):'
like "the narrowest entry counts before a name" "$(rcpt 192.0.2.7)" '^554 '

was=$extra
extra="$extra
list \"gone\" { file = \"$L/gone\"  format = postscreen-cidr }"
gate_conf
gg reload >/dev/null
like "a list that was never read is shown with its format" "$(gg status)" 'gone: postscreen-cidr, 0 entries'
extra=$was

# ---- the files of Debian's packages ----
shipped() { # name file format
	[ -f "$2" ] && printf 'list "%s" { file = "%s"  format = %s }\n' "$@"
}
extra="dns { servers = {\"127.0.0.1:5353\"}  timeout = 2s }
$(shipped pc /etc/postgrey/whitelist_clients postgrey-clients)
$(shipped pr /etc/postgrey/whitelist_recipients postgrey-recipients)
$(shipped si /etc/sqlgrey/clients_ip_whitelist sqlgrey-clients-ip)
$(shipped sf /etc/sqlgrey/clients_fqdn_whitelist sqlgrey-clients-fqdn)"
gate_conf
check "reload with the files of postgrey and sqlgrey" gg reload
shown=$(gg status)
if [[ $extra == *list* ]]; then
	like "they are in force" "$shown" '(pc: postgrey-clients, 1[0-9][0-9]|sf: sqlgrey-clients-fqdn, [0-9][0-9]) entries'
	unlike "without a complaint" "$(gg status --json)" '"bad": [1-9]'
else
	skip "lists of postgrey and sqlgrey" "the packages are not installed"
fi
check "a list that is no longer named is gone" log_wait event=list list=drop reason=removed
like "and denies nobody" "$(rcpt 192.0.2.7)" '^451 '

gate_stop
is "it ends" $? 0
