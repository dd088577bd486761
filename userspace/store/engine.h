/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Insides of the LMDB engine, shared by its files.
 *
 * Writes happen in one thread. Any other may read, in short transactions under `gate`; the writing
 * thread takes `gate` only to enlarge or replace the environment, which LMDB allows only while no
 * transaction lives. Functions here return 0 or an LMDB code or positive errno, as LMDB does;
 * engine_errno turns that into ours at the door.
 */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "codec.h"
#include "store.h"

/* Names in the directory of the store. */
#define STORE_FILE "store"
#define STORE_LOCK "lock"
/* Layout of the sub-DBs: a store of another number is set aside, never reinterpreted. */
#define STORE_SCHEMA 1

struct op; /* apply.c */

struct store {
	const struct store_ops *ops;
	char dir[PATH_MAX - 64];
	int lock_fd;
	bool sync;
	size_t map_bytes, max_bytes;
	_Atomic uint32_t window, keep; /* s */
	uint8_t key[16];
	MDB_env *env;
	MDB_dbi sub[SUB_MAX];
	pthread_mutex_t gate;
	struct op *room; /* work space of apply, grown as groups ask for */
	size_t room_ops;
	uint32_t slot_second; /* slot.c */
	uint8_t slot;
	bool full;
	uint32_t full_since; /* s, the clock of expire; 0: not known yet */
	bool set_aside;
	uint64_t commits, items, grown, errors, expired, lost;
	uint32_t commit_us_max;
};

/* A sound file that nobody writes, for load and close. -EPROTO: of another schema; -EUCLEAN: not a
 * store. */
int engine_open_file(const char *file, struct store **ret, uint8_t ret_key[16]);
int engine_errno(int rc);
/* True for codes that mean the file itself cannot be trusted. */
bool engine_damaged(int rc);

/* Write transaction; takes in what another process did to the size of the map. */
int engine_begin(struct store *s, MDB_txn **ret);
/* Commits and keeps the statistics of it. */
int engine_commit(struct store *s, MDB_txn *txn);
/* Doubles the map. MDB_MAP_FULL when it is as large as it may get: max_bytes, and a sixteenth more
 * while `full`, so that room can be made at all. No transaction of the caller's may be open. */
int engine_grow(struct store *s);
/* After a failure that left the environment unusable (MDB_PANIC) or damaged: opens it again, if
 * need be anew. */
int engine_recover(struct store *s, int rc);
/* Bytes in use by rows, without free pages. */
int engine_used(struct store *s, size_t *ret);

/* A group whose newest grey record is of this second begins. */
void slot_begin_group(struct store *s, uint32_t newest_first);
/* Puts the slot into the key of a new grey row. */
void slot_place(const struct store *s, struct row_key *key);
/* Moves the cursor to the grey row of this key, whatever its slot. MDB_NOTFOUND. */
int slot_find(MDB_cursor *c, const struct row_key *key, MDB_val *ret_key, MDB_val *ret_value);

int engine_apply(struct store *s, const struct store_item *const *items, size_t n);
int engine_expire(struct store *s, uint32_t now, size_t max, size_t *ret_steps);
int engine_load(struct store *s, uint32_t now, store_see_fn see, void *arg);
int engine_walk(struct store *s, enum store_kind kind, enum record_state state, store_see_fn see,
		void *arg);

static inline MDB_val engine_val(const void *data, size_t len)
{
	return (MDB_val){.mv_size = len, .mv_data = (void *)data};
}

static inline MDB_val engine_key(const struct row_key *k)
{
	return engine_val(k->b, k->len);
}

#endif
