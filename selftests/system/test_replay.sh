#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# greygate replay: published retry schedules of large providers are all delivered, bots are not, each
# reader and each form of output, bad input, the peers beside it.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

trace=selftests/data/retry-schedules.tsv
replay() { "$BUILD/greygate" "$@" 2>"$T/err"; }
rows() { grep -v '^#' "$1" | tail -n +2; } # without header and summary
column() { # file number: of the first pass of each mail, in the order of the file
	rows "$1" | awk -F'\t' -v c="$2" '$8 != "grey" && !seen[$4 $5]++ { print $c }' | xargs
}

# ---- the schedules ----
replay replay $trace >"$T/out"; rc=$?
is "the schedules are read" $rc 0
is "without a complaint" "$(cat "$T/err")" ""
is "the header has the columns of the answer" "$(head -n 1 "$T/out")" \
	"$(printf 'time\tip\thelo\tsender\trecipient\trdns\tspf\tverdict\treason\tclass\twait\tidentity')"
is "the rows come back as they were" "$(rows "$T/out" | cut -f 1-7)" "$(grep -v '^#' $trace | tail -n +2)"
is "nothing unknown passes" "$(rows "$T/out" | awk -F'\t' '!seen[$4]++ && $8 != "grey"')" ""
is "each first attempt is told how long, by its class" \
	"$(rows "$T/out" | awk -F'\t' '!seen[$4]++ { low = $10 == "clean" ? 60 : 240; high = $10 == "clean" ? 72 : 360
		if ($11 < low || $11 > high) print }')" ""
# What a sender was told first is what it had to wait, from whatever address it comes.
is "each is delivered on its first attempt after that" \
	"$(rows "$T/out" | awk -F'\t' '!($4 in told) { told[$4] = $11; next } !($4 in done) {
		if (($1 >= told[$4]) != ($8 == "pass")) print; if ($8 == "pass") done[$4] = 1 }')" ""
like "no mail is lost" "$(cat "$T/out")" "^# never passed	0$"
like "attempts" "$(cat "$T/out")" "^# attempts	102$"
like "percentiles by domain" "$(cat "$T/out")" "^# gmail\.example	2	0	362	362	362	362$"
replay replay $trace >"$T/again"
check "the same verdicts again" cmp "$T/out" "$T/again"

echo 'greylist { jitter = 0 }' >"$T/plain.conf"
replay -c "$T/plain.conf" replay $trace >"$T/out"
is "without jitter, by the published times" "$(column "$T/out" 1)" "61 61 120 127 306 306 339 362 362 390"
is "a pool by its SPF domain or its name" "$(column "$T/out" 12 | tr ' ' '\n' | sort | uniq -c | xargs)" "5 name 5 spf"
echo 'greylist { match = address  jitter = 0 }' >"$T/address.conf"
replay -c "$T/address.conf" replay $trace >"$T/out"
like "pools are lost when only the address counts" "$(cat "$T/out")" "^# m365\.example	2	2	-	-	-	-$"
echo 'greylist { delay = 1x }' >"$T/bad.conf"
refuse "a bad configuration is refused" replay -c "$T/bad.conf" replay $trace
like "with its line" "$(cat "$T/err")" "bad\.conf:1: greylist\.delay"

# ---- which keys it obeys: those that the manual names, and no others ----
# A log in which each of them has something to decide.
{
	printf 'time\tip\thelo\tsender\trecipient\trdns\tspf\n'
	row() { printf '%s\t%s\th.example\t%s\t%s\t%s\t%s\n' "$@"; }
	row 0 192.0.2.1 a@one.example bob@example.net mx.one.example pass
	row 1 192.0.2.3 a@poor.example bob@example.net '' none
	for at in 2 3 4 5 6 7 8 9 10 11 12; do row $at 192.0.2.4 a@hasty.example eve@example.net mx.hasty.example none; done
	row 100 192.0.2.1 a@one.example bob@example.net mx.one.example pass
	row 101 192.0.2.1 b@one.example bob@example.net mx.one.example pass
	row 300 192.0.2.1 b@one.example bob@example.net mx.one.example pass
	row 301 192.0.2.1 c@one.example bob@example.net mx.one.example pass
	row 302 192.0.2.7 c@two.example bob@example.net mx.two.example pass
	row 400 203.0.113.1 a@trap.example old@example.net mx.trap.example pass
	row 4400 203.0.113.1 a@trap.example old@example.net mx.trap.example pass
	row 4500 203.0.113.2 a@probe.example x@elsewhere.example mx.probe.example pass
	row 80000 192.0.2.3 a@poor.example bob@example.net '' none
	row 170000 203.0.113.1 a@trap.example bob@example.net mx.trap.example pass
	row 1800000 192.0.2.3 a@poor.example bob@example.net '' none
} >"$T/keys.tsv"
base='trap { addresses = {"old@example.net"} hosted = {"example.net", "elsewhere.example"} }'
with() { # settings
	printf '%s\n' "$1" >"$T/keys.conf"
	replay -c "$T/keys.conf" replay "$T/keys.tsv"
}
with "$base" >"$T/base"
is "a log on which the keys are tried" "$?" 0
obeyed=
while read -r key settings; do
	with "${settings/BASE/$base}" >"$T/out"
	check "$key is obeyed" test $? = 0
	refuse "$key shows in the verdicts" cmp -s "$T/out" "$T/base"
	obeyed+="$key "
done <<'END'
mode BASE greylist { mode = learn }
match BASE greylist { match = address }
delay_clean BASE greylist { delay_clean = 90s }
delay BASE greylist { delay = 600s }
delay_suspicious BASE greylist { delay_suspicious = 1h }
jitter BASE greylist { jitter = 0 }
window BASE greylist { window = 2h }
keep BASE greylist { keep = 10d }
promote_after BASE greylist { promote_after = 0 }
promote_net_after BASE greylist { promote_net_after = 1 }
hammer BASE greylist { hammer = 1 }
exempt BASE greylist { exempt = {"192.0.2.0/24"} }
domain BASE domain "example.net" { mode = off }
mailbox BASE mailbox "bob@example.net" { delay_clean = 2m }
addresses trap { hosted = {"example.net", "elsewhere.example"} }
hosted trap { addresses = {"old@example.net"} hosted = {"example.net"} }
life trap { addresses = {"old@example.net"} hosted = {"example.net", "elsewhere.example"} life = 1h }
max trap { addresses = {"old@example.net"} hosted = {"example.net", "elsewhere.example"} max = 25h }
END
$PYTHON - tools/greygate.1 >"$T/named" <<'END'
import re, sys
part = open(sys.argv[1]).read().split("It obeys these keys", 1)[1].split("Nothing else", 1)[0]
print(*sorted(w for l in part.split("\n") if l.startswith((".Ic ", ".Li ")) for w in l[4:].split() if w not in ",.greylist:trap;"))
END
is "the manual names these, and no others" "$(cat "$T/named")" "$(tr ' ' '\n' <<<"$obeyed" | sed '/^$/d' | sort | xargs)"
with "${base%\}}"' harvest = 1 sources = 1000 action = drop_new low_priority_mx = {"192.0.2.1"} low_priority_pause = 1h }
hostname = "h.example"
greylist { records = 1000 sample = 1 demote_refused = 1 demote_after = 1 }
dnslist "zen.example.org" { weight = 2 }
check { helo_name = reject } limit { recipients = 1 } stutter { first = 1s }' >"$T/out"
is "others are not asked" "$(cat "$T/err")$(cmp "$T/out" "$T/base" 2>&1)" ""

# ---- beside the peers ----
replay replay --compare $trace >"$T/out"
like "the peers have columns" "$(head -n 1 "$T/out")" "	identity	spamd	postgrey$"
is "and a verdict in each row" "$(rows "$T/out" | awk -F'\t' 'NF != 14 || $13 !~ /^(pass|grey)$/ || $14 !~ /^(pass|grey)$/')" ""
like "pools that they lose" "$(cat "$T/out")" "^# never passed	0	6	2$"
# Their rules once more, written another way.
$PYTHON - "$T/out" >"$T/peers" <<'END'
import ipaddress, sys
rows = [l.rstrip("\n").split("\t") for l in open(sys.argv[1]) if not l.startswith("#")][1:]
white, first, net_first, net_known, net_good = {}, {}, {}, {}, {}
for row in rows:
    now, ip, sender, rcpt = int(row[0]), row[1], row[3], row[4]
    key, seen = (ip, sender, rcpt), False
    if ip in white and now - white[ip] <= 36 * 86400:
        white[ip], spamd = now, "pass"
    else:
        spamd = "grey"
        if key in first and now - first[key] <= 4 * 3600:
            if now - first[key] >= 25 * 60:
                white[ip] = now
        else:
            first[key] = now
    net = str(ipaddress.ip_network(ip + ("/64" if ":" in ip else "/24"), strict=False))
    key = (net, sender, rcpt)
    if len(net_good.get(net, ())) >= 5 or (key in net_known and now - net_known[key] <= 35 * 86400):
        postgrey = "pass"
        net_known[key] = now
    elif key in net_first and now - net_first[key] <= 48 * 3600:
        postgrey = "pass" if now - net_first[key] >= 300 else "grey"
    else:
        net_first[key], postgrey = now, "grey"
    if postgrey == "pass":
        net_known[key] = now
        net_good.setdefault(net, set()).add(key)
    if [spamd, postgrey] != row[12:14]:
        print(row, spamd, postgrey)
END
is "as their rules say, row by row" "$(cat "$T/peers")" ""
is "the verdicts are the same as without" "$(cut -f 1-12 "$T/out" | grep -v '^#')" "$(grep -v '^#' "$T/again")"

# ---- bots ----
$PYTHON - >"$T/bots.tsv" <<'END'
import random
rng = random.Random(3)
word = lambda n: "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=n))
rows = []
for bot in range(2000):
    ip = f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}"
    name = rng.choice(["", f"host.s{bot}.example", f"dsl-{ip.replace('.', '-')}.isp.example"])
    spf, to = rng.choice(["none", "pass", "fail", "softfail"]), f"user{bot % 40}@example.net"
    start, sender = rng.randrange(3600), f"{word(8)}@s{bot}.example"
    kind = bot % 3
    for k in range(1 if kind == 0 else 6):
        at = start + k * rng.randrange(1, 12) if kind == 1 else start + k * 1000
        rows.append((at, ip, f"h{bot}.example", f"{word(8)}@s{bot}.example" if kind == 2 else sender, to, name, spf))
rows.sort(key=lambda r: r[0])
print("time\tip\thelo\tsender\trecipient\trdns\tspf")
for r in rows: print("\t".join(map(str, r)))
END
replay replay "$T/bots.tsv" >"$T/out"
like "fire and forget, immediate repeaters, random senders: none passes" "$(cat "$T/out")" "^# passed	0$"
{
	printf 'time\tip\thelo\tsender\trecipient\trdns\tspf\n'
	for at in 0 800 1100; do
		printf '%s\t198.51.100.7\th.example\ta@b.example\tbob@example.net\t7-100-51-198.pool.isp.example\tpass\n' $at
	done
} >"$T/patient.tsv"
replay -c "$T/plain.conf" replay "$T/patient.tsv" >"$T/out"
is "a patient bot on a dynamic line waits as a suspicious one" "$(rows "$T/out" | cut -f 8-11 | tr '\t\n' ' ;')" \
	"grey first suspicious 900;grey early suspicious 100;pass mature suspicious 0;"

{
	printf 'time\tip\thelo\tsender\trecipient\trdns\tspf\n'
	printf '0\t192.0.2.1\th.example\ta@b.example\tbob@example.net\tmx1.b.example\tpass\n'
	printf '300\t198.51.100.7\th.example\ta@b.example\tbob@example.net\t7-100-51-198.pool.isp.example\tpass\n'
	printf '301\t203.0.113.2\th.example\ta@b.example\tbob@example.net\tmx2.b.example\tpass\n'
} >"$T/company.tsv"
replay -c "$T/plain.conf" replay "$T/company.tsv" >"$T/out"
is "also when a better host of its SPF domain began; that one's pool does not wait for it" \
	"$(rows "$T/out" | cut -f 8-12 | tr '\t\n' ' ;')" \
	"grey first clean 60 spf;grey early suspicious 600 spf;pass mature clean 0 spf;"

# ---- JSON ----
replay --json replay "$T/patient.tsv" >"$T/out"
is "one object a row, then the summary" "$($PYTHON - "$T/out" <<'END'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
s = rows.pop()["summary"]
print(len(rows), rows[0]["verdict"], rows[0]["class"], rows[2]["verdict"], rows[2]["wait"], rows[0]["ip"],
      s["attempts"], s["passed"], s["never_passed"], s["domains"][0]["domain"], s["domains"][0]["max"])
END
)" "3 grey suspicious pass 0 198.51.100.7 3 1 0 b.example 1100"

# ---- between seconds ----
{
	printf 'time\tip\tsender\trecipient\n'
	for at in 0.9 300.2 300.899 300.9; do printf '%s\t198.51.100.7\ta@b.example\tbob@example.net\n' $at; done
} >"$T/fine.tsv"
replay -c "$T/plain.conf" replay "$T/fine.tsv" >"$T/out"
is "a delay is not shorter for a fraction of a second, nor longer" "$(rows "$T/out" | cut -f 1,6,8 | tr '\t\n' ' ;')" \
	"0.9 first 300;300.2 early 1;300.899 early 1;300.9 mature 0;"
replay --json replay "$T/fine.tsv" >"$T/out"
is "and JSON tells it" "$($PYTHON -c 'import json, sys
print(*[json.loads(l)["time"] for l in sys.stdin if "verdict" in l])' <"$T/out")" "0.9 300.2 300.899 300.9"

# ---- bad input ----
{
	printf '# a comment\n\ntime\tip\thelo\tsender\trecipient\trdns\tspf\n'
	printf '0\t192.0.2.1\tm.example\ta@b.example\tc@example.net\t\tnone\r\n'
	printf '5\t192.0.2\tm.example\ta@b.example\tc@example.net\t\tnone\n'
	printf '5\t192.0.2.1\tm.example\n'
} >"$T/bad.tsv"
refuse "bad lines fail" replay replay "$T/bad.tsv"
replay replay "$T/bad.tsv" >"$T/out"
is "the good ones are answered" "$(rows "$T/out" | wc -l)" 1
like "the bad ones are named" "$(cat "$T/err")" 'bad\.tsv:5: ip "192\.0\.2" is no IPv4 or IPv6 address'
like "each" "$(cat "$T/err")" 'bad\.tsv:6: 3 fields instead of the 7'
: >"$T/empty"
refuse "an empty file has no header" replay replay "$T/empty"
like "says so" "$(cat "$T/err")" 'there is no header'
refuse "a file that is not there" replay replay "$T/nowhere"
like "is named" "$(cat "$T/err")" 'nowhere: No such file'
replay replay --format csv "$T/empty"; is "an unknown format is wrong usage" $? 2
replay replay; is "no file is wrong usage" $? 2
is "from standard input" "$("$BUILD/greygate" replay - <$trace | tail -n 1)" "$(tail -n 1 "$T/again")"

# ---- a Postfix log ----
cat >"$T/mail.log" <<'END'
Nov 21 18:00:01 mx postfix/smtpd[7]: connect from mail-01.m365.example[198.18.96.10]
Nov 21 18:00:01 mx postfix/smtpd[7]: NOQUEUE: reject: RCPT from mail-01.m365.example[198.18.96.10]: 450 4.2.0 <bob@example.net>: Recipient address rejected: Greylisted; from=<alice@m365.example> to=<bob@example.net> proto=ESMTP helo=<mail-01.m365.example>
Nov 21 18:10:01 mx postfix/smtpd[7]: 4XyZ12: client=mail-02.m365.example[198.18.97.11]
Nov 21 18:10:02 mx postfix/qmgr[8]: 4XyZ12: from=<alice@m365.example>, size=900, nrcpt=1 (queue active)
Nov 21 18:10:03 mx postfix/lmtp[9]: 4XyZ12: to=<bob@example.net>, relay=x, delay=2, dsn=2.0.0, status=sent (250 ok)
Nov 21 18:10:03 mx postfix/qmgr[8]: 4XyZ12: removed
END
no_log() { # name regex file [format]
	local said; said=$("$BUILD/greygate" -c "$T/plain.conf" replay --format "${4:-postfix}" "$3" 2>&1 >/dev/null); is "$1: exit code 1" $? 1
	like "$1: what it is, and the mend" "$said" "$2"
}
for packer in gzip:zcat xz:xzcat bzip2:bzcat zstd:zstdcat; do
	command -v ${packer%:*} >/dev/null || { skip "a log packed by ${packer%:*}" "there is no ${packer%:*}"; continue; }
	${packer%:*} -c "$T/mail.log" >"$T/mail.packed"
	no_log "packed by ${packer%:*}" "mail\.packed:1: packed by ${packer%:*}: ${packer#*:} .*mail\.packed \| greygate replay --format postfix -" "$T/mail.packed"
done
no_log "attempts in a packed file" 'packed by .* --format tsv -' "$T/mail.packed" tsv
printf 'Nov 21 18:00:01 mx dovecot: imap-login: x\nFeb 30 18:00:01 mx postfix/smtpd[7]: connect from x\n' >"$T/other.log"
no_log "a log of others" 'other\.log:2: up to here no line of a Postfix mail log' "$T/other.log"
head -c 5000 /dev/urandom >"$T/noise"
no_log "no log at all" 'noise:[0-9]+: up to here no line of a Postfix mail log' "$T/noise"
: >"$T/empty.log"
check "an empty log: there was no attempt" "$BUILD/greygate" -c "$T/plain.conf" replay --format postfix "$T/empty.log"
replay -c "$T/plain.conf" replay --format postfix "$T/mail.log" >"$T/out"
is "a Postfix log" "$(rows "$T/out" | cut -f 1,2,4,6,8,9,12 | tr '\t\n' ' ;')" \
	"0 198.18.96.10 alice@m365.example mail-01.m365.example grey first name;600 198.18.97.11 alice@m365.example mail-02.m365.example pass mature name;"
