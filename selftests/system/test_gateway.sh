#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Gateway mode: Postfix is behind the gate, keeps its address and sees the client's own. Strangers
# meet the daemon, promoted sources are forwarded to Postfix; open sessions survive every change of
# the lists, and nothing but TCP to the protected endpoints is touched.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/system/scenes.sh
. "$HERE/scenes.sh"
SERVER4=$MAIL4 SERVER6=$MAIL6

# client --- gate --- hop --- mail. From hop to mail the way is narrower than the rest, which only ICMP
# can tell.
ip netns add hop && ip -n hop link set lo up || bail "network namespace hop"
net_up || bail "network namespaces"
{
	ip -n gate link del g1
	ip -n gate link add g1 type veth peer name h0 netns hop &&
		ip -n hop link add h1 type veth peer name m0 netns mail
	ip -n gate link set g1 up; ip -n hop link set h0 up
	ip -n hop link set h1 mtu 1300 up; ip -n mail link set m0 up
	ip -n gate addr add 10.9.0.1/24 dev g1; ip -n gate addr add fd09::1/64 dev g1 nodad
	ip -n hop addr add 10.9.0.2/24 dev h0; ip -n hop addr add fd09::2/64 dev h0 nodad
	ip -n hop addr add 198.51.100.1/24 dev h1; ip -n hop addr add 2001:db8:2::1/64 dev h1 nodad
	ip -n mail addr add $MAIL4/24 dev m0; ip -n mail addr add $MAIL6/64 dev m0 nodad
	ip -n client route add 198.51.100.0/24 via $GATE4; ip -n client route add 2001:db8:2::/64 via $GATE6
	ip -n client route add 10.9.0.0/24 via $GATE4; ip -n client route add fd09::/64 via $GATE6
	ip -n gate route add 198.51.100.0/24 via 10.9.0.2; ip -n gate route add 2001:db8:2::/64 via fd09::2
	ip -n hop route add default via 10.9.0.1; ip -n hop -6 route add default via fd09::1
	ip -n mail route add default via 198.51.100.1 mtu 1300 advmss 1460
	ip -n mail -6 route add default via 2001:db8:2::1 mtu 1300 advmss 1440
	for ns in gate hop; do
		on $ns sh -c 'for f in /proc/sys/net/ipv[46]/conf/all/forwarding; do echo 1 >"$f"; done'
	done
	on client sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_tw_reuse'
	# XDP redirection carries no checksum offload, and a veth takes frames from it only with NAPI.
	on client ethtool -K c0 tx off gro on; on hop ethtool -K h0 tx off gro on
} >"$T/net.log" 2>&1
answered() { on client $PYTHON "$HERE/others.py" $MAIL4 $MAIL6 | grep -c answered; }
routes() { [ "$(answered)" = 6 ]; }
wait_for 10 routes || bail "the network" "$(cat "$T/net.log")"
like "gateway mode without forwarding in the kernel is refused" "$(
	mode=gateway interfaces='"g0", "g1"' protect="\"$MAIL4:25\"" listen='' backend='' gate_conf
	on gate sh -c 'echo 0 >/proc/sys/net/ipv4/conf/g1/forwarding'
	on gate "$BUILD/greygated" -c "$T/greygate.conf" -f 2>&1
	on gate sh -c 'echo 1 >/proc/sys/net/ipv4/conf/g1/forwarding')" \
	'interface g1: this machine doesn.t forward IPv4.*sysctl -w net/ipv4/conf/g1/forwarding=1'
is "and leaves no rule" "$(ip -n gate rule show; ip -n gate -6 rule show)" \
	"$(ip -n client rule show; ip -n client -6 rule show)"

postfix_new mx mail || bail "Postfix as the mail server"
mode=gateway
interfaces='"g0", "g1"'
listen='' backend=''
protect="\"$MAIL4:25\", \"[$MAIL6]:25\""
stutter="first = 200ms  interval = 20ms  deny_limit = 200ms"
greylist="delay = 1s  delay_clean = 1s  delay_suspicious = 1s  jitter = 0  promote_after = 2"
gate_conf

# What isn't TCP to a protected endpoint, with the answers it gets: before and with greygate.
others() {
	ip -n client neigh flush dev c0; ip -n gate neigh flush dev g1 # ARP and ND have to work too
	on client $PYTHON "$HERE/others.py" $MAIL4 $MAIL6 $GATE4 $GATE6
}
# Connections in one go by ports that the source never had, and nobody else: the kernel takes higher ones.
new_ports() { on client $PYTHON "$HERE/knock.py" ports "$1" "$(server_for "$1")" 20100 50; }
before=$(others)
on gate tc qdisc add dev g1 clsact || bail "a qdisc of the administrator's"

gate_start || bail "greygated starts"
pass "greygated starts"


is "echo, fragments, UDP, other ports, ARP and ND fare as before" "$(others)" "$before"
like "the rules are there" "$(ip -n gate rule show)" 'fwmark 0x67726579 iif g0 lookup 26489'
like "for IPv6 too" "$(ip -n gate -6 rule show)" 'fwmark 0x67726579 iif g1 lookup 26489'
start_on mail tcpdump -i m0 -n -l -tt 'tcp port 25' >"$T/inner.txt" 2>"$T/dump.err"
dump=$started
check "tcpdump at the mail server listens" wait_for 10 has 'listening on m0' "$T/dump.err"
inner() { sleep 0.2; cat "$T/inner.txt"; }

# ---- strangers meet the daemon, and become known ----
scene_strangers
unlike "no stranger reached the mail server" "$(inner)" ' (192\.0\.2\.[78]|203\.0\.113\.7)\.[0-9]+ > '
scene_frames
sleep 1.1
for src in $SOURCES; do
	dst=$(server_for "$src")
	pin="$PIN/$(map_of "$src") $src"
	out=$(attempt "$src" "$dst" alice@sender.example user1@example.net)
	like "$src: the retry is delivered through the daemon" "$out" "$STORED"
	check "$src: tcpdump at the mail server shows the client's address" \
		wait_for 5 has " ${src//./\\.}\.[0-9]+ > " "$T/inner.txt"
	out=$(attempt "$src" "$dst" bob@sender.example user1@example.net ":map $pin 1")
	like "$src: the second sender promotes" "$out" "$STORED"
	unlike "$src: the entry is there" "$out" '<never>|<no pin'
done
postfix_said mx
like "Postfix saw the client itself" "$(cat "$T/mx/maillog")" 'client=unknown\[192\.0\.2\.7\]'
like "Postfix saw the client itself, IPv6" "$(cat "$T/mx/maillog")" 'client=unknown\[2001:db8:1::7\]'
ours=$(sed -nE 's/.*: ([0-9A-F]+): client=.*\[(10\.9\.0\.1|fd09::1)\].*/\1/p' "$T/mx/maillog" | xargs | tr ' ' '|')
unlike "and never a message of the gate" "$(cat "$T/mx/maillog")" "(${ours:-none}): message-id="
check "which only asks about recipients" log_wait event=verify to=user1@example.net verdict=valid
between "tc_daemon counted strangers" "$(counter tc_daemon)" 8 100

# ---- promoted sources are forwarded ----
before_n=$(counter forwarded)
scene_known
between "XDP forwarded their packets" "$(($(counter forwarded) - ${before_n:-0}))" 20 500

# ---- samples of theirs meet the daemon ----
resample() { sample=$1 gate_conf; gg reload; }
check "reload with sample = 1" resample 1
for src in $SOURCES; do
	out=$(attempt "$src" "$(server_for "$src")" new2@sender.example user3@example.net)
	like "$src: a sample is answered by the daemon" "$out" "$DAEMON"
	like "$src: and delivered at the first attempt" "$out" "$STORED"
	check "$src: its decision is an observation" log_wait event=decision src="$src" verdict=observe
done
for src in 203.0.113.66 2001:db8:66::66; do
	gg correspondent add $src >/dev/null
	out=$(talk $src "$(server_for $src)" 'EHLO client.example.org' 'MAIL FROM:<spam@sender.example>' \
		'RCPT TO:<trap@example.net>' ":map $PIN/$(map_of $src) $src 2" QUIT)
	like "$src: a sample that hits a trap: 554" "$out" '^S: 554 5\.7\.1'
	like "$src: is denied before its next SYN" "$out" '^T: map [0-9]'
	check "$src: and demoted" log_wait event=demote src=$src reason=trap
	gg forget $src >/dev/null
done
check "reload with sample = 0" resample 0
like "without samples it is Postfix again" "$(talk 192.0.2.7 "$(server_for 192.0.2.7)" QUIT)" "$POSTFIX"

# ---- the narrow way behind the gate ----
yes "A line of a large message, long enough to fill segments to the brim." | head -n 8000 >"$T/big"
# Forgets what the path MTU was: the way to the mail server, the ways to the clients.
forget_paths() {
	for ns in client gate mail; do ip -n $ns route flush cache; ip -n $ns -6 route flush cache; done
}
for src in $SOURCES; do
	dst=$(server_for "$src")
	out=$(talk "$src" "$dst" 'EHLO client.example.org' 'MAIL FROM:<big@sender.example>' \
		'RCPT TO:<user5@example.net>' DATA ":body $T/big" QUIT)
	like "$src: a large message through a narrow way, forwarded" "$out" "$POSTFIX"
	like "$src: is stored" "$out" "$STORED"
	check "$src: forget" gg forget "$src"
	attempt "$src" "$dst" big@sender.example user6@example.net >/dev/null
done
sleep 1.1
forget_paths
before_n=$(counter tc_icmp)
for src in $SOURCES; do
	n=$(counter tc_icmp)
	out=$(talk "$src" "$(server_for "$src")" 'EHLO client.example.org' 'MAIL FROM:<big@sender.example>' \
		'RCPT TO:<user6@example.net>' DATA ":body $T/big" QUIT)
	like "$src: the same through the daemon" "$out" "$DAEMON"
	like "$src: is stored too" "$out" "$STORED"
	between "$src: the daemon's socket heard of the path MTU" "$(($(counter tc_icmp) - n))" 1 50
	gg forget "$src" >/dev/null
done

# ---- promotion and demotion in the middle of a session ----
for src in 203.0.113.7 2001:db8:77::7; do
	dst=$(server_for "$src")
	attempt "$src" "$dst" mid@sender.example user2@example.net >/dev/null
done
sleep 1.1
scene_open_sessions

# ---- a port used again ----
# The session's sockets are in TIME_WAIT at the gate when the promoted source comes again by the same port:
# answers to a forwarded SYN would be taken for theirs. The daemon serves it.
waits() { on gate ss -Htn state time-wait sport = :25 dport = ":$2" | grep -qF "$1"; } # source port
by_port() { # source sender step...
	local src=$1 sender=$2; shift 2
	SOURCE_PORT=20000 talk "$src" "$(server_for "$src")" 'EHLO client.example.org' \
		"MAIL FROM:<$sender@sender.example>" 'RCPT TO:<user2@example.net>' "$@" QUIT :eof
}
for src in 203.0.113.9 2001:db8:79::9; do
	attempt "$src" "$(server_for "$src")" again@sender.example user2@example.net >/dev/null
	sleep 1.1
	like "$src: delivered from a port of its choice" "$(by_port "$src" again DATA ':body -')" "$STORED"
	gg allow "$src" >/dev/null
	check "$src: its port is in TIME_WAIT at the gate" wait_for 5 waits "$src" 20000
	at=$(log_size)
	out=$(by_port "$src" again2 DATA ':body -')
	like "$src: promoted, by that port again: the daemon" "$out" "$DAEMON"
	like "$src: delivers at the first attempt" "$out" "$STORED"
	check "$src: and knows that it is allowed" log_wait "+$at" event=connect src="$src" port=20000 verdict=allow
	is "$src: by ports that it never had it is Postfix" "$(new_ports "$src")" "50 mx.example.net"
done

# ---- handshakes by cookie, two messages in a session ----
like "a stranger with IP options meets the daemon" "$(PADDING=4 hello 203.0.113.7)" "$DAEMON"
for bytes in 8 512; do
	like "with $bytes bytes before TCP too" "$(PADDING=$bytes hello 2001:db8:77::7)" "$DAEMON"
done
on gate sh -c 'echo 2 >/proc/sys/net/ipv4/tcp_syncookies'
for src in 203.0.113.7 2001:db8:77::7; do
	like "$src: with SYN cookies a stranger meets the daemon" "$(hello "$src")" "$DAEMON"
done
like "and one with IP options" "$(PADDING=4 hello 203.0.113.7)" "$DAEMON"
for bytes in 8 512; do
	like "and one with $bytes bytes before TCP" "$(PADDING=$bytes hello 2001:db8:77::7)" "$DAEMON"
done
on gate sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_syncookies'
for src in 203.0.113.9 2001:db8:79::9; do
	gg forget "$src" >/dev/null
	attempt "$src" "$(server_for "$src")" twice@sender.example user2@example.net >/dev/null
done
sleep 1.1
for src in 203.0.113.9 2001:db8:79::9; do
	out=$(talk "$src" "$(server_for "$src")" 'EHLO client.example.org' 'MAIL FROM:<twice@sender.example>' \
		'RCPT TO:<user2@example.net>' RSET 'MAIL FROM:<twice@sender.example>' \
		'RCPT TO:<user2@example.net>' DATA ':body -' QUIT)
	like "$src: after RSET the next message is delivered too" "$out" "$STORED"
done

# ---- TLS to the mail server ----
mx() { postfix_reload mx "$@"; }
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=mx.example.net" \
	-keyout "$T/key" -out "$T/pem" 2>"$T/openssl.log" || bail "openssl makes a certificate" "$(cat "$T/openssl.log")"
for src in 203.0.113.9 2001:db8:79::9; do
	gg forget "$src" >/dev/null
	for name in tls plain; do
		attempt "$src" "$(server_for "$src")" "$name${src%%[.:]*}@sender.example" user2@example.net >/dev/null
	done
done
sleep 1.1
for name in tls plain; do
	if [ $name = tls ]; then
		mx "smtpd_tls_cert_file = $T/pem" "smtpd_tls_key_file = $T/key" "smtpd_tls_received_header = yes" \
			"smtpd_tls_security_level = may"
	else # the daemon can't shake hands with this
		mx "smtpd_tls_mandatory_protocols = TLSv1" "smtpd_tls_protocols = TLSv1"
	fi
	for src in 203.0.113.9 2001:db8:79::9; do
		sender=$name${src%%[.:]*}@sender.example
		like "$src: $name: delivered through the daemon" \
			"$(attempt "$src" "$(server_for "$src")" "$sender" user2@example.net)" "$DAEMON"
		check "$src: $name: is stored once" wait_for 5 boxed_is mx "$sender" 1
		mail=$(cat "$(boxed_file mx "$sender")")
		like "$src: $name: in the client's name" "$mail" \
			"from client\.example\.org \(unknown \[(IPv6:)?${src//./\\.}\]\)"
		if [ $name = tls ]; then
			like "$src: $name: TLS to the mail server" "$mail" 'using TLSv1\.3'
		else
			unlike "$src: $name: a handshake that fails is done without" "$mail" 'using TLSv1'
		fi
	done
done
is "backend_plain counted them" "$(counter backend_plain)" 2
mx "smtpd_tls_security_level = none" "smtpd_tls_received_header = no"
asks_tls() { extra="tls { backend = $1 }" gate_conf; gg reload; }
told() { gg status | grep -F "$1"; }
check "reload: TLS is required" asks_tls required
for at in "$MAIL4:25" "[$MAIL6]:25"; do
	check "status: $at: has none" wait_for 10 told "backend $at: mail server does not offer STARTTLS"
done
like "and what becomes of mail" "$(gg status)" 'STARTTLS on there, .*; what strangers send it is put off with 451'
check "reload: it is not" asks_tls opportunistic
untold() { ! told 'which tls backend requires'; }
check "and all is well" wait_for 10 untold

# ---- doctor ----
out=$(on gate "$BUILD/greygate" -c "$T/greygate.conf" --json doctor); rc=$?
like "doctor knows the interfaces" "$out" '"check":"driver","level":"ok","about":"g1"'
like "doctor knows that they forward" "$out" '"check":"forwarding","level":"ok","about":"g0"'
is "doctor finds nothing that fails" "$rc $(grep -c '"level":"fail"' <<<"$out")" "0 0"
on gate sh -c 'echo 0 >/proc/sys/net/ipv6/conf/g1/forwarding'
out=$(on gate "$BUILD/greygate" -c "$T/greygate.conf" doctor); rc=$?
on gate sh -c 'echo 1 >/proc/sys/net/ipv6/conf/g1/forwarding'
like "doctor: no forwarding, and what mends it" "$out" '^fail +forwarding +g1: IPv6 is not forwarded'
is "doctor: exit code" "$rc" 1

mend_of() { # config check about: the mend of what isn't well
	on gate "$BUILD/greygate" -c "$1" --json doctor | $PYTHON -c 'import json, sys
for f in map(json.loads, sys.stdin):
    if f["check"] == sys.argv[1] and f["about"] == sys.argv[2] and f["level"] != "ok": print(f["mend"])' "$2" "$3"
}
for v in 4 6; do
	on gate sh -c "echo 0 >/proc/sys/net/ipv$v/conf/g1/forwarding"
	on gate sh -c "$(mend_of "$T/greygate.conf" forwarding g1)" >/dev/null
	is "doctor: IPv$v: what it says mends" "$(mend_of "$T/greygate.conf" forwarding g1)" ""
done
# Numbers of interfaces are of a namespace: elsewhere is a pair of the same two.
number_of() { ip -n "$1" -o link show "$2" | cut -d: -f1; }
ip netns add other && ip netns add another &&
	ip -n other link add m9 index "$(number_of hop h0)" type veth peer name g9 index "$(number_of gate g1)" netns another ||
	bail "another veth pair"
on hop ethtool -K h0 tx on >/dev/null
like "doctor: the peer is that of this pair" "$(mend_of "$T/greygate.conf" veth g1)" '^nsenter --net=/run/netns/hop ethtool -K h0 '
check "doctor: the mend for it" sh -c "$(mend_of "$T/greygate.conf" veth g1)"
ip netns del other; ip netns del another
is "doctor: the peers are found and are well" "$(mend_of "$T/greygate.conf" veth g0)$(mend_of "$T/greygate.conf" veth g1)" ""
sed 's/"g1"/"nope9"/' "$T/greygate.conf" >"$T/nope.conf"
check "doctor: the mend for an interface that isn't there" sh -c "$(mend_of "$T/nope.conf" link nope9)"
is "leaves none that isn't there" "$(mend_of "$T/nope.conf" link nope9)" ""
# What a start would refuse: a driver without native XDP; more queues at the other end than are here.
on gate sh -c 'ip link add br9 type bridge && ip link set br9 up'
sed 's/"g0"/"br9"/' "$T/greygate.conf" >"$T/bridge.conf"
like "doctor fails for a gateway's driver without native XDP" "$(on gate "$BUILD/greygate" -c "$T/bridge.conf" doctor)" \
	'^fail +driver +br9: bridge: not known to have native XDP; greygated does not start'
check "doctor: the mend for it" sh -c "$(mend_of "$T/bridge.conf" driver br9)"
is "is all that it wants" "$(grep -c '^xdp = *off' "$T/bridge.conf") $(mend_of "$T/bridge.conf" driver br9)" "1 "
# The port of a bridge, by which an address is reached: one name for the other, whoever says it.
on gate sh -c 'ip link add v8 type veth peer name v9 && ip link set v8 up master br9 && ip route add 198.18.7.7 dev br9'
sed 's/"g0"/"v8"/; s/^protect = {/&"198.18.7.7:25", /' "$T/greygate.conf" >"$T/port.conf"
like "doctor fails for the port of a bridge" "$(on gate "$BUILD/greygate" -c "$T/port.conf" doctor)" \
	'^fail +master +v8: a port of br9 \(bridge\), .*greygated does not start as a gateway'
is "doctor: the mend is that for the way" "$(mend_of "$T/port.conf" master v8)" "$(mend_of "$T/port.conf" way br9)"
check "doctor: the mend for it" sh -c "$(mend_of "$T/port.conf" master v8)"
like "puts the bridge in its place" "$(grep ^interfaces "$T/port.conf")" '"br9"'
is "and no port is left" "$(grep -c '"v8"' "$T/port.conf") $(mend_of "$T/port.conf" master v8)$(mend_of "$T/port.conf" way br9)" "0 "
on gate sh -c 'ip link del v8; ip link del br9'
on gate sh -c 'ip link add v8 numrxqueues 2 numtxqueues 2 type veth peer name v9 numrxqueues 2 numtxqueues 2 &&
	ip link set v8 up && ip link set v9 up && ethtool -L v9 rx 1 tx 2 && ethtool -L v8 rx 1 tx 2'
sed 's/"g0"/"v8"/' "$T/greygate.conf" >"$T/pair.conf"
like "doctor fails for a peer that transmits by more" "$(on gate "$BUILD/greygate" -c "$T/pair.conf" doctor)" \
	'^fail +queues +v8: native XDP is refused: it receives by 1, its peer transmits by 2'
for what in channels queues tarpit; do
	check "doctor: the mend for $what" on gate sh -c "$(mend_of "$T/pair.conf" $what v8)"
done
is "one does not forbid another" "$(for what in channels queues tarpit; do mend_of "$T/pair.conf" $what v8; done)" ""
on gate ip link del v8
name=$(printf 'e\377')
on gate ip link add "$name" type bridge
is "doctor --json: a name that is no UTF-8 loses no finding" \
	"$(on gate "$BUILD/greygate" --json doctor | grep -c '"about":"e?"')" \
	"$(on gate "$BUILD/greygate" doctor | grep -ac "  $name: ")"
on gate ip link del "$name"
sed "s|^bpffs = .*|bpffs = \"$T/no bpf/in/greygate\"|" "$T/greygate.conf" >"$T/nobpf.conf"
check "doctor: the mend for a missing bpf file system" sh -c "$(mend_of "$T/nobpf.conf" bpffs '')"
is "makes one where the settings want it" "$(mend_of "$T/nobpf.conf" bpffs '')" ""
mount -o remount,ro "$T/no bpf/in"
check "doctor: the mend for one that can't be written to" sh -c "$(mend_of "$T/nobpf.conf" bpffs '')"
is "has it writable" "$(mend_of "$T/nobpf.conf" bpffs '')$(mkdir "$T/no bpf/in/x" 2>&1)" ""
mkdir "$T/no bpf/in/greygate"; mount -o remount,ro "$T/no bpf/in"
check "doctor: the mend where greygate has been" sh -c "$(mend_of "$T/nobpf.conf" bpffs '')"
is "has it writable, too" "$(mend_of "$T/nobpf.conf" bpffs '')$(mkdir "$T/no bpf/in/y" 2>&1)" ""
umount "$T/no bpf/in"

# ---- the daemon is gone ----
gg deny 203.0.113.66 --action drop_new >/dev/null
gg allow 192.0.2.7 >/dev/null
gg allow 2001:db8:1::7 >/dev/null
rm -f "$T/in" "$T/go"
talk 192.0.2.7 $MAIL4 'EHLO client.example.org' 'MAIL FROM:<kill@sender.example>' \
	'RCPT TO:<user7@example.net>' DATA ":touch $T/in" ":await $T/go" ":body $T/big" QUIT >"$T/mid" &
job=$!
wait_for 10 test -e "$T/in"
gate_kill
touch "$T/go"
wait $job
like "kill -9 in the middle of a forwarded message: it arrives" "$(cat "$T/mid")" "$STORED"
check "whole, and once" wait_for 5 boxed_is mx kill@sender.example 1
scene_down_open
rm -f "$T/in" "$T/go"
talk 203.0.113.8 $MAIL4 'EHLO client.example.org' 'MAIL FROM:<back@sender.example>' ":touch $T/in" \
	":await $T/go" 'RCPT TO:<user2@example.net>' DATA ':body -' QUIT >"$T/mid" &
job=$!
wait_for 10 test -e "$T/in"
check "the daemon comes back" gate_start
touch "$T/go"
wait $job
like "a session that began without it stays with Postfix" "$(cat "$T/mid")" "$POSTFIX"
like "and delivers" "$(cat "$T/mid")" "$STORED"
like "strangers meet the daemon again" "$(hello 203.0.113.8)" "$DAEMON"
is "each rule is there once" "$(ip -n gate rule show | grep -c 26489)" 2

gate_stop; is "SIGTERM: exit code 0" $? 0
xdp=off when_down=closed
gate_conf
check "starts with xdp = off, when_down = closed" gate_start
unlike "no XDP program is left on the interface" "$(ip -n gate link show g0)" 'xdp'
like "xdp = off: a stranger meets the daemon" "$(hello 203.0.113.8)" "$DAEMON"
for src in $SOURCES; do
	is "xdp = off: $src: an allowed source meets Postfix" "$(new_ports "$src")" "50 mx.example.net"
done
like "xdp = off: a drop_new verdict holds" "$(TALK_TIMEOUT=1.5 hello 203.0.113.66)" "$DROPPED"
gate_kill
scene_down_closed

# ---- nothing is left ----
check "detach works without a daemon" on gate "$BUILD/greygate" -c "$T/greygate.conf" detach
like "detached: everyone meets Postfix" "$(hello 203.0.113.8)" "$POSTFIX"
unlike "detached: no program is left on the interfaces" "$(ip -n gate link show; on gate bpftool net | grep greygate)" \
	'xdp|greygate'
is "detached: the qdisc that was there before, and no other" "$(on gate tc qdisc show | grep clsact)" \
	"qdisc clsact ffff: dev g1 parent ffff:fff1 "
is "detached: no rule" "$(ip -n gate rule show; ip -n gate -6 rule show)" \
	"$(ip -n client rule show; ip -n client -6 rule show)"
is "detached: no route" "$(ip -n gate route show table all | grep -c 26489)" 0
is "detached: no pin is left" "$(pins)" 0
is "everything else fares as before" "$(others)" "$before"
