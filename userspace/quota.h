/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may have a connection to the mail server, and what is said to who may not: upstream
 * connections for all, less upstream reserve for strangers, upstream per_source for each of those
 * (headcount.c). A stranger is a source that is not allowed. The worker's thread.
 */
#ifndef GREYGATE_QUOTA_H
#define GREYGATE_QUOTA_H

#include "worker.h"

enum quota {
	QUOTA_CONNECTIONS, /* all are in use */
	QUOTA_RESERVE,     /* all that strangers may have */
	QUOTA_SOURCE,      /* all that this stranger may have */
	QUOTAS
};

/* So many connections may be in use for a stranger to get one more. */
uint32_t quota_strangers(const struct config *c);
/* One more connection for the session; false: there is none for it, quota_short says why. */
bool quota_take(struct worker *w, const struct session *s);
void quota_give(struct worker *w);
enum quota quota_short(const struct worker *w);
/* Whether it may use one that is kept. */
bool quota_reuses(const struct worker *w, const struct session *s);
/* Whether one that nobody needs may be kept: not out of the reserve. */
bool quota_spares(const struct worker *w);
/* Answers the recipient in smtp.forward, which may come again: counted and logged. */
void quota_refuse(struct worker *w, uint32_t n, enum quota why);

#endif
