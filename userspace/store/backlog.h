/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What could not be written yet: copies of items, in the order they came in.
 *
 * One thread adds and takes off, any other may look. Memory is taken while something waits and
 * given back with the last item. Who comes in when there is little room depends on what can be done
 * without: grey records have the first quarter, other records all but the last quarter, and what
 * people have said (verdicts, traps, correspondents) the whole.
 */
#ifndef STORE_BACKLOG_H
#define STORE_BACKLOG_H

#include <pthread.h>

#include "store.h"

#define BACKLOG_ITEMS 131072 /* about 35 MB */

struct backlog {
	pthread_mutex_t lock; /* of those who look, against the one who changes */
	struct store_item *items;
	size_t room, first, count;
};

void backlog_init(struct backlog *b);
void backlog_free(struct backlog *b);

/* -ENOBUFS: no room for its kind; -ENOMEM. */
int backlog_add(struct backlog *b, const struct store_item *item);
/* The i-th waiting item; 0 is the oldest. For the thread that changes. */
const struct store_item *backlog_at(const struct backlog *b, size_t i);
/* Takes off the n oldest. */
void backlog_drop(struct backlog *b, size_t n);

/* Waiting items of a kind, oldest first; see is called under the lock and must be brief. Any
 * thread. */
void backlog_each(struct backlog *b, enum store_kind kind, store_see_fn see, void *arg);

#endif
