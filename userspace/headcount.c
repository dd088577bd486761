// SPDX-License-Identifier: GPL-2.0-or-later
/* Sessions of each source that are open, for limit per_source. */
#include <string.h>

#include "worker.h"

static uint64_t source_key(struct worker *w, const struct session *s)
{
	struct prefix p = addr_is4(&s->src) ? addr_host(&s->src) : addr_network(&s->src);

	return hash_bytes(w->daemon->key, &p.addr, sizeof(p.addr));
}

struct entering {
	uint32_t limit;
	bool full;
};

static bool edit_enter(struct cell *cell, bool found, void *arg)
{
	struct entering *e = arg;
	uint32_t count = 0;

	if (found)
		memcpy(&count, cell->data, sizeof(count));
	e->full = count >= e->limit;
	if (e->full)
		return false;
	count++;
	memcpy(cell->data, &count, sizeof(count));
	return true;
}

static bool edit_leave(struct cell *cell, bool found, void *arg)
{
	uint32_t count = 0;

	(void)arg;
	memcpy(&count, cell->data, sizeof(count));
	if (!found || !count)
		return false;
	count--;
	memcpy(cell->data, &count, sizeof(count));
	return true;
}

bool headcount_enter(struct worker *w, struct session *s)
{
	struct entering e = {.limit = w->config->limit.per_source};

	if (s->allowed || !e.limit)
		return true;
	if (table_edit(w->daemon->sources, source_key(w, s), edit_enter, &e, NULL) < 0)
		return true; /* no room to count: nobody is refused for that */
	s->counted = !e.full;
	return !e.full;
}

void headcount_leave(struct worker *w, struct session *s)
{
	if (s->counted)
		table_edit(w->daemon->sources, source_key(w, s), edit_leave, NULL, NULL);
}
