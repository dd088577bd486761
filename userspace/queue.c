// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The store's queue of everyone but the workers: commands, housekeeping, and what an earlier
 * process still changes after an upgrade.
 */
#include "daemon.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* What is queued here must not be lost, and none of the callers is in a hurry: a full queue is
 * waited for. */
struct store_item *daemon_store_slot(struct daemon *d)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (int i = 0; d->writer && i < 2000; i++) {
		struct store_item *item = store_writer_slot(d->writer, d->worker_count, true);

		if (item)
			return item;
		nanosleep(&pause, NULL);
	}
	return NULL;
}

/* Notices come in the order of the pushes, and so do items to the disk: the last one tells of all
 * before it. */
static void take_notices(struct daemon *d)
{
	struct store_notice notices[64];
	int n;

	while ((n = store_notices(d->writer, d->worker_count, notices, 64)) > 0) {
		d->settled = notices[n - 1].token;
		d->unsettled = notices[n - 1].err;
	}
}

void daemon_store_push(struct daemon *d, struct store_item *item, bool notice)
{
	item->notice = notice;
	if (notice)
		item->token = ++d->queued;
	store_writer_push(d->writer, d->worker_count);
	take_notices(d);
}

int daemon_settle(struct daemon *d)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	uint64_t target;
	bool done = false;
	int rc = -ETIMEDOUT;

	if (!d->writer)
		return -ENODEV;
	pthread_mutex_lock(&d->verdict_lock);
	target = d->queued;
	pthread_mutex_unlock(&d->verdict_lock);
	for (int i = 0; i < 2000 && !done; i++) {
		pthread_mutex_lock(&d->verdict_lock);
		take_notices(d);
		done = d->settled >= target;
		if (done)
			rc = d->unsettled;
		pthread_mutex_unlock(&d->verdict_lock);
		if (!done)
			nanosleep(&pause, NULL);
	}
	return rc;
}

void daemon_store_again(struct daemon *d, const struct store_item *from)
{
	struct store_item *item;

	pthread_mutex_lock(&d->verdict_lock);
	item = daemon_store_slot(d);
	if (item) {
		*item = *from;
		daemon_store_push(d, item, true);
	}
	pthread_mutex_unlock(&d->verdict_lock);
}

struct taking {
	const struct record *come;
	struct record was;
	bool taken;
};

/* What this process has learned itself since then is not undone, and what it knows is no news. */
static bool is_newer(const struct record *have, const struct record *come)
{
	if (have->state != come->state)
		return have->state > come->state;
	if (have->last != come->last)
		return have->last > come->last;
	return have->passed >= come->passed && have->attempts >= come->attempts;
}

static bool take_record(struct cell *cell, bool found, void *arg)
{
	struct taking *t = arg;
	struct record have = record_of(cell);

	if (found && is_newer(&have, t->come))
		return false;
	if (found)
		t->was = have;
	t->taken = true;
	*cell = record_cell(t->come);
	return true;
}

bool daemon_record_take(struct daemon *d, const struct store_item *from)
{
	struct taking t = {.come = &from->rec};
	struct store_item item = *from;

	table_edit(d->records, from->rec.tag, take_record, &t, NULL);
	if (!t.taken)
		return false;
	item.was = t.was;
	daemon_store_again(d, &item);
	return true;
}
