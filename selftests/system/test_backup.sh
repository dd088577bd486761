#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# greygate backup and restore: with the daemon at work, without it, and what is no backup.
# shellcheck source=selftests/system/lib.sh
. "$(dirname "$0")/lib.sh"

net_up || bail "network namespaces"
interfaces='"g0"' gate_conf
gate_start || bail "greygated starts"
ggc() { on gate "$BUILD/greygate" -c "$T/greygate.conf" "$@"; }
SRC=192.0.2.7
grey() { attempt $SRC $GATE4 "$1@sender.example" user1@example.net; }

gg deny 203.0.113.66 --reason 'sold my address' >/dev/null
gg deny 198.18.0.0/24 --action drop_new >/dev/null
gg allow 2001:db8:77::7 >/dev/null
gg trap add old@example.net >/dev/null
like "a first attempt" "$(grey one)" '^S: 451 4\.7\.1 Greylisted'
grey_is() { [ "$(gg list grey --json | wc -l)" = "$1" ]; }
check "it is on the disk, and so is what came before it" wait_for 5 grey_is 1
check "backup, with the daemon at work" ggc backup "$T/copy"
is "mode 0600" "$(stat -c %a "$T/copy")" 600
like "it says how large it is, also to programs" "$(ggc --json backup "$T/copy")" '"bytes": ?[1-9][0-9]+'
refuse "a place that is not there" ggc backup "$T/no/such/copy"

# ---- what was lost comes back, what was said since stands ----
for a in 203.0.113.66 198.18.0.0/24 2001:db8:77::7; do gg forget $a >/dev/null; done
gg trap del old@example.net >/dev/null
gg forget $SRC >/dev/null
gg allow 2001:db8:77::7 --reason since >/dev/null
refuse "they are forgotten" map_is 203.0.113.66 GG_DENY
out=$(ggc restore "$T/copy")
like "restore says what it added" "$out" 'added: 2 verdicts, 1 traps, 0 correspondents, [1-9][0-9]* records'
like "and what it kept" "$out" 'kept: 1 '
check "the kernel knows again" map_is 203.0.113.66 GG_DENY
like "the reason is there again" "$(gg list deny)" '203\.0\.113\.66 .*sold my address'
like "the network too" "$(gg list deny)" '198\.18\.0\.0/24'
like "what was said since stands" "$(gg list allow)" '2001:db8:77::7 .*since'
like "the trap is one again" "$(gg trap list)" 'old@example\.net'
check "the first attempt is remembered" wait_for 5 grey_is 1
like "twice is once" "$(ggc restore "$T/copy")" 'added: 0 verdicts, 0 traps, 0 correspondents, 0 records'
is "nothing is left of it in state_dir" "$(find "$T/state" -name 'restore*')" ""

# ---- what is no backup ----
head -c 20000 /dev/urandom >"$T/noise"
refuse "noise is refused" ggc restore "$T/noise"
like "and named" "$(cat "$T/said")" 'not a sound backup'
head -c 9000 "$T/copy" >"$T/half"
refuse "half of one is refused" ggc restore "$T/half"
refuse "no file is refused" ggc restore "$T/none"
check "the daemon serves" gg status

# ---- without the daemon ----
gg deny 203.0.113.67 >/dev/null
gate_stop; is "it ends" $? 0
refuse "noise is refused without the daemon too" ggc restore "$T/noise"
check "backup without the daemon" ggc backup "$T/later"
check "restore without the daemon" ggc restore "$T/copy"
check "the store before is kept" test -s "$T/state/store.before-restore"
check "it starts on it" gate_start
like "it has what was there then" "$(gg list deny)" '203\.0\.113\.66 '
unlike "and not what came later" "$(gg list deny)" '203\.0\.113\.67 '
refuse "neither has the kernel" map_is 203.0.113.67 GG_DENY

# ---- a store of another version, and one begun anew, stop no mail ----
gate_stop
rm -f "$T/state/store" "$T/state/store-lock"
check "without a store it starts" gate_start
out=$(ggc restore "$T/later")
like "verdicts come back into a store begun anew" "$out" 'added: 4 verdicts'
like "records of another secret are left out, and it says so" "$out" 'left out: [1-9][0-9]* records'
check "the kernel has them" map_is 203.0.113.67 GG_DENY
gate_stop
