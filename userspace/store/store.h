/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What outlives the process: records, verdicts and traps behind a small table of operations, and
 * the one thread that writes them.
 *
 * The RAM tables are the truth while the daemon runs. The store follows: workers and the control
 * thread queue items (one SPSC queue each), the writer commits a group at least every 50 ms or
 * every 1000 items. An item with a notice asks to be told when its group is durable against the
 * death of the process; the writer then commits at once. A store that fails holds up nobody:
 * notices are answered with the error, mail goes on, and the log and `greygate status` say so. What
 * it could not take waits in the writer's memory, and is written in its order when it can be, at
 * the stop at the latest (backlog.h says how much that may be).
 *
 * What survives. The process dies (kill -9): everything that was noticed, and all but the items of
 * the last 50 ms or of the group being written. The machine dies: the file stays sound, and at most
 * the last committed group is missing besides. What waits for a store that fails is missing too.
 * The file is at its limit or the disk is full: new grey records are no longer remembered, passed
 * ones, sources, verdicts and traps still are.
 *
 * An engine may answer asynchronously later (a network store): nothing but the writer thread calls
 * it after load, and only whole groups.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/addr.h"
#include "../core/records.h"
#include "../core/verdicts.h"

#define STORE_TEXT 136

enum store_kind {
	STORE_RECORD,        /* grey, passed or source record: by rec.state */
	STORE_VERDICT,       /* prefix with its entry */
	STORE_TRAP,          /* greytrap address */
	STORE_CORRESPONDENT, /* domain that our users write to */
	STORE_KIND_MAX
};

struct store_item {
	uint8_t kind; /* enum store_kind */
	bool del;     /* remove instead of put; what is not there is no error */
	bool notice;  /* tell the producer, see store_notices */
	uint64_t token;
	struct record rec;    /* RECORD: whole, state GREY, PASSED or SOURCE. TRAP,
			       * CORRESPONDENT: tag only */
	struct record was;    /* RECORD put: what it replaces, as the table had it; state NONE when
			       * nothing. Says where the old row lies when state or first changed */
	struct prefix prefix; /* VERDICT: key. RECORD: the full source address; len 0 keeps the
			       * stored one */
	struct verdict_entry entry; /* VERDICT. CORRESPONDENT: expires only */
	uint32_t added; /* VERDICT, TRAP, CORRESPONDENT: s; VERDICT: 0 keeps the stored one and
			   reason */
	char text[STORE_TEXT]; /* RECORD: see store_text_pair, empty keeps the stored one; VERDICT:
				* reason; TRAP: address; CORRESPONDENT: domain. Ends with NUL, else
				* it is cut there */
};

/* Sender NUL recipient NUL; when both are too long each is cut to half. */
void store_text_pair(char ret[STORE_TEXT], const char *sender, const char *recipient);
/* The part after the first NUL of a pair. */
const char *store_text_recipient(const struct store_item *item);

/* Called for every item; false stops. */
typedef bool (*store_see_fn)(const struct store_item *item, void *arg);

struct store; /* one open engine; its struct starts with `const struct store_ops *ops` */

struct store_stats {
	uint64_t records[4]; /* by enum record_state */
	uint64_t verdicts, traps;
	uint64_t bytes;     /* in use on disk */
	uint64_t map_bytes; /* size it may grow to before it is enlarged */
	uint64_t commits, items, grown, errors;
	uint64_t expired; /* rows removed because they were over */
	uint64_t lost;    /* items dropped: queue full, too many wait, or grey ones while full */
	uint64_t waiting; /* items that could not be written yet */
	uint32_t commit_us_max;
	bool failing;   /* nothing can be written, or what waits is not written yet */
	bool behind;    /* a queue was full within the last minute */
	bool full;      /* at its limit or the disk full: new grey records are dropped */
	bool set_aside; /* a corrupt store was renamed, at open or later */
};

struct store_ops {
	const char *name;
	/* Every item that is not over at `now`: grey records by first attempt, then passed ones,
	 * sources, verdicts, traps. A tag may come twice, then the later one counts. Before the
	 * writer runs. 0, or -errno: what was seen until then is good. */
	int (*load)(struct store *s, uint32_t now, store_see_fn see, void *arg);
	/* One transaction: all or nothing. Grows the map by itself. Without items (n 0): whether
	 * one could be written now. */
	int (*apply)(struct store *s, const struct store_item *const *items, size_t n);
	/* At most max steps in one transaction; a step removes a row that is over at `now`, or puts
	 * off one that was used since. *ret_steps == max: there may be more. */
	int (*expire)(struct store *s, uint32_t now, size_t max, size_t *ret_steps);
	/* Read-only walk of one kind (and, for records, one state; RECORD_NONE: all), in pages:
	 * see() is never called within a transaction and may take its time. Any thread, several at
	 * once. Rows are as of the last commit; some may be over already. */
	int (*walk)(struct store *s, enum store_kind kind, enum record_state state,
		    store_see_fn see, void *arg);
	/* New lifetimes after a reload, as in store_conf; any thread. */
	void (*lifetimes)(struct store *s, uint32_t window, uint32_t keep);
	/* The thread that applies; for others see store_writer_stats. */
	int (*stats)(struct store *s, struct store_stats *ret);
	void (*close)(struct store **s);
};

/* The operations of an open engine. */
static inline const struct store_ops *store_ops_of(const struct store *s)
{
	return *(const struct store_ops *const *)s;
}

struct store_conf {
	const char *dir;  /* exists or is made, mode 0700; never on a network file system */
	size_t map_bytes; /* first size of the map, sparse; doubles when full up to max_bytes */
	size_t max_bytes; /* the file may exceed it by a sixteenth while room is made */
	uint32_t window;  /* s, lifetime of grey records */
	uint32_t keep;    /* s, lifetime of passed and source records after their last delivery */
	bool sync;        /* fsync each group; false only for tests */
	int held_lock; /* descriptor of dir/lock, locked by a predecessor that stands still, which
			* becomes the store's; 0: none */
};

/* Opens LMDB under conf->dir (files store, store-lock and lock). Only one daemon can: -EBUSY. A
 * store that is corrupt or of an unknown schema is renamed to DIR/store.bad-TIME (said in err and
 * store_stats.set_aside) and a new one is begun. On failure err names the thing, the cause and the
 * mend; else err is empty unless the store was set aside. ret_key: the secret of this installation,
 * made at first open. */
int store_open_lmdb(const struct store_conf *conf, struct store **ret, uint8_t ret_key[16],
		    char *err, size_t err_size);

/* Of an LMDB store: the descriptor of its lock, for held_lock of a successor. */
int store_lock_fd(const struct store *s);
/* Once a successor has it: it is the successor's alone. */
void store_lock_leave(struct store *s);
/* Of an LMDB store opened with held_lock, once the predecessor has gone: who is to be named to
 * others who want it. */
void store_lock_sign(const struct store *s);

/* ---- the writer thread ---- */

struct store_writer;

/* producers: how many threads will queue. The writer owns nothing of s until it is stopped, but
 * only its thread may call apply, expire and stats meanwhile. */
int store_writer_start(struct store *s, int producers, size_t queue_items,
		       struct store_writer **ret);
/* Drains every queue, commits, joins; what cannot be written then is lost, which the log says. The
 * producers push no more; notices they have not taken are
 * gone. */
void store_writer_stop(struct store_writer **w);

/* Lets the group at hand be finished and then writes nothing until it is resumed: what is queued
 * waits. Returns when it stands still; one thread pauses and resumes. */
void store_writer_pause(struct store_writer *w);
/* Goes on, with this engine from now on; the one before stays the caller's. Of `to` only apply,
 * expire and stats are called. */
void store_writer_resume(struct store_writer *w, struct store *to);

/* Producer p: a place for one item (zeroed), NULL when the queue is full (counted as lost). The
 * last quarter of the queue is kept for items that are to be noticed: what was promised to somebody
 * must not find it filled with first attempts. */
struct store_item *store_writer_slot(struct store_writer *w, int p, bool notice);
/* Publishes it. Makes a system call only for a notice, and once per half group. */
void store_writer_push(struct store_writer *w, int p);
/* Readable (eventfd, non-blocking) when notices wait for producer p. */
int store_writer_fd(struct store_writer *w, int p);
/* Takes up to max notices of producer p, in the order of the pushes: returns how many. err is 0, or
 * the -errno for which the group waits. Fewer than max: the eventfd is drained. A producer that
 * takes none is soon refused slots. */
struct store_notice {
	uint64_t token;
	int err;
};
int store_notices(struct store_writer *w, int p, struct store_notice *ret, int max);
/* Items of a kind that a failing store has not taken yet, oldest first. They may still be on disk
 * in an earlier form, and those seen may get there meanwhile. see is called under a lock that holds
 * up the writer. Any thread. */
void store_writer_waiting(struct store_writer *w, enum store_kind kind, store_see_fn see,
			  void *arg);
/* Snapshot of counters, at most a second old; any thread. */
void store_writer_stats(struct store_writer *w, struct store_stats *ret);

#endif
