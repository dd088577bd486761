/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is a greytrap, and which domains are hosted: the settings' and the operator's, in the table
 * of records and, for patterns, in a list of its own. Who walks into one is trapping.c's.
 *
 * Mailboxes are as a client sends them, without brackets. Lookups: any thread, nothing is waited
 * for. Changes: the control and the main thread.
 */
#ifndef GREYGATE_TRAPS_H
#define GREYGATE_TRAPS_H

#include "daemon.h"

/* Mail to it traps. postmaster and abuse are traps only where they are named in full. */
bool traps_hold(const struct daemon *d, const struct policy_conf *c, const char *mailbox);
/* Whether mail for its domain is taken here: also when no domain was said to be hosted, and for
 * what has no domain or an address in its place. */
bool traps_hosted(const struct daemon *d, const struct policy_conf *c, const char *mailbox);

/* What the settings say; from: NULL at start. */
void traps_apply(struct daemon *d, const struct config *from, const struct config *to);
/* A row of the store. */
void traps_load(struct daemon *d, const struct store_item *item);
void traps_free(struct daemon *d);

#endif
