# SPDX-License-Identifier: GPL-2.0-or-later
# Networks for the rows of the kernel path, for them to source after servers.sh: machines that are network
# namespaces without a name, so that they end with the processes that hold them. All are below $work.

# The clients' addresses; the mail server's.
network=10.64.0.0/24
mail=10.10.0.25

declare -A machine
machine_new() { # name
	unshare --net sleep infinity &
	machine[$1]=$!
	until [ "$(readlink /proc/${machine[$1]}/ns/net)" != "$(readlink /proc/self/ns/net)" ] &&
		[ "$(cat /proc/${machine[$1]}/comm)" = sleep ]; do
		kill -0 "${machine[$1]}" || fail "no network namespace for $1"
		sleep 0.01
	done
	on "$1" ip link set lo up
	on "$1" sysctl -qw net.ipv4.tcp_max_tw_buckets=20000 net.core.somaxconn=4096
}
on() { # machine command...
	local m=$1; shift
	nsenter --net=/proc/${machine[$m]}/ns/net "$@"
}

# wire a a0 b b0: a cable from machine a to b. Two queues: what one CPU sends leaves room for the other.
wire() {
	on "$1" ip link add "$2" numtxqueues 2 numrxqueues 2 type veth \
		peer name "$4" numtxqueues 2 numrxqueues 2 netns "/proc/${machine[$3]}/ns/net" &&
		on "$1" ip link set "$2" up && on "$3" ip link set "$4" up || fail "no cable $2 - $4"
}

mac_of() { on "$1" ip -br link show "$2" | awk '{ print $3 }'; } # machine interface

# Clients at c0 of the machine `client`: any address of the network is theirs.
clients_at() { # gateway's address, own address/len
	on client ip addr add "$2" dev c0
	on client ip route add local "$network" dev lo
	on client ip route add default via "$1"
}

# In the background, ready when it says so; $started is its pid, its output in $work/NAME.
begin() { # machine name command...
	local m=$1 name=$2 try; shift 2
	: >"$work/$name"
	nsenter --net=/proc/${machine[$m]}/ns/net "$@" >"$work/$name" &
	started=$!
	for try in $(seq 100); do
		grep -q ready "$work/$name" && return 0
		kill -0 "$started" 2>/dev/null || break
		sleep 0.05
	done
	fail "$name did not start"
}

figure() { # JSON key
	sed -n "s/.*\"$2\": *\([0-9.]*\).*/\1/p" <<<"$1"
}

# The place of a greygated on a machine that has interfaces; arguments: mode, interfaces, what else stands in
# the config.
kernel_path_config() {
	local dir=$work/greygated
	rm -rf "$dir/state" # what another row has allowed
	mkdir -p "$dir/state" "$dir/run" "$dir/bpf"
	mountpoint -q "$dir/bpf" || mount -t bpf bpf "$dir/bpf"
	chown nobody "$dir/state" "$dir/run"
	cat >"$dir/greygate.conf" <<-END
		hostname   = "bench.example"
		mode       = $1
		interfaces = {$2}
		xdp        = native
		protect    = {"$mail:25"}
		state_dir  = "$dir/state"
		control    = "$dir/run/control.sock"
		bpffs      = "$dir/bpf/greygate"
		user       = "nobody"
		dns { servers = {"127.0.0.1:9"} }
		$3
	END
	greygated_control=$dir/run/control.sock
}
kernel_path_start() { # machine, and those
	local m=$1 dir=$work/greygated try; shift
	kernel_path_config "$@"
	nsenter --net=/proc/${machine[$m]}/ns/net "$BUILD/greygated" -f -c "$dir/greygate.conf" 2>"$dir/log" &
	server_pid=$!
	for try in $(seq 100); do
		gg status >/dev/null 2>&1 && return 0
		kill -0 "$server_pid" 2>/dev/null || break
		sleep 0.1
	done
	tail -n 5 "$dir/log" >&2
	fail "greygated did not start"
}
kernel_path_stop() { # machine
	kill -TERM "$server_pid"; wait_end "$server_pid"
	on "$1" "$BUILD/greygate" -c "$work/greygated/greygate.conf" detach >/dev/null || fail "detach failed"
}
gg() { "$BUILD/greygate" -s "$greygated_control" "$@"; }
stat_of() { gg stats --json | python3 -c 'import json, sys
def find(o):
    if isinstance(o, dict):
        for k, v in o.items():
            if k == sys.argv[1] and not isinstance(v, (dict, list)):
                print(v)
            find(v)
find(json.load(sys.stdin))' "$1" | head -n 1; }
# Every host of the clients' network, each with an entry of its own, as what is learned has.
allow_all() {
	local d
	for d in $(seq 0 255); do gg allow "10.64.0.$d" >/dev/null || fail "allow 10.64.0.$d"; done
	gg allow 10.10.0.1 >/dev/null # where the load generator asks whether the server is there
}
