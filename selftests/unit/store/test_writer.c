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
#include "selftests/unit/store/queue.h"

/* Of each test its own, and static: the writer outlives a failed assertion. */
struct puppet {
	const struct store_ops *ops;
	_Atomic int fail;       /* so many groups fail */
	_Atomic int error;      /* with this */
	_Atomic uint64_t unfit; /* a group with this tag fails; 0: none */
	_Atomic bool disorder;  /* tags did not rise */
	_Atomic bool hold;      /* apply does not return */
	_Atomic int inside, calls, expires;
	_Atomic size_t items, largest;
	_Atomic uint64_t last_tag;
	_Atomic size_t expire_steps;
};

static int puppet_apply(struct store *s, const struct store_item *const *items, size_t n)
{
	struct puppet *p = (struct puppet *)s;

	if (!n)
		return 0;
	atomic_fetch_add(&p->calls, 1);
	atomic_store(&p->inside, 1);
	while (atomic_load(&p->hold))
		sched_yield();
	atomic_store(&p->inside, 0);
	if (atomic_load(&p->fail) > 0) {
		atomic_fetch_sub(&p->fail, 1);
		return atomic_load(&p->error);
	}
	for (size_t i = 0; i < n; i++)
		if (items[i]->rec.tag == atomic_load(&p->unfit) && items[i]->rec.tag)
			return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (items[i]->rec.tag <= (i ? items[i - 1]->rec.tag : atomic_load(&p->last_tag)))
			atomic_store(&p->disorder, true);
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
	queue_record(w, 0, tag, true);
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
	static struct puppet p;
	struct store_writer *w = start(&p, 1, 4);

	(void)state;
	memset(&zero, 0, sizeof(zero));
	for (uint64_t i = 0; i < 20; i++) {
		item = queue_slot(w, 0, false);
		assert_memory_equal(item, &zero, sizeof(zero));
		memset(item, 0xff, sizeof(*item));
		item->kind = STORE_RECORD;
		item->del = false;
		item->notice = true;
		item->token = i * 10;
		store_writer_push(w, 0);
		queue_await(w, 0, i, 1, 0);
	}
	store_writer_stop(&w);
}

static void notices_come_in_order(void **state)
{
	static struct puppet p;
	struct store_writer *w = start(&p, 3, 64);

	(void)state;
	for (uint64_t round = 0; round < 20; round++) {
		for (int q = 0; q < 3; q++)
			for (uint64_t i = 0; i < 30; i++)
				queue_record(w, q, round * 1000 + i, true);
		for (int q = 2; q >= 0; q--)
			queue_await(w, q, round * 1000, 30, 0);
	}
	assert_int_equal(atomic_load(&p.items), 1800);
	store_writer_stop(&w);
}

static void only_those_who_ask_are_told(void **state)
{
	struct store_notice got[4];
	static struct puppet p;
	struct store_writer *w = start(&p, 2, 64);

	(void)state;
	queue_record(w, 0, 1, false);
	queue_record(w, 0, 2, true);
	queue_record(w, 0, 3, false);
	queue_record(w, 1, 4, false);
	queue_await(w, 0, 2, 1, 0);
	assert_int_equal(store_notices(w, 0, got, 4), 0);
	assert_int_equal(store_notices(w, 1, got, 4), 0);
	store_writer_stop(&w);
}

/* Items without a notice are written too, with nobody waking anybody. */
static void silent_items_are_written_by_themselves(void **state)
{
	static struct puppet p;
	struct store_writer *w = start(&p, 1, 64);

	(void)state;
	queue_record(w, 0, 1, false);
	while (!atomic_load(&p.items))
		sched_yield();
	store_writer_stop(&w);
}

static void groups_have_a_size(void **state)
{
	static struct puppet p;
	struct store_writer *w = start(&p, 2, 16384);

	(void)state;
	hold(w, &p, 1);
	for (uint64_t i = 0; i < 10000; i++)
		queue_record(w, (int)(i % 2), i + 2, false);
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
	static struct puppet p;
	struct store_writer *w = start(&p, 2, 16);

	(void)state;
	hold(w, &p, 1);
	for (uint64_t i = 0; i < 11; i++) /* beside the one that is held */
		queue_record(w, 0, i + 2, false);
	for (int i = 0; i < 7; i++)
		assert_null(store_writer_slot(w, 0, false));
	for (uint64_t i = 0; i < 4; i++)
		queue_record(w, 0, i + 13, true);
	assert_null(store_writer_slot(w, 0, true));
	assert_non_null(store_writer_slot(w, 1, false));
	store_writer_stats(w, &st);
	assert_int_equal(st.lost, 7);
	atomic_store(&p.hold, false);
	queue_await(w, 0, 1, 1, 0);
	queue_await(w, 0, 13, 4, 0);
	while (!store_writer_slot(w, 0, false))
		sched_yield();
	store_writer_stop(&w);
	assert_int_equal(atomic_load(&p.items), 16);
}

/* Who does not fetch its notices is held up, alone. */
static void unfetched_notices_hold_up_their_producer(void **state)
{
	static struct puppet p;
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
		queue_record(w, 1, (uint64_t)quiet, true);
		queue_await(w, 1, (uint64_t)quiet, 1, 0);
		quiet++;
	}
	assert_int_equal(pushed, 16);
	queue_await(w, 0, 0, 16, 0);
	queue_record(w, 0, 16, true);
	queue_await(w, 0, 16, 1, 0);
	store_writer_stop(&w);
}

static void the_eventfd_stays_readable_while_notices_wait(void **state)
{
	struct pollfd pfd = {.events = POLLIN};
	struct store_notice got[8];
	static struct puppet p;
	struct store_writer *w = start(&p, 1, 64);

	(void)state;
	pfd.fd = store_writer_fd(w, 0);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	for (uint64_t i = 0; i < 8; i++)
		queue_record(w, 0, i, true);
	while (atomic_load(&p.items) < 8)
		sched_yield();
	store_writer_pause(w); /* it has signalled what it had to */
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
	static struct puppet p;
	struct store_writer *w = start(&p, 1, 64);

	(void)state;
	atomic_store(&p.error, -EIO);
	atomic_store(&p.fail, 1);
	queue_record(w, 0, 1, true);
	queue_await(w, 0, 1, 1, 0);
	assert_int_equal(atomic_load(&p.calls), 2);
	store_writer_stats(w, &st);
	assert_false(st.failing);
	assert_int_equal(st.lost, 0);
	store_writer_stop(&w);
}

static void fill_the_disk(struct puppet *p, int groups)
{
	atomic_store(&p->error, -ENOSPC);
	atomic_store(&p->fail, groups);
}

static void await_well(struct store_writer *w)
{
	struct store_stats st;

	do {
		sched_yield();
		store_writer_stats(w, &st);
	} while (st.failing);
	assert_int_equal(st.waiting, 0);
	assert_int_equal(st.lost, 0);
}

/* Nobody waits, nothing is lost, and the order is that of the pushes. */
static void what_fails_is_kept_and_written_in_its_order(void **state)
{
	struct store_stats st;
	static struct puppet p;
	struct store_writer *w = start(&p, 1, 64);

	(void)state;
	fill_the_disk(&p, 1 << 30);
	for (uint64_t i = 1; i <= 3; i++) {
		queue_record(w, 0, i, true);
		queue_await(w, 0, i, 1, -ENOSPC);
		store_writer_stats(w, &st);
		assert_true(st.failing);
		assert_int_equal(st.waiting, i);
		assert_int_equal(st.lost, 0);
	}
	assert_int_equal(atomic_load(&p.items), 0);
	atomic_store(&p.fail, 0);
	await_well(w);
	assert_int_equal(atomic_load(&p.items), 3);
	assert_int_equal(atomic_load(&p.last_tag), 3);
	assert_false(atomic_load(&p.disorder));
	queue_record(w, 0, 4, true);
	queue_await(w, 0, 4, 1, 0);
	assert_int_equal(atomic_load(&p.items), 4);
	store_writer_stop(&w);
}

static bool see_tag(const struct store_item *item, void *arg)
{
	uint64_t *next = arg;

	assert_int_equal(item->rec.tag, ++*next);
	return true;
}

static void what_waits_can_be_seen(void **state)
{
	uint64_t seen = 0, traps = 0;
	static struct puppet p;
	struct store_writer *w = start(&p, 1, 64);

	(void)state;
	store_writer_waiting(w, STORE_RECORD, see_tag, &seen);
	assert_int_equal(seen, 0);
	fill_the_disk(&p, 1 << 30);
	for (uint64_t i = 1; i <= 5; i++)
		queue_record(w, 0, i, true);
	queue_await(w, 0, 1, 5, -ENOSPC);
	store_writer_waiting(w, STORE_RECORD, see_tag, &seen);
	store_writer_waiting(w, STORE_TRAP, see_tag, &traps);
	assert_int_equal(seen, 5);
	assert_int_equal(traps, 0);
	store_writer_stop(&w);
}

/* One that no store takes holds up no other. */
static void an_unfit_item_is_left_out(void **state)
{
	struct store_stats st;
	static struct puppet p;
	struct store_writer *w = start(&p, 1, 64);

	(void)state;
	atomic_store(&p.unfit, 2);
	hold(w, &p, 1);
	queue_record(w, 0, 2, true);
	queue_record(w, 0, 3, true);
	atomic_store(&p.hold, false);
	queue_await(w, 0, 1, 1, 0);
	queue_await(w, 0, 2, 2, -EINVAL);
	do {
		sched_yield();
		store_writer_stats(w, &st);
	} while (st.failing);
	assert_int_equal(st.lost, 1);
	assert_int_equal(atomic_load(&p.items), 2);
	assert_int_equal(atomic_load(&p.last_tag), 3);
	store_writer_stop(&w);
}

static void the_stop_writes_what_could_not_be_written(void **state)
{
	static struct puppet p;
	struct store_writer *w = start(&p, 1, 4096);

	(void)state;
	fill_the_disk(&p, 2);
	for (uint64_t i = 1; i <= 3000; i++)
		queue_record(w, 0, i, false);
	while (atomic_load(&p.calls) < 2)
		sched_yield();
	store_writer_stop(&w);
	assert_int_equal(atomic_load(&p.items), 3000);
	assert_false(atomic_load(&p.disorder));
}

static void stopping_writes_what_waits(void **state)
{
	static struct puppet p;
	struct store_writer *w = start(&p, 3, 4096);

	(void)state;
	for (uint64_t i = 0; i < 9000; i++)
		queue_record(w, (int)(i % 3), i, i % 7 == 0);
	store_writer_stop(&w);
	assert_null(w);
	assert_int_equal(atomic_load(&p.items), 9000);
}

static void stopping_does_not_wait_for_a_broken_store(void **state)
{
	static struct puppet p;
	struct store_writer *w = start(&p, 1, 4096);

	(void)state;
	atomic_store(&p.error, -EIO);
	atomic_store(&p.fail, 1 << 30);
	for (uint64_t i = 0; i < 4000; i++)
		queue_record(w, 0, i, true);
	store_writer_stop(&w);
	assert_int_equal(atomic_load(&p.items), 0);
}

/* However much there is to expire, groups go on between its steps. */
static void expiry_starves_nobody(void **state)
{
	static struct puppet p;
	struct store_writer *w = start(&p, 1, 64);

	(void)state;
	atomic_store(&p.expire_steps, SIZE_MAX);
	for (uint64_t i = 0; i < 300; i++) {
		queue_record(w, 0, i, true);
		queue_await(w, 0, i, 1, 0);
	}
	while (atomic_load(&p.expires) < 3)
		sched_yield();
	store_writer_stop(&w);
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
		cmocka_unit_test(what_fails_is_kept_and_written_in_its_order),
		cmocka_unit_test(what_waits_can_be_seen),
		cmocka_unit_test(an_unfit_item_is_left_out),
		cmocka_unit_test(the_stop_writes_what_could_not_be_written),
		cmocka_unit_test(stopping_writes_what_waits),
		cmocka_unit_test(stopping_does_not_wait_for_a_broken_store),
		cmocka_unit_test(expiry_starves_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
