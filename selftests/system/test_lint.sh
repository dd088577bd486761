#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The fast checks of selftests/lint: each finds what it is there for, and the tree is clean.
set -u
cd "$(dirname "$0")/../.." || exit 1
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
n=0

result() { # status words...
	local ok="ok"; [ "$1" = 0 ] || ok="not ok"; shift
	n=$((n + 1)); echo "$ok $n - $*"
}

# A small tree without a fault, then one fault at a time.
plant() { # path, text on standard input
	mkdir -p "$T/$(dirname "$1")" && cat >"$T/$1"
}
fresh() {
	rm -rf "${T:?}"/* && cp .clang-format "$T"
	for room in bpf tools userspace userspace/core userspace/smtp userspace/store; do
		echo "what lives here: addr.c reply.c smtp.h main.c x*.c; smtp.h names the others" | plant $room/README
	done
	printf '/* SPDX-License-Identifier: GPL-2.0-or-later */\nint addr;\n' | plant userspace/core/addr.h
	printf '// SPDX-License-Identifier: GPL-2.0-or-later\n#include <string.h>\n\n#include "../core/addr.h"\n' |
		plant userspace/smtp/reply.c
	printf '// SPDX-License-Identifier: GPL-2.0-or-later\n#include "smtp/smtp.h"\n' | plant userspace/main.c
	printf '/* SPDX-License-Identifier: GPL-2.0-or-later */\n' | plant userspace/smtp/smtp.h
}
finds() { # check, beginning of the finding, words...
	local check=$1 want=$2 out rc; shift 2
	out=$(selftests/lint --root "$T" "$check"); rc=$?
	if [ $rc = 1 ] && grep -qF -- "$want" <<<"$out"; then
		result 0 "$check: $*"
	else
		echo "# exit $rc: $out"
		result 1 "$check: $*"
	fi
}

fresh
for check in includes pure spdx readme banned markers length; do
	selftests/lint --root "$T" $check >"$T.out"
	rc=$?; [ ! -s "$T.out" ] || rc=1
	result $rc "$check: silent about a clean tree"
	rm -f "$T.out"
done

fresh; printf '#include "../smtp/smtp.h"\n' | plant userspace/store/a.c
finds includes "userspace/store/a.c:1: " "one room includes another"
fresh; printf '\n#include <core/addr.h>\n#include <smtp/smtp.h>\n' | plant userspace/core/a.c
finds includes "userspace/core/a.c:3: " "core includes a room, in angle brackets"
fresh; printf '#include "../userspace/core/addr.h"\n' | plant bpf/a.h
finds includes "bpf/a.h:1: " "a kernel program includes userspace"
fresh; printf '#include "absent.h"\n' | plant userspace/store/a.c
finds includes "userspace/store/a.c:1: " "a header that is not there"
fresh; printf '\n' | plant userspace/attic/a.c
finds includes "userspace/attic/a.c:1: " "a room that the lattice does not know"
fresh; printf '#include <time.h>\n' | plant userspace/smtp/a.c
finds pure "userspace/smtp/a.c:1: " "a clock in a pure room"
fresh; printf 'int a;\n' | plant userspace/store/a.c
finds spdx "userspace/store/a.c:1: " "no licence line"
fresh; printf '#!/bin/sh\necho\n' | plant tools/a
finds spdx "tools/a:2: " "no licence line in a script"
fresh; rm "$T/userspace/core/README"
finds readme "userspace/core/README:1: " "a room without README"
fresh; printf '\n' | plant userspace/core/xylem.c; printf '\n' | plant userspace/core/ax.c
finds readme "userspace/core/ax.c:1: " "a file that its README does not name"
result "$(selftests/lint --root "$T" readme | grep -c xylem)" "readme: names with a star"
fresh; printf '/* ax.c: beside it */\n' | plant userspace/smtp/smtp.h; printf '\n' | plant userspace/smtp/ax.c
selftests/lint --root "$T" readme >/dev/null
result $? "readme: a file named by a header that names the others"
fresh; printf '/* strcpy(a, b) */\nconst char *a = "strcpy(a, b)";\nvoid f(void) {\n\tstrcpy(x, y);\n}\n' |
	plant userspace/store/a.c
finds banned "userspace/store/a.c:4: strcpy" "a banned call"
out=$(selftests/lint --root "$T" banned | wc -l)
[ "$out" = 1 ]; result $? "banned: not in comments and strings"
fresh; printf '\n// TO''DO\n' | plant userspace/store/a.c
finds markers "userspace/store/a.c:2: " "work left over"
fresh; yes '' | head -n 601 | plant userspace/store/a.c
out=$(selftests/lint --root "$T" length) && grep -q 'a.c:601: warning: ' <<<"$out"
result $? "length: warns and does not fail"
selftests/lint nonsense 2>/dev/null; [ $? = 2 ]; result $? "an unknown check is a usage error"

for check in includes pure spdx readme banned markers; do
	selftests/lint $check | sed 's/^/# /'
	result "${PIPESTATUS[0]}" "the tree: $check"
done
if command -v clang-format >/dev/null; then
	fresh; printf '// SPDX-License-Identifier: GPL-2.0-or-later\nint  a ;\n' | plant userspace/store/a.c
	finds format "userspace/store/a.c:2: " "not as clang-format has it"
	selftests/lint format | sed 's/^/# /'
	result "${PIPESTATUS[0]}" "the tree: format"
else
	n=$((n + 1)); echo "ok $n - the tree: format # SKIP clang-format is not installed"
fi
echo "1..$n"
