/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks the mail server what it can do: its EHLO is learned at start and again from time to time, so
 * that ours offers what it offers before the first mail is relayed.
 *
 * One connection at a time, never blocking beyond the budget of a call. Main thread only.
 */
#ifndef GREYGATE_PROBE_H
#define GREYGATE_PROBE_H

#include "daemon.h"

/* Goes on with the probe at hand or begins one when it is due; takes at most `budget` ms. Sets
 * daemon.backend_caps when the mail server has answered. */
void probe_step(struct daemon *d, int budget);
void probe_end(void);

#endif
