/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What outlives the process: records, verdicts and traps behind a small table of operations, and
 * the one thread that writes them.
 *
 * The RAM tables are the truth while the daemon runs. The store follows: workers and the control
 * thread queue items (one SPSC queue each), the writer commits a group at least every 50 ms or
 * every 1000 items. An item with a notice asks to be told when its group is durable against the
 * death of the process; the writer then commits within 5 ms. A store that fails degrades to "not
 * remembered": notices are answered with the error, mail goes on, and the log and `greygate status`
 * say so.
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
	STORE_RECORD,  /* grey, passed or source record: by rec.state */
	STORE_VERDICT, /* prefix with its entry */
	STORE_TRAP,    /* greytrap address */
	STORE_KIND_MAX
};

struct store_item {
	uint8_t kind; /* enum store_kind */
	bool del;     /* remove instead of put */
	bool notice;  /* tell the producer, see store_notices */
	uint64_t token;
	struct record rec;          /* RECORD: whole. TRAP: tag only */
	struct prefix prefix;       /* VERDICT: key. RECORD: the full source address */
	struct verdict_entry entry; /* VERDICT */
	uint32_t added;             /* VERDICT, TRAP: s */
	char text[STORE_TEXT]; /* RECORD: sender NUL recipient NUL (cut); VERDICT: reason; TRAP:
				  address */
};

/* Called for every live item; false stops. */
typedef bool (*store_see_fn)(const struct store_item *item, void *arg);

struct store; /* one open engine; its struct starts with `const struct store_ops *ops` */

struct store_stats {
	uint64_t records[4]; /* by enum record_state, approximate */
	uint64_t verdicts, traps;
	uint64_t bytes;     /* size on disk in use */
	uint64_t map_bytes; /* size it may grow to before it is enlarged */
	uint64_t commits, items, grown, errors,
		lost; /* lost: items dropped on a full queue or a failed group */
	uint32_t commit_us_max;
	bool failing;   /* the last group could not be written */
	bool set_aside; /* a corrupt store was renamed at open */
};

struct store_ops {
	const char *name;
	/* Every live item, in no order. Before the writer runs. */
	int (*load)(struct store *s, uint32_t now, store_see_fn see, void *arg);
	/* One transaction: all or nothing. Grows the map by itself. */
	int (*apply)(struct store *s, const struct store_item *const *items, size_t n);
	/* Removes at most max expired records; *ret_removed. Bounded work per call. */
	int (*expire)(struct store *s, uint32_t now, size_t max, size_t *ret_removed);
	/* Read-only walk of one kind (and, for records, one state; RECORD_NONE: all); any one
	 * thread beside the writer. Rows are not older than the last commit. */
	int (*walk)(struct store *s, enum store_kind kind, enum record_state state,
		    store_see_fn see, void *arg);
	int (*stats)(struct store *s, struct store_stats *ret);
	void (*close)(struct store **s);
};

struct store_conf {
	const char *dir;  /* exists or is made, mode 0700; never on a network file system */
	size_t map_bytes; /* first size of the map, sparse; doubles when full up to max_bytes */
	size_t max_bytes;
	uint32_t window; /* s, lifetime of grey records */
	uint32_t keep;   /* s, lifetime of passed and source records after their last delivery */
	bool sync;       /* fsync each group; false only for tests */
};

/* Opens LMDB under conf->dir. A store that is corrupt or of an unknown schema is renamed to
 * DIR/store.bad-TIME (said in err and store_stats.set_aside) and a new one is begun. On failure err
 * names the thing, the cause and the mend. ret_key: the secret of this installation, made at first
 * open. */
int store_open_lmdb(const struct store_conf *conf, struct store **ret, uint8_t ret_key[16],
		    char *err, size_t err_size);

/* ---- the writer thread ---- */

struct store_writer;

/* producers: how many threads will queue. The writer owns nothing of s until it is stopped. */
int store_writer_start(struct store *s, int producers, size_t queue_items,
		       struct store_writer **ret);
/* Drains every queue, commits, joins. */
void store_writer_stop(struct store_writer **w);

/* Producer p: a place for one item (zeroed), NULL when the queue is full (counted as lost). */
struct store_item *store_writer_slot(struct store_writer *w, int p);
void store_writer_push(struct store_writer *w, int p);
/* Readable (eventfd, non-blocking) when notices wait for producer p. */
int store_writer_fd(struct store_writer *w, int p);
/* Takes up to max notices of producer p: returns how many. err is 0 or the -errno of the group. */
struct store_notice {
	uint64_t token;
	int err;
};
int store_notices(struct store_writer *w, int p, struct store_notice *ret, int max);
/* Snapshot of counters; any thread. */
void store_writer_stats(struct store_writer *w, struct store_stats *ret);

#endif
