// SPDX-License-Identifier: GPL-2.0-or-later
#include "detour.h"

#include <stdio.h>
#include <string.h>

#include "core/log.h"

#define LOOK_EVERY 10 /* s: a route for each protected address is asked for */

static bool has_programs(const struct config *c, const char *interface)
{
	for (int i = 0; i < c->interface_count; i++)
		if (!strcmp(c->interfaces[i], interface))
			return true;
	return false;
}

bool detour_find(const struct config *c, char ret_interface[IF_NAMESIZE], char ret[DETOUR_TEXT])
{
	char text[ENDPOINT_TEXT], out[IF_NAMESIZE];

	if (c->mode != GG_MODE_GATEWAY)
		return false;
	for (int i = 0; i < c->protect_count; i++) {
		/* No way at all is seen by whoever wants to connect. */
		if (fastpath_way_out(&c->protect[i].addr, out) || has_programs(c, out))
			continue;
		memcpy(ret_interface, out, sizeof(out));
		snprintf(ret, DETOUR_TEXT,
			 "the way to %s leads by %s, which is not in interfaces: what the mail "
			 "server answers goes past the daemon, and no stranger's mail arrives; "
			 "add \"%s\" to interfaces and restart",
			 endpoint_text(&c->protect[i], text), out, out);
		return true;
	}
	return false;
}

void detour_begin(struct detour *t, struct daemon *d)
{
	*t = (struct detour){.daemon = d};
}

void detour_step(struct detour *t)
{
	static unsigned ticks;
	char text[DETOUR_TEXT], interface[IF_NAMESIZE] = "";

	if (!t->daemon->fastpath || ticks++ % LOOK_EVERY)
		return;
	if (detour_find(atomic_load(&t->daemon->config), interface, text)) {
		if (strcmp(interface, t->told) != 0)
			log_message(LOG_KERNEL, "%s", text);
	} else if (t->told[0]) {
		log_message(LOG_KERNEL, "the way to each protected address leads by interfaces");
	}
	memcpy(t->told, interface, sizeof(interface));
}
