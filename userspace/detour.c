// SPDX-License-Identifier: GPL-2.0-or-later
#include "detour.h"

#include <stdio.h>
#include <string.h>

#include "core/log.h"

#define LOOK_EVERY 10 /* s: a route for each protected address is asked for */

static void describe(const struct fastpath_way *w, char ret[DETOUR_TEXT])
{
	char text[ENDPOINT_TEXT], what[FASTPATH_NO_WAY], mend[FASTPATH_NO_WAY];

	if (w->code) {
		fastpath_no_way(w, what, mend);
		snprintf(ret, DETOUR_TEXT, "%s; %s", what, mend);
		return;
	}
	snprintf(ret, DETOUR_TEXT,
		 "the way to %s leads by %s, which is not in interfaces: what the mail server "
		 "answers goes past the daemon, and no stranger's mail arrives; add \"%s\" to "
		 "interfaces and restart",
		 endpoint_text(w->to, text), w->out, w->out);
}

/* What stands over or before the programs of an interface. */
static int find_at(const struct config *c, const char *interface,
		   void (*see)(const char *text, void *arg), void *arg)
{
	char text[DETOUR_TEXT], what[FASTPATH_PORT], mend[FASTPATH_PORT], upper[16], kind[16];
	int found = 0;

	if (fastpath_port(interface, what)) {
		see(what, arg);
		found++;
	}
	if (fastpath_ahead(interface, what, mend)) {
		snprintf(text, sizeof(text), "%s; %s", what, mend);
		see(text, arg);
		found++;
	}
	if (fastpath_upper(interface, c->interfaces, c->interface_count, upper, kind)) {
		snprintf(
			text, sizeof(text),
			FASTPATH_UPPER
			"; add \"%s\" to interfaces, with xdp = off where its driver has no native "
			"XDP, and restart, or take it away: ip link del dev %s",
			interface, upper, kind, upper, upper);
		see(text, arg);
		found++;
	}
	return found;
}

int detour_find(const struct config *c, void (*see)(const char *text, void *arg), void *arg)
{
	struct fastpath_way ways[CONFIG_TARGETS];
	char text[DETOUR_TEXT];
	int found = 0, n;

	if (c->mode != GG_MODE_GATEWAY)
		return 0;
	for (int i = 0; i < c->interface_count; i++)
		found += find_at(c, c->interfaces[i], see, arg);
	n = fastpath_ways(c->protect, c->protect_count, c->interfaces, c->interface_count, ways);
	for (int i = 0; i < n; i++) {
		if (ways[i].named)
			continue;
		describe(&ways[i], text);
		see(text, arg);
		found++;
	}
	return found;
}

void detour_begin(struct detour *t, struct daemon *d)
{
	*t = (struct detour){.daemon = d};
}

static void keep_first(const char *text, void *first)
{
	if (!*(char *)first)
		snprintf(first, DETOUR_TEXT, "%s", text);
}

void detour_step(struct detour *t)
{
	static unsigned ticks;
	char first[DETOUR_TEXT] = "";
	int found;

	if (!t->daemon->fastpath || ticks++ % LOOK_EVERY)
		return;
	found = detour_find(atomic_load(&t->daemon->config), keep_first, first);
	if (found == t->told && !strcmp(first, t->first))
		return;
	if (found > 1)
		log_message(LOG_KERNEL,
			    "the way to protected addresses is not as it should be in %d places, "
			    "see greygate status; the first: %s",
			    found, first);
	else if (found)
		log_message(LOG_KERNEL, "%s", first);
	else
		log_message(LOG_KERNEL, "the way to each protected address leads by interfaces");
	t->told = found;
	memcpy(t->first, first, sizeof(first));
}
