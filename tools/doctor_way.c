// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Gateway mode: by which interfaces the protected addresses are reached. What they answer the
 * daemon comes home by the tc program there.
 */
#include "../userspace/fastpath/fastpath.h"
#include "doctor.h"

void doctor_way(const struct doctor *d, const struct fastpath_way *w)
{
	char what[FASTPATH_NO_WAY], mend[500], text[ENDPOINT_TEXT];

	endpoint_text(w->to, text);
	if (w->code) {
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
