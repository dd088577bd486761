// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a start would be refused for, asked by the start's own code: io_uring for the daemon's user,
 * addresses and ports, state_dir, who else has an XDP program on an interface.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../userspace/rehearsal.h"
#include "doctor.h"

/* A start's complaint: the cause, and what it says would mend it. */
static void say_refused(const struct doctor *d, const char *check, const char *about, char *err,
			const char *mend)
{
	char *own = strstr(err, "; "), thing[40];
	size_t named = (size_t)snprintf(thing, sizeof(thing), "interface %s: ", about);

	if (*about && !strncmp(err, thing, named))
		err += named;
	if (own)
		*own = '\0';
	doctor_say(d, DOCTOR_FAIL, check, about, mend ? mend : own ? own + 2 : err, "%s", err);
}

static void check_rings(const struct doctor *d)
{
	char err[300] = "";
	int rc = rehearsal_rings(d->config ? d->config->user : NULL, err, sizeof(err));

	if (!rc)
		doctor_say(d, DOCTOR_OK, "io_uring", "", "", "allowed");
	else if (rc == -EINVAL)
		doctor_say(d, DOCTOR_FAIL, "io_uring", "", DOCTOR_KERNEL, "too old: %s",
			   strerror(-rc));
	else
		doctor_say(d, DOCTOR_FAIL, "io_uring", "", "sysctl -w kernel.io_uring_disabled=0",
			   "refused to %s: %s (or by a container's system call filter)",
			   d->config ? d->config->user : "this user", strerror(-rc));
}

/* Those of a daemon that runs are its own; who isn't root can't tell. */
static void check_listeners(const struct doctor *d)
{
	char err[400];

	if (d->daemon || geteuid() != 0)
		return;
	if (rehearsal_listeners(d->config, err, sizeof(err)))
		say_refused(d, "listen", "", err, NULL);
	else
		doctor_say(d, DOCTOR_OK, "listen", "", "", "all addresses and ports are free");
}

static void check_state(const struct doctor *d)
{
	char err[PATH_MAX + 300], dir[PATH_MAX], quoted[PATH_MAX + 100], mend[PATH_MAX + 120];
	char *slash;
	int rc;

	if (geteuid() != 0)
		return;
	rc = rehearsal_state(d->config, err, sizeof(err));
	if (!rc) {
		doctor_say(d, DOCTOR_OK, "state_dir", "", "", "%s can be written to",
			   d->config->state_dir);
		return;
	}
	snprintf(dir, sizeof(dir), "%s", d->config->state_dir);
	slash = strrchr(dir, '/');
	if (slash && slash != dir)
		*slash = '\0';
	doctor_quote(dir, quoted, sizeof(quoted));
	snprintf(mend, sizeof(mend), "mkdir -p %s", quoted);
	say_refused(d, "state_dir", "", err, rc == -ENOENT ? mend : NULL);
}

static bool is_ipv6(const struct endpoint *e)
{
	return !addr_is4(&e->addr);
}

/* Where it is switched off a wildcard can be listened on, and nobody comes by it. */
static void check_ipv6(const struct doctor *d)
{
	const struct config *c = d->config;
	const struct endpoint *first = NULL;
	char text[ENDPOINT_TEXT];

	for (int i = 0; i < c->listen_count && !first; i++)
		first = is_ipv6(&c->listen[i]) ? &c->listen[i] : NULL;
	for (int i = 0; i < c->protect_count && (!first || addr_is_any(&first->addr)); i++)
		first = is_ipv6(&c->protect[i]) ? &c->protect[i] : first;
	if (!first || doctor_number(d, "/proc/sys/net/ipv6/conf/all/disable_ipv6") != 1)
		return;
	doctor_say(d, addr_is_any(&first->addr) ? DOCTOR_WARN : DOCTOR_FAIL, "ipv6", "",
		   "sysctl -w net.ipv6.conf.all.disable_ipv6=0",
		   "net.ipv6.conf.all.disable_ipv6 = 1: nobody reaches %s",
		   endpoint_text(first, text));
}

void doctor_start(const struct doctor *d)
{
	check_rings(d);
	if (!d->config)
		return;
	check_listeners(d);
	check_state(d);
	check_ipv6(d);
}

void doctor_vacant(const struct doctor *d, const char *name)
{
	const struct config *c = d->config;
	char err[400], mend[60];
	int rc;

	if (!c || c->xdp == FASTPATH_OFF || geteuid() != 0)
		return;
	rc = fastpath_vacant(c->bpffs, name, err, sizeof(err));
	snprintf(mend, sizeof(mend), "ip link set dev %s xdp off", name);
	if (rc)
		say_refused(d, "xdp", name, err, rc == -EBUSY ? mend : NULL);
}
