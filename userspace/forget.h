/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where records and conducts of a source stand, so that daemon_forget need not go through them all.
 */
#ifndef GREYGATE_FORGET_H
#define GREYGATE_FORGET_H

#include "daemon.h"

/* Once the tables of d stand and before anybody uses them. -ENOMEM. */
int forget_new(struct daemon *d);
/* Before the tables go. */
void forget_free(struct daemon *d);

#endif
