#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Addresses that people have against RFC 5321, before Postfix: taken as they are written, greylisted,
# delivered, known to SPF, lists, traps, log, store and explain; refused where check paths is reject.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
mailbox_domains="example.net mail_1.example.net" postfix_new mx mail \
	"smtpd_authorized_xclient_hosts = 198.51.100.0/24 [2001:db8:2::]/64" || bail "Postfix as the mail server"
# Of that form are the users; old.. is nobody's.
echo '/^"?(taro|[.]?hana)[.a-z]*"?@(example[.]net|mail_1[.]example[.]net)$/ box/' >>"$T/mx/etc/users"
check "Postfix has such users" postfix_reload mx
$PYTHON - >"$T/zone.json" <<'END'
import ipaddress, json
ours = "ip4:192.0.2.7 ip6:2001:db8:1::7 -all"
zone = {"docomo.example": [["TXT", "v=spf1 " + ours]],
        "mail_1.shop.example": [["TXT", "v=spf1 exists:%{l}.%{d} exists:%{l1r}.%{d} " + ours]]}
for addr, name in (("192.0.2.7", "mx4.docomo.example"), ("2001:db8:1::7", "mx6.docomo.example"),
                   ("192.0.2.9", "mx.sender.example")):
    zone[ipaddress.ip_address(addr).reverse_pointer] = [["PTR", name]]
    zone[name] = [["AAAA" if ":" in addr else "A", addr]]
print(json.dumps(zone))
END
dns_up 127.0.0.1 5353
mkdir "$T/lists"; printf 'taro..listed@example.net\nuser9@example.net\n' >"$T/lists/rcpt"; chmod 755 "$T/lists"
interfaces=
greylist="delay = 2s  delay_clean = 2s  delay_suspicious = 2s  jitter = 0"
trap_conf="addresses = {\"taro..trap@example.net\"}  hosted = {\"example.net\", \"mail_1.example.net\"}  action = reject
	harvest = 100"
conf() { # off|evidence|reject
	extra="check { paths = $1 }
		dns { servers = {\"127.0.0.1:5353\"}  timeout = 5s }
		list \"rcpt\" { file = \"$T/lists/rcpt\"  format = postgrey-recipients }
		mailbox \"taro..off@mail_1.example.net\" { mode = off }"
	gate_renew
}
S4=192.0.2.7 S6=2001:db8:1::7 DOCOMO=taro..yamada@docomo.example SHOP=.bounce.@mail_1.shop.example
codes() { sed -nE 's/^S: ([0-9]{3})( .*|$)/\1/p' | xargs; }
say() { # source sender recipient...
	local src=$1 from=$2; shift 2
	set -- "${@/#/RCPT TO:<}"
	talk "$src" "$(server_for "$src")" 'EHLO client.example.org' "MAIL FROM:<$from>" "${@/%/>}" RSET QUIT
}
mail() { # marker source sender recipient...
	local marker=$1 src=$2 from=$3; shift 3
	set -- "${@/#/RCPT TO:<}"
	talk "$src" "$(server_for "$src")" 'EHLO client.example.org' "MAIL FROM:<$from>" "${@/%/>}" \
		':if 250' DATA ':if 354' ":send X-Marker: $marker\\r\\n\\r\\nhello\\r\\n.\\r\\n" :reply QUIT
}
for a in 9 21 22 23 31 40 41 50; do ip -n client addr add 192.0.2.$a/24 dev c0; done
for a in 21 22 23; do ip -n client addr add 2001:db8:66::$a/64 dev c0 nodad; done
conf evidence || bail "greygated starts"

# ---- evidence: greylisted as suspicious, delivered at the retry ----
out=$(say $S4 $DOCOMO taro.@example.net taro@mail_1.example.net user1@example.net)
is "sender and recipients are taken; first contact: 451 each" "$(codes <<<"$out")" "220 250 250 451 451 451 250 221"
ticket=$(sed -nE 's/^S: 451 .*ticket ([0-9A-Z]+);.*/\1/p;T;q' <<<"$out")
like "explain by ticket names them as they were written" "$(gg explain "$ticket")" "taro\\.\\.yamada@docomo\\.example"
check "the log: evidence and class" log_wait event=decision src=$S4 verdict=grey from=$DOCOMO to=taro.@example.net \
	evidence=paths class=suspicious
is "one session is counted" "$(counter check_paths)" 1
out=$(say $S6 $SHOP .hana@example.net)
is "over IPv6" "$(codes <<<"$out")" "220 250 250 451 250 221"
# DNS may be late the first time.
vouched() { say "$1" "$2" "$3" >/dev/null; log_wait event=decision src="$1" from="$2" to="$3" evidence=paths spf=pass; }
check "SPF vouches for its domain" wait_for 20 vouched $S4 $DOCOMO taro.@example.net
check "a macro that makes no name of the local part leaves SPF to the next term" wait_for 20 vouched $S6 $SHOP .hana@example.net
like "greygate spf says the same" "$(on gate "$BUILD/greygate" spf $S4 c.example $SHOP --server 127.0.0.1:5353 2>&1)" \
	'^pass for mail_1\.shop\.example$'
unlike "a client that keeps to the RFC has nothing against it" \
	"$(say 192.0.2.9 user@sender.example user2@example.net; log_said event=decision src=192.0.2.9)" '"evidence"|suspicious'
gate_stop; is "a stop: exit code 0" $? 0
check "greygated starts again, with what the store has kept" gate_start
retried() { mail v4 $S4 $DOCOMO taro.@example.net taro@mail_1.example.net user1@example.net | grep -q '^S: 250 2\.0\.0'; }
check "the retry is delivered" wait_for 20 retried
retried() { mail v6 $S6 $SHOP .hana@example.net | grep -q '^S: 250 2\.0\.0'; }
check "over IPv6, too" wait_for 20 retried
check "three mailboxes got the first" wait_for 10 boxed_is mx v4 3
check "one the other" wait_for 10 boxed_is mx v6 1
check "Postfix saw the sender as it was written" wait_for 5 has 'from=<("?)taro\.\.yamada\1@docomo\.example>' "$T/mx/maillog"
check "and the recipients" wait_for 5 has ' to=<("?)taro\.\1@example\.net>' "$T/mx/maillog"
check "the domain, too" wait_for 5 has ' to=<taro@mail_1\.example\.net>' "$T/mx/maillog"
like "passed, in the list of the store" "$(gg list passed)" 'taro\.\.yamada@docomo\.example'

# ---- whom nobody knows, lists, levels, traps ----
unknown() { say 192.0.2.50 $DOCOMO old..one@example.net | grep -q '^S: 550 5\.1\.1'; }
check "an unknown recipient: the mail server's word" wait_for 20 unknown
is "a list of recipients has one" "$(say 192.0.2.8 a@sender.example taro..listed@example.net | codes)" "220 250 250 250 250 221"
like "explain knows its line" "$(gg explain taro..listed@example.net)" 'allow by list rcpt, line 1'
is "section mailbox has one" "$(say 192.0.2.8 a@sender.example taro..off@mail_1.example.net | codes)" "220 250 250 250 250 221"
check "greygate trap add takes one" gg trap add taro.late.@example.net
for src in 192.0.2.21 2001:db8:66::21; do
	like "$src: a trap" "$(say $src a@sender.example taro..trap@example.net)" '^S: 554 5\.7\.1'
	like "and nobody walks around it by quotes" "$(say ${src/21/22} a@sender.example '"taro..trap"@example.net')" '^S: 554 5\.7\.1'
	like "the added one" "$(say ${src/21/23} a@sender.example taro.late.@example.net)" '^S: 554 5\.7\.1'
done
check "swaks as the client" sh -c "ip netns exec client swaks --server $GATE4 --local-interface 192.0.2.31 --from $DOCOMO \
	--to taro..listed@example.net --header 'X-Marker: swaks-marker' >/dev/null"
check "and Postfix has its mail" wait_for 10 boxed_is mx swaks-marker 1

# ---- what is never taken, off, reject ----
never=('<a..b c@d.example>' '<a..b@d.example' 'a..b@d.example>' 'a..b@d.example' '<a.."b@d.example>' '<"a..b@d.example>'
	'<a..\x01b@d.example>' '<a@b_c..example>' '<a@-b_c.example>' "<$(printf 'a.%.0s' {1..126})@d.example>" "<a@$(printf 'b_%.0s' {1..32}).example>")
for setting in off evidence reject; do
	check "reload: $setting" conf $setting
	steps=()
	for path in "${never[@]}"; do steps+=(":send MAIL FROM:$path\\r\\n" :reply); done
	is "$setting: what may be misread is refused" "$(talk 192.0.2.40 $GATE4 'EHLO client.example.org' "${steps[@]:0:16}" QUIT | codes)" \
		"220 250 501 501 501 501 501 501 501 501 221"
	is "$setting: or is too long" "$(talk 192.0.2.40 $GATE4 'EHLO client.example.org' "${steps[@]:16}" QUIT | codes)" "220 250 501 501 501 221"
	n=$(counter check_paths)
	out=$(talk 192.0.2.41 $GATE4 'EHLO client.example.org' "MAIL FROM:<$DOCOMO>" RSET "MAIL FROM:<$SHOP>" RSET \
		"MAIL FROM:<$setting@b.example>" 'RCPT TO:<taro..listed@example.net>' 'RCPT TO:<taro@mail_1.example.net>' \
		RSET QUIT | codes)
	case $setting in
	off) want="220 250 250 250 250 250 250 250 451 250 221" ;;
	evidence) want="220 250 250 250 250 250 250 250 451 250 221" ;;
	reject) want="220 250 501 250 501 250 250 501 501 250 221" ;;
	esac
	is "$setting: each address by itself" "$out" "$want"
	is "$setting: counted once" "$(($(counter check_paths) - n))" "$([ $setting = off ]; echo $?)"
done
is "reject: a good recipient beside a bad one is served" \
	"$(talk 192.0.2.40 $GATE4 'EHLO client.example.org' 'MAIL FROM:<a@sender.example>' 'RCPT TO:<taro..listed@example.net>' \
		'RCPT TO:<user9@example.net>' RSET QUIT | codes)" "220 250 250 501 250 250 221"
gate_stop; is "SIGTERM: exit code 0" $? 0
