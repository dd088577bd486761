// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <time.h>

#include "selftests/unit/random.h"
#include "selftests/unit/store/shelf.h"

static struct store_item *must_slot(struct store_writer *w, int p, bool notice)
{
	struct store_item *item = store_writer_slot(w, p, notice);

	assert_non_null(item);
	return item;
}

static void push_record(struct store_writer *w, int p, uint64_t tag, bool notice)
{
	struct store_item *item = must_slot(w, p, notice);

	*item = item_record(RECORD_PASSED, tag, NOW, "192.0.2.1");
	item->notice = notice;
	item->token = tag * 10;
	store_writer_push(w, p);
}

/* Waits until n notices of producer p have come, in the order of their tags from `tag` on. */
static void await_notices(struct store_writer *w, int p, uint64_t tag, int n, int err)
{
	struct pollfd pfd = {.fd = store_writer_fd(w, p), .events = POLLIN};
	struct store_notice got[16];

	while (n > 0) {
		int have;

		assert_int_equal(poll(&pfd, 1, 20000), 1);
		have = store_notices(w, p, got, n < 16 ? n : 16);
		assert_true(have > 0);
		for (int i = 0; i < have; i++, tag++, n--) {
			assert_int_equal(got[i].token, tag * 10);
			assert_int_equal(got[i].err, err);
		}
	}
}

/* ---- against an engine that does what the test says ---- */

struct puppet {
	const struct store_ops *ops;
	_Atomic int fail;  /* so many groups fail */
	_Atomic int error; /* with this */
	_Atomic int shut;  /* what a look whether it can be written is answered */
	_Atomic bool hold; /* apply does not return */
	_Atomic int inside, calls, expires;
	_Atomic size_t items, largest;
	_Atomic uint64_t last_tag;
	_Atomic size_t expire_steps;
};

static int puppet_apply(struct store *s, const struct store_item *const *items, size_t n)
{
	struct puppet *p = (struct puppet *)s;

	if (!n)
		return atomic_load(&p->shut);
	atomic_fetch_add(&p->calls, 1);
	atomic_store(&p->inside, 1);
	while (atomic_load(&p->hold))
		sched_yield();
	atomic_store(&p->inside, 0);
	if (atomic_load(&p->fail) > 0) {
		atomic_fetch_sub(&p->fail, 1);
		return atomic_load(&p->error);
	}
	if (n > atomic_load(&p->largest))
		atomic_store(&p->largest, n);
	atomic_store(&p->last_tag, items[n - 1]->rec.tag);
	atomic_fetch_add(&p->items, n);
	return 0;
}

static int puppet_expire(struct store *s, uint32_t now, size_t max, size_t *ret_steps)
{
	struct puppet *p = (struct puppet *)s;

	(void)now;
	atomic_fetch_add(&p->expires, 1);
	*ret_steps = atomic_load(&p->expire_steps) < max ? atomic_load(&p->expire_steps) : max;
	return 0;
}

static int puppet_stats(struct store *s, struct store_stats *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->items = atomic_load(&((struct puppet *)s)->items);
	return 0;
}

static const struct store_ops puppet_ops = {
	.name = "puppet",
	.apply = puppet_apply,
	.expire = puppet_expire,
	.stats = puppet_stats,
};

static struct store_writer *start(struct puppet *p, int producers, size_t room)
{
	struct store_writer *w = NULL;

	memset(p, 0, sizeof(*p));
	p->ops = &puppet_ops;
	assert_int_equal(store_writer_start((struct store *)p, producers, room, &w), 0);
	return w;
}

/* The writer is inside apply and stays there. */
static void hold(struct store_writer *w, struct puppet *p, uint64_t tag)
{
	atomic_store(&p->hold, true);
	push_record(w, 0, tag, true);
	while (!atomic_load(&p->inside))
		sched_yield();
}

static void impossible_writers_are_refused(void **state)
{
	struct store_writer *w = NULL;
	struct puppet p = {.ops = &puppet_ops};

	(void)state;
	assert_int_equal(store_writer_start((struct store *)&p, 0, 8, &w), -EINVAL);
	assert_int_equal(store_writer_start((struct store *)&p, 1, 0, &w), -EINVAL);
	assert_null(w);
	store_writer_stop(&w);
}

static void slots_come_empty(void **state)
{
	struct store_item zero, *item;
	struct puppet p;
	struct store_writer *w = start(&p, 1, 4);

	(void)state;
	memset(&zero, 0, sizeof(zero));
	for (uint64_t i = 0; i < 20; i++) {
		item = must_slot(w, 0, false);
		assert_memory_equal(item, &zero, sizeof(zero));
		memset(item, 0xff, sizeof(*item));
		item->kind = STORE_RECORD;
		item->del = false;
		item->notice = true;
		item->token = i * 10;
		store_writer_push(w, 0);
		await_notices(w, 0, i, 1, 0);
	}
	store_writer_stop(&w);
}

static void notices_come_in_order(void **state)
{
	struct puppet p;
	struct store_writer *w = start(&p, 3, 64);

	(void)state;
	for (uint64_t round = 0; round < 20; round++) {
		for (int q = 0; q < 3; q++)
			for (uint64_t i = 0; i < 30; i++)
				push_record(w, q, round * 1000 + i, true);
		for (int q = 2; q >= 0; q--)
			await_notices(w, q, round * 1000, 30, 0);
	}
	assert_int_equal(atomic_load(&p.items), 1800);
	store_writer_stop(&w);
}

static void only_those_who_ask_are_told(void **state)
{
	struct store_notice got[4];
	struct puppet p;
	struct store_writer *w = start(&p, 2, 64);

	(void)state;
	push_record(w, 0, 1, false);
	push_record(w, 0, 2, true);
	push_record(w, 0, 3, false);
	push_record(w, 1, 4, false);
	await_notices(w, 0, 2, 1, 0);
	assert_int_equal(store_notices(w, 0, got, 4), 0);
	assert_int_equal(store_notices(w, 1, got, 4), 0);
	store_writer_stop(&w);
}

/* Items without a notice are written too, with nobody waking anybody. */
static void silent_items_are_written_by_themselves(void **state)
{
	struct puppet p;
	struct store_writer *w = start(&p, 1, 64);

	(void)state;
	push_record(w, 0, 1, false);
	while (!atomic_load(&p.items))
		sched_yield();
	store_writer_stop(&w);
}

static void groups_have_a_size(void **state)
{
	struct puppet p;
	struct store_writer *w = start(&p, 2, 16384);

	(void)state;
	hold(w, &p, 1);
	for (uint64_t i = 0; i < 10000; i++)
		push_record(w, (int)(i % 2), i + 2, false);
	atomic_store(&p.hold, false);
	while (atomic_load(&p.items) < 10001)
		sched_yield();
	assert_int_equal(atomic_load(&p.largest), 4096);
	store_writer_stop(&w);
}

/* The last quarter is for those that somebody waits for. */
static void a_full_queue_is_counted(void **state)
{
	struct store_stats st;
	struct puppet p;
	struct store_writer *w = start(&p, 2, 16);

	(void)state;
	hold(w, &p, 1);
	for (uint64_t i = 0; i < 11; i++) /* beside the one that is held */
		push_record(w, 0, i + 2, false);
	for (int i = 0; i < 7; i++)
		assert_null(store_writer_slot(w, 0, false));
	for (uint64_t i = 0; i < 4; i++)
		push_record(w, 0, i + 13, true);
	assert_null(store_writer_slot(w, 0, true));
	assert_non_null(store_writer_slot(w, 1, false));
	store_writer_stats(w, &st);
	assert_int_equal(st.lost, 7);
	atomic_store(&p.hold, false);
	await_notices(w, 0, 1, 1, 0);
	await_notices(w, 0, 13, 4, 0);
	while (!store_writer_slot(w, 0, false))
		sched_yield();
	store_writer_stop(&w);
	assert_int_equal(atomic_load(&p.items), 16);
}

/* Who does not fetch its notices is held up, alone. */
static void unfetched_notices_hold_up_their_producer(void **state)
{
	struct puppet p;
	struct store_writer *w = start(&p, 2, 8);
	uint64_t pushed = 0;

	(void)state;
	for (int quiet = 0; quiet < 100;) {
		struct store_item *item = store_writer_slot(w, 0, true);

		if (item) {
			*item = item_record(RECORD_PASSED, pushed, NOW, "192.0.2.1");
			item->notice = true;
			item->token = pushed++ * 10;
			store_writer_push(w, 0);
			continue;
		}
		/* the other one's notice shows that the writer has looked again */
		push_record(w, 1, (uint64_t)quiet, true);
		await_notices(w, 1, (uint64_t)quiet, 1, 0);
		quiet++;
	}
	assert_int_equal(pushed, 16);
	await_notices(w, 0, 0, 16, 0);
	push_record(w, 0, 16, true);
	await_notices(w, 0, 16, 1, 0);
	store_writer_stop(&w);
}

static void the_eventfd_stays_readable_while_notices_wait(void **state)
{
	struct pollfd pfd = {.events = POLLIN};
	struct store_notice got[8];
	struct puppet p;
	struct store_writer *w = start(&p, 1, 64);

	(void)state;
	pfd.fd = store_writer_fd(w, 0);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	for (uint64_t i = 0; i < 8; i++)
		push_record(w, 0, i, true);
	while (atomic_load(&p.items) < 8)
		sched_yield();
	for (int taken = 0; taken < 8;) {
		assert_int_equal(poll(&pfd, 1, 20000), 1);
		taken += store_notices(w, 0, got, 3);
	}
	assert_int_equal(poll(&pfd, 1, 0), 0);
	store_writer_stop(&w);
}

static void a_failed_group_is_tried_again(void **state)
{
	struct store_stats st;
	struct puppet p;
	struct store_writer *w = start(&p, 1, 64);

	(void)state;
	atomic_store(&p.error, -EIO);
	atomic_store(&p.fail, 1);
	push_record(w, 0, 1, true);
	await_notices(w, 0, 1, 1, 0);
	assert_int_equal(atomic_load(&p.calls), 2);
	store_writer_stats(w, &st);
	assert_false(st.failing);
	assert_int_equal(st.lost, 0);
	store_writer_stop(&w);
}

static void a_store_that_fails_says_so_until_it_works(void **state)
{
	struct store_stats st;
	struct puppet p;
	struct store_writer *w = start(&p, 1, 64);

	(void)state;
	atomic_store(&p.error, -ENOSPC);
	atomic_store(&p.shut, -ENOSPC);
	atomic_store(&p.fail, 4);
	for (uint64_t i = 1; i <= 3; i++) {
		push_record(w, 0, i, true);
		await_notices(w, 0, i, 1, -ENOSPC);
		store_writer_stats(w, &st);
		assert_true(st.failing);
		assert_int_equal(st.lost, i);
	}
	/* two tries for the first group, one for each while it is known to fail */
	assert_int_equal(atomic_load(&p.calls), 4);
	push_record(w, 0, 4, true);
	await_notices(w, 0, 4, 1, 0);
	store_writer_stats(w, &st);
	assert_false(st.failing);
	assert_int_equal(st.lost, 3);
	store_writer_stop(&w);
}

static void a_store_that_works_again_says_so_without_mail(void **state)
{
	struct store_stats st;
	struct puppet p;
	struct store_writer *w = start(&p, 1, 64);

	(void)state;
	atomic_store(&p.error, -ENOSPC);
	atomic_store(&p.shut, -ENOSPC);
	atomic_store(&p.fail, 2);
	push_record(w, 0, 1, true);
	await_notices(w, 0, 1, 1, -ENOSPC);
	for (int seen = atomic_load(&p.expires); atomic_load(&p.expires) < seen + 2;)
		sched_yield();
	store_writer_stats(w, &st);
	assert_true(st.failing);
	atomic_store(&p.shut, 0);
	do {
		sched_yield();
		store_writer_stats(w, &st);
	} while (st.failing);
	assert_int_equal(atomic_load(&p.calls), 2);
	store_writer_stop(&w);
}

static void stopping_writes_what_waits(void **state)
{
	struct puppet p;
	struct store_writer *w = start(&p, 3, 4096);

	(void)state;
	for (uint64_t i = 0; i < 9000; i++)
		push_record(w, (int)(i % 3), i, i % 7 == 0);
	store_writer_stop(&w);
	assert_null(w);
	assert_int_equal(atomic_load(&p.items), 9000);
}

static void stopping_does_not_wait_for_a_broken_store(void **state)
{
	struct puppet p;
	struct store_writer *w = start(&p, 1, 4096);

	(void)state;
	atomic_store(&p.error, -EIO);
	atomic_store(&p.fail, 1 << 30);
	for (uint64_t i = 0; i < 4000; i++)
		push_record(w, 0, i, true);
	store_writer_stop(&w);
	assert_int_equal(atomic_load(&p.items), 0);
}

/* However much there is to expire, groups go on between its steps. */
static void expiry_starves_nobody(void **state)
{
	struct puppet p;
	struct store_writer *w = start(&p, 1, 64);

	(void)state;
	atomic_store(&p.expire_steps, SIZE_MAX);
	for (uint64_t i = 0; i < 300; i++) {
		push_record(w, 0, i, true);
		await_notices(w, 0, i, 1, 0);
	}
	while (atomic_load(&p.expires) < 3)
		sched_yield();
	store_writer_stop(&w);
}

/* ---- with LMDB ---- */

#define THREAD_ITEMS 20000

struct worker {
	pthread_t thread;
	struct store_writer *w;
	int number;
	uint64_t noticed;
};

static void *work(void *arg)
{
	struct worker *me = arg;
	struct store_notice got[64];

	for (uint64_t i = 0; i < THREAD_ITEMS;) {
		struct store_item *item = store_writer_slot(me->w, me->number, false);
		int n = store_notices(me->w, me->number, got, 64);

		me->noticed += (uint64_t)n;
		if (!item) {
			sched_yield();
			continue;
		}
		*item = item_record(i % 3 ? RECORD_GREY : RECORD_PASSED,
				    i * 8 + (uint64_t)me->number + 1, NOW + (uint32_t)i / 500,
				    "192.0.2.1");
		item->notice = i % 10 == 0;
		store_writer_push(me->w, me->number);
		i++;
	}
	while (me->noticed < THREAD_ITEMS / 10) {
		me->noticed += (uint64_t)store_notices(me->w, me->number, got, 64);
		sched_yield();
	}
	return NULL;
}

/* Producers, the writer and a reader that walks and asks for figures, all at once. */
static void threads_share_the_store(void **state)
{
	struct worker workers[3];
	struct store *s = shelf_open();
	struct store_writer *w;
	struct store_stats st;
	size_t last = 0;

	(void)state;
	assert_non_null(s);
	assert_int_equal(store_writer_start(s, 3, 2048, &w), 0);
	for (int i = 0; i < 3; i++) {
		workers[i] = (struct worker){.w = w, .number = i};
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < 10; i++) {
		struct seen seen = {0};

		assert_int_equal(ops_of(s)->walk(s, STORE_RECORD, RECORD_NONE, see_item, &seen), 0);
		assert_true(seen.count >= last);
		last = seen.count;
		free(seen.items);
		store_writer_stats(w, &st);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(workers[i].thread, NULL);
	store_writer_stop(&w);
	/* NOW is long ago: what the writer already found to be over is no loss */
	assert_int_equal(ops_of(s)->stats(s, &st), 0);
	assert_int_equal(st.items, 3 * THREAD_ITEMS);
	assert_int_equal(load_count(s, NOW) + st.expired, 3 * THREAD_ITEMS);
	shelf_close(&s);
}

struct victim {
	int pipe[2];
	uint64_t seed;
};

/* Writes records, each third with a notice, and tells the parent of every notice. */
static int write_until_killed(void *arg)
{
	struct victim *v = arg;
	struct store *s = shelf_open();
	uint32_t now = (uint32_t)time(NULL);
	struct store_writer *w;
	struct store_notice got[64];

	if (!s || store_writer_start(s, 1, 1024, &w))
		return 1;
	for (uint64_t tag = v->seed;;) {
		struct store_item *item = store_writer_slot(w, 0, false);
		int n;

		if (item) {
			*item = item_record(tag % 2 ? RECORD_PASSED : RECORD_GREY, tag, now,
					    "192.0.2.1");
			item->notice = tag % 3 == 0;
			item->token = tag++;
			store_writer_push(w, 0);
		}
		n = store_notices(w, 0, got, 64);
		for (int i = 0; i < n; i++)
			if (got[i].err || write(v->pipe[1], &got[i].token, 8) != 8)
				return 2;
	}
}

/* Kills the writing process after so many notices: whatever was noticed by then is there. */
static void kill_after(uint64_t seed, size_t notices, uint64_t *pause)
{
	struct victim v = {.seed = seed};
	uint64_t *noticed = calloc(200000, sizeof(*noticed));
	size_t n = 0;
	struct store *s;
	struct seen seen;
	int status;
	pid_t pid;

	assert_non_null(noticed);
	assert_int_equal(pipe(v.pipe), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(v.pipe[0]);
		_exit(write_until_killed(&v));
	}
	close(v.pipe[1]);
	while (n < notices && read(v.pipe[0], &noticed[n], 8) == 8)
		n++;
	/* somewhere within the next groups */
	for (uint32_t spin = random_below(pause, 200000); spin; spin--)
		__asm__ volatile("");
	kill(pid, SIGKILL);
	while (n < 200000 && read(v.pipe[0], &noticed[n], 8) == 8)
		n++;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	close(v.pipe[0]);

	s = shelf_open();
	assert_non_null(s);
	assert_string_equal(shelf_err, "");
	seen = load_all(s, (uint32_t)time(NULL));
	assert_true(n >= notices);
	for (size_t i = 0; i < n; i++) {
		/* tags of a round are dense, so the list need not be searched for each */
		static uint8_t there[1 << 20];

		if (i == 0) {
			memset(there, 0, sizeof(there));
			for (size_t k = 0; k < seen.count; k++)
				if (seen.items[k].rec.tag - seed < sizeof(there))
					there[seen.items[k].rec.tag - seed] = 1;
		}
		assert_true(noticed[i] - seed < sizeof(there));
		assert_int_equal(there[noticed[i] - seed], 1);
	}
	free(seen.items);
	free(noticed);
	shelf_close(&s);
}

static void what_was_noticed_survives_a_kill(void **state)
{
	uint64_t x = 31;

	(void)state;
	for (uint64_t round = 0; round < 20; round++)
		kill_after((round + 1) << 32, 1 + random_below(&x, 1500), &x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(impossible_writers_are_refused),
		cmocka_unit_test(slots_come_empty),
		cmocka_unit_test(notices_come_in_order),
		cmocka_unit_test(only_those_who_ask_are_told),
		cmocka_unit_test(silent_items_are_written_by_themselves),
		cmocka_unit_test(groups_have_a_size),
		cmocka_unit_test(a_full_queue_is_counted),
		cmocka_unit_test(unfetched_notices_hold_up_their_producer),
		cmocka_unit_test(the_eventfd_stays_readable_while_notices_wait),
		cmocka_unit_test(a_failed_group_is_tried_again),
		cmocka_unit_test(a_store_that_fails_says_so_until_it_works),
		cmocka_unit_test(a_store_that_works_again_says_so_without_mail),
		cmocka_unit_test(stopping_writes_what_waits),
		cmocka_unit_test(stopping_does_not_wait_for_a_broken_store),
		cmocka_unit_test(expiry_starves_nobody),
		TEST(threads_share_the_store),
		TEST(what_was_noticed_survives_a_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
