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

#include "core/spsc.h"
#include "selftests/unit/random.h"

static void impossible_sizes_are_refused(void **state)
{
	struct spsc *q = NULL;

	(void)state;
	assert_int_equal(spsc_new(0, 8, &q), -EINVAL);
	assert_int_equal(spsc_new(8, 0, &q), -EINVAL);
	assert_int_equal(spsc_new(SIZE_MAX, 8, &q), -EINVAL);
	assert_int_equal(spsc_new(8, SIZE_MAX, &q), -EINVAL);
	assert_int_equal(spsc_new(SIZE_MAX / 8, SIZE_MAX / 8, &q), -ENOMEM);
	assert_null(q);
	spsc_free(&q);
}

static void a_queue_holds_its_size_rounded_up(void **state)
{
	static const struct {
		size_t asked, got;
	} rows[] = {{1, 1}, {2, 2}, {3, 4}, {5, 8}, {64, 64}, {65, 128}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct spsc *q;

		assert_int_equal(spsc_new(rows[i].asked, 1, &q), 0);
		for (size_t n = 0; n < rows[i].got; n++) {
			uint8_t *slot = spsc_slot(q);

			assert_non_null(slot);
			assert_ptr_equal(spsc_slot(q), slot);
			*slot = (uint8_t)n;
			spsc_push(q);
			assert_int_equal(spsc_waiting(q), n + 1);
		}
		assert_null(spsc_slot(q));
		for (size_t n = 0; n < rows[i].got; n++)
			assert_int_equal(*(const uint8_t *)spsc_peek(q, n), (uint8_t)n);
		assert_null(spsc_peek(q, rows[i].got));
		spsc_pop(q, 1);
		assert_non_null(spsc_slot(q));
		spsc_free(&q);
		assert_null(q);
	}
}

static void items_come_out_as_they_went_in(void **state)
{
	uint64_t rnd = 1, in = 0, out = 0;
	struct spsc *q;

	(void)state;
	assert_int_equal(spsc_new(16, sizeof(uint64_t), &q), 0);
	assert_null(spsc_peek(q, 0));
	while (out < 100000) {
		uint32_t n = random_below(&rnd, 20);

		for (uint64_t *p; n && (p = spsc_slot(q)); n--) {
			*p = in++;
			spsc_push(q);
		}
		assert_int_equal(spsc_waiting(q), in - out);
		n = random_below(&rnd, (uint32_t)(in - out) + 1);
		for (uint32_t i = 0; i < n; i++)
			assert_true(*(const uint64_t *)spsc_peek(q, i) == out + i);
		spsc_pop(q, n);
		out += n;
	}
	spsc_free(&q);
}

#define STRESS 1000000
#define WORDS 5

static void *produce(void *arg)
{
	struct spsc *q = arg;

	for (uint64_t n = 0; n < STRESS; n++) {
		uint64_t *p;

		while (!(p = spsc_slot(q)))
			sched_yield();
		for (int i = 0; i < WORDS; i++)
			p[i] = n * (uint64_t)(i + 1);
		spsc_push(q);
	}
	return NULL;
}

static void two_threads_lose_nothing_and_tear_nothing(void **state)
{
	pthread_t producer;
	uint64_t n = 0;
	struct spsc *q;

	(void)state;
	/* With a small one they would do little else than wait for each other's turn. */
	assert_int_equal(spsc_new(1024, WORDS * sizeof(uint64_t), &q), 0);
	assert_int_equal(pthread_create(&producer, NULL, produce, q), 0);
	while (n < STRESS) {
		size_t i = 0;
		const uint64_t *p;

		for (; (p = spsc_peek(q, i)); i++)
			for (int w = 0; w < WORDS; w++)
				if (p[w] != (n + i) * (uint64_t)(w + 1))
					fail_msg("item %llu", (unsigned long long)(n + i));
		spsc_pop(q, i);
		n += i;
		if (!i)
			sched_yield();
	}
	pthread_join(producer, NULL);
	assert_int_equal(spsc_waiting(q), 0);
	spsc_free(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(a_queue_holds_its_size_rounded_up),
		cmocka_unit_test(items_come_out_as_they_went_in),
		cmocka_unit_test(two_threads_lose_nothing_and_tear_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
