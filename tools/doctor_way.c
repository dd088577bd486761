// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Gateway mode: by which interfaces the protected addresses are reached. What they answer the
 * daemon comes home by the tc program there.
 */
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
	snprintf(mend, sizeof(mend), "sed -i '/^[[:space:]]*interfaces/s/}/, \"%s\"}/' %.300s", out,
		 d->config_file);
	doctor_say(d, DOCTOR_FAIL, "way", out, mend,
		   "leads to %s and is not in interfaces: its answers go past the daemon", text);
}

void doctor_ways(const struct doctor *d)
{
	const struct config *c = d->config;
	char ways[CONFIG_TARGETS][IF_NAMESIZE];
	int n = 0, i;

	for (int k = 0; k < c->protect_count && n < CONFIG_TARGETS; k++) {
		if (fastpath_way_out(&c->protect[k].addr, ways[n]))
			continue;
		for (i = 0; i < n && strcmp(ways[i], ways[n]) != 0; i++)
			;
		if (i < n)
			continue;
		doctor_way(d, &c->protect[k], ways[n++]);
	}
}
