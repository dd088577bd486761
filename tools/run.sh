#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What `make run` calls: greygated in the foreground until Ctrl-C, then everything it attached is
# taken away again. Without an argument it runs a small set-up of its own under ./run: relay mode on
# port 2525 of loopback, short delays, and `greygate sink` as the mail server. With a configuration
# file as its argument it runs that.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
conf=${1:-}
dir=$PWD/run
daemon='' sink='' kept=''

die() { echo "run: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "attaching kernel programs needs root: sudo make run"
[ -x "$BUILD/greygated" ] && [ -x "$BUILD/greygate" ] || die "$BUILD/greygated is missing: make"

finish() {
	trap '' INT TERM
	if [ -n "$daemon" ]; then
		kill -TERM "$daemon" 2>/dev/null
		wait "$daemon" 2>/dev/null
		"$BUILD/greygate" -c "$kept" detach
	fi
	if [ -n "$sink" ]; then
		kill -TERM "$sink" 2>/dev/null
		wait "$sink" 2>/dev/null
	fi
	rm -f "$kept"
}

if [ "$(stat -f -c %T /sys/fs/bpf 2>/dev/null)" != bpf_fs ]; then
	mount -t bpf bpf /sys/fs/bpf || echo "run: no BPF file system on /sys/fs/bpf; trying without" >&2
fi

own=
if [ -z "$conf" ]; then
	own=1
	conf=$dir/greygate.conf
	mkdir -p "$dir/state" || exit 1
	cat >"$conf" <<-END
		# Written by make run. The delays are short enough to watch.
		hostname   = "greygate.example"
		mode       = relay
		interfaces = {"lo"}
		listen     = {"127.0.0.1:2525", "[::1]:2525"}
		backend    = {"127.0.0.1:2526"}
		state_dir  = "$dir/state"
		control    = "$dir/control.sock"
		user       = "$(id -un)"
		contact    = "postmaster@greygate.example"
		log        = text
		drain_time = 2s
		stutter  { first = 3s  interval = 100ms }
		greylist { delay_clean = 10s  delay = 10s  delay_suspicious = 10s  jitter = 0 }
		limit    { hosts = 10k  nets = 1k }
	END
fi
"$BUILD/greygated" -t -c "$conf" || exit 1
pid_there() { # of the daemon that answers for this configuration
	"$BUILD/greygate" -c "$conf" status --json 2>/dev/null | grep -oE '"pid": *[0-9]+' | head -n 1 | grep -oE '[0-9]+'
}
there=$(pid_there)
[ -z "$there" ] || die "$conf: process $there runs with it already; stop that one: Ctrl-C where it was started, or sudo kill $there"
# The file may be edited, and be wrong, by the time everything has to be found again.
kept=$(mktemp) && cp "$conf" "$kept" || exit 1
trap finish EXIT
trap 'exit 0' INT TERM

# Programs of their own process group: Ctrl-C reaches this script alone, which ends them in order.
set -m
if [ -n "$own" ]; then
	"$BUILD/greygate" sink --listen 127.0.0.1:2526 --maildir "$dir/maildir" &
	sink=$!
fi
"$BUILD/greygated" -f -c "$conf" &
daemon=$!
set +m

up=
for _ in {1..100}; do
	kill -0 "$daemon" 2>/dev/null || break
	[ "$(pid_there)" = "$daemon" ] && up=1 && break
	sleep 0.1
done
# Without its mail server the set-up has nothing to show; who has the port was said by the sink.
if [ -n "$own" ] && ! kill -0 "$sink" 2>/dev/null; then
	die "the mail server of this set-up (127.0.0.1:2526) did not start"
fi
if [ -n "$own" ] && [ -n "$up" ]; then
	cat <<-END

	greygate is up. From another terminal, twice, 10 seconds apart (the first try is deferred,
	the second one is delivered into run/maildir/new):

	    swaks --server 127.0.0.1:2525 --from alice@example.org --to bob@example.net

	(a source that passed before goes through at once; to begin anew:
	sudo $BUILD/greygate -c run/greygate.conf forget 127.0.0.1), and to see what it knows:

	    sudo $BUILD/greygate -c run/greygate.conf status

	Ctrl-C stops it.

	END
fi
wait "$daemon"
rc=$?
exit $rc
