/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The relief of policy/relief.h in this daemon: one step for all workers, taken and left as
 * sessions come and go. Any thread.
 */
#ifndef GREYGATE_RELIEF_H
#define GREYGATE_RELIEF_H

#include "daemon.h"

/* A session has come or gone: takes or leaves a step where that is due, and says so in the log. */
void relief_look(struct daemon *d, const struct config *c);

static inline enum relief_step relief_now(const struct daemon *d)
{
	return (enum relief_step)atomic_load_explicit(&d->relief.step, memory_order_relaxed);
}

#endif
