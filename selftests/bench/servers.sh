# SPDX-License-Identifier: GPL-2.0-or-later
# The servers that are measured, for the row scripts to source. NAME_start returns when the server greets;
# NAME_stop ends it. server_pid is its process; cpu_pid the one whose CPU is the whole server's, 0 when
# there is none. All their files are below $work.

greygated_address=127.0.0.1:2525
responder_address=127.0.0.1:2526
postfix_address=127.0.0.1:2527
haproxy_address=127.0.0.1:2528
s_server_address=127.0.0.1:2530
sink_address=127.0.0.1:2599

fail() { echo "bench: $*" >&2; exit 1; }

wait_greeting() { # address seconds log
	local limit=$((SECONDS + $2)) line
	while [ $SECONDS -lt $limit ]; do
		if exec 3<>"/dev/tcp/${1%:*}/${1#*:}"; then
			read -r -t 3 -n 3 line <&3 || line=
			exec 3>&-
			[ "$line" = 220 ] && return 0
		fi 2>/dev/null
		sleep 0.1
	done
	[ -e "$3" ] && tail -n 20 "$3" >&2
	fail "nothing greets at $1 after $2 s"
}

wait_end() { # pid
	local try
	for try in $(seq 200); do
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.05
	done
	echo "bench: process $1 did not end, killing it" >&2
	kill -9 "$1"
}

# ---- greygated; arguments: the stutter section, then more lines of config. $greygated_seed, where it is
# set, is called with the state directory before it starts ----

greygated_start() {
	local dir=$work/greygated
	rm -rf "$dir"; mkdir -p "$dir/state" "$dir/run"
	[ -z "${greygated_seed-}" ] || $greygated_seed "$dir/state" || fail "$greygated_seed"
	chown -R nobody "$dir"
	cat >"$dir/greygate.conf" <<-END
		hostname   = "bench.example"
		mode       = relay
		interfaces = {}
		xdp        = off
		listen     = {"$greygated_address"}
		backend    = {"$sink_address"}
		state_dir  = "$dir/state"
		control    = "$dir/run/control.sock"
		user       = "nobody"
		stutter { $1 }
		dns { servers = {"127.0.0.1:9"} }
		${2-}
	END
	greygated_control=$dir/run/control.sock
	"$BUILD/greygated" -f -c "$dir/greygate.conf" 2>"$dir/log" &
	server_pid=$! cpu_pid=$!
	# A stuttered banner comes slowly, but its first three bytes come.
	wait_greeting $greygated_address 15 "$dir/log"
}

greygated_stop() { kill -TERM "$server_pid"; wait_end "$server_pid"; }

# ---- the do-nothing responder ----

responder_start() {
	"$BUILD/selftests/bench/responder" $responder_address &
	server_pid=$! cpu_pid=$!
	wait_greeting $responder_address 5 /nonexistent
}

responder_stop() { kill "$server_pid"; wait_end "$server_pid"; }

# ---- Postfix smtpd with postgrey as its policy service ----
# Tuned to be fast at deferring: many processes that live long, no DNS, no TLS, no rate counting.

postfix_start() {
	local dir=$work/postfix
	rm -rf "$dir"; mkdir -p "$dir/etc" "$dir/spool" "$dir/data" "$dir/grey"
	chown postfix "$dir/data"; chown postgrey:postgrey "$dir/grey"
	cat >"$dir/etc/main.cf" <<-END
		compatibility_level = 3.6
		queue_directory = $dir/spool
		data_directory = $dir/data
		maillog_file = $dir/mail.log
		maillog_file_prefixes = $work
		myhostname = bench.example
		mydestination =
		relay_domains = example.net
		relay_transport = discard:
		alias_maps =
		local_recipient_maps =
		mynetworks = 127.0.0.1/32
		inet_interfaces = 127.0.0.1
		inet_protocols = ipv4
		smtpd_peername_lookup = no
		smtpd_relay_restrictions = reject_unauth_destination
		smtpd_recipient_restrictions = check_policy_service unix:$dir/grey/socket
		smtpd_client_connection_count_limit = 0
		smtpd_hard_error_limit = 20
		smtpd_tls_security_level = none
		default_process_limit = $1
		max_use = 10000
	END
	cat >"$dir/etc/master.cf" <<-END
		${postfix_address} inet n - n - - smtpd
		rewrite   unix  -  - n - - trivial-rewrite
		anvil     unix  -  - n - 1 anvil
		postlog   unix-dgram n - n - 1 postlogd
	END
	postgrey --unix="$dir/grey/socket" --dbdir="$dir/grey" --delay=300 --user=postgrey --group=postgrey \
		--listen-queue-size=1024 >"$dir/postgrey.log" 2>&1 &
	postgrey_pid=$!
	until [ -S "$dir/grey/socket" ]; do
		kill -0 $postgrey_pid 2>/dev/null || { cat "$dir/postgrey.log" >&2; fail "postgrey did not start"; }
		sleep 0.1
	done
	postfix -c "$dir/etc" start >"$dir/start.log" 2>&1 || { cat "$dir/start.log" >&2; fail "Postfix did not start"; }
	read -r server_pid <"$dir/spool/pid/master.pid"
	cpu_pid=0
	wait_greeting $postfix_address 15 "$dir/mail.log"
}

postfix_stop() {
	kill -TERM "$server_pid"; wait_end "$server_pid"
	kill "$postgrey_pid"; wait_end "$postgrey_pid"
}

# ---- what mail is relayed to, and who else relays ----

sink_start() {
	smtp-sink -u nobody -m 2000 $sink_address 1024 2>"$work/sink.log" &
	sink_pid=$!
	wait_greeting $sink_address 5 "$work/sink.log"
}

# As it comes: no splice, a thread for each CPU.
haproxy_start() {
	cat >"$work/haproxy.cfg" <<-END
		defaults
		  mode tcp
		  timeout connect 5s
		  timeout client 60s
		  timeout server 60s
		frontend in
		  bind $haproxy_address
		  default_backend out
		backend out
		  server sink $sink_address
	END
	haproxy -f "$work/haproxy.cfg" -db >"$work/haproxy.log" 2>&1 &
	server_pid=$!
	wait_greeting $haproxy_address 5 "$work/haproxy.log"
}

# One thread, one connection at a time. -www: it does not read its standard input.
s_server_start() {
	openssl s_server -accept $s_server_address -cert "$work/certificate.pem" -key "$work/key.pem" -www -quiet \
		-no_ticket -num_tickets 0 >"$work/s_server.log" 2>&1 &
	server_pid=$!
	sleep 0.5
	kill -0 $server_pid || fail "s_server did not start: $(cat "$work/s_server.log")"
}
