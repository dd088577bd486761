/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What memory holds and the kernel had no room for, see verdict.c: it gets there later. */
#ifndef GREYGATE_LACKING_H
#define GREYGATE_LACKING_H

#include "daemon.h"

/* What the kernel doesn't know it must not contradict: a prefix that it would act on alone asks the
 * daemon as long as something within it says otherwise and has no room. */

/* fastpath_sync, which may find no room for all: 0 or more then too. */
int lacking_sync(struct daemon *d);
/* The kernel has refused it. Under verdict_lock, but at a reload. */
void lacking_note(struct daemon *d, const struct prefix *p, const struct verdict_entry *e);
/* Whether the prefix must ask the daemon. Exactly for an operator's, and then it takes as long as a
 * verdicts_within; for others yes where there is any doubt: lacking_step finds out. */
bool lacking_within(struct daemon *d, const struct prefix *p, const struct verdict_entry *e);
/* After a fastpath_sync that found no room for all: operators' entries get theirs. */
void lacking_make_whole(struct daemon *d);
/* The others get theirs where there is room again, some thousands a step. Once a second, on the
 * main thread, while the kernel maps are ours. */
void lacking_step(struct daemon *d);

#endif
