#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# greygate import: lists of addresses into the kernel, as a whole, while connections come; what a
# refused client reads; what a restart, an empty and a broken file leave in force.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
mkdir "$T/lists"
backend_up mail $MAIL4,25 "$T/mail" || exit 1
L=$T/lists
printf '203.0.113.8/30\n2001:db8:77::/48\n' >"$L/feed"
interfaces='"g0"' greylist="delay = 300s  delay_clean = 300s  delay_suspicious = 300s"
extra="dns { servers = {\"127.0.0.1:9\"}  timeout = 300ms }
list \"feed\" { file = \"$L/feed\"  format = cidr  verdict = deny  message = \"see https://feed.example/\" }"
gate_conf
gate_start || bail "greygated starts"

rcpt() { # source: what the daemon says to a recipient
	talk "$1" "$(server_for "$1")" 'EHLO client.example.org' "MAIL FROM:<joe@$RANDOM.example>" \
		'RCPT TO:<user1@example.net>' QUIT | sed -n 's/^S: //p' | tail -n 2 | head -n 1
}
list_row() { # name key
	gg status --json | $PYTHON -c 'import json, sys
print([r for r in json.load(sys.stdin)["lists"] if r["name"] == sys.argv[1]][0][sys.argv[2]])' "$@"
}
dump() { bpftool map dump pinned "$PIN/$1"; } # net4, net6
field() { $PYTHON -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# ---- a list of the configuration ----
like "an address of the list is refused with its message" "$(rcpt 203.0.113.9)" '^554 5\.7\.1 see https://feed\.example/'
like "over IPv6 too" "$(rcpt 2001:db8:77::7)" '^554 5\.7\.1 see https://feed\.example/'
like "its neighbour is a stranger" "$(rcpt 203.0.113.7)" '^451 '
like "the kernel has it, readable" "$(dump net4 | tr -d '\n ')" '"prefixlen":30,"addr":\[203,0,113,8\].*GG_DENY.*GG_BY_IMPORT'
like "and for IPv6" "$(dump net6 | tr -d '\n ')" '"prefixlen":48.*GG_BY_IMPORT'
is "a connection that the daemon answers is one hit" "$(list_row feed hits) $(list_row feed kernel_hits)" "2 0"
like "explain names the list and its line" "$(gg explain 203.0.113.9)" 'feed'
was=$extra
extra=${was/verdict = deny /verdict = deny  action = drop_new }
check "a reload that changes nothing of it but the action" gate_renew
for net in 203.0.113.8/30 2001:db8:77::/48; do check "$net: the kernel follows" net_is $net GG_DROP_NEW; done
is "and drops" "$(TALK_TIMEOUT=1.5 talk 203.0.113.9 $GATE4 QUIT)" 'T: connect <timeout>'
between "which counts" "$(list_row feed kernel_hits)" 1 10
extra=$was
check "and another that takes that back" gate_renew
for net in 203.0.113.8/30 2001:db8:77::/48; do refuse "$net: there, too" net_is $net GG_DROP_NEW; done
echo 192.0.2.8 >"$L/instead"
like "an import in the place of its file" "$(gg import feed "$L/instead")" '^feed: 1 entries in force; added 1, removed 2,'
like "is in force, with its message" "$(rcpt 192.0.2.8)" '^554 5\.7\.1 see '
like "instead of the file" "$(rcpt 203.0.113.9)" '^451 '
check "and removed" gg import feed --remove
like "the file's entries are in force again" "$(rcpt 203.0.113.9)" '^554 5\.7\.1 see '
like "and no others" "$(rcpt 192.0.2.8)" '^451 '

# ---- import ----
printf '203.0.113.64/28\n203.0.113.7 ; me\n# no more\n2001:db8:78::/48\n' >"$L/one"
like "words that no reply can have are refused" "$(gg import blocked "$L/one" --verdict deny --message 'für alle' 2>&1)" \
	'not in printable ASCII'
like "import says what it changed" "$(gg import blocked "$L/one" --format cidr --verdict deny --message 'ask your provider')" \
	'^blocked: 3 entries in force; added 3, removed 0, changed 0, unchanged 0$'
like "an imported address is refused with the list's message" "$(rcpt 203.0.113.7)" '^554 5\.7\.1 ask your provider'
like "over IPv6 too, with that of the list" "$(rcpt 2001:db8:78::8)" '^554 5\.7\.1 ask your provider'
like "what the configuration lists stays" "$(rcpt 203.0.113.9)" '^554 5\.7\.1 see '
id=$(bpftool -j map show pinned "$PIN/net4" | field id)
printf '203.0.113.64/28\n203.0.113.66/32\n' >"$L/two"
is "import --json" "$(gg --json import blocked - --format cidr <"$L/two" | $PYTHON -c '
import json, sys
o = json.load(sys.stdin)
print(o["list"], o["entries"], o["added"], o["removed"], o["unchanged"])')" "blocked 2 1 2 1"
[ "$id" != "$(bpftool -j map show pinned "$PIN/net4" | field id)" ]
is "the pin names another map now" $? 0
like "which is the one in force" "$(dump net4 | tr -d '\n ')" '"prefixlen":32,"addr":\[203,0,113,66\]'
like "who is no longer listed is a stranger" "$(rcpt 203.0.113.7)" '^451 '
like "whose verdict is kept" "$(rcpt 203.0.113.66)" '^554 5\.7\.1 ask your provider'

# ---- exceptions, precedence ----
printf '203.0.113.66\n' >"$L/except"
check "a list that excepts" gg import spare "$L/except" --format cidr --verdict except
like "takes out of the list before it" "$(rcpt 203.0.113.66)" '^451 '
is "--json names that" "$(list_row spare takes_from)" blocked
like "status too" "$(gg status)" ' spare: cidr, 1 entries, 0 hits; takes from blocked$'
check "the operator's word" gg allow 203.0.113.8/30 --reason friends
like "goes before a list's for the same prefix" "$(rcpt 203.0.113.9)" '^250 '
check "and when it is taken back" gg forget 203.0.113.8/30
like "the list's holds again" "$(rcpt 203.0.113.9)" '^554 5\.7\.1 see '
like "another action is a change of what was there" "$(gg import blocked "$L/one" --action drop_new)" \
	'^blocked: 3 entries in force; added 2, removed 1, changed 1, unchanged 0$'
is "another message, too" "$(gg --json import blocked "$L/one" --message 'ask us' | $PYTHON -c '
import json, sys
o = json.load(sys.stdin)
print(o["added"], o["removed"], o["changed"], o["unchanged"])')" "0 0 3 0"
is "who is dropped gets no answer at all" "$(TALK_TIMEOUT=1.5 talk 203.0.113.7 $GATE4 QUIT)" 'T: connect <timeout>'

# ---- all of IPv4, written as IPv6 ----
printf '::1/128\n::ffff:0:0/96\nfe80::/10\n' >"$L/bogons"
said=$(gg import bogons "$L/bogons" --verdict deny 2>&1)
like "is no bad line of a list" "$said" '^bogons: 2 entries in force; added 2,'
like "but left out, which is said" "$said" "^$L/bogons:2: \"::ffff:0:0/96\": no sender is in it: left out"
like "an IPv4 sender is a stranger still" "$(rcpt 192.0.2.7)" '^451 '
unlike "the kernel has nothing of it" "$(dump net4 | tr -d '\n ')" '"prefixlen":0,'
for verb in deny allow forget; do
	like "$verb refuses it" "$(gg $verb ::ffff:0:0/96 2>&1)" 'all of IPv4 is 0\.0\.0\.0/0'
done
check "away with the list" gg import bogons --remove
refuse "a list can't be called .." gg import .. "$L/bogons" --verdict deny

# ---- what is refused ----
printf '192.0.2.7 ; SBL1\n' >"$L/drop"
like "a feed that denies lets nobody through" "$(gg import dropped "$L/drop" --format spamhaus-drop --verdict allow 2>&1)" \
	"^greygate: $L/drop: a list of this format denies, and the verdict is allow"
like "nor by a list that was in force" "$(gg import dropped "$L/drop" --format spamhaus-drop)" '^dropped: 1 entries in force'
refuse "with its own format" gg import dropped "$L/drop" --verdict allow
like "it denies still" "$(rcpt 192.0.2.7)" '^554 5\.7\.1'
check "and is removed" gg import dropped --remove
before=$(dump net4)
printf '198.18.0.0/24\n300.1.2.3\n198.19.0.99/24\n198.19.1.0/24\n198.19.2.0/24\n' >"$L/bad"
refuse "bad lines refuse a list" gg import blocked "$L/bad"
like "each is named" "$(gg import blocked "$L/bad" 2>&1)" "$L/bad:2: \"300.1.2.3\""
: >"$L/empty"
refuse "an empty list is refused" gg import blocked "$L/empty"
refuse "a file that isn't there" gg import blocked "$L/none"
endless() { (ulimit -f 300000; gg import blocked "$1" 2>&1; echo "rc $?"); }
is "a device without an end" "$(endless /dev/zero)" $'greygate: /dev/zero: cannot be read: File too large\nrc 1'
is "a pipe without an end" "$(yes | endless -)" $'greygate: -: cannot be read: File too large\nrc 1'
refuse "an unknown format" gg import blocked "$L/one" --format cird
refuse "what the configuration says" gg import feed "$L/one" --verdict allow
gg import feed >/dev/null 2>&1
is "no file at all is a matter of usage" $? 2
is "and nothing has changed" "$(dump net4)" "$before"
like "bad lines can be left out" "$(gg import other "$L/bad" --skip-bad 2>/dev/null)" '^other: 3 entries in force'
check "and the list removed" gg import other --remove
refuse "only once" gg import other --remove

# ---- files that go wrong ----
: >"$L/feed"
check "a reload with an empty file" gg reload
like "keeps what was read before" "$(rcpt 203.0.113.9)" '^554 5\.7\.1 see '
like "and says so" "$(gg status)" 'feed.*empty'
check "in the log too" log_wait event=list list=feed reason=kept

# ---- connections all the while ----
seq_list() { $PYTHON -c '
import ipaddress, sys
n = int(sys.argv[1])
print("203.0.113.0/25")
for i in range(n):
    print("%s/%d" % (ipaddress.ip_address(0x0a000000 + i * 64), 26 + int(sys.argv[2])))' "$@"; }
seq_list 100000 0 >"$L/many1"
seq_list 100000 1 >"$L/many2"
check "a long list" gg import blocked "$L/many1" --action drop_new
knock_many() { # until $T/stop is there: how many were let in; one process, which has begun before the first list
	on client $PYTHON - 203.0.113.7 $GATE4 "$T" >"$T/in" <<-'END'
		import os, socket, sys
		source, gate, place = sys.argv[1:]
		into = tries = 0
		while not os.path.exists(place + "/stop"):
		    with socket.socket() as s:
		        s.bind((source, 0))
		        s.settimeout(0.1)
		        into += s.connect_ex((gate, 25)) == 0
		    tries += 1
		    open(place + "/knocks", "w").close()
		print("%d of %d" % (into, tries))
	END
}
rm -f "$T/stop"
knock_many &
knocker=$!
check "a client of the list knocks all the while" wait_for 10 test -e "$T/knocks"
for i in 1 2 1 2; do
	gg import blocked "$L/many$i" >"$T/said" || fail "import of a long list" "$(cat "$T/said")"
done
touch "$T/stop"
wait $knocker
like "nobody slips in while lists are exchanged" "$(cat "$T/in")" '^0 of [1-9]'
kernel=$(list_row blocked kernel_hits) hits=$(list_row blocked hits)
between "what the kernel has dropped are hits of the list" "$kernel" 1 1000000000
between "to which those of the daemon are added" "$((hits - kernel))" 1 5
like "status has both" "$(gg status)" " blocked: cidr, 100001 entries, $hits hits"
like "so has stats" "$(gg stats)" "^ +$hits  blocked$"
like "the last one is in force" "$(cat "$T/said")" '^blocked: 100001 entries in force; added 100000, removed 100000, changed 0, unchanged 1$'
is "in the kernel, all of it" "$(bpftool -j map dump pinned "$PIN/net4" | grep -o '"prefixlen":27' | wc -l)" 100000

# ---- restarts ----
gate_kill
is "without a daemon the lists stay" "$(bpftool -j map dump pinned "$PIN/net4" | grep -o '"prefixlen":27' | wc -l)" 100000
gate_start || bail "greygated starts again"
is "an imported list is there again" "$(list_row blocked entries)" 100001
is "the number of its hits goes on" "$([ "$(list_row blocked kernel_hits)" -gt 0 ]; echo $?)" 0
is "so is what was last good of a file" "$(list_row feed entries)" 2
like "an exception too" "$(gg status --json)" '"spare"'
like "an empty file is still said" "$(gg status)" 'feed.*empty'
check "removing a list" gg import blocked --remove
like "lets its addresses go" "$(rcpt 203.0.113.7)" '^451 '
is "and the kernel's" "$(bpftool -j map dump pinned "$PIN/net4" | grep -o '"prefixlen":27' | wc -l)" 0

# ---- what is kept is damaged ----
printf '192.0.2.8\n2001:db8:79::9\n' | gg import feed - >/dev/null
echo 203.0.113.7 | gg import hurt - --verdict deny >/dev/null
gate_stop
echo garbage >"$T/state/lists/hurt.list"
gate_start || bail "greygated starts with a damaged list"
check "the log says which one" log_wait event=error message="list hurt: $T/state/lists/hurt.list: damaged: renamed to hurt.bad; greygate import hurt FILE, with the format, verdict and action it had, puts it in force again"
like "so does status" "$(gg status | tr -s '\n ' ' ')" 'problems .*list hurt: .*/hurt\.list: damaged: renamed to hurt\.bad; greygate import hurt FILE'
is "what is damaged is still there" "$(cat "$T/state/lists/hurt.bad")" garbage
is "the other list is in force" "$(list_row feed entries)" 2
like "with what was imported in the place of its file" "$(rcpt 192.0.2.8)" '^554 5\.7\.1 see '
gate_stop
printf '203.0.113.8/30\n2001:db8:77::/48\n' >"$L/feed"
gate_start || bail "greygated starts once more"
like "the next start says so, too" "$(gg status | tr -s '\n ' ' ')" 'problems .*list hurt: .*damaged'
like "a file that has changed meanwhile is in force" "$(rcpt 203.0.113.9)" '^554 5\.7\.1 see '
like "instead of the import" "$(rcpt 192.0.2.8)" '^451 '
like "until it is imported again" "$(echo 203.0.113.7 | gg import hurt - --verdict deny)" '^hurt: 1 entries in force'
unlike "and all is well" "$(gg status)" 'hurt.*damaged'
like "it holds" "$(rcpt 203.0.113.7)" '^554 5\.7\.1'
check "and goes" gg import hurt --remove

# ---- where lists are kept is taken away ----
cp -a "$T/state/lists" "$T/lists.were"
echo 203.0.113.7 | gg import hurt - --verdict deny >/dev/null
rm -r "$T/state/lists"
like "status names the list that would not outlive a restart" "$(gg status | tr -s '\n ' ' ')" \
	'problems .*list hurt: it won.t outlive a restart: .*/lists/hurt\.list is gone; import it again'
is "the next import makes the directory again, without a word" "$(echo 203.0.113.7 | gg import hurt - 2>&1)" \
	"hurt: 1 entries in force; added 0, removed 0, changed 0, unchanged 1"
unlike "and status has no more to say" "$(gg status)" 'hurt.*outlive'
rm -r "$T/state/lists"; touch "$T/state/lists"
like "where it can't, the path and the mend are told" "$(echo 203.0.113.7 | gg import hurt - 2>&1)" \
	"outlive a restart: $T/state/lists: Not a directory; remove the file that stands there, and import it again"
like "by status, too" "$(gg status | tr -s '\n ' ' ')" 'problems .*list hurt: .*Not a directory; remove the file'
rm "$T/state/lists"
echo 203.0.113.7 | gg import hurt - >/dev/null
check "the file goes, and all is kept" test -s "$T/state/lists/hurt.list"
check "the list, too" gg import hurt --remove
cp -an "$T/lists.were/." "$T/state/lists/"

# ---- the order of lists ----
order() { gg status --json | $PYTHON -c 'import json, sys
print(*(r["name"] for r in json.load(sys.stdin)["lists"]))'; }
state() { order; for a in 203.0.113.66 2001:db8:66::66; do gg explain $a | sed -n 1,2p; done; }
printf '203.0.113.66\n2001:db8:66::66\n' >"$L/both"
check "an exception, imported again" gg import spare "$L/both"
check "a list in the place that a removed one has left" gg import late "$L/both" --verdict deny
is "stands behind the exception all the same" "$(order)" "feed spare late"
for a in 203.0.113.66 2001:db8:66::66; do
	like "$a: which it is not taken out by" "$(rcpt $a)" '^554 5\.7\.1'
	like "$a: explain says so" "$(gg explain $a)" 'deny by list late'
done
before=$(state)
echo 198.18.0.0/24 | gg import unrelated - --verdict deny >/dev/null
is "an import of something else changes nothing" "$(state | sed 's/ unrelated//')" "$before"
before=$(state)
gate_stop
gate_start || bail "greygated starts with these lists"
is "nor does a restart" "$(state)" "$before"
check "the exception goes" gg import spare --remove
check "and comes anew" gg import spare "$L/both" --verdict except
is "last" "$(order)" "feed late unrelated spare"
for a in 203.0.113.66 2001:db8:66::66; do like "$a: and takes out of the one before it" "$(rcpt $a)" '^554 5\.7\.1'; done
check "which goes" gg import unrelated --remove
is "so that it stands behind the other" "$(order)" "feed late spare"
for a in 203.0.113.66 2001:db8:66::66; do
	like "$a: and takes out of that" "$(rcpt $a)" '^451 '
	unlike "$a: explain says so" "$(gg explain $a)" 'deny by list'
done
like "a prefix that is there twice counts once" "$(printf '192.0.2.0/24\n192.0.2.0/24\n192.0.2.0/25\n192.0.2.0/24\n' |
	gg import odd - --verdict deny)" '^odd: 2 entries in force; added 2,'

# ---- several at once ----
# Two lists, then two texts for one: 20000 prefixes each, and the text's number in each of them.
for n in 1 2 3; do
	$PYTHON -c 'import sys
n = int(sys.argv[1])
for i in range(10000): print("%d.%d.%d.0/24\n2001:db8:%x:%x::/64" % (100 + n, i >> 8, i & 255, 0xa000 + n, i))' $n >"$L/crowd$n"
done
# How many prefixes the kernel has of each text, IPv4 and IPv6.
texts() {
	for map in net4 net6; do
		bpftool -j map dump pinned "$PIN/$map" | $PYTHON -c 'import collections, json, sys
at = {"net4": (0, 100), "net6": (5, 0)}[sys.argv[1]]
keys = [e["formatted"]["key"] for e in json.load(sys.stdin)]
c = collections.Counter(k["addr"][at[0]] - at[1] for k in keys if k["prefixlen"] == {"net4": 24, "net6": 64}[sys.argv[1]]
	and (sys.argv[1] == "net4" or k["addr"][4] == 0xa0))
print(*("%d=%d" % (n, c[n]) for n in (1, 2, 3) if c[n]))' $map
	done
}
gg import crowd1 "$L/crowd1" --verdict deny >"$T/first" 2>&1 &
job=$!
like "two imports at once: one" "$(gg import crowd2 "$L/crowd2" --verdict deny)" '^crowd2: 20000 entries in force; added 20000, '
wait $job
like "and the other" "$(cat "$T/first")" 'crowd1: 20000 entries in force; added 20000, '
is "both are whole" "$(texts)" $'1=10000 2=10000\n1=10000 2=10000'
gg import crowd2 "$L/crowd3" >"$T/first" 2>&1 &
job=$!
like "the same list twice at once: one" "$(gg import crowd2 "$L/crowd2")" '^crowd2: 20000 entries in force; '
wait $job
like "and the other" "$(cat "$T/first")" 'crowd2: 20000 entries in force; '
like "one of them is in force, and whole" "$(texts | xargs)" '^1=10000 ([23])=10000 1=10000 \1=10000$'

# ---- the configuration has another list instead ----
between "the hits of a list are kept" "$(list_row feed kernel_hits)" 1 10
extra=${was%list *}
check "without it" gate_renew
echo 203.0.113.8 >"$L/other"
extra="$extra list \"other\" { file = \"$L/other\"  format = cidr  verdict = deny }"
check "another in its place" gate_renew
is "begins with none" "$(list_row other hits)" 0

# ---- many at once ----
# 48 under way: one of a long list, and of nothing, which costs no time, those that wait for it.
cat >"$T/crowd.py" <<'END'
import json, socket, sys
path, long, empty = sys.argv[1:]
class Client:
    def __init__(self, command, args, file=None):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(120)
        self.s.connect(path)
        line = json.dumps({"command": command, "args": args}).encode() + b"\n"
        self.file = open(file) if file else None
        socket.send_fds(self.s, [line], [self.file.fileno()] if file else [])
        self.f = self.s.makefile()
    def line(self):
        return json.loads(self.f.readline())
    def end(self):
        while True:
            o = self.line()
            if "row" not in o:
                return o.get("error", "done")
    def is_over(self):
        self.s.setblocking(False)
        try:
            return any("row" not in json.loads(l) for l in self.s.recv(65536, socket.MSG_PEEK).splitlines())
        except BlockingIOError:
            return False
        finally:
            self.s.settimeout(120)
first = Client("import", {"name": "long", "verdict": "deny"}, long)
print(first.line()["row"]["step"])
others = [Client("import", {"name": "none"}, empty) for i in range(47)]
print({o.line().get("row", {}).get("step") for o in others})
print(Client("import", {"name": "none"}, empty).end())
print("deny:", Client("deny", {"prefix": "198.51.100.77"}).end(), sum(o.is_over() for o in others))
print(first.end(), {o.end() for o in others})
END
seq_list 300000 0 >"$L/long"
$PYTHON "$T/crowd.py" "$T/run/control.sock" "$L/long" "$L/empty" >"$T/said" 2>&1
is "who waits for his turn hears so, a 49th is turned away, deny is not kept waiting" "$(cat "$T/said")" "reading
{'waiting'}
none: not imported: 48 imports wait for their turn already
deny: done 0
done {'none: empty'}"
check "away with the long list" gg import long --remove

# ---- an import that a reload overtakes ----
# Long to read, and nothing in it.
$PYTHON -c 'print("198.18.7.1\n" + ("# " + "x" * 997 + "\n") * 200000, end="")' >"$L/slow"
echo 203.0.113.8 >"$L/old"
printf '203.0.113.9\n2001:db8:79::/64\n' >"$L/turned"
dns=${extra%%$'\n'*}
before="$dns
list \"old\" { file = \"$L/old\"  verdict = deny }
list \"turned\" { file = \"$L/turned\"  verdict = allow }"
after="$dns
list \"turned\" { file = \"$L/turned\"  verdict = deny }
list \"fresh\" { file = \"$L/old\"  verdict = deny }"
for i in 1 2 3 4; do
	extra=$before; gate_conf; gg reload >/dev/null
	extra=$after; gate_conf
	gg import slow "$L/slow" --verdict deny >"$T/first" 2>&1 &
	job=$!
	sleep 0.0$((2 * i))
	gg reload >/dev/null
	wait $job
	is "$i: an import and a reload at once: the lists of the new configuration" "$(order | grep -oE 'old|turned|fresh' | xargs)" \
		"turned fresh"
	like "$i: an address of the one that is new" "$(gg explain 203.0.113.8)" 'deny by list fresh'
	for a in 203.0.113.9 2001:db8:79::9; do like "$i: of one that denies now" "$(gg explain $a)" 'deny by list turned'; done
	like "$i: of the import" "$(gg explain 198.18.7.1)" 'deny by list slow'
done

gate_stop
is "it stops" $? 0
