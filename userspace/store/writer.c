// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The writer thread: collects what the producers queue, hands it to the engine in groups, answers
 * notices, and lets the engine expire in bounded steps in between.
 *
 * It looks at the queues every 50 ms by itself, so a producer has to wake it only when somebody
 * waits for the answer or half a group has come together. Items are read where they lie in the
 * queues and given back when their group is decided.
 *
 * A group that fails is kept, and what comes after it waits behind it: the engine sees everything
 * in the order of the pushes, however long it could not be written. Once a second it is tried
 * whether the oldest can be.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "../core/log.h"
#include "../core/spsc.h"
#include "backlog.h"
#include "mend.h"
#include "store.h"

#define GROUP_ITEMS 4096 /* at most: a backlog is worked off in large transactions */
#define GROUP_MS 50
#define WAKE_ITEMS 500 /* queued by one producer without a wake-up */
#define LOST_SAY_MS 60000
#define RETRY_MS 1000
#define WELL_MS 5000 /* it must go well for so long before it is said to be */
/* A step of expiry takes some milliseconds, which a notice may have to wait; 20 of them a second
 * remove more than any day's worth of attempts brings in. */
#define EXPIRE_STEPS 1000
#define EXPIRE_BUSY_MS 50
#define EXPIRE_IDLE_MS 1000

struct producer {
	struct spsc *items;
	struct spsc *notices;
	size_t notice_room;
	int fd;
	size_t taken;                         /* items in the group being written; the writer's */
	_Alignas(64) struct store_item *slot; /* from here on the producer's */
	unsigned int unannounced;
	size_t open_room; /* for items without a notice */
	_Atomic uint64_t lost;
};

struct store_writer {
	struct store *store;
	const struct store_ops *ops;
	struct producer *producers;
	int producer_count;
	int wake_fd;
	_Atomic bool woken; /* the writer is about to look: no need to wake it */
	_Atomic bool stop;
	pthread_t thread;
	pthread_mutex_t pause_lock;
	pthread_cond_t pause_moved;
	bool pause_asked, paused; /* under pause_lock */
	pthread_mutex_t stats_lock;
	struct store_stats stats;
	const struct store_item *group[GROUP_ITEMS];
	int turn; /* the producer to be asked first */
	struct store_stats engine;
	uint64_t lost, lost_said, lost_seen;
	int64_t lost_next, lost_at; /* ms: a loss may be said again; the last one was seen */
	struct backlog backlog;
	size_t piece;  /* of the backlog that is tried at once */
	int failing;   /* -errno of the last try while anything waits behind it; 0: none does */
	bool told;     /* the log says that it fails */
	int64_t retry; /* ms: the backlog may be tried again */
	int64_t well;  /* ms: since then nothing has failed */
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	/* Only a counter at its limit refuses, and that is readable already. */
	if (write(fd, &one, sizeof(one)) < 0)
		errno = 0;
}

static void drain_fd(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0)
		errno = 0;
}

/* ---- producers' side ---- */

static void wake(struct store_writer *w)
{
	if (!atomic_exchange(&w->woken, true))
		signal_fd(w->wake_fd);
}

struct store_item *store_writer_slot(struct store_writer *w, int p, bool notice)
{
	struct producer *q = &w->producers[p];

	q->slot = notice || spsc_waiting(q->items) < q->open_room ? spsc_slot(q->items) : NULL;
	if (q->slot)
		memset(q->slot, 0, sizeof(*q->slot));
	else if (!notice) /* the others try again */
		atomic_fetch_add_explicit(&q->lost, 1, memory_order_relaxed);
	return q->slot;
}

void store_writer_push(struct store_writer *w, int p)
{
	struct producer *q = &w->producers[p];
	bool notice = q->slot->notice;

	spsc_push(q->items);
	if (notice || ++q->unannounced >= WAKE_ITEMS) {
		q->unannounced = 0;
		wake(w);
	}
}

int store_writer_fd(struct store_writer *w, int p)
{
	return w->producers[p].fd;
}

int store_notices(struct store_writer *w, int p, struct store_notice *ret, int max)
{
	struct producer *q = &w->producers[p];
	const struct store_notice *n;
	int count = 0;

	drain_fd(q->fd);
	while (count < max && (n = spsc_peek(q->notices, (size_t)count)))
		ret[count++] = *n;
	spsc_pop(q->notices, (size_t)count);
	if (spsc_waiting(q->notices))
		signal_fd(q->fd);
	return count;
}

/* What found no place in a queue. */
static uint64_t lost_in_queues(const struct store_writer *w)
{
	uint64_t lost = 0;

	for (int i = 0; i < w->producer_count; i++)
		lost += atomic_load_explicit(&w->producers[i].lost, memory_order_relaxed);
	return lost;
}

void store_writer_stats(struct store_writer *w, struct store_stats *ret)
{
	pthread_mutex_lock(&w->stats_lock);
	*ret = w->stats;
	pthread_mutex_unlock(&w->stats_lock);
	ret->lost += lost_in_queues(w);
}

void store_writer_waiting(struct store_writer *w, enum store_kind kind, store_see_fn see, void *arg)
{
	backlog_each(&w->backlog, kind, see, arg);
}

/* ---- the writer's side ---- */

/* Takes from one queue while there is room in the group, and for the answers: a producer that does
 * not fetch its notices gets no further than they fit. Nobody fetches any more while stopping. */
static size_t gather_from(struct store_writer *w, struct producer *q, size_t n, bool stopping)
{
	size_t answers = spsc_waiting(q->notices);
	const struct store_item *item;

	while (n < GROUP_ITEMS && (item = spsc_peek(q->items, q->taken))) {
		if (item->notice && !stopping && ++answers > q->notice_room)
			break;
		w->group[n++] = item;
		q->taken++;
	}
	return n;
}

static size_t gather(struct store_writer *w, bool stopping)
{
	size_t n = 0;

	for (int i = 0; i < w->producer_count; i++)
		n = gather_from(w, &w->producers[(w->turn + i) % w->producer_count], n, stopping);
	w->turn = (w->turn + 1) % w->producer_count;
	return n;
}

static void answer(struct producer *q, int err)
{
	const struct store_item *item;
	struct store_notice *notice;
	bool any = false;

	for (size_t i = 0; i < q->taken; i++) {
		item = spsc_peek(q->items, i);
		if (!item->notice)
			continue;
		notice = spsc_slot(q->notices);
		if (!notice)
			break;
		notice->token = item->token;
		notice->err = err;
		spsc_push(q->notices);
		any = true;
	}
	spsc_pop(q->items, q->taken);
	q->taken = 0;
	if (any)
		signal_fd(q->fd);
}

/* Said once a minute while it goes on. True for a minute after the last one. */
static bool say_lost(struct store_writer *w)
{
	uint64_t lost = lost_in_queues(w);
	int64_t now = now_ms();

	if (lost != w->lost_seen)
		w->lost_at = now;
	w->lost_seen = lost;
	if (lost != w->lost_said && now >= w->lost_next) {
		log_message(LOG_STORE,
			    "store is behind: %" PRIu64 " records are known to this process only: "
			    "use a faster disk for state_dir",
			    lost - w->lost_said);
		w->lost_said = lost;
		w->lost_next = now + LOST_SAY_MS;
	}
	return lost && now - w->lost_at < LOST_SAY_MS;
}

static void publish_stats(struct store_writer *w)
{
	struct store_stats st, old;

	/* An engine that cannot say keeps its last word. */
	w->ops->stats(w->store, &w->engine);
	st = w->engine;
	st.lost += w->lost;
	st.failing = w->failing;
	st.waiting = w->backlog.count;
	st.behind = say_lost(w);
	pthread_mutex_lock(&w->stats_lock);
	old = w->stats;
	w->stats = st;
	pthread_mutex_unlock(&w->stats_lock);
	if (st.full && !old.full)
		log_message(LOG_STORE, "store is full: new grey records are not remembered over a "
				       "restart: raise limit store or free space on the disk");
	if (!st.full && old.full)
		log_message(LOG_STORE, "store has room again");
	if (st.set_aside && !old.set_aside)
		log_message(LOG_STORE, "store was damaged: renamed to store.bad-TIME in its "
				       "directory and begun anew");
}

static void note_result(struct store_writer *w, int err)
{
	if (err && !w->told) {
		w->told = true;
		log_message(LOG_STORE,
			    "store cannot be written: %s: %s; mail goes on, what is learned now is "
			    "kept in memory and written when it can be",
			    strerror(-err), store_mend(err));
	}
	if (!err && w->failing)
		w->well = now_ms();
	if (err)
		w->retry = now_ms() + RETRY_MS;
	w->failing = err;
}

/* A disk that is nearly full takes a little now and then: that is no news. */
static void say_well(struct store_writer *w)
{
	if (!w->told || w->failing || now_ms() - w->well < WELL_MS)
		return;
	w->told = false;
	log_message(LOG_STORE, "store can be written again; nothing waits for it any more");
}

/* The group behind what waits already. */
static void put_off(struct store_writer *w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (backlog_add(&w->backlog, w->group[i]))
			w->lost++;
}

static void write_group(struct store_writer *w, size_t n)
{
	int err = w->failing;

	if (!err)
		err = w->ops->apply(w->store, w->group, n);
	if (err && !w->failing) {
		err = w->ops->apply(w->store, w->group, n);
		note_result(w, err);
	}
	if (err)
		put_off(w, n);
	publish_stats(w);
	for (int i = 0; i < w->producer_count; i++)
		answer(&w->producers[i], err);
}

/* What no engine takes, however much room there is. */
static bool is_unfit(int err)
{
	return err == -EINVAL;
}

/* A piece of what waits, without anything that waits whether it can be written now: there may be no
 * mail to find out by. A piece that fails is tried smaller: a part may fit, and one item that is
 * unfit must not hold up the others. True: there is more to be done. */
static bool catch_up(struct store_writer *w, bool now)
{
	size_t n = w->backlog.count < w->piece ? w->backlog.count : w->piece;
	int err;

	if (!w->failing || (!now && now_ms() < w->retry))
		return false;
	for (size_t i = 0; i < n; i++)
		w->group[i] = backlog_at(&w->backlog, i);
	err = w->ops->apply(w->store, w->group, n);
	w->piece = !err ? GROUP_ITEMS : n > 1 ? n / 2 : 1;
	if (n == 1 && is_unfit(err)) {
		w->lost++;
		err = 0;
	}
	if (!err)
		backlog_drop(&w->backlog, n);
	if (err || !w->backlog.count)
		note_result(w, err);
	publish_stats(w);
	return !err && w->failing;
}

/* The last chance of what waits. */
static void leave(struct store_writer *w)
{
	while (catch_up(w, true))
		;
	if (w->backlog.count)
		log_message(LOG_STORE,
			    "%zu changes could not be written before the end, and are lost: %s: %s",
			    w->backlog.count, strerror(-w->failing), store_mend(w->failing));
}

static void expire(struct store_writer *w, int64_t *next)
{
	int64_t now = now_ms();
	size_t steps = 0;

	if (now < *next)
		return;
	if (w->ops->expire(w->store, (uint32_t)time(NULL), EXPIRE_STEPS, &steps))
		steps = 0;
	publish_stats(w);
	say_well(w);
	*next = now_ms() + (steps == EXPIRE_STEPS ? EXPIRE_BUSY_MS : EXPIRE_IDLE_MS);
}

static void wait_for_work(struct store_writer *w)
{
	struct pollfd p = {.fd = w->wake_fd, .events = POLLIN};

	poll(&p, 1, GROUP_MS);
	/* In this order: who pushes after the flag is cleared signals again, who pushed before is
	 * seen by the look at the queues that follows. */
	drain_fd(w->wake_fd);
	atomic_store(&w->woken, false);
}

/* Between two groups: stands still while it is asked to. */
static void stand_still(struct store_writer *w)
{
	pthread_mutex_lock(&w->pause_lock);
	w->paused = w->pause_asked;
	pthread_cond_broadcast(&w->pause_moved);
	while (w->pause_asked)
		pthread_cond_wait(&w->pause_moved, &w->pause_lock);
	w->paused = false;
	pthread_mutex_unlock(&w->pause_lock);
}

void store_writer_pause(struct store_writer *w)
{
	pthread_mutex_lock(&w->pause_lock);
	w->pause_asked = true;
	wake(w);
	while (!w->paused)
		pthread_cond_wait(&w->pause_moved, &w->pause_lock);
	pthread_mutex_unlock(&w->pause_lock);
}

void store_writer_resume(struct store_writer *w, struct store *to)
{
	pthread_mutex_lock(&w->pause_lock);
	w->store = to;
	w->ops = store_ops_of(to);
	w->retry = 0;
	w->pause_asked = false;
	pthread_cond_broadcast(&w->pause_moved);
	pthread_mutex_unlock(&w->pause_lock);
}

static void *run(void *arg)
{
	struct store_writer *w = arg;
	int64_t next_expire = now_ms();
	bool stopping = false, more;
	size_t n;

	while (!stopping) {
		wait_for_work(w);
		stand_still(w);
		/* Read before the queues: what was pushed before the stop is written. */
		stopping = atomic_load(&w->stop);
		do {
			n = gather(w, stopping);
			if (n)
				write_group(w, n);
			if (!stopping)
				expire(w, &next_expire);
			more = !stopping && catch_up(w, false);
			stand_still(w);
		} while (n == GROUP_ITEMS || more || (stopping && n));
	}
	leave(w);
	return NULL;
}

/* ---- start and stop ---- */

static void writer_free(struct store_writer **wp)
{
	struct store_writer *w = *wp;

	for (int i = 0; w->producers && i < w->producer_count; i++) {
		spsc_free(&w->producers[i].items);
		spsc_free(&w->producers[i].notices);
		if (w->producers[i].fd >= 0)
			close(w->producers[i].fd);
	}
	free(w->producers);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	backlog_free(&w->backlog);
	pthread_mutex_destroy(&w->stats_lock);
	pthread_mutex_destroy(&w->pause_lock);
	pthread_cond_destroy(&w->pause_moved);
	free(w);
	*wp = NULL;
}

static int producer_init(struct producer *q, size_t queue_items)
{
	int rc;

	q->notice_room = queue_items;
	q->open_room = queue_items - queue_items / 4;
	q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (q->fd < 0)
		return -errno;
	rc = spsc_new(queue_items, sizeof(struct store_item), &q->items);
	return rc ? rc : spsc_new(queue_items, sizeof(struct store_notice), &q->notices);
}

/* Signals are for the main thread. */
static int start_thread(struct store_writer *w)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!rc)
		pthread_setname_np(w->thread, "store");
	return -rc;
}

int store_writer_start(struct store *s, int producers, size_t queue_items,
		       struct store_writer **ret)
{
	struct store_writer *w;
	int rc = 0;

	if (producers < 1 || !queue_items)
		return -EINVAL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->store = s;
	w->ops = *(const struct store_ops *const *)s;
	w->piece = GROUP_ITEMS;
	backlog_init(&w->backlog);
	pthread_mutex_init(&w->stats_lock, NULL);
	pthread_mutex_init(&w->pause_lock, NULL);
	pthread_cond_init(&w->pause_moved, NULL);
	w->producer_count = producers;
	w->producers = aligned_alloc(64, (size_t)producers * sizeof(*w->producers));
	w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->wake_fd < 0)
		rc = -errno;
	if (!w->producers)
		rc = -ENOMEM;
	for (int i = 0; w->producers && i < producers; i++) {
		memset(&w->producers[i], 0, sizeof(w->producers[i]));
		w->producers[i].fd = -1;
	}
	for (int i = 0; !rc && i < producers; i++)
		rc = producer_init(&w->producers[i], queue_items);
	if (!rc) {
		w->ops->stats(s, &w->engine);
		w->stats = w->engine;
		rc = start_thread(w);
	}
	if (rc) {
		writer_free(&w);
		return rc;
	}
	*ret = w;
	return 0;
}

void store_writer_stop(struct store_writer **w)
{
	if (!*w)
		return;
	store_writer_resume(*w, (*w)->store);
	atomic_store(&(*w)->stop, true);
	signal_fd((*w)->wake_fd);
	pthread_join((*w)->thread, NULL);
	writer_free(w);
}
