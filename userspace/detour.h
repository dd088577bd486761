/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gateway mode: whether the mail server is reached, and what it answers comes back to the daemon.
 * The tc program of the interface that leads to it sees to that; where the way to a protected
 * address leads by another interface, answers go past the daemon to the client, and no session with
 * the mail server opens. And whether strangers come to the daemon: not by the port of a bridge.
 */
#ifndef GREYGATE_DETOUR_H
#define GREYGATE_DETOUR_H

#include "daemon.h"

#define DETOUR_TEXT (2 * FASTPATH_PORT + 80)

struct detour {
	struct daemon *daemon;
	int told;                /* how many the log has said; 0: all is well */
	char first[DETOUR_TEXT]; /* of them */
};

/* Each way to a protected address, and each interface, that is not as it should be: what it means,
 * and the mend, for people. Returns how many; 0 in other modes. Any thread. */
int detour_find(const struct config *c, void (*see)(const char *text, void *arg), void *arg);

void detour_begin(struct detour *t, struct daemon *d);
/* Once a second: says so in the log, and when it is over. Main thread. */
void detour_step(struct detour *t);

#endif
