// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Gateway mode: by which interfaces the protected addresses are reached. What they answer the
 * daemon comes home by the tc program there.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "../userspace/fastpath/fastpath.h"
#include "doctor.h"

void doctor_way(const struct doctor *d, const struct endpoint *to, const char *out)
{
	char mend[500], text[ENDPOINT_TEXT];

	endpoint_text(to, text);
	if (doctor_names(d->config, out)) {
		doctor_say(d, DOCTOR_OK, "way", out, "", "leads to %s", text);
		return;
	}
	doctor_mend_unnamed(d, out, mend, sizeof(mend));
	doctor_say(d, DOCTOR_FAIL, "way", out, mend,
		   "leads to %s and is not in interfaces: its answers go past the daemon", text);
}

/* The interface that another protected address is reached by, or the only one. */
static const char *inner(const struct config *c, char ret[IF_NAMESIZE])
{
	if (c->interface_count == 1)
		return c->interfaces[0];
	for (int i = 0; i < c->protect_count; i++)
		if (!fastpath_way_out(&c->protect[i].addr, ret))
			return ret;
	return "INTERFACE";
}

void doctor_no_way(const struct doctor *d, const struct endpoint *to, int code)
{
	const bool is4 = addr_is4(&to->addr);
	char mend[100], text[ENDPOINT_TEXT], address[ADDR_TEXT], out[IF_NAMESIZE];

	endpoint_text(to, text);
	addr_text(&to->addr, address);
	if (code == -ENODEV) {
		snprintf(mend, sizeof(mend), "ip route get %s", address);
		doctor_say(d, DOCTOR_FAIL, "way", "", mend,
			   "no interface leads to %s: is it an address of this machine?", text);
		return;
	}
	snprintf(mend, sizeof(mend), "ip %sroute add %s dev %s", is4 ? "" : "-6 ", address,
		 inner(d->config, out));
	doctor_say(d, DOCTOR_FAIL, "way", "", mend, "no route to %s: %s", text, strerror(-code));
}

void doctor_ways(const struct doctor *d)
{
	const struct config *c = d->config;
	char ways[CONFIG_TARGETS][IF_NAMESIZE];
	int n = 0, i, code;

	for (int k = 0; k < c->protect_count && n < CONFIG_TARGETS; k++) {
		code = fastpath_way_out(&c->protect[k].addr, ways[n]);
		if (code) {
			doctor_no_way(d, &c->protect[k], code);
			continue;
		}
		for (i = 0; i < n && strcmp(ways[i], ways[n]) != 0; i++)
			;
		if (i < n)
			continue;
		doctor_way(d, &c->protect[k], ways[n++]);
	}
}
