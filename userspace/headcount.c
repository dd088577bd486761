// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How many there are of each source: of its sessions that are open, for limit per_source, and of
 * those among them that hold a connection to the mail server, for upstream per_source.
 */
#include <string.h>

#include "worker.h"

enum kind { KIND_SESSIONS, KIND_HOLDING };

static uint64_t source_key(struct worker *w, const struct session *s, enum kind kind)
{
	struct prefix p = addr_is4(&s->src) ? addr_host(&s->src) : addr_network(&s->src);

	return table_tag_fix(hash_bytes(w->daemon->key, &p.addr, sizeof(p.addr)) + kind);
}

static uint32_t count_of(const struct cell *cell)
{
	uint32_t count;

	memcpy(&count, cell->data, sizeof(count));
	return count;
}

uint32_t headcount_rank(const struct cell *c, void *unused)
{
	(void)unused;
	return !count_of(c);
}

struct entering {
	uint32_t limit;
	bool full;
};

static bool edit_enter(struct cell *cell, bool found, void *arg)
{
	struct entering *e = arg;
	uint32_t count = found ? count_of(cell) : 0;

	e->full = count >= e->limit;
	if (e->full)
		return false;
	count++;
	memcpy(cell->data, &count, sizeof(count));
	return true;
}

static bool edit_leave(struct cell *cell, bool found, void *arg)
{
	uint32_t count = count_of(cell);

	(void)arg;
	if (!found || !count)
		return false;
	count--;
	memcpy(cell->data, &count, sizeof(count));
	return true;
}

/* Allowed sources are not counted, nor is who finds no room: nobody is refused for that. */
static bool enter(struct worker *w, const struct session *s, enum kind kind, uint32_t limit,
		  bool *counted)
{
	struct entering e = {.limit = limit};

	if (s->allowed)
		return true;
	if (table_edit(w->daemon->sources, source_key(w, s, kind), edit_enter, &e, NULL) >= 0)
		*counted = !e.full;
	return !e.full;
}

static void leave(struct worker *w, const struct session *s, enum kind kind, bool *counted)
{
	if (*counted)
		table_edit(w->daemon->sources, source_key(w, s, kind), edit_leave, NULL, NULL);
	*counted = false;
}

bool headcount_enter(struct worker *w, struct session *s)
{
	return enter(w, s, KIND_SESSIONS, w->config->limit.per_source, &s->counted);
}

void headcount_leave(struct worker *w, struct session *s)
{
	leave(w, s, KIND_SESSIONS, &s->counted);
}

bool headcount_hold(struct worker *w, struct session *s)
{
	return enter(w, s, KIND_HOLDING, w->config->upstream.per_source, &s->holding);
}

void headcount_let_go(struct worker *w, struct session *s)
{
	leave(w, s, KIND_HOLDING, &s->holding);
}
