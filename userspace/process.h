/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process around the daemon: what main.c begins and ends and startup.c opens.
 */
#ifndef GREYGATE_PROCESS_H
#define GREYGATE_PROCESS_H

#include "control/control.h"
#include "daemon.h"
#include "detour.h"
#include "guard.h"
#include "listeners.h"
#include "privileges.h"
#include "rollback.h"
#include "takeover.h"
#include "upgrade.h"

struct process {
	struct daemon daemon;
	struct listeners listeners;
	struct control *control;
	struct privileges who;
	struct rollback rollback; /* while a start may still fail */
	struct takeover takeover; /* from the process before */
	struct upgrade upgrade;   /* to the one behind */
	struct guard guard;
	struct detour detour;
	char err[4096];
};

/* ---- startup.c ---- */

/* Opens everything and starts the threads. On failure p->err names the thing, the cause and the
 * mend; what is open then is main.c's to close, and rollback_end's to detach. Main thread. */
int startup(struct process *p, const struct config *c);

#endif
