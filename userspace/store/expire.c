// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Expiry in time order: grey rows from the left of their own sub-DB, the sliding ones from the left
 * of the queue. What is not over is never read.
 */
#include "engine.h"

/* A full store is given another chance after this long, if an eighth of it is free or it was the
 * disk that had no room, and has now. s */
#define FULL_PAUSE 10

static int expire_grey(struct store *s, MDB_txn *txn, uint32_t now, size_t max, size_t *steps)
{
	uint32_t window = atomic_load(&s->window), first;
	MDB_val key, value;
	MDB_cursor *c;
	int rc;

	rc = mdb_cursor_open(txn, s->sub[SUB_GREY], &c);
	if (rc)
		return rc;
	while (*steps < max) {
		rc = mdb_cursor_get(c, &key, &value, MDB_FIRST);
		if (rc)
			break;
		first = codec_grey_first(key.mv_data);
		if (first >= now || now - first <= window)
			break;
		rc = mdb_cursor_del(c, 0);
		if (rc)
			break;
		(*steps)++;
	}
	mdb_cursor_close(c);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* The row an entry of the queue speaks of has come up: it goes, or is queued again for when it will
 * be over as things stand now. */
static int revisit(struct store *s, MDB_txn *txn, enum sub sub, const struct row_key *k,
		   uint32_t now, bool *ret_gone)
{
	MDB_val key = engine_key(k), value, none = {0, NULL};
	struct store_item item;
	struct row_key again;
	struct row_value row;
	uint32_t over;
	int rc;

	rc = mdb_get(txn, s->sub[sub], &key, &value);
	if (rc)
		return rc == MDB_NOTFOUND ? 0 : rc;
	if (value.mv_size > ROW_VALUE ||
	    codec_unpack(sub, key.mv_data, key.mv_size, value.mv_data, value.mv_size, &item)) {
		*ret_gone = true;
		return mdb_del(txn, s->sub[sub], &key, NULL);
	}
	over = codec_over(&item, atomic_load(&s->window), atomic_load(&s->keep));
	if (over && over <= now) {
		*ret_gone = true;
		return mdb_del(txn, s->sub[sub], &key, NULL);
	}
	row.len = (uint8_t)value.mv_size;
	memcpy(row.b, value.mv_data, row.len);
	codec_set_due(row.b, over);
	value = engine_val(row.b, row.len);
	rc = mdb_put(txn, s->sub[sub], &key, &value, 0);
	if (rc || !over)
		return rc;
	again = codec_due_key(over, sub, k->b, k->len);
	key = engine_key(&again);
	return mdb_put(txn, s->sub[SUB_DUE], &key, &none, 0);
}

static int expire_due(struct store *s, MDB_txn *txn, uint32_t now, size_t max, size_t *steps,
		      size_t *gone)
{
	MDB_val key, value;
	MDB_cursor *c;
	int rc;

	rc = mdb_cursor_open(txn, s->sub[SUB_DUE], &c);
	if (rc)
		return rc;
	while (*steps < max) {
		struct row_key row = {0};
		const void *part;
		bool known, went = false;
		uint32_t due;
		enum sub sub;
		size_t len;

		rc = mdb_cursor_get(c, &key, &value, MDB_FIRST);
		if (rc)
			break;
		known = !codec_due_parse(key.mv_data, key.mv_size, &due, &sub, &part, &len) &&
			key.mv_size <= ROW_KEY;
		if (known && due > now)
			break;
		if (known) {
			row.len = (uint8_t)len;
			memcpy(row.b, part, len);
		}
		rc = mdb_cursor_del(c, 0);
		if (!rc && known)
			rc = revisit(s, txn, sub, &row, now, &went);
		if (rc)
			break;
		*gone += went;
		(*steps)++;
	}
	mdb_cursor_close(c);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* The last sixteenth is kept free: where every page is in use LMDB cannot even delete. */
static void judge_full(struct store *s, uint32_t now)
{
	MDB_envinfo info;
	size_t used;

	if (engine_used(s, &used) || mdb_env_info(s->env, &info))
		return;
	if (info.me_mapsize >= s->max_bytes && used > s->max_bytes - s->max_bytes / 16) {
		s->full = true;
		s->full_since = now;
	}
	if (!s->full)
		return;
	if (!s->full_since || s->full_since > now)
		s->full_since = now;
	if (now - s->full_since < FULL_PAUSE)
		return;
	if (info.me_mapsize >= s->max_bytes && used >= s->max_bytes - s->max_bytes / 8)
		return;
	s->full = false;
	/* Where there is no room it is full again. */
	engine_apply(s, NULL, 0);
}

int engine_expire(struct store *s, uint32_t now, size_t max, size_t *ret_steps)
{
	size_t steps, gone;
	MDB_txn *txn;
	int rc;

	judge_full(s, now);
	do {
		steps = 0;
		gone = 0;
		rc = engine_begin(s, &txn);
		if (rc)
			break;
		rc = expire_grey(s, txn, now, max, &steps);
		gone = steps;
		if (!rc)
			rc = expire_due(s, txn, now, max, &steps, &gone);
		if (!rc && steps)
			rc = engine_commit(s, txn);
		else
			mdb_txn_abort(txn);
	} while (rc == MDB_MAP_FULL && !engine_grow(s));
	if (rc) {
		s->errors++;
		return engine_errno(rc);
	}
	s->expired += gone;
	*ret_steps = steps;
	return 0;
}
