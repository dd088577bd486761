#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# STARTTLS with real peers: openssl s_client, swaks, Postfix as a sender. Certificates by name, reload
# under open sessions, the cap, commands in the clear behind STARTTLS, stutter inside TLS.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
net_up

new_cert() { # file name
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$2" \
		-addext "subjectAltName=DNS:$2" -keyout "$T/$1.key" -out "$T/$1.pem" 2>"$T/openssl.log" ||
		bail "openssl makes a certificate" "$(cat "$T/openssl.log")"
	chown $GATE_USER "$T/$1.key"
}
new_cert gate gate.example.net
new_cert other other.example.org

B=$T/mail
backend_up mail $MAIL4,25 "$B" || bail "a mail server"

certs="certificate = {\"$T/gate.pem\", \"$T/other.pem\"}  key = {\"$T/gate.key\", \"$T/other.key\"}"
extra="tls { $certs  sessions = 4 }"
greylist="delay = 0s  delay_clean = 0s  delay_suspicious = 900s  mode = off"
limit="per_source = 1000  commands = 1000  message = 10m"
gate_conf
check "the configuration with certificates is fine" "$BUILD/greygated" -t -c "$T/greygate.conf"
sed "s,$T/other.key,$T/gate.key.gone," "$T/greygate.conf" >"$T/bad.conf"
refuse "a key that is not there is not" "$BUILD/greygated" -t -c "$T/bad.conf"
like "and the file is named" "$(cat "$T/said")" "bad.conf:1: tls key $T/gate.key.gone: No such file"
sed "s|key = {\"$T/gate.key\", |key = {|" "$T/greygate.conf" >"$T/bad.conf"
refuse "a certificate without a key is not" "$BUILD/greygated" -t -c "$T/bad.conf"
gate_start || bail "greygated starts"

SRC=192.0.2.7 HELLO='EHLO client.example.org'
FROM='MAIL FROM:<a@sender.example>' TO='RCPT TO:<user1@example.net>'
codes() { sed -nE 's/^S: ([0-9]{3})( .*|$)/\1/p' | xargs; }
eml() { find "$B" -name '*.eml' | wc -l; }
s_client() { on client timeout 20 openssl s_client -connect $GATE4:25 -starttls smtp -name c.example.org "$@" 2>&1; }

# ---- versions, names ----
out=$(talk $SRC $GATE4 "$HELLO" QUIT)
like "STARTTLS is offered" "$out" '^S: 250[- ]STARTTLS$'
for v in 1_2 1_3; do
	out=$(talk $SRC $GATE4 "$HELLO" STARTTLS ":tls ${v/_/.}" "$HELLO" NOOP QUIT :eof)
	is "TLS $v: commands are answered inside" "$(codes <<<"$out")" "220 250 220 250 250 221"
	is "TLS $v: STARTTLS is not offered a second time" "$(grep -c '^S: 250[- ]STARTTLS' <<<"$out")" 1
	like "TLS $v: s_client" "$(s_client -tls$v </dev/null)" "New, TLSv1.[23], Cipher is "
done
for v in 1 1_1; do
	out=$(s_client -tls$v -cipher 'ALL:@SECLEVEL=0' </dev/null)
	like "TLS $v is refused" "$out" 'alert protocol version'
done
like "the first certificate without a name" "$(s_client -noservername </dev/null)" 'subject=CN = gate.example.net'
like "another one by its name" "$(s_client -servername other.example.org </dev/null)" 'subject=CN = other.example.org'
like "the first one for a name that nobody has" "$(s_client -servername x.example </dev/null)" 'subject=CN = gate.example.net'
unlike "no session ticket" "$(s_client -tls1_3 </dev/null)" 'TLS session ticket:'

# ---- messages ----
n=$(eml)
for to in $GATE4 $GATE6; do
	check "swaks --tls to $to" on client swaks --server $to --tls --from a@sender.example --to user1@example.net
	check "swaks --tls --pipeline to $to" on client swaks --server $to --tls --pipeline --from a@sender.example --to user1@example.net
done
is "all were delivered" "$(($(eml) - n))" 4
check "the log names the version" log_wait event=relay tls=TLSv1.3
(printf 'Subject: big\n\n'; head -c 6000000 /dev/urandom | base64 -w 900) >"$T/big"
out=$(talk $SRC $GATE4 "$HELLO" STARTTLS :tls "$HELLO" "$FROM" "$TO" DATA ":body $T/big" QUIT)
is "a message of 8 MB" "$(codes <<<"$out")" "220 250 220 250 250 250 354 250 221"
big=$(find "$B" -name '*.eml' -size +7M | head -n 1)
check "arrives as it was" cmp "$T/big" <(sed '$d' "$big" | tr -d '\r')


# ---- what came in the clear is forgotten ----
n=$(eml)
out=$(talk $SRC $GATE4 'EHLO before.example.org' ":send STARTTLS\\r\\n$FROM\\r\\n$TO\\r\\nDATA\\r\\n" :reply :tls \
	"$FROM" NOOP "$HELLO" STARTTLS "$FROM" "$TO" DATA ':body -' QUIT :eof)
is "commands behind STARTTLS are discarded, the session begins anew" "$(codes <<<"$out")" \
	"220 250 220 503 250 250 503 250 250 354 250 221"
like "and ends in order" "$out" '^S: <eof>'
is "the one message was delivered" "$(($(eml) - n))" 1
is "tls_discarded counted it" "$(counter tls_discarded)" 1
out=$(talk $SRC $GATE4 "$HELLO" "$FROM" STARTTLS RSET STARTTLS :tls "$HELLO" QUIT)
is "not within a transaction" "$(codes <<<"$out")" "220 250 250 503 250 220 250 221"
is "not before EHLO" "$(talk $SRC $GATE4 STARTTLS QUIT | codes)" "220 503 221"
failed=$(counter tls_failed)
out=$(talk $SRC $GATE4 "$HELLO" STARTTLS ":send EHLO in.the.clear.example\\r\\n" :eof)
is "commands instead of a handshake are not obeyed" "$(codes <<<"$out")" "220 250 220"
like "and end the session" "$out" '^S: .*<(eof|reset)>'
is "tls_failed counted it" "$(counter tls_failed)" $((failed + 1))
check "and the log says why" log_wait event=connect reason=tls_failed

# ---- the cap ----
holders=()
for i in 1 2 3 4; do
	talk $SRC $GATE4 "$HELLO" STARTTLS :tls ":touch $T/held.$i" ":await $T/release" "$HELLO" QUIT >"$T/holder.$i" &
	holders+=($!)
	wait_for 5 test -e "$T/held.$i"
done
out=$(talk $SRC $GATE4 "$HELLO" STARTTLS "$FROM" RSET QUIT)
is "the fifth of four is told 454 and may go on without" "$(codes <<<"$out")" "220 250 454 250 250 221"
is "limit_tls counted it" "$(counter limit_tls)" 1
is "tls_open" "$(counter tls_open)" 4

# ---- reload ----
new_cert gate new.example.net
kill -HUP "$gate_pid"
check "reload" log_wait event=reload verdict=done
touch "$T/release"; wait "${holders[@]}"
is "open sessions live on" "$(cat "$T"/holder.* | codes)" "220 250 220 250 221 220 250 220 250 221 220 250 220 250 221 220 250 220 250 221"
none_open() { [ "$(counter tls_open)" = 0 ]; }
check "and are counted out" wait_for 5 none_open
like "new ones get the new certificate" "$(s_client -noservername </dev/null)" 'subject=CN = new.example.net'
echo garbage >"$T/gate.key"
kill -HUP "$gate_pid"
check "a bad key is refused" log_wait event=reload verdict=refused
like "and the old one stays" "$(s_client -noservername </dev/null)" 'subject=CN = new.example.net'
new_cert gate gate.example.net

# ---- a share for allowed sources ----
extra="tls { $certs  sessions = 4  reserve = 50 }"
gate_conf
check "reload: half of the sessions are for allowed sources" gg reload
check "nobody has one yet" wait_for 5 none_open
rm -f "$T"/held.* "$T/release"
holders=()
for i in 1 2; do
	talk $SRC $GATE4 "$HELLO" STARTTLS :tls ":touch $T/held.$i" ":await $T/release" QUIT >"$T/holder.$i" &
	holders+=($!)
	wait_for 5 test -e "$T/held.$i"
done
secure() { talk "$1" "$2" "$HELLO" STARTTLS QUIT | codes; }
is "strangers have the other half" "$(secure $SRC $GATE4)" "220 250 454 221"
is "over IPv6, too" "$(secure 2001:db8:1::7 $GATE6)" "220 250 454 221"
gg allow 203.0.113.9 >/dev/null; gg allow 2001:db8:79::9 >/dev/null
like "an allowed source has its own" "$(talk 203.0.113.9 $GATE4 "$HELLO" STARTTLS :tls "$HELLO" QUIT | codes)" '^220 250 220 250 221$'
like "over IPv6, too" "$(talk 2001:db8:79::9 $GATE6 "$HELLO" STARTTLS :tls "$HELLO" QUIT | codes)" '^220 250 220 250 221$'
gg forget 203.0.113.9 >/dev/null; gg forget 2001:db8:79::9 >/dev/null
touch "$T/release"; wait "${holders[@]}"
check "and are counted out" wait_for 5 none_open

# ---- slow and broken clients ----
out=$(talk $SRC $GATE4 "$HELLO" STARTTLS :close)
out=$(talk $SRC $GATE4 "$HELLO" STARTTLS ':send \x16\x03\x01\x02' :reset)
out=$(talk $SRC $GATE4 "$HELLO" STARTTLS :tls "$FROM" :reset)
check "clients that leave leave nothing" wait_for 5 none_open
gate_stop; is "SIGTERM: exit code 0" $? 0

# ---- what an idle one costs ----
# OpenSSL allocates 11 KB for it, none of them record buffers; 4 KB are our own: the dialog 2, what DNS says
# of the client 1.6, session and TLS 0.4. What is left are pages of pools, rings and tables at large.
extra="tls { $certs }"
limit="$limit  new_per_source = 0" # one address brings them all
gate_conf
gate_start || bail "greygated starts again"
held() { on client $PYTHON "$HERE/idle_tls.py" $GATE4 450 "$T/$1" "$T/over" & idle+=($!); wait_for 60 test -e "$T/$1"; }
idle=()
check "450 sessions stand" held first # what the daemon needs once, it has touched now
before=$(gate_rss)
check "and 450 more" held second
between "an idle TLS session costs no more than 20 KB" $((($(gate_rss) - before) / 450)) 1 20
note "an idle TLS session costs $((($(gate_rss) - before) / 450)) KB"
touch "$T/over"; wait "${idle[@]}"
check "they are gone" wait_for 5 none_open
gate_stop; is "SIGTERM: exit code 0" $? 0

# ---- stutter inside TLS ----
extra="tls { $certs }"
stutter="first = 0s  interval = 10ms  deny_limit = 4s"
gate_conf
gate_start || bail "greygated starts again"
gg deny 203.0.113.66 --action stutter >/dev/null
talk 203.0.113.66 $GATE4 ":touch $T/greeted" ":await $T/more" "$HELLO" :reads STARTTLS :tls :reads NOOP :reads "$HELLO" \
	"$FROM" "$TO" QUIT :eof >"$T/denied" &
denied=$!
check "a denied client has its banner" wait_for 15 test -e "$T/greeted"
# Half the limit has gone by, however long the banner took; what is left has to be enough on a busy machine.
stutter="first = 0s  interval = 10ms  deny_limit = 400s"
check "reload: it is held for longer" gate_renew
touch "$T/more"; wait $denied
is "it gets every answer" "$(codes <"$T/denied")" "220 250 220 250 250 250 554 221"
between "in the clear a byte at a time, inside TLS a record for each" \
	"$(sed -n 's/^T: reads //p' "$T/denied" | tail -n 1)" 8 "$(printf '250 2.0.0 Ok\r\n' | wc -c)"
between "each of them in its time" "$(stamp end <"$T/denied")" 5000 300000
gate_stop; is "SIGTERM: exit code 0" $? 0

# ---- a crowd that shakes hands holds up nobody else ----
# One worker, and a key whose signature takes it milliseconds.
openssl req -x509 -newkey rsa:4096 -nodes -days 2 -subj "/CN=gate.example.net" -keyout "$T/slow.key" -out "$T/slow.pem" \
	2>"$T/openssl.log" || bail "openssl makes a certificate" "$(cat "$T/openssl.log")"
chown $GATE_USER "$T/slow.key"
stutter='' trap_conf='' extra="tls { certificate = \"$T/slow.pem\"  key = \"$T/slow.key\" }"
gate_conf
sed -i 's/workers = 2/workers = 1/' "$T/greygate.conf"
gate_start || bail "greygated starts with one worker"
out=$(on client $PYTHON "$HERE/busy_tls.py" $GATE4 200 5)
between "200 handshakes at once: five commands in the clear are answered in between" "$out" 50 200
gate_stop; is "SIGTERM: exit code 0" $? 0
