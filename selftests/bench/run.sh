#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make bench: measures each row, prints the table of targets and how long each row took, writes bench.json.
# BENCH=name for one row.
# Every row has network and process namespaces of its own: whatever it starts ends with it. Exit 0 when
# everything asked for was measured, whether or not it met its target; 1 when a row could not run.
set -u
cd "$(dirname "$0")/../.." || exit 1
rows="greylist stutter relay tls xdp decide expire host gateway tarpit synflood lists restore"
BUILD=$(realpath "${BUILD:-build}")
failed=0
row_limit=300 # s
export BUILD work raw

case " $rows " in
*" ${BENCH:-xdp} "*) rows=${BENCH:-$rows} ;;
*) echo "bench: no row \"$BENCH\"; the rows are: $rows" >&2; exit 1 ;;
esac
if [ "$(id -u)" != 0 ]; then
	echo "bench: namespaces and XDP need root: sudo make bench" >&2
	exit 1
fi
# Where every user may pass, since the servers drop their privileges, and on a real disk.
work=$(mktemp -d /var/tmp/greygate-bench.XXXXXX) && chmod 755 "$work" || exit 1
raw=$work/raw
: >"$raw"
child=
cleanup() {
	# timeout leads a process group; with the first process of the row's namespace all others end.
	[ -z "$child" ] || { kill -9 -- "-$child"; wait "$child"; } 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

busy() { # percent of the machine that others use
	local a b
	read -r -a a </proc/stat; sleep 1; read -r -a b </proc/stat
	local idle=$((b[4] + b[5] - a[4] - a[5])) all=0 i
	for i in 1 2 3 4 5 6 7 8; do all=$((all + b[i] - a[i])); done
	echo $((100 - 100 * idle / all))
}

# For report.py: how long the row took, and what was in its way.
took() { # row seconds trouble
	echo "{\"row\": \"$1\", \"seconds\": $2, \"trouble\": \"$3\"}" >>"$work/times"
}

needs() { # row: prints the programs that are not there
	local p
	case $1 in
	greylist) set -- "$BUILD/greygated" "$BUILD/selftests/bench/loadgen" "$BUILD/selftests/bench/responder" \
		postfix postgrey ;;
	stutter) set -- "$BUILD/greygated" "$BUILD/greygate" "$BUILD/selftests/bench/hold" ;;
	relay) set -- "$BUILD/greygated" haproxy smtp-source smtp-sink ;;
	tls) set -- "$BUILD/greygated" "$BUILD/greygate" "$BUILD/selftests/bench/shake" openssl ;;
	xdp) set -- "$BUILD/selftests/bench/xdp" nft xdp-filter ;;
	lists) set -- "$BUILD/greygated" "$BUILD/greygate" "$BUILD/selftests/bench/frames" \
		"$BUILD/selftests/bench/responder" ;;
	host | gateway | tarpit | synflood) set -- "$BUILD/greygated" "$BUILD/greygate" \
		"$BUILD/selftests/bench/frames" "$BUILD/selftests/bench/loadgen" ethtool bpftool nsenter ;;
	restore) set -- "$BUILD/greygated" "$BUILD/greygate" "$BUILD/selftests/bench/shelve" nsenter ;;
	expire) set -- "$BUILD/greygated" "$BUILD/greygate" "$BUILD/selftests/bench/loadgen" \
		"$BUILD/selftests/bench/shelve" "$BUILD/selftests/bench/letgo" ;;
	decide) set -- "$BUILD/selftests/bench/decide" "$BUILD/greygate" ;;
	esac
	for p; do command -v "$p" >/dev/null || echo " $p"; done
}

PATH=$PATH:/usr/sbin:/sbin
[ "$(stat -f -c %T "$work")" != tmpfs ] || echo "bench: /var/tmp is in RAM: the durable store costs nothing here"
echo "bench: $(nproc) CPUs, Linux $(uname -r), others use $(busy) % of the machine"
k=0 n=$(wc -w <<<"$rows") SECONDS=0
for row in $rows; do
	k=$((k + 1))
	missing=$(needs "$row" | tr -d '\n')
	if [ -n "$missing" ]; then
		echo "$row ($k of $n): not measured, missing:$missing (make deps; make)" >&2
		took "$row" null "missing:$missing"
		failed=1
		continue
	fi
	printf '%s (%d of %d, after %d:%02d):\n' "$row" $k "$n" $((SECONDS / 60)) $((SECONDS % 60))
	case $row in
	xdp) set -- sh -c "'$BUILD/selftests/bench/xdp' 100000 && '$BUILD/selftests/bench/xdp' 1000000" ;;
	*) set -- "selftests/bench/$row.sh" ;;
	esac
	# The xdp program's own words are its table again: wanted only when it fails.
	if [ "$row" = xdp ]; then exec 4>"$work/xdp" 5>"$work/error"; else exec 4>&1 5>&2; fi
	begin=$EPOCHREALTIME
	timeout -s KILL $row_limit unshare --net --pid --fork --kill-child --mount-proc "$@" >&4 2>&5 &
	child=$!
	wait $child
	rc=$?
	child= trouble=
	seconds=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
	if [ $rc != 0 ]; then
		[ "$row" != xdp ] || cat "$work/error" >&2
		trouble="exit code $rc"
		[ $rc != 137 ] || trouble="killed, or not done after $row_limit s"
		echo "$row: could not be measured ($trouble)" >&2
		failed=1
	fi
	took "$row" "$seconds" "$trouble"
done
python3 selftests/bench/report.py "$work" bench.json || failed=1
exit $failed
