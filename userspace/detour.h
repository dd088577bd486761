/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gateway mode: whether what the mail server answers comes back to the daemon. The tc program of
 * the interface that leads to it sees to that; where the way to a protected address leads by
 * another interface, answers go past the daemon to the client, and no session with the mail server
 * opens.
 */
#ifndef GREYGATE_DETOUR_H
#define GREYGATE_DETOUR_H

#include <net/if.h>

#include "daemon.h"

#define DETOUR_TEXT 300

struct detour {
	struct daemon *daemon;
	char told[IF_NAMESIZE]; /* the interface that the log has named; "": none */
};

/* The first protected address that is reached by an interface without our programs: which one, and
 * what it means, for people. False: none, or another mode. Any thread. */
bool detour_find(const struct config *c, char ret_interface[IF_NAMESIZE], char ret[DETOUR_TEXT]);

void detour_begin(struct detour *t, struct daemon *d);
/* Once a second: says so in the log, and when it is over. Main thread. */
void detour_step(struct detour *t);

#endif
