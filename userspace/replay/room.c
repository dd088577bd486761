// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A table that grows with the log: nothing has to make way for what comes later, so what a log's
 * verdicts are does not depend on how much memory a daemon was given.
 */
#include <errno.h>

#include "internal.h"

#define FIRST_ROOM (1u << 16)
#define FACTOR 4 /* what was moved before is a third of what a table holds then */
#define BATCH 32 /* cells whose places memory is asked for at once */

struct move {
	struct table *to;
	struct cell batch[BATCH];
	int count, lost;
};

static bool store(struct cell *cell, bool found, void *arg)
{
	(void)found;
	*cell = *(const struct cell *)arg;
	return true;
}

static void move_batch(struct move *m)
{
	for (int i = 0; i < m->count; i++)
		table_expect(m->to, m->batch[i].tag);
	for (int i = 0; i < m->count; i++)
		m->lost |= table_edit(m->to, m->batch[i].tag, store, &m->batch[i], NULL);
	m->count = 0;
}

static bool move_cell(const struct cell *c, void *arg)
{
	struct move *m = arg;

	m->batch[m->count++] = *c;
	if (m->count == BATCH)
		move_batch(m);
	return false;
}

int room_new(struct table **ret)
{
	return table_new(FIRST_ROOM, NULL, NULL, ret);
}

int room_grow(struct table **t)
{
	struct move m = {.count = 0};
	size_t capacity = table_capacity(*t), cursor = 0;
	int err;

	/* At three quarters each cell still finds a place, and few look for one for long. */
	if (table_count(*t) < capacity / 4 * 3)
		return 0;
	err = table_new(FACTOR * (capacity / 100 * 85), NULL, NULL, &m.to);
	if (err)
		return -ENOMEM;
	table_sweep(*t, &cursor, SIZE_MAX, move_cell, &m);
	move_batch(&m);
	if (m.lost) {
		table_free(&m.to);
		return -ENOMEM;
	}
	table_free(t);
	*t = m.to;
	return 0;
}
