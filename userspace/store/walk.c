// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading everything, a page of items at a time: each page has a transaction of its own, which is
 * over before anybody looks at the items. A long listing neither pins old pages nor keeps the map
 * from growing.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine.h"

#define PAGE_ITEMS 128

struct page {
	struct row_key last; /* where the next page goes on; len 0: at the start */
	size_t count;
	bool end;
	struct store_item items[PAGE_ITEMS];
};

static int fill(struct store *s, enum sub sub, struct page *p, MDB_txn *txn)
{
	MDB_val key = engine_key(&p->last), value;
	MDB_cursor *c;
	bool resume = p->last.len;
	int rc;

	rc = mdb_cursor_open(txn, s->sub[sub], &c);
	if (rc)
		return rc;
	rc = mdb_cursor_get(c, &key, &value, resume ? MDB_SET_RANGE : MDB_FIRST);
	if (!rc && resume && key.mv_size == p->last.len &&
	    !memcmp(key.mv_data, p->last.b, p->last.len))
		rc = mdb_cursor_get(c, &key, &value, MDB_NEXT);
	for (size_t seen = 0; !rc && seen < PAGE_ITEMS; seen++) {
		/* A row that does not read is left out; the others are no worse for it. */
		if (!codec_unpack(sub, key.mv_data, key.mv_size, value.mv_data, value.mv_size,
				  &p->items[p->count]))
			p->count++;
		if (key.mv_size > ROW_KEY) {
			rc = MDB_CORRUPTED;
			break;
		}
		p->last.len = (uint8_t)key.mv_size;
		memcpy(p->last.b, key.mv_data, key.mv_size);
		rc = mdb_cursor_get(c, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(c);
	p->end = rc == MDB_NOTFOUND;
	return p->end ? 0 : rc;
}

static int next_page(struct store *s, enum sub sub, struct page *p)
{
	MDB_txn *txn;
	int rc;

	p->count = 0;
	pthread_mutex_lock(&s->gate);
	rc = s->env ? mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn) : MDB_PANIC;
	if (!rc) {
		rc = fill(s, sub, p, txn);
		mdb_txn_abort(txn);
	}
	pthread_mutex_unlock(&s->gate);
	return rc;
}

/* *stop: see has had enough. */
static int walk_sub(struct store *s, enum sub sub, struct page *p, store_see_fn see, void *arg,
		    bool *stop)
{
	int rc;

	p->last.len = 0;
	do {
		rc = next_page(s, sub, p);
		if (rc)
			return rc;
		for (size_t i = 0; i < p->count && !*stop; i++)
			*stop = !see(&p->items[i], arg);
	} while (!p->end && !*stop);
	return 0;
}

static const struct {
	enum sub sub;
	enum store_kind kind;
	enum record_state state;
} order[] = {
	{SUB_GREY, STORE_RECORD, RECORD_GREY},
	{SUB_PASSED, STORE_RECORD, RECORD_PASSED},
	{SUB_SOURCE, STORE_RECORD, RECORD_SOURCE},
	{SUB_VERDICT, STORE_VERDICT, RECORD_NONE},
	{SUB_TRAP, STORE_TRAP, RECORD_NONE},
	{SUB_CORRESPONDENT, STORE_CORRESPONDENT, RECORD_NONE},
};

/* kind STORE_KIND_MAX: all. */
static int walk(struct store *s, enum store_kind kind, enum record_state state, store_see_fn see,
		void *arg)
{
	struct page *p = malloc(sizeof(*p));
	bool stop = false;
	int rc = 0;

	if (!p)
		return -ENOMEM;
	for (size_t i = 0; !rc && !stop && i < sizeof(order) / sizeof(order[0]); i++) {
		if (kind != STORE_KIND_MAX && order[i].kind != kind)
			continue;
		if (state != RECORD_NONE && order[i].state != state)
			continue;
		rc = walk_sub(s, order[i].sub, p, see, arg, &stop);
	}
	free(p);
	return engine_errno(rc);
}

int engine_walk(struct store *s, enum store_kind kind, enum record_state state, store_see_fn see,
		void *arg)
{
	return walk(s, kind, kind == STORE_RECORD ? state : RECORD_NONE, see, arg);
}

struct live {
	uint32_t now, window, keep;
	store_see_fn see;
	void *arg;
};

static bool see_live(const struct store_item *item, void *arg)
{
	const struct live *l = arg;
	uint32_t over = codec_over(item, l->window, l->keep);

	return over && over <= l->now ? true : l->see(item, l->arg);
}

int engine_load(struct store *s, uint32_t now, store_see_fn see, void *arg)
{
	struct live l = {now, atomic_load(&s->window), atomic_load(&s->keep), see, arg};

	return walk(s, STORE_KIND_MAX, RECORD_NONE, see_live, &l);
}
