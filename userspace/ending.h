/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries behind which something else is: while they last they have the place of what
 * greylist.exempt says of the very prefix, in memory, or a list, in the kernel. That comes in force
 * when they end, and not when somebody next goes through all entries.
 */
#ifndef GREYGATE_ENDING_H
#define GREYGATE_ENDING_H

#include "daemon.h"

/* An entry has been put. Under verdict_lock. */
void ending_note(struct daemon *d, const struct prefix *p, const struct verdict_entry *e);
/* What has ended gives way. Once a second, by the main thread. */
void ending_step(struct daemon *d);

#endif
