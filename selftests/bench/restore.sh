#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Row restore: how long greygated takes to start with LEARNED learned sources in its store: where nothing is
# pinned (the first start after a boot), and where the pins of a daemon that was killed are taken over. Until
# it says that it is ready, which it does when all of them are in the kernel's maps and in the hot index.
# JSON to $raw. run.sh calls it, in namespaces of its own.
set -u
. selftests/bench/servers.sh
. selftests/bench/nets.sh
learned=${LEARNED:-1000000}

machine_new client; machine_new server
wire client c0 server s0
on server ip addr add $mail/24 dev s0
"$BUILD/selftests/bench/shelve" "$work/learned" "$learned" >/dev/null || fail "shelve"
kernel_path_config host '"s0"' "listen = {\"$mail:2525\"} backend = {\"$mail:25\"} limit { hosts = $learned }"
dir=$work/greygated
install -o nobody -m 600 "$work/learned/store" "$dir/state/store"

# Prints {"seconds": until it is ready, "cpu": of all its threads until then, "pid"}; it runs on.
cat >"$work/begin.py" <<'END'
import os, socket, subprocess, sys, time
path = sys.argv[1]
ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
ready.bind(path)
os.chmod(path, 0o666)  # the daemon is "nobody" by then
ready.settimeout(60)
begin = time.monotonic()
daemon = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL, env=dict(os.environ, NOTIFY_SOCKET=path))
while b"READY=1" not in ready.recv(4096):
    pass
took = time.monotonic() - begin
with open(f"/proc/{daemon.pid}/stat") as f:
    ticks = sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
os.unlink(path)
print(f'{{"seconds": {took:.3f}, "cpu": {ticks / os.sysconf("SC_CLK_TCK"):.2f}, "pid": {daemon.pid}}}')
END
turn() { # pins repetition
	local result
	result=$(on server python3 "$work/begin.py" "$work/ready" "$BUILD/greygated" -f -c "$dir/greygate.conf" 2>"$dir/log") ||
		fail "greygated did not start: $(tail -n 3 "$dir/log")"
	server_pid=$(figure "$result" pid)
	grep -q "\"event\":\"start\".*\"verdicts\":$learned," "$dir/log" || fail "not all were restored"
	! grep -q 'kernel maps:' "$dir/log" || fail "$(grep 'kernel maps:' "$dir/log")"
	echo "  $2: $1: $(figure "$result" seconds) s, CPU $(figure "$result" cpu) s"
	echo "{\"row\": \"restore\", \"learned\": $learned, \"pins\": \"$1\", \"repetition\": $2, \"result\": $result}" >>"$raw"
}
for ((n = 1; n <= ${REPETITIONS:-3}; n++)); do
	turn none $n
	kill -9 "$server_pid"; wait_end "$server_pid"
	turn kept $n
	kernel_path_stop server
done
