/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks each mail server what it can do: its EHLO is learned at start and again once a minute, so
 * that ours offers what they offer before the first mail is relayed.
 *
 * One connection at a time, never blocking beyond the budget of a call. Main thread only.
 */
#ifndef GREYGATE_PROBE_H
#define GREYGATE_PROBE_H

#include "daemon.h"

/* Goes on with the probe at hand or begins one when it is due; takes at most `budget` ms. What it
 * hears goes to offers.h. */
void probe_step(struct daemon *d, int budget);
void probe_end(void);

#endif
