// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel is set to, its clock, and the limits of a process. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "doctor.h"

static const struct setting {
	const char *check, *name;
	long least, most; /* all is well within these */
	enum doctor_level outside;
	const char *value; /* that mends it */
	const char *why;
} settings[] = {
	{"jit", "net.core.bpf_jit_enable", 1, 2, DOCTOR_WARN, "1",
	 "kernel programs are interpreted, many times slower"},
	{"syncookies", "net.ipv4.tcp_syncookies", 1, 1, DOCTOR_WARN, "1",
	 "0: a SYN flood fills the listener; 2: every connection pays for it"},
	{"somaxconn", "net.core.somaxconn", 4096, 1L << 30, DOCTOR_WARN, "65535",
	 "caps the listeners' queues: bursts of connections are dropped"},
	{"syn_backlog", "net.ipv4.tcp_max_syn_backlog", 1024, 1L << 30, DOCTOR_WARN, "65535",
	 "handshakes under way at once"},
};

/* Some are of the machine's own network namespace alone. */
static void say_unread(const struct doctor *d, const struct setting *s, int code)
{
	char path[300], mend[120];

	snprintf(path, sizeof(path), "%s/proc/sys", d->root);
	if (access(path, F_OK))
		snprintf(mend, sizeof(mend), DOCTOR_PROC);
	else
		snprintf(mend, sizeof(mend), "nsenter --target 1 --net sysctl %s", s->name);
	doctor_say(d, DOCTOR_WARN, s->check, "", mend, "%s can't be read here: %s", s->name,
		   code ? strerror(code) : "no number");
}

void doctor_settings(const struct doctor *d)
{
	char path[120], mend[120], *c;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		const struct setting *s = &settings[i];
		long value;

		snprintf(path, sizeof(path), "/proc/sys/%s", s->name);
		for (c = path + strlen("/proc/sys/"); *c; c++)
			if (*c == '.')
				*c = '/';
		errno = 0;
		value = doctor_number(d, path);
		snprintf(mend, sizeof(mend), "sysctl -w %s=%s", s->name, s->value);
		if (value < 0)
			say_unread(d, s, errno);
		else if (value >= s->least && value <= s->most)
			doctor_say(d, DOCTOR_OK, s->check, "", "", "%s = %ld", s->name, value);
		else
			doctor_say(d, s->outside, s->check, "", mend, "%s = %ld: %s", s->name,
				   value, s->why);
	}
}

/* ---- the clock ---- */

void doctor_clock(const struct doctor *d)
{
	char path[300], mend[DOCTOR_COMMAND + 40];
	long long off = 0;

	snprintf(path, sizeof(path), "%s/proc/self", d->root);
	if (!fastpath_clock_offset(d->root, &off) && access(path, F_OK)) {
		doctor_say(d, DOCTOR_WARN, "clock", "", DOCTOR_PROC,
			   "CLOCK_MONOTONIC can't be compared with the kernel's own: %s",
			   strerror(errno));
		return;
	}
	doctor_mend_again(d, "nsenter --target 1 --time", mend, sizeof(mend));
	if (off)
		doctor_say(d, DOCTOR_FAIL, "clock", "", mend,
			   "a time namespace, CLOCK_MONOTONIC is %lld s off the kernel's own: "
			   "greygated with kernel programs does not start here",
			   off);
	else
		doctor_say(d, DOCTOR_OK, "clock", "", "", "CLOCK_MONOTONIC is the kernel's own");
}

/* ---- limits ---- */

/* A drop-in of the unit, on one line. */
#define UNIT_DIR "/etc/systemd/system/greygated.service.d"
#define DROP_IN(key, value)                                                                        \
	"mkdir -p " UNIT_DIR " && printf '[Service]\\n" key "=" value "\\n' >" UNIT_DIR "/" key    \
	".conf && systemctl daemon-reload"

static const struct limit {
	const char *check, *unit, *here, *mend; /* here: what mends that of a shell */
	int which;
	const char *line; /* in limits of /proc */
	rlim_t least;
	const char *why;
} limits[] = {
	{"nofile", "descriptors", "ulimit -n 1048576", DROP_IN("LimitNOFILE", "1048576"),
	 RLIMIT_NOFILE, "Max open files", 16384, "a ring's table of connections is no larger"},
	{"memlock", "bytes", "ulimit -l unlimited", DROP_IN("LimitMEMLOCK", "infinity"),
	 RLIMIT_MEMLOCK, "Max locked memory", 8 << 20,
	 "rings may be refused to a daemon that isn't started by root"},
};

/* The hard limit of the daemon; false: there is none, or it can't be read. */
static bool read_limit(const struct doctor *d, const struct limit *l, rlim_t *ret)
{
	const size_t n = strlen(l->line);
	char path[300], line[200], hard[40];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/%d/limits", d->root, d->daemon);
	f = d->daemon ? fopen(path, "re") : NULL;
	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, l->line, n) && sscanf(line + n, "%*s %39s", hard) == 1;
	if (f)
		fclose(f);
	if (found)
		*ret = strcmp(hard, "unlimited") ? strtoull(hard, NULL, 10) : RLIM_INFINITY;
	return found;
}

static void check_limit(const struct doctor *d, const struct limit *l)
{
	char whose[40] = "this shell", mend[400];
	struct rlimit own;
	rlim_t hard;

	if (read_limit(d, l, &hard)) {
		snprintf(whose, sizeof(whose), "greygated (pid %d)", d->daemon);
		snprintf(mend, sizeof(mend), "%s && systemctl restart greygated", l->mend);
	} else if (!getrlimit(l->which, &own)) {
		hard = own.rlim_max;
		/* What is started from here, and what systemd starts. */
		snprintf(mend, sizeof(mend), "%s; %s", l->here, l->mend);
	} else {
		return;
	}
	if (hard == RLIM_INFINITY)
		doctor_say(d, DOCTOR_OK, l->check, "", "", "hard limit of %s: none on %s", whose,
			   l->unit);
	else if (hard >= l->least)
		doctor_say(d, DOCTOR_OK, l->check, "", "", "hard limit of %s: %llu %s", whose,
			   (unsigned long long)hard, l->unit);
	else
		doctor_say(d, DOCTOR_WARN, l->check, "", mend, "hard limit of %s: %llu %s: %s",
			   whose, (unsigned long long)hard, l->unit, l->why);
}

void doctor_limits(const struct doctor *d)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		check_limit(d, &limits[i]);
}
