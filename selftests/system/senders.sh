# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Exim and OpenSMTPD as senders with queues of their own, for tests to source after lib.sh. Their programs
# are in $BUILD/peers (selftests/peers); the paths and users that are compiled into them exist in the
# test's mount namespace only.
PEERS=$BUILD/peers

# False, with the reason in $senders_why: they can't run here.
senders_ready() {
	[ -x "$PEERS/usr/sbin/exim4" ] && [ -x "$PEERS/usr/sbin/smtpd" ] ||
		{ senders_why="Exim and OpenSMTPD are not in $PEERS: make deps"; return 1; }
	local d name id=64990
	for d in etc var; do
		mkdir -p "$T/over/$d/upper" "$T/over/$d/scratch"
		mount -t overlay greygate-$d -o "lowerdir=/$d,upperdir=$T/over/$d/upper,workdir=$T/over/$d/scratch" /$d ||
			{ senders_why="no overlay can be mounted on /$d"; return 1; }
	done
	# /var/run is a link out of the overlay: a socket there would be everybody's.
	rm -f /var/run && mkdir -p /var/run /var/lib/opensmtpd/empty /etc/exim4
	for name in Debian-exim opensmtpd opensmtpq; do
		getent group $name >/dev/null || echo "$name:x:$id:" >>/etc/group
		getent passwd $name >/dev/null || echo "$name:x:$id:$id::/nonexistent:/usr/sbin/nologin" >>/etc/passwd
		id=$((id + 1))
	done
}

# exim_new NAME NAMESPACE SOURCE GATE may|encrypt [main option...]: takes mail on 127.0.0.1:10025 of the
# namespace and hands it to GATE, from SOURCE; a deferred one again after 2 s. Its queue and logs: $T/NAME.
exim_new() {
	local d=$T/$1 ns=$2 source=$3 gate=$4 tls=$5; shift 5
	mkdir -p "$d/spool"
	cp --remove-destination "$PEERS/usr/sbin/exim4" "$d"
	chown -R Debian-exim:Debian-exim "$d/spool"
	chown Debian-exim "$d"
	cat >/etc/exim4/exim4.conf <<-END
		exim_path = $d/exim4
		spool_directory = $d/spool
		log_file_path = $d/%slog
		primary_hostname = exim.client.example
		local_interfaces = 127.0.0.1
		daemon_smtp_ports = 10025
		keep_environment =
		tls_advertise_hosts =
		dsn_advertise_hosts = *
		smtputf8_advertise_hosts = *
		acl_smtp_rcpt = acl_all
		$(printf '%s\n' "$@")
		begin acl
		acl_all:
		  accept
		begin routers
		gate:
		  driver = manualroute
		  route_list = * "<+ $gate"
		  transport = gate
		  self = send
		begin transports
		gate:
		  driver = smtp
		  interface = <+ $source
		  hosts_try_dane =
		  $([ "$tls" = encrypt ] && echo 'hosts_require_tls = *')
		begin retry
		* * F,1h,2s
	END
	start_on "$ns" "$d/exim4" -bdf -q2s >"$d/start.log" 2>&1
	echo "$started" >"$d/pid"
	wait_for 5 sender_up "$ns" 10025 || { note "$(cat "$d/start.log" "$d/paniclog" 2>/dev/null)"; return 1; }
}
# It stops, its queue stays; a new one of the same name goes on with it.
exim_stop() { kill -TERM "$(cat "$T/$1/pid")"; wait_for 5 sender_down "$2" 10025; } # NAME NAMESPACE
exim_queue() { "$T/$1/exim4" -bpc; } # NAME: how many wait

# opensmtpd_new NAME NAMESPACE SOURCE GATE may|encrypt: the same on port 10026. It retries after minutes, or
# with opensmtpd_retry NAME at once.
opensmtpd_new() {
	local d=$T/$1 ns=$2 source=$3 gate=$4 scheme=smtp
	[ "$5" = encrypt ] && scheme=smtp+tls
	mkdir -p "$d"
	cp --remove-destination "$PEERS/usr/sbin/smtpd" "$PEERS/usr/sbin/smtpctl" "$d"
	chgrp opensmtpq "$d/smtpctl" && chmod 2755 "$d/smtpctl"
	cat >"$d/smtpd.conf" <<-END
		listen on 127.0.0.1 port 10026 hostname opensmtpd.client.example
		action gate relay host "$scheme://$gate" src "$source" helo opensmtpd.client.example
		match from any for any action gate
	END
	echo opensmtpd.client.example >/etc/mailname
	start_on "$ns" "$d/smtpd" -d -f "$d/smtpd.conf" >>"$d/maillog" 2>&1
	echo "$started" >"$d/pid"
	wait_for 5 sender_up "$ns" 10026 || { note "$(cat "$d/maillog")"; return 1; }
}
opensmtpd_stop() { # NAME NAMESPACE
	kill -TERM "$(cat "$T/$1/pid")"
	wait_for 5 sender_down "$2" 10026
}
opensmtpd_retry() { "$T/$1/smtpctl" schedule all >/dev/null 2>&1; }
opensmtpd_queue() { "$T/$1/smtpctl" show queue 2>/dev/null | wc -l; }

sender_down() { ! sender_up "$@"; }
sender_up() { on "$1" bash -c "exec 3<>/dev/tcp/127.0.0.1/$2"; }
