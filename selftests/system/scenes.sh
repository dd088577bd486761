# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What host and gateway mode have alike, for their tests to source after lib.sh: greygated and Postfix behind
# one address, known sources with Postfix, strangers with the daemon.

DAEMON='^S: 220 gate\.example\.net' POSTFIX='^S: 220 mx\.example\.net'
STORED='^S: 250 2\.0\.0 Ok: queued as'
DROPPED='^T: connect <timeout>'
SOURCES="192.0.2.7 2001:db8:1::7"

hello() { talk "$1" "$(server_for "$1")" 'EHLO client.example.org' QUIT; }
answers() { hello "$1" | grep -qE "$2"; } # source banner

next_pid() { pgrep -P "$(pgrep -P "$gate_pid" -x greygate-start)" -x greygated; }
# A new process comes as far as the file of what mail servers offer: its programs and maps are in force by
# then, and it has given its rights up. There it stays until somebody writes, which nobody does.
hanging() {
	no_fifo
	mkfifo "$T/state/offers" && chown $GATE_USER "$T/state/offers" && exec 9<>"$T/state/offers"
	kill -USR2 "$gate_pid"
	wait_for 30 hangs || return 1
	next=$(next_pid)
}
hangs() { local p; p=$(next_pid) && [ "$(find /proc/"$p"/fd -lname "$T/state/offers")" ]; }
# All mail servers were heard: the file is not written anew, in the place of what hanging makes of it.
all_offer() {
	local key=backend
	! grep -q '^[[:space:]]*mode = gateway' "$T/greygate.conf" || key=protect
	[ "$(grep -c . "$T/state/offers")" -gt "$(sed -n "s/^[[:space:]]*$key = //p" "$T/greygate.conf" | grep -oE '"[^"]+"' | wc -l)" ]
}
no_fifo() { exec 9>&-; rm -f "$T/state/offers"; }

# Nobody is known yet: two triplets of each source, and one of those who come later.
scene_strangers() {
	local src dst out
	for src in $SOURCES; do
		dst=$(server_for "$src")
		out=$(attempt "$src" "$dst" alice@sender.example user1@example.net)
		like "$src: a stranger's banner is the daemon's" "$out" "$DAEMON"
		like "$src: first attempt is 451" "$out" '^S: 451 4\.7\.1 Greylisted'
		attempt "$src" "$dst" bob@sender.example user1@example.net >/dev/null
	done
	for src in 203.0.113.7 2001:db8:77::7; do
		attempt "$src" "$(server_for "$src")" mid@sender.example user2@example.net >/dev/null
	done
}

# What is promoted meets Postfix; the daemon's log gets no line of it.
scene_known() {
	local src out
	declare -A met
	for src in $SOURCES; do met[$src]=$(scene_met "$src"); done
	for src in $SOURCES; do
		out=$(attempt "$src" "$(server_for "$src")" new@sender.example user3@example.net)
		like "$src: the next connection is answered by Postfix" "$out" "$POSTFIX"
		like "$src: and delivered by it" "$out" "$STORED"
	done
	sleep 0.3
	for src in $SOURCES; do
		is "$src: no connection in the daemon's log" "$(scene_met "$src")" "${met[$src]}"
		refuse "$src: nor mail" logged src="$src" from=new@sender.example
	done
}
scene_met() { logged event=connect src="$1" | grep -c .; } # how often the daemon has met it

# Who meets whom, all at the same time: STRANGERS, ${known-}, and DENIED, which need not be there.
scene_meetings() { # name
	local src jobs_=
	for src in $STRANGERS ${known-}; do hello "$src" >"$T/hello.$src" & jobs_="$jobs_ $!"; done
	for src in $DENIED; do TALK_TIMEOUT=1.5 hello "$src" >"$T/hello.$src" & jobs_="$jobs_ $!"; done
	# shellcheck disable=SC2086
	wait $jobs_
	for src in $STRANGERS; do like "$1, $src: a stranger meets the daemon" "$(cat "$T/hello.$src")" "$DAEMON"; done
	for src in ${known-}; do like "$1, $src: a known source meets Postfix" "$(cat "$T/hello.$src")" "$POSTFIX"; done
	for src in $DENIED; do like "$1, $src: dropped in the kernel" "$(cat "$T/hello.$src")" "$DROPPED"; done
}

# Frames that no usual client sends: segments in fragments, and VLAN 0, which is none.
scene_frames() {
	local src how mac
	mac=$(mac_of gate g0)
	ip -n gate route add 2001:db8:c9::/64 dev g0
	for src in 203.0.113.201 2001:db8:c9::1; do # which nobody has
		ip -n gate neigh replace $src lladdr "$(mac_of client c0)" dev g0 nud permanent
		for how in "" pieces reversed tag=8100:0000 "tag=88a8:6000 pieces" "tag=8100:0000 tag=8100:e000"; do
			like "$src, ${how:-plain}: a stranger meets the daemon" "$(frames $src $how)" \
				'^220.gate\.example\.net.* 250.gate\.example\.net'
		done
		gg allow $src >/dev/null
		for how in "" pieces reversed tag=8100:0000 "tag=88a8:6000 pieces"; do
			like "$src, ${how:-plain}: an allowed source meets Postfix" "$(frames $src $how)" \
				'^220 mx\.example\.net.* 250.mx\.example\.net'
		done
		gg forget $src >/dev/null
	done
}
mac_of() { ip -n "$1" -br link show "$2" | awk '{ print $3 }'; } # namespace interface
# source how...: banner and answer to EHLO; $mac is the gate's
frames() { on client $PYTHON "$HERE/frames.py" c0 "$mac" "$1" "$(server_for "$1")" "${@:2}" 2>&1 | xargs; }

# Allowed, and then denied, while a session is open: it ends where it began.
scene_open_sessions() {
	local src dst out job
	for src in 203.0.113.7 2001:db8:77::7; do
		dst=$(server_for "$src")
		rm -f "$T/in" "$T/go"
		talk "$src" "$dst" 'EHLO client.example.org' 'MAIL FROM:<mid@sender.example>' ":touch $T/in" \
			":await $T/go" 'RCPT TO:<user2@example.net>' DATA ':body -' QUIT >"$T/mid" &
		job=$!
		wait_for 10 test -e "$T/in"
		check "$src: allow acts while its session is open" gg allow "$src"
		like "$src: a new connection meets Postfix" "$(hello "$src")" "$POSTFIX"
		touch "$T/go"
		wait $job
		like "$src: the open session stays with the daemon" "$(cat "$T/mid")" "$DAEMON"
		like "$src: and delivers" "$(cat "$T/mid")" "$STORED"

		rm -f "$T/in" "$T/go"
		talk "$src" "$dst" 'EHLO client.example.org' 'MAIL FROM:<mid2@sender.example>' ":touch $T/in" \
			":await $T/go" 'RCPT TO:<user2@example.net>' DATA ':body -' QUIT >"$T/mid" &
		job=$!
		wait_for 10 test -e "$T/in"
		check "$src: deny acts while its session is open" gg deny "$src" --action drop_new
		like "$src: a new connection is dropped" "$(TALK_TIMEOUT=1.5 hello "$src")" "$DROPPED"
		touch "$T/go"
		wait $job
		like "$src: the open session stays with Postfix" "$(cat "$T/mid")" "$POSTFIX"
		like "$src: and delivers" "$(cat "$T/mid")" "$STORED"
		gg deny "$src" --action reject >/dev/null
		out=$(talk "$src" "$dst" 'EHLO client.example.org' 'MAIL FROM:<mid@sender.example>' \
			'RCPT TO:<user2@example.net>' QUIT)
		like "$src: action reject gives it to the daemon, with a reason" "$out" '^S: 554 5\.7\.1 .*ticket'
		gg forget "$src" >/dev/null
		like "$src: forgotten, it is a stranger again" "$(hello "$src")" "$DAEMON"
	done
}

# The daemon was killed; 203.0.113.66 is denied with drop_new.
scene_down_open() {
	local src
	for src in 203.0.113.8 2001:db8:78::8; do
		check "$src: kill -9, when_down = open: a stranger reaches Postfix" wait_for 15 answers "$src" "$POSTFIX"
		like "$src: and is served" "$(attempt "$src" "$(server_for "$src")" down@sender.example user4@example.net)" "$STORED"
	done
	like "a drop_new verdict stays in force" "$(TALK_TIMEOUT=1.5 hello 203.0.113.66)" "$DROPPED"
	like "an allowed source still meets Postfix" "$(hello 192.0.2.7)" "$POSTFIX"
}

scene_down_closed() {
	local src
	CLOSED='^T: connect <(refused|timeout)>'
	closed() { TALK_TIMEOUT=2 hello "$1" | grep -qE "$CLOSED"; }
	for src in 203.0.113.8 2001:db8:78::8; do
		check "$src: when_down = closed: a stranger is refused" wait_for 15 closed "$src"
	done
	like "when_down = closed: an allowed source still meets Postfix" "$(hello 192.0.2.7)" "$POSTFIX"
}

# The daemon of $gate_pid stops and is detached: the gate is as it was when $rules were read.
scene_end() { # name
	kill -TERM "$gate_pid"
	check "$1: it stops" wait_for 20 gone "$gate_pid"
	check "$1: no process is left" wait_for 5 no_processes
	check "$1: detach" on gate "$BUILD/greygate" -c "$T/greygate.conf" detach
	is "$1: nothing is pinned" "$(pins)" 0
	is "$1: no rule or route is left" "$(routing)" "$rules"
	unlike "$1: no program is left" "$(on gate bpftool net)" greygate
	rm -rf "$T/state"
}
no_processes() { ! pgrep -f "greygated -c $T/"; }
# The rules, and what routes there are in tables that nobody else made.
routing() {
	{
		ip -n gate rule show; ip -n gate -6 rule show
		{ ip -n gate route show table all; ip -n gate -6 route show table all; } | grep 'table [0-9]'
	} | sort
}
