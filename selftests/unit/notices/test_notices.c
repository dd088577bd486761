// SPDX-License-Identifier: GPL-2.0-or-later
/* Workers hear of settled questions: those in whom somebody waits, and none too few. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "notices.h"

#define WORKERS 3
#define ROUNDS 4000
#define PATIENCE 60000 /* ms, of one notice */

static struct notices *n;

static int make(void **state)
{
	(void)state;
	return notices_new(WORKERS, &n);
}

static int unmake(void **state)
{
	(void)state;
	notices_free(&n);
	notices_free(&n);
	return n ? -1 : 0;
}

static bool readable(int worker, int ms)
{
	struct pollfd p = {.fd = notices_fd(n, worker), .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

static void there_is_at_least_one_worker(void **state)
{
	struct notices *none = NULL;

	(void)state;
	assert_int_equal(notices_new(0, &none), -EINVAL);
	assert_null(none);
}

static void only_who_waits_hears(void **state)
{
	uint64_t got[4];
	bool all;

	(void)state;
	notices_put(n, 1);
	notices_await(n, 1);
	notices_put(n, 2);
	notices_put(n, 3);
	notices_forgo(n, 1);
	notices_put(n, 4);
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(readable(i, 0), i == 1);
	assert_int_equal(notices_take(n, 0, got, 4, &all), 0);
	assert_false(all);
	assert_int_equal(notices_take(n, 1, got, 4, &all), 2);
	assert_false(all);
	assert_int_equal(got[0], 2);
	assert_int_equal(got[1], 3);
	assert_false(readable(1, 0));
	assert_int_equal(notices_take(n, 1, got, 4, &all), 0);
}

static void two_wait_and_one_goes(void **state)
{
	uint64_t got[1];
	bool all;

	(void)state;
	notices_await(n, 2);
	notices_await(n, 2);
	notices_forgo(n, 2);
	notices_put(n, 7);
	assert_int_equal(notices_take(n, 2, got, 1, &all), 1);
	assert_int_equal(got[0], 7);
}

static void who_is_behind_looks_everywhere(void **state)
{
	uint64_t got[64], next = 0;
	bool all, any = false;
	int count;

	(void)state;
	notices_await(n, 0);
	for (uint64_t i = 0; i < 10000; i++)
		notices_put(n, i);
	do {
		count = notices_take(n, 0, got, 64, &all);
		any |= all;
		for (int i = 0; i < count; i++)
			assert_int_equal(got[i], next++);
	} while (count == 64);
	assert_true(any);
	assert_true(next > 0);
	assert_true(next < 10000);
	notices_put(n, 5);
	assert_int_equal(notices_take(n, 0, got, 64, &all), 1);
	assert_int_equal(got[0], 5);
	assert_false(all);
}

static void to_look_needs_nobody_who_waits(void **state)
{
	uint64_t got[1];
	bool all;

	(void)state;
	notices_look(n, 1);
	for (int i = 0; i < WORKERS; i++) {
		assert_int_equal(readable(i, 0), i == 1);
		notices_take(n, i, got, 1, &all);
		assert_int_equal(all, i == 1);
	}
	notices_look_all(n);
	for (int i = 0; i < WORKERS; i++) {
		assert_true(readable(i, 0));
		assert_int_equal(notices_take(n, i, got, 1, &all), 0);
		assert_true(all);
	}
}

/* The number of the question that was answered last. */
static _Atomic uint64_t answered;
/* Of each worker: the one it has asked last. */
static _Atomic uint64_t asked[WORKERS];

static uint64_t least_asked(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < WORKERS; i++) {
		uint64_t a = atomic_load(&asked[i]);

		least = a < least ? a : least;
	}
	return least;
}

static void *answer(void *unused)
{
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		while (least_asked() < i)
			sched_yield();
		atomic_store_explicit(&answered, i, memory_order_release);
		notices_put(n, i);
	}
	return unused;
}

/* Asks, and waits for each answer that is not there yet. */
static void *ask(void *number)
{
	int worker = *(int *)number;
	uint64_t got[8];
	bool all;

	for (uint64_t i = 1; i <= ROUNDS; i++) {
		atomic_store(&asked[worker], i);
		notices_await(n, worker);
		while (atomic_load_explicit(&answered, memory_order_acquire) < i) {
			if (!readable(worker, PATIENCE))
				return number;
			notices_take(n, worker, got, 8, &all);
		}
		notices_forgo(n, worker);
	}
	return NULL;
}

static void no_notice_is_missed(void **state)
{
	pthread_t verifier, workers[WORKERS];
	int numbers[WORKERS];
	void *stuck;

	(void)state;
	for (int i = 0; i < WORKERS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&workers[i], NULL, ask, &numbers[i]), 0);
	}
	assert_int_equal(pthread_create(&verifier, NULL, answer, NULL), 0);
	for (int i = 0; i < WORKERS; i++) {
		assert_int_equal(pthread_join(workers[i], &stuck), 0);
		assert_null(stuck);
	}
	assert_int_equal(pthread_join(verifier, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_is_at_least_one_worker),
		cmocka_unit_test_setup_teardown(only_who_waits_hears, make, unmake),
		cmocka_unit_test_setup_teardown(two_wait_and_one_goes, make, unmake),
		cmocka_unit_test_setup_teardown(who_is_behind_looks_everywhere, make, unmake),
		cmocka_unit_test_setup_teardown(to_look_needs_nobody_who_waits, make, unmake),
		cmocka_unit_test_setup_teardown(no_notice_is_missed, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
