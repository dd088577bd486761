#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SIGUSR2 in the middle of an import: the list is put in force as a whole before the new process takes over,
# or refused with a word; nobody who is on the list before and after it gets in meanwhile.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
backend_up mail $MAIL4,25 "$T/mail" || bail "a mail server"
limit="per_source = 1000  new_per_source = 0  new_per_cpu = 0"
gate_conf
gate_start || bail "greygated starts"

list_of() { # 26 or 27: so many bits have its 100000 prefixes of IPv4, and twice as many its 10000 of IPv6
	$PYTHON - "$1" <<-'END'
		import ipaddress, sys
		bits = int(sys.argv[1])
		print("203.0.113.0/25\n2001:db8:77::/64")
		for i in range(100000):
		    print("%s/%d" % (ipaddress.ip_address(0x0a000000 + i * 64), bits))
		for i in range(10000):
		    print("%s/%d" % (ipaddress.ip_address((0xfd00 << 112) + (i << 80)), 2 * bits))
	END
}
for bits in 26 27; do list_of $bits >"$T/list$bits"; done
check "a long list" gg import blocked "$T/list26" --verdict deny --action drop_new

# How many prefixes of each text the programs have in force: 26 27 52 54
in_force() {
	bpftool -j map dump pinned "$PIN/net4" >"$T/net4" && bpftool -j map dump pinned "$PIN/net6" >"$T/net6"
	for bits in 4:26 4:27 6:52 6:54; do grep -o "\"prefixlen\":${bits#*:}," "$T/net${bits%:*}" | wc -l; done | xargs
}
declare -A whole=([26]="100000 0 10000 0" [27]="0 100000 0 10000")

# ---- who is on both knocks all the while ----
knock() { # source server
	on client $PYTHON - "$1" "$2" "$T" <<-'END'
		import os, socket, sys
		source, gate, place = sys.argv[1:]
		into = tries = 0
		while not os.path.exists(place + "/stop"):
		    with socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET) as s:
		        s.bind((source, 0))
		        s.settimeout(0.1)
		        into += s.connect_ex((gate, 25)) == 0
		    tries += 1
		    open("%s/knocked-%s" % (place, source), "w").close()
		print("%d of %d" % (into, tries))
	END
}
knockers=
for src in 203.0.113.7 2001:db8:77::7; do
	knock $src "$(server_for $src)" >"$T/in-$src" &
	knockers="$knockers $!"
	check "$src knocks" wait_for 10 test -e "$T/knocked-$src"
done

# ---- upgrades at each moment of an import ----
REFUSED='not imported: the daemon is being upgraded.*repeat it'
before=26
for after in 0 0.3 0.9; do
	next=$((53 - before))
	old=$gate_pid
	gg import blocked "$T/list$next" >"$T/said" 2>&1 &
	job=$!
	# Not a wait for anything: the moment is what differs.
	sleep $after
	kill -USR2 "$old"
	if wait $job; then
		like "after $after s: imported" "$(cat "$T/said")" '^blocked: 110002 entries in force; added 110000, removed 110000, changed 0, unchanged 2'
		before=$next
	else
		like "after $after s: refused, with what to do" "$(xargs <"$T/said")" "$REFUSED"
	fi
	check "after $after s: a new process takes over" wait_for 30 is_another "$old"
	gate_pid=$(pid_now)
	is "after $after s: the kernel has that list and nothing else" "$(in_force)" "${whole[$before]}"
	is "after $after s: so has the daemon" "$(gg explain 10.0.0.40 | grep -c 'deny by list blocked')" $((27 - before))
	check "after $after s: the old process ends" wait_for 10 gone "$old"
done
touch "$T/stop"
# shellcheck disable=SC2086
wait $knockers
for src in 203.0.113.7 2001:db8:77::7; do like "$src never got in" "$(cat "$T/in-$src")" '^0 of [1-9]'; done
is "no upgrade was refused" "$(logged event=upgrade verdict=refused | wc -l)" 0

# ---- a new process that does not come ----
cp "$T/greygate.conf" "$T/good.conf"
echo 'nonsense = 1' >>"$T/greygate.conf"
at=$(log_size)
kill -USR2 "$gate_pid"
check "a successor that fails" wait_for 20 logged "+$at" event=upgrade verdict=refused
cp "$T/good.conf" "$T/greygate.conf"
check "an import goes on as before" gg import blocked "$T/list$((53 - before))"
is "and is in force" "$(in_force)" "${whole[$((53 - before))]}"
check "and can be removed" gg import blocked --remove
is "from the kernel, too" "$(in_force)" "0 0 0 0"

# ---- a list that could not be written down ----
chmod 500 "$T/state/lists" && chown root "$T/state/lists"
for src in 10.0.0.40 2001:db8:28::1; do echo $src; done >"$T/unkept"
check "a list that can't be written down is in force" gg import unkept "$T/unkept" --action drop_new
at=$(log_size)
kill -USR2 "$gate_pid"
check "the upgrade that would lose it" wait_for 20 logged "+$at" event=upgrade verdict=refused
like "says so" "$(logged "+$at" event=upgrade verdict=refused)" "list unkept would be lost: .*Permission denied"
like "it stays in force" "$(gg explain 10.0.0.40)" 'deny by list unkept'
chown $GATE_USER "$T/state/lists" && chmod 700 "$T/state/lists"
check "written down after all" gg import unkept "$T/unkept" --action drop_new
old=$gate_pid
kill -USR2 "$old"
check "the upgrade takes place" wait_for 30 is_another "$old"
gate_pid=$(pid_now)
like "and the list is in force" "$(gg explain 2001:db8:28::1)" 'deny by list unkept'
kill -TERM "$gate_pid"
check "it stops" wait_for 10 gone "$gate_pid"
