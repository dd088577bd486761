// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "core/funnel.h"

struct item {
	int producer;
	uint32_t number;
};

static bool put(struct funnel *f, int producer, uint32_t number)
{
	struct item *slot = funnel_slot(f, producer);

	if (!slot)
		return false;
	*slot = (struct item){producer, number};
	funnel_push(f, producer);
	return true;
}

static void impossible_sizes_are_refused(void **state)
{
	struct funnel *f = NULL;

	(void)state;
	assert_int_equal(funnel_new(0, 8, 8, &f), -EINVAL);
	assert_int_equal(funnel_new(-1, 8, 8, &f), -EINVAL);
	assert_int_equal(funnel_new(2, 0, 8, &f), -EINVAL);
	assert_int_equal(funnel_new(2, 8, 0, &f), -EINVAL);
	assert_int_equal(funnel_new(2, SIZE_MAX / 8, SIZE_MAX / 8, &f), -ENOMEM);
	assert_null(f);
	funnel_free(&f);
}

/* One that fills its queue holds nobody else up, neither before nor behind it. */
static void producers_take_turns(void **state)
{
	struct funnel *f;
	struct item got;

	(void)state;
	assert_int_equal(funnel_new(3, 4, sizeof(struct item), &f), 0);
	assert_false(funnel_next(f, &got));
	for (uint32_t i = 0; i < 4; i++)
		assert_true(put(f, 1, i));
	assert_false(put(f, 1, 4));
	assert_true(put(f, 0, 0) && put(f, 2, 0) && put(f, 2, 1));
	for (int turn = 0, last = -1; turn < 3; turn++) {
		assert_true(funnel_next(f, &got));
		assert_int_equal(got.number, 0);
		assert_int_not_equal(got.producer, last);
		last = got.producer;
	}
	for (int left = 4; left; left--)
		assert_true(funnel_next(f, &got));
	assert_int_equal(got.producer, 1);
	assert_int_equal(got.number, 3);
	got.number = 77;
	assert_false(funnel_next(f, &got));
	assert_int_equal(got.number, 77);
	assert_true(put(f, 1, 5));
	funnel_free(&f);
	assert_null(f);
}

#define PRODUCERS 3
#define EACH 5000

struct thread {
	struct funnel *f;
	int number;
	pthread_t id;
};

static void *produce(void *arg)
{
	const struct thread *t = arg;

	for (uint32_t i = 0; i < EACH; i++)
		while (!put(t->f, t->number, i))
			sched_yield();
	return NULL;
}

static void threads_lose_nothing_and_keep_their_order(void **state)
{
	static struct thread threads[PRODUCERS]; /* they outlive a failed assertion */
	uint32_t next[PRODUCERS] = {0};
	struct funnel *f;

	(void)state;
	assert_int_equal(funnel_new(PRODUCERS, 16, sizeof(struct item), &f), 0);
	for (int i = 0; i < PRODUCERS; i++) {
		threads[i] = (struct thread){.f = f, .number = i};
		assert_int_equal(pthread_create(&threads[i].id, NULL, produce, &threads[i]), 0);
	}
	for (int n = 0; n < PRODUCERS * EACH;) {
		struct item got;

		if (!funnel_next(f, &got)) {
			sched_yield();
			continue;
		}
		assert_int_equal(got.number, next[got.producer]++);
		n++;
	}
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i].id, NULL);
	funnel_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(producers_take_turns),
		cmocka_unit_test(threads_lose_nothing_and_keep_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
