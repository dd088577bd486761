// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Groups of items, one transaction each.
 *
 * Items become operations on rows, sorted by sub-DB and key, in order of arrival within a row: a
 * tree that is written in its own order touches each page once and splits it at its end.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "engine.h"

struct op {
	struct row_key key;
	uint8_t sub;
	bool del;
	uint32_t seq;
	const struct store_item *item;
};

/* An item is at most a put and a delete where the record lay before. */
#define OPS_PER_ITEM 2
/* Grey rows that make room for what is worth more, per attempt. */
#define EVICT_ROWS 1000
/* A file system with less than this to give is full. */
#define FULL_BYTES 65536

static int op_order(const void *a, const void *b)
{
	const struct op *x = a, *y = b;
	size_t len = x->key.len < y->key.len ? x->key.len : y->key.len;
	int d;

	if (x->sub != y->sub)
		return x->sub < y->sub ? -1 : 1;
	d = memcmp(x->key.b, y->key.b, len);
	if (d)
		return d;
	if (x->key.len != y->key.len)
		return x->key.len < y->key.len ? -1 : 1;
	return x->seq < y->seq ? -1 : 1;
}

static size_t add_op(struct store *s, size_t n, const struct store_item *item, enum sub sub,
		     const struct row_key *key, bool del)
{
	s->room[n] = (struct op){
		.key = *key, .sub = (uint8_t)sub, .del = del, .seq = (uint32_t)n, .item = item};
	return n + 1;
}

static size_t collect(struct store *s, const struct store_item *const *items, size_t n)
{
	uint32_t newest = 0;
	size_t ops = 0;

	for (size_t i = 0; i < n; i++) {
		const struct store_item *item = items[i];
		struct row_key key, old;
		enum sub sub = codec_place(item, &key), old_sub;

		assert(sub < SUB_MAX);
		if (item->kind == STORE_RECORD && !item->del && item->was.state != RECORD_NONE) {
			old_sub = codec_place_record(&item->was, &old);
			if (old_sub < SUB_MAX &&
			    (old_sub != sub || old.len != key.len || memcmp(old.b, key.b, key.len)))
				ops = add_op(s, ops, item, old_sub, &old, true);
		}
		ops = add_op(s, ops, item, sub, &key, item->del);
		if (sub == SUB_GREY && !item->del && item->rec.first > newest)
			newest = item->rec.first;
	}
	slot_begin_group(s, newest);
	qsort(s->room, ops, sizeof(*s->room), op_order);
	return ops;
}

static int queue_due(struct store *s, MDB_txn *txn, const struct op *op, uint32_t due, bool add)
{
	struct row_key k = codec_due_key(due, op->sub, op->key.b, op->key.len);
	MDB_val key = engine_key(&k), none = {0, NULL};
	int rc;

	if (add)
		return mdb_put(txn, s->sub[SUB_DUE], &key, &none, 0);
	rc = mdb_del(txn, s->sub[SUB_DUE], &key, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Keeps the queue's one entry of a sliding row: an earlier one is left until it comes up, so that a
 * row in daily use costs no second write. Returns in *due what the row is queued for. */
static int settle_due(struct store *s, MDB_txn *txn, const struct op *op, uint32_t old,
		      uint32_t *due)
{
	int rc = 0;

	if (old && *due && old <= *due) {
		*due = old;
		return 0;
	}
	if (old)
		rc = queue_due(s, txn, op, old, false);
	if (!rc && *due)
		rc = queue_due(s, txn, op, *due, true);
	return rc;
}

static bool touches(const struct store_item *item)
{
	return item->was.state == RECORD_GREY && item->was.first == item->rec.first;
}

/* Moves the cursor to the row if it is there and anybody cares. 0 or MDB_NOTFOUND. */
static int find_old(MDB_cursor *c, const struct op *op, MDB_val *key, MDB_val *value)
{
	if (!op->del && !codec_slides(op->sub) && !codec_wants_old(op->item) &&
	    !(op->sub == SUB_GREY && touches(op->item)))
		return MDB_NOTFOUND;
	if (op->sub == SUB_GREY)
		return slot_find(c, &op->key, key, value);
	*key = engine_key(&op->key);
	return mdb_cursor_get(c, key, value, MDB_SET);
}

static int run_op(struct store *s, MDB_txn *txn, MDB_cursor *c, const struct op *op)
{
	bool slides = codec_slides(op->sub), found;
	struct store_item old, filled;
	const struct store_item *item = op->item;
	struct row_key place = op->key;
	uint32_t queued = 0, due = 0;
	struct row_value row;
	MDB_val key, value;
	int rc;

	rc = find_old(c, op, &key, &value);
	if (rc && rc != MDB_NOTFOUND)
		return rc;
	found = !rc;
	if (found && slides && value.mv_size >= sizeof(due))
		queued = codec_due(value.mv_data);
	if (op->del) {
		rc = found ? mdb_cursor_del(c, 0) : 0;
		return rc || !queued ? rc : settle_due(s, txn, op, queued, &due);
	}
	if (found && codec_wants_old(item) &&
	    !codec_unpack(op->sub, key.mv_data, key.mv_size, value.mv_data, value.mv_size, &old)) {
		filled = *item;
		codec_fill(&filled, &old);
		item = &filled;
	}
	if (op->sub == SUB_GREY && found)
		memcpy(place.b, key.mv_data, place.len);
	else if (op->sub == SUB_GREY)
		slot_place(s, &place);
	if (slides) {
		due = codec_over(item, atomic_load(&s->window), atomic_load(&s->keep));
		rc = settle_due(s, txn, op, queued, &due);
		if (rc)
			return rc;
	}
	codec_pack(item, due, &row);
	key = engine_key(&place);
	value = engine_val(row.b, row.len);
	return mdb_cursor_put(c, &key, &value, 0);
}

/* New grey records are what a full store can do without; one whose producer waits to be told is
 * not dropped behind its back. */
static bool dispensable(const struct op *op)
{
	return op->sub == SUB_GREY && !op->del && !op->item->notice;
}

/* A row that is there already, as it is: only a commit that has something to write meets a full
 * disk. */
static int rewrite_schema(struct store *s, MDB_txn *txn)
{
	uint8_t schema[4];
	MDB_val key = engine_val("schema", 6), value = engine_val(schema, sizeof(schema));

	codec_set_due(schema, STORE_SCHEMA);
	return mdb_put(txn, s->sub[SUB_META], &key, &value, 0);
}

static int run_group(struct store *s, size_t ops, size_t *ret_dropped)
{
	MDB_cursor *c = NULL;
	MDB_txn *txn;
	int rc, sub = -1;

	*ret_dropped = 0;
	rc = engine_begin(s, &txn);
	if (rc)
		return rc;
	if (!ops)
		rc = rewrite_schema(s, txn);
	for (size_t i = 0; !rc && i < ops; i++) {
		const struct op *op = &s->room[i];

		if (s->full && dispensable(op)) {
			(*ret_dropped)++;
			continue;
		}
		if (op->sub != sub) {
			if (c)
				mdb_cursor_close(c);
			c = NULL;
			sub = op->sub;
			rc = mdb_cursor_open(txn, s->sub[sub], &c);
		}
		if (!rc)
			rc = run_op(s, txn, c, op);
	}
	if (c)
		mdb_cursor_close(c);
	if (!rc)
		return engine_commit(s, txn);
	mdb_txn_abort(txn);
	return rc;
}

/* EIO: what LMDB makes of a write that was cut short, which is how a disk becomes full. */
static bool no_room(int rc)
{
	return rc == MDB_MAP_FULL || rc == ENOSPC || rc == EDQUOT || rc == EFBIG || rc == EIO;
}

/* What the disk has no room for LMDB calls an I/O error when a part of it had room. */
static int cause(const struct store *s, int rc)
{
	struct statvfs fs;

	return rc == EIO && !statvfs(s->dir, &fs) && fs.f_bavail * fs.f_frsize < FULL_BYTES ? ENOSPC
											    : rc;
}

/* The oldest grey rows go, over or not. MDB_NOTFOUND when there are none. */
static int evict(struct store *s)
{
	MDB_val key, value;
	MDB_cursor *c;
	MDB_txn *txn;
	size_t n = 0;
	int rc;

	rc = engine_begin(s, &txn);
	if (rc)
		return rc;
	rc = mdb_cursor_open(txn, s->sub[SUB_GREY], &c);
	if (!rc) {
		while (n < EVICT_ROWS && !(rc = mdb_cursor_get(c, &key, &value, MDB_FIRST)) &&
		       !(rc = mdb_cursor_del(c, 0)))
			n++;
		mdb_cursor_close(c);
	}
	if (!n || (rc && rc != MDB_NOTFOUND)) {
		mdb_txn_abort(txn);
		return rc;
	}
	rc = engine_commit(s, txn);
	if (!rc)
		s->lost += n;
	return rc;
}

int engine_apply(struct store *s, const struct store_item *const *items, size_t n)
{
	bool recovered = false;
	size_t ops, dropped;
	struct op *room;
	int rc;

	if (n > SIZE_MAX / (OPS_PER_ITEM * sizeof(*room)))
		return -E2BIG;
	if (n * OPS_PER_ITEM > s->room_ops) {
		room = realloc(s->room, n * OPS_PER_ITEM * sizeof(*room));
		if (!room)
			return -ENOMEM;
		s->room = room;
		s->room_ops = n * OPS_PER_ITEM;
	}
	ops = n ? collect(s, items, n) : 0;
	/* Each round changes something for the better or is the last: the map grows to its limit,
	 * grey records are given up once, rows to evict run out, recovery is tried once. */
	for (;;) {
		rc = run_group(s, ops, &dropped);
		if (rc == MDB_MAP_FULL && !engine_grow(s))
			continue;
		if (no_room(rc) && !s->full) {
			s->full = true;
			s->full_since = 0;
			continue;
		}
		if (n && no_room(rc) && !evict(s))
			continue;
		if ((rc == MDB_PANIC || engine_damaged(rc)) && !recovered &&
		    !engine_recover(s, rc)) {
			recovered = true;
			continue;
		}
		break;
	}
	if (rc) {
		s->errors++;
		return engine_errno(cause(s, rc));
	}
	s->items += n;
	s->lost += dropped;
	return 0;
}
