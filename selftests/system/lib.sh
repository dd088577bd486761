# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The harness of the system tests; every test_*.sh and demo.sh sources it first.
#
# Sourcing it starts the script again inside a mount and a process namespace of its own: whatever it
# mounts, names or starts there is gone when it ends, also when it is killed. $T is its directory
# (a tmpfs), $T/bpf a bpffs that nobody else sees, as is the one in the place where libxdp looks for its
# own. See README.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
BUILD=$(realpath -m "${BUILD:-build}")
HERE=$PWD/selftests/system
export BUILD LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
export COLUMNS=9999 # a sentence is looked for in one line

if [ -z "${GG_PRIVATE-}" ]; then
	if [ "$(id -u)" != 0 ]; then
		echo "ok 1 - $(basename "$0") # SKIP needs root: network namespaces, bpffs"
		exit 0
	fi
	private=$(mktemp -d /tmp/greygate-test.XXXXXX) && mkdir -p /run/netns || exit 1
	GG_PRIVATE=$private unshare --mount --pid --fork --kill-child --mount-proc \
		--propagation private bash "$0" "$@" </dev/null &
	inner=$!
	trap 'kill -KILL $inner 2>/dev/null' INT TERM HUP
	wait $inner
	rc=$?
	trap - INT TERM HUP
	wait $inner 2>/dev/null
	rmdir "$private"
	exit $rc
fi

T=$GG_PRIVATE
mount -t tmpfs -o mode=755 greygate-test "$T" && mount -t tmpfs greygate-netns /run/netns &&
	mkdir "$T/bpf" && mount -t bpf greygate-bpf "$T/bpf" && mount -t bpf greygate-libxdp /sys/fs/bpf || {
	echo "not ok 1 - private mounts in $T"
	exit 1
}

PYTHON=/usr/bin/python3
[ -x $PYTHON ] || PYTHON=python3
export PYTHONDONTWRITEBYTECODE=1

# ---- results ----

tap_n=0 tap_bad=0
pass() { tap_n=$((tap_n + 1)); echo "ok $tap_n - $*"; }
skip() { tap_n=$((tap_n + 1)); echo "ok $tap_n - $1 # SKIP $2"; }
note() { sed 's/^/# /' <<<"$*"; }
fail() { # name [what was seen]
	[ $# -lt 2 ] || note "$2" | tail -n 30
	tap_n=$((tap_n + 1)) tap_bad=$((tap_bad + 1))
	echo "not ok $tap_n - $1"
}
# Not in a subshell: what the command sets (gate_pid) stays set.
check() { # name command...
	local name=$1; shift
	if "$@" >"$T/said" 2>&1; then pass "$name"; else fail "$name" "$* failed: $(cat "$T/said")"; fi
}
refuse() { # name command...: the command has to fail
	local name=$1; shift
	if "$@" >"$T/said" 2>&1; then fail "$name" "$* did not fail: $(cat "$T/said")"; else pass "$name"; fi
}
is() { if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "got '$2', expected '$3'"; fi; }
like() { # name text regex
	if grep -qE -- "$3" <<<"$2"; then pass "$1"; else fail "$1" "expected /$3/ in:"$'\n'"$2"; fi
}
unlike() {
	if grep -qE -- "$3" <<<"$2"; then fail "$1" "unexpected /$3/ in:"$'\n'"$2"; else pass "$1"; fi
}
between() { # name number low high
	if awk -v n="$2" -v l="$3" -v h="$4" 'BEGIN { exit !(n != "" && n >= l && n <= h) }'; then
		pass "$1"
	else
		fail "$1" "got '$2', expected $3 to $4"
	fi
}
bail() { fail "$@"; exit 1; }

# Runs a command every 50 ms until it succeeds; fails after so many seconds.
# The seconds are those of a quiet machine; a busy one is given four times as many.
wait_for() { # seconds command...
	local end; end=$(awk -v s="$1" -v n="$EPOCHREALTIME" 'BEGIN { printf "%.3f", n + 4 * s }'); shift
	until "$@" >/dev/null 2>&1; do
		[[ $EPOCHREALTIME < $end ]] || return 1
		sleep 0.05
	done
}
has() { grep -qE -- "$1" "$2"; }
# What follows something that is over for the client, but not for everybody behind it.
soon() { # name expected command...: what it prints comes to be that
	local name=$1 expected=$2; shift 2
	wait_for 5 prints "$expected" "$@"
	is "$name" "$("$@")" "$expected"
}
prints() { [ "$("${@:2}")" = "$1" ]; } # text command...
gone() { ! kill -0 "$1" 2>/dev/null; }

# ---- the end ----

trap 'finish $?' EXIT
trap 'exit 1' INT TERM
finish() {
	local rc=$1 p
	trap - EXIT
	if grep -qE 'Sanitizer|runtime error: ' "$T/gate.log" 2>/dev/null; then
		fail "the daemon's own checks" "$(grep -aE -A20 'Sanitizer|runtime error: ' "$T/gate.log")"
	fi
	if [ "$tap_bad" != 0 ] || [ "$rc" != 0 ]; then
		for p in "$T"/gate.log "$T"/gate.out "$T"/*/maillog "$T"/backend.log; do
			[ -s "$p" ] && { echo "== $p"; tail -n 15 "$p" | cut -c1-400; } >&2
		done
		if [ -n "${KEEP-}" ]; then
			mkdir -p "$KEEP" && cp -r "$T"/. "$KEEP"/ 2>/dev/null
			echo "== kept in $KEEP" >&2
		fi
	fi
	for p in "$T"/*/spool/pid/master.pid; do
		[ -f "$p" ] && kill -KILL "$(tr -d ' ' <"$p")" 2>/dev/null
	done
	[ "$tap_n" != 0 ] && echo "1..$tap_n"
	[ "$tap_bad" = 0 ] || rc=1
	exit "$rc"
}

# ---- network ----

# client --- gate --- mail, a veth pair each. The client owns several addresses of two networks, so
# that one machine can be many sources.
CLIENT_NETS4="192.0.2.7 192.0.2.8 203.0.113.7 203.0.113.8 203.0.113.9 203.0.113.66"
CLIENT_NETS6="2001:db8:1::7 2001:db8:1::8 2001:db8:77::7 2001:db8:78::8 2001:db8:79::9 2001:db8:66::66"
GATE4=192.0.2.25 GATE6=2001:db8:1::25
MAIL4=198.51.100.2 MAIL6=2001:db8:2::2

on() { # namespace command...
	local ns=$1; shift
	nsenter --net=/run/netns/"$ns" "$@"
}
# The same in the background; $started is the program's own pid.
start_on() {
	local ns=$1; shift
	nsenter --net=/run/netns/"$ns" "$@" &
	started=$!
}
net_up() {
	local ns a
	for ns in client gate mail; do
		ip netns add $ns && ip -n $ns link set lo up || bail "network namespace $ns"
	done
	ip -n client link add c0 type veth peer name g0 netns gate &&
		ip -n gate link add g1 type veth peer name m0 netns mail || bail "veth pairs"
	ip -n client link set c0 up; ip -n gate link set g0 up
	ip -n gate link set g1 up; ip -n mail link set m0 up
	for a in $CLIENT_NETS4; do ip -n client addr add "$a"/24 dev c0; done
	for a in $CLIENT_NETS6; do ip -n client addr add "$a"/64 dev c0 nodad; done
	ip -n gate addr add $GATE4/24 dev g0; ip -n gate addr add $GATE6/64 dev g0 nodad
	ip -n gate addr add 198.51.100.1/24 dev g1; ip -n gate addr add 2001:db8:2::1/64 dev g1 nodad
	ip -n mail addr add $MAIL4/24 dev m0; ip -n mail addr add $MAIL6/64 dev m0 nodad
	ip -n gate route add 203.0.113.0/24 dev g0
	for a in 77 78 79 66; do ip -n gate route add 2001:db8:$a::/64 dev g0 || return 1; done
}

# ---- the daemon ----

GATE_USER=nobody
PIN=$T/bpf/greygate/v1
gate_pid=

# Writes $T/greygate.conf. Variables of these names replace the defaults: mode interfaces xdp listen
# protect backend workers stutter greylist trap limit upstream sample extra. An empty listen or backend leaves its
# key out.
gate_conf() {
	local listens=${listen-'"0.0.0.0:25", "[::]:25"'} backends=${backend-"\"$MAIL4:25\""}
	mkdir -p "$T/state" "$T/run"
	chown $GATE_USER "$T/state" "$T/run"
	cat >"$T/greygate.conf" <<-END
		hostname = "gate.example.net"
		mode = ${mode:-relay}
		interfaces = {${interfaces-\"g0\"}}
		xdp = ${xdp:-auto}
		${listens:+listen = {$listens\}}
		protect = {${protect-}}
		${backends:+backend = {$backends\}}
		state_dir = "$T/state"
		control = "$T/run/control.sock"
		bpffs = "$T/bpf/greygate"
		workers = ${workers:-2}
		user = "$GATE_USER"
		contact = "postmaster@example.net"
		when_down = ${when_down:-open}
		log = json
		drain_time = ${drain_time:-5s}
		stutter { ${stutter:-first = 0s} }
		greylist { ${greylist:-delay = 3s  delay_clean = 3s  delay_suspicious = 3s  jitter = 0  promote_after = 2}  sample = ${sample:-0} }
		trap { ${trap_conf:-addresses = {\"trap@example.net\"\}} }
		limit { ${limit:-per_source = 1000} }
		upstream { ${upstream:-timeout = 15s} }
		${extra-}
	END
}
gate_up() { gone "$gate_pid" || gg status; }
gate_start() { # [seconds]
	start_on gate "$BUILD/greygated" -c "$T/greygate.conf" -f >"$T/gate.out" 2>>"$T/gate.log"
	gate_pid=$started
	wait_for "${1:-10}" gate_up && ! gone $gate_pid && return 0
	note "the daemon did not start: $(tail -n 5 "$T/gate.log")"
	return 1
}
# The settings as they are now, in force: by a reload, or by a start where there is no daemon.
gate_renew() {
	local before
	gate_conf
	if [ -z "$gate_pid" ] || gone "$gate_pid"; then gate_start; return; fi
	before=$(log_size)
	kill -HUP "$gate_pid"
	wait_for 10 logged "+$before" event=reload verdict=done
}
gate_kill() { kill -KILL "$gate_pid"; wait "$gate_pid" 2>/dev/null; }
gate_stop() { # [seconds]; its exit code
	kill -TERM "$gate_pid"
	wait_for "${1:-10}" gone "$gate_pid" || { gate_kill; return 99; }
	wait "$gate_pid"
}
# kB; what is of files comes as it is first looked at, and whenever there is room.
gate_rss() { awk '/^RssAnon/ { print $2 }' /proc/"$gate_pid"/status; }
gg() { "$BUILD/greygate" -s "$T/run/control.sock" "$@"; }
# Of the process that serves, which an upgrade changes.
pid_now() { gg status --json 2>/dev/null | $PYTHON "$HERE/pick.py" value pid; }
is_another() { local p; p=$(pid_now); [ -n "$p" ] && [ "$p" != "$1" ]; }
# What is pinned; the kernel itself puts *.debug files into every bpffs.
pins() { find "$T/bpf" -type f ! -name '*.debug' | wc -l; }
# A name server with the zones of $T/zone.json, or of files; $T/mode says how it behaves.
dns_up() { # address port [file...]
	local at=("$1" "$2"); shift 2
	echo ok >"$T/mode"
	start_on gate $PYTHON "$HERE/dnsd.py" --mode "$T/mode" "${at[@]}" "${@-$T/zone.json}" >"$T/dnsd.out" 2>&1
	dnsd_pid=$started
	check "the scripted name server is up" wait_for 5 grep -q ready "$T/dnsd.out"
}
# A mail server with a script, which listens by now: backend_up NAMESPACE ADDRESS,PORT DIRECTORY
# [option...] (see backend.py). $started is its pid.
backend_up() {
	local lines
	mkdir -p "$3"
	lines=$(grep -cs listening "$3/log")
	start_on "$1" $PYTHON "$HERE/backend.py" "${@:2}" 2>>"$T/backend.log"
	wait_for 10 backend_listens "$3" "${lines:-0}" && return
	note "the scripted mail server did not start: $(tail -n 5 "$T/backend.log")"
	return 1
}
backend_listens() { [ "$(grep -cs listening "$1/log")" -gt "$2" ]; } # directory how-often-before
# A whole round of what asks the name servers has asked them nothing new: what it needs is in memory by now.
# Each worker has a memory of its own.
dns_settled() { # command...
	local before; before=$(counter dns_asked)
	"$@" >/dev/null
	[ "$(counter dns_asked)" = "$before" ]
}
# A counter of `greygate stats --json`, wherever in it.
counter() { gg stats --json 2>/dev/null | $PYTHON "$HERE/pick.py" value "$1"; }
# Lines of the daemon's log in which every KEY=VALUE holds; nothing and failure when there is none.
logged() { $PYTHON "$HERE/pick.py" lines "$T/gate.log" "$@"; }
# Lines leave the daemon a moment after what they tell of, and by another thread.
log_wait() { wait_for 3 logged "$@"; }
log_said() { log_wait "$@"; logged "$@"; }
log_size() { stat -c %s "$T/gate.log"; }
# bpftool takes keys as bytes.
key_of() { $PYTHON -c 'import ipaddress,sys; print(*ipaddress.ip_address(sys.argv[1]).packed)' "$1"; }
map_of() { case $1 in *:*) echo host6 ;; *) echo host4 ;; esac; }
map_entry() { # address
	# shellcheck disable=SC2046
	bpftool map lookup pinned "$PIN/$(map_of "$1")" key $(key_of "$1") 2>/dev/null
}
map_is() { map_entry "$1" | grep -q "$2"; } # address GG_ALLOW|GG_DENY
net_key() { # prefix: the bytes of a key of net4 or net6
	$PYTHON -c 'import ipaddress,struct,sys
n = ipaddress.ip_network(sys.argv[1]); print(*struct.pack("=I", n.prefixlen), *n.network_address.packed)' "$1"
}
net_is() { # prefix GG_ALLOW
	local map=net4
	case $1 in *:*) map=net6 ;; esac
	# shellcheck disable=SC2046
	bpftool map lookup pinned "$PIN/$map" key $(net_key "$1") 2>/dev/null | grep -q "$2"
}

# ---- SMTP ----

# Talks SMTP from the client's namespace and prints the conversation: talk SOURCE SERVER STEP...
# (the steps: see talk.py).
# Where a source's mail goes: the gate, unless a test says otherwise.
SERVER4=$GATE4 SERVER6=$GATE6
server_for() { case $1 in *:*) echo "$SERVER6" ;; *) echo "$SERVER4" ;; esac; }
talk() { on client $PYTHON "$HERE/talk.py" "$@"; }
# One small message, whole: attempt SOURCE SERVER SENDER RECIPIENT [STEP...]
attempt() {
	local source=$1 server=$2 sender=$3 recipient=$4; shift 4
	talk "$source" "$server" 'EHLO client.example.org' "MAIL FROM:<$sender>" "RCPT TO:<$recipient>" \
		':if 250' DATA ':if 354' ':body -' "$@" QUIT
}
stamp() { sed -n "s/^T: $1 //p"; } # a time that talk printed

# ---- Postfix ----

# An instance of its own: postfix_new NAME NAMESPACE [main.cf lines], with the lines of $services in
# master.cf. Users of example.net are user1, user2, ..., box and root; their mail goes to $T/NAME/box/new.
declare -A postfix_at
postfix_new() {
	local d=$T/$1 name=$1 ns=$2 mail_owner; shift 2
	postfix_at[$name]="$ns ${smtp_service:-25}"
	mail_owner=$(postconf -dh mail_owner)
	mkdir -p "$d/etc" "$d/spool" "$d/data" "$d/box"
	chown "$mail_owner" "$d/data"
	chown nobody "$d/box"
	echo '/^(user[0-9]*|box|root)@example\.net$/ box/' >"$d/etc/users"
	cat >"$d/etc/main.cf" <<-END
		compatibility_level = 3.6
		queue_directory = $d/spool
		data_directory = $d/data
		maillog_file = $d/maillog
		maillog_file_prefixes = $T
		myhostname = $name.example.net
		mydestination =
		mynetworks = 127.0.0.0/8 [::1]/128
		inet_interfaces = ${inet_interfaces:-all}
		inet_protocols = all
		disable_dns_lookups = yes
		smtp_host_lookup = native
		smtpd_peername_lookup = no
		smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
		smtpd_client_connection_count_limit = 0
		smtpd_delay_reject = no
		smtpd_tls_security_level = none
		message_size_limit = 104857600
		mailbox_size_limit = 0
		virtual_mailbox_limit = 0
		virtual_mailbox_domains = ${mailbox_domains-example.net}
		virtual_mailbox_maps = regexp:$d/etc/users
		virtual_mailbox_base = $d
		virtual_uid_maps = static:$(id -u nobody)
		virtual_gid_maps = static:$(id -g nobody)
		virtual_minimum_uid = 1
		alias_maps =
		local_recipient_maps =
		$(printf '%s\n' "$@")
	END
	cat >"$d/etc/master.cf" <<-END
		${smtp_service:-25} inet n - n - 100 smtpd
		pickup unix n - n 60 1 pickup
		cleanup unix n - n - 0 cleanup
		qmgr unix n - n 300 1 qmgr
		rewrite unix - - n - - trivial-rewrite
		bounce unix - - n - 0 bounce
		defer unix - - n - 0 bounce
		trace unix - - n - 0 bounce
		verify unix - - n - 1 verify
		proxymap unix - - n - - proxymap
		smtp unix - - n - - smtp
		relay unix - - n - - smtp
		error unix - - n - - error
		virtual unix - n n - - virtual
		anvil unix - - n - 1 anvil
		tlsmgr unix - - n 1000? 1 tlsmgr
		scache unix - - n - 1 scache
		showq unix n - n - - showq
		flush unix n - n 1000? 0 flush
		postlog unix-dgram n - n - 1 postlogd
		${services-}
	END
	if ! on "$ns" postfix -c "$d/etc" start >"$d/start.log" 2>&1; then
		note "$(cat "$d/start.log")"
		return 1
	fi
	wait_for 5 postfix_answers "$name"
}
postfix_answers() { # NAME
	local at; read -ra at <<<"${postfix_at[$1]}"
	# shellcheck disable=SC2016
	on "${at[0]}" bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && read -rt 3 -u 3 said && [[ $said = 220* ]] &&
		printf "QUIT\r\n" >&3 && read -rt 3 -u 3' _ "${at[1]}"
}
# Its processes of before answer nobody any more: postfix_reload NAME [main.cf line...]
postfix_reload() {
	local d=$T/$1 name=$1 before; shift
	[ $# = 0 ] || postconf -c "$d/etc" -e "$@" || return
	before=$(pgrep -P "$(tr -d ' ' <"$d/spool/pid/master.pid")" '^smtpd?$')
	postfix -c "$d/etc" reload >/dev/null 2>&1 || return
	wait_for 1 none_of "$before"
	wait_for 5 postfix_answers "$name"
}
# What it has said until now stands in its log: postfix_said NAME
postfix_said() {
	local mark=mark-$EPOCHREALTIME
	postlog -c "$T/$1/etc" "$mark" 2>/dev/null
	wait_for 5 grep -qF "$mark" "$T/$1/maillog"
}
none_of() { # pids
	local pid
	for pid in $1; do gone "$pid" || return 1; done
}
# How many messages there are whose text holds a fixed string.
boxed() { # NAME string
	grep -lF -- "$2" "$T/$1"/box/new/* 2>/dev/null | wc -l
}
boxed_file() { grep -lF -- "$2" "$T/$1"/box/new/* 2>/dev/null | head -n 1; }
boxed_is() { [ "$(boxed "$1" "$2")" = "$3" ]; } # NAME string count
# The stored message ends with exactly these bytes (the mail server put its own headers in front).
ends_with() { # stored sent
	[ -f "$1" ] && tail -c "$(stat -c %s "$2")" "$1" | cmp -s - "$2"
}
