/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What memory holds and the kernel had no room for, see verdict.c: it gets there later. */
#ifndef GREYGATE_LACKING_H
#define GREYGATE_LACKING_H

#include "daemon.h"

/* After a fastpath_sync that found no room for all: operators' entries get theirs. */
void lacking_make_whole(struct daemon *d);
/* The others get theirs where there is room again, some thousands a step. Once a second, on the
 * main thread, while the kernel maps are ours. */
void lacking_step(struct daemon *d);

#endif
