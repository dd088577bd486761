// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "loop/wheel.h"

#define MAX 4096

struct seen {
	uint64_t now;
	uint64_t at[MAX]; /* when each number fired, 0: not yet */
	uint16_t generation[MAX];
	uint32_t order[MAX];
	size_t count;
	struct wheel *again; /* every fired number is added again one tick later */
};

static void note(uint32_t number, uint16_t generation, void *arg)
{
	struct seen *s = arg;

	assert_true(number < MAX);
	assert_int_equal(s->at[number], 0);
	s->at[number] = s->now;
	s->generation[number] = generation;
	s->order[s->count++ % MAX] = number;
}

static uint64_t ceil_tick(uint64_t t, uint32_t tick)
{
	return (t + tick - 1) / tick * tick;
}

/* Every delay up to several turns, stepping one tick at a time, fires exactly at its tick. */
static void fires_exactly_at_its_tick(void **state)
{
	const uint32_t slots = 64, tick = 10;
	const uint64_t start = 123456;

	(void)state;
	for (uint64_t delay = 0; delay < 64 * 10 * 3; delay += 7) {
		struct seen s = {0};
		struct wheel *w;
		uint64_t due = start + delay;
		uint64_t want = ceil_tick(due, tick);

		if (want / tick <= start / tick)
			want = (start / tick + 1) * tick;
		assert_int_equal(wheel_new(slots, tick, 8, start, &w), 0);
		assert_true(wheel_add(w, 7, 42, due));
		for (s.now = start / tick * tick; s.now <= want + 50; s.now += tick)
			wheel_run(w, s.now, 100, note, &s);
		assert_int_equal(s.at[7], want);
		assert_int_equal(s.generation[7], 42);
		assert_int_equal(wheel_waiting(w), 0);
		wheel_free(&w);
		assert_null(w);
	}
}

static uint64_t xorshift(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* Random delays and uneven steps of time: nothing fires early, nothing is lost, none fires twice,
 * and the announced next time is never later than the truth. */
static void random_steps(void **state)
{
	uint64_t x = 88172645463325252ull;

	(void)state;
	for (int round = 0; round < 50; round++) {
		struct seen s = {0};
		uint64_t due[MAX], start = 1000 + xorshift(&x) % 5000, last = 0;
		struct wheel *w;

		assert_int_equal(wheel_new(128, 10, MAX, start, &w), 0);
		for (uint32_t i = 0; i < MAX; i++) {
			due[i] = start + xorshift(&x) % 20000;
			if (due[i] > last)
				last = due[i];
			assert_true(wheel_add(w, i, (uint16_t)i, due[i]));
		}
		assert_false(wheel_add(w, 0, 0, start)); /* full */
		s.now = start;
		while (wheel_waiting(w)) {
			uint64_t wait = wheel_next(w, s.now, 700);
			uint64_t earliest = UINT64_MAX;

			for (uint32_t i = 0; i < MAX; i++)
				if (!s.at[i] && due[i] < earliest)
					earliest = due[i];
			if (ceil_tick(earliest, 10) > s.now && ceil_tick(earliest, 10) > start + 10)
				assert_true(s.now + wait <= ceil_tick(earliest, 10));
			s.now += wait + (xorshift(&x) % 4 == 0 ? xorshift(&x) % 300 : 0);
			while (wheel_run(w, s.now, 100, note, &s) == 100)
				;
			if (!wait)
				s.now += 10;
			assert_true(s.now < last + 3000);
		}
		assert_int_equal(s.count, MAX);
		for (uint32_t i = 0; i < MAX; i++) {
			assert_true(s.at[i] >= due[i]);
			assert_int_equal(s.generation[i], (uint16_t)i);
		}
		wheel_free(&w);
	}
}

static void budget_defers_the_rest(void **state)
{
	struct seen s = {.now = 1000};
	struct wheel *w;

	(void)state;
	assert_int_equal(wheel_new(64, 10, 500, 0, &w), 0);
	for (uint32_t i = 0; i < 500; i++)
		assert_true(wheel_add(w, i, 0, 100));
	assert_int_equal(wheel_run(w, 1000, 200, note, &s), 200);
	assert_int_equal(wheel_next(w, 1000, 99), 0);
	assert_int_equal(wheel_run(w, 1000, 200, note, &s), 200);
	assert_int_equal(wheel_run(w, 1000, 200, note, &s), 100);
	assert_int_equal(wheel_run(w, 1000, 200, note, &s), 0);
	assert_int_equal(wheel_next(w, 1000, 99), 99);
	wheel_free(&w);
}

static void add_again(uint32_t number, uint16_t generation, void *arg)
{
	struct seen *s = arg;

	s->count++;
	if (s->count < 5000)
		assert_true(wheel_add(s->again, number, generation, s->now));
}

/* An entry added while its tick fires waits for a later tick: one run never loops for ever. */
static void adding_while_firing(void **state)
{
	struct seen s = {0};
	struct wheel *w;

	(void)state;
	assert_int_equal(wheel_new(64, 10, 4, 0, &w), 0);
	s.again = w;
	assert_true(wheel_add(w, 1, 1, 10));
	for (s.now = 10; s.now <= 1000; s.now += 10)
		assert_true(wheel_run(w, s.now, 1000, add_again, &s) <= 1);
	assert_in_range(s.count, 50, 100);
	assert_int_equal(wheel_waiting(w), 1);
	wheel_free(&w);
}

static void bad_arguments(void **state)
{
	struct wheel *w = (struct wheel *)1;

	(void)state;
	assert_int_equal(wheel_new(63, 10, 1, 0, &w), -22);
	assert_int_equal(wheel_new(32, 10, 1, 0, &w), -22);
	assert_int_equal(wheel_new(64, 0, 1, 0, &w), -22);
	assert_int_equal(wheel_new(64, 1, 0, 0, &w), -22);
	assert_ptr_equal(w, (struct wheel *)1);
}

/* Long idle times must not be walked tick by tick when nothing waits. */
static void idle_jump(void **state)
{
	struct seen s = {0};
	struct wheel *w;

	(void)state;
	assert_int_equal(wheel_new(64, 10, 4, 0, &w), 0);
	s.now = 1ull << 50;
	assert_int_equal(wheel_run(w, s.now, 10, note, &s), 0);
	assert_true(wheel_add(w, 3, 9, s.now + 25));
	s.now += 30;
	assert_int_equal(wheel_run(w, s.now, 10, note, &s), 1);
	wheel_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires_exactly_at_its_tick),
		cmocka_unit_test(random_steps),
		cmocka_unit_test(budget_defers_the_rest),
		cmocka_unit_test(adding_while_firing),
		cmocka_unit_test(bad_arguments),
		cmocka_unit_test(idle_jump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
