// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Gateway mode: by which interfaces the protected addresses are reached. What they answer the
 * daemon comes home by the tc program there.
 */
#include <errno.h>
#include <stdio.h>

#include "../userspace/fastpath/fastpath.h"
#include "doctor.h"

static bool lacks_ipv6(const char *name)
{
	const int mtu = doctor_mtu(name);

	return mtu && mtu < DOCTOR_MTU6;
}

/* An interface without which an address of IPv6 has no route, and can't get one; NULL: none. */
static const char *narrow(const struct doctor *d, const struct fastpath_way *w)
{
	const struct config *c = d->config;

	if (addr_is4(&w->to->addr) || w->code == -ENODEV)
		return NULL;
	if (lacks_ipv6(w->out))
		return w->out;
	for (int i = 0; c && !*w->out && i < c->interface_count; i++)
		if (lacks_ipv6(c->interfaces[i]))
			return c->interfaces[i];
	return NULL;
}

void doctor_way(const struct doctor *d, const struct fastpath_way *w)
{
	char what[FASTPATH_NO_WAY], mend[500], text[ENDPOINT_TEXT];
	const char *out = w->code ? narrow(d, w) : NULL;

	endpoint_text(w->to, text);
	if (out) {
		snprintf(mend, sizeof(mend), "ip link set dev %s mtu 1500", out);
		doctor_say(d, DOCTOR_FAIL, "way", "", mend,
			   "no route to %s: %s has no IPv6, its MTU of %d is below %d", text, out,
			   doctor_mtu(out), DOCTOR_MTU6);
	} else if (w->code) {
		fastpath_no_way(w, what, mend);
		doctor_say(d, DOCTOR_FAIL, "way", "", mend, "%s", what);
	} else if (w->named) {
		doctor_say(d, DOCTOR_OK, "way", w->out, "", "leads to %s", text);
	} else {
		doctor_mend_unnamed(d, w->out, mend, sizeof(mend));
		doctor_say(d, DOCTOR_FAIL, "way", w->out, mend,
			   "leads to %s and is not in interfaces: its answers go past the daemon",
			   text);
	}
}

void doctor_ways(const struct doctor *d)
{
	const struct config *c = d->config;
	struct fastpath_way ways[CONFIG_TARGETS];
	int n = fastpath_ways(c->protect, c->protect_count, c->interfaces, c->interface_count,
			      ways);

	for (int i = 0; i < n; i++)
		doctor_way(d, &ways[i]);
}
